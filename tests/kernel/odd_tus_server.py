"""A receiver of uploads that can be told to misbehave: tus 1.0.0 or plain PUT, on `http.server`."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


class OddTusServer:
    """Takes one upload after the other into `files`, as well or as badly as its attributes say.

    `faults` holds what happens to the next PATCH requests: a status to answer, ``"cut"`` to close
    the connection after half of the body, ``"lost"`` to take the body and lose the answer,
    ``"gone"`` to forget the upload, ``"damage"`` to find another checksum, or None for nothing.
    `held` is how many of the next DELETE requests find the upload in other hands, `stale` how many
    of the next HEAD requests show a secret that this server does not know.
    """

    def __init__(self) -> None:
        self.speaks_tus = True
        self.checksums = "sha1,md5"
        self.largest_body: int | None = None
        self.faults: deque[Any] = deque()
        self.answers: deque[tuple[int, dict[str, str]]] = deque()
        self.held = 0
        self.stale = 0
        self.files: dict[str, bytearray] = {}
        self.lengths: dict[str, int] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.received = 0
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"odd": self})
        )
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/up/"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def methods(self) -> list[str]:
        return [method for method, _, _ in self.requests]

    def fields(self, method: str) -> list[dict[str, str]]:
        return [fields for name, _, fields in self.requests if name == method]


class _Handler(BaseHTTPRequestHandler):
    odd: ClassVar[OddTusServer]
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def do_OPTIONS(self) -> None:
        self._note()
        about = {
            "Tus-Version": "1.0.0",
            "Tus-Extension": "creation,checksum,termination",
            "Tus-Checksum-Algorithm": self.odd.checksums,
        }
        self._answer(204, about if self.odd.speaks_tus else {})

    def do_POST(self) -> None:
        self._note()
        if self.odd.answers:
            self._answer(*self.odd.answers.popleft())
            return
        name = f"{len(self.odd.lengths):032x}"
        self.odd.files[name] = bytearray()
        self.odd.lengths[name] = int(self.headers["Upload-Length"])
        self._answer(201, {"Location": f"/up/{name}"})

    def do_HEAD(self) -> None:
        self._note()
        if self.odd.stale:
            self.odd.stale -= 1
            self._answer(403, {"WWW-Authenticate": "Kernel"})
            return
        name = self.path.rpartition("/")[2]
        if name not in self.odd.files:
            self._answer(404)
            return
        self._answer(
            200,
            {
                "Upload-Offset": str(len(self.odd.files[name])),
                "Upload-Length": str(self.odd.lengths[name]),
            },
        )

    def do_DELETE(self) -> None:
        self._note()
        if self.odd.held:
            self.odd.held -= 1
            self._answer(423)
            return
        self.odd.files.pop(self.path.rpartition("/")[2], None)
        self._answer(204)

    def do_PUT(self) -> None:
        self._note()
        length = int(self.headers["Content-Length"])
        if self.odd.answers:
            self.rfile.read(length)
            self._answer(*self.odd.answers.popleft())
            return
        self.odd.files[self.path] = bytearray(self.rfile.read(length))
        self._answer(201)

    def do_PATCH(self) -> None:
        self._note()
        name, length = self.path.rpartition("/")[2], int(self.headers["Content-Length"])
        if self.odd.largest_body is not None and length > self.odd.largest_body:
            self.rfile.read(length)
            self._answer(413)
            return
        fault = self.odd.faults.popleft() if self.odd.faults else None
        if fault == "cut":
            body = self.rfile.read(length // 2)
            if not self.odd.checksums:
                self.odd.files[name] += body
            self.close_connection = True
            return
        body = self.rfile.read(length)
        self.odd.received += len(body)
        if fault == "gone":
            del self.odd.files[name]
        refused = fault if isinstance(fault, int) else self._refused(name, body, fault)
        if refused:
            self._answer(refused)
            return
        self.odd.files[name] += body
        if fault == "lost":
            self.close_connection = True
        else:
            self._answer(204, {"Upload-Offset": str(len(self.odd.files[name]))})

    def _refused(self, name: str, body: bytes, fault: Any) -> int:
        if name not in self.odd.files:
            return 404
        if int(self.headers["Upload-Offset"]) != len(self.odd.files[name]):
            return 409
        right = self._is_right(body + (b"x" if fault == "damage" else b""))
        return 0 if right else 460

    def _is_right(self, body: bytes) -> bool:
        algorithm, _, digest = self.headers.get("Upload-Checksum", "").partition(" ")
        if not algorithm:
            return True
        return hashlib.new(algorithm, body).digest() == base64.b64decode(digest)

    def _note(self) -> None:
        with self.odd._lock:
            fields = {name.lower(): value for name, value in self.headers.items()}
            self.odd.requests.append((self.command, self.path, fields))

    def _answer(self, status: int, fields: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass

"""A file server that can be told to misbehave, on raw sockets: nothing corrects it."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate

MODIFIED = "Wed, 01 Jan 2025 00:00:00 GMT"


@dataclass
class Request:
    """A request as it came: method, target and fields with names in lower case."""

    method: str
    target: str
    fields: dict[str, str]

    @property
    def range(self) -> tuple[int, int | None] | None:
        found = re.fullmatch(r"bytes=([0-9]+)-([0-9]*)", self.fields.get("range", ""))
        if found is None:
            return None
        return int(found[1]), int(found[2]) if found[2] else None


@dataclass
class Answer:
    """What is sent in the place of the file, once `after` is set."""

    status: str
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: threading.Event | None = None


class OddServer:
    """Serve one file at every address, as well or as badly as its attributes say.

    `cuts` holds after how many bytes of a body the next connections are closed, and `answers` what
    the next requests get instead of the file; None stands for neither. Of the next responses only
    so many bytes are sent as `headings` has, and the connection is closed. Where there is a `gate`,
    nothing of the file from byte `free` on passes before it is opened. With `waits_for_ranges` a
    whole file is sent to its end only when a part has been asked for. Of a part `most` bytes are
    given at most, and of how many it is one is told with `says_total` alone.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.etag: str | None = '"v1"'
        self.modified: str | None = MODIFIED
        self.ranges = True
        self.heeds_if_range = True
        self.says_length = True
        self.most: int | None = None
        self.says_total = True
        self.chunked = False
        self.digest = False
        self.fields: dict[str, str] = {}
        self.cuts: deque[int | None] = deque()
        self.answers: deque[Answer | None] = deque()
        self.headings: deque[int] = deque()
        self.requests: list[Request] = []
        self.sent = 0
        self.gate: threading.Event | None = None
        self.free = 0
        self.ranged = threading.Event()
        self.waits_for_ranges = False
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"{self.origin}/data/flights.bin"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def change(self, content: bytes, etag: str | None = '"v2"') -> None:
        self.content, self.etag = content, etag
        self.modified = "Thu, 02 Jan 2025 00:00:00 GMT"

    def close(self) -> None:
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                while (request := _read(reader)) is not None:
                    with self._lock:
                        self.requests.append(request)
                        answer = self.answers.popleft() if self.answers else None
                        cut = self.cuts.popleft() if self.cuts and answer is None else None
                    if answer is not None and answer.after is not None:
                        answer.after.wait(60)
                    if answer is not None:
                        _send(connection, answer.status, answer.fields, answer.body)
                    elif not self._send_file(connection, request, cut):
                        return
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _send_file(self, connection: socket.socket, request: Request, cut: int | None) -> bool:
        fields = {"Date": formatdate(usegmt=True), **self.fields}
        if self.etag is not None:
            fields["ETag"] = self.etag
        if self.modified is not None:
            fields["Last-Modified"] = self.modified
        if self.digest:
            digest = base64.b64encode(hashlib.sha256(self.content).digest()).decode()
            fields["Repr-Digest"] = f"sha-256=:{digest}:"
        if self.ranges:
            fields["Accept-Ranges"] = "bytes"
        if self.etag is not None and request.fields.get("if-none-match") == self.etag:
            _send(connection, "304 Not Modified", fields, b"", length=False)
            return True
        status, body, first = "200 OK", self.content, 0
        part = request.range
        if part is not None:
            self.ranged.set()
        guard = request.fields.get("if-range")
        fits = guard in {None, self.etag, self.modified} or not self.heeds_if_range
        if part is not None and self.ranges and fits:
            first, last = part[0], min(part[1] or len(body), len(body) - 1)
            if first >= len(body):
                fields["Content-Range"] = f"bytes */{len(body)}"
                _send(connection, "416 Range Not Satisfiable", fields, b"")
                return True
            if self.most is not None:
                last = min(last, first + self.most - 1)
            total = len(body) if self.says_total else "*"
            fields["Content-Range"] = f"bytes {first}-{last}/{total}"
            status, body = "206 Partial Content", body[first : last + 1]
        return self._send_body(connection, status, fields, body, cut, first)

    def _send_body(
        self,
        connection: socket.socket,
        status: str,
        fields: dict[str, str],
        body: bytes,
        cut: int | None,
        first: int,
    ) -> bool:
        if self.chunked:
            fields["Transfer-Encoding"] = "chunked"
        elif self.says_length:
            fields["Content-Length"] = str(len(body))
        heading = _heading(status, fields)
        if self.headings:
            connection.sendall(heading[: self.headings.popleft()])
            return False
        connection.sendall(heading)
        whole = cut is None or cut > len(body)
        body = body if whole else body[:cut]
        for start in range(0, len(body), 65_536):
            if self.waits_for_ranges and start >= 2**20 and len(body) == len(self.content):
                self.ranged.wait(60)
            if self.gate is not None and first + start >= self.free:
                self.gate.wait(60)
            piece = body[start : start + 65_536]
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece
            connection.sendall(framed)
            with self._lock:
                self.sent += len(piece)
        if self.chunked and whole:
            connection.sendall(b"0\r\n\r\n")
        return whole and (self.chunked or self.says_length)


def _read(reader: object) -> Request | None:
    line = reader.readline().decode("latin-1").strip()  # type: ignore[attr-defined]
    if not line:
        return None
    method, target, _ = line.split(" ", 2)
    fields: dict[str, str] = {}
    while line := reader.readline().decode("latin-1").strip():  # type: ignore[attr-defined]
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    return Request(method, target, fields)


def _heading(status: str, fields: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", errors="surrogateescape")


def _send(
    connection: socket.socket,
    status: str,
    fields: dict[str, str],
    body: bytes,
    *,
    length: bool = True,
) -> None:
    if length:
        fields = {**fields, "Content-Length": str(len(body))}
    connection.sendall(_heading(status, fields) + body)

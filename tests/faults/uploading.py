"""A tus client that does what it is told, right or wrong, and one that goes on until it is done."""

from __future__ import annotations

import base64
import hashlib
import http.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import xxhash
from laboratory import Answer

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from laboratory import Server
    from page import Page

OCTETS: Final = "application/offset+octet-stream"
CHUNK: Final = 8 << 20


def checksum(content: bytes, algorithm: str = "sha256") -> str:
    """Return the value of `Upload-Checksum`."""
    made = xxhash.xxh3_128(content) if algorithm == "xxh128" else hashlib.new(algorithm, content)
    return f"{algorithm} {base64.b64encode(made.digest()).decode()}"


@dataclass
class Uploader:
    """One client of a server, directly or by way of a proxy.

    Parameters
    ----------
    token
        Another one than the server's, or None for nobody's.
    kernel
        Whether it is a kernel, which is another owner than the user.
    """

    server: Server
    port: int | None = None
    token: str | None = ""
    kernel: bool = False

    def _fields(self, **headers: str) -> dict[str, str]:
        fields = {"Tus-Resumable": "1.0.0"}
        if self.kernel:
            fields["Authorization"] = f"Kernel {self.server.secret}"
        return fields | {name.replace("_", "-"): value for name, value in headers.items()}

    def send(self, method: str, upload: str, body: bytes | None = None, **headers: str) -> Answer:
        token = None if self.kernel else self.token
        fields, path = self._fields(**headers), f"uploads/{upload}"
        return self.server.request(
            method, path, headers=fields, body=body, token=token, port=self.port
        )

    def create(self, length: int, *, name: str = "upload.bin", **more: str) -> Answer:
        """Ask for a new upload; `more` is metadata, or a header where it has capitals."""
        pairs = {"filename": name}
        pairs |= {key: value for key, value in more.items() if key.islower()}
        fields = {key: value for key, value in more.items() if not key.islower()}
        metadata = [
            f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items()
        ]
        fields |= {"Upload_Length": str(length), "Upload_Metadata": ",".join(metadata)}
        return self.send("POST", "", **fields)

    def created(self, length: int, *, name: str = "upload.bin", **more: str) -> str:
        """Create an upload, and return its id."""
        answer = self.create(length, name=name, **more)
        assert answer.status == 201, answer.body
        return str(answer.headers["Location"])

    def patch(self, upload: str, offset: object, body: bytes, **headers: str) -> Answer:
        fields = {"Upload_Offset": str(offset), "Content_Type": OCTETS} | headers
        return self.send("PATCH", upload, body, **fields)

    def head(self, upload: str) -> Answer:
        return self.send("HEAD", upload)

    def offset(self, upload: str) -> int:
        answer = self.head(upload)
        assert answer.status == 200, answer.status
        return answer.offset

    def begin(self, upload: str, offset: int, length: int, **headers: str) -> socket.socket:
        """Send the head of a PATCH, and return the connection."""
        fields = self._fields(Upload_Offset=str(offset), Content_Type=OCTETS, **headers)
        fields.setdefault("Authorization", f"token {self.token or self.server.token}")
        lines = [f"PATCH {self.server.base}uploads/{upload} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"Content-Length: {length}", *(f"{key}: {fields[key]}" for key in fields)]
        connection = self.server.connect(self.port)
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return connection

    def finish(
        self, upload: str, content: bytes, *, chunk: int = CHUNK, checked: bool = False
    ) -> int:
        """Go on until all is there, whatever breaks, and return the bytes that were sent."""
        sent = 0
        for _ in range(1000):
            try:
                offset = self.head(upload).offset
                if offset == len(content):
                    return sent
                body = content[offset : offset + chunk]
                sent += len(body)
                headers = {"Upload_Checksum": checksum(body)} if checked else {}
                answer = self.patch(upload, offset, body, **headers)
                assert answer.status in {204, 409, 460}, answer.body
            except (OSError, http.client.HTTPException):
                continue
        raise AssertionError("the upload never ends")

    @property
    def target(self) -> Path:
        """The file that an upload becomes, by its usual name."""
        return self.server.root / "upload.bin"


def answer_of(connection: socket.socket | Page) -> Answer:
    """Read the answer to a request that was sent by hand."""
    response = http.client.HTTPResponse(connection)  # type: ignore[arg-type]
    response.begin()
    return Answer(response.status, response.headers, response.read())

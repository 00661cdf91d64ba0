"""A page's end of the live channel, by hand: the handshake, frames, and what a page does."""

from __future__ import annotations

import base64
import json
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from uploading import answer_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BufferedReader

    from laboratory import Answer, Server

    from progresswidget.protocol import Json

_TEXT: Final = 1
_CLOSE: Final = 8
_PING: Final = 9
_PONG: Final = 10


class RefusedError(Exception):
    """The server did not upgrade."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Page:
    """One WebSocket.

    Parameters
    ----------
    headers
        More fields of the handshake; None removes one.
    port
        Of a proxy in front of the server.
    path
        Another one than the live channel's.
    """

    def __init__(
        self,
        server: Server,
        headers: Mapping[str, str | None] | None = None,
        *,
        port: int | None = None,
        path: str = "ws",
        timeout: float = 30.0,
    ) -> None:
        self._socket = server.connect(port, timeout=timeout)
        self._file = self._socket.makefile("rb")
        self._id = 0
        self.close_code: int | None = None
        fields: dict[str, str | None] = {
            "Host": f"127.0.0.1:{port or server.port}",
            "Authorization": f"token {server.token}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Protocol": "v1.progress",
        }
        fields |= dict(headers or {})
        lines = [f"GET {server.path(path)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        status = self._file.peek(12)[9:12]
        if status != b"101":
            answer = answer_of(self)
            self.close()
            raise RefusedError(answer)
        while self._file.readline() != b"\r\n":
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def makefile(self, _: str) -> BufferedReader:
        """Return what the rest of an answer is read from."""
        return self._file

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        # RFC 6455 section 5.3: a client masks what it sends; zeros are a mask too.
        short = len(payload) < 126
        length = (
            bytes([0x80 | len(payload)]) if short else struct.pack("!BH", 0x80 | 126, len(payload))
        )
        self._socket.sendall(bytes([0x80 | opcode]) + length + bytes(4) + payload)

    def send(self, kind: str, **data: Any) -> int:
        """Send a message, and return its id."""
        self._id += 1
        self.write({"type": kind, "id": self._id, "data": data})
        return self._id

    def write(self, message: Json) -> None:
        """Send a message of another protocol."""
        self._send(_TEXT, json.dumps(message).encode())

    def receive(self) -> Json | None:
        """Return the next message, or None when the server has closed; see `close_code`."""
        while True:
            try:
                head = self._read(2)
                length = head[1] & 0x7F
                if length == 126:
                    (length,) = struct.unpack("!H", self._read(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", self._read(8))
                payload = self._read(length)
            except (EOFError, ConnectionError):
                return None
            opcode = head[0] & 0x0F
            if opcode == _TEXT:
                message: Json = json.loads(payload)
                return message
            if opcode == _PING:
                self._send(_PONG, payload)
            elif opcode == _CLOSE:
                (self.close_code,) = struct.unpack("!H", payload[:2] or b"\x03\xed")
                with suppress(OSError):
                    self._send(_CLOSE, payload[:2])
                return None

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def await_type(self, *kinds: str) -> Json:
        """Return the next message of one of these types."""
        while True:
            message = self.receive()
            assert message is not None, f"closed with {self.close_code}"
            if message["type"] in kinds:
                return message

    def subscribe(self, task_id: str, **position: Any) -> Json:
        """Follow a job, and return the answer."""
        self.send("subscribe", tasks=[{"taskId": task_id} | position])
        return self.await_type("subscribed")

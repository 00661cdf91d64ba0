"""The line between a browser and a server, as a wire that a test can cut, mend and slow down."""

from __future__ import annotations

import re
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_BLOCK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)
"""`SO_LINGER` of no time at all: the connection ends by a reset."""


class Network:
    """A TCP relay on loopback in front of one port.

    Parameters
    ----------
    target
        The port of the server.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.rate = 0.0
        """Bytes a second from the server on each connection; 0 is as fast as it goes."""
        self.upload_rate = 0.0
        """The same for the other direction."""
        self.head_start = 0
        """Bytes that a line with a rate lets through at once, so that it may be slow afterwards."""
        self.requests: list[str] = []
        """The heads of the requests that passed, oldest first."""
        self._is_cut = False
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection, and let none through until `mend`."""
        self._is_cut = True
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for side in pair:
                with suppress(OSError):
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    side.shutdown(socket.SHUT_RDWR)
                side.close()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    def heads(self, part: str) -> list[str]:
        """Return the heads of the requests whose first line holds `part`."""
        return [head for head in self.requests if part in head.partition("\r\n")[0]]

    def ranges(self, part: str) -> list[int]:
        """Return where the ranges begin that were asked for, of such requests."""
        found = (
            re.search(r"^range: bytes=(\d+)-", head, re.IGNORECASE | re.MULTILINE)
            for head in self.heads(part)
        )
        return [int(match[1]) for match in found if match]

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            for one, other, down in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(one, other, down), daemon=True).start()

    def _pump(self, source: socket.socket, drain: socket.socket, down: bool) -> None:  # noqa: FBT001
        with suppress(OSError):
            # A slow line has small buffers: what was sent is what has arrived.
            while block := source.recv(_BLOCK):
                if not down:
                    self._note(block)
                drain.sendall(block)
                rate = self.rate if down else self.upload_rate
                if rate and not self._is_ahead(len(block)):
                    self._ended.wait(len(block) / rate)
            drain.shutdown(socket.SHUT_WR)

    def _is_ahead(self, size: int) -> bool:
        with self._lock:
            self.head_start = max(0, self.head_start - size)
            return self.head_start > 0

    def _note(self, block: bytes) -> None:
        if re.match(rb"[A-Z]+ /[^ ]* HTTP/1\.1\r\n", block):
            head = block.partition(b"\r\n\r\n")[0].decode("latin-1")
            self.requests.append(head)

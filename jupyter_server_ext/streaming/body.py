"""The body of a request, read straight from its connection.

tornado would hand a body on in pieces of 64 KiB, each copied three times. Between the head of a
request and its body, while a handler prepares, the connection is idle: the bytes are then read from
its stream into buffers of ours, and tornado is told that there was no body.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tornado.iostream import StreamClosedError

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest

_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CHUNK: Final = re.compile(rb"[0-9A-Fa-f]{1,15}\r\n")
_CHUNK_LINE: Final = 64
"""Bytes of the line before a chunk."""
_TRASH: Final = 64 * 1024


class Body:
    """The body of a request that has not been read yet.

    Parameters
    ----------
    request
        tornado's; the handler is still in its `prepare`.
    idle
        Seconds without a byte after which reading fails.

    Raises
    ------
    ApiError
        ``malformed``, where the head does not say clearly how long the body is.
    """

    def __init__(self, request: HTTPServerRequest, *, idle: float) -> None:
        connection: Any = request.connection
        self._stream = connection.stream
        self._headers = request.headers
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._failure: ApiError | None = None
        self._begun = False
        self.usable = True
        """Whether more can be read: not after an interruption or a framing error."""
        self._chunked = "Transfer-Encoding" in self._headers
        self._left = self._taken = 0
        self.length: int | None = None
        """Bytes of the body, or None where it comes in chunks."""
        self.limit: int | None = None
        """Bytes that are taken at most."""
        if not self._chunked:
            self.length = self._left = self._content_length()
        elif (
            # RFC 9112 section 6.1: both together are how requests are smuggled.
            "Content-Length" in self._headers
            or self._headers["Transfer-Encoding"].lower() != "chunked"
        ):
            self.usable = False
            raise ApiError("malformed", "Send Content-Length, or Transfer-Encoding: chunked.")
        self.ended = not self._chunked and self._left == 0

    def _content_length(self) -> int:
        text = self._headers.get("Content-Length", "0")
        if _LENGTH.fullmatch(text) is None:
            self.usable = False
            raise ApiError("malformed", "Content-Length must be one number.")
        return int(text)

    @property
    def awaited(self) -> bool:
        """Whether the client waits for a word before it sends (RFC 9110 section 10.1.1)."""
        return not self._begun and self._headers.get("Expect", "").lower() == "100-continue"

    @property
    def interrupted(self) -> bool:
        """Whether the next read will fail."""
        return self._failure is not None

    def interrupt(self, failure: ApiError) -> None:
        """Let reading fail, now or at the next try."""
        self._failure = self._failure or failure
        self._wake()

    def _wake(self, _: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read_into(self, buffer: memoryview) -> int:
        """Read what is there, or wait for it.

        Returns
        -------
        The number of bytes, 0 at the end of the body.

        Raises
        ------
        ApiError
            What `interrupt` was given; ``upload-idle``; ``malformed``; ``too-large``.
        StreamClosedError
            If the client has gone.
        """
        if self._chunked and self._left == 0 and not self.ended:
            await self._next_chunk()
        if self._failure is not None:
            raise self._failure
        if self.ended:
            return 0
        await self._begin()
        read = self._stream.read_into(buffer[: self._left], partial=True)
        count: int = await self._wait(read)
        self._left -= count
        self._taken += count
        if self.limit is not None and self._taken > self.limit:
            raise ApiError("too-large", f"The body has more than {self.limit} bytes.")
        if self._left == 0:
            if self._chunked:
                await self._expect_line_end()
            else:
                self.ended = True
        return count

    async def discard(self, most: int) -> None:
        """Read what is left and drop it, `most` bytes of it; give up where that fails."""
        trash = memoryview(bytearray(min(most, _TRASH)))
        with suppress(ApiError, StreamClosedError):
            while self.usable and most > 0 and (count := await self.read_into(trash)):
                most -= count

    def close(self) -> None:
        """Tell tornado that there is no body left to read."""
        for name in ("Transfer-Encoding", "Expect"):
            self._headers.pop(name, None)
        self._headers["Content-Length"] = "0"

    async def _begin(self) -> None:
        if self.awaited:
            await self._stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._begun = True

    async def _next_chunk(self) -> None:
        await self._begin()
        line = await self._line()
        if _CHUNK.fullmatch(line) is None:
            self._fail_framing()
        self._left = int(line, 16)
        if self._left == 0:
            # Trailers are not taken: what follows the last chunk is an empty line.
            await self._expect_line_end()
            self.ended = True

    async def _expect_line_end(self) -> None:
        if await self._line() != b"\r\n":
            self._fail_framing()

    async def _line(self) -> bytes:
        # A longer line closes the stream.
        line: bytes = await self._wait(self._stream.read_until(b"\n", max_bytes=_CHUNK_LINE))
        return line

    def _fail_framing(self) -> None:
        self.usable = False
        raise ApiError("malformed", "The chunks of the body are malformed.")

    async def _wait(self, read: asyncio.Future[Any]) -> Any:
        if not read.done():
            self._waiter = self._loop.create_future()
            read.add_done_callback(self._wake)
            timer = self._loop.call_later(self._idle, self._give_up)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        if self._failure is not None:
            # The stream may still be filling our buffer: nobody reads from it any more.
            self.usable = read.done()
            raise self._failure
        return read.result()

    def _give_up(self) -> None:
        message = f"No byte came for {self._idle:g} seconds."
        self.interrupt(ApiError("upload-idle", message))

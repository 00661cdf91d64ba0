"""The body of a request, read straight from its connection and written in threads.

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
    from collections.abc import Awaitable, Callable

    from tornado.httputil import HTTPServerRequest

    from jupyter_server_ext.sending import Gate

_SMALL: Final = 64 * 1024
_LARGE: Final = 1024 * 1024
"""Bytes of a buffer: small for those who send little, and doubled for those who fill it."""
_ENOUGH: Final = 256 * 1024
"""Bytes that are worth a trip to a thread."""
_MOMENT: Final = 0.005
"""Seconds that fewer wait for more."""
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CHUNK: Final = re.compile(rb"[0-9A-Fa-f]{1,15}\r\n")
_CHUNK_LINE: Final = 64
"""Bytes of the line before a chunk."""


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
        trash = memoryview(bytearray(min(most, _SMALL)))
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


async def receive(body: Body, write: Callable[[memoryview], Awaitable[None]], gate: Gate) -> None:
    """Read a body to its end and write it; more is read while one block is being written.

    However it ends, all bytes that were read are written first.

    Parameters
    ----------
    write
        Writes a block; it is called again only after it has returned.
    gate
        How fast bytes may come: they are read, then paid for, and written then.

    Raises
    ------
    ApiError, StreamClosedError
        As `Body.read_into` and `write`.
    """
    blocks = _Blocks(write)
    try:
        while count := await body.read_into(await blocks.room(large=gate.unlimited)):
            if not gate.unlimited:
                await _pay(body, gate, count)
            blocks.filled(count)
    finally:
        await blocks.written()


class _Block:
    """A buffer: bytes from `written` to `filled` wait to be written."""

    __slots__ = ("filled", "view", "written")

    def __init__(self, size: int) -> None:
        self.view = memoryview(bytearray(size))
        self.filled = self.written = 0


class _Blocks:
    """Two buffers: while one is being written the other is filled, and none waits to be full."""

    def __init__(self, write: Callable[[memoryview], Awaitable[None]]) -> None:
        self._write = write
        self._now, self._before = _Block(_SMALL), _Block(_SMALL)
        self._progress = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def room(self, *, large: bool) -> memoryview:
        """Return where the next bytes go, when there is a place.

        Parameters
        ----------
        large
            Whether buffers may grow.
        """
        self._raise_failure()
        now = self._now
        if now.filled == len(now.view):
            self._start()
            while self._before.written < self._before.filled:
                self._progress.clear()
                await self._progress.wait()
                self._raise_failure()
            self._now, self._before = self._before, now
            size = min(_LARGE, 2 * len(now.view)) if large else _SMALL
            if len(self._now.view) == size:
                self._now.filled = self._now.written = 0
            else:
                self._now = _Block(size)
        return self._now.view[self._now.filled :]

    def filled(self, count: int) -> None:
        """Note that so many bytes of `room` are there."""
        self._raise_failure()
        self._now.filled += count
        if self._now.filled - self._now.written >= _ENOUGH:
            self._start()
        elif self._timer is None:
            # A trip to a thread costs as much as many small pieces: more may come in a moment.
            self._timer = asyncio.get_running_loop().call_later(_MOMENT, self._start)

    async def written(self) -> None:
        """Return when nothing waits any more."""
        self._start()
        if self._task is not None:
            await self._task

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None or (self._task.done() and self._task.exception() is None):
            self._task = asyncio.ensure_future(self._run())

    def _raise_failure(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()

    async def _run(self) -> None:
        try:
            while block := self._next():
                end = block.filled
                await self._write(block.view[block.written : end])
                block.written = end
                self._progress.set()
        finally:
            self._progress.set()

    def _next(self) -> _Block | None:
        for block in (self._before, self._now):
            if block.written < block.filled:
                return block
        return None


async def _pay(body: Body, gate: Gate, count: int) -> None:
    loop = asyncio.get_running_loop()
    # Who takes over the upload does not wait for what is owed.
    while count > 0 and not body.interrupted:
        granted, wait = gate.grant(count, loop.time())
        count -= granted
        if not granted:
            await asyncio.sleep(wait)

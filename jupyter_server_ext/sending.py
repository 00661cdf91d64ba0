"""Bodies on their way out: `os.sendfile` on the connection itself, and reading where it cannot be.

The headers leave through tornado; when its buffer is empty, slices of the file go straight from the
page cache to the socket, one in each turn of the loop, so that all streams get the same and nobody
waits for longer than a slice. What the kernel has been given in this way it sends
as it is *then*: whoever writes to the file changes bytes that are waiting in a socket. So the last
bytes of every body are copies, as many as two sockets can hold between them: when the last copy is
handed over, nothing but copies is on its way, and a file that has changed is noticed before it.

A TLS connection, HTTP/1.0, a server that transforms bodies, and a file system that does not tell
what is in memory are read in threads.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from tornado.iostream import IOStream, StreamClosedError

from jupyter_server_ext.pagecache import PageCache
from jupyter_server_ext.slices import Slices, Turns
from jupyter_server_ext.sockets import (
    drop_on_close,
    prepare_for_bulk,
    queued,
    unread_at_most,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from tornado.web import RequestHandler

    from jupyter_server_ext.activity import Activity
    from jupyter_server_ext.ranges import ByteRange

T = TypeVar("T")

_SLICE: Final = 1024 * 1024
"""Bytes that are asked for at once where there is a limit."""
_STRETCH: Final = 16 * 1024 * 1024
"""Bytes sent without asking whether there is a limit by now, where there was none."""
_WINDOW: Final = 4 * 1024 * 1024
"""Bytes read from the disk at once, where they are not in memory."""
_BLOCK: Final = 1024 * 1024
"""Bytes read at once for a copy, of a client that takes them as they come."""
_LEAST_BLOCK: Final = 128 * 1024
"""The same for a slow one: two hundred of them must not hold two hundred large blocks."""
_PIECE: Final = 64 * 1024
"""Bytes written at once where they must be asked for."""
_LOOKS: Final = 4
"""Looks for stalled clients within one time-out."""


class Gate(Protocol):
    """How fast bytes may go."""

    @property
    def unlimited(self) -> bool:
        """Whether nobody needs to ask."""

    def grant(self, want: int, now: float) -> tuple[int, float]:
        """Return how many bytes may go now, and if none, the seconds to wait."""


class Transfer(Protocol):
    """Who wants to know how far it is."""

    def moved(self, offset: int) -> None:
        """Note the absolute offset that was reached."""

    def seek(self, offset: int) -> None:
        """Note that it goes on elsewhere in the file."""


class SentFile(Protocol):
    """An open file that knows when it is no longer what it was."""

    @property
    def descriptor(self) -> int:
        """Open for reading."""

    def check(self) -> None:
        """Raise `FileChangedError` if the file was written to."""

    def read(self, offset: int, length: int) -> bytes:
        """Read in a thread; raise `FileChangedError` likewise."""


class Sending:
    """What all bodies of a server share: threads, one timer, and the turns of their slices.

    Parameters
    ----------
    readers
        Threads that read files.
    stall_timeout
        Seconds after which a client that takes nothing is cut.
    activity
        What is told that bytes move.
    """

    def __init__(self, readers: Executor, stall_timeout: float, activity: Activity) -> None:
        self.readers = readers
        self.activity = activity
        self.tail = unread_at_most() + _BLOCK
        self._stall_timeout = stall_timeout
        self._waiting: set[Body] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.turns = Turns()

    def body(
        self, handler: RequestHandler, *, gate: Gate | None = None, transfer: Transfer | None = None
    ) -> Body:
        """Return the body of the answer that `handler` gives."""
        return Body(self, handler, gate, transfer)

    def watch(self, body: Body) -> None:
        """Let `body` be ended if its client takes nothing for too long."""
        self._waiting.add(body)
        if self._timer is None:
            self._arm()

    def unwatch(self, body: Body) -> None:
        """Wait for its client no longer."""
        self._waiting.discard(body)

    def _arm(self) -> None:
        delay = self._stall_timeout / _LOOKS
        self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        oldest = asyncio.get_running_loop().time() - self._stall_timeout
        for body in tuple(self._waiting):
            body.look()
            if body.moved_at <= oldest:
                body.end(TimeoutError("the client takes no bytes"))
        if self._waiting:
            self._arm()


class Body:
    """The body of one answer. Made by `Sending.body`.

    The handler passes the end of the connection on to `gone`. All methods that send raise
    `StreamClosedError` if the client has left, and `TimeoutError` if it takes nothing.
    """

    def __init__(
        self,
        sending: Sending,
        handler: RequestHandler,
        gate: Gate | None,
        transfer: Transfer | None,
    ) -> None:
        self._sending = sending
        self._handler = handler
        self._gate = gate
        self._transfer = transfer
        self._awake = sending.activity.begin()
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._queued = -1
        self.moved_at = self._loop.time()

    def gone(self) -> None:
        """Stop sending: tornado leaves a write waiting for ever when the client has gone."""
        self.end(StreamClosedError())

    def end(self, error: Exception) -> None:
        """Make whoever sends, now or later, meet `error`."""
        if self._error is None:
            self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._error)

    def cut(self) -> None:
        """End the connection without the rest, so that the client sees that it has no file."""
        stream: Any = self._handler.detach()
        if stream is not None and not stream.closed():
            drop_on_close(stream.socket)
            stream.close()

    async def start(self) -> None:
        """Send the headers."""
        await self._flush()

    async def write(self, data: bytes, offset: int | None = None) -> None:
        """Send bytes that are no file, as fast as the client takes them.

        Parameters
        ----------
        data
            Any length.
        offset
            Where in the file they belong, for those who follow the transfer.
        """
        start = 0
        while start < len(data):
            left = len(data) - start
            length = await self._granted(left if self._is_free else min(_PIECE, left))
            self._handler.write(data[start : start + length])
            await self._flush()
            start += length
            self.note(None if offset is None else offset + start)

    async def send_file(self, file: SentFile, wanted: ByteRange) -> None:
        """Send a range of a file.

        Raises
        ------
        FileChangedError
            If the file is no longer what it was. The body must then be cut.
        """
        offset, end = wanted.first, wanted.last + 1
        if self._transfer is not None:
            self._transfer.seek(offset)
        edge = end - self._sending.tail
        if offset < edge and self._is_plain():
            cache = PageCache(file.descriptor)
            if cache.tells:
                await self.start()
                await self._send_slices(file, cache, offset, edge)
                offset = edge
        await self._send_copies(file, offset, end)

    async def _send_slices(self, file: SentFile, cache: PageCache, offset: int, end: int) -> None:
        stream: Any = self._connection.stream
        if stream.closed():
            raise StreamClosedError
        # A descriptor of our own: tornado may close its at any moment, and the number would soon
        # be another connection's.
        target = os.dup(stream.socket.fileno())
        prepare_for_bulk(stream.socket)
        slices = Slices(self._sending.turns, self, file, cache, target, offset)
        try:
            while slices.offset < end:
                wanted = min(_STRETCH if self._is_free else _SLICE, end - slices.offset)
                stop = slices.offset + await self._granted(wanted)
                while slices.offset < stop:
                    await self._load(slices, stop)
                    await self._wait(slices.until(stop))
        finally:
            slices.close()
            os.close(target)
        # tornado counts what it was told to expect, to see that the answer is whole.
        self._connection._expected_content_remaining -= end - offset  # noqa: SLF001 - no other way

    async def _load(self, slices: Slices, stop: int) -> None:
        if not slices.is_cold:
            return
        length = min(_WINDOW, stop - slices.offset)
        await self.in_thread(partial(slices.cache.load, slices.offset, length))
        slices.is_cold = False

    async def _send_copies(self, file: SentFile, offset: int, end: int) -> None:
        length = _LEAST_BLOCK
        while offset < end:
            block = await self.in_thread(partial(file.read, offset, min(length, end - offset)))
            before = self._loop.time()
            await self.write(block, offset)
            offset += len(block)
            took = self._loop.time() - before
            length = _BLOCK if took < self._quick else _LEAST_BLOCK

    _quick: Final = 0.1
    """Seconds within which a client that keeps up takes a block."""

    async def wait(self, news: asyncio.Future[None]) -> None:
        """Wait for something else than the client, but no longer than for it to leave."""
        await self._wait(news, stalls=False)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Call in a reader's thread, and wait for its end whatever becomes of the client."""
        result: T = await self._loop.run_in_executor(self._sending.readers, call)
        return result

    @property
    def _is_free(self) -> bool:
        return self._gate is None or self._gate.unlimited

    async def _granted(self, want: int) -> int:
        while True:
            if self._gate is None or self._gate.unlimited:
                return want
            count, seconds = self._gate.grant(want, self._loop.time())
            if count:
                return count
            timer = self._loop.create_future()
            handle = self._loop.call_later(seconds, _release, timer)
            try:
                await self._wait(timer, stalls=False)
            finally:
                handle.cancel()

    async def _flush(self) -> None:
        written = self._handler.flush()
        if written.done():
            written.result()
            return
        waiter = self._loop.create_future()
        written.add_done_callback(lambda _: _release(waiter))
        await self._wait(waiter)
        written.result()

    async def _wait(self, waiter: asyncio.Future[None], *, stalls: bool = True) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = waiter
        self.moved_at = self._loop.time()
        if stalls:
            self._sending.watch(self)
        try:
            await waiter
        finally:
            self._waiter = None
            self._sending.unwatch(self)

    def look(self) -> None:
        """Note that the client took bytes, if fewer wait in the socket than at the last look.

        A socket with a large buffer says that it takes more only when a third of it is free: who
        reads slowly, but reads, must not be taken for one who has stopped.
        """
        stream = self._connection.stream
        if stream is None or stream.closed():
            return
        # What tornado still holds counts too: it refills the socket between two looks.
        waiting = queued(stream.socket.fileno()) + len(stream._write_buffer)  # noqa: SLF001
        if waiting != self._queued:
            self._queued = waiting
            self.moved_at = self._loop.time()

    def note(self, offset: int | None) -> None:
        """Note that the client took bytes, up to `offset` of the file where they are a file's."""
        self.moved_at = self._loop.time()
        self._awake()
        if self._transfer is not None and offset is not None:
            self._transfer.moved(offset)

    @property
    def _connection(self) -> Any:
        return self._handler.request.connection

    def _is_plain(self) -> bool:
        connection, handler = self._connection, self._handler
        return (
            hasattr(os, "sendfile")
            and type(connection.stream) is IOStream
            and handler.request.version == "HTTP/1.1"
            and not handler._transforms  # noqa: SLF001 - no other way
            and hasattr(connection, "_expected_content_remaining")
        )


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

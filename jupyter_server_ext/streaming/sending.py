"""Bodies on their way out: `os.sendfile` on the connection itself, and reading where it cannot be.

The headers leave through tornado; when its buffer is empty, slices of the file go straight from the
page cache to the socket, one in each turn of the loop, so that all streams get the same and nobody
waits for longer than a slice. What the kernel has been given in this way it sends as it is *then*:
whoever writes to the file changes bytes that are waiting in a socket. So the last bytes of every
body are copies, as many as two sockets can hold between them: when the last copy is handed over,
nothing but copies is on its way, and a file that has changed is noticed before it.

A TLS connection, HTTP/1.0, a server that transforms bodies, and a file system that does not tell
what is in memory are read in threads.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from tornado.iostream import IOStream, StreamClosedError

from jupyter_server_ext.streaming.clients import Client, Clients
from jupyter_server_ext.streaming.pagecache import PageCache
from jupyter_server_ext.streaming.slices import SlicedFile, Slices, Turns
from jupyter_server_ext.streaming.sockets import prepare_for_bulk, unread_at_most

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager
    from socket import socket

    from tornado.web import RequestHandler

    from jupyter_server_ext.http.ranges import ByteRange
    from jupyter_server_ext.streaming.activity import Activity

T = TypeVar("T")

_SLICE: Final = 1024 * 1024
"""Bytes that are asked for at once where there is a limit."""
_STRETCH: Final = 16 * 1024 * 1024
"""Bytes sent without asking whether there is a limit by now, where there was none."""
_WINDOW: Final = 4 * 1024 * 1024
"""Bytes read from the disk at once, where they are not in memory."""
_BLOCK: Final = 1024 * 1024
"""Bytes read at once in a thread, for a client that takes them as they come."""
_LEAST_BLOCK: Final = 128 * 1024
"""The same for a slow one: two hundred of them must not hold two hundred large blocks. What is
shorter leaves in one piece with its headers."""
_PIECE: Final = 64 * 1024
"""Bytes written at once where they must be asked for."""
_QUICK: Final = 0.1
"""Seconds within which a client that keeps up takes a block."""


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


class SentFile(SlicedFile, Protocol):
    """An open file that knows when it is no longer what it was."""

    def read(self, offset: int, length: int) -> bytes:
        """Read in a thread; raise `FileChangedError` if the file was written to."""


class GrowingFile(SentFile, Protocol):
    """An open file of which a beginning stands, read from its first byte to its last."""

    @property
    def offset(self) -> int:
        """How far it was read."""

    def took(self, data: memoryview) -> None:
        """Note the next bytes, which were read elsewhere; they are good until this returns."""


class Sending:
    """What all bodies of a server share: threads, the watch over clients, and turns.

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
        self.clients = Clients(stall_timeout)
        self.turns = Turns()

    def body(
        self, handler: RequestHandler, *, gate: Gate | None = None, transfer: Transfer | None = None
    ) -> Body:
        """Return the body of the answer that `handler` gives."""
        return Body(self, handler, gate, transfer)


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
        self._client = Client(sending.clients, handler)

    def gone(self) -> None:
        """Stop sending: the client has left."""
        self._client.gone()

    def cut(self) -> None:
        """End the connection without the rest, so that the client sees that it has no file."""
        self._client.cut()

    def unfinished(self) -> AbstractContextManager[None]:
        """Let the connection end with an error should this process be killed meanwhile."""
        return self._client.unfinished()

    async def start(self) -> None:
        """Send the headers."""
        await self._client.written(self._handler.flush())

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
            await self._client.written(self._handler.flush())
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
        cache = self._cache(file) if wanted.length > _LEAST_BLOCK else None
        if cache is None:
            await self._send_blocks(file, offset, end)
            return
        await self.start()
        slices = self._slices(file, cache, offset=offset, edge=end - self._sending.tail)
        await self._send_slices(slices, end)
        # tornado counts what it was told to expect, to see that the answer is whole.
        self._client.connection._expected_content_remaining -= wanted.length  # noqa: SLF001

    async def send_growth(self, file: GrowingFile, end: int) -> None:
        """Send what was added to a file of which only a beginning stands, as one chunk.

        It leaves as copies: whether they are what they should be is known only at the end.

        Raises
        ------
        FileChangedError
            If there is less than that. The body must then be cut.
        """
        offset, cache = file.offset, self._cache(file)
        if cache is None:
            await self._send_blocks(file, offset, end)
            return
        stream = self._client.connection.stream
        # RFC 9112 section 7.1; the last chunk is tornado's.
        await self._client.written(stream.write(b"%x\r\n" % (end - offset)))
        slices = self._slices(file, cache, offset=offset, edge=offset, copied=file.took)
        await self._send_slices(slices, end)
        await self._client.written(stream.write(b"\r\n"))

    def _cache(self, file: SentFile) -> PageCache | None:
        connection, handler = self._client.connection, self._handler
        is_plain = (
            hasattr(os, "sendfile")
            and type(connection.stream) is IOStream
            and handler.request.version == "HTTP/1.1"
            and not handler._transforms  # noqa: SLF001 - no other way
            and hasattr(connection, "_expected_content_remaining")
        )
        cache = PageCache(file.descriptor) if is_plain else None
        return cache if cache is not None and cache.tells else None

    def _slices(
        self,
        file: SentFile,
        cache: PageCache,
        *,
        offset: int,
        edge: int,
        copied: Callable[[memoryview], None] | None = None,
    ) -> Slices:
        stream: Any = self._client.connection.stream
        if stream.closed():
            raise StreamClosedError
        connection: socket = stream.socket
        prepare_for_bulk(connection)
        turns = self._sending.turns
        return Slices(turns, self, file, cache, connection, offset=offset, edge=edge, copied=copied)

    async def _send_slices(self, slices: Slices, end: int) -> None:
        try:
            while slices.offset < end:
                wanted = min(_STRETCH if self._is_free else _SLICE, end - slices.offset)
                stop = slices.offset + await self._granted(wanted)
                while slices.offset < stop:
                    await self._load(slices, stop)
                    await self._client.wait(slices.until(stop))
        finally:
            slices.close()

    async def _load(self, slices: Slices, stop: int) -> None:
        if not slices.is_cold:
            return
        length = min(_WINDOW, stop - slices.offset)
        await self.in_thread(partial(slices.cache.load, slices.offset, length))
        slices.is_cold = False

    async def _send_blocks(self, file: SentFile, offset: int, end: int) -> None:
        length = _LEAST_BLOCK
        while offset < end:
            block = await self.in_thread(partial(file.read, offset, min(length, end - offset)))
            before = self._loop.time()
            await self.write(block, offset)
            offset += len(block)
            length = _BLOCK if self._loop.time() - before < _QUICK else _LEAST_BLOCK

    async def wait(self, news: asyncio.Future[None]) -> None:
        """Wait for something else than the client, but no longer than for it to leave."""
        await self._client.wait(news, stalls=False)

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
            await self._client.sleep(seconds)

    def note(self, offset: int | None) -> None:
        """Note that the client took bytes, up to `offset` of the file where they are a file's."""
        self._client.moved()
        self._awake()
        if self._transfer is not None and offset is not None:
            self._transfer.moved(offset)

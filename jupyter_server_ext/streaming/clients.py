"""The other end of an answer: waited for while it takes bytes, and given up when it does not."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tornado.iostream import StreamClosedError

from jupyter_server_ext.streaming.sockets import drop_on_close, queued

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tornado.web import RequestHandler

_LOOKS: Final = 4
"""Looks for stalled clients within one time-out."""


class Clients:
    """All clients of a server that are waited for, with one timer.

    Parameters
    ----------
    stall_timeout
        Seconds after which a client that takes nothing is cut.
    """

    def __init__(self, stall_timeout: float) -> None:
        self._stall_timeout = stall_timeout
        self._waiting: set[Client] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, client: Client) -> None:
        """Let `client` be ended if it takes nothing for too long."""
        self._waiting.add(client)
        if self._timer is None:
            self._arm()

    def unwatch(self, client: Client) -> None:
        """Wait for it no longer."""
        self._waiting.discard(client)

    def _arm(self) -> None:
        delay = self._stall_timeout / _LOOKS
        self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        oldest = asyncio.get_running_loop().time() - self._stall_timeout
        for client in tuple(self._waiting):
            client.look()
            if client.moved_at <= oldest:
                client.end(TimeoutError("the client takes no bytes"))
        if self._waiting:
            self._arm()


class Client:
    """Who gets one answer.

    Parameters
    ----------
    handler
        That gives it; it passes the end of the connection on to `gone`.
    """

    def __init__(self, clients: Clients, handler: RequestHandler) -> None:
        self._clients = clients
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._queued = -1
        self.moved_at = self._loop.time()

    @property
    def connection(self) -> Any:
        """What tornado knows it by."""
        return self._handler.request.connection

    def gone(self) -> None:
        """Stop waiting: tornado leaves a write waiting for ever when the client has gone."""
        self.end(StreamClosedError())

    def end(self, error: Exception) -> None:
        """Make whoever waits, now or later, meet `error`."""
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

    @contextmanager
    def unfinished(self) -> Iterator[None]:
        """Let the connection end with an error should this process be killed meanwhile.

        wget takes a connection that is closed in the middle of a chunk for the end of the file.
        """
        stream: Any = self.connection.stream
        drop_on_close(stream.socket)
        yield
        if not stream.closed():
            drop_on_close(stream.socket, drop=False)

    async def wait(self, waiter: asyncio.Future[None], *, stalls: bool = True) -> None:
        """Wait for something that the client lets happen, or that has nothing to do with it.

        Raises
        ------
        StreamClosedError
            If the client has left.
        TimeoutError
            If it takes nothing, where `stalls` says that this is what is waited for.
        """
        if self._error is not None:
            raise self._error
        self._waiter = waiter
        self.moved()
        if stalls:
            self._clients.watch(self)
        try:
            await waiter
        finally:
            self._waiter = None
            self._clients.unwatch(self)

    async def written(self, written: asyncio.Future[None]) -> None:
        """Wait for it to take what tornado was given to write."""
        if not written.done():
            waiter = self._loop.create_future()
            written.add_done_callback(lambda _: release(waiter))
            await self.wait(waiter)
        written.result()

    async def sleep(self, seconds: float) -> None:
        """Wait, but no longer than for it to leave."""
        timer = self._loop.create_future()
        handle = self._loop.call_later(seconds, release, timer)
        try:
            await self.wait(timer, stalls=False)
        finally:
            handle.cancel()

    def moved(self) -> None:
        """Note that it took bytes."""
        self.moved_at = self._loop.time()

    def look(self) -> None:
        """Note that it took bytes, if fewer wait in the socket than at the last look.

        A socket with a large buffer says that it takes more only when a third of it is free: who
        reads slowly, but reads, must not be taken for one who has stopped.
        """
        stream = self.connection.stream
        if stream is None or stream.closed():
            return
        # What tornado still holds counts too: it refills the socket between two looks.
        waiting = queued(stream.socket.fileno()) + len(stream._write_buffer)  # noqa: SLF001
        if waiting != self._queued:
            self._queued = waiting
            self.moved()


def release(future: asyncio.Future[None]) -> None:
    """Let whoever awaits `future` go on."""
    if not future.done():
        future.set_result(None)

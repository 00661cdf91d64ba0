"""From a connection to whoever writes: more is read while something is being written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jupyter_server_ext.streaming.body import Body
    from jupyter_server_ext.streaming.sending import Gate

_SMALL: Final = 64 * 1024
_LARGE: Final = 1024 * 1024
"""Bytes of a buffer: small for those who send little, and doubled for those who fill it."""
_ENOUGH: Final = 256 * 1024
"""Bytes that are worth a trip to a thread."""
_MOMENT: Final = 0.005
"""Seconds that fewer wait for more."""


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

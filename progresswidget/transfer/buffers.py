"""The buffers of a connection: one is filled while others are hashed where they lie."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from progresswidget.transfer.retry import LOOK

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE: Final = 2**19
"""Bytes of a buffer: they are in a core's cache yet when they are written and hashed."""
MOST: Final = 4


class Buffers:
    """Buffers of one connection, of which more are made where they are lent.

    Parameters
    ----------
    look
        Called often while all are lent; it may raise to end the wait.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._made = 0
        self._own: memoryview | None = None

    def own(self) -> memoryview:
        """Return the buffer to be filled, which stays the same until it is lent."""
        if self._own is None:
            self._own = self._next()
        return self._own

    def lent(self) -> None:
        """Note that somebody else has the buffer now, and will give it back."""
        self._own = None

    def give_back(self, view: memoryview) -> None:
        """Take a buffer back, or a part of it; from any thread."""
        self._free.put(memoryview(view.obj))

    def _next(self) -> memoryview:
        if self._free.empty() and self._made < MOST:
            self._made += 1
            return memoryview(bytearray(SIZE))
        while True:
            self._look()
            try:
                return self._free.get(timeout=LOOK)
            except Empty:
                continue

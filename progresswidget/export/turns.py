"""Turns: what must happen in the order of the file while units are encoded side by side."""

from __future__ import annotations

from concurrent.futures import CancelledError
from threading import Condition
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Turns:
    """Lets units through one by one, in the order of the file."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._next = 0
        self._over = False

    def take(self, number: int, work: Callable[[], T]) -> T:
        """Return what `work` returns, which is called when all units before have had their turn.

        Raises
        ------
        CancelledError
            If that will never be.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._next == number or self._over)
            if self._over:
                raise CancelledError
        try:
            return work()
        finally:
            self.skip(number)

    def skip(self, number: int) -> None:
        """Say that a unit has had its turn, or needs none."""
        with self._changed:
            self._next = max(self._next, number + 1)
            self._changed.notify_all()

    def end(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

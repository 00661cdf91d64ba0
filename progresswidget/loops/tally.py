"""How many steps of a loop are done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.loops.workers.feed import Workers


class Tally:
    """The steps that were counted, those that an iterator tells of, and those of other processes.

    It is apart from the bar, so that who reads it does not keep the bar.

    Parameters
    ----------
    counted
        Steps to begin with.
    workers
        Who counts elsewhere.
    """

    __slots__ = ("counted", "due", "position", "workers")

    def __init__(self, counted: float, workers: Workers) -> None:
        self.counted = counted
        self.due = math.inf
        """How many must have been counted for a step to look whether a line is due."""
        self.position: Callable[[], float] | None = None
        self.workers = workers

    def __call__(self) -> float:
        """Return how many there are; a whole number as long as nobody counts halves."""
        return self.counted + self.elsewhere

    @property
    def elsewhere(self) -> float:
        """Steps that were not counted by `update` in this process."""
        taken = 0 if self.position is None else self.position()
        others = self.workers.total
        return taken + (int(others) if others == int(others) else others)

"""How far a loop is and how fast: its numbers, as a report and a receipt have them."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from progresswidget import protocol
from progresswidget.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.protocol import Status

DIGITS: Final = 6
"""Decimals of a number of steps: of a sum of tenths the last ones are wrong."""
NEARLY: Final = 99.9
"""Percent that a loop which goes on shows at most."""


class Measured:
    """The numbers of a loop; a base of `progresswidget.loops.jobs.job.LoopJob`.

    Parameters
    ----------
    position
        How many items are done; it is called from other threads.
    total
        How many there are, or None where nobody knows.
    """

    def __init__(self, position: Callable[[], float], total: float | None) -> None:
        self.whole: bool | None = None
        """Whether what was looped over has come to its end, where there is such a thing."""
        self.scale = 1.0
        """By what its numbers are multiplied where they are shown: what one step is of its unit."""
        self._position = position
        self._total = total
        self._state: Status = "running"
        self._final: float | None = None
        self._ended: float | None = None
        self._stopped = 0.0
        self._meter = Meter(time.monotonic())
        self._before = 0

    @property
    def total(self) -> float | None:
        """How many steps there are, or None where nobody knows."""
        return self._total

    @total.setter
    def total(self, total: float | None) -> None:
        self._total = total

    @property
    def state(self) -> Status:
        """How it stands, one of `progresswidget.protocol.STATUSES`."""
        return self._state

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._ended is not None

    @property
    def since_end(self) -> float:
        """Seconds since it has ended."""
        return time.monotonic() - self._stopped

    @property
    def ended_ms(self) -> int | None:
        """When it ended, in milliseconds since 1970."""
        return None if self._ended is None else round(self._ended * 1000)

    @property
    def rows(self) -> int:
        """How many steps are done."""
        return count_of(self._scaled(self._position() if self._final is None else self._final))

    @property
    def unfinished(self) -> bool:
        """Whether it was left before its end."""
        done, total = self.exact()
        return self.whole is False or (total is not None and done < total)

    def exact(self) -> tuple[float, float | None]:
        """Return the steps done and those in all as they were counted, perhaps in halves."""
        done = number_of(self._position() if self._final is None else self._final) or 0.0
        done = round(self._scaled(done), DIGITS)
        total = number_of(self.total)
        total = None if total is None else round(self._scaled(total), DIGITS)
        if total is None or total < 0:
            return done, None
        # Of what has come to its end there was no more, whatever was said before.
        return done, done if self.whole else total

    def amounts(self) -> tuple[int, int | None, float | None]:
        """Return the steps done, those in all where they are whole ones, and the percent."""
        done, total = self.exact()
        if not total:
            return self.rows, total_of(total), None
        most = 100.0 if self._state == "done" else NEARLY
        whole = total_of(total) if total.is_integer() else None
        return self.rows, whole, min(max(round(100 * done / total, 2), 0.0), most)

    def measured(self, rows: int, total: int | None) -> tuple[float | None, float | None, float]:
        """Return steps a second, seconds left, and seconds at work."""
        now = self._stopped if self.over else time.monotonic()
        if rows < self._meter.rows and rows <= self._before:
            self._meter, self._before = Meter(now), rows  # it has begun anew
        self._meter.total = total
        if self.over:
            self._meter.pause(now)
        else:
            # What was done before the loop tells nothing of how fast the rest is.
            self._meter.feed(now, rows, min(self._before, rows))
        return self._meter.rate, self._meter.eta, round(self._meter.elapsed, 3)

    def _begin_measuring(self) -> None:
        self._before = count_of(self._scaled(self._position()))

    def _scaled(self, steps: Any) -> Any:
        return steps if self.scale == 1 else steps * self.scale

    def _keep_count(self) -> None:
        """Let the steps be as many as they are now."""
        if self._final is None:
            self._final = number_of(self._position()) or 0.0

    def _stop_measuring(self, state: Status) -> None:
        self._keep_count()
        self._ended, self._stopped = time.time(), time.monotonic()
        self._state = state


def number_of(value: Any) -> float | None:
    """Return what was counted, of whatever type the number is; None where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def count_of(value: Any) -> int:
    """Return a number of steps as a report has it: of whole ones, and not below nothing."""
    number = number_of(value) or 0.0
    # A step that is not whole is not done.
    return min(max(math.floor(round(number, DIGITS)), 0), protocol.MAX_COUNT)


def total_of(value: Any) -> int | None:
    """Return how many steps there are, None where that is no number that says so."""
    number = number_of(value)
    return None if number is None or number < 0 else count_of(number)

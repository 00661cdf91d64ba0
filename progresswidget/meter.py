"""Rate, remaining time and throttling of progress, as pure arithmetic: time is always an argument.

Times are seconds of any monotonic clock, for instance `time.monotonic`.
"""

from __future__ import annotations

import math
from typing import Final

WARM_UP: Final = 1.0
"""Seconds of work before a remaining time is given: earlier ones would be guesses."""
MOMENT: Final = 1e-6
"""Seconds below which no rate is told: a division by next to nothing says nothing."""
SHORTEST_MEMORY: Final = 3.0
LONGEST_MEMORY: Final = 30.0
"""Bounds, in seconds, of the time constant with which old observations fade."""
MEMORY_SHARE: Final = 0.2
"""The time constant as a share of the time worked: a long job is judged over a longer time."""
SETTLING: Final = 0.5
"""The time constant of the shown remaining time, as a share of that of the rate."""


class Meter:
    """Turn a count that grows into a rate, a remaining time and a working time.

    The rate is a weighted mean in which an observation fades exponentially with its age. Rows and
    seconds fade alike, so the first observation counts fully (no start from zero) and irregular
    feeding does no harm. The remaining time runs down like a clock and is only drawn towards the
    newest estimate, so that it settles instead of jumping. Paused time counts nowhere.

    Parameters
    ----------
    now
        Time at which the work starts, in seconds.
    total
        Rows expected in all, or None if that is unknown; may be set later.
    """

    def __init__(self, now: float, total: int | None = None) -> None:
        self.total = total
        self.rows = 0
        self._worked = 0.0
        self._last = now
        self._paused = False
        self._fading_rows = 0.0
        self._fading_seconds = 0.0
        self._eta: float | None = None

    def feed(self, now: float, rows: int) -> None:
        """Observe that `rows` rows are done in all at the time `now`.

        A time before the last one counts as the last one, and so does a count.
        """
        seconds = self._advance(now)
        gained = max(rows - self.rows, 0)
        self.rows += gained
        memory = self._memory()
        fade = math.exp(-seconds / memory)
        self._fading_rows = self._fading_rows * fade + gained
        self._fading_seconds = self._fading_seconds * fade + seconds
        self._settle(seconds, memory * SETTLING)

    def pause(self, now: float) -> None:
        """Stop the clock; a second call changes nothing."""
        if not self._paused:
            self.feed(now, self.rows)
            self._paused = True

    def resume(self, now: float) -> None:
        """Let the clock run again; a second call changes nothing."""
        self._advance(now)
        self._paused = False

    @property
    def elapsed(self) -> float:
        """Seconds of work up to the last observation, without pauses."""
        return self._worked

    @property
    def rate(self) -> float | None:
        """Rows a second of late, or None before a microsecond has passed."""
        if self._fading_seconds < MOMENT:
            return None
        return self._fading_rows / self._fading_seconds

    @property
    def eta(self) -> float | None:
        """Seconds of work that remain; None while unknown, for instance during the warm-up."""
        if self.total is not None and self.rows >= self.total:
            return 0.0
        return self._eta

    def _advance(self, now: float) -> float:
        seconds = max(now - self._last, 0.0)
        self._last = max(now, self._last)
        if self._paused:
            return 0.0
        self._worked += seconds
        return seconds

    def _memory(self) -> float:
        return min(max(self._worked * MEMORY_SHARE, SHORTEST_MEMORY), LONGEST_MEMORY)

    def _settle(self, seconds: float, memory: float) -> None:
        rate = self.rate
        if self.total is None or not rate or self._worked < WARM_UP:
            self._eta = None
            return
        estimate = max(self.total - self.rows, 0) / rate
        if not math.isfinite(estimate):  # a stall so long that the rate has underflowed
            self._eta = None
        elif self._eta is None:
            self._eta = estimate
        else:
            shown = max(self._eta - seconds, 0.0)
            self._eta = shown + (estimate - shown) * -math.expm1(-seconds / memory)


class Throttle:
    """Let something happen at most once per interval.

    Parameters
    ----------
    interval
        Seconds between two permissions.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._next = -math.inf

    def ready(self, now: float, *, force: bool = False) -> bool:
        """Say whether it may happen at `now`, and if so, start the next interval.

        Parameters
        ----------
        now
            Time in seconds.
        force
            Whether it happens anyway, as for a change of state; the interval starts anew.
        """
        if not force and now < self._next:
            return False
        self._next = now + self.interval
        return True

    def remaining(self, now: float) -> float:
        """Return the seconds until `ready` will say yes: 0 if it would now."""
        return max(self._next - now, 0.0)

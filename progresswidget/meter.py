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
MEMORY_STEPS: Final = 3.0
"""Steps that the time constant spans at least: rows that come rarely are judged over several."""
SETTLING: Final = 0.5
"""The time constant of the shown remaining time, as a share of that of the rate."""
SETTLING_SHARE: Final = 0.5
SHORTEST_SETTLING: Final = 1.0
"""It is at most this share of the remaining time, to be right before the end, but not less."""
PATIENCE: Final = 1.0
"""Seconds without a row from which on a remaining time may be called wrong."""


class Meter:
    """Turn a count that grows into a rate, a remaining time and a working time.

    The rate is a weighted mean in which an observation fades exponentially with its age. Rows and
    seconds fade alike, so the first observation counts fully (no start from zero) and irregular
    feeding does no harm.

    Rows come in steps, of a compressed file perhaps one in five seconds. An observation is
    therefore the time from one step to the next. A step under way counts at the pace so far until
    it is overdue, and then as if it came just now: the rate sinks, but not between any two steps.

    The remaining time runs down like a clock and is only drawn towards the newest estimate, so
    that it settles instead of jumping. It is unknown again once nothing has come for longer than
    all the rest should have taken. Paused time counts nowhere.

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
        self._reused = 0
        self._written = 0
        self._worked = 0.0
        self._last = now
        self._paused = False
        self._fading_rows = 0.0
        self._fading_seconds = 0.0
        self._fading_squares = 0.0
        self._waited = 0.0
        self._observed = 0.0
        self._steps = 0
        self._eta: float | None = None
        self._promised = 0.0

    def feed(self, now: float, rows: int, reused: int = 0) -> None:
        """Observe that `rows` rows are done in all at the time `now`.

        A time before the last one counts as the last one, and so does a count. Only if fewer rows
        are reused than before, the work has begun anew, for what was there was damaged.

        Parameters
        ----------
        now
            Time in seconds.
        rows
            Rows done.
        reused
            Rows of these that were there already. Neither they nor the time that went into
            finding them tell how fast the rest is written.
        """
        seconds = self._advance(now)
        self._waited += seconds
        if reused < self._reused:
            self.rows = self._written = 0
        # The two counts are read one after the other: rows may lack what is reused already.
        written = max(rows - reused, self._written)
        if reused != self._reused:
            self._waited = 0.0
        elif written > self._written:
            self._step(written - self._written)
        self.rows = max(rows, self.rows)
        self._written, self._reused = written, reused
        self._settle(seconds)

    def pause(self, now: float) -> None:
        """Stop the clock; a second call changes nothing."""
        if not self._paused:
            self.feed(now, self.rows, self._reused)
            self._paused = True

    def resume(self, now: float) -> None:
        """Let the clock run again; a second call changes nothing."""
        if self._paused:
            self._advance(now)
            self._paused = False

    @property
    def elapsed(self) -> float:
        """Seconds of work up to the last observation, without pauses."""
        return self._worked

    @property
    def rate(self) -> float | None:
        """Rows a second of late, or None before a microsecond has passed."""
        if not self._fading_rows:
            return 0.0 if self._waited >= MOMENT else None
        if self._fading_seconds < MOMENT:
            return None
        pace = self._fading_rows / self._fading_seconds
        usual = self._usual_wait()
        if self._waited <= usual:
            return pace
        fade = self._fade()
        return (self._fading_rows * fade + pace * usual) / (
            self._fading_seconds * fade + self._waited
        )

    @property
    def eta(self) -> float | None:
        """Seconds of work that remain; None while unknown: during the warm-up, and in a stall."""
        complete = self.total is not None and self.rows >= self.total
        promised = 0.0 if complete else self._promised
        if self._waited > max(self._usual_wait(), promised, PATIENCE):
            return None
        return 0.0 if complete else self._eta

    def _advance(self, now: float) -> float:
        seconds = max(now - self._last, 0.0)
        self._last = max(now, self._last)
        if self._paused:
            return 0.0
        self._worked += seconds
        return seconds

    def _step(self, gained: int) -> None:
        fade = self._fade()
        self._fading_rows = self._fading_rows * fade + gained
        self._fading_seconds = self._fading_seconds * fade + self._waited
        self._fading_squares = self._fading_squares * fade + self._waited**2
        self._observed += self._waited
        self._waited = 0.0
        self._steps += 1

    def _usual_wait(self) -> float:
        """Return how long the step lasts that a moment falls into: long ones hold more moments."""
        if self._fading_seconds < MOMENT:
            return 0.0
        return self._fading_squares / self._fading_seconds

    def _memory(self) -> float:
        return max(self._bounded_memory(), self._usual_wait() * MEMORY_STEPS)

    def _bounded_memory(self) -> float:
        worked = self._observed + self._waited
        return min(max(worked * MEMORY_SHARE, SHORTEST_MEMORY), LONGEST_MEMORY)

    def _fade(self) -> float:
        return math.exp(-self._waited / self._memory())

    def _estimate(self, total: int, rate: float) -> float:
        """Return the seconds that the rest takes, less what the step under way has had of them."""
        usual = self._usual_wait()
        under_way = min(self._waited, usual) * self._fading_rows / self._fading_seconds
        return max(total - self.rows - under_way, 0.0) / rate

    def _settle(self, seconds: float) -> None:
        rate = self.rate
        if self.total is None or not rate or not self._warm():
            self._eta = None
            return
        estimate = self._estimate(self.total, rate)
        if self._eta is None:
            self._eta = self._promised = estimate
            return
        shown = max(self._eta - seconds, 0.0)
        longest = self._bounded_memory() * SETTLING
        time_constant = min(longest, max(shown * SETTLING_SHARE, SHORTEST_SETTLING))
        drawn = -math.expm1(-seconds / time_constant)
        # A factor and not a difference is made up for: twice too long is as wrong as half.
        self._eta = math.expm1(math.log1p(shown) * (1 - drawn) + math.log1p(estimate) * drawn)
        if not self._waited:
            self._promised = self._eta

    def _warm(self) -> bool:
        """Say whether there is enough to go by: the first step alone has the start in it."""
        if self._observed + self._waited < WARM_UP:
            return False
        return self._steps > 1 or self._waited > self._usual_wait()


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

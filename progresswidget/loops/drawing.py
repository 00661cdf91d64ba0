"""When a line of text is drawn, and how fast it says that the loop is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from progresswidget.loops.asynchronous import Asynchronous
from progresswidget.loops.text.line import EMA
from progresswidget.loops.text.screen import Placed
from progresswidget.loops.watching import watch

if TYPE_CHECKING:
    from progresswidget.loops.tally import Tally

MININTERVAL: Final = 0.1
MAXINTERVAL: Final = 10.0
"""Seconds between two lines of text, at least and at most."""
SMOOTHING: Final = 0.3
"""The share of the newest observation in the rate."""
MOST_SAID: Final = 10
"""Lines a second that are drawn for words beside the bar; as many may come at once."""


class Drawn(Placed, Asynchronous):
    """The text of a bar; the base of `progresswidget.loops.bar.tqdm`."""

    mininterval: float
    maxinterval: float
    dynamic_miniters: bool
    smoothing: float
    delay: float
    _elsewhere = True
    """Whether a step draws nothing here."""
    _by_step = False
    """Whether it is a step that finds a line due, and draws it."""
    _timed = True
    """Whether a thread says when the time has come for a line, so that no step looks at a clock."""
    _tally: Tally
    _said_room: float = MOST_SAID
    _said_t: float = 0.0
    _unsaid = False
    """Whether there are words, or steps taken back, that no line has shown yet."""

    def _begin_measuring(self) -> None:
        self.last_print_n, self._last_counted = self._tally(), self._tally.counted
        self._ema_dn, self._ema_dt = EMA(self.smoothing), EMA(self.smoothing)
        self._ema_miniters = EMA(self.smoothing)
        self._begin_clock()
        self._aim()

    def _begin_clock(self) -> None:
        self.start_t = self.last_print_t = self._time()
        self._runs = True

    def _begin_text(self, position: int | None) -> None:
        self.sp = self.status_printer(self._stream)
        self._elsewhere = False
        columns, rows = self._stream.size() if None in {self.ncols, self.nrows} else (None, None)
        # A terminal's width is used; without one the bar has ten columns.
        self.ncols = columns if self.ncols is None else self.ncols
        self.nrows = rows if self.nrows is None else self.nrows
        self._take_place(position)
        if self.delay <= 0:
            self._runs = False
            self.refresh(lock_args=self.lock_args)
        self._begin_clock()  # the first line has not run
        self._timed = self._can_be_timed
        self._by_step = not self._timed or not (self.dynamic_miniters or self.miniters <= 1)
        self._aim()
        if self._timed:
            watch(self)

    @property
    def _can_be_timed(self) -> bool:
        # A rate of hardly more than the newest observation is to be one of whole steps.
        steady = self.smoothing <= SMOOTHING
        seldom = self.mininterval >= MININTERVAL and bool(self.maxinterval)
        return steady and seldom and not self.delay

    @property
    def miniters(self) -> float:
        """Steps between two lines of text, at least."""
        return self._miniters

    @miniters.setter
    def miniters(self, steps: float) -> None:
        self._miniters = steps
        self._aim()

    def _aim(self) -> None:
        """Have the step look whether a line is due with which one may be."""
        if self._elsewhere:
            return
        at_once = not self._timed or (self._by_step and self._is_due(self._time()))
        self._tally.due = self._last_counted + self._miniters if at_once else math.inf

    def _undo(self, steps: float) -> None:
        self.last_print_n -= steps  # what was undone comes again
        self._last_counted -= steps
        self._unsaid = self._unsaid or self._timed
        self._aim()

    def draw_if_due(self) -> None:
        """Draw the line if steps were taken and the time for it has come; from any thread."""
        if self.disable:
            return
        tally = self._tally
        if self._by_step and not tally.elsewhere:
            self._aim()
        elif self.n != self.last_print_n:
            now = self._time()
            if tally.position is None and tally.due > 0 and self._is_due(now):
                tally.due = -math.inf  # the next step draws it, if one comes soon
            else:
                self._show_if_due(now)
        if self._unsaid:
            self._show_what_is_said()

    def _show_what_is_said(self) -> None:
        """Draw the line for what stands beside the bar: at once, or when there is room for it."""
        if self.disable or not hasattr(self, "sp"):
            self.refresh()  # a subclass may draw in its own way
            return
        now = self._time()
        since = max(now - self._said_t, 0.0)
        self._said_t = now
        self._said_room = min(self._said_room + since * MOST_SAID, MOST_SAID)
        if self._said_room >= 1 or not self.mininterval:
            self._said_room -= 1
            self._unsaid = False
            self.refresh()
        elif not self._unsaid:
            self._unsaid = True
            watch(self)

    def _show_if_due(self, now: float) -> bool | None:
        if not self._is_due(now):
            return None
        elapsed = now - self.last_print_t
        counted, n = self._tally.counted, self.n
        steps = n - self.last_print_n
        if self.smoothing and elapsed and steps:
            self._ema_dn(steps)
            self._ema_dt(elapsed)
        self.refresh(lock_args=self.lock_args)
        if self.dynamic_miniters:
            self._miniters = self._fitting(steps, elapsed)
        self.last_print_n, self.last_print_t, self._last_counted = n, now, counted
        self._unsaid, self._said_room = False, max(self._said_room - 1, 0)
        self._aim()
        return True

    def _is_due(self, now: float) -> bool:
        return now - self.last_print_t >= self.mininterval and now >= self.start_t + self.delay

    def _fitting(self, steps: float, elapsed: float) -> float:
        """Return the steps until the next line, by those that came since the last one."""
        if self.maxinterval and elapsed >= self.maxinterval:
            return steps * (self.mininterval or self.maxinterval) / elapsed
        if not self.smoothing:
            return max(self.miniters, steps)
        share = self.mininterval / elapsed if self.mininterval and elapsed else 1
        return self._ema_miniters(steps * share)

    def unpause(self) -> None:
        """Leave the time since the last line out of the rate."""
        if not self.disable:
            now = self._time()
            self.start_t += now - self.last_print_t
            self.last_print_t = now

    def _end_text(self) -> None:
        row = abs(self.pos)
        self._leave_place()
        if not hasattr(self, "sp") or self.last_print_t < self.start_t + self.delay:
            return
        if self.leave or (self.leave is None and row == 0):
            self._ema_dt = EMA()  # the rate of the whole loop
            self.display(pos=0)
            self._stream.write("\n")
        else:
            self.display(msg="", pos=row)
            if not row:
                self._stream.write("\r")

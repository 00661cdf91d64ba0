"""What a bar is for those that count for it in other processes."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from progresswidget.loops.counting import Counting, T
from progresswidget.loops.jobs.parent import reporter
from progresswidget.loops.watching import watch
from progresswidget.loops.workers.distant import INTERVAL, address_of
from progresswidget.outbox import outbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from progresswidget.loops.workers.distant import Address
    from progresswidget.loops.workers.reporter import WorkerReporter

LAST_STEPS: Final = 1.0
"""Seconds that a bar waits at its end for steps of workers on other machines, at most."""
_QUIET: Final = 2 * INTERVAL
"""Seconds without news after which none are expected of workers that have said they are idle."""


class Fed(Counting[T]):
    """A bar that others may feed; a base of `progresswidget.loops.bar.tqdm`."""

    _server: str | None

    def reporter(self, server: str | None = None) -> WorkerReporter:
        """Return what counts steps for this bar in other processes; it can be pickled.

        Parameters
        ----------
        server
            Address of the Jupyter server as workers on other machines see it, where that is not as
            this process does. They count there; those on this machine need none.
        """
        self._server = server or self._server
        if self._reporter is not None:
            return self._reporter
        self.fed()
        return self._tally.workers.reporter()

    def fed(self) -> None:
        """Have a thread draw what other processes count from now on."""
        if hasattr(self, "sp") and not self.disable:
            watch(self)

    def forked(self, reporter: WorkerReporter) -> None:
        """Count, in a forked child, for the bar of the parent and draw nothing."""
        self._reporter, self.job, self._elsewhere = reporter, None, True
        self._tally.due = -math.inf
        if hasattr(self, "sp"):
            del self.sp

    def lost(self, dead: int, count: int, steps: float) -> None:
        """Say that workers have died, where something is left to be done."""
        is_left = self.total is None or self._tally.counted + steps < self.total
        if is_left or self._lost is not None:
            self._lost = (dead, count)
            self._tell()

    def address(self) -> Address | None:
        """Return where those count for it who do not share the memory of this machine."""
        if self.job is None or self.job.over:
            return None
        return address_of(self.job, self._server)

    def _was_answered(self, seconds: float) -> bool:
        # Where no job is reported, no answer will ever come.
        return self.job is None or reporter().silence < seconds

    def wait_for(self, steps: Callable[[], float], idle: Callable[[], bool]) -> None:
        """Wait for a moment for the last steps of workers on other machines."""
        if self.job is not None:  # a loop that has lasted for no longer is not reported yet
            reporter().follow(self.job.ensure_line())
        begun = since = time.monotonic()
        before = -1.0
        while (now := time.monotonic()) < begun + LAST_STEPS and not outbox().is_here:
            done = steps()
            if self.total is not None and self._tally.counted + done >= self.total:
                return
            if done != before or not idle():
                before, since = done, now
            elif now - since >= _QUIET and self._was_answered(now - begun):
                return
            reporter().wake()
            time.sleep(LAST_STEPS / 20)

    def __reduce__(self) -> Any:
        return self.reporter().__reduce__()

    def __copy__(self) -> Self:
        """Return the bar itself: what is copied with it goes on counting for the same one."""
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

"""How the steps of a bar are counted: by what it loops over, or by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from progresswidget.loops import endings
from progresswidget.loops.drawing import Drawn
from progresswidget.loops.errors import TqdmDeprecationWarning
from progresswidget.loops.options import refuse_what_is_no_loop
from progresswidget.loops.sampling import sampled, watched
from progresswidget.loops.watching import watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from progresswidget.loops.sampling import Position
    from progresswidget.loops.workers.reporter import WorkerReporter

T = TypeVar("T")


class Counting(Drawn, Generic[T]):
    """The steps of a bar; a base of `progresswidget.loops.bar.tqdm`."""

    gui: bool
    _reporter: WorkerReporter | None
    _error: BaseException | None

    @property
    def n(self) -> float:
        """How many steps are done."""
        return self._tally()

    @n.setter
    def n(self, steps: float) -> None:
        self._tally.counted = steps - self._tally.elsewhere

    # --- What is looped over ---------------------------------------------------------------------

    def __iter__(self) -> Iterator[T]:
        items: Any = self.iterable
        if not hasattr(items, "__aiter__"):
            try:
                refuse_what_is_no_loop("tqdm", items)
            except TypeError as error:
                self._error, self.leave = error, False  # there is nothing of it to be seen
                self.close()
                raise
        return self._over(items)

    def __reversed__(self) -> Iterator[T]:
        turned: Any = self.iterable
        return self._over(reversed(turned))

    def _over(self, iterable: Iterable[T]) -> Iterator[T]:
        if self.disable:
            return iter(iterable)
        if self.gui:
            self._refuse_gui()
        job = self.job
        if job is None and self._by_step:
            return watched(self._each(iterable), ended=self._loop_ended, later=endings.leave)
        obey = job.obey if job is not None and job.cancellable else None
        iterator, position = sampled(
            iterable, ended=self._loop_ended, obey=obey, later=endings.leave
        )
        self._tally.position = position
        self._hold()
        self._heed(position)
        if hasattr(self, "sp"):
            watch(self)
        return iterator

    def _heed(self, position: Position) -> None:
        """Prepare for a loop that obeys; here it does not."""

    def _loop_ended(self, whole: bool) -> None:  # noqa: FBT001 - as `sampled` calls it
        if self.job is not None:
            self.job.whole = whole
        self.close()

    def _hold(self) -> None:
        """Say that this bar will be closed, by who loops over it or stands in its `with` now."""
        if self.job is not None:
            self.job.held = True
            self.job.origin.move_here()

    def _each(self, iterable: Iterable[T]) -> Iterator[T]:
        """Count each step: where it is said how many of them a line is for."""
        tally, clock = self._tally, self._time
        n = tally.counted
        try:
            for item in iterable:
                yield item
                n += 1
                if n >= tally.due:
                    now = clock()
                    if now - self.last_print_t >= self.mininterval:
                        tally.counted = n
                        self._show_if_due(now)
        finally:
            tally.counted = n

    def _refuse_gui(self) -> None:
        raise TqdmDeprecationWarning(
            "Please use `tqdm.gui.tqdm(...)` instead of `tqdm(..., gui=True)`\n",
            fp_write=self._stream.write,
        )

    # --- What is counted by hand -----------------------------------------------------------------

    def update(self, n: float | None = 1) -> bool | None:
        """Count `n` steps more.

        Returns
        -------
        Whether a line of text was due.
        """
        if self.disable:
            return None
        steps, tally = n or 0, self._tally
        before = tally.counted
        tally.counted = counted = before + steps
        if before <= counted < tally.due:
            return None  # as nearly always: when a line is due, a thread says
        if self._elsewhere:
            self._count_elsewhere(steps)
            return None
        if steps < 0:
            self._undo(-steps)
        # By what was counted here: of the workers' steps a line is drawn by a thread.
        if counted - self._last_counted < self.miniters:
            return None
        now = self._time()
        # Asked here, too: at first each step comes so far, and a call would cost as much again.
        return None if now - self.last_print_t < self.mininterval else self._show_if_due(now)

    def _count_elsewhere(self, steps: float) -> None:
        if self.gui:
            self._refuse_gui()
        if self._reporter is not None:
            self._tally.counted -= steps
            self._reporter.update(steps)

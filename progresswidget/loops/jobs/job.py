"""A loop as a job on the notebook server: what it tells of itself, and what is wished of it."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from progresswidget import texts
from progresswidget.basejob import BaseJob
from progresswidget.cell import running_kernel
from progresswidget.errors import LoopCancelledError
from progresswidget.loops.jobs import nursery, open_loops
from progresswidget.loops.jobs.card import Card
from progresswidget.loops.jobs.departure import departure
from progresswidget.loops.jobs.grouped import Grouped
from progresswidget.loops.jobs.line import Line
from progresswidget.loops.jobs.origin import Origin
from progresswidget.loops.jobs.outcome import UNTOLD, status_of
from progresswidget.loops.jobs.parent import mailbox, reporter
from progresswidget.outbox import outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.display import Display
    from progresswidget.protocol import Action, Json

_log = logging.getLogger("progresswidget")
_numbers: Final = itertools.count()

APPEARANCE: Final = 0.3
"""Seconds that a loop takes before anybody hears of it: most are over by then."""
LOOK: Final = 0.1
"""Seconds between two looks of a paused loop: a wait without end cannot always be interrupted."""
PATIENCE: Final = 1.0
"""Seconds for which a loop that was left waits for the exception that may have done it."""


class LoopJob(Grouped, BaseJob):
    """A loop, as the notebook server and the views of it know it.

    A loop that begins within another one of its thread, task and cell is a line in the card of the
    outermost. Nothing that fails in here reaches the loop itself: it is logged, once.

    Parameters
    ----------
    title
        What a person reads; empty where the loop has no name.
    position
        How many items are done; it is called from other threads.
    total
        How many there are, or None where nobody knows.
    unit
        What an item is called; ``B`` for bytes.
    cancellable
        Whether the loop obeys pause and cancel.
    parent
        The loop that it is nested in, where that is not the one around it.
    leave
        Whether the line stays when the loop has ended; None for only the outermost.
    delay
        Seconds before anybody hears of it, where they are more than it takes anyway.
    """

    elsewhere = False
    """Whether it runs in another process, and this one only shows it."""

    def __init__(
        self,
        title: str,
        position: Callable[[], float],
        *,
        total: float | None = None,
        unit: str = "it",
        cancellable: bool = False,
        parent: LoopJob | None = None,
        leave: bool | None = True,
        delay: float = 0.0,
    ) -> None:
        super().__init__(position, total)
        self.title = title
        self.postfix = ""
        self.cancellable = cancellable
        self.asked = False
        """Whether `obey` has something to do: what the loop looks at in each step."""
        self.origin = Origin()
        """Where it began."""
        self.depth = 0
        self.outer: LoopJob | None = None
        """The one that it began in."""
        self.hurried = False
        """Whether its end waits for nobody: it comes from the collector of garbage."""
        self.number = next(_numbers)
        """Which one it is of all that the process has begun."""
        self.counted_elsewhere: Callable[[list[Json], int], object] | None = None
        """Takes what workers on other machines have counted."""
        self.card: Card
        """Where it is shown: its own card, or that of the outermost loop around it."""
        self._unit, self._leave, self._delay = unit, leave, delay
        self._parent = parent
        self._wanted: Action = "resume"
        self._error: BaseException | None = None
        self._line: Line | None = None
        self._begun = False
        self._is_inner = False
        """Whether the loop that it began in holds it, and not only was there before it."""

    # --- its life -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin: who is concerned hears of it when it has lasted for a moment."""
        try:
            self._begin()
        except Exception:  # noqa: BLE001 - it is logged whole, and the loop does without a bar
            self._begun = False
            _log.exception(_FAILED)

    def _begin(self) -> None:
        parent = self._parent
        if parent is None or parent.root.over:
            parent = open_loops.around(self)
        outer = self.outer = parent
        self._begin_measuring()
        self.depth = 0 if outer is None else outer.depth + 1
        # Bars that are moved by hand stand side by side, for all that is known.
        self._is_inner = outer is not None and outer.held
        self._begun = True
        open_loops.enter(self)
        if outer is None:
            self.card = Card(self)
            self.card.appear_soon(max(APPEARANCE, self._delay))
        else:
            self.card = outer.card
            self._line = self._find_line()
        if running_kernel() is not None:
            open_loops.watch(self)

    def _find_line(self) -> Line:
        return self.card.line_for(self)

    def is_around(self, loop: LoopJob) -> bool:
        """Say whether what begins now where this one was the last to begin is a part of it."""
        if self.over or self.left is not None or self.spent or self.origin.is_of_parent_process:
            return False
        if not self._begun or not self.origin.is_of_this_thread:
            return False
        # Only the main thread runs one cell after another.
        is_main = threading.current_thread() is threading.main_thread()
        return self.origin.request == loop.origin.request or not is_main

    def be_root(self, former: Card) -> None:
        """Go on with a card of its own: the loop that it is a line of has ended before it."""
        self.outer = None
        self.card = Card(self, former)
        self.card.appear_soon(APPEARANCE)

    def appear(self) -> None:
        """Show it now, if it goes on and is the outermost."""
        if self.root is self:
            self.card.appear()

    def give_back(self) -> None:
        """Leave the place of another loop, if it was shown there."""
        if self.root is self:
            self.card.give_back()

    def end(self, error: BaseException | None = None) -> None:
        """Tell that the loop has ended, and how; a second call changes nothing.

        Parameters
        ----------
        error
            What it was left by, where that is known; None also for a `break`.
        """
        if self.origin.is_of_parent_process or not self._begun or self.over:
            return
        try:
            if error is None and self.left is None:
                self.left = departure()
                if self.left is not None:
                    self._wait_for_reason()
                    return
            self._end_by(error)
        except Exception:  # noqa: BLE001 - it is logged whole, and the loop has done its work
            _log.exception(_FAILED)

    def _end_by(self, error: BaseException | None) -> None:
        if self.root is self and not self.elsewhere:
            nursery.look()  # what belongs to it is not taken for the cell's afterwards
        with self.changed:
            if self.over:
                return
            self._error = error
            self._stop_measuring(status_of(error))
        if self.root is self:
            self.card.let_go(error)
            self.card.end()
        elif self.card.visible and error is not None:
            reporter().wake()

    def _wait_for_reason(self) -> None:
        # Of a worker nobody sees the end: a pool catches all, and sends it elsewhere.
        cause = self.left.cause() if self.left is not None and mailbox() is not None else False
        if cause:
            self._end_by(UNTOLD if cause is True else cause)
            return
        # An exception may be on its way: the end of the cell or the process, near then, tells.
        self._keep_count()
        if self.origin.request is None:
            open_loops.watch_exit(self)
        outbox().put(self.end_by_reason, PATIENCE)

    def end_by_reason(self, error: BaseException | None = None) -> None:
        """End one that was left: by this error or that of its task, if it went through here."""
        reasons, left = (error, self.origin.error), self.left
        self.end(next((each for each in reasons if left is not None and left.is_by(each)), None))

    # --- what a person asks -------------------------------------------------------------------

    def obey(self) -> None:
        """Do what was asked, in the thread of the loop: wait while it is paused.

        Raises
        ------
        LoopCancelledError
            If the loop was cancelled.
        """
        with self.changed:
            while self.must_wait():
                self.changed.wait(LOOK)
        reporter().wake()

    def must_wait(self) -> bool:
        """Return whether the loop is to wait now, and count it as paused as long as it is.

        Raises
        ------
        LoopCancelledError
            If the loop was cancelled.
        """
        with self.changed:
            held = self._wanted == "pause" and not self.over
            if held and self._state == "running":
                self._state = "paused"
                self._meter.pause(time.monotonic())
                reporter().wake()
            elif not held and self._state == "paused":
                self._meter.resume(time.monotonic())
                self._state = "running"
            if self._wanted == "cancel":
                raise LoopCancelledError(texts.ENGLISH["halted task"].format(name=self.name))
            self.asked = held
            return held

    def _wish(self, action: Action) -> None:
        if not self.cancellable:
            return
        with self.changed:
            if self._wanted == "cancel":
                return
            self._wanted = action
            self.asked = True
            self.changed.notify_all()
        reporter().wake()

    # --- what is known of it ------------------------------------------------------------------

    @property
    def root(self) -> LoopJob:
        """The outermost loop around it, or itself."""
        return self.card.loop

    @property
    def changed(self) -> threading.Condition:
        """The lock of all loops of its card, and who waits for one of them to change."""
        return self.card.changed

    def ensure_line(self) -> Line:
        """Return its line; one that is the outermost has none before it is asked for."""
        if self._line is None:
            with self.changed:  # of two threads one is first
                if self._line is None:
                    self._line = Line(self)
        return self._line

    @property
    def id(self) -> str:
        """The task id: 32 hexadecimal digits."""
        return self.ensure_line().id

    @property
    def kind(self) -> str:
        """What it does: ``"task"``, as all that is neither a file nor a group."""
        return "task"

    @property
    def name(self) -> str:
        """What a person calls it."""
        return str(self.title).strip().removesuffix(":") or texts.saved_table()["loop"]

    @property
    def path(self) -> Any:
        """Something with a ``name``, as the path of a job has one."""
        return SimpleNamespace(name=self.name)

    @property
    def error(self) -> BaseException | None:
        """What it was left by, or None while it runs and when it is done."""
        return self._error

    @property
    def unit(self) -> str:
        """What an item is called; ``B`` for bytes."""
        return self._unit

    @unit.setter
    def unit(self, unit: str) -> None:
        self._unit = unit

    @property
    def leave(self) -> bool:
        """Whether the line stays when the loop has ended."""
        return self.outer is None if self._leave is None else self._leave

    @leave.setter
    def leave(self, leave: bool | None) -> None:
        self._leave = leave

    @property
    def on_server(self) -> bool:
        """Whether the notebook server follows it."""
        return self.ensure_line().on_server

    @property
    def parent_id(self) -> str | None:
        """The job that it is a part of: the outermost loop, or a group."""
        if self.root is not self:
            return self.root.id
        group = self.card.group
        return None if group is None else group.id

    @property
    def within_id(self) -> str | None:
        """The line of its card that it runs within; None where that is the card itself."""
        loop: LoopJob = self
        while loop.outer is not None and loop.outer.outer is not None:
            found = loop.outer.ensure_line()
            if loop._is_inner and found is not self._line:
                return found.id if found in self.card.lines.values() else None
            loop = loop.outer
        return None

    def report(self) -> Json:
        """Return the whole state, as `progresswidget.protocol.REPORT_FIELDS` has it."""
        return self.ensure_line().report()

    def snapshot(self) -> Json:
        """Return the state as views have it, with its inner loops: what the notebook keeps."""
        known = self.ensure_line().snapshot()
        if self.root is self:
            known["parts"] = [line.snapshot() for line in list(self.card.lines.values())]
        return known

    def mirror(self, report: Json) -> None:
        """Show a changed state in the widgets."""
        if self.card.visible:
            super().mirror(report)

    @property
    def _display(self) -> Display:  # type: ignore[override]
        return self.card.display


_FAILED: Final = "the progress of a loop could not be shown"

"""A loop as a job on the notebook server: what it tells of itself, and what is wished of it."""

from __future__ import annotations

import contextvars
import itertools
import logging
import os
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from progresswidget import family, protocol, texts
from progresswidget.cell import running_kernel
from progresswidget.combined import Member
from progresswidget.display import Display
from progresswidget.errors import ExportCancelledError, JobStateError, LoopCancelledError
from progresswidget.loops import open_loops
from progresswidget.loops.departure import departure
from progresswidget.loops.jobline import DIGITS, Line, count_of, number_of, total_of
from progresswidget.loops.receipts import outputs
from progresswidget.meter import Meter
from progresswidget.outbox import outbox
from progresswidget.reporting import reporter

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.family import Parent
    from progresswidget.loops.departure import Departure
    from progresswidget.loops.receipts import Outputs
    from progresswidget.protocol import Action, Json, Status
    from progresswidget.widget import JobMirror

_log = logging.getLogger("progresswidget")
_numbers: Final = itertools.count()

APPEARANCE: Final = 0.3
"""Seconds that a loop takes before anybody hears of it: most are over by then."""
SETTLE: Final = 2.0
"""Seconds that a loop which has ended waits for the server to hear of it."""
LOOK: Final = 0.1
"""Seconds between two looks of a paused loop: a wait without end cannot always be interrupted."""
PATIENCE: Final = 1.0
"""Seconds for which a loop that was left waits for the exception that may have done it."""
NEARLY: Final = 99.9
"""Percent that a loop which goes on shows at most."""


class LoopJob:
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
        Whether the line stays when the loop has ended.
    """

    kind: Final = "task"
    background: Final = False
    columns: Final = 0
    format: Final = ""
    bytes: Final = 0

    def __init__(
        self,
        title: str,
        position: Callable[[], float],
        *,
        total: float | None = None,
        unit: str = "it",
        cancellable: bool = False,
        parent: LoopJob | None = None,
        leave: bool = True,
    ) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.postfix = ""
        self.cancellable = cancellable
        self.leave = leave
        self.asked = False
        """Whether `obey` has something to do: what the loop looks at in each step."""
        self.error: BaseException | None = None
        self.request: str | None = None
        """The request of the cell that began it."""
        self.depth = 0
        self.left: Departure | None = None
        """Where it was left, until it is known by what."""
        self.outer: LoopJob | None = None
        """The one that it began in."""
        self.held = False
        """Whether it ends by itself, as what is looped over or stands in a `with` does."""
        self.hurried = False
        """Whether its end waits for nobody: it comes from the collector of garbage."""
        self.whole: bool | None = None
        """Whether what was looped over has come to its end, where there is such a thing."""
        self._position = position
        self._parent = parent
        self._group: Parent | None = None
        self._pid = os.getpid()
        self._state: Status = "running"
        self._wanted: Action = "resume"
        self._final: float | None = None
        self._ended: float | None = None
        self._stopped = 0.0
        self._meter = Meter(time.monotonic())
        self.number = next(_numbers)
        """Which one it is of all that the process has begun."""
        self._thread = threading.get_ident()
        self._cell: Outputs | None = None
        self._has_output = True
        self._own_line: Line | None = None
        self._begun = False
        self._before = 0
        self.root: LoopJob = self
        self.changed: threading.Condition

    # --- its life -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin: who is concerned hears of it when it has lasted for a moment."""
        try:
            self._begin()
        except Exception:  # noqa: BLE001 - it is logged whole, and the loop does without a bar
            self._begun = False
            _log.exception(_FAILED)

    def _begin(self) -> None:
        self.request = open_loops.running_request()
        parent = self._parent
        if parent is None or parent.root.over:
            parent = open_loops.around(self)
        outer = self.outer = parent
        self.root = self if outer is None else outer.root
        self._before = count_of(self._position())
        self.depth = 0 if outer is None else outer.depth + 1
        self._begun = True
        open_loops.enter(self)
        if outer is None:
            self._group = family.current.get()
            # What is shown from another thread belongs to the cell that runs now.
            self._context = contextvars.copy_context()
            self.changed = threading.Condition()
            self._begin_root()
        else:
            self.changed = self.root.changed
            self._take_line(self.root)
        if running_kernel() is not None:
            open_loops.watch(self)

    def _begin_root(self) -> None:
        self._showing = threading.RLock()
        self.visible = False
        self.lines: dict[int, Line] = {}
        self.display = Display(self)
        if self.request is not None and self.leave and self._group is None:
            self._cell = outputs(self.request)
            self._has_output = self._cell.take()
        if running_kernel() is not None or _may_report():
            self._own_line = self._own_line or Line(self)  # by the cell that runs now
            outbox().put(self.appear, APPEARANCE)

    def is_around(self, loop: LoopJob) -> bool:
        """Say whether what begins now where this one was the last to begin is a part of it."""
        if self.over or self.left is not None or self.spent or self._pid != os.getpid():
            return False
        if not self._begun or not self.is_of_this_thread:
            return False
        # Only the main thread runs one cell after another.
        is_main = threading.current_thread() is threading.main_thread()
        return self.request == loop.request or not is_main

    @property
    def is_of_this_thread(self) -> bool:
        """Whether the caller runs in the thread that began it."""
        return self._thread == threading.get_ident()

    @property
    def spent(self) -> bool:
        """Whether nothing is left to be counted of one that nobody may ever close."""
        if self.held:
            return False
        done, total = self.exact()
        return bool(total) and done >= (total or 0.0)

    def _take_line(self, root: LoopJob) -> None:
        with root.changed:
            for known in root.lines.values():
                if known.loop.left is not None:
                    known.loop.end()  # what it was left by has been caught, for others go on
            taken = {
                number
                for number, line in root.lines.items()
                if not (line.loop.over or line.loop.spent)
            }
            place = next(number for number in range(len(taken) + 1) if number not in taken)
            line = root.lines.get(place)
            if line is None:
                line = root.lines[place] = Line(self)
            else:
                line.take(self)
            self._own_line = line
        if root.visible:
            reporter().follow(line)

    def be_root(self, former: LoopJob) -> None:
        """Go on with a card of its own: the loop that it is a line of has ended before it."""
        self.root, self.outer = self, None
        self._group, self._context = former._group, former._context
        self._begin_root()
        self.visible = False

    def appear(self) -> None:
        """Show it now, if it goes on and is the outermost."""
        if self.root is not self:
            return
        with self._showing:
            if self.over or self.visible or self._pid != os.getpid():
                return
            self._context.copy().run(self._show)

    def _show(self) -> None:
        line = self._line
        if self._group is not None:
            try:
                self._group.admit(self)
            except (ExportCancelledError, JobStateError):
                self._group = None
        line.on_server = reporter().announce(line)
        self.visible = True
        for inner in list(self.lines.values()):
            reporter().follow(inner)
        if self._group is not None:
            return
        if self._has_output:
            self.display.show()
        elif self._cell is not None and self._cell.last is not None:
            self.display.borrow(self._cell.last)
            self._cell.last = None

    def end(self, error: BaseException | None = None) -> None:
        """Tell that the loop has ended, and how; a second call changes nothing.

        Parameters
        ----------
        error
            What it was left by, where that is known; None also for a `break`.
        """
        if self._pid != os.getpid() or not self._begun or self.over:
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
        with self.changed:
            if self.over:
                return
            self._final = number_of(self._position()) or 0.0 if self._final is None else self._final
            self.error = error
            self._ended, self._stopped = time.time(), time.monotonic()
            self._state = _status(error)
        if self.root is self:
            self._let_go(error)
            self._leave()
        elif self.root.visible and error is not None:
            reporter().wake()

    def _let_go(self, error: BaseException | None) -> None:
        """Part from the inner loops that are still open."""
        with self.changed:
            open_ = {place: line.loop for place, line in self.lines.items() if not line.loop.over}
            heirs = []
            for place, loop in sorted(open_.items(), key=lambda item: -item[1].depth):
                if error is not None or loop.spent or loop.left is not None:
                    loop.end(error)
                else:
                    heirs.append((place, loop))
            for place, loop in reversed(heirs):  # the outer ones first
                line = self.lines.pop(place)
                around = loop.outer
                while around is not None and around.over:
                    around = around.outer
                if around is None or around is self or around.root is self:
                    loop.be_root(self)
                else:
                    loop.root = around.root
                    around.root.lines[place] = line

    def _wait_for_reason(self) -> None:
        # An exception may be on its way: the end of the cell or the process, near then, tells.
        self._final = number_of(self._position()) or 0.0
        if self.request is None:
            open_loops.watch_exit(self)
        outbox().put(self.end, PATIENCE)

    def _leave(self) -> None:
        with self._showing:  # it may be about to appear
            self.give_back()
            failed = self._state != "done"
            if failed and self._cell is not None and not self._has_output:
                self._has_output = self._cell.take_failure()
                if self._has_output and self.visible:
                    self._context.copy().run(self.display.show)
            if self.visible:
                self._leave_visibly()
            elif self._may_leave_receipt():
                self._context.copy().run(self._show_end)
            if self._cell is not None and self._may_leave_receipt():
                self._cell.last = self.display

    def give_back(self) -> None:
        """Leave the place of another loop, if it was shown there."""
        lender = self.display.give_back() if self.root is self else None
        if lender is not None and self._cell is not None:
            self._cell.last = lender

    def _leave_visibly(self) -> None:
        if not self.hurried and not reporter().is_here and not outbox().is_here:
            deadline = time.monotonic() + SETTLE  # for all of them together
            for line in (self._line, *self.lines.values()):
                reporter().settle(line, max(deadline - time.monotonic(), 0.0))
            self.display.settle(max(deadline - time.monotonic(), 0.0))
        else:
            reporter().wake()
        if self.request == open_loops.running_request():
            self._context.copy().run(self._show_kept)
        else:
            self.display.refresh()  # in the cell that it began in, which is over

    def _show_end(self) -> None:
        self.display.show()
        self._show_receipt()

    def _show_kept(self) -> None:
        self.display.refresh()
        self._show_receipt()

    def _show_receipt(self) -> None:
        if self._state == "done" and self._may_leave_receipt():
            self.display.receipt()

    def _may_leave_receipt(self) -> bool:
        return self._cell is not None and self._has_output

    # --- what a person asks -------------------------------------------------------------------

    def pause(self) -> None:
        """Let the loop wait at its next step."""
        self._wish("pause")

    def resume(self) -> None:
        """Let the loop go on."""
        self._wish("resume")

    def cancel(self) -> None:
        """Let the loop raise at its next step."""
        self._wish("cancel")

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
    def _line(self) -> Line:
        if self._own_line is None:
            with self.root.changed:  # of two threads one is first
                return self._make_line()
        return self._own_line

    def _make_line(self) -> Line:
        if self._own_line is None:
            self._own_line = Line(self)
        return self._own_line

    @property
    def id(self) -> str:
        """The task id: 32 hexadecimal digits."""
        return self._line.id

    @property
    def name(self) -> str:
        """What a person calls it."""
        return str(self.title).strip().removesuffix(":") or texts.saved_table()["loop"]

    @property
    def path(self) -> Any:
        """Something with a ``name``, as the path of a job has one."""
        return SimpleNamespace(name=self.name)

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
        return count_of(self._position() if self._final is None else self._final)

    @property
    def on_server(self) -> bool:
        """Whether the notebook server follows it."""
        return self._line.on_server

    @property
    def parent_id(self) -> str | None:
        """The job that it is a part of: the outermost loop, or a group."""
        if self.root is not self:
            return self.root.id
        return None if self._group is None else self._group.id

    @property
    def unfinished(self) -> bool:
        """Whether it was left before its end."""
        done, total = self.exact()
        return self.whole is False or (total is not None and done < total)

    def exact(self) -> tuple[float, float | None]:
        """Return the steps done and those in all as they were counted, perhaps in halves."""
        done = number_of(self._position() if self._final is None else self._final) or 0.0
        done = round(done, DIGITS)
        total = number_of(self.total)
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

    def report(self) -> Json:
        """Return the whole state, as `progresswidget.protocol.REPORT_FIELDS` has it."""
        return self._line.report()

    def snapshot(self) -> Json:
        """Return the state as views have it, with its inner loops: what the notebook keeps."""
        known = self._line.snapshot()
        if self.root is self:
            known["parts"] = [line.snapshot() for line in list(self.lines.values())]
        return known

    def receipts(self) -> list[Any]:
        """Return the parts that a receipt names: what inner loops did is the outer one's."""
        return []

    def member(self) -> Member:
        """Return what the group that it belongs to needs to know of it; it makes no files."""
        return Member(self._state, self.amounts()[2], eta=self._meter.eta, files=0, done=0)

    def mirror(self, report: Json) -> None:
        """Show a changed state in the widgets."""
        if self.visible:
            self.display.mirror(self.snapshot())

    def mirror_to(self, widget: JobMirror) -> None:
        """Show each changed state from now on in a widget, too."""
        self.root.display.add(widget)

    def bundle_of(self, widget: JobMirror) -> tuple[Json, Json]:
        """Return the output of a widget that shows the loop: data and metadata."""
        return self.root.display.bundle_of(widget)

    def _ipython_display_(self) -> None:
        self.root.display.show()


_FAILED: Final = "the progress of a loop could not be shown"


def _status(error: BaseException | None) -> Status:
    if error is None or isinstance(error, (StopIteration, GeneratorExit)):
        return "done"
    if isinstance(error, ExportCancelledError):
        return "cancelled"
    return "failed" if isinstance(error, Exception) else "interrupted"


def _may_report() -> bool:
    return protocol.ENDPOINT_VARIABLE in os.environ or protocol.KERNEL_URL_VARIABLE in os.environ

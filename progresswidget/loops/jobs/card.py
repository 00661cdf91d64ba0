"""The card of an outermost loop: its output in the cell, and the lines of the loops within it."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import TYPE_CHECKING, Final

from progresswidget import family
from progresswidget.cell import running_kernel
from progresswidget.display import Display
from progresswidget.errors import ExportCancelledError, JobStateError
from progresswidget.loops.jobs import open_loops
from progresswidget.loops.jobs.faces import may_report
from progresswidget.loops.jobs.line import Line
from progresswidget.loops.jobs.origin import running_request
from progresswidget.loops.jobs.parent import mailbox, reporter
from progresswidget.loops.jobs.receipts import outputs
from progresswidget.outbox import outbox

if TYPE_CHECKING:
    from progresswidget.family import Parent
    from progresswidget.loops.jobs.job import LoopJob
    from progresswidget.loops.jobs.receipts import Outputs

SETTLE: Final = 2.0
"""Seconds that a loop which has ended waits for the server to hear of it."""


class Card:
    """Where an outermost loop is shown, with those that run in it.

    Parameters
    ----------
    loop
        The outermost one.
    former
        The card of which it was a line, where the loop around it has ended before it.
    """

    def __init__(self, loop: LoopJob, former: Card | None = None) -> None:
        self.loop = loop
        self.lines: dict[int, Line] = {}
        self.display = Display(loop)
        self.visible = False
        self.changed: threading.Condition = former.changed if former else threading.Condition()
        self.group: Parent | None = former.group if former else family.current.get()
        # What is shown from another thread belongs to the cell that runs now.
        self.context: contextvars.Context = former.context if former else contextvars.copy_context()
        self._showing = threading.RLock()
        self._joined = False
        self._cell: Outputs | None = None
        self.has_output = True
        """Whether it leaves an output of its own in the cell."""
        self._stays = loop.leave
        if loop.origin.request is not None and self.group is None:
            # One that is to go leaves one too, which views hide: a cell cannot take back what it
            # has shown, and the time would decide whether it has.
            self._cell = outputs(loop.origin.request)
            self.has_output = self._cell.take(stays=self._stays)

    def appear_soon(self, seconds: float) -> None:
        """Show it in a moment, where there is anybody to see it."""
        if running_kernel() is not None or may_report():
            self.loop.ensure_line()  # by the cell that runs now
            if self.group is not None:
                # What a group is must not depend on how long each of its loops takes.
                self.loop.has_room = self.group.has_room(stays=self._stays)
                if self.loop.named:
                    self._join()
            outbox().put(self.loop.appear, seconds)

    def appear(self) -> None:
        """Show it now, if it goes on."""
        with self._showing:
            if not (self.loop.over or self.visible or self.loop.origin.is_of_parent_process):
                self.context.copy().run(self._show)

    def _show(self) -> None:
        self._join()
        self.loop.ensure_line().announce()
        self.visible = True
        for inner in list(self.lines.values()):
            reporter().follow(inner)
        if self.group is not None:
            return
        if self.has_output:
            self.display.show()
        elif self._cell is not None and self._cell.last is not None:
            self.display.borrow(self._cell.last)
            self._cell.last = None

    def _join(self) -> None:
        """Become a part of the group that it begins in."""
        if self.group is not None and not self._joined:
            self._joined = True
            try:
                self.group.admit(self.loop)
            except (ExportCancelledError, JobStateError):
                self.group = None

    # --- the lines of inner loops -------------------------------------------------------------

    def line_for(self, loop: LoopJob) -> Line:
        """Return the line of an inner loop that begins: the first one that is free."""
        with self.changed:
            for known in self.lines.values():
                if known.loop.left is not None:  # and that has been caught, for others go on
                    known.loop.end_by_reason()
            taken = {
                number
                for number, line in self.lines.items()
                if not (line.loop.over or line.loop.spent)
            }
            place = next(number for number in range(len(taken) + 1) if number not in taken)
            line = self.lines.get(place)
            if line is None:
                line = self.lines[place] = Line(loop)
            else:
                line.take(loop)
        if self.visible:
            reporter().follow(line)
        return line

    def let_go(self, error: BaseException | None) -> None:
        """Part from the inner loops that are still open when the outermost one has ended."""
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
                if around is None or around is self.loop or around.card is self:
                    loop.be_root(self)
                else:
                    loop.card = around.card
                    around.card.lines[place] = line

    # --- its end ------------------------------------------------------------------------------

    def end(self) -> None:
        """Show how the loop ended, and leave in the cell what is to stay."""
        with self._showing:  # it may be about to appear
            self.give_back()
            if self.loop.state != "done" and self._cell is not None and not self.has_output:
                self.has_output = self._cell.take_failure(stays=self._stays)
                if self.has_output and self.visible:
                    self.context.copy().run(self.display.show)
            if mailbox() is not None:
                # What a worker's loop leaves in the cell must not depend on how long it took, and
                # its process may be ended as soon as its work is done.
                for line in (self.loop.ensure_line(), *self.lines.values()):
                    line.announce()
            elif self.visible:
                self._end_visibly()
            elif self._leaves_output:
                self.context.copy().run(self._show_end)
            if self._cell is not None and self._leaves_output:
                self._cell.last = self.display

    def give_back(self) -> None:
        """Leave the place of another loop, if it was shown there."""
        lender = self.display.give_back()
        if lender is not None and self._cell is not None:
            self._cell.last = lender

    def _end_visibly(self) -> None:
        if not self.loop.hurried and not reporter().is_here and not outbox().is_here:
            deadline = time.monotonic() + SETTLE  # for all of them together
            for line in (self.loop.ensure_line(), *self.lines.values()):
                reporter().settle(line, max(deadline - time.monotonic(), 0.0))
            self.display.settle(max(deadline - time.monotonic(), 0.0))
        else:
            reporter().wake()
        if self.loop.origin.request == running_request():
            self.context.copy().run(self._show_kept)
        else:
            self.display.refresh()  # in the cell that it began in, which is over

    def _show_end(self) -> None:
        open_loops.show_open(before=self.loop.number)
        self.display.show()
        self._show_receipt()

    def _show_kept(self) -> None:
        self.display.refresh()
        self._show_receipt()

    def _show_receipt(self) -> None:
        if self.loop.state == "done" and self.loop.leave and self._leaves_output:
            self.display.receipt()

    @property
    def _leaves_output(self) -> bool:
        return self._cell is not None and self.has_output

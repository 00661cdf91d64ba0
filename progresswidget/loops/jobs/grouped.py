"""A loop as a part of others: what a group needs to know of it, and how it lets the group end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget import protocol
from progresswidget.combined import Member
from progresswidget.loops.jobs.measured import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.loops.jobs.departure import Departure
    from progresswidget.loops.jobs.origin import Origin


class Grouped(Measured):
    """What a group asks of a loop; a base of `progresswidget.loops.jobs.job.LoopJob`."""

    held = False
    """Whether it ends by itself, as what is looped over or stands in a `with` does."""
    left: Departure | None = None
    """Where it was left, until it is known by what."""
    has_room = True
    """Whether the receipt of its group has room for it."""
    origin: Origin
    leave: bool
    end: Callable[..., None]
    end_by_reason: Callable[..., None]
    _released = False
    """Whether its group has ended without it."""

    @property
    def spent(self) -> bool:
        """Whether nothing is left to be counted of one that nobody may ever close."""
        if self.held:
            return False
        done, total = self.exact()
        return bool(total) and done >= (total or 0.0)

    @property
    def named(self) -> bool:
        """Whether the receipt of its group names it."""
        return self.has_room and self.leave

    @property
    def unraised(self) -> BaseException | None:
        """Nothing: what it was left by has gone through the block of its group, or was caught."""
        return None

    def member(self) -> Member:
        """Return what the group that it belongs to needs to know of it; it makes no files.

        How it was left says nothing of the group: that the code of the block does, through which an
        exception goes, or which catches it.
        """
        moves = self._state not in protocol.TERMINAL and not self._released
        status = self._state if moves else "done"
        percent, eta = self.amounts()[2], self._meter.eta
        return Member(status, percent, eta=eta, files=0, done=0, open_loops=int(moves))

    def let_go(self, error: BaseException | None) -> None:
        """Hear that the block of its group has ended, by an error or by none.

        What nobody may ever end, as a bar that is not closed, goes on without the group; a loop
        that another thread runs is waited for.
        """
        if self.over:
            return
        here = self.origin.is_of_this_thread
        if self.left is not None:
            self.end_by_reason(error)
        elif here and not self.origin.goes_on_beside and (error is not None or self.spent):
            self.end(error)
        elif here or not self.held:
            self._released = True

"""One file on its way: the connections that move it, and how far they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_server_ext.model.spans import total

if TYPE_CHECKING:
    from jupyter_server_ext.model.spans import Span
    from jupyter_server_ext.model.transfer import Record
    from jupyter_server_ext.transfers.registry import Transfers
    from progresswidget.protocol import Json


@dataclass(slots=True, eq=False)
class Moving:
    """A record, and the connections that are changing it."""

    record: Record
    open: list[Transfer] = field(default_factory=list)
    pushed: float = 0.0
    due: bool = False
    moving: bool = False
    """Whether it was told that it begins, and not yet that it has ended."""
    moved: int = 0
    """Bytes since then."""
    missing: int = 0
    """Bytes that were still to move then: all of them for a file that is fetched once more."""
    elsewhere: float = 0.0
    """Until when it counts as moving over another server, by the hub's clock."""

    def begin(self) -> None:
        """Begin to move, or go on."""
        size = self.record.size or 0
        self.moving, self.moved = True, 0
        self.missing = size if self.record.complete else size - total(self.record.spans)

    def to_json(self, now: float) -> Json:
        """Return what its user is told at `now`, by the hub's clock."""
        return self.record.public(active=bool(self.open) or now < self.elsewhere)


class Transfer:
    """One connection that moves a file. Made by `Transfers.begin`; call `end` in any case.

    All methods are called on the event loop.
    """

    __slots__ = ("_end", "_first", "_live", "_owner")

    def __init__(self, owner: Transfers, live: Moving, offset: int) -> None:
        self._owner = owner
        self._live = live
        self._first = self._end = offset

    @property
    def span(self) -> Span:
        """What it has moved without a gap."""
        return self._first, self._end

    def moved(self, offset: int) -> None:
        """Note how far it is.

        Parameters
        ----------
        offset
            Bytes from the beginning of the file, absolute.
        """
        self._owner.count(self._live, offset - self._end)
        self._end = offset
        if not self._live.due:
            self._owner.push_later(self._live)

    def stands(self, offset: int) -> None:
        """Note that the bytes up to `offset` were there before."""
        self._end = offset
        if not self._live.due:
            self._owner.push_later(self._live)

    def seek(self, offset: int) -> None:
        """Go on elsewhere in the file, as between the parts of a multipart answer."""
        if offset != self._end:
            self._owner.gather(self._live)
            self._first = self._end = offset

    def end(self, *, complete: bool, cut: bool | None = None) -> None:
        """Note the end of the connection; a second call does nothing.

        Parameters
        ----------
        complete
            Whether it moved all that it was to move.
        cut
            Whether it ended before its time; None where that is the same as not `complete`.
        """
        if self in self._live.open:
            cut = not complete if cut is None else cut
            self._owner.ended(self, self._live, complete=complete, cut=cut)

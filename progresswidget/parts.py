"""The parts of a group: in which order they began, which of them a receipt names, and their end."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from progresswidget.family import Part

MOST_LOOPS: Final = 20
"""Loops of one group that a receipt names, whatever the time that each of them took."""


class Parts(list["Part"]):
    """Those of one group, in the order in which they began."""

    def __init__(self) -> None:
        super().__init__()
        self.more = 0
        """Loops that a receipt does not name, but counts."""
        self.loops = 0
        """Those that have begun, also where they are too short to become parts."""
        self._staying = 0
        self._own_thread = threading.get_ident()
        self._elsewhere: set[str] = set()

    def add(self, part: Part) -> None:
        """Take one that begins, in the thread of the caller."""
        if threading.get_ident() != self._own_thread:
            self._elsewhere.add(part.id)
        self.append(part)

    def has_room(self, *, stays: bool) -> bool:
        """Say of one loop more whether a receipt names it, and count it.

        Parameters
        ----------
        stays
            Whether it is still to be seen when it is done.
        """
        self.loops += 1
        if not stays:
            return False
        self._staying += 1
        self.more += self._staying > MOST_LOOPS
        return self._staying <= MOST_LOOPS

    def named(self) -> list[Part]:
        """Return those that a receipt names, in an order that is the same in each run.

        Threads may begin theirs in any order: these come last, by their names.
        """
        order = {part.id: index for index, part in enumerate(self)}

        def key(part: Part) -> tuple[bool, str, int]:
            elsewhere = part.id in self._elsewhere
            name = str(getattr(part, "path", SimpleNamespace(name="")).name)
            return elsewhere, name if elsewhere else "", order[part.id]

        return sorted((part for part in self if part.named), key=key)

    def let_go(self, error: BaseException | None) -> None:
        """Tell them that the block has ended in which they began, by an error or by none."""
        for part in tuple(self):
            part.let_go(error)

    def unraised(self) -> list[BaseException]:
        """Return what those failed by which have raised it nowhere."""
        found = (part.unraised for part in self)
        return [error for error in found if error is not None]

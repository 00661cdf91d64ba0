"""Who belongs to which group: the group of the code that runs now, and what one is to its parts."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from progresswidget.combined import Member
    from progresswidget.protocol import Json


class Part(Protocol):
    """A job, or a group, that can be a part of a group."""

    @property
    def id(self) -> str:
        """The task id."""

    @property
    def named(self) -> bool:
        """Whether the receipt of its group names it."""

    @property
    def unraised(self) -> BaseException | None:
        """What it failed by, unless that was raised where it ran."""

    def let_go(self, error: BaseException | None) -> None:
        """Hear that the block of its group has ended: nothing waits for who nobody may ever end."""

    def member(self) -> Member:
        """Return what its group needs to know of it now."""

    def snapshot(self) -> Json:
        """Return the state as views have it."""

    def pause(self) -> None:
        """Stop until `resume`."""

    def resume(self) -> None:
        """Go on."""

    def cancel(self) -> None:
        """Stop for good."""


class Parent(Protocol):
    """A group, seen from its parts."""

    @property
    def id(self) -> str:
        """The task id."""

    def admit(self, part: Part) -> None:
        """Take a part that is about to begin.

        Raises
        ------
        ExportCancelledError
            If the group was cancelled.
        JobStateError
            If it takes none.
        """

    def has_room(self, *, stays: bool) -> bool:
        """Say of one loop more whether a receipt names it: of many that stay the first ones."""


current: Final[ContextVar[Parent | None]] = ContextVar("progresswidget.group", default=None)
"""The group of the `with` block that runs; a new thread has none, and names it by ``parent``."""

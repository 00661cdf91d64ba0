"""`group`: exports, transfers and loops as one, with one bar for all and a line for each."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from progresswidget import protocol, texts
from progresswidget.display import Display
from progresswidget.errors import ExportCancelledError, JobStateError, OptionError
from progresswidget.export.options import require_flag
from progresswidget.family import current
from progresswidget.groupjob import GroupJob
from progresswidget.reporting import reporter

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from progresswidget.family import Parent, Part
    from progresswidget.protocol import Action

SETTLE: Final = 2.0
"""Seconds that a group which has ended waits for the server to hear of it."""
LOOK: Final = 0.1
"""Seconds between two looks at the parts of a group that is waited for."""


def group(
    title: str,
    *,
    total: int | None = None,
    background: bool = False,
    parent: Group | None = None,
) -> Group:
    """Show the exports, transfers and loops of a `with` block as one job with parts.

    >>> with pw.group("Monthly close"):  # doctest: +SKIP
    ...     pw.export(sales, "sales.parquet")
    ...     pw.export(costs, "costs.csv")

    The cell shows one bar for all of them and a line for each; pause and cancel are for all. What
    begins within the block belongs to the group, further groups too. A thread that the block starts
    says so itself: ``pw.export(…, parent=group)``.

    Parameters
    ----------
    title
        What a person calls it, at most 255 characters.
    total
        How many parts there will be, where that is known: without it the bar shows how far it is
        only when the block has ended.
    background
        Leave the block while parts that were begun with ``background=True`` go on.
    parent
        The group that it is a part of, if that is not the one of the block around it.

    Returns
    -------
    The group, for `with`.

    Raises
    ------
    OptionError
        If one of these is not what it must be.
    """
    _check(title, total, background)
    return Group(title, expected=total, background=background, parent=parent)


def _check(title: object, total: object, background: object) -> None:
    if not isinstance(title, str) or not title.strip() or len(title) > protocol.MAX_NAME:
        limit = f"a text of 1 to {protocol.MAX_NAME} characters"
        raise OptionError(f"title must be {limit}, not {title!r}.")
    if total is not None and (not isinstance(total, int) or isinstance(total, bool) or total < 1):
        raise OptionError(f"total must be a whole number from 1 on, not {total!r}.")
    require_flag("background", background)


class Group(GroupJob):
    """Several jobs as one; `group` makes it.

    Parameters
    ----------
    title
        What a person calls it.
    expected
        How many parts there will be, where that is known.
    background
        Whether the end of the block does not wait for the parts.
    parent
        The group that it is a part of.
    """

    def __init__(
        self, title: str, *, expected: int | None, background: bool, parent: Parent | None
    ) -> None:
        super().__init__(title, expected=expected, background=background, parent=parent)
        self._token: Token[Parent | None] | None = None
        self._display = Display(self)

    # --- the block ----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._token is not None or self._closed:
            raise JobStateError("a group is entered once")
        self._parent = self._parent or current.get()
        if self._parent is not None:
            self._parent.admit(self)
        self._token = current.set(self)
        self._on_server = reporter().announce(self)
        if self._parent is None:
            self._display.show()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            current.reset(self._token)
        with self._lock:
            self._closed = True
            self._broken = error
        if isinstance(error, KeyboardInterrupt):
            self.cancel()
        self._parts.let_go(error)
        if error is None and not self._background:
            self._wait()
        if self.member().status in protocol.TERMINAL:
            reporter().settle(self, SETTLE)
        self._display.refresh()
        if error is None and not self._background:
            self._raise_first()
            if self._parent is None:
                self._display.receipt()

    def _wait(self) -> None:
        looked = threading.Event()
        try:
            while self.member().status not in protocol.TERMINAL:
                looked.wait(LOOK)
        except KeyboardInterrupt:
            self.cancel()
            raise

    def _raise_first(self) -> None:
        if errors := self._parts.unraised():
            if len(errors) > 1:
                errors[0].add_note(f"{len(errors)} parts of {self._title} did not succeed.")
            raise errors[0]

    def __repr__(self) -> str:
        found = self._combined()
        return f"Group({self._title!r}, state={found.status!r}, done={found.rows})"

    # --- its parts ----------------------------------------------------------------------------

    def admit(self, part: Part) -> None:
        """Take a part that is about to begin.

        Raises
        ------
        ExportCancelledError
            If the group was cancelled.
        JobStateError
            If it has ended, or has not begun.
        """
        with self._lock:
            if self._closed or self._token is None:
                raise JobStateError(f"{self._title} takes no parts outside of its block")
            if self._wanted == "cancel":
                table = texts.ENGLISH
                message = table["halted group"].format(name=self._title)
                raise ExportCancelledError(message, table["anew"])
            self._parts.add(part)
            if self._wanted == "pause":
                part.pause()
        reporter().wake()

    def has_room(self, *, stays: bool) -> bool:
        """Say of one loop more whether a receipt names it."""
        with self._lock:
            return self._parts.has_room(stays=stays)

    def _wish(self, action: Action) -> None:
        with self._lock:
            if self._wanted == "cancel":
                return
            self._wanted = action
            parts = list(self._parts)
        for part in parts:
            getattr(part, action)()
        reporter().wake()

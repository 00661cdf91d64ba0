"""How many loops of a cell leave an output: so many in every run, however long each of them took.

What is shown first must not depend on the clock, for nbval compares it. A loop that comes after the
last one with an output of its own, and that runs for long, borrows the place of that one meanwhile.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from progresswidget import texts

if TYPE_CHECKING:
    from progresswidget.display import Display

MOST_RECEIPTS: Final = 20
"""Outermost loops of one cell that leave an output of their own; as many leave a hidden one."""


class Outputs:
    """Those that the loops of a cell leave.

    Parameters
    ----------
    request
        That of the cell.
    """

    def __init__(self, request: str) -> None:
        self.request: Final = request
        self.more = 0
        """Loops that were to stay and leave none."""
        self.last: Display | None = None
        """That of the loop which ended last and has one."""
        self._begun = {True: 0, False: 0}
        self._failed = 0

    def take(self, *, stays: bool) -> bool:
        """Return whether one more loop leaves an output.

        Parameters
        ----------
        stays
            Whether it is still seen when the loop is done; the others take no place from these.
        """
        self._begun[stays] += 1
        has_room = self._begun[stays] <= MOST_RECEIPTS
        self.more += stays and not has_room
        return has_room

    def take_failure(self, *, stays: bool) -> bool:
        """Return whether one that had no place has one now that it failed: they are few as well."""
        self._failed += 1
        has_room = self._failed <= MOST_RECEIPTS
        self.more -= stays and has_room
        return has_room


_outputs: Outputs | None = None


def outputs(request: str) -> Outputs:
    """Return those of a cell; of an earlier one nothing is kept."""
    global _outputs  # noqa: PLW0603 - of the cell that runs
    if _outputs is None or _outputs.request != request:
        _outputs = Outputs(request)
    return _outputs


def end_cell(request: str | None) -> None:
    """Say how many loops of a cell have left no output."""
    global _outputs
    if _outputs is None or _outputs.request != request:
        return
    more, _outputs = _outputs.more, None
    if not more:
        return
    from IPython.display import display

    text = texts.saved_table()["more"].format(count=texts.count(more))
    display({"text/plain": text, "text/html": f"<p>{html.escape(text)}</p>"}, raw=True)

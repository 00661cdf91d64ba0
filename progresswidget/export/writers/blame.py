"""The first row of a column that an engine stumbles over, which its own error does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.errors import ColumnError

if TYPE_CHECKING:
    from collections.abc import Callable


def blame_a_row(
    name: str,
    start: int,
    rows: int,
    convert: Callable[[int, int], object],
    form: str = "be written as text",
) -> None:
    """Raise an error for the first row of a column that `convert` fails on, if it does.

    Parameters
    ----------
    name
        The column.
    start
        The rows before the first one.
    rows
        How many there are.
    convert
        Called with the place of some of them, counted from the first one, and their number.
    form
        What cannot be done with the value.

    Raises
    ------
    ColumnError
        It names the column and the row.
    """
    low, high = 0, rows
    error = _failure(convert, low, high)
    if error is None:
        return
    while high - low > 1:
        middle = (low + high) // 2
        found = _failure(convert, low, middle)
        if found is None:
            low = middle
        else:
            high, error = middle, found
    error = _failure(convert, low, high) or error
    reason = str(error).partition("\n")[0]
    raise ColumnError(
        f"The column {name!r} has a value in row {start + low} that cannot {form}: {reason}",
        "Change the column's type or leave it out.",
    ) from error


def _failure(convert: Callable[[int, int], object], low: int, high: int) -> Exception | None:
    try:
        convert(low, high - low)
    except Exception as error:  # noqa: BLE001 - raised again with the row by the caller
        return error
    return None

"""What a caller may set for a workbook."""

from __future__ import annotations

from typing import Any, Final

from progresswidget.export.options import Option

WIDEST_COLUMN: Final = 255
MOST_FORMAT: Final = 255


def _check_widths(value: Any) -> str | None:
    if isinstance(value, str):
        return None if value == "auto" else "must be 'auto' or a width for each column's name"
    good = all(
        isinstance(width, (int, float))
        and not isinstance(width, bool)
        and 0 <= width <= WIDEST_COLUMN
        for width in value.values()
    )
    return None if good else f"must hold widths from 0 to {WIDEST_COLUMN} characters"


def _check_code(value: str) -> str | None:
    if 0 < len(value) <= MOST_FORMAT and value.isprintable():
        return None
    return "must be a number format of Excel"


OPTIONS: Final = (
    Option("header_style", (bool,), True, "Whether the heading is bold on grey."),  # noqa: FBT003
    Option("freeze_header", (bool,), True, "Whether the heading stays while one scrolls."),  # noqa: FBT003
    Option("autofilter", (bool,), True, "Whether the heading has filters."),  # noqa: FBT003
    Option(
        "column_widths",
        (str, dict),
        "auto",
        "auto, or the width of columns by their names, in characters.",
        check=_check_widths,
    ),
    Option("date_format", (str,), "yyyy-mm-dd", "How Excel shows dates.", check=_check_code),
    Option(
        "datetime_format",
        (str,),
        "yyyy-mm-dd hh:mm:ss",
        "How Excel shows dates with times.",
        check=_check_code,
    ),
    Option("split_sheets", (bool,), False, "Whether rows go on in a further sheet."),  # noqa: FBT003
    Option("sheet_name", (str, type(None)), None, "The name of the only sheet."),
)

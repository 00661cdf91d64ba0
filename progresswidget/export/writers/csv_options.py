"""What a caller may set for CSV and TSV, and what does not go together."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import OptionError
from progresswidget.export.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_PLACES: Final = 100


def _check_delimiter(value: str) -> str | None:
    if len(value) != 1 or not value.isascii() or value in '"\r\n\0':
        return "must be one ASCII character, and neither a quote nor a line break"
    # polars puts no quotes around numbers and times.
    if value.isalnum() or value in "+-.:":
        return "must be one that occurs in no number or time"
    return None


def _check_null(value: str) -> str | None:
    if any(character in value for character in '"\r\n'):
        return "must not hold quotes or line breaks"
    unicode = not any("\ud800" <= character <= "\udfff" for character in value)
    return None if unicode else "must be text that can be written as UTF-8"


def _check_places(value: int | None) -> str | None:
    return None if value is None or 0 <= value <= MOST_PLACES else "must be from 0 to 100"


def _check_date(value: str | None) -> str | None:
    return _check_pattern(value, dt.date(2013, 1, 1))


def _check_datetime(value: str | None) -> str | None:
    return _check_pattern(value, dt.datetime(2013, 1, 1, tzinfo=dt.UTC))


def _check_time(value: str | None) -> str | None:
    return _check_pattern(value, dt.time(5, 15))


def _check_pattern(value: str | None, example: object) -> str | None:
    if value is None:
        return None
    import polars as pl

    try:
        pl.Series([example]).dt.to_string(value)
    except (pl.exceptions.PolarsError, UnicodeEncodeError):
        return f"is no pattern for a {type(example).__name__}: {value!r}"
    return None


NONE: Final = type(None)

OPTIONS: Final = (
    Option("delimiter", (str,), ",", "The character between values.", check=_check_delimiter),
    Option("header", (bool,), True, "Whether the first line holds the column names."),  # noqa: FBT003
    Option("null", (str,), "", "The text that stands for a missing value.", check=_check_null),
    Option(
        "quote",
        (str,),
        "necessary",
        "Which values are put in quotes.",
        choices=("necessary", "always", "non_numeric", "never"),
    ),
    Option("bom", (bool,), False, "Whether to begin with a byte order mark, for Excel."),  # noqa: FBT003
    Option(
        "line_terminator", (str,), "\n", "What ends a line: \\n or \\r\\n.", choices=("\n", "\r\n")
    ),
    Option(
        "date_format",
        (str, NONE),
        None,
        "How dates are written, in strftime's signs, for instance %d.%m.%Y.",
        check=_check_date,
    ),
    Option(
        "datetime_format",
        (str, NONE),
        None,
        "How timestamps are written, in strftime's signs.",
        check=_check_datetime,
    ),
    Option(
        "time_format",
        (str, NONE),
        None,
        "How times of day are written, in strftime's signs, for instance %H:%M.",
        check=_check_time,
    ),
    Option(
        "float_precision",
        (int, NONE),
        None,
        "Digits behind the decimal point of floats; by default as many as are needed.",
        check=_check_places,
    ),
    Option("decimal_comma", (bool,), False, "Whether floats and decimals have a comma."),  # noqa: FBT003
    Option(
        "spreadsheet_safe",
        (bool,),
        False,  # noqa: FBT003
        "Whether a ' goes before texts that a spreadsheet would take for a formula.",
    ),
    Option("encoding", (str,), "utf-8", "The only encoding is UTF-8; see bom.", choices=("utf-8",)),
)


def check_together(options: Mapping[str, Any]) -> None:
    """Refuse options that would make a file nobody can read.

    Raises
    ------
    OptionError
        If two options contradict each other.
    """
    never = options["quote"] == "never"
    if options["delimiter"] in options["null"] and options["null"]:
        raise OptionError(
            "The option null must not hold the delimiter.", "Choose another delimiter=."
        )
    if options["decimal_comma"] and options["delimiter"] == "," and never:
        raise OptionError(
            "decimal_comma needs another delimiter than a comma where nothing is quoted.",
            'Give delimiter=";".',
        )
    if options["spreadsheet_safe"] and never:
        raise OptionError(
            'spreadsheet_safe protects nothing with quote="never": a text could begin a new cell.',
            'Leave quote="necessary".',
        )

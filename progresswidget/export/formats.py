"""The one table of what can be written: suffixes, media types, options and the writer of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from progresswidget.errors import OptionError, UnsupportedFormatError
from progresswidget.export.options import Option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from progresswidget.export.writers import Writer

Flavour: TypeAlias = Literal["text", "columnar"]
"""Whether a format holds values as text or with their types: pandas' index depends on it."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file.

    Parameters
    ----------
    name
        The value for ``format=``, and the name users read.
    media_type
        The type under which a server sends the file (RFC 6838).
    suffixes
        Endings of file names, lower case, by which the format is recognised.
    flavour
        How values are held.
    options
        What a caller may set.
    writer
        Makes the writer for a schema; imports what it needs when it is called.
    """

    name: str
    media_type: str
    suffixes: tuple[str, ...]
    flavour: Flavour
    options: tuple[Option, ...] = field(repr=False)
    writer: Callable[[pa.Schema, Mapping[str, Any]], Writer] = field(repr=False)


def _csv(schema: pa.Schema, options: Mapping[str, Any]) -> Writer:
    from progresswidget.export.writers.csv import CsvWriter

    return CsvWriter(schema, options)


def _parquet(schema: pa.Schema, options: Mapping[str, Any]) -> Writer:
    from progresswidget.export.writers.parquet import ParquetWriter

    return ParquetWriter(schema, options)


def _check_delimiter(value: str) -> str | None:
    if len(value) == 1 and value.isascii() and value not in '"\r\n\0':
        return None
    return "must be one ASCII character, and neither a quote nor a line break"


def _check_null(value: str) -> str | None:
    if any(character in value for character in '"\r\n'):
        return "must not hold quotes or line breaks"
    return None if _is_unicode(value) else "must be text that can be written as UTF-8"


def _is_unicode(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _check_row_group(value: int | None) -> str | None:
    # pyarrow silently lowers anything above this.
    return None if value is None or 1 <= value <= 64 * 2**20 else "must be 1 to 67,108,864 rows"


CSV: Final = Format(
    name="csv",
    media_type="text/csv; charset=utf-8",
    suffixes=(".csv",),
    flavour="text",
    options=(
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
    ),
    writer=_csv,
)

PARQUET: Final = Format(
    name="parquet",
    media_type="application/vnd.apache.parquet",
    suffixes=(".parquet", ".pq"),
    flavour="columnar",
    options=(
        Option(
            "compression",
            (str, type(None)),
            "zstd",
            "The codec of the column chunks.",
            choices=("zstd", "snappy", "gzip", "lz4", "brotli", "none"),
        ),
        Option(
            "compression_level",
            (int, type(None)),
            None,
            "The level of the codec: more is smaller and slower.",
        ),
        Option(
            "row_group_size",
            (int, type(None)),
            None,
            "Rows in a row group; by default 262,144, and fewer where rows are large.",
            check=_check_row_group,
        ),
    ),
    writer=_parquet,
)

FORMATS: Final[dict[str, Format]] = {CSV.name: CSV, PARQUET.name: PARQUET}


def find_format(file_name: str, format: str | None = None) -> Format:
    """Return the format that is asked for by name, or else by the ending of the file name.

    Parameters
    ----------
    file_name
        The last part of the path; the longest known ending decides, in any case of letters.
    format
        The name of a format, which then may have any ending.

    Raises
    ------
    UnsupportedFormatError
        If there is no such format.
    """
    known = f"There are: {', '.join(FORMATS)}."
    if format is not None:
        if not isinstance(format, str):
            raise OptionError(f"format must be a name, not {type(format).__name__}.", known)
        if format.lower() not in FORMATS:
            raise UnsupportedFormatError(f"There is no format {format!r}.", known)
        return FORMATS[format.lower()]
    lower = file_name.lower()
    found = [
        (len(suffix), candidate)
        for candidate in FORMATS.values()
        for suffix in candidate.suffixes
        if lower.endswith(suffix)
    ]
    if not found:
        raise UnsupportedFormatError(
            f"The ending of {file_name!r} says nothing about its format.",
            f"End the name with {', '.join(s for f in FORMATS.values() for s in f.suffixes)}, "
            'or give format="csv".',
        )
    return max(found, key=lambda pair: pair[0])[1]

"""CSV (RFC 4180) by polars, which formats fastest of the engines in the field.

How each Arrow type is written; a missing value is the text of the option ``null``:

==========================  ==================================================================
type                        text
==========================  ==================================================================
bool                        ``true``, ``false``
integers                    digits, also where values are missing
floats                      the shortest text that reads back the same; ``NaN``, ``inf``, ``-inf``
decimals                    digits with all places of the scale
text                        as it is
dictionary (categorical)    as its values
run-end encoded             as its values
date                        ISO 8601: ``2013-01-01``
time                        ISO 8601: ``05:15:00`` with a fraction if there is one
timestamp                   ISO 8601: ``2013-01-01T05:15:00.000000``, a digit per unit
timestamp with time zone    the same in that zone with the offset: ``...+02:00``
duration, interval          ISO 8601: ``P1DT2H0.5S``, ``P1M2DT0S``
binary                      base64 (RFC 4648 section 4)
list, struct, map, union    compact JSON (RFC 8259), see `texts`
null                        missing
extension types             UUID as its text, pandas' Period and Interval as pandas prints them,
                            any other as its storage type
==========================  ==================================================================

An empty text is written as ``""`` and so differs from a missing one, except with ``quote`` set to
``always`` or ``never``. In a file of one column a missing value is ``""`` too: readers skip empty
lines. Lines end with a line feed. A frame without columns is one empty line.

Why 131,072 rows at a time on three threads: below that the start of polars' engine shows (65,536
rows on one thread: 0.7 of the speed of one call for the whole frame), above it only memory grows;
and while one unit starts or ends the next ones keep the cores busy. On two cores, SHA-256 then
costs what polars would have used: `tests/benchmarks/export.py` tells the whole.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from progresswidget.errors import ColumnError
from progresswidget.export.forks import refuse_polars
from progresswidget.export.options import Option
from progresswidget.export.writers import Encoded, Heading, Writer, columns, only_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    import pyarrow as pa

Quote: TypeAlias = Literal["necessary", "always", "non_numeric", "never"]


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


BOM: Final = b"\xef\xbb\xbf"


class Parts:
    """The write end that polars sees: it keeps the pieces of a unit as they come."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep one piece."""
        self.pieces.append(bytes(data))
        return len(data)


class CsvWriter(Writer):
    """Encode batches as CSV.

    Parameters
    ----------
    headings
        The one table; names of columns may repeat.
    options
        Values of all options of the format.

    Raises
    ------
    ColumnError
        If a column cannot be written.
    SourceError
        If this process is a fork in which polars would hang.
    """

    OPTIONS = (
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
    )

    workers = 3
    resumable = True

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        refuse_polars()
        schema = only_schema(headings, "CSV")
        self._names: list[str] = list(schema.names)
        self._delimiter: str = options["delimiter"]
        self._quote: Quote = options["quote"]
        self._null: str = options["null"]
        self._bom: bool = options["bom"]
        self._header: bool = options["header"]
        self._plans = [columns.plan(field.type) for field in schema]
        if any(plan.slow for plan in self._plans):
            self.unit_rows = 8_192  # Python formats some values: still a fraction of a second
        for name in self._names:
            columns.check_name(name)
        _check(schema, self._plans, self._null)

    def head(self) -> Sequence[bytes]:
        """Return the byte order mark and the line of names, as far as they are wanted."""
        pieces = [BOM] if self._bom else []
        if self._header:
            line = self._delimiter.join(self._quoted(name) for name in self._names)
            lonely = len(self._names) == 1 and not line and self._quote != "never"
            pieces.append(('""\n' if lonely else f"{line}\n").encode())
        return pieces

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return the lines of some rows."""
        refuse_polars()  # the writer may have been made before the fork
        parts = Parts()
        if self._plans:
            _frame(batches, self._plans, self._null).write_csv(
                cast("IO[bytes]", parts),  # polars needs `write` only
                include_header=False,
                separator=self._delimiter,
                quote_style=self._quote,
                null_value=self._null,
                time_format="%H:%M:%S%.f",
            )
        return Encoded(parts.pieces)

    def _quoted(self, name: str) -> str:
        special = any(character in name for character in (self._delimiter, '"', "\n", "\r"))
        if self._quote == "never" or not (special or self._quote in {"always", "non_numeric"}):
            return name
        return '"' + name.replace('"', '""') + '"'


def _frame(
    batches: Sequence[pa.RecordBatch], plans: Sequence[columns.Plan], null: str
) -> pl.DataFrame:
    import polars as pl
    import pyarrow as pa

    # Names may repeat in Arrow but not in polars; the header is written from our own list.
    names = [str(position) for position in range(len(plans))]
    plain = [pa.RecordBatch.from_arrays(_arrays(batch, plans), names=names) for batch in batches]
    frame = pl.DataFrame(pa.Table.from_batches(plain))
    frame = frame.select(
        plan.to_text(pl.col(name)) for plan, name in zip(plans, names, strict=True)
    )
    if len(names) == 1 and not null:
        frame = frame.with_columns(pl.col(names[0]).cast(pl.String).fill_null(""))
    return frame


def _arrays(batch: pa.RecordBatch, plans: Sequence[columns.Plan]) -> list[pa.Array]:
    arrays = []
    for name, array, plan in zip(batch.schema.names, batch.columns, plans, strict=True):
        try:
            arrays.append(plan.to_arrow(array))
        except (ValueError, TypeError, OverflowError, NotImplementedError) as error:
            # pyarrow's own errors are of these kinds.
            raise ColumnError(
                f"The column {name!r} has a value that cannot be written as text: {error}",
                "Change the column's type or leave it out.",
            ) from error
    return arrays


def _check(schema: pa.Schema, plans: Sequence[columns.Plan], null: str) -> None:
    for field, plan in zip(schema, plans, strict=True):
        try:
            _frame([_missing_row(field)], [plan], null)
        except Exception as error:
            raise ColumnError(
                f"The column {field.name!r} of type {field.type} cannot be written as CSV.",
                "Change its type or leave it out.",
            ) from error


def _missing_row(field: pa.Field) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.nulls(1, field.type)], names=[field.name])

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

Why 65,536 rows at a time on three threads: on one, the start of polars' engine would show (0.7 of
the speed of one call for the whole frame), but while one unit starts, ends or waits for the file
the next ones keep the cores busy. Larger units are no faster and take 100 MB more. Why timestamps
are made into text before: see `columns_moments`. Why the bytes come out piece by piece: see
`outlet`. Of a query a unit has 5.6 MB at most: several are under way, and their text waits for its
turn beside them. With rows of 1 kB 8 MB took 60 to 100 MB more, and no less time.

Where the processor goes, in seconds of all cores for 5 million rows of the frame of
`tests/benchmarks/export.py`: polars' formatting 0.94, timestamps 0.14, the digest of the data 0.15,
writing 0.28, cutting 0.04, the digest of the bytes 0.02. polars alone needs 1.4 to 1.6. Of the
digest 0.09 is the gathering of texts that lie anywhere; gathering in smaller pieces, to offsets of
32 bits, or hashing each text by polars took as long.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

from progresswidget.export.forks import refuse_polars
from progresswidget.export.writers import (
    Emission,
    Encoded,
    Heading,
    Writer,
    columns,
    csv_options,
    only_schema,
)
from progresswidget.export.writers.columns_frame import Parts, frame_of, refuse_types
from progresswidget.export.writers.csv_values import csv_plan, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from progresswidget.export.options import Option

Quote: TypeAlias = Literal["necessary", "always", "non_numeric", "never"]


BOM: Final = b"\xef\xbb\xbf"


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

    OPTIONS: ClassVar[tuple[Option, ...]] = csv_options.OPTIONS
    FORMAT = "CSV"

    workers = 3
    unit_rows = 65_536
    queried = 3
    resumable = True

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        refuse_polars()
        schema = only_schema(headings, self.FORMAT)
        csv_options.check_together(options)
        self._options = options
        self._names: list[str] = list(schema.names)
        self._delimiter: str = options["delimiter"]
        self._quote: Quote = options["quote"]
        self._null: str = options["null"]
        self._bom: bool = options["bom"]
        self._header: bool = options["header"]
        self._end: str = options["line_terminator"]
        self._plans = [csv_plan(field.type, options) for field in schema]
        if any(plan.slow for plan in self._plans):
            self.unit_rows = 8_192  # Python formats some values: still a fraction of a second
        for name in self._names:
            columns.check_name(name)
        refuse_types(schema, self._plans, self.FORMAT)

    def head(self) -> Sequence[bytes]:
        """Return the byte order mark and the line of names, as far as they are wanted."""
        pieces = [BOM] if self._bom else []
        if self._header:
            line = self._delimiter.join(self._quoted(name) for name in self._names)
            lonely = len(self._names) == 1 and not line and self._quote != "never"
            pieces.append((('""' if lonely else line) + self._end).encode())
        return pieces

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return the lines of some rows."""
        parts = Parts()
        self.prepare(batches, start, section).write(parts)  # polars needs `write` only
        return Encoded(parts.pieces)

    def prepare(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Emission:
        """Return what writes the lines of some rows."""
        refuse_polars()  # the writer may have been made before the fork
        if not self._plans:
            return Emission(lambda _: None)
        frame = frame_of(batches, self._plans, start)
        return Emission(
            lambda file: frame.write_csv(
                file,
                include_header=False,
                separator=self._delimiter,
                quote_style=self._quote,
                null_value=self._missing(),
                line_terminator=self._end,
                time_format="%H:%M:%S%.f",
                float_precision=self._options["float_precision"],
                decimal_comma=self._options["decimal_comma"],
            )
        )

    def _missing(self) -> str:
        """Return what stands for a missing value; a line of nothing would be skipped."""
        alone = len(self._plans) == 1 and not self._null
        return '""' if alone and self._quote in {"necessary", "non_numeric"} else self._null

    def _quoted(self, given: str) -> str:
        name = safe_text(given) if self._options["spreadsheet_safe"] else given
        special = any(character in name for character in (self._delimiter, '"', "\n", "\r"))
        if self._quote == "never" or not (special or self._quote in {"always", "non_numeric"}):
            return name
        return '"' + name.replace('"', '""') + '"'


class TsvWriter(CsvWriter):
    """Encode batches as CSV with tabs between the values."""

    OPTIONS = tuple(
        replace(option, default="\t") if option.name == "delimiter" else option
        for option in csv_options.OPTIONS
    )
    FORMAT = "TSV"

"""What reports for reading share: the rows they hold, their options, and the text of a value.

A report is for people, so it holds the first rows only: as many as ``row_limit`` says, 10,000
unless it is set. Where rows are left out the report says so in words, under its title: "The first
10,000 of 1,234,567 rows". The rest of the frame is read all the same, to count it. A text of more
than `CELL` characters is cut too, and what is missing is counted in its cell.

Values have the text that `columns_reading` tells. Where all moments of a column are midnights and
have no zone, as the days of pandas, the days stand alone.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export import labels
from progresswidget.export.forks import refuse_polars
from progresswidget.export.options import Option
from progresswidget.export.writers import (
    Encoded,
    Heading,
    Piece,
    Placed,
    Writer,
    columns,
    only_schema,
)
from progresswidget.export.writers.columns_frame import frame_of, refuse_types
from progresswidget.export.writers.columns_reading import MIDNIGHT, reading_plan
from progresswidget.export.writers.csv_options import OPTIONS as CSV_OPTIONS
from progresswidget.export.writers.csv_values import plain_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

CELL: Final = 2_000
"""Characters of one cell that are printed."""
NAME: Final = 200
"""Characters of the name of a column that are printed."""
ROWS: Final = 10_000
"""Rows of a table that are printed, unless the caller wants more or fewer."""

PAGES: Final[dict[str, tuple[float, float]]] = {
    "A4": (595.28, 841.89),
    "A3": (841.89, 1190.55),
    "letter": (612.0, 792.0),
    "legal": (612.0, 1008.0),
}
"""Width and height of the sheets in points, upright (ISO 216, ANSI Y14.1)."""


def _check_limit(value: int | None) -> str | None:
    return None if value is None or value >= 1 else "must be 1 or more, or None"


def _check_title(value: str | None) -> str | None:
    if value is not None and any("\ud800" <= character <= "\udfff" for character in value):
        return "must be text that can be written as UTF-8"
    return None


OPTIONS: Final = (
    Option(
        "title",
        (str, type(None)),
        None,
        "What the first page begins with; by default the name of the file or of the frame.",
        check=_check_title,
    ),
    Option(
        "row_limit",
        (int, type(None)),
        ROWS,
        "How many rows of a table are printed; None prints all.",
        check=_check_limit,
    ),
    Option(
        "page_size",
        (str,),
        "A4",
        "The sheet that the report is laid out for.",
        choices=tuple(PAGES),
    ),
    Option(
        "orientation",
        (str,),
        "auto",
        "How the sheet lies; auto turns it where the columns need the width.",
        choices=("auto", "portrait", "landscape"),
    ),
    next(option for option in CSV_OPTIONS if option.name == "null"),
)


class Excerpt:
    """The first rows of a table as text, and the number of all.

    Parameters
    ----------
    heading
        Name and columns.
    limit
        How many rows are kept, or None for all.
    null
        The text of a missing value.
    kind
        What the file is called in errors.

    Attributes
    ----------
    rows
        The cells that are printed.
    numbers
        For each column whether it holds numbers, which stand on the right.
    labels
        How many of the first columns name the rows.
    seen
        All rows so far.

    Raises
    ------
    ColumnError
        If it is no table, or a column cannot be written as text.
    """

    def __init__(self, heading: Heading, limit: int | None, null: str, kind: str) -> None:
        refuse_polars()
        schema = only_schema([heading], kind)
        for name in schema.names:
            columns.check_name(name)
        self.name = heading.name
        self.names = [clip(tidy(name), NAME) for name in schema.names]
        self.numbers = [_is_number(field.type) for field in schema]
        self.labels = labels.count(schema)
        self.rows: list[tuple[str, ...]] = []
        self.seen = 0
        self._limit = limit
        self._null = null
        self._moments = [place for place, field in enumerate(schema) if _is_naive(field.type)]
        self._plans = [reading_plan(field.type) for field in schema]
        refuse_types(schema, self._plans, kind)

    def add(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Count rows, and keep those that are within the limit."""
        for batch in batches:
            room = batch.num_rows if self._limit is None else self._limit - len(self.rows)
            if room > 0:
                self.rows.extend(self._cells(batch.slice(0, room)))
            self.seen += batch.num_rows

    def shorten(self) -> None:
        """Leave the time of day out where it is midnight in all of a column."""
        days = {
            place
            for place in self._moments
            if all(text.endswith(MIDNIGHT) or text == self._null for text in self._column(place))
        }
        if days:
            self.rows = [
                tuple(
                    text.removesuffix(MIDNIGHT) if place in days else text
                    for place, text in enumerate(row)
                )
                for row in self.rows
            ]

    def _column(self, place: int) -> Iterable[str]:
        return (row[place] for row in self.rows)

    @property
    def statement(self) -> str:
        """What the report says of its rows."""
        columns = _count(len(self.names), "column")
        if len(self.rows) == self.seen:
            return f"{_count(self.seen, 'row')}, {columns}"
        if len(self.rows) == 1:
            return f"The first of {self.seen:,} rows, {columns}"
        return f"The first {len(self.rows):,} of {self.seen:,} rows, {columns}"

    def _cells(self, batch: pa.RecordBatch) -> Iterable[tuple[str, ...]]:
        if not self.names:
            return [()] * batch.num_rows
        refuse_polars()
        frame = frame_of([batch], self._plans, self.seen)
        texts = [
            [clip(tidy(self._null if text is None else text)) for text in column]
            for column in frame.iter_columns()
        ]
        return zip(*texts, strict=True)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def tidy(text: str) -> str:
    """Return text whose lines end in one way and which holds nothing that no page can show."""
    if text.isprintable():
        return text
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return "".join(map(_shown, lines))


def _shown(character: str) -> str:
    # XML 1.0 §2.2 has no place for control characters and U+FFFE, U+FFFF, and no font for them.
    hidden = character < " " or "\x7f" <= character <= "\x9f" or character in "\ufffe\uffff"
    return "□" if hidden and character != "\n" else character


def clip(text: str, most: int = CELL) -> str:
    """Cut a long text, and count in it what is missing."""
    if len(text) <= most:
        return text
    return f"{text[:most]} … [{len(text) - most:,} more characters]"


def _is_naive(kind: pa.DataType) -> bool:
    import pyarrow as pa

    plain = plain_kind(kind)
    return bool(pa.types.is_timestamp(plain)) and plain.tz is None


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _is_number(kind.value_type)
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


class ReportWriter(Writer):
    """Collects the first rows of each table, and writes the document when all have come.

    Parameters
    ----------
    headings
        The tables.
    options
        Values of `OPTIONS`.

    Raises
    ------
    ColumnError
        If a column cannot be written as text.
    """

    OPTIONS = OPTIONS
    KIND = "a report"

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        given = options["title"] or (headings[0].name if len(headings) == 1 else "Report")
        self.title = " ".join(tidy(given).split())
        self.most_rows = options["row_limit"]
        self.tables = [
            Excerpt(heading, self.most_rows, options["null"], self.KIND) for heading in headings
        ]
        self.sheet = PAGES[options["page_size"]]
        self.orientation: str = options["orientation"]

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Keep some rows, or only count them; the bytes come in the end."""
        self.tables[section].add(batches)
        return Encoded(())

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the whole document."""
        for table in self.tables:
            table.shorten()
        return [self.document()]

    @abstractmethod
    def document(self) -> bytes:
        """Return the document of all tables."""

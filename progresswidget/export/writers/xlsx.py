"""XLSX (ECMA-376, Office Open XML): one sheet per frame, streamed by a writer of our own.

How each Arrow type is written; a missing value is an empty cell:

==========================  ==================================================================
type                        cell
==========================  ==================================================================
bool                        TRUE, FALSE
integers                    number with all digits; beyond 2^53 as text
floats                      number; ``NaN``, ``inf`` and ``-inf``, which Excel lacks, as text
decimals                    number with all places of the scale; beyond 15 digits as text
text                        text, never a formula, its lines below each other; at most 32,767
                            characters
dictionary, run-end encoded as its values
date                        date; before 1900-03-01 as ISO 8601 text
time                        time of the day
timestamp                   date and time; before 1900-03-01 as ISO 8601 text
timestamp with time zone    the local date and time in that zone, without the offset
duration                    ``[h]:mm:ss``; a negative one, which Excel cannot show, as ISO text
all others                  the text that `csv` writes: binary as base64, nested values as JSON
==========================  ==================================================================

Texts are in the cells and not in a table of shared ones, which would have to be held in memory
until the end. Every unit is deflated on its own, several side by side. Within a workbook of the
same rows and options every byte is the same, whenever it is written.

A sheet has 1,048,576 rows, one of them the heading. Units of ``split_sheets`` are counted in rows
only, by a divisor of 1,048,575: so a sheet ends where a unit does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError, OptionError
from progresswidget.export.forks import refuse_polars
from progresswidget.export.writers import Encoded, Heading, Placed, Writer, columns
from progresswidget.export.writers import xlsx_package as package
from progresswidget.export.writers import xlsx_parts as parts
from progresswidget.export.writers.xlsx_cells import MOST_UNITS, Cells, cells_of
from progresswidget.export.writers.xlsx_names import check_names, unused
from progresswidget.export.writers.xlsx_options import OPTIONS
from progresswidget.export.writers.xlsx_rows import join

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from progresswidget.export.writers import Piece

MOST_ROWS: Final = 1_048_575
"""Rows of data in a sheet (Excel specifications and limits: 1,048,576, and one is the heading)."""
MOST_COLUMNS: Final = 16_384
UNIT_CELLS: Final = 196_608


@dataclass(frozen=True, slots=True)
class _Table:
    """A section: its columns, and the rows that are known beforehand."""

    name: str
    names: list[str]
    cells: list[Cells]
    total: int | None

    def range(self, rows: int) -> str:
        return f"A1:{parts.letters(len(self.names) - 1)}{rows + 1}"


class XlsxWriter(Writer):
    """Encode batches as the rows of sheets.

    Parameters
    ----------
    headings
        The sheets, each a table.
    options
        Values of all options of the format.

    Raises
    ------
    ColumnError
        If a column, or the number of rows or columns, does not fit a sheet.
    OptionError
        If an option, or the name of a sheet, cannot be used.
    SourceError
        If this process is a fork in which polars would hang.
    """

    OPTIONS = OPTIONS

    # One for each core: one more would push aside the thread that holds the GIL, and on two cores
    # the 99th percentile of a ticker's delay was 5.4 ms with three and 3.2 ms with two, which are
    # no slower either (0.22 s for 200,000 rows).
    workers = max(1, min(3, os.cpu_count() or 1))
    resumable = True
    ahead = True
    unit_bytes = 8 * 2**20

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        refuse_polars()
        self._options = options
        self._sheet_names = check_names(headings, options["sheet_name"])
        self._tables = [self._table(heading) for heading in headings]
        self._splits = options["split_sheets"] and any(
            table.total is None or table.total > MOST_ROWS for table in self._tables
        )
        self._check_widths_known()
        self._formats = sorted(
            {code for table in self._tables for cell in table.cells for code in cell.formats}
        )
        self._styles = {code: parts.FIRST_FREE + n for n, code in enumerate(self._formats)}
        self._limit_units()
        self._entries: dict[str, package.Entry] = {}
        self._began: dict[int, int] = {}
        self._filters: dict[tuple[int, int], str | None] = {}

    def head(self) -> Sequence[Piece]:
        """Return the parts that are known beforehand."""
        first = [] if self._splits else [(parts.CONTENT_TYPES, parts.content_types(self._plain()))]
        return self._parts(
            [
                *first,
                (parts.ROOT_RELATIONS, parts.root_relations()),
                (parts.STYLES, parts.styles(self._formats, header=self._options["header_style"])),
            ],
            0,
        )

    def begin(self, section: int, offset: int) -> Sequence[Piece]:
        """Learn where a section begins; the first unit of a sheet brings its head with it."""
        self._began[section] = offset
        return ()

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return some rows, deflated; a sheet that begins with them begins here."""
        refuse_polars()  # the writer may have been made before the fork
        rows = sum(batch.num_rows for batch in batches)
        table = self._tables[section]
        if not self._splits and start + rows > MOST_ROWS:
            raise _too_many(table.name, None)
        sheet, above = divmod(start, MOST_ROWS)
        forms = [
            cells.forms([batch.column(position) for batch in batches], start, self._styles)
            for position, cells in enumerate(table.cells)
        ]
        packed, block = package.deflate(join(forms, above + 2, rows))
        if above:
            return Encoded([packed], block.dump())
        needed = [cells.needs(form) for cells, form in zip(table.cells, forms, strict=True)]
        opening, head = self._opening(section, sheet, needed)
        return Encoded([*opening, packed], (head + block).dump())

    def follow(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the end of a sheet that is full."""
        if not self._splits or sum(unit.rows for unit in units) % MOST_ROWS:
            return ()
        return self._closing(units[0].section, units, offset)

    def end(self, section: int, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the end of the last sheet of a section."""
        rows = sum(unit.rows for unit in units)
        if self._splits and rows and not rows % MOST_ROWS:
            return ()
        return self._closing(section, units, offset)

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the list of sheets and the directory of the archive."""
        sheets = self._listed()
        paths = [sheet.part for sheet in sheets]
        missing = [(parts.CONTENT_TYPES, parts.content_types(paths))] if self._splits else []
        pieces = self._parts(
            [
                (parts.WORKBOOK, parts.workbook(sheets)),
                (parts.RELATIONS, parts.relations(paths)),
                *missing,
            ],
            offset,
        )
        end = offset + sum(len(piece) for piece in pieces)
        return [*pieces, package.directory(list(self._entries.values()), end)]

    def _table(self, heading: Heading) -> _Table:
        if heading.schema is None:
            raise ColumnError(f"{heading.name!r} is no table, which XLSX needs.")
        if len(heading.schema) > MOST_COLUMNS:
            raise ColumnError(
                f"{heading.name!r} has {len(heading.schema):,} columns; a sheet holds "
                f"{MOST_COLUMNS:,}.",
                "Export fewer columns, or to CSV or Parquet.",
            )
        if (heading.total or 0) > MOST_ROWS and not self._options["split_sheets"]:
            raise _too_many(heading.name, heading.total)
        for name in heading.schema.names:
            columns.check_name(name)
            if len(name.encode("utf-16-le")) // 2 > MOST_UNITS:
                raise ColumnError(
                    f"The column name {name[:40]!r}… has more than {MOST_UNITS:,} characters.",
                    "Rename the column.",
                )
        codes = self._options["date_format"], self._options["datetime_format"]
        cells = [cells_of(field, *codes) for field in heading.schema]
        return _Table(heading.name, list(heading.schema.names), cells, heading.total)

    def _check_widths_known(self) -> None:
        given = self._options["column_widths"]
        known = {name for table in self._tables for name in table.names}
        unknown = [] if isinstance(given, str) else [name for name in given if name not in known]
        if unknown:
            raise OptionError(
                f"The option column_widths names the column {unknown[0]!r}, which there is not.",
                f"There are: {', '.join(sorted(known))[:200]}.",
            )

    def _limit_units(self) -> None:
        widest = max((len(table.names) for table in self._tables), default=0)
        slow = any(cells.plan.slow for table in self._tables for cells in table.cells)
        wanted = max(min(UNIT_CELLS // max(widest, 1), 8_192 if slow else 65_536), 1)
        self.unit_rows = wanted
        if self._splits:
            self.unit_rows = next(n for n in range(wanted, 0, -1) if MOST_ROWS % n == 0)
            self.unit_bytes = 2**62
            self.unit_patience = float("inf")

    def _plain(self) -> list[str]:
        return [_path(section, 0) for section in range(len(self._tables))]

    def _parts(self, texts: Sequence[tuple[str, str]], offset: int) -> list[Piece]:
        written: list[Piece] = []
        for name, text in texts:
            pieces, self._entries[name] = package.part(name, text, offset)
            written += pieces
            offset += sum(len(piece) for piece in pieces)
        return written

    def _opening(
        self, section: int, sheet: int, needed: Sequence[float] | None = None
    ) -> tuple[list[Piece], package.Block]:
        table = self._tables[section]
        least = [cells.width for cells in table.cells] if needed is None else needed
        given = self._options["column_widths"]
        chosen = {} if isinstance(given, str) else given
        widths = [
            chosen.get(name, parts.width(name, each))
            for name, each in zip(table.names, least, strict=True)
        ]
        left = None if table.total is None else table.total - sheet * MOST_ROWS
        text = parts.sheet_head(
            table.names,
            widths,
            cells=table.range(min(left, MOST_ROWS)) if left is not None and widths else None,
            freeze=self._options["freeze_header"],
            selected=section == 0 and sheet == 0,
        )
        packed, block = package.deflate([text.encode()])
        return [package.streamed_header(_path(section, sheet)), packed], block

    def _closing(self, section: int, units: Sequence[Placed], offset: int) -> list[Piece]:
        """End the last sheet of a section, and enter it into the directory."""
        rows = sum(unit.rows for unit in units)
        sheet = max(rows - 1, 0) // MOST_ROWS
        first, inside = self._began[section], list(units)
        if sheet:
            before = 0
            while before < sheet * MOST_ROWS:
                before += inside.pop(0).rows
            first, rows = inside[0].offset, rows - before
        table = self._tables[section]
        filtered = table.range(rows) if self._options["autofilter"] and table.names else None
        packed, last = package.deflate([parts.sheet_tail(filtered).encode()], last=True)
        opening: list[Piece] = []
        content = package.Block()
        if not inside:
            opening, content = self._opening(section, sheet)
        for unit in inside:
            content += package.Block.load(unit.note)
        content += last
        path = _path(section, sheet)
        self._entries[path] = package.Entry(path, first, content, streamed=True)
        self._filters[section, sheet] = filtered
        return [*opening, packed, package.descriptor(content)]

    def _listed(self) -> list[parts.SheetEntry]:
        taken = {name.casefold() for name in self._sheet_names}
        listed = []
        for section, sheet in sorted(self._filters):
            name = self._sheet_names[section]
            if sheet:
                name = unused(name, sheet + 1, taken)
                taken.add(name.casefold())
            filtered = self._filters[section, sheet]
            listed.append(parts.SheetEntry(name, _path(section, sheet), filtered))
        return listed


def _path(section: int, sheet: int) -> str:
    return f"xl/worksheets/sheet{section + 1}{f'_{sheet + 1}' if sheet else ''}.xml"


def _too_many(name: str, total: int | None) -> ColumnError:
    count = f"more than {MOST_ROWS:,}" if total is None else f"{total:,}"
    return ColumnError(
        f"{name!r} has {count} rows; a sheet holds {MOST_ROWS:,} below its heading.",
        "Set split_sheets=True to go on in further sheets, or export to CSV or Parquet.",
    )

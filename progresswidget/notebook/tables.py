"""Tables of outputs, as which frames are shown in HTML, as tables of Word.

Each is taken apart into a grid whose places know the cells that cover them (HTML Living Standard,
section 4.9.12). One that is too wide for the page is cut into strips of columns, each of which
begins with those that name the rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.writers import report_table
from progresswidget.export.writers.report import clip, tidy
from progresswidget.export.writers.report_table import COLUMNS, Cell
from progresswidget.export.writers.report_widths import named_strips, span, strips
from progresswidget.notebook.prose import lines_of, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docx.document import Document

    from progresswidget.export.writers.report_widths import Strip

AROUND: Final = 300
"""Characters beside the tables: what has more to say is no frame."""
LAID_OUT: Final = "table table, details table, table img, table svg, form table"
"""Tables that are there for the layout."""
MOST: Final = {"colspan": 1_000, "rowspan": 65_534}
"""How far a cell may reach (HTML Living Standard, section 4.9.11)."""
SAMPLE: Final = 500
"""Rows whose texts decide how wide columns are."""

_BREAK: Final = "\x1e"
_NUMBER: Final = re.compile(r"[-+−]?[.\d][\d,.'\u202f]*(e[-+]?\d+)?\s?[%‰]?", re.IGNORECASE)
_NOTHING: Final = {"", "…", "...", "nan", "none", "null", "nat", "<na>", "inf", "-inf"}


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A cell of HTML; it may cover several places of the grid, and is the same object there."""

    text: str
    head: bool = False
    cell: Any = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a grid.

    Parameters
    ----------
    grid
        Its rows from the top, all of one length.
    head
        How many of them are repeated on each page.
    """

    grid: list[list[Place]]
    head: int

    @property
    def columns(self) -> int:
        """How many columns it has."""
        return len(self.grid[0]) if self.grid else 0

    @property
    def labels(self) -> int:
        """How many of the first columns name the rows."""
        found = 0
        body = self.grid[self.head :]
        while body and found < len(body[0]) and all(row[found].head for row in body):
            found += 1
        return found

    def is_number(self, column: int) -> bool:
        """Say whether a column holds numbers."""
        texts = [row[column].text.strip() for row in self.grid[self.head :]]
        told = [text for text in texts if text.lower() not in _NOTHING]
        return bool(told) and all(map(_NUMBER.fullmatch, told))


def find(markup: str) -> list[Table | str]:
    """Return the tables of an output and the texts around them; nothing, if it is no frame."""
    if "<table" not in markup:
        return []
    soup: Any = parsed(markup)
    if soup.select_one(LAID_OUT):
        return []
    tables = []
    for each in soup.find_all("table"):
        tables.append(grid_of(each))
        title = each.caption.get_text() if each.caption else ""
        each.replace_with(f"\n{title}{_BREAK}")
    texts = ["\n".join(lines_of(part)) for part in soup.get_text().split(_BREAK)]
    if sum(map(len, texts)) > AROUND:
        return []
    found: list[Table | str] = [texts[0]]
    for table, text in zip(tables, texts[1:], strict=True):
        found += [table, text]
    return [each for each in found if (each.grid if isinstance(each, Table) else each)]


def write(document: Document, table: Table, room: float) -> None:
    """Write a table at the end of a document.

    Parameters
    ----------
    document
        The document.
    table
        The table.
    room
        The width of the page, in points.
    """
    numbers = [table.is_number(column) for column in range(table.columns)]
    split, labels = cut(table, room, COLUMNS)
    for strip in split:
        if len(split) > 1:
            said = document.add_paragraph(span(strip, labels, table.columns))
            said.paragraph_format.keep_with_next = True
        report_table.append(document, _rows(table, strip, numbers), strip.widths, table.head)
        document.add_paragraph()


def cut(table: Table, room: float, most: int | None = None) -> tuple[list[Strip], int]:
    """Return the strips in which a table fits a page, and how many columns of each name the rows.

    Parameters
    ----------
    table
        The table.
    room
        The width of the page, in points.
    most
        How many columns a strip may have.
    """
    sizes = [
        report_table.measure(
            _alone(table.grid[: table.head], column),
            _alone(table.grid[table.head :][:SAMPLE], column),
            number=table.is_number(column),
        )
        for column in range(table.columns)
    ]
    natural, least = [wide for wide, _ in sizes], [small for _, small in sizes]
    whole = strips(natural, least, room, most)
    if len(whole) == 1:
        return whole, 0
    named = named_strips(natural, least, room, table.labels, most)
    return (named, table.labels) if named else (whole, 0)


def covered(row: Sequence[Place], strip: Strip) -> Iterator[tuple[Place, list[int]]]:
    """Yield the cells of a row in a strip, and the columns that each has there."""
    for _, columns in groupby(strip.columns, lambda column: id(row[column])):
        own = list(columns)
        yield row[own[0]], own


def grid_of(element: Any) -> Table:
    """Take a table of HTML apart."""
    grid: list[list[Place]] = []
    head = 0
    reaching: dict[int, tuple[int, Place]] = {}  # column -> rows that a cell still covers
    for line in element.find_all("tr"):
        cells = line.find_all(["td", "th"], recursive=False)
        if head == len(grid) and (line.find_parent("thead") or _is_head(cells)):
            head += 1
        row: list[Place] = []
        for cell in cells:
            _continue(row, reaching)
            place = Place(clip(tidy(_text(cell))), cell.name == "th", cell)
            down = _reach(cell, "rowspan")
            for _ in range(_reach(cell, "colspan")):
                if down > 1:
                    reaching[len(row)] = (down - 1, place)
                row.append(place)
        _continue(row, reaching)
        grid.append(row)
    wide = max(map(len, grid), default=0)
    filled = [[*row, *(Place("") for _ in range(wide - len(row)))] for row in grid]
    return Table(filled if wide else [], head)


def _is_head(cells: Sequence[Any]) -> bool:
    return bool(cells) and all(cell.name == "th" for cell in cells)


def _continue(row: list[Place], reaching: dict[int, tuple[int, Place]]) -> None:
    while len(row) in reaching:
        rows, place = reaching.pop(len(row))
        if rows > 1:
            reaching[len(row)] = (rows - 1, place)
        row.append(place)


def _reach(cell: Any, attribute: str) -> int:
    given = str(cell.get(attribute, "1")).strip()
    return min(max(int(given), 1), MOST[attribute]) if given.isdecimal() else 1


def _text(cell: Any) -> str:
    return "\n".join(lines_of(cell.get_text()))


def _alone(grid: Sequence[Sequence[Place]], column: int) -> Iterator[str]:
    """Yield the texts of the cells that cover this column and no other."""
    for row in grid:
        if row[column] not in (*row[column - 1 : column], *row[column + 1 : column + 2]):
            yield row[column].text


def _rows(table: Table, strip: Strip, numbers: Sequence[bool]) -> Iterator[list[Cell]]:
    for at, row in enumerate(table.grid):
        above = table.grid[at - 1] if at else []
        below = table.grid[at + 1] if at + 1 < len(table.grid) else []
        cells = []
        for place, (first, *more) in covered(row, strip):
            went = bool(above) and above[first] is place
            goes = bool(below) and below[first] is place
            right = numbers[first] and not more
            down = "continue" if went else "restart" if goes else ""
            cells.append(Cell("" if went else place.text, right, place.head, 1 + len(more), down))
        yield cells

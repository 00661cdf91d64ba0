"""Pages of a printed table: how wide columns are, where lines break, which rows a page has.

Nothing is cut. A table that is too wide for the sheet is tried lying and in smaller type, down to
`SIZES`' last; one that is wider still is split into strips of columns, each over all rows, which
begin with the columns that name the rows, or else with their number. A row that is higher than a
page goes on on the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from progresswidget.export.shaping import keep_direction
from progresswidget.export.writers.report_widths import Strip, named_strips, share, strips

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from progresswidget.export.fonts import Typeface
    from progresswidget.export.writers.report import Excerpt

MARGIN: Final = 40.0
"""Points of white on every side."""
FOOT: Final = 22.0
"""Points of the line with the page number."""
SIZES: Final = (8.0, 7.0, 6.0)
"""Sizes of type in points, the best first; below 6 nobody reads."""
STRIP_SIZE: Final = 7.0
LEADING: Final = 1.3
PAD: Final = (4.5, 2.2)
"""Points between a cell's text and its borders, beside and above."""
WIDEST: Final = 44.0
"""Widths in em: a longer text is wrapped, a longer word torn."""
WORD: Final = 15.0
HEAD: Final = 11.0
"""Where a name is wrapped if the values below it are no wider."""
NUMBER: Final = 30.0

# A line may break behind a space, these marks, and any Chinese, Japanese or Korean character.
_BEHIND: Final = frozenset(" _/,;|")
_ASIAN: Final = "\u2e80"
_WORDS: Final = re.compile(r"[\u2e80-\uffff]|[^ _/,;|\n\u2e80-\uffff]+[_/,;|]?")


@dataclass(frozen=True, slots=True)
class Faces:
    """The type of a table: of its cells and of its head."""

    plain: Typeface
    bold: Typeface


@dataclass(frozen=True, slots=True)
class Grid:
    """How a table lies on its sheets.

    Parameters
    ----------
    sheet
        Width and height in points.
    size
        Of the type, in points.
    strips
        Columns with their widths in points.
    number_width
        The width of the row numbers; 0 where there is one strip, or the rows have names.
    labels
        How many columns name the rows at the begin of each strip.
    """

    sheet: tuple[float, float]
    size: float
    strips: tuple[Strip, ...]
    number_width: float
    labels: int = 0

    @property
    def line(self) -> float:
        """The height of a line."""
        return self.size * LEADING


@dataclass(frozen=True, slots=True)
class Row:
    """A printed row.

    Parameters
    ----------
    number
        Its place in the table from 1 on; 0 where it goes on from the page before.
    cells
        The lines of each cell.
    """

    number: int
    cells: tuple[list[str], ...]

    @property
    def lines(self) -> int:
        """How many lines it is high."""
        return max((len(cell) for cell in self.cells), default=1) or 1


@dataclass(frozen=True, slots=True)
class Page:
    """What is on one page of a table.

    Parameters
    ----------
    table
        The index of the table.
    strip
        The index of the strip of its columns.
    first
        Whether it begins the table.
    rows
        Its rows.
    """

    table: int
    strip: int
    first: bool
    rows: tuple[Row, ...]


def fit(table: Excerpt, faces: Faces, sheet: tuple[float, float], orientation: str) -> Grid:
    """Return the largest type and the sheet in which a table stands well."""
    natural, least = _measure(table, faces)
    lying = (sheet[1], sheet[0])
    sheets = {"portrait": [sheet], "landscape": [lying], "auto": [sheet, lying]}[orientation]
    padding = 2 * PAD[0]
    # Upright as long as nothing must be wrapped for it; lying as long as no word must be torn.
    tries = [(each, SIZES[0], each is not sheets[-1]) for each in sheets]
    tries += [(sheets[-1], size, False) for size in SIZES[1:]]
    for each, size, easily in tries:
        wide = [width * size + padding for width in natural]
        small = [width * size + padding for width in least]
        room = each[0] - 2 * MARGIN
        widths = share(wide, wide if easily else small, room)
        if widths is not None:
            whole = Strip(tuple(range(len(widths))), tuple(widths))
            return Grid(each, size, (whole,), 0.0)
    wide = [width * STRIP_SIZE + padding for width in natural]
    small = [width * STRIP_SIZE + padding for width in least]
    room = sheets[-1][0] - 2 * MARGIN
    named = named_strips(wide, small, room, table.labels)
    if named:
        return Grid(sheets[-1], STRIP_SIZE, tuple(named), 0.0, table.labels)
    number = faces.plain.width("0" * len(str(len(table.rows)))) * STRIP_SIZE + padding
    split = strips(wide, small, room - number)
    return Grid(sheets[-1], STRIP_SIZE, tuple(split), number if len(split) > 1 else 0.0)


def _measure(table: Excerpt, faces: Faces) -> tuple[list[float], list[float]]:
    natural, least = [], []
    for position, name in enumerate(table.names):
        longest, word = _extent([name], faces.bold)
        longest = min(longest, max(HEAD, word))
        cells = (row[position] for row in table.rows)
        if table.numbers[position]:
            widest = max(map(faces.plain.width, cells), default=0.0)
            longest, word = max(longest, widest), max(word, min(widest, NUMBER))
        else:
            widest, torn = _extent(cells, faces.plain)
            longest, word = max(longest, widest), max(word, torn)
        natural.append(max(min(longest, WIDEST), word, 1.0))
        least.append(max(word, 1.0))
    return natural, least


def _extent(texts: Iterable[str], face: Typeface) -> tuple[float, float]:
    longest = word = 0.0
    for text in texts:
        for line in text.split("\n"):
            width = face.width(line)
            longest = max(longest, width)
            if width > word and word < WORD:
                word = max(word, max(map(face.width, _WORDS.findall(line)), default=0.0))
    return longest, min(word, WORD)


def wrap(text: str, face: Typeface, width: float) -> list[str]:
    """Break a text into lines.

    Parameters
    ----------
    text
        Its line feeds stay.
    face
        Its type.
    width
        The width of a line, at size 1.
    """
    width += 1e-6  # the width of the longest line, divided and multiplied, still holds that line
    found = []
    for paragraph in text.split("\n"):
        lines = []
        rest = paragraph
        while rest:
            cut = _break(rest, face, width)
            lines.append(rest[:cut].rstrip(" ") if cut < len(rest) else rest)
            rest = rest[cut:].lstrip(" ") if cut < len(rest) else ""
        found += keep_direction(lines or [""], paragraph)
    return found


def _break(text: str, face: Typeface, width: float) -> int:
    used = 0.0
    behind = 0
    for position, (character, wide) in enumerate(zip(text, face.advances(text), strict=True)):
        used += wide
        if used > width and character != " ":
            return behind or max(position, 1)
        following = text[position + 1 : position + 2]
        if character in _BEHIND or character >= _ASIAN or following >= _ASIAN:
            behind = position + 1
    return len(text)


def pages(
    table: Excerpt, index: int, grid: Grid, faces: Faces, rooms: tuple[float, float]
) -> list[Page]:
    """Distribute the rows of a table over pages.

    Parameters
    ----------
    table, index
        The table and its place in the document.
    grid
        How it lies.
    faces
        Its type.
    rooms
        The height that rows have on the first page and on the others, in points; the head of the
        columns takes its own from it.
    """
    found: list[Page] = []
    for position, strip in enumerate(grid.strips):
        head = head_height(table, grid, strip, faces)
        rows = _rows(table, grid, strip, faces)
        for page in _fill(rows, grid, tuple(room - head for room in rooms), at_top=not found):
            found.append(Page(index, position, not found, tuple(page)))
    return found


def head_height(table: Excerpt, grid: Grid, strip: Strip, faces: Faces) -> float:
    """Return the height of the names of the columns."""
    lines = max((len(cell) for cell in head(table, grid, strip, faces)), default=0)
    return lines * grid.line + 2 * PAD[1] if lines else 0.0


def head(table: Excerpt, grid: Grid, strip: Strip, faces: Faces) -> list[list[str]]:
    """Return the lines of the names of the columns."""
    return [
        wrap(table.names[column], faces.bold, (width - 2 * PAD[0]) / grid.size)
        for column, width in zip(strip.columns, strip.widths, strict=True)
    ]


def _rows(table: Excerpt, grid: Grid, strip: Strip, faces: Faces) -> list[Row]:
    rooms = [(width - 2 * PAD[0]) / grid.size for width in strip.widths]
    columns = list(zip(strip.columns, rooms, strict=True))
    if not columns:
        return []  # rows without columns are only counted
    return [
        Row(number, tuple(wrap(row[column], faces.plain, room) for column, room in columns))
        for number, row in enumerate(table.rows, 1)
    ]


def _fill(
    rows: Sequence[Row], grid: Grid, rooms: tuple[float, ...], *, at_top: bool
) -> list[list[Row]]:
    found: list[list[Row]] = [[]]
    free = rooms[0] if at_top else rooms[1]
    for whole in rows:
        rest: Row | None = whole
        while rest is not None:
            height = rest.lines * grid.line + 2 * PAD[1]
            fitting = int((free - 2 * PAD[1] + 1e-6) / grid.line)
            if height <= free:
                found[-1].append(rest)
                free -= height
                rest = None
            elif height <= rooms[1] or fitting < 1:
                found.append([])
                free = rooms[1] if fitting >= 1 or found[-2] else max(rooms[1], height)
            else:
                top, rest = _cut(rest, fitting)
                found[-1].append(top)
                found.append([])
                free = rooms[1]
    return found


def _cut(row: Row, lines: int) -> tuple[Row, Row]:
    top = tuple(cell[:lines] for cell in row.cells)
    return Row(row.number, top), Row(0, tuple(cell[lines:] for cell in row.cells))

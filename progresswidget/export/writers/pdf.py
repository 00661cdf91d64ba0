"""PDF: a printed table of the first rows, with its head on every page and "page 3 of 12".

`report` says which rows are printed and what values look like, `report_pages` how they are laid
out, and `progresswidget.export.fonts` in which letters. A dict of frames is one document, each
frame on pages of its own under its name. The same rows, options and fonts give the same bytes: no
date is written (ISO 32000-1 §14.3.3 makes it optional, reportlab then writes that of 2000-01-01).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import MissingExtraError
from progresswidget.export.fonts import typeface
from progresswidget.export.shaping import glyphs, is_from_the_right, is_needed
from progresswidget.export.writers import report_pages
from progresswidget.export.writers.report import ReportWriter
from progresswidget.export.writers.report_pages import FOOT, MARGIN, PAD, Faces, Grid, Page, wrap
from progresswidget.export.writers.report_widths import span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from progresswidget.export.fonts import Typeface
    from progresswidget.export.writers import Heading
    from progresswidget.export.writers.report import Excerpt

INK: Final = (0.13, 0.16, 0.20)
FAINT: Final = (0.42, 0.46, 0.52)
HEAD: Final = (0.91, 0.93, 0.96)
BAND: Final = (0.972, 0.977, 0.984)
RULE: Final = (0.84, 0.86, 0.89)
STRONG: Final = (0.36, 0.44, 0.56)

TITLE: Final = 17.0
NAME: Final = 12.0
SMALL: Final = 8.5


class PdfWriter(ReportWriter):
    """Prints tables with reportlab.

    Parameters
    ----------
    headings
        The tables.
    options
        Values of the options of every report.

    Raises
    ------
    MissingExtraError
        If reportlab is not installed.
    ColumnError
        If a column cannot be written as text.
    """

    KIND = "PDF"

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        try:
            import reportlab  # noqa: F401 - only whether it is there
        except ImportError as error:
            raise MissingExtraError(
                "Writing PDF needs reportlab.", "pip install 'progresswidget[pdf]'"
            ) from error
        super().__init__(headings, options)

    def document(self) -> bytes:
        """Return the document of all tables."""
        faces = Faces(typeface(bold=False), typeface(bold=True))
        document = _Document(self.title, self.tables, faces)
        return document.print(self.sheet, self.orientation)


class _Document:
    """The drawing: reportlab's origin is the lower left corner of the sheet, its unit a point."""

    def __init__(self, title: str, tables: Sequence[Excerpt], faces: Faces) -> None:
        from reportlab.pdfgen.canvas import Canvas

        self._title, self._tables, self._faces = title, tables, faces
        self._file = io.BytesIO()
        self._canvas: Any = Canvas(self._file, invariant=1, pageCompression=1)
        self._canvas.setTitle(title)
        self._canvas.setCreator("progresswidget")

    def print(self, sheet: tuple[float, float], orientation: str) -> bytes:
        """Draw everything and return the file."""
        grids = [report_pages.fit(each, self._faces, sheet, orientation) for each in self._tables]
        found = [page for index, grid in enumerate(grids) for page in self._pages(index, grid)]
        if not found:  # a dict without frames
            found = [Page(-1, 0, first=True, rows=())]
        for number, page in enumerate(found, 1):
            grid = grids[page.table] if grids else Grid(sheet, SMALL, (), 0.0)
            self._canvas.setPageSize(grid.sheet)
            top = self._above(page, grid, grid.sheet[1] - MARGIN, draw=True)
            if grids:
                self._table(page, grid, top)
            self._foot(grid.sheet[0], f"page {number} of {len(found)}")
            self._canvas.showPage()
        self._canvas.save()
        return self._file.getvalue()

    def _pages(self, index: int, grid: Grid) -> list[Page]:
        rooms = []
        for first in (True, False):
            top = grid.sheet[1] - MARGIN
            below = self._above(Page(index, 0, first, ()), grid, top, draw=False)
            rooms.append(below - MARGIN - FOOT)
        return report_pages.pages(
            self._tables[index], index, grid, self._faces, (rooms[0], rooms[1])
        )

    def _above(self, page: Page, grid: Grid, top: float, *, draw: bool) -> float:
        """Draw what stands above the table; return where the table begins."""
        plain, bold = self._faces.plain, self._faces.bold
        lines: list[tuple[str, Typeface, float, tuple[float, float, float]]] = []
        if page.first and page.table <= 0:
            lines.append((self._title, bold, TITLE, INK))
        if page.table >= 0:
            table = self._tables[page.table]
            if page.first:
                if len(self._tables) > 1:
                    lines.append((table.name, bold, NAME, INK))
                lines.append((table.statement, plain, SMALL, FAINT))
            if len(grid.strips) > 1:
                said = span(grid.strips[page.strip], grid.labels, len(table.names))
                said += "; # numbers the rows" if grid.number_width else ""
                lines.append((said, plain, SMALL, FAINT))
        if draw and page.first and page.table >= 0:
            self._bookmark(page.table)
        room = grid.sheet[0] - 2 * MARGIN
        for text, face, size, colour in lines:
            for line in wrap(text, face, room / size):
                if draw:
                    turned = _is_turned(line)
                    x = MARGIN + (room - face.width(line) * size if turned else 0.0)
                    self._line(x, top - size, line, face, size, colour)
                top -= size * 1.32
            top -= size * 0.18
        return top - (5.0 if lines else 0.0)

    def _bookmark(self, table: int) -> None:
        if len(self._tables) > 1:
            self._canvas.bookmarkPage(f"table-{table}")
            self._canvas.addOutlineEntry(self._tables[table].name, f"table-{table}", 0)

    def _table(self, page: Page, grid: Grid, top: float) -> None:
        table, strip, faces = self._tables[page.table], grid.strips[page.strip], self._faces
        numbers = [table.numbers[column] for column in strip.columns]
        widths = list(strip.widths)
        names = report_pages.head(table, grid, strip, faces)
        if not names:
            return
        if grid.number_width:
            numbers, widths, names = [True, *numbers], [grid.number_width, *widths], [["#"], *names]
        right = MARGIN + sum(widths)
        height = report_pages.head_height(table, grid, strip, faces)
        self._band(top, height, right, HEAD)
        self._cells(names, numbers, widths, top, grid, faces.bold)
        y = top - height
        bands = [(y, y, STRONG, 0.8)]
        for row in page.rows:
            height = row.lines * grid.line + 2 * PAD[1]
            if row.number % 2 == 0 and row.number:
                self._band(y, height, right, BAND)
            cells = list(row.cells)
            if grid.number_width:
                cells = [[f"{row.number}" if row.number else ""], *cells]
            self._cells(cells, numbers, widths, y, grid, faces.plain)
            y -= height
            bands.append((y, y, RULE, 0.4))
        for begin, end, colour, weight in bands:
            self._canvas.setStrokeColorRGB(*colour)
            self._canvas.setLineWidth(weight)
            self._canvas.line(MARGIN, begin, right, end)

    def _band(self, top: float, height: float, right: float, colour: tuple[float, ...]) -> None:
        self._canvas.setFillColorRGB(*colour)
        self._canvas.rect(MARGIN, top - height, right - MARGIN, height, stroke=0, fill=1)

    def _cells(
        self,
        cells: Sequence[Sequence[str]],
        numbers: Sequence[bool],
        widths: Sequence[float],
        top: float,
        grid: Grid,
        face: Typeface,
    ) -> None:
        size, left = grid.size, MARGIN
        text = self._canvas.beginText()
        text.setFillColorRGB(*INK)
        for lines, number, width in zip(cells, numbers, widths, strict=True):
            # Letters hang a fifth of their size below the line on which they stand.
            y = top - PAD[1] - size * (1 + (report_pages.LEADING - 1) / 2 - 0.2)
            for line in lines:
                x = left + PAD[0]
                if number or _is_turned(line):
                    x = left + width - PAD[0] - face.width(line) * size
                text.setTextOrigin(x, y)
                _print(text, line, face, size)
                y -= grid.line
            left += width
        self._canvas.drawText(text)

    def _line(
        self,
        x: float,
        y: float,
        line: str,
        face: Typeface,
        size: float,
        colour: tuple[float, float, float],
    ) -> None:
        text = self._canvas.beginText(x, y)
        text.setFillColorRGB(*colour)
        _print(text, line, face, size)
        self._canvas.drawText(text)

    def _foot(self, width: float, page: str) -> None:
        plain = self._faces.plain
        size = SMALL - 1
        right = width - MARGIN - plain.width(page) * size
        self._line(right, MARGIN - 4, page, plain, size, FAINT)
        lines = wrap(self._title, plain, (right - MARGIN - 20) / size)
        title = lines[0] if len(lines) == 1 else f"{lines[0]} …"
        self._line(MARGIN, MARGIN - 4, title, plain, size, FAINT)


def _print(text: Any, line: str, face: Typeface, size: float) -> None:
    """Print a line where the text is."""
    if not is_needed(line):
        for font, run in face.runs(line):
            text.setFont(font, size)
            text.textOut(run)
        return
    x, y = text.getX(), text.getY()
    for each in glyphs(line, face):
        text.setTextOrigin(x + each.x * size, y + each.y * size)
        text.setFont(each.font, size)
        text.textOut(each.text)


def _is_turned(line: str) -> bool:
    return is_needed(line) and is_from_the_right(line)

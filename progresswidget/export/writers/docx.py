"""DOCX: a table of the first rows for Word and LibreOffice, its head repeated on every page.

`report` says which rows are written and what values look like. A table lies on its side where it
is wide; one with more columns than a page can show, or than the 63 that Word takes, is split into
several tables below one another, each of which begins with the columns that name the rows, or else
with their number. A dict of frames is one document with a heading for each. The same rows and
options give the same bytes.

Fonts are not part of the file: the program that shows it has some for every script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.writers.report import ReportWriter
from progresswidget.export.writers.report_document import lay_out, new_document, pack, turn
from progresswidget.export.writers.report_table import (
    COLUMNS,
    LETTER,
    PADDING,
    Cell,
    append,
    measure,
)
from progresswidget.export.writers.report_widths import Strip, named_strips, span, strips

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docx.document import Document

    from progresswidget.export.writers import Heading
    from progresswidget.export.writers.report import Excerpt

SAMPLE: Final = 500
"""Rows whose texts decide how wide columns are."""


class DocxWriter(ReportWriter):
    """Writes tables with python-docx.

    Parameters
    ----------
    headings
        The tables.
    options
        Values of the options of every report.

    Raises
    ------
    MissingExtraError
        If python-docx is not installed.
    ColumnError
        If a column cannot be written as text.
    """

    KIND = "DOCX"

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        super().__init__(headings, options)
        self._document = new_document(self.title)

    def document(self) -> bytes:
        """Return the document of all tables."""
        document = self._document
        turn(document.add_heading(self.title, 0))
        if not self.tables:
            lay_out(document.sections[0], self.sheet, lying=False)
        for position, table in enumerate(self.tables):
            if position:
                document.add_section()
            self._add(document, table)
        return pack(document)

    def _add(self, document: Document, table: Excerpt) -> None:
        natural, least = _measure(table)
        lying = self.orientation == "landscape"
        section = document.sections[-1]
        room = lay_out(section, self.sheet, lying=lying)
        if self.orientation == "auto" and sum(natural) > room:
            room = lay_out(section, self.sheet, lying=True)
        if len(self.tables) > 1:
            turn(document.add_heading(table.name, 1))
        document.add_paragraph(table.statement).paragraph_format.keep_with_next = True
        split, labels, number = _split(table, natural, least, room)
        for strip in split:
            if len(split) > 1:
                said = document.add_paragraph(span(strip, labels, len(table.names)))
                said.paragraph_format.keep_with_next = True
            _append(document, table, strip, number)
            document.add_paragraph()


def _split(
    table: Excerpt, natural: list[float], least: list[float], room: float
) -> tuple[list[Strip], int, float]:
    """Return strips of columns, how many of each name the rows, and how wide their number is."""
    whole = strips(natural, least, room, COLUMNS)
    if len(whole) == 1:
        return whole, 0, 0.0
    named = named_strips(natural, least, room, table.labels, COLUMNS)
    if named:
        return named, table.labels, 0.0
    number = PADDING + LETTER * len(f"{len(table.rows)}")
    return strips(natural, least, room - number, COLUMNS - 1), 0, number


def _measure(table: Excerpt) -> tuple[list[float], list[float]]:
    natural, least = [], []
    for position, name in enumerate(table.names):
        texts = (row[position] for row in table.rows[:SAMPLE])
        wide, small = measure([name], texts, number=table.numbers[position])
        natural.append(wide)
        least.append(small)
    return natural, least


def _append(document: Document, table: Excerpt, strip: Strip, number: float) -> None:
    widths = [*([number] if number else []), *strip.widths]
    if not widths:
        append(document, [[Cell("")]], [100.0])
        return
    append(document, _rows(table, strip, numbered=bool(number)), widths)


def _rows(table: Excerpt, strip: Strip, *, numbered: bool) -> Iterator[list[Cell]]:
    columns = [(column, table.numbers[column]) for column in strip.columns]
    head = [Cell(table.names[column], right) for column, right in columns]
    yield [Cell("#", right=True), *head] if numbered else head
    for position, row in enumerate(table.rows, 1):
        cells = [Cell(row[column], right) for column, right in columns]
        yield [Cell(f"{position}", right=True), *cells] if numbered else cells

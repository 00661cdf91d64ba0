"""DOCX: a table of the first rows for Word and LibreOffice, its head repeated on every page.

`report` says which rows are written and what values look like. A table lies on its side where it
is wide; one with more columns than a page can show, or than the 63 that Word takes, is split into
several tables below one another, each of which begins with the columns that name the rows, or else
with their number. A dict of frames is one document with a heading for each. The same rows and
options give the same bytes.

Fonts are not part of the file: the program that shows it has some for every script.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from progresswidget.export.shaping import is_from_the_right
from progresswidget.export.writers.report import ReportWriter
from progresswidget.export.writers.report_document import (
    CELL_STYLE,
    lay_out,
    new_document,
    pack,
    turn,
)
from progresswidget.export.writers.report_widths import Strip, named_strips, span, strips

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docx.document import Document

    from progresswidget.export.writers import Heading
    from progresswidget.export.writers.report import Excerpt

TABLE_STYLE: Final = "LightGrid-Accent1"
COLUMNS: Final = 63
"""What Word takes."""
LETTER: Final = 4.6
"""Points that a letter of the type of cells has on average; those of Asian scripts have two."""
PADDING: Final = 12.0
WIDEST: Final = 60
WORD: Final = 14
SAMPLE: Final = 500
"""Rows whose texts decide how wide columns are."""
RUN: Final = "<w:rPr><w:rtl/></w:rPr>"
TWIPS: Final = 20
"""To the point; the unit of widths in the file."""


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
            _append(document, _table(table, strip, number))
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
        texts = [name, *(row[position] for row in table.rows[:SAMPLE])]
        longest = max(_letters(line) for text in texts for line in text.split("\n"))
        words = max((_letters(word) for text in texts for word in text.split()), default=0)
        wide = min(longest, WIDEST)
        natural.append(wide * LETTER + PADDING)
        least.append(min(words, wide if table.numbers[position] else WORD) * LETTER + PADDING)
    return natural, [min(pair) for pair in zip(natural, least, strict=True)]


def _letters(text: str) -> int:
    return len(text) if text.isascii() else sum(2 if each >= "\u2e80" else 1 for each in text)


def _append(document: Document, xml: str) -> None:
    from docx.oxml import parse_xml

    # `Document.add_table` asks for each cell anew, which takes minutes for ten thousand rows.
    body: Any = document.element.body
    body.insert_element_before(parse_xml(xml), "w:sectPr")


def _table(table: Excerpt, strip: Strip, number: float) -> str:
    from docx.oxml.ns import nsdecls

    widths = [*([number] if number else []), *strip.widths]
    right = [*([True] if number else []), *(table.numbers[column] for column in strip.columns)]
    if not widths:
        widths, right = [100.0], [False]
    before = ["#"] if number else []
    head = [*before, *(table.names[column] for column in strip.columns)]
    rows = [_row(head, right, widths, head=True)]
    for position, row in enumerate(table.rows if strip.columns else (), 1):
        first = [f"{position}"] if number else []
        rows.append(_row([*first, *(row[column] for column in strip.columns)], right, widths))
    grid = "".join(f'<w:gridCol w:w="{round(width * TWIPS)}"/>' for width in widths)
    return (
        f'<w:tbl {nsdecls("w")}><w:tblPr><w:tblStyle w:val="{TABLE_STYLE}"/>'
        f'<w:tblW w:w="{round(sum(widths) * TWIPS)}" w:type="dxa"/><w:tblLayout w:type="fixed"/>'
        '<w:tblLook w:val="0420" w:firstRow="1" w:lastRow="0" w:firstColumn="0" w:lastColumn="0"'
        f' w:noHBand="0" w:noVBand="1"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>'
        f"{''.join(rows)}</w:tbl>"
    )


def _row(
    cells: Sequence[str], right: Sequence[bool], widths: Sequence[float], *, head: bool = False
) -> str:
    # ISO/IEC 29500-1 §17.4.78: tblHeader repeats a row at the top of each page.
    properties = "<w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>" if head else ""
    # §17.3.1.15: a head does not stand alone at the foot of a page.
    keep = "<w:keepNext/>" if head else ""
    written = "".join(map(partial(_cell, keep), cells, right, widths))
    return f"<w:tr>{properties}{written or _cell(keep, '', False, widths[0])}</w:tr>"  # noqa: FBT003


def _cell(keep: str, text: str, right: bool, width: float) -> str:  # noqa: FBT001 - mapped
    lines = "<w:br/>".join(
        f'<w:t xml:space="preserve">{escape(line)}</w:t>' for line in text.split("\n")
    )
    # §17.3.1.6 and §17.3.2.30: Word does not see by itself which way a text runs.
    turned, run = ("<w:bidi/>", RUN) if not right and is_from_the_right(text) else ("", "")
    side = '<w:jc w:val="right"/>' if right else ""
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{round(width * TWIPS)}" w:type="dxa"/></w:tcPr>'
        f'<w:p><w:pPr><w:pStyle w:val="{CELL_STYLE.replace(" ", "")}"/>{keep}{turned}{side}</w:pPr>'
        f"<w:r>{run}{lines}</w:r></w:p></w:tc>"
    )

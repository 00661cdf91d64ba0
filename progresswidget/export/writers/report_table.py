"""A table of Word as WordprocessingML: what frames and notebooks share.

`docx.Document.add_table` asks for each cell anew, which takes minutes for ten thousand rows; this
is text, which is parsed at once.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from xml.sax.saxutils import escape

from progresswidget.export.shaping import is_from_the_right
from progresswidget.export.writers.report_document import CELL_STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docx.document import Document

TABLE_STYLE: Final = "LightGrid-Accent1"
COLUMNS: Final = 63
"""What Word takes."""
LETTER: Final = 4.6
"""Points that a letter of the type of cells has on average; those of Asian scripts have two."""
PADDING: Final = 12.0
WIDEST: Final = 60
WORD: Final = 14
HEAD: Final = 22
BOLD: Final = 1.15
"""How much wider bold letters are."""
TWIPS: Final = 20
"""To the point; the unit of widths in the file."""


class Cell(NamedTuple):
    """A cell of a table.

    Parameters
    ----------
    text
        With line feeds.
    right
        Whether it stands on the right, as numbers do.
    bold
        Whether it is bold also where the style of the table does not make it so.
    across
        How many columns it has.
    down
        ``restart`` where it goes on in the row below, ``continue`` where it does so.
    """

    text: str
    right: bool = False
    bold: bool = False
    across: int = 1
    down: str = ""


def measure(names: Iterable[str], texts: Iterable[str], *, number: bool) -> tuple[float, float]:
    """Return the width in points at which a column is not wrapped, and the least.

    Parameters
    ----------
    names
        What stands in its head; that is wrapped where what stands below is no wider.
    texts
        What stands in it.
    number
        Whether these are numbers, which are not torn.
    """
    longest = words = 0
    for name in names:
        words = max([words, *(ceil(_letters(word) * BOLD) for word in name.split())])
        longest = max(longest, min(ceil(_letters(name) * BOLD), max(HEAD, words)))
    for text in texts:
        longest = max(longest, *map(_letters, text.split("\n")))
        words = max([words, *map(_letters, text.split())])
    wide = min(longest, WIDEST)
    natural = wide * LETTER + PADDING
    return natural, min(natural, min(words, wide if number else WORD) * LETTER + PADDING)


def _letters(text: str) -> int:
    return len(text) if text.isascii() else sum(2 if each >= "\u2e80" else 1 for each in text)


def append(
    document: Document, rows: Iterable[Sequence[Cell]], widths: Sequence[float], head: int = 1
) -> None:
    """Write a table at the end of a document.

    Parameters
    ----------
    document
        The document.
    rows
        From the top.
    widths
        Of the columns, in points.
    head
        How many rows are repeated at the top of each page.
    """
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    grid = "".join(f'<w:gridCol w:w="{round(width * TWIPS)}"/>' for width in widths)
    written = "".join(_row(row, widths, head=at < head) for at, row in enumerate(rows))
    table = (
        f'<w:tbl {nsdecls("w")}><w:tblPr><w:tblStyle w:val="{TABLE_STYLE}"/>'
        f'<w:tblW w:w="{round(sum(widths) * TWIPS)}" w:type="dxa"/><w:tblLayout w:type="fixed"/>'
        f'<w:tblLook w:val="04{20 if head else "00"}" w:firstRow="{int(head > 0)}" w:lastRow="0"'
        ' w:firstColumn="0" w:lastColumn="0"'
        f' w:noHBand="0" w:noVBand="1"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>{written}</w:tbl>'
    )
    body: Any = document.element.body
    body.insert_element_before(parse_xml(table), "w:sectPr")


def _row(cells: Sequence[Cell], widths: Sequence[float], *, head: bool) -> str:
    # ISO/IEC 29500-1 §17.4.78: tblHeader repeats a row at the top of each page.
    properties = "<w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>" if head else ""
    # §17.3.1.15: a head does not stand alone at the foot of a page.
    keep = "<w:keepNext/>" if head else ""
    written, column = [], 0
    for cell in cells:
        written.append(_cell(cell, sum(widths[column : column + cell.across]), keep))
        column += cell.across
    return f"<w:tr>{properties}{''.join(written)}</w:tr>"


def _cell(cell: Cell, width: float, keep: str) -> str:
    lines = "<w:br/>".join(
        f'<w:t xml:space="preserve">{escape(line)}</w:t>' for line in cell.text.split("\n")
    )
    # §17.3.1.6 and §17.3.2.30: Word does not see by itself which way a text runs.
    turned = not cell.right and is_from_the_right(cell.text)
    looks = ("<w:b/><w:bCs/>" if cell.bold else "") + ("<w:rtl/>" if turned else "")
    run = f"<w:rPr>{looks}</w:rPr>" if looks else ""
    side = "<w:bidi/>" if turned else '<w:jc w:val="right"/>' if cell.right else ""
    across = f'<w:gridSpan w:val="{cell.across}"/>' if cell.across > 1 else ""
    down = f'<w:vMerge w:val="{cell.down}"/>' if cell.down else ""
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{round(width * TWIPS)}" w:type="dxa"/>{across}{down}</w:tcPr>'
        f'<w:p><w:pPr><w:pStyle w:val="{CELL_STYLE.replace(" ", "")}"/>{keep}{side}</w:pPr>'
        f"<w:r>{run}{lines}</w:r></w:p></w:tc>"
    )

"""DOCX: the cells of a notebook as paragraphs, lists, tables, code and pictures."""

from __future__ import annotations

import base64
import binascii
import io
import re
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.writers.report import PAGES, tidy
from progresswidget.export.writers.report_document import (
    CELL_STYLE,
    CODE_STYLE,
    lay_out,
    new_document,
    pack,
)
from progresswidget.notebook import code, tables
from progresswidget.notebook.prose import Prose, shade, text_of

if TYPE_CHECKING:
    from progresswidget.notebook.document import Document

RED: Final = "B3261E"
RASTER: Final = ("image/png", "image/jpeg")
TEXTS: Final = ("text/plain", "text/latex")
UNTOLD: Final = re.compile(r"<[\w.]+ object( at \w+)?>")
PIXEL: Final = 0.75
"""Points of a CSS pixel (CSS Values and Units Level 4, §6.2)."""


def docx(document: Document) -> bytes:
    """Return a Word document.

    Raises
    ------
    MissingExtraError
        If python-docx is not installed.
    """
    paper = _Paper(document)
    for cell in document.notebook.cells:
        paper.cell(cell)
    return pack(paper.document)


class _Paper:
    """What the cells are written on."""

    def __init__(self, document: Document) -> None:
        self.document = new_document(tidy(document.name))
        room = lay_out(self.document.sections[0], PAGES["A4"], lying=False)
        self._image_of = document.image
        self._room = room
        self._prose = Prose(self.document, self._picture)
        self._language = _language(document.notebook.metadata)

    def cell(self, cell: Any) -> None:
        """Write a cell and its outputs."""
        if cell.cell_type == "markdown":
            self._prose.add(cell.source)
        elif cell.cell_type == "code":
            if cell.source.strip():
                self._source(cell.source)
            for output in cell.outputs:
                self._output(output)

    def _output(self, output: Any) -> None:
        if output.output_type == "stream":
            self._code(output.text)
        elif output.output_type == "error":
            lines = output.traceback or [f"{output.ename}: {output.evalue}"]
            self._code("\n".join(lines), colour=RED)
        else:
            self._shown(output)

    def _shown(self, output: Any) -> None:
        data = output.data
        for kind in RASTER:
            if kind in data and self._image(data[kind], output.metadata.get(kind, {})):
                return
        if "text/markdown" in data:
            self._prose.add(data["text/markdown"])
            return
        markup = data.get("text/html", "")
        frames = tables.find(markup)
        for each in frames:
            if isinstance(each, str):
                said = self.document.add_paragraph(tidy(each), style=CELL_STYLE)
                said.paragraph_format.keep_with_next = each is not frames[-1]
            else:
                tables.write(self.document, each, self._room)
        text = next((data[kind] for kind in TEXTS if kind in data), "")
        if not frames:
            # What has no text of its own is called by its type: <IPython.core.display.HTML object>.
            self._code(text_of(markup) if markup and (not text or UNTOLD.fullmatch(text)) else text)

    def _source(self, source: str) -> None:
        paragraph = self.document.add_paragraph(style=CODE_STYLE)
        code.write(paragraph, source.rstrip("\n"), self._language)
        shade(paragraph)

    def _code(self, text: str, *, colour: str = "") -> None:
        from docx.shared import RGBColor
        from nbconvert.filters.ansi import strip_ansi

        paragraph = self.document.add_paragraph(style=CODE_STYLE)
        run = paragraph.add_run(tidy(strip_ansi(text).rstrip("\n")))
        if colour:
            run.font.color.rgb = RGBColor.from_string(colour)

    def _image(self, data: str, size: Any) -> bool:
        width = size.get("width") if isinstance(size, dict) else None
        try:
            content = base64.b64decode(data)
        except (binascii.Error, ValueError):
            return False
        wide = float(width) * PIXEL if isinstance(width, (int, float)) and width > 0 else None
        return self._add_picture(self.document.add_paragraph().add_run(), content, wide)

    def _picture(self, run: Any, address: str) -> bool:
        """Write an image of a Markdown cell; return False if it is not here or cannot be shown."""
        if address.startswith("data:image/"):
            try:
                return self._add_picture(run, base64.b64decode(address.partition(",")[2]), None)
            except (binascii.Error, ValueError):
                return False
        found = self._image_of(address)
        return found is not None and self._add_picture(run, found[1], None)

    def _add_picture(self, run: Any, content: bytes, width: float | None) -> bool:
        from docx.image.exceptions import (
            InvalidImageStreamError,
            UnexpectedEndOfFileError,
            UnrecognizedImageError,
        )
        from docx.shared import Pt

        try:
            shape = run.add_picture(io.BytesIO(content), width=Pt(width) if width else None)
        except (InvalidImageStreamError, UnexpectedEndOfFileError, UnrecognizedImageError):
            return False
        for side in "TBLR":
            # ISO/IEC 29500-1 §20.4.2.8: what it is apart from the text; LibreOffice takes 9 points.
            shape._inline.set(f"dist{side}", "0")  # noqa: SLF001 - python-docx leaves them out
        most = Pt(self._room)
        if shape.width > most:
            shape.height = round(shape.height * most / shape.width)
            shape.width = most
        return True


def _language(metadata: Any) -> str:
    """Return the language of the cells, by the name that Pygments has for it."""
    about = metadata.get("language_info", {})
    named = (about.get("pygments_lexer"), about.get("name"))
    return next((each for each in named if each and isinstance(each, str)), "ipython3")

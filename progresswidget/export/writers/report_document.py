"""Word documents as python-docx makes them: what frames and notebooks share.

A document of the same content has the same bytes: python-docx stamps the time into the archive, so
the archive is packed anew, and the dates of the template are taken out.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import MissingExtraError
from progresswidget.export.shaping import is_from_the_right

if TYPE_CHECKING:
    from docx.document import Document

CELL_STYLE: Final = "Report Cell"
CODE_STYLE: Final = "Report Code"
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that an archive can hold (PKWARE APPNOTE 4.4.6)."""
MONOSPACE: Final = "Consolas"


def new_document(title: str) -> Document:
    """Return a document that has a title, styles for cells and code, and page numbers.

    Raises
    ------
    MissingExtraError
        If python-docx is not installed.
    """
    try:
        import docx
    except ImportError as error:
        raise MissingExtraError(
            "Writing DOCX needs python-docx.", "pip install 'progresswidget[docx]'"
        ) from error
    document = docx.Document()
    properties = document.core_properties
    properties.title = title[:255]  # python-docx refuses more
    properties.author = "progresswidget"
    properties.comments = ""
    for name in ("created", "modified"):
        for stamp in properties._element.xpath(f"dcterms:{name}"):  # noqa: SLF001 - no other way
            properties._element.remove(stamp)  # noqa: SLF001
    _add_styles(document)
    _number_pages(document)
    return document


def _add_styles(document: Document) -> None:
    from docx.enum.style import WD_STYLE_TYPE
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls
    from docx.shared import Pt

    for name, size, after in ((CELL_STYLE, 8, 0), (CODE_STYLE, 8.5, 6)):
        style: Any = document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = document.styles["Normal"]
        style.font.size = Pt(size)
        # ISO/IEC 29500-1 §17.3.2.39: Arabic, Hebrew and others have a size of their own.
        style.element.rPr.append(parse_xml(f'<w:szCs {nsdecls("w")} w:val="{round(size * 2)}"/>'))
        style.paragraph_format.space_before = Pt(0)
        style.paragraph_format.space_after = Pt(after)
        style.paragraph_format.line_spacing = 1.0
    code: Any = document.styles[CODE_STYLE]
    code.font.name = MONOSPACE


def _number_pages(document: Document) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    paragraph = document.sections[0].footer.paragraphs[0]
    paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    for text, instruction in (("page ", "PAGE"), (" of ", "NUMPAGES")):
        paragraph.add_run(text)
        # ISO/IEC 29500-1 §17.16.19: Word fills in the field when it lays out the page.
        field = (
            f'<w:fldSimple {nsdecls("w")} w:instr="{instruction}"><w:r><w:t>1</w:t></w:r>'
            "</w:fldSimple>"
        )
        paragraph._p.append(parse_xml(field))  # noqa: SLF001 - python-docx has no fields


def lay_out(section: Any, sheet: tuple[float, float], *, lying: bool) -> float:
    """Set the sheet of a section of a document; return the width between its margins in points."""
    from docx.enum.section import WD_ORIENTATION
    from docx.shared import Pt

    width, height = (sheet[1], sheet[0]) if lying else sheet
    section.orientation = WD_ORIENTATION.LANDSCAPE if lying else WD_ORIENTATION.PORTRAIT
    section.page_width, section.page_height = Pt(width), Pt(height)
    margin = 45.0
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Pt(margin))
    return width - 2 * margin


def turn(paragraph: Any) -> None:
    """Let a paragraph run from the right if its first letter does; Word does not see it."""
    from docx.oxml import OxmlElement

    if not is_from_the_right(paragraph.text):
        return
    properties = paragraph._p.get_or_add_pPr()  # noqa: SLF001 - python-docx has no direction
    # ISO/IEC 29500-1 §17.3.1.6; what comes behind it is in §17.3.1.26.
    properties.insert_element_before(OxmlElement("w:bidi"), "w:spacing", "w:ind", "w:jc", "w:rPr")
    for run in paragraph.runs:
        run.font.rtl = True


def pack(document: Document) -> bytes:
    """Return the file."""
    drafted, packed = io.BytesIO(), io.BytesIO()
    document.save(drafted)
    with (
        zipfile.ZipFile(drafted) as draft,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as final,
    ):
        for entry in draft.infolist():
            undated = zipfile.ZipInfo(entry.filename, EPOCH)
            undated.compress_type = zipfile.ZIP_DEFLATED
            final.writestr(undated, draft.read(entry))
    return packed.getvalue()

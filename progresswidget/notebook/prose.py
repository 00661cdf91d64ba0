"""Markdown in Word: what mistune reads in a cell, as paragraphs, lists and tables."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.writers.report import tidy
from progresswidget.export.writers.report_document import CODE_STYLE, MONOSPACE, turn
from progresswidget.notebook import code

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docx.document import Document

    Token = dict[str, Any]

PLUGINS: Final = ("table", "strikethrough", "math", "task_lists", "url")
DEEPEST: Final = 3
"""Levels of lists that Word's template has styles for; deeper ones look like the third."""
INDENT: Final = 18.0
"""Points of white beside a quotation."""
LINKS: Final = ("http://", "https://", "mailto:")
BLUE: Final = "0563C1"
SHADE: Final = "F3F4F6"
"""Behind code, as in JupyterLab's light theme."""
TABLE_STYLE: Final = "Table Grid"
BLOCKS: Final = "address, article, blockquote, div, dd, dt, h1, h2, h3, h4, h5, h6, li, p, pre, tr"
"""Elements that begin and end a line."""


class Prose:
    """Writes Markdown at the end of a document.

    Parameters
    ----------
    document
        The document.
    picture
        Writes the image of an address into a run; returns False if it has none.
    """

    def __init__(self, document: Document, picture: Callable[[Any, str], bool]) -> None:
        import mistune

        self._document = document
        self._picture = picture
        self._quotes = 0  # that are open
        self._parse: Any = mistune.create_markdown(renderer=None, plugins=list(PLUGINS))
        self._blocks: dict[str, Callable[[Token], None]] = {
            "heading": self._heading,
            "list": self._list,
            "table": self._table,
            "block_quote": self._quote,
            "block_code": self._code,
            "block_math": self._formula,
            "thematic_break": self._break,
        }

    def add(self, source: str) -> None:
        """Write the blocks of a text."""
        for token in self._parse(source):
            self._block(token)

    def _block(self, token: Token, style: str | None = None) -> None:
        from docx.shared import Pt

        kind = token["type"]
        if kind in {"paragraph", "block_text"}:
            paragraph = self._document.add_paragraph(style=style)
            if style == "Quote":
                paragraph.paragraph_format.left_indent = Pt(INDENT * self._quotes)
            self._line(paragraph, token["children"])
        elif kind == "block_html":
            text = text_of(token["raw"])
            if text:
                self._document.add_paragraph(tidy(text), style=style)
        elif kind in self._blocks:
            self._blocks[kind](token)

    def _heading(self, token: Token) -> None:
        self._line(self._document.add_heading(level=token["attrs"]["level"]), token["children"])

    def _quote(self, token: Token) -> None:
        self._quotes += 1
        for child in token["children"]:
            self._block(child, "Quote")
        self._quotes -= 1

    def _code(self, token: Token) -> None:
        paragraph = self._document.add_paragraph(style=CODE_STYLE)
        language, *_ = token.get("attrs", {}).get("info", "").split() or [""]
        code.write(paragraph, token["raw"].rstrip("\n"), language)
        shade(paragraph)

    def _formula(self, token: Token) -> None:
        self._document.add_paragraph(tidy(f"$$ {token['raw'].strip()} $$"), style=CODE_STYLE)

    def _break(self, token: Token) -> None:
        self._document.add_paragraph("―" * 12)

    def _list(self, token: Token) -> None:
        level = min(token["attrs"]["depth"], DEEPEST - 1)
        suffix = f" {level + 1}" if level else ""
        ordered = token["attrs"]["ordered"]
        style = f"List {'Number' if ordered else 'Bullet'}{suffix}"
        number = self._numbering(style, token["attrs"].get("start", 1)) if ordered else 0
        for item in token["children"]:
            box = {True: "☑ ", False: "☐ ", None: ""}[item.get("attrs", {}).get("checked")]
            texts = (child for child in item["children"] if child["type"] != "blank_line")
            for position, child in enumerate(texts):
                if child["type"] not in {"paragraph", "block_text"}:
                    self._block(child, f"List Continue{suffix}")
                    continue
                paragraph = self._document.add_paragraph(
                    box if not position else "",
                    style=f"List Continue{suffix}" if position else style,
                )
                if number and not position:
                    _count_with(paragraph, number)
                self._line(paragraph, child["children"])

    def _numbering(self, style: str, start: int) -> int:
        """Return a new count for a list; those of one style would go on counting otherwise."""
        element: Any = self._document.part.numbering_part.element
        named: Any = self._document.styles[style]
        (used,) = named.element.xpath("./w:pPr/w:numPr/w:numId/@w:val")
        abstract = element.num_having_numId(int(used)).abstractNumId.val
        count = element.add_num(abstract)
        count.add_lvlOverride(ilvl=0).add_startOverride(start)
        return int(count.numId)

    def _table(self, token: Token) -> None:
        from docx.oxml import OxmlElement

        rows: list[Sequence[Token]] = []
        for part in token["children"]:
            if part["type"] == "table_head":
                rows.append(part["children"])
            else:
                rows.extend(row["children"] for row in part["children"])
        table = self._document.add_table(len(rows), len(rows[0]), TABLE_STYLE)
        table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))  # noqa: SLF001
        for row, cells in zip(rows, table.rows, strict=True):
            for content, cell in zip(row, cells.cells, strict=False):
                self._cell(content, cell.paragraphs[0])
        self._document.add_paragraph()

    def _cell(self, content: Token, paragraph: Any) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH

        side = content["attrs"].get("align")
        if side in {"right", "center"}:
            paragraph.alignment = getattr(WD_ALIGN_PARAGRAPH, side.upper())
        self._spans(paragraph, content["children"], {"bold"} if content["attrs"]["head"] else set())

    def _line(self, paragraph: Any, tokens: Sequence[Token]) -> None:
        self._spans(paragraph, tokens)
        turn(paragraph)

    def _spans(
        self,
        paragraph: Any,
        tokens: Sequence[Token],
        looks: set[str] | frozenset[str] = frozenset(),
    ) -> None:
        for token in tokens:
            kind = token["type"]
            added = {"emphasis": "italic", "strong": "bold", "strikethrough": "strike"}.get(kind)
            if added:
                self._spans(paragraph, token["children"], looks | {added})
            elif kind == "link":
                self._link(paragraph, token, looks)
            elif kind == "image":
                self._image(paragraph, token, looks)
            elif kind in {"codespan", "inline_math"}:
                text = token["raw"] if kind == "codespan" else f"${token['raw']}$"
                _run(paragraph, html.unescape(text), looks).font.name = MONOSPACE
            elif kind == "linebreak" or (kind == "inline_html" and _is_break(token["raw"])):
                paragraph.add_run().add_break()
            elif kind == "softbreak":
                _run(paragraph, " ", looks)
            elif kind == "text":
                _run(paragraph, html.unescape(token["raw"]), looks)

    def _link(self, paragraph: Any, token: Token, looks: set[str] | frozenset[str]) -> None:
        from docx.opc.constants import RELATIONSHIP_TYPE
        from docx.oxml import OxmlElement
        from docx.oxml.ns import qn
        from docx.shared import RGBColor

        address = tidy(token["attrs"]["url"])
        before = len(paragraph._p)  # noqa: SLF001 - python-docx writes no links
        self._spans(paragraph, token["children"], looks)
        if not address.lower().startswith(LINKS):
            return  # to another cell or file, which the document has not
        part = self._document.part
        link = OxmlElement("w:hyperlink")
        link.set(qn("r:id"), part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True))
        for run in paragraph.runs:
            if paragraph._p.index(run._r) >= before:  # noqa: SLF001
                run.font.underline = True
                run.font.color.rgb = RGBColor.from_string(BLUE)
                link.append(run._r)  # noqa: SLF001
        paragraph._p.append(link)  # noqa: SLF001

    def _image(self, paragraph: Any, token: Token, looks: set[str] | frozenset[str]) -> None:
        address = token["attrs"]["url"]
        if self._picture(paragraph.add_run(), address):
            return
        label: list[Token] = token["children"] or [{"type": "text", "raw": "image"}]
        link = {"type": "link", "attrs": {"url": address}, "children": label}
        self._link(paragraph, link, looks)


def shade(paragraph: Any) -> None:
    """Colour what is behind a paragraph of code."""
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    shading = f'<w:shd {nsdecls("w")} w:val="clear" w:color="auto" w:fill="{SHADE}"/>'
    properties = paragraph._p.get_or_add_pPr()  # noqa: SLF001 - python-docx has no shading
    properties.insert_element_before(
        parse_xml(shading), "w:tabs", "w:bidi", "w:spacing", "w:ind", "w:jc", "w:rPr"
    )


def _run(paragraph: Any, text: str, looks: set[str] | frozenset[str]) -> Any:
    run = paragraph.add_run(tidy(text))
    for look in looks:
        setattr(run.font, look, True)
    return run


def _count_with(paragraph: Any, number: int) -> None:
    properties = paragraph._p.get_or_add_pPr().get_or_add_numPr()  # noqa: SLF001 - no other way
    properties.get_or_add_ilvl().val = 0
    properties.get_or_add_numId().val = number


def _is_break(markup: str) -> bool:
    return markup.lower().replace(" ", "").startswith("<br")


def text_of(markup: str) -> str:
    """Return the text of some HTML."""
    return "\n".join(lines_of(parsed(markup).get_text()))


def parsed(markup: str) -> Any:
    """Return the elements of some HTML that are seen, with line feeds where they begin a line."""
    from bs4 import BeautifulSoup

    soup: Any = BeautifulSoup(markup, "html.parser")
    for each in soup.select("script, style"):
        each.decompose()
    for each in soup.select("br"):
        each.replace_with("\n")
    for each in soup.select(BLOCKS):
        each.insert_before("\n")
        each.insert_after("\n")
    for each in soup.select("td, th"):
        each.append(" ")
    return soup


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that are not empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]

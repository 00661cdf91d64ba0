"""The parts of a workbook around its rows, as XML (ECMA-376 part 1, SpreadsheetML)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Sequence

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_KIND: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"

CONTENT_TYPES: Final = "[Content_Types].xml"
ROOT_RELATIONS: Final = "_rels/.rels"
STYLES: Final = "xl/styles.xml"
WORKBOOK: Final = "xl/workbook.xml"
RELATIONS: Final = "xl/_rels/workbook.xml.rels"

# ECMA-376 part 1, 22.9.2.19: what XML cannot hold is written as _xHHHH_, and so is an underscore
# that would be read as the beginning of one.
_CODES: Final = re.compile("_(?=x[0-9A-Fa-f]{4})|[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
GENERAL, HEADER, WRAPPED, FIRST_FREE = 0, 1, 2, 3
WIDEST: Final = 60.0


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A sheet as the workbook lists it: its name, its part, and the range of its filter."""

    name: str
    part: str
    filter: str | None


def text(value: str) -> str:
    """Return a text as the content of an element."""
    coded = _CODES.sub(lambda found: f"_x{ord(found[0]):04X}_", value)
    return escape(coded, {"\r": "&#13;"})


def letters(column: int) -> str:
    """Return the name of a column: 0 is A, 26 is AA."""
    name = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        name = chr(ord("A") + digit) + name
    return name


def content_types(sheets: Sequence[str]) -> str:
    """Return what kind each part is of; `sheets` are the paths of the sheets."""
    kinds = {WORKBOOK: f"{_KIND}.sheet.main+xml", STYLES: f"{_KIND}.styles+xml"}
    kinds |= dict.fromkeys(sheets, f"{_KIND}.worksheet+xml")
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, kind in kinds.items()
    )
    return (
        f'{_DECLARATION}<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package'
        f'.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f"{overrides}</Types>"
    )


def root_relations() -> str:
    """Return where the workbook is."""
    return _relations([("officeDocument", WORKBOOK)])


def relations(sheets: Sequence[str]) -> str:
    """Return where the sheets and the styles of the workbook are."""
    found = [("worksheet", name.removeprefix("xl/")) for name in sheets]
    return _relations([*found, ("styles", STYLES.removeprefix("xl/"))])


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'{_DECLARATION}<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


def workbook(sheets: Sequence[SheetEntry]) -> str:
    """Return the list of sheets, in the order of `relations`."""
    rows = "".join(
        f'<sheet name={quoteattr(sheet.name)} sheetId="{number}" r:id="rId{number}"/>'
        for number, sheet in enumerate(sheets, 1)
    )
    names = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{index}" hidden="1">'
        f"{escape(_reference(sheet.name, sheet.filter))}</definedName>"
        for index, sheet in enumerate(sheets)
        if sheet.filter is not None
    )
    defined = f"<definedNames>{names}</definedNames>" if names else ""
    return (
        f'{_DECLARATION}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        f'<bookViews><workbookView activeTab="0"/></bookViews>'
        f"<sheets>{rows}</sheets>{defined}</workbook>"
    )


def _reference(sheet: str, cells: str) -> str:
    absolute = re.sub(r"([A-Z]+)(\d+)", r"$\1$\2", cells)
    return "'" + sheet.replace("'", "''") + f"'!{absolute}"


def styles(formats: Sequence[str], *, header: bool) -> str:
    """Return the formats of cells: plain, heading, of lines, and one for each number format."""
    codes = "".join(
        f'<numFmt numFmtId="{number}" formatCode={quoteattr(code)}/>'
        for number, code in enumerate(formats, 164)
    )
    coded = f'<numFmts count="{len(formats)}">{codes}</numFmts>' if formats else ""
    cells = "".join(
        f'<xf numFmtId="{number}" fontId="0" fillId="0" borderId="0" xfId="0" '
        'applyNumberFormat="1"/>'
        for number in range(164, 164 + len(formats))
    )
    heading = (
        '<xf numFmtId="0" fontId="1" fillId="2" borderId="1" xfId="0" applyFont="1" '
        'applyFill="1" applyBorder="1" applyAlignment="1"><alignment wrapText="1"/></xf>'
        if header
        else '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    )
    lines = (
        '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" applyAlignment="1">'
        '<alignment wrapText="1"/></xf>'
    )
    edges = "<left/><right/><top/>"
    font = '<sz val="11"/><name val="Calibri"/><family val="2"/>'
    return (
        f'{_DECLARATION}<styleSheet xmlns="{_MAIN}">{coded}'
        f'<fonts count="2"><font>{font}</font><font><b/>{font}</font></fonts>'
        '<fills count="3"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill>'
        '<fill><patternFill patternType="solid"><fgColor rgb="FFE7E9ED"/>'
        '<bgColor indexed="64"/></patternFill></fill></fills>'
        f'<borders count="2"><border>{edges}<bottom/><diagonal/></border>'
        f'<border>{edges}<bottom style="thin"><color rgb="FF9AA0A6"/></bottom><diagonal/></border>'
        "</borders>"
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
        "</cellStyleXfs>"
        f'<cellXfs count="{FIRST_FREE + len(formats)}">'
        f'<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>{heading}{lines}{cells}'
        "</cellXfs>"
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        "</styleSheet>"
    )


def sheet_head(
    names: Sequence[str],
    widths: Sequence[float],
    *,
    cells: str | None,
    freeze: bool,
    selected: bool,
) -> str:
    """Return a sheet up to its first row of data.

    Parameters
    ----------
    names, widths
        The columns.
    cells
        The range of all cells if it is known; readers that stream look for it.
    freeze, selected
        Whether the heading stays while one scrolls, and whether the sheet is the open one.
    """
    dimension = "" if cells is None else f'<dimension ref="{cells}"/>'
    view = f'<sheetView{" tabSelected=" + quoteattr("1") if selected else ""} workbookViewId="0"'
    pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    view += f">{pane}</sheetView>" if freeze else "/>"
    columns = "".join(
        f'<col min="{number}" max="{number}" width="{width:g}" customWidth="1"/>'
        for number, width in enumerate(widths, 1)
    )
    heading = "".join(
        f'<c r="{letters(column)}1" s="{HEADER}" t="inlineStr"><is><t xml:space="preserve">'
        f"{text(name)}</t></is></c>"
        for column, name in enumerate(names)
    )
    return (
        f'{_DECLARATION}<worksheet xmlns="{_MAIN}">{dimension}<sheetViews>{view}</sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/>{f"<cols>{columns}</cols>" if columns else ""}'
        f'<sheetData><row r="1">{heading}</row>'
    )


def sheet_tail(filter: str | None) -> str:
    """Return the rest of a sheet after its last row."""
    filtered = "" if filter is None else f'<autoFilter ref="{filter}"/>'
    return f"</sheetData>{filtered}</worksheet>"


def width(name: str, least: float) -> float:
    """Return a width, in characters, for a heading with the arrow of its filter."""
    longest = max(name.splitlines(), key=len, default="")
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in longest)
    return max(least, min(len(longest) + wide + 4.0, WIDEST))

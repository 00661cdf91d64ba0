"""A Word document is opened by python-docx: its title, its tables, its sheets."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import docx
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from docx.enum.section import WD_ORIENTATION

from progresswidget.errors import ColumnError, MissingExtraError
from progresswidget.export.formats import FORMATS
from progresswidget.export.options import resolve
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers import Heading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docx.document import Document

FORMAT = FORMATS["docx"]


def write(tables: Mapping[str, pa.Table], **options: Any) -> bytes:
    values = resolve(FORMAT.options, options, owner="docx")
    headings = [Heading(name, table.schema) for name, table in tables.items()]
    writer = FORMAT.make(headings, values)
    for section, table in enumerate(tables.values()):
        for batch in table.to_batches():
            writer.encode([batch], 0, section)
    return b"".join(writer.tail((), 0))


def read(data: bytes) -> Document:
    return docx.Document(io.BytesIO(data))


def paragraphs(document: Document) -> list[str]:
    return [paragraph.text for paragraph in document.paragraphs]


def cells(document: Document, table: int = 0) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in document.tables[table].rows]


def test_a_frame_is_exported_to_a_document_with_its_table(tmp_path: Path) -> None:
    frame = pl.DataFrame({"city": ["Bern", "Zürich 中文 😀"], "people": [134_000, None]})
    Export(frame, tmp_path / "cities.docx").run(Progress())
    document = read((tmp_path / "cities.docx").read_bytes())
    assert document.paragraphs[0].text == "cities"
    assert document.paragraphs[0].style is not None
    assert document.paragraphs[0].style.name == "Title"
    assert "2 rows, 2 columns" in paragraphs(document)
    assert cells(document) == [["city", "people"], ["Bern", "134000"], ["Zürich 中文 😀", ""]]


def test_the_title_is_the_one_given_and_is_in_the_properties() -> None:
    document = read(write({"t": pa.table({"a": [1]})}, title="Sales\n2026"))
    assert document.paragraphs[0].text == "Sales 2026"
    assert document.core_properties.title == "Sales 2026"


def test_only_the_head_of_a_table_is_repeated_on_each_page() -> None:
    document = read(write({"t": pa.table({"a": range(5)})}))
    rows = document.tables[0]._tbl.tr_lst
    marked = [bool(row.xpath("./w:trPr/w:tblHeader")) for row in rows]
    assert marked == [True] + [False] * 5


def test_a_head_does_not_stand_alone_at_the_foot_of_a_page() -> None:
    table = pa.table({f"column {number}": [1, 2] for number in range(70)})
    document = read(write({"t": table}))
    said = [each for each in document.paragraphs if each.text.startswith(("Columns", "2 rows"))]
    assert len(said) > 2
    assert all(each.paragraph_format.keep_with_next for each in said)
    head, *rows = document.tables[1].rows
    assert all(cell.paragraphs[0].paragraph_format.keep_with_next for cell in head.cells)
    assert not any(row.cells[0].paragraphs[0].paragraph_format.keep_with_next for row in rows)


def test_all_scripts_have_the_size_of_cells() -> None:
    style = read(write({"t": pa.table({"a": ["مرحبا"]})})).styles["Report Cell"]
    # In half points: of Latin letters, and of scripts such as Arabic.
    assert style.element.xpath("w:rPr/w:sz/@w:val") == ["16"]
    assert style.element.xpath("w:rPr/w:szCs/@w:val") == ["16"]


def test_the_foot_counts_the_pages_with_fields() -> None:
    document = read(write({"t": pa.table({"a": [1]})}))
    foot = document.sections[0].footer.paragraphs[0]._p
    assert foot.xpath("./w:fldSimple/@w:instr") == ["PAGE", "NUMPAGES"]


def test_numbers_stand_on_the_right() -> None:
    document = read(write({"t": pa.table({"n": [1], "t": ["x"]})}))
    sides = [cell._tc.xpath("./w:p/w:pPr/w:jc/@w:val") for cell in document.tables[0].rows[1].cells]
    assert sides == [["right"], []]


def test_texts_that_run_from_the_right_say_so_and_others_and_numbers_do_not() -> None:
    table = pa.table({"שם": ["שלום (abc)", "abc שלום", "12"], "n": [1, 2, 3]})
    document = read(write({"t": table}, title="דוח 2024"))
    turned = [
        [bool(cell._tc.xpath(".//w:bidi[../../w:r/w:rPr/w:rtl]")) for cell in row.cells]
        for row in document.tables[0].rows
    ]
    assert turned == [[True, False], [True, False], [False, False], [False, False]]
    said = [bool(each._p.xpath("./w:pPr/w:bidi")) for each in document.paragraphs]
    assert said[:2] == [True, False]


def test_the_limit_is_stated_and_kept() -> None:
    document = read(write({"t": pa.table({"a": range(1_234)})}, row_limit=3))
    assert "The first 3 of 1,234 rows, 1 column" in paragraphs(document)
    assert cells(document) == [["a"], ["0"], ["1"], ["2"]]


def test_the_default_limit_is_ten_thousand() -> None:
    document = read(write({"t": pa.table({"a": range(10_001)})}))
    assert "The first 10,000 of 10,001 rows, 1 column" in paragraphs(document)
    assert len(document.tables[0]._tbl.tr_lst) == 10_001


def test_a_wide_table_turns_the_sheet_unless_it_is_held() -> None:
    wide = {"t": pa.table({f"long_name_{n}": ["some text"] for n in range(9)})}
    for orientation, lying in (("auto", True), ("portrait", False), ("landscape", True)):
        section = read(write(wide, orientation=orientation)).sections[0]
        assert (section.orientation == WD_ORIENTATION.LANDSCAPE) is lying
        assert section.page_width is not None
        assert section.page_height is not None
        assert (section.page_width > section.page_height) is lying
    narrow = read(write({"t": pa.table({"a": [1]})})).sections[0]
    assert narrow.orientation == WD_ORIENTATION.PORTRAIT


def test_long_names_above_short_values_do_not_turn_the_sheet() -> None:
    name = "Average number of units sold per customer and quarter"
    table = pa.table({f"{name} {number}": [1, 2] for number in range(4)})
    (section,) = read(write({"t": table})).sections
    assert section.orientation == WD_ORIENTATION.PORTRAIT


def test_several_tables_have_headings_and_sheets_of_their_own(tmp_path: Path) -> None:
    wide = pl.DataFrame({f"long_name_{n}": ["some text"] for n in range(9)})
    frames = {"small": pl.DataFrame({"a": [1]}), "wide": wide}
    Export(frames, tmp_path / "both.docx").run(Progress())
    document = read((tmp_path / "both.docx").read_bytes())
    headings = [
        paragraph.text
        for paragraph in document.paragraphs
        if paragraph.style is not None and paragraph.style.name == "Heading 1"
    ]
    assert headings == ["small", "wide"]
    assert len(document.tables) == 2
    assert [section.orientation for section in document.sections] == [
        WD_ORIENTATION.PORTRAIT,
        WD_ORIENTATION.LANDSCAPE,
    ]


def test_more_columns_than_a_page_shows_are_numbered_tables_below_one_another() -> None:
    table = pa.table({f"c{n}": [n, n] for n in range(150)})
    document = read(write({"t": table}))
    assert len(document.tables) > 2
    found = []
    for position in range(len(document.tables)):
        head, *rows = cells(document, position)
        assert len(head) <= 63
        assert head[0] == "#"
        assert [row[0] for row in rows] == ["1", "2"]
        found += head[1:]
    assert found == table.column_names


def test_each_part_of_a_wide_pandas_frame_begins_with_the_index(tmp_path: Path) -> None:
    wide = {f"a longer name {number}": [1, 2] for number in range(40)}
    Export(pd.DataFrame(wide, index=["first", "second"]), tmp_path / "t.docx").run(Progress())
    document = read((tmp_path / "t.docx").read_bytes())
    assert len(document.tables) > 1
    heads = [[cell.text for cell in table.rows[0].cells] for table in document.tables]
    assert [name for head in heads for name in head[1:]] == list(wide)
    for table in document.tables:
        assert [row.cells[0].text for row in table.rows] == ["", "first", "second"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a < b & c > d \"e\" 'f'", "a < b & c > d \"e\" 'f'"),
        ("two\r\nlines", "two\nlines"),
        ("bell \x07 and \ufffe", "bell □ and □"),
        ("  spaces  ", "  spaces  "),
        ("]]> \u2028", "]]> \u2028"),
    ],
)
def test_any_text_is_kept_or_shown_as_a_square(value: str, shown: str) -> None:
    document = read(write({"t": pa.table({"a": [value]})}))
    assert cells(document) == [["a"], [shown]]


def test_a_name_that_needs_escapes_is_kept() -> None:
    document = read(write({"t": pa.table({"<a> & b": [1]})}, title="<x> & y"))
    assert cells(document)[0] == ["<a> & b"]
    assert document.paragraphs[0].text == "<x> & y"


def test_odd_documents_open() -> None:
    assert read(write({}, title="Nothing")).paragraphs[0].text == "Nothing"
    assert cells(read(write({"t": pa.table({"a": pa.array([], pa.int8())})}))) == [["a"]]
    empty = pa.table({"a": [1]}).select([])
    assert any("0 columns" in text for text in paragraphs(read(write({"t": empty}))))


def test_the_same_rows_give_the_same_bytes_and_no_date_is_kept() -> None:
    table = {"t": pa.table({"a": [1, 2]})}
    data = write(table)
    assert data == write(table)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"dcterms:created" not in archive.read("docProps/core.xml")


def test_what_is_no_table_is_refused_in_the_name_of_the_format() -> None:
    with pytest.raises(ColumnError, match="'notes' is no table, which DOCX needs"):
        FORMAT.make([Heading("notes", None)], resolve(FORMAT.options, {}, owner="docx"))


def test_without_python_docx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "docx", None)
    with pytest.raises(MissingExtraError, match=r"progresswidget\[docx\]"):
        write({"t": pa.table({"a": [1]})})

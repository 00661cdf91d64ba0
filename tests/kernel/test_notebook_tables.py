"""Frames among the outputs of a notebook are tables of Word."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import docx
import pandas as pd
import polars as pl
import pytest
from docx.oxml.ns import qn
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook, new_output

from progresswidget.notebook import tables, word
from progresswidget.notebook.document import Document
from progresswidget.notebook.tables import Table


def word_of(markup: str, text: str = "as text") -> Any:
    output = new_output("display_data", {"text/html": markup, "text/plain": text})
    notebook = new_notebook(cells=[new_code_cell("x", outputs=[output])])
    return docx.Document(io.BytesIO(word.docx(Document(notebook, "n", Path("/none")))))


def shown(frame: Any) -> Any:
    markup: str = frame._repr_html_()
    return word_of(markup)


def cells(document: Any, table: int = 0) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in document.tables[table].rows]


def paragraphs(document: Any) -> list[str]:
    return [each.text for each in document.paragraphs if each.text]


def test_a_frame_of_pandas_is_a_table_with_its_index_and_numbers_on_the_right() -> None:
    document = shown(
        pd.DataFrame({"city": ["Bern", "北京"], "people": [1.5, None]}, index=["a", "b"])
    )
    assert cells(document) == [["", "city", "people"], ["a", "Bern", "1.5"], ["b", "北京", "NaN"]]
    assert paragraphs(document) == ["x"]
    rows = document.tables[0]._tbl.tr_lst
    assert [bool(row.xpath("./w:trPr/w:tblHeader")) for row in rows] == [True, False, False]
    assert rows[1].xpath("./w:tc/w:p/w:pPr/w:jc/@w:val") == ["right"]
    assert [bool(cell.xpath(".//w:rPr/w:b")) for cell in rows[1].tc_lst] == [True, False, False]
    assert document.tables[0].style.name == "Light Grid Accent 1"


def test_a_frame_of_polars_is_a_table_below_its_shape() -> None:
    document = shown(pl.DataFrame({"n": [1, 2], "t": ["x", None]}))
    assert cells(document) == [["n", "t"], ["i64", "str"], ["1", '"x"'], ["2", "null"]]
    assert paragraphs(document) == ["x", "shape: (2, 2)"]
    assert document.paragraphs[1].paragraph_format.keep_with_next


def test_what_is_said_of_a_long_frame_stands_below_it() -> None:
    frame = pd.DataFrame({"n": range(100)})
    document = shown(frame)
    assert paragraphs(document)[-1] == "100 rows × 1 columns"
    assert ["...", "..."] in cells(document)


def test_cells_that_cover_several_places_do_so() -> None:
    frame = pd.DataFrame(
        [[1, 2], [3, 4]],
        index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]),
        columns=pd.MultiIndex.from_tuples([("x", "min"), ("x", "max")]),
    )
    document = shown(frame)
    assert cells(document) == [
        ["", "", "x", "x"],
        ["", "", "min", "max"],
        ["a", "1", "1", "2"],
        ["a", "2", "3", "4"],
    ]
    rows = document.tables[0]._tbl.tr_lst
    assert rows[0].xpath("./w:tc/w:tcPr/w:gridSpan/@w:val") == ["2"]
    merges = [row.xpath("./w:tc/w:tcPr/w:vMerge/@w:val") for row in rows]
    assert merges == [[], [], ["restart"], ["continue"]]
    assert [bool(row.xpath("./w:trPr/w:tblHeader")) for row in rows] == [True, True, False, False]


def test_a_wide_frame_is_cut_and_each_part_has_the_index() -> None:
    frame = pd.DataFrame([range(1_000_000, 1_000_020)] * 2, index=["first", "second"])
    frame.columns = [f"column {number}" for number in range(20)]
    document = shown(frame)
    parts = [cells(document, at) for at in range(len(document.tables))]
    assert len(parts) > 1
    assert [name for part in parts for name in part[0][1:]] == list(frame.columns)
    assert all([row[0] for row in part] == ["", "first", "second"] for part in parts)
    assert "Columns 2 to " in paragraphs(document)[1]
    section = document.sections[0]
    room = section.page_width - section.left_margin - section.right_margin
    for table in document.tables:
        assert int(table._tbl.tblPr.find(qn("w:tblW")).get(qn("w:w"))) * 635 <= room + 635 * 20


def test_a_caption_and_the_style_of_pandas() -> None:
    frame = pd.DataFrame({"a": [0.5]})
    markup = (
        f"<style>#T_1 {{color: red}}</style><table id='T_1'><caption>Shares</caption>"
        f"<tr><th>&nbsp;</th><th>a</th></tr><tr><th>0</th><td>{frame['a'][0]:.2%}</td></tr></table>"
    )
    document = word_of(markup, "<pandas.io.formats.style.Styler at 0x7f>")
    assert paragraphs(document) == ["x", "Shares"]
    assert cells(document) == [["", "a"], ["0", "50.00%"]]


@pytest.mark.parametrize(
    "markup",
    [
        "<p>no table</p>",
        "<table><tr><td><table><tr><td>1</td></tr></table></td></tr></table>",
        "<details><table><tr><td>1</td></tr></table></details>",
        f"<p>{'much text ' * 40}</p><table><tr><td>1</td></tr></table>",
        "<table></table>",
    ],
)
def test_other_outputs_stay_their_text(markup: str) -> None:
    document = word_of(markup)
    assert not document.tables
    assert paragraphs(document) == ["x", "as text"]


def test_what_has_no_text_of_its_own_is_the_text_of_its_html() -> None:
    markup = "<h3>Result</h3><p>all <b>good</b><br>indeed</p>"
    document = word_of(markup, "<IPython.core.display.HTML object>")
    assert paragraphs(document) == ["x", "Result\nall good\nindeed"]


def test_a_column_of_numbers_has_nothing_else() -> None:
    def numbers(*texts: str) -> bool:
        head, *rows = (f"<tr><td>{text}</td></tr>" for text in ("n", *texts))
        (table,) = tables.find(f"<table><thead>{head}</thead>{''.join(rows)}</table>")
        assert isinstance(table, Table)
        return table.is_number(0)

    assert numbers("1", "-2.5", "1,000.25", "3e-7", "12 %", "NaN", "")
    assert not numbers("1", "x")
    assert not numbers("2024-03-01")
    assert not numbers("NaN", "")


SPANS = st.sampled_from(
    ["", " colspan=2", " rowspan=3", " rowspan=0", " colspan=x", " rowspan=99999"]
)
CELLS = st.tuples(
    st.sampled_from(["td", "th"]), SPANS, st.sampled_from(["", "a", "1", "א", "<br>"])
)
ROWS = st.lists(st.lists(CELLS, max_size=4), max_size=5)


@settings(max_examples=80, deadline=None)
@given(ROWS, ROWS)
def test_any_table_becomes_one_of_word(head: list[Any], body: list[Any]) -> None:
    def rows(given: list[Any]) -> str:
        return "".join(
            f"<tr>{''.join(f'<{tag}{span}>{text}</{tag}>' for tag, span, text in row)}</tr>"
            for row in given
        )

    markup = f"<table><thead>{rows(head)}</thead><tbody>{rows(body)}</tbody></table>"
    document = word_of(markup)
    if any(head) or any(body):
        assert len(cells(document)) == len(head) + len(body)
    else:
        assert paragraphs(document) == ["x", "as text"]

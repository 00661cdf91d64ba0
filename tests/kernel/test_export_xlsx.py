"""XLSX files as other readers see them: openpyxl, pandas, zipfile and an XML parser."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from progresswidget.errors import ColumnError, OptionError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers import xlsx
from progresswidget.export.writers.xlsx import MOST_ROWS, XlsxWriter

if TYPE_CHECKING:
    from pathlib import Path


def write(given: object, path: Path, **options: Any) -> Path:
    """Export and check that the archive and its XML are whole."""
    Export(given, path, options=options).run(Progress())
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        if path.stat().st_size < 200_000:
            for name in archive.namelist():
                ET.fromstring(archive.read(name))
    return path


def cells(path: Path, sheet: str | None = None) -> list[list[Any]]:
    """Return the values of a sheet, heading included."""
    workbook = openpyxl.load_workbook(path)
    found = workbook[sheet] if sheet else workbook.worksheets[0]
    return [list(row) for row in found.iter_rows(values_only=True)]


def column(path: Path) -> list[Any]:
    """Return the values of the first column below its heading."""
    return [row[0] for row in cells(path)[1:]]


def texts_in(path: Path) -> list[str]:
    """Return the texts of the data cells as Excel decodes them."""
    with zipfile.ZipFile(path) as archive:
        root = ET.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    found = [node.text or "" for node in root.iter(f"{space}t")]
    return [unescape(text) for text in found[1:]]


def moment(*parts: int) -> dt.datetime:
    """Return a time without a zone, which is what Excel knows."""
    return dt.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def count_rows(path: Path) -> dict[str, int]:
    """Return the rows of each sheet by its path, without parsing XML."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: len(re.findall(b"<row ", archive.read(name)))
            for name in archive.namelist()
            if "worksheets" in name
        }


def test_values_keep_their_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "int": [1, None, -3],
            "float": [0.1, 2.5e300, None],
            "text": ["a", "", None],
            "flag": [True, False, None],
            "day": [dt.date(2013, 1, 1), None, dt.date(9999, 12, 31)],
            "moment": [moment(2013, 1, 1, 5, 15), None, moment(1900, 3, 1)],
            "clock": [dt.time(5, 15), None, dt.time(0)],
            "length": [dt.timedelta(hours=30), None, dt.timedelta(0)],
            "price": [Decimal("1.50"), None, Decimal("-0.05")],
            "grade": pl.Series(["x", None, "y"], dtype=pl.Categorical),
        }
    )
    assert cells(write(frame, tmp_path / "types.xlsx")) == [
        frame.columns,
        [
            1,
            0.1,
            "a",
            True,
            moment(2013, 1, 1),
            moment(2013, 1, 1, 5, 15),
            dt.time(5, 15),
            dt.timedelta(hours=30),
            1.5,
            "x",
        ],
        [None, 2.5e300, "", False, None, None, None, None, None, None],
        [
            -3,
            None,
            None,
            None,
            moment(9999, 12, 31),
            moment(1900, 3, 1),
            dt.time(0),
            dt.timedelta(0),
            -0.05,
            "y",
        ],
    ]


def test_cells_carry_formats(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"day": [dt.date(2013, 1, 1)], "price": [Decimal("1.50")], "moment": [moment(1, 1, 1)]}
    )
    path = write(frame, tmp_path / "f.xlsx", date_format="dd/mm/yyyy")
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert sheet["A2"].number_format == "dd/mm/yyyy"
    assert sheet["B2"].number_format == "0.00"
    assert sheet["C2"].value == "0001-01-01T00:00:00"


def test_heading_is_styled_frozen_and_filtered(tmp_path: Path) -> None:
    path = write(pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}), tmp_path / "h.xlsx")
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert sheet["A1"].font.b
    assert sheet["A1"].fill.fill_type == "solid"
    assert not sheet["A2"].font.b
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B3"
    assert sheet.column_dimensions["B"].width == 10


def widths(path: Path, sheet: int = 0) -> dict[str, float]:
    """Return the widths of the columns by their headings."""
    found = openpyxl.load_workbook(path).worksheets[sheet]
    return {str(cell.value): found.column_dimensions[cell.column_letter].width for cell in found[1]}


def test_columns_are_as_wide_as_their_first_rows_need(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "short": ["a", None],
            "long": ["x" * 30, "y"],
            "endless": ["x" * 300, "y"],
            "lines": ["ab\n" + "c" * 20 + "\nde", "y"],
            "marks": ["&<" * 10, "y"],
            "asian": ["北京市海淀区中关村大街", None],
            "price": [Decimal("12345678901.25"), Decimal("1.00")],
            "id": [1_700_000_000_000, 1],
            "snow": [2**60, 1],
            "day": [dt.date(2013, 1, 1)] * 2,
            "took": [dt.timedelta(days=20 * 365)] * 2,
        }
    )
    path = write(frame, tmp_path / "w.xlsx", date_format="dddd, d. mmmm yyyy")

    assert widths(path) == {
        "short": 10,
        "long": 32,
        "endless": 60,
        "lines": 22,
        "marks": 22,
        "asian": 24,
        "price": 16,
        "id": 15,
        "snow": 21,
        "day": 29,
        "took": 14,
    }


def test_each_sheet_has_widths_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_ROWS", 2)
    frame = pl.DataFrame({"a": ["x" * 20, "y", "z" * 30]})
    path = write({"s": frame, "empty": frame[:0]}, tmp_path / "w.xlsx", split_sheets=True)
    assert [widths(path, sheet)["a"] for sheet in range(3)] == [22, 32, 16]


def test_integers_are_shown_with_all_digits(tmp_path: Path) -> None:
    frame = pl.DataFrame({"epoch": [1_700_000_000_000], "small": [99_999_999_999]})
    sheet = openpyxl.load_workbook(write(frame, tmp_path / "i.xlsx")).worksheets[0]
    assert [cell.number_format for cell in sheet[2]] == ["0", "General"]
    assert [cell.value for cell in sheet[2]] == [1_700_000_000_000, 99_999_999_999]


def test_lines_are_shown_below_each_other(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "a": ["one", "x\ny", None, "z\n" * 99],
            "b": ["1\n2\n3", None, "plain", "\n"],
            "c": [1] * 4,
        }
    )
    path = write(frame, tmp_path / "l.xlsx")
    sheet = openpyxl.load_workbook(path).worksheets[0]
    wrapped = [[bool(cell.alignment.wrap_text) for cell in row] for row in sheet["A2:C5"]]
    assert wrapped == [
        [False, True, False],
        [True, False, False],
        [False, False, False],
        [True, True, False],
    ]
    heights = [sheet.row_dimensions[row].height for row in range(2, 6)]
    assert heights == [45, 30, None, 405]
    assert [row[:2] for row in cells(path)[1:]] == [list(row) for row in frame[:, :2].rows()]


def test_truth_values_have_the_format_that_libreoffice_needs(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [True, None], "b": [False, True]})
    path = write(frame, tmp_path / "t.xlsx")
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert sheet["A2"].number_format == '"TRUE";"TRUE";"FALSE"'
    assert cells(path)[1:] == [[True, False], [None, True]]


def test_heading_can_be_plain(tmp_path: Path) -> None:
    path = write(
        pl.DataFrame({"a": [1]}),
        tmp_path / "h.xlsx",
        header_style=False,
        freeze_header=False,
        autofilter=False,
        column_widths={"a": 33},
        sheet_name="Numbers",
    )
    workbook = openpyxl.load_workbook(path)
    sheet = workbook["Numbers"]
    assert not sheet["A1"].font.b
    assert sheet.freeze_panes is None
    assert sheet.auto_filter.ref is None
    assert sheet.column_dimensions["A"].width == 33


def test_what_excel_cannot_hold_is_text(tmp_path: Path) -> None:
    values: list[tuple[list[Any], Any, list[Any]]] = [
        ([2**53, 2**53 + 1, None, 2**60], pa.int64(), [2**53, f"{2**53 + 1}", None, f"{2**60}"]),
        ([-(2**53), -(2**60)], pa.int64(), [-(2**53), f"{-(2**60)}"]),
        ([2**64 - 1, 5], pa.uint64(), ["18446744073709551615", 5]),
        ([float("nan"), float("inf"), 1.5], pa.float64(), ["NaN", "inf", 1.5]),
        (
            [Decimal("1234567890123.45"), Decimal("12345678901234567.25")],
            pa.decimal128(30, 2),
            [1234567890123.45, "12345678901234567.25"],
        ),
        ([dt.date(1900, 2, 28), dt.date(1900, 3, 1)], pa.date32(), ["1900-02-28"]),
        ([dt.timedelta(days=-1)], pa.duration("us"), ["-P1D"]),
        ([b"\x00\xff"], pa.binary(), ["AP8="]),
        ([[1, None]], pa.list_(pa.int8()), ["[1,null]"]),
    ]
    for given_values, kind, expected in values:
        table = pa.table({"x": pa.array(given_values, kind)})
        found = column(write(table, tmp_path / "x.xlsx"))
        assert found[: len(expected)] == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "+02:00"])
def test_zoned_times_are_local(tmp_path: Path, zone: str) -> None:
    utc = dt.datetime(2013, 7, 1, 12, tzinfo=dt.UTC)
    table = pa.table({"x": pa.array([utc], pa.timestamp("us", zone))})
    assert column(write(table, tmp_path / "x.xlsx")) == [moment(2013, 7, 1, 14)]


def test_text_comes_back_and_is_no_formula(tmp_path: Path) -> None:
    texts = [
        "=cmd()",
        "+1",
        "<b>&amp;</b>",
        " blanks ",
        "two\nlines\tand\ttabs",
        "back\rslash",
        "Größe 日本語 🙂",
        "\x00\x01\x1f\ufffe",
        "_x0041_x0042_",
        "_x0041\x01",
        "",
    ]
    path = write(pl.DataFrame({"a": texts}), tmp_path / "t.xlsx")
    assert texts_in(path) == texts
    assert openpyxl.load_workbook(path).worksheets[0]["A2"].data_type != "f"


def test_length_of_texts_is_limited(tmp_path: Path) -> None:
    write(pl.DataFrame({"a": ["é" * 32_767, "🙂" * 16_383]}), tmp_path / "fits.xlsx")
    for text in ("x" * 32_768, "🙂" * 16_384):
        with pytest.raises(ColumnError, match=r"'note' has a text of 32,768 .* row 1;"):
            write(pl.DataFrame({"note": ["ok", text]}), tmp_path / "long.xlsx")


def test_frames_without_rows_or_columns(tmp_path: Path) -> None:
    assert cells(write(pl.DataFrame({"a": [], "b": []}), tmp_path / "e.xlsx")) == [["a", "b"]]
    assert not pd.read_excel(write(pl.DataFrame(), tmp_path / "none.xlsx")).size


def test_several_sheets(tmp_path: Path) -> None:
    frames = {"Eins & 'z' wei": pl.DataFrame({"a": [1]}), "B": pl.DataFrame({"b": ["x", None]})}
    path = write(frames, tmp_path / "s.xlsx")
    found = pd.read_excel(path, sheet_name=None)
    assert list(found) == list(frames)
    assert found["Eins & 'z' wei"]["a"].tolist() == [1]
    workbook = openpyxl.load_workbook(path)
    assert [sheet.auto_filter.ref for sheet in workbook] == ["A1:A2", "A1:A3"]


@pytest.mark.parametrize("name", ["", "a/b", "x" * 32, "'a", "History"])
def test_bad_names_of_sheets(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"a": [1]})
    with pytest.raises(OptionError, match="as the name of a sheet"):
        Export({"ok": frame, name: frame}, tmp_path / "n.xlsx")
    with pytest.raises(OptionError, match="as the name of a sheet"):
        Export({name: frame}, tmp_path / "n.xlsx")
    with pytest.raises(OptionError, match="as the name of a sheet"):
        Export(frame, tmp_path / "n.xlsx", options={"sheet_name": name})


def test_names_of_sheets_that_differ_in_case_only(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1]})
    with pytest.raises(OptionError, match="Two sheets"):
        Export({"A": frame, "a": frame}, tmp_path / "n.xlsx")


def test_file_name_becomes_a_name_of_a_sheet(tmp_path: Path) -> None:
    path = write(pl.DataFrame({"a": [1]}), tmp_path / f"[final] {'x' * 40}.xlsx")
    assert openpyxl.load_workbook(path).sheetnames == [f"_final_ {'x' * 23}"]


def test_widths_of_unknown_columns(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="'b', which there is not"):
        Export(pl.DataFrame({"a": [1]}), tmp_path / "w.xlsx", options={"column_widths": {"b": 3}})


def test_full_sheet_and_one_row_more(tmp_path: Path) -> None:
    full = pl.DataFrame({"n": pl.int_range(MOST_ROWS, eager=True)})
    path = write(full, tmp_path / "full.xlsx", split_sheets=True)
    assert count_rows(path) == {"xl/worksheets/sheet1.xml": MOST_ROWS + 1}
    more = pl.DataFrame({"n": pl.int_range(MOST_ROWS + 1, eager=True)})
    with pytest.raises(ColumnError, match="split_sheets=True"):
        Export(more, tmp_path / "more.xlsx")
    path = write({"N": more, "N (2)": more[:1]}, tmp_path / "split.xlsx", split_sheets=True)
    assert sorted(count_rows(path).values()) == [2, 2, MOST_ROWS + 1]
    workbook = openpyxl.load_workbook(path, read_only=True)
    assert workbook.sheetnames == ["N", "N (3)", "N (2)"]
    assert list(workbook["N (3)"].values) == [("n",), (MOST_ROWS,)]


def stream(rows: int) -> pa.RecordBatchReader:
    """Return batches whose number nobody knows beforehand."""
    table = pa.table({"n": pa.nulls(rows, pa.int8())})
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=300_007))


def test_streams_that_do_not_tell_their_rows(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="more than 1,048,575 rows"):
        write(stream(MOST_ROWS + 1), tmp_path / "s.xlsx")
    path = write(stream(MOST_ROWS), tmp_path / "s.xlsx", split_sheets=True)
    assert list(count_rows(path).values()) == [MOST_ROWS + 1]
    path = write(stream(MOST_ROWS + 2), tmp_path / "s.xlsx", split_sheets=True)
    assert sorted(count_rows(path).values()) == [3, MOST_ROWS + 1]


def test_file_depends_on_nothing_but_the_rows(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": pl.int_range(200_000, eager=True)})
    # Two paths: an export that is there already would not be written again.
    paths = [tmp_path / "one.xlsx", tmp_path / "two.xlsx"]
    first, second = (write(frame, path, sheet_name="Same").read_bytes() for path in paths)
    assert first == second


characters = st.characters(exclude_categories=["Cs"])
rows = st.lists(
    st.tuples(
        st.none() | st.text(characters, max_size=8) | st.from_regex("_x[0-9a-f]{4}_?"),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.datetimes(moment(1900, 3, 1), moment(9999, 12, 31)),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_any_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[tuple[str | None, int | None, float | None, dt.datetime | None]],
) -> None:
    kinds = [pa.string(), pa.int64(), pa.float64(), pa.timestamp("us")]
    turned = [[row[place] for row in values] for place in range(4)]
    arrays = [pa.array(each, kind) for each, kind in zip(turned, kinds, strict=True)]
    path = tmp_path_factory.mktemp("random") / "r.xlsx"
    write(pa.table(arrays, names=list("abcd")), path)
    found = cells(path)[1:]
    found += [[None] * 4] * (len(values) - len(found))  # openpyxl drops empty rows at the end
    for (text, whole, real, when), row in zip(values, found, strict=True):
        assert unescape(row[0] or "") == (text or "")
        assert (None if row[1] is None else int(row[1])) == whole
        assert row[2] == real
        if when is not None:
            assert abs(row[3] - when) < dt.timedelta(milliseconds=2)


@pytest.mark.parametrize("rows", [(0, 3, 0), (3, 0, 70_000), (0, 0), (70_000, 70_000, 1)])
def test_sheets_that_are_encoded_side_by_side_make_the_same_book(
    rows: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = {f"s{place}": pl.DataFrame({"n": range(count)}) for place, count in enumerate(rows)}
    ahead = write(frames, tmp_path / "ahead.xlsx").read_bytes()
    monkeypatch.setattr(XlsxWriter, "ahead", False)
    assert write(frames, tmp_path / "in_turn.xlsx").read_bytes() == ahead

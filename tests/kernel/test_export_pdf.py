"""A PDF is read by another library: what is on its pages, and in which letters."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progresswidget.errors import ColumnError, MissingExtraError, OptionError
from progresswidget.export import fonts
from progresswidget.export.formats import FORMATS
from progresswidget.export.options import resolve
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers import Heading
from progresswidget.export.writers.report import CELL, Excerpt, tidy
from progresswidget.export.writers.report_pages import wrap
from progresswidget.export.writers.report_widths import share, strips

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = FORMATS["pdf"]


def write(tables: Mapping[str, pa.Table], **options: Any) -> bytes:
    values = resolve(FORMAT.options, options, owner="pdf")
    headings = [Heading(name, table.schema) for name, table in tables.items()]
    writer = FORMAT.make(headings, values)
    for section, table in enumerate(tables.values()):
        start = 0
        for batch in table.to_batches(max_chunksize=1_000):
            writer.encode([batch], start, section)
            start += batch.num_rows
    return b"".join(writer.tail((), 0))


def read(data: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]


def table_of(rows: int) -> pa.Table:
    return pa.table({"number": range(rows), "word": [f"w{n}" for n in range(rows)]})


def test_a_frame_is_exported_to_a_pdf_that_holds_its_cells(tmp_path: Path) -> None:
    frame = pl.DataFrame({"city": ["Bern", "Basel"], "people": [134_000, None]})
    Export(frame, tmp_path / "cities.pdf").run(Progress())
    (page,) = read((tmp_path / "cities.pdf").read_bytes())
    for text in ("cities", "city", "people", "Bern", "Basel", "134000", "2 rows, 2 columns"):
        assert text in page
    assert "page 1 of 1" in page


def test_every_page_has_the_head_of_the_table_and_its_number() -> None:
    pages = read(write({"t": table_of(200)}))
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert "number word" in page.split("\n")
        assert f"page {number} of {len(pages)}" in page


def test_all_rows_are_printed_in_order_and_once() -> None:
    words = re.findall(r"\bw\d+", "\n".join(read(write({"t": table_of(200)}))))
    assert words == [f"w{n}" for n in range(200)]


def test_the_limit_is_stated_and_kept() -> None:
    text = "\n".join(read(write({"t": table_of(2_500)}, row_limit=20)))
    assert "The first 20 of 2,500 rows, 2 columns" in text
    assert "w19" in text
    assert "w20" not in text


def test_the_result_counts_what_is_printed_and_what_is_not(tmp_path: Path) -> None:
    frames = {"long": table_of(2_500), "short": table_of(7)}
    for reused in (0, 27):  # written, and found written
        progress = Progress()
        export = Export(frames, tmp_path / "two.pdf", options={"row_limit": 20})
        result = export.run(progress)
        assert (result.rows, result.omitted, result.reused) == (27, 2_480, reused)
        assert progress.total == 2_507
    for name in ("all.zip", "all.tar.gz"):
        packed = {"a.pdf": frames["long"], "b.csv": frames["long"], "c.pdf": frames["short"]}
        options = {"entry_options": {"row_limit": 20}}
        for reused in (0, 20 + 2_500 + 7):
            result = Export(packed, tmp_path / name, options=options).run(Progress())
            assert (result.rows, result.omitted) == (20 + 2_500 + 7, 2_480)
            assert result.reused == reused
    whole = Export(frames["short"], tmp_path / "one.pdf").run(Progress())
    assert (whole.rows, whole.omitted) == (7, 0)


def test_without_a_limit_everything_is_printed() -> None:
    text = "\n".join(read(write({"t": table_of(1_500)}, row_limit=None)))
    assert "1,500 rows, 2 columns" in text
    assert "The first" not in text
    assert "w1499" in text


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(OptionError, match="must be 1 or more"):
        write({"t": table_of(1)}, row_limit=limit)


def test_several_tables_have_pages_and_outline_entries_of_their_own(tmp_path: Path) -> None:
    frames = {"north": pl.DataFrame({"a": ["n1"]}), "south": pl.DataFrame({"b": ["s1"]})}
    Export(frames, tmp_path / "both.pdf", options={"title": "Two regions"}).run(Progress())
    reader = pypdf.PdfReader(tmp_path / "both.pdf")
    first, second = (page.extract_text() for page in reader.pages)
    assert "Two regions" in first
    assert "north" in first
    assert "n1" in first
    assert "south" in second
    assert "s1" in second
    assert [entry["/Title"] for entry in reader.outline] == ["north", "south"]
    assert reader.metadata is not None
    assert reader.metadata.title == "Two regions"


def test_no_tables_are_a_page_with_the_title() -> None:
    (page,) = read(write({}, title="Nothing yet"))
    assert "Nothing yet" in page


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": pa.array([], pa.int64())}),
        pa.table({"": pa.array([None], pa.null())}),
        pa.table({"a": ["x" * 50_000]}),
        pa.table({"a": ["\n" * 500]}),
        pa.table({"a": ["line\n" * 390]}),
    ],
    ids=["no rows", "null", "long text", "line feeds", "high row"],
)
def test_odd_tables_are_printed(table: pa.Table) -> None:
    pages = read(write({"t": table}))
    assert f"page {len(pages)} of {len(pages)}" in pages[-1]


def test_rows_without_columns_are_counted() -> None:
    writer = FORMAT.make([Heading("t", pa.schema([]))], resolve(FORMAT.options, {}, owner="pdf"))
    writer.encode([pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))], 0, 0)
    assert "2 rows, 0 columns" in read(b"".join(writer.tail((), 0)))[0]


def test_a_long_text_is_cut_and_what_is_missing_is_counted() -> None:
    text = "".join(read(write({"t": pa.table({"a": ["y" * (CELL + 1_234)]})}))).replace("\n", "")
    assert "1,234more" in text.replace(" ", "")
    assert text.count("y") == CELL


def test_a_wide_table_lies_and_a_wider_one_is_split_into_numbered_strips() -> None:
    def sheets(columns: int) -> list[tuple[float, float]]:
        table = pa.table({f"a_long_name_{n}": ["some text here"] for n in range(columns)})
        reader = pypdf.PdfReader(io.BytesIO(write({"t": table})))
        return [(page.mediabox.width, page.mediabox.height) for page in reader.pages]

    (upright,) = sheets(3)
    (lying,) = sheets(8)
    assert upright[0] < upright[1]
    assert lying[0] > lying[1]
    table = pa.table({f"column_{n:03}": ["some text here"] for n in range(60)})
    pages = read(write({"t": table}))
    assert len(pages) > 1
    assert "Columns 1 to " in pages[0]
    assert all("\n# column_" in page for page in pages)
    names = re.findall(r"column_\s*(\d{3})", "\n".join(pages))
    assert names == [name[-3:] for name in table.column_names]


def test_names_that_are_longer_than_what_is_below_are_wrapped() -> None:
    name = "Average number of units sold per customer and quarter"
    table = pa.table({f"{name} {number}": [1, 2] for number in range(4)})
    reader = pypdf.PdfReader(io.BytesIO(write({"t": table})))
    (page,) = reader.pages
    assert page.mediabox.width < page.mediabox.height
    assert page.extract_text().count("Average number of") == 4
    assert name not in page.extract_text()


def test_each_strip_of_a_pandas_frame_begins_with_the_index(tmp_path: Path) -> None:
    index = pd.MultiIndex.from_product([["north", "south"], [2024]], names=["region", "year"])
    wide = {f"column_{number:03}": ["some text here", "and here"] for number in range(60)}
    Export(pd.DataFrame(wide, index=index), tmp_path / "t.pdf").run(Progress())
    pages = read((tmp_path / "t.pdf").read_bytes())
    assert len(pages) > 1
    assert all("\nregion year column_" in page for page in pages)
    assert all("\nnorth 2024 some" in page for page in pages)
    assert not any("#" in page for page in pages)
    names = re.findall(r"column_\s*(\d{3})", "\n".join(pages))
    assert names == [f"{number:03}" for number in range(60)]
    spans = re.findall(r"Columns (\d+) to (\d+) of 62\n", "\n".join(pages))
    assert (spans[0][0], spans[-1][1]) == ("3", "62")
    assert [int(begin) for begin, _ in spans[1:]] == [int(end) + 1 for _, end in spans[:-1]]


def test_names_of_rows_that_need_half_of_the_page_are_not_repeated(tmp_path: Path) -> None:
    wide = {f"column_{number:03}": ["some text here"] for number in range(60)}
    frame = pd.DataFrame(wide).set_index([f"column_{number:03}" for number in range(20)])
    Export(frame, tmp_path / "t.pdf").run(Progress())
    pages = read((tmp_path / "t.pdf").read_bytes())
    assert all("# numbers the rows" in page for page in pages)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"page_size": "letter", "orientation": "portrait"}, (612, 792)),
        ({"page_size": "A3", "orientation": "landscape"}, (1190.55, 841.89)),
    ],
)
def test_the_sheet_is_the_one_that_was_asked_for(
    options: dict[str, str], size: tuple[float, float]
) -> None:
    box = pypdf.PdfReader(io.BytesIO(write({"t": table_of(1)}, **options))).pages[0].mediabox
    assert (float(box.width), float(box.height)) == pytest.approx(size, abs=0.01)


def test_the_same_rows_give_the_same_bytes() -> None:
    table = pa.table({"a": ["x", "日本", "Ж"], "b": [1.5, None, 2.0]})
    assert write({"t": table}) == write({"t": table})
    assert write({"t": table}) != write({"u": table})


def test_two_files_of_one_frame_are_equal(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(50)})
    for name in ("one", "two"):
        Export(frame, tmp_path / f"{name}.pdf", options={"title": "t"}).run(Progress())
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()


def test_text_of_many_scripts_is_there_to_be_read_and_copied() -> None:
    texts = ["Füße", "Łódź", "Ελλάδα", "Москва", "中文", "ひらがな", "한국어", "→ ≤ €", "😀"]
    text = "\n".join(read(write({"t": pa.table({"a": texts})})))
    for each in texts:
        assert each in text


def test_without_any_font_file_the_readers_own_fonts_are_named() -> None:
    face = fonts.chain([], bold=False)
    found = {text: font for font, text in face.runs("Aé中ひ한Ж")}
    assert "Aé" in found
    assert "STSong-Light" in found.values()
    assert "HYSMyeongJo-Medium" in found.values()
    assert "".join(found) == "Aé中ひ한Ж"


@pytest.mark.parametrize("character", ["ά", "😀", "\u0e01"])
def test_a_character_that_no_font_has_is_a_white_square(character: str) -> None:
    ((_, shown),) = fonts.chain([], bold=False).runs(character)
    assert shown == fonts.MISSING


def test_a_missing_character_is_as_wide_as_its_square_and_a_guide_takes_no_room() -> None:
    face = fonts.chain([], bold=True)
    assert face.width("😀") == face.width(fonts.MISSING) > 0
    assert face.width("\u200b\ufe0f") == 0
    assert next(iter(face.runs("a\u200bb")))[1] == "ab"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.floats(0.5, 30))
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(text: str, width: float) -> None:
    face = fonts.chain([], bold=False)
    text = tidy(text)
    lines = wrap(text, face, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        shown = [character for character in line if face.width(character)]
        assert face.width(line.rstrip(" ")) <= width + 1e-5 or len(shown) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1, 300), st.floats(0, 1)), min_size=1, max_size=40),
    st.floats(50, 1_000),
)
def test_strips_hold_each_column_once_and_fit_the_page(
    columns: list[tuple[float, float]], room: float
) -> None:
    natural = [wide for wide, _ in columns]
    least = [wide * part for wide, part in columns]
    split = strips(natural, least, room)
    assert [column for strip in split for column in strip.columns] == list(range(len(columns)))
    assert all(sum(strip.widths) <= room + 1e-6 for strip in split)
    whole = share(natural, least, room)
    assert (whole is None) == (sum(least) > room and sum(natural) > room)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.none() | st.text(max_size=12), st.none() | st.text()), max_size=9))
def test_the_cells_of_a_report_are_the_values(rows: list[tuple[str | None, str | None]]) -> None:
    sound = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row").to_arrow()
    excerpt = Excerpt(Heading("t", sound.schema), None, "–", "PDF")
    excerpt.add(sound.to_batches())
    expected = [tuple("–" if each is None else tidy(each) for each in row) for row in rows]
    assert excerpt.rows == expected


def test_the_text_of_a_missing_value_can_be_chosen() -> None:
    text = read(write({"t": pa.table({"a": [1, None]})}, null="n/a"))[0]
    assert "n/a" in text


def test_what_is_no_table_is_refused_in_the_name_of_the_format() -> None:
    with pytest.raises(ColumnError, match="'notes' is no table, which PDF needs"):
        FORMAT.make([Heading("notes", None)], resolve(FORMAT.options, {}, owner="pdf"))


def test_without_reportlab_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "reportlab", None)
    with pytest.raises(MissingExtraError, match=r"progresswidget\[pdf\]"):
        write({"t": table_of(1)})

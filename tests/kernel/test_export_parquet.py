"""Units of Parquet that are joined are the same file for every reader, whoever encoded them."""

from __future__ import annotations

import io
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progresswidget.errors import ColumnError, OptionError
from progresswidget.export.formats import FORMATS
from progresswidget.export.writers import Encoded, Heading, Placed, parquet
from progresswidget.export.writers.parquet import ParquetWriter
from progresswidget.export.writers.parquet_footer import IDL, decode, encode, footer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT = FORMATS["parquet"]


def make(schema: pa.Schema, **options: Any) -> ParquetWriter:
    values = {option.name: option.default for option in FORMAT.options} | options
    writer = FORMAT.make([Heading("t", schema)], values)
    assert isinstance(writer, ParquetWriter)
    return writer


def cut(table: pa.Table, cuts: Sequence[int]) -> list[pa.Table]:
    edges = [0, *sorted(cuts), table.num_rows]
    parts = [table.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    return [part for part in parts if part.num_rows]


def assemble(writer: ParquetWriter, rows: Sequence[int], encoded: Sequence[Encoded]) -> bytes:
    file = b"".join(map(bytes, writer.head()))
    placed = []
    for count, unit in zip(rows, encoded, strict=True):
        data = b"".join(map(bytes, unit.pieces))
        placed.append(Placed(0, count, len(file), len(data), unit.note))
        file += data
    return file + b"".join(writer.tail(placed, len(file)))


def write(table: pa.Table, cuts: Sequence[int], **options: Any) -> bytes:
    writer = make(table.schema, **options)
    units, start = [], 0
    parts = cut(table, cuts)
    for part in parts:
        units.append(writer.encode(part.to_batches(), start, 0))
        start += part.num_rows
    return assemble(writer, [part.num_rows for part in parts], units)


def read_metadata(file: bytes) -> Any:
    return decode(IDL.FileMetaData, footer(memoryview(file)))


def all_in_place(file: bytes) -> None:
    """Follow every place that the footer and the page index tell."""
    whole = read_metadata(file)
    end = len(file) - 8 - len(footer(memoryview(file)))
    for chunk in (chunk for group in whole.row_groups for chunk in group.columns):
        data = chunk.meta_data
        first = data.dictionary_page_offset or data.data_page_offset
        assert 4 <= first <= data.data_page_offset < end
        assert first + data.total_compressed_size <= end
        if chunk.column_index_offset is not None:
            place = chunk.column_index_offset
            raw = file[place : place + chunk.column_index_length]
            assert encode(decode(IDL.ColumnIndex, raw)) == raw
        if chunk.offset_index_offset is not None:
            place = chunk.offset_index_offset
            raw = file[place : place + chunk.offset_index_length]
            index = decode(IDL.OffsetIndex, raw)
            assert encode(index) == raw
            pages = index.page_locations
            assert pages[0].offset == data.data_page_offset
            for page, after in itertools.pairwise(pages):
                assert page.offset + page.compressed_page_size == after.offset
            last = pages[-1]
            assert last.offset + last.compressed_page_size == first + data.total_compressed_size
    if whole.row_groups:
        assert whole.row_groups[0].file_offset == 4


def ask(query: str) -> duckdb.DuckDBPyRelation:
    relation = duckdb.sql(query)
    assert relation is not None
    return relation


# ---- any table, any cuts, any reader ----

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
# Parquet's own name of what is in a list, so that schemas can be compared.
LIST = pa.list_(pa.field("element", pa.int32()))
TYPES = {
    "i": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "f": (pa.float64(), st.floats(allow_nan=False)),
    "t": (pa.large_string(), texts),
    "b": (pa.bool_(), st.booleans()),
    "d": (pa.date32(), st.dates()),
    "m": (pa.timestamp("us"), st.datetimes()),
}
tables = st.integers(0, 30).flatmap(
    lambda rows: st.fixed_dictionaries(
        {
            name: st.lists(st.none() | values, min_size=rows, max_size=rows)
            for name, (_, values) in TYPES.items()
        }
    )
)


@given(data=tables, cuts=st.lists(st.integers(0, 30), max_size=4), index=st.booleans())
@settings(max_examples=20, deadline=None)
def test_any_cuts_make_the_same_table(
    data: dict[str, list[object]], cuts: list[int], *, index: bool
) -> None:
    table = pa.table({name: pa.array(data[name], TYPES[name][0]) for name in TYPES})
    cuts = [each for each in cuts if each <= table.num_rows]
    file = write(table, cuts, page_index=index, bloom_filter=["i", "t"])
    all_in_place(file)
    assert pq.read_table(pa.BufferReader(file)).equals(table)
    assert pl.read_parquet(io.BytesIO(file)).equals(pl.DataFrame(table))
    metadata = pq.read_metadata(pa.BufferReader(file))
    assert metadata.num_rows == table.num_rows
    assert metadata.num_row_groups == len(cut(table, cuts))


@pytest.fixture
def nested() -> pa.Table:
    rows = 3_000
    return pa.table(
        {
            "n": pa.array(range(rows)),
            "odd": pa.array([None if n % 7 == 0 else n / 2 for n in range(rows)]),
            "text": pa.array([f"text {n % 50}" for n in range(rows)]),
            "list": pa.array([list(range(n % 4)) for n in range(rows)], LIST),
            "pair": pa.array([{"a": n, "b": str(n)} for n in range(rows)]),
            "grade": pa.array(["A", "B", "C"] * (rows // 3)).dictionary_encode(),
            "nothing": pa.nulls(rows),
            "day": pa.array(range(rows), pa.duration("us")),
        },
        metadata={"who": "me"},
    )


def test_nested_columns_and_metadata_come_back(nested: pa.Table) -> None:
    file = write(nested, [1, 1_000, 1_234], page_index=True, bloom_filter=["n", "list"])
    all_in_place(file)
    back = pq.read_table(pa.BufferReader(file))
    assert back.equals(nested, check_metadata=True)
    schema = pq.read_schema(pa.BufferReader(file))
    assert schema.metadata == {b"who": b"me"}


@pytest.mark.parametrize("engine", ["pyarrow", "polars", "duckdb", "fastparquet", "pandas"])
def test_readers_agree(engine: str, nested: pa.Table, tmp_path: Path) -> None:
    simple = nested.select(["n", "odd", "text"])
    path = tmp_path / "a.parquet"
    path.write_bytes(write(simple, [100, 2_000], page_index=True, bloom_filter=["n", "text"]))
    readers = {
        "pyarrow": lambda: pq.read_table(path),
        "polars": lambda: pl.scan_parquet(path).collect().to_arrow(),
        "duckdb": lambda: ask(f"from '{path}'").to_arrow_table(),
        "pandas": lambda: pa.Table.from_pandas(pd.read_parquet(path)),
        "fastparquet": lambda: pa.Table.from_pandas(_fastparquet(path)),
    }
    back = readers[engine]()
    assert back["n"].to_pylist() == simple["n"].to_pylist()
    assert back["text"].to_pylist() == simple["text"].to_pylist()
    odd = back["odd"].cast(pa.float64()).fill_null(math.nan).to_numpy()
    assert np.array_equal(odd, simple["odd"].fill_null(math.nan).to_numpy(), equal_nan=True)


def _fastparquet(path: Path) -> Any:
    fastparquet = pytest.importorskip("fastparquet")
    with path.open("rb") as file:  # it leaves open what it opens itself
        return fastparquet.ParquetFile(file).to_pandas()


# ---- statistics, page index, Bloom filters ----


@pytest.mark.parametrize("wanted", [0, 99, 100, 1_999, 2_000, 2_999, 3_000])
def test_filters_find_their_rows(wanted: int, nested: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(write(nested, [100, 2_000], page_index=True, bloom_filter=["n", "text"]))
    expected = [wanted] if wanted < 3_000 else []
    assert pl.scan_parquet(path).filter(pl.col("n") == wanted).collect()["n"].to_list() == expected
    assert pq.read_table(path, filters=[("n", "==", wanted)])["n"].to_pylist() == expected
    found = ask(f"select n from '{path}' where n = {wanted}").fetchall()
    assert [n for (n,) in found] == expected


def test_bloom_filters_are_where_the_footer_says(nested: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(write(nested, [1_000, 2_000], bloom_filter=["n"], statistics=False))
    for wanted, group in ((5, 0), (1_500, 1), (2_999, 2)):
        probe = f"from parquet_bloom_probe('{path}', 'n', {wanted})"
        excluded = {number: out for _, number, out in ask(probe).fetchall()}
        assert not excluded[group]
        assert any(excluded.values())


def test_the_page_index_leads_datafusion_to_its_rows(nested: pa.Table, tmp_path: Path) -> None:
    datafusion = pytest.importorskip("datafusion")
    path = tmp_path / "a.parquet"
    path.write_bytes(write(nested.select(["n", "text"]), [1_500], page_index=True))
    context = datafusion.SessionContext()
    context.register_parquet("t", str(path))
    rows = context.sql("select n from t where n > 1495 and n < 1505").to_pydict()["n"]
    assert sorted(rows) == list(range(1_496, 1_505))


def test_options_are_followed(nested: pa.Table) -> None:
    file = write(nested, [1_500], statistics=["n"], dictionary=["text"], page_index=True)
    group = pq.read_metadata(pa.BufferReader(file)).row_group(1)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert [name for name, column in columns.items() if column.is_stats_set] == ["n"]
    assert [name for name, each in columns.items() if each.has_dictionary_page] == ["text"]
    assert all(column.has_offset_index for column in columns.values())
    plain = pq.read_metadata(pa.BufferReader(write(nested, []))).row_group(0)
    assert not plain.column(0).has_offset_index
    assert plain.column(0).is_stats_set


def test_small_row_groups_share_a_unit(nested: pa.Table) -> None:
    writer = make(nested.schema, row_group_size=1_000)
    assert writer.unit_rows == 16_000
    file = write(nested, [2_000], row_group_size=500, page_index=True)
    all_in_place(file)
    metadata = pq.read_metadata(pa.BufferReader(file))
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sizes == [500] * 6
    assert pq.read_table(pa.BufferReader(file)).equals(nested)


# ---- side by side, and from notes alone ----


def test_several_encoders_in_any_order_make_the_same_bytes(nested: pa.Table) -> None:
    options = {"page_index": True, "bloom_filter": ["n"]}
    cuts = list(range(200, 3_000, 200))
    parts = cut(nested, cuts)
    writers = [make(nested.schema, **options) for _ in range(3)]
    order = [7, 2, 14, 0, 9, 5, 12, 1, 13, 3, 8, 11, 4, 10, 6]
    assert sorted(order) == list(range(len(parts)))
    with ThreadPoolExecutor(3) as pool:
        futures = {
            number: pool.submit(
                writers[turn % 3].encode, parts[number].to_batches(), number * 200, 0
            )
            for turn, number in enumerate(order)
        }
    encoded = [futures[number].result() for number in range(len(parts))]
    fresh = make(nested.schema, **options)  # has encoded nothing: only the notes tell
    file = assemble(fresh, [part.num_rows for part in parts], encoded)
    assert file == write(nested, cuts, **options)


@pytest.mark.parametrize("room", [0, 1_000, 40_000, parquet.ROOM])
def test_the_bytes_do_not_depend_on_the_memory_that_they_are_given(
    room: int, nested: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = [100, 200, 1_700]
    whole = write(nested, cuts, compression="none")
    monkeypatch.setattr(parquet, "ROOM", room)
    assert write(nested, cuts, compression="none") == whole


def test_memory_is_used_again_when_nobody_has_its_bytes(nested: pa.Table) -> None:
    def place(unit: Encoded) -> int:
        return pa.py_buffer(unit.pieces[0]).address

    writer, batches = make(nested.schema), nested.to_batches()
    first, second = (writer.encode(batches, 0, 0) for _ in range(2))
    held, free = bytes(first.pieces[0]), place(second)
    assert place(first) != free
    del second
    third = writer.encode(nested.slice(0, 10).to_batches(), 0, 0)
    assert place(third) == free
    assert bytes(first.pieces[0]) == held


def test_units_that_are_too_large_for_their_memory_are_given_more(
    nested: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROOM", 1_000)
    writer, batches, places = make(nested.schema), nested.to_batches(), []
    for _ in range(3):
        unit = writer.encode(batches, 0, 0)
        places.append(pa.py_buffer(unit.pieces[0]).address)
        del unit
    assert places[1] == places[2]


def test_a_note_is_small(nested: pa.Table) -> None:
    unit = make(nested.schema).encode(nested.to_batches(), 0, 0)
    assert len(unit.note) < 200 * pq.read_metadata(pa.BufferReader(write(nested, []))).num_columns


def test_no_rows_make_a_file_without_row_groups(nested: pa.Table) -> None:
    file = write(nested.slice(0, 0), [])
    back = pq.read_table(pa.BufferReader(file))
    assert back.schema.equals(nested.schema, check_metadata=True)
    assert pq.read_metadata(pa.BufferReader(file)).num_row_groups == 0


def test_the_structs_lose_nothing_of_what_pyarrow_writes(nested: pa.Table) -> None:
    stream = pa.BufferOutputStream()
    blooms = {"n": {"ndv": 10}}
    pq.write_table(nested, stream, write_page_index=True, bloom_filter_options=blooms)
    raw = footer(memoryview(stream.getvalue()).cast("B"))
    whole = decode(IDL.FileMetaData, raw)
    assert encode(whole) == raw
    assert whole.row_groups[0].columns[0].meta_data.size_statistics is not None
    joined = read_metadata(write(nested, []))
    assert joined.schema == whole.schema
    assert joined.column_orders == whole.column_orders
    assert joined.created_by == whole.created_by  # readers know whose statistics they can trust


def test_text_views_are_written_as_text() -> None:
    views = pa.table({"t": pa.array(["a", None, "longer than twelve"] * 9, pa.string_view())})
    file = write(views, [10])
    back = pq.read_table(pa.BufferReader(file))
    assert back.schema.field("t").type == pa.large_string()
    assert back["t"].to_pylist() == views["t"].to_pylist()


# ---- refusals ----


def test_a_value_without_a_place_is_named() -> None:
    seconds = pa.array([1, 2, 3, 2**62, 5], pa.timestamp("s"))
    table = pa.table({"fine": range(5), "moment": seconds})
    with pytest.raises(ColumnError, match="'moment' has a value in row 1,003 "):
        make(table.schema).encode(table.to_batches(), 1_000, 0)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"bloom_filter": ["b"]}, ColumnError, "type bool can have no Bloom filter"),
        ({"bloom_filter": ["x"]}, OptionError, "names the column 'x', which is not there"),
        ({"statistics": ["x"]}, OptionError, "option statistics names the column 'x'"),
        ({"dictionary": ["x"]}, OptionError, "option dictionary names the column 'x'"),
    ],
)
def test_bad_options_are_refused(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        make(pa.schema([("b", pa.bool_())]), **options)


# ---- what is decided for each unit ----


def groups(file: bytes) -> list[Any]:
    metadata = pq.read_metadata(pa.BufferReader(file))
    return [metadata.row_group(number) for number in range(metadata.num_row_groups)]


def told(file: bytes, column: int) -> list[tuple[Any, ...]]:
    found = [group.column(column).statistics for group in groups(file)]
    return [(each.null_count, each.has_min_max, each.min_raw, each.max_raw) for each in found]


VALUES = st.lists(
    st.none() | st.sampled_from(["", "a", "é", "日本", "z" * 5_000]), min_size=1, max_size=40
)


@given(values=VALUES, size=st.integers(1, 40), kind=st.sampled_from(["string", "string_view"]))
@settings(max_examples=30, deadline=None)
def test_texts_have_the_statistics_that_pyarrow_would_give(
    values: list[str | None], size: int, kind: str
) -> None:
    text = pa.array(values, pa.string())
    table = pa.table({"t": text.cast(pa.type_for_alias(kind))})
    file = write(table, [], row_group_size=size)
    theirs = pa.BufferOutputStream()
    pq.write_table(pa.table({"t": text}), theirs, row_group_size=size)
    assert told(file, 0) == told(theirs.getvalue().to_pybytes(), 0)


@given(values=VALUES, cut=st.integers(0, 40), size=st.integers(1, 40), view=st.booleans())
@settings(max_examples=30, deadline=None)
def test_categories_have_the_statistics_of_the_words_that_are_used(
    values: list[str | None], cut: int, size: int, *, view: bool
) -> None:
    rows = values[cut:] or [None]
    coded = pa.array([*values[:cut], *rows], pa.string()).dictionary_encode()
    if view:
        words = coded.dictionary.cast(pa.string_view())
        coded = pa.DictionaryArray.from_arrays(coded.indices, words)
    coded = coded.slice(len(coded) - len(rows))  # and the words of those before stay
    file = write(pa.table({"t": coded}), [], row_group_size=size)
    theirs = pa.BufferOutputStream()
    pq.write_table(pa.table({"t": pa.array(rows, pa.string())}), theirs, row_group_size=size)
    assert told(file, 0) == told(theirs.getvalue().to_pybytes(), 0)


@pytest.mark.parametrize("late", [[], ["a"], ["a", "y"]])
def test_categories_that_come_late_or_never_are_told_apart(late: list[str]) -> None:
    words = pa.array(["c", "b", "a", "y"])
    numbers = [0] * 9_000 + [1] * 1_000 + [words.to_pylist().index(word) for word in late]
    coded = pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int8()), words)
    used = sorted({"b", "c", *late})
    expected = (0, True, used[0].encode(), used[-1].encode())
    assert told(write(pa.table({"t": coded}), []), 0) == [expected]


def test_a_category_that_is_itself_missing_counts_as_missing() -> None:
    words = pa.array(["b", None, "a"])
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2], pa.int8()), words)
    file = write(pa.table({"t": coded}), [])
    assert told(file, 0) == [(2, True, b"a", b"b")]
    assert pq.read_table(pa.BufferReader(file))["t"].to_pylist() == ["b", None, None, "a"]


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "lz4", "brotli", "none"])
def test_statistics_are_found_behind_every_codec(codec: str) -> None:
    table = pa.table({"t": ["pear", None, "apple", "zebra"] * 500})
    assert told(write(table, [], compression=codec), 0) == [(500, True, b"apple", b"zebra")]


def test_statistics_are_right_where_a_dictionary_overflows() -> None:
    many = [f"{n % 6_000:05}" for n in range(20_000)]  # too many to look through one by one
    late = ["same"] * 4_000 + [f"{n:060}" for n in range(8_000)]  # the dictionary is given up
    assert told(write(pa.table({"t": many}), []), 0) == [(0, True, b"00000", b"05999")]
    assert told(write(pa.table({"t": late}), []), 0) == [(0, True, b"0" * 60, b"same")]


def test_only_what_repeats_gets_a_dictionary() -> None:
    rows = 5_000
    table = pa.table(
        {
            "id": range(rows),
            "code": [n % 50 for n in range(rows)],
            "uuid": [f"{n * 7919:032x}" for n in range(rows)],
            "city": ["Paris", "Berlin"] * (rows // 2),
        }
    )
    views = table.set_column(2, "uuid", table["uuid"].cast(pa.string_view()))
    for each in (table, views):
        (group,) = groups(write(each, []))
        used = [group.column(place).has_dictionary_page for place in range(4)]
        assert used == [False, True, False, True]
        assert all(group.column(place).is_stats_set for place in range(4))
    (group,) = groups(write(table, [], dictionary=["id"]))
    assert group.column(0).has_dictionary_page  # it was asked for

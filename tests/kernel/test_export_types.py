"""Every Arrow type has a defined result in both formats."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import sqlite3
import uuid
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from progresswidget.errors import ColumnError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.texts import iso_duration

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = dt.datetime(2013, 1, 1, 5, 15, 0, 250_000)  # noqa: DTZ001 - a naive one is meant
ID = uuid.UUID("12345678123456781234567812345678")


def extension(kind: pa.DataType, values: list[Any]) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))


# name -> (array, lines of CSV, type in Parquet or None where Parquet refuses)
TYPES: dict[str, tuple[pa.Array, list[str], pa.DataType | None]] = {
    "null": (pa.nulls(2), ["", ""], pa.null()),
    "bool": (pa.array([True, None]), ["true", ""], pa.bool_()),
    "int8": (pa.array([-128, None], pa.int8()), ["-128", ""], pa.int8()),
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), [str(2**64 - 1), ""], pa.uint64()),
    "float16": (pa.array([1.5, None], pa.float16()), ["1.5", ""], pa.float16()),
    "float32": (pa.array([0.1, None], pa.float32()), ["0.1", ""], pa.float32()),
    "float64": (
        pa.array([1e300, float("nan"), float("-inf"), None]),
        ["1e+300", "NaN", "-inf", ""],
        pa.float64(),
    ),
    "decimal32": (
        pa.array([decimal.Decimal("1.20"), None], pa.decimal32(5, 2)),
        ["1.20", ""],
        pa.decimal32(5, 2),
    ),
    "decimal128": (
        pa.array([decimal.Decimal("-1.20"), None], pa.decimal128(38, 2)),
        ["-1.20", ""],
        pa.decimal128(38, 2),
    ),
    "decimal256": (
        pa.array([decimal.Decimal("1.20"), None], pa.decimal256(60, 2)),
        ["1.20", ""],
        pa.decimal256(60, 2),
    ),
    "string": (pa.array(['a,"b"', "", None]), ['"a,""b"""', '""', ""], pa.string()),
    "large_string": (
        pa.array(["x\ny", None], pa.large_string()),
        ['"x\ny"', ""],
        pa.large_string(),
    ),
    "string_view": (pa.array(["é", None], pa.string_view()), ["é", ""], pa.large_string()),
    "binary": (pa.array([b"\x00\xff", None]), ["AP8=", ""], pa.binary()),
    "large_binary": (
        pa.array([b"ab", None], pa.large_binary()),
        ["YWI=", ""],
        pa.large_binary(),
    ),
    "binary_view": (pa.array([b"ab", None], pa.binary_view()), ["YWI=", ""], pa.large_binary()),
    "fixed_binary": (pa.array([b"ab", None], pa.binary(2)), ["YWI=", ""], pa.binary(2)),
    "date32": (pa.array([dt.date(2013, 1, 1), None]), ["2013-01-01", ""], pa.date32()),
    "date64": (
        pa.array([dt.date(2013, 1, 1), None], pa.date64()),
        ["2013-01-01", ""],
        pa.date32(),
    ),
    "time32": (
        pa.array([dt.time(5, 15), None], pa.time32("s")),
        ["05:15:00", ""],
        pa.time32("ms"),
    ),
    "time64": (
        pa.array([dt.time(5, 15, 0, 5), None], pa.time64("us")),
        ["05:15:00.000005", ""],
        pa.time64("us"),
    ),
    "timestamp_s": (
        pa.array([MOMENT.replace(microsecond=0), None], pa.timestamp("s")),
        ["2013-01-01T05:15:00", ""],
        pa.timestamp("ms"),
    ),
    "timestamp_ms": (
        pa.array([MOMENT, None], pa.timestamp("ms")),
        ["2013-01-01T05:15:00.250", ""],
        pa.timestamp("ms"),
    ),
    "timestamp_us": (
        pa.array([MOMENT, None], pa.timestamp("us")),
        ["2013-01-01T05:15:00.250000", ""],
        pa.timestamp("us"),
    ),
    "timestamp_ns": (
        pa.array([MOMENT, None], pa.timestamp("ns")),
        ["2013-01-01T05:15:00.250000000", ""],
        pa.timestamp("ns"),
    ),
    "timestamp_zone": (
        pa.array([MOMENT.replace(tzinfo=dt.UTC), None], pa.timestamp("us", "America/New_York")),
        ["2013-01-01T00:15:00.250000-05:00", ""],
        pa.timestamp("us", "America/New_York"),
    ),
    "timestamp_zone_s": (
        pa.array([MOMENT.replace(microsecond=0, tzinfo=dt.UTC), None], pa.timestamp("s", "UTC")),
        ["2013-01-01T05:15:00+00:00", ""],
        pa.timestamp("ms", "UTC"),
    ),
    "timestamp_offset": (
        pa.array([MOMENT.replace(tzinfo=dt.UTC), None], pa.timestamp("ms", "+02:00")),
        ["2013-01-01T07:15:00.250+02:00", ""],
        pa.timestamp("ms", "+02:00"),
    ),
    "duration": (
        pa.array([dt.timedelta(days=1, seconds=0.5), -dt.timedelta(hours=2), None]),
        ["P1DT0.5S", "-PT2H", ""],
        pa.duration("us"),
    ),
    "duration_s": (pa.array([90, None], pa.duration("s")), ["PT1M30S", ""], pa.duration("s")),
    "interval": (
        pa.array([(14, -3, 5 * 10**8), None], pa.month_day_nano_interval()),
        ["P14M-3DT0.5S", ""],
        None,
    ),
    "dictionary": (
        pa.array(["a", None, "a,"]).dictionary_encode(),
        ["a", "", '"a,"'],
        pa.dictionary(pa.int32(), pa.string()),
    ),
    "dictionary_view": (
        pa.DictionaryArray.from_arrays(
            pa.array([0, None], pa.uint32()), pa.array(["a"], pa.string_view())
        ),
        ["a", ""],
        pa.dictionary(pa.uint32(), pa.string()),
    ),
    "dictionary_int": (pa.array([7, None]).dictionary_encode(), ["7", ""], pa.int64()),
    "dictionary_time": (
        pa.array([MOMENT, None], pa.timestamp("ms", "UTC")).dictionary_encode(),
        ["2013-01-01T05:15:00.250+00:00", ""],
        pa.timestamp("ms", "UTC"),
    ),
    "run_end": (
        pa.RunEndEncodedArray.from_arrays([2, 3], ["x", None]),
        ["x", "x", ""],
        pa.string(),
    ),
    "list": (pa.array([[1, None], [], None]), ['"[1,null]"', "[]", ""], pa.list_(pa.int64())),
    "large_list_of_views": (
        pa.array([["ä"], None], pa.large_list(pa.string_view())),
        ['"[""ä""]"', ""],
        pa.large_list(pa.large_string()),
    ),
    "list_view": (
        pa.array([[1], None], pa.list_view(pa.int64())),
        ["[1]", ""],
        pa.list_(pa.int64()),
    ),
    "fixed_list": (
        pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
        ['"[1,2]"', ""],
        pa.list_(pa.int64(), 2),
    ),
    "struct": (
        pa.array([{"a": 1, "b": decimal.Decimal("1.50"), "c": b"ab"}, None]),
        ['"{""a"":1,""b"":""1.50"",""c"":""YWI=""}"', ""],
        pa.struct([("a", pa.int64()), ("b", pa.decimal128(3, 2)), ("c", pa.binary())]),
    ),
    "struct_of_times": (
        pa.array([{"t": MOMENT, "d": dt.timedelta(seconds=90), "f": float("nan")}]),
        ['"{""t"":""2013-01-01T05:15:00.250000"",""d"":""PT1M30S"",""f"":""NaN""}"'],
        pa.struct([("t", pa.timestamp("us")), ("d", pa.duration("us")), ("f", pa.float64())]),
    ),
    "empty_struct": (pa.array([{}, None], pa.struct([])), ["{}", ""], None),
    "map": (
        pa.array([[("a", 1), ("b", None)], None], pa.map_(pa.string(), pa.int64())),
        ['"{""a"":1,""b"":null}"', ""],
        pa.map_(pa.string(), pa.int64()),
    ),
    "map_of_ints": (
        pa.array([[(1, "x")], None], pa.map_(pa.int64(), pa.string())),
        ['"[[1,""x""]]"', ""],
        pa.map_(pa.int64(), pa.string()),
    ),
    "union": (
        pa.UnionArray.from_dense(
            pa.array([0, 1], pa.int8()),
            pa.array([0, 0], pa.int32()),
            [pa.array([5]), pa.array(["x"])],
        ),
        ["5", '"""x"""'],
        None,
    ),
    "uuid": (extension(pa.uuid(), [ID.bytes, None]), [str(ID), ""], pa.uuid()),
    "json": (
        extension(pa.json_(pa.string()), ['{"a": 1}', None]),
        ['"{""a"": 1}"', ""],
        pa.json_(pa.string()),
    ),
    "bool8": (extension(pa.bool8(), [1, None]), ["1", ""], pa.bool8()),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_has_its_text_in_csv(name: str, tmp_path: Path) -> None:
    array, lines, _ = TYPES[name]
    # A second column, because a missing value alone in its row is a special case of its own.
    table = pa.table({"x": array, "n": list(range(len(array)))})
    result = Export(table, tmp_path / "t.csv").run(Progress())
    expected = "x,n\n" + "".join(f"{line},{row}\n" for row, line in enumerate(lines))
    assert result.path.read_text() == expected
    assert result.rows == len(array)


@pytest.mark.parametrize("name", TYPES)
def test_a_type_keeps_its_values_in_parquet(name: str, tmp_path: Path) -> None:
    array, _, kind = TYPES[name]
    table = pa.table({"x": array})
    path = tmp_path / "t.parquet"
    if kind is None:
        with pytest.raises(ColumnError, match="Parquet cannot hold the column 'x'"):
            Export(table, path)
        assert list(tmp_path.iterdir()) == []
        return
    Export(table, path).run(Progress())
    back = pq.read_table(path).column("x").combine_chunks()
    assert back.type == kind
    assert repr(back.to_pylist()) == repr(array.to_pylist())


@pytest.mark.parametrize("name", TYPES)
def test_a_type_survives_without_rows(name: str, tmp_path: Path) -> None:
    array, _, kind = TYPES[name]
    table = pa.table({"x": array.slice(0, 0)})
    assert Export(table, tmp_path / "t.csv").run(Progress()).path.read_text() == "x\n"
    if kind is not None:
        path = Export(table, tmp_path / "t.parquet").run(Progress()).path
        assert pq.read_table(path).num_rows == 0


def test_parquet_files_are_read_by_polars_with_the_same_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "text": ["a", None],
            "category": pl.Series(["x", None], dtype=pl.Categorical),
            "level": pl.Series(["low", None], dtype=pl.Enum(["low", "high"])),
            "moment": pl.Series([MOMENT, None], dtype=pl.Datetime("us", "Europe/Berlin")),
            "span": [dt.timedelta(seconds=3), None],
            "list": [["a", None], None],
            "struct": [{"a": 1, "b": "x"}, None],
            "array": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)),
            "binary": [b"ab", None],
            "time": [dt.time(1, 2, 3), None],
        }
    )
    path = Export(frame, tmp_path / "t.parquet").run(Progress()).path
    back = pl.read_parquet(path)
    assert back.schema == frame.schema
    assert back.equals(frame)


def test_dictionaries_may_differ_from_batch_to_batch(tmp_path: Path) -> None:
    batches = [
        pa.record_batch({"c": pa.array(words).dictionary_encode()})
        for words in (["a", "b"], ["b", "c", None], ["a"])
    ]
    table = pa.Table.from_batches(batches)
    csv = Export(table, tmp_path / "t.csv", options={"null": "-"}).run(Progress())
    assert csv.path.read_text() == "c\na\nb\nb\nc\n-\na\n"
    parquet = Export(table, tmp_path / "t.parquet").run(Progress())
    assert pq.read_table(parquet.path)["c"].to_pylist() == ["a", "b", "b", "c", None, "a"]


OFFSETS = {
    "+05:30": "2013-01-01T05:45:00.000000+05:30",
    "-09:30": "2012-12-31T14:45:00.000000-09:30",
    "+13:45": "2013-01-01T14:00:00.000000+13:45",
    "+15:00": "2013-01-01T15:15:00.000000+15:00",
    "-03:00": "2012-12-31T21:15:00.000000-03:00",
    "Z": "2013-01-01T00:15:00.000000+00:00",
    "UTC": "2013-01-01T00:15:00.000000+00:00",
    "Asia/Kathmandu": "2013-01-01T06:00:00.000000+05:45",
}


@pytest.mark.parametrize("zone", OFFSETS)
def test_times_are_written_in_their_offset(zone: str, tmp_path: Path) -> None:
    moment = dt.datetime(2013, 1, 1, 0, 15, tzinfo=dt.UTC)
    kind = pa.timestamp("us", zone)
    table = pa.table({"t": pa.array([moment, None]).cast(kind), "n": [1, 2]})
    path = Export(table, tmp_path / "t.csv").run(Progress()).path
    assert path.read_text() == f"t,n\n{OFFSETS[zone]},1\n,2\n"


@pytest.mark.parametrize(
    ("unit", "fraction"), [("s", ""), ("ms", ".001"), ("us", ".001000"), ("ns", ".001000000")]
)
def test_offsets_keep_the_digits_of_the_unit(unit: str, fraction: str, tmp_path: Path) -> None:
    ticks = {"s": 0, "ms": 1, "us": 10**3, "ns": 10**6}[unit]
    table = pa.table({"t": pa.array([ticks], pa.timestamp(unit, "-00:30"))})
    path = Export(table, tmp_path / "t.csv").run(Progress()).path
    assert path.read_text() == f"t\n1969-12-31T23:30:00{fraction}-00:30\n"


def test_nanoseconds_inside_lists_are_not_lost(tmp_path: Path) -> None:
    table = pa.table({"x": pa.array([[1]], pa.list_(pa.timestamp("ns")))})
    path = Export(table, tmp_path / "t.csv").run(Progress()).path
    assert path.read_text() == 'x\n"[""1970-01-01T00:00:00.000000001""]"\n'


def test_a_value_without_a_text_is_named_by_its_column(tmp_path: Path) -> None:
    # Two fields of one name cannot be an object with two values.
    struct = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    export = Export(pa.table({"s": struct}), tmp_path / "t.csv")
    with pytest.raises(ColumnError, match="'s'"):
        export.run(Progress())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((0, 0, 0), "PT0S"),
        ((0, 0, 1), "PT0.000000001S"),
        ((0, 0, -90 * 10**9), "-PT1M30S"),
        ((0, 0, 90_061 * 10**9), "P1DT1H1M1S"),
        ((1, 0, 0), "P1M"),
        ((-1, -2, 0), "-P1M2D"),
        ((1, 0, -(10**9)), "P1MT-1S"),
    ],
)
def test_iso_durations(parts: tuple[int, int, int], text: str) -> None:
    assert iso_duration(*parts) == text


def test_durations_are_written_alike_inside_and_outside_of_lists(tmp_path: Path) -> None:
    spans = [dt.timedelta(days=40, hours=5, microseconds=7), -dt.timedelta(minutes=3)]
    table = pa.table({"plain": spans, "nested": [[span] for span in spans]})
    path = Export(table, tmp_path / "t.csv").run(Progress()).path
    frame = pl.read_csv(io.BytesIO(path.read_bytes()))
    assert [f'["{text}"]' for text in frame["plain"]] == frame["nested"].to_list()


def test_decimals_of_a_negative_scale_are_whole_numbers(tmp_path: Path) -> None:
    price = decimal.Decimal(12_300)
    inner = pa.decimal128(5, -2)
    table = pa.table(
        {"a": pa.array([price, None], inner), "b": pa.array([[price], None], pa.list_(inner))}
    )
    for suffix in ("parquet", "orc", "duckdb", "csv"):
        Export(table, tmp_path / f"a.{suffix}").run(Progress())
    read = pq.read_table(tmp_path / "a.parquet")
    assert read.schema.types == [pa.decimal128(7, 0), pa.list_(pa.decimal128(7, 0))]
    assert orc.read_table(tmp_path / "a.orc").to_pylist() == read.to_pylist()
    assert read.to_pylist() == [{"a": price, "b": [price]}, {"a": None, "b": None}]
    with duckdb.connect(str(tmp_path / "a.duckdb"), read_only=True) as database:
        assert database.execute("FROM a").fetchall() == [(price, [price]), (None, None)]
    assert (tmp_path / "a.csv").read_text().splitlines()[1:] == ['12300,"[""12300""]"', ","]


def test_wide_decimals_have_all_their_places_and_no_exponent(tmp_path: Path) -> None:
    values = [decimal.Decimal("1E-20"), decimal.Decimal("1.5"), None]
    Export(pa.table({"a": pa.array(values, pa.decimal256(51, 20))}), tmp_path / "a.csv").run(
        Progress()
    )
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[1:] == ["0.00000000000000000001", "1.50000000000000000000", '""']


def test_parquet_holds_values_of_a_fixed_size_of_nothing(tmp_path: Path) -> None:
    table = pa.table(
        {
            "a": pa.array([b"", None], pa.binary(0)),
            "b": pa.array([[], None], pa.list_(pa.int16(), 0)),
        }
    )
    Export(table, tmp_path / "a.parquet").run(Progress())
    read = pq.read_table(tmp_path / "a.parquet")
    assert read.to_pylist() == [{"a": b"", "b": []}, {"a": None, "b": None}]
    assert pl.read_parquet(tmp_path / "a.parquet").rows() == [(b"", []), (None, None)]


def test_run_ends_inside_lists_are_their_values(tmp_path: Path) -> None:
    runs = pa.RunEndEncodedArray.from_arrays([2, 3], ["x", None])
    table = pa.table({"a": pa.ListArray.from_arrays([0, 2, 3], runs)})
    Export(table, tmp_path / "a.sqlite").run(Progress())
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        assert database.execute("SELECT a FROM a").fetchall() == [('["x","x"]',), ("[null]",)]


def test_categories_of_pandas_with_missing_values_are_read_by_polars(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": pd.Categorical(["b", "a", None], categories=["z", "a", "b"])})
    Export(frame, tmp_path / "a.feather").run(Progress())
    assert pl.read_ipc(tmp_path / "a.feather")["a"].cast(pl.String).to_list() == ["b", "a", None]
    assert pyarrow.feather.read_feather(tmp_path / "a.feather")["a"].tolist()[:2] == ["b", "a"]

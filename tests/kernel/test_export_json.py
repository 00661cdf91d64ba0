"""JSON and NDJSON are what RFC 8259 says, for every Arrow type."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest

from progresswidget.errors import ColumnError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = dt.datetime(2013, 1, 1, 5, 15, 0, 250_000)  # noqa: DTZ001 - a naive one is meant


def write(frame: object, path: Path) -> str:
    return Export(frame, path).run(Progress()).path.read_text()


TYPES: dict[str, tuple[pa.Array, Any]] = {
    "null": (pa.nulls(1), None),
    "bool": (pa.array([True]), True),
    "uint64": (pa.array([2**64 - 1], pa.uint64()), 2**64 - 1),
    "float16": (pa.array([1.5], pa.float16()), 1.5),
    "float": (pa.array([0.1]), 0.1),
    "nan": (pa.array([float("nan")]), None),
    "infinity": (pa.array([float("-inf")]), None),
    "decimal": (pa.array([decimal.Decimal("1.20")]), "1.20"),
    "text": (pa.array(['a"\\\n\x01é']), 'a"\\\n\x01é'),
    "binary": (pa.array([b"\x00\xff"]), "AP8="),
    "date": (pa.array([dt.date(2013, 1, 1)]), "2013-01-01"),
    "time": (pa.array([dt.time(5, 15)]), "05:15:00"),
    "timestamp": (pa.array([MOMENT]), "2013-01-01T05:15:00.250000"),
    "timestamp_s": (pa.array([0], pa.timestamp("s")), "1970-01-01T00:00:00"),
    "utc": (pa.array([1], pa.timestamp("ms", "UTC")), "1970-01-01T00:00:00.001+00:00"),
    "offset": (pa.array([0], pa.timestamp("ms", "+02:00")), "1970-01-01T02:00:00.000+02:00"),
    "duration": (pa.array([dt.timedelta(seconds=90)]), "PT1M30S"),
    "dictionary": (pa.array(["a"]).dictionary_encode(), "a"),
    "dictionary_int": (pa.array([7]).dictionary_encode(), 7),
    "list": (pa.array([[1, None]]), [1, None]),
    "list_of_nan": (pa.array([[1.0, float("nan")]]), [1.0, None]),
    "list_of_dates": (pa.array([[dt.date(2013, 1, 1)]]), ["2013-01-01"]),
    "list_of_decimals": (pa.array([[decimal.Decimal("1.50")]]), ["1.50"]),
    "struct": (pa.array([{"a": 1, "b": [{"c": "x"}]}]), {"a": 1, "b": [{"c": "x"}]}),
    "struct_of_nan": (
        pa.array([{"d": MOMENT, "f": float("inf")}]),
        {"d": "2013-01-01T05:15:00.250000", "f": None},
    ),
    "empty_struct": (pa.array([{}], pa.struct([])), {}),
    "map": (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), {"a": 1}),
    "fixed_list": (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), [1, 2]),
    "interval": (pa.array([(14, 0, 0)], pa.month_day_nano_interval()), "P14M"),
    "run_end": (pa.RunEndEncodedArray.from_arrays([1], ["x"]), "x"),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_has_its_value(name: str, tmp_path: Path) -> None:
    array, value = TYPES[name]
    table = pa.table({"n": [1], 'x"': array, "m": ["z"]})
    text = write(table, tmp_path / "t.ndjson")
    assert json.loads(text) == {"n": 1, 'x"': value, "m": "z"}
    assert text.count("\n") == 1
    assert json.loads(write(table, tmp_path / "t.json")) == [{"n": 1, 'x"': value, "m": "z"}]


@pytest.mark.parametrize("name", TYPES)
def test_a_missing_value_is_null(name: str, tmp_path: Path) -> None:
    table = pa.table({"x": pa.nulls(1, TYPES[name][0].type)})
    assert write(table, tmp_path / "t.jsonl") == '{"x":null}\n'


@pytest.mark.parametrize(
    ("rows", "text"), [(0, "[]\n"), (1, '[\n{"x":0}\n]\n'), (2, '[\n{"x":0},\n{"x":1}\n]\n')]
)
def test_an_array_is_valid_for_any_number_of_rows(rows: int, text: str, tmp_path: Path) -> None:
    assert write(pl.DataFrame({"x": range(rows)}), tmp_path / "t.json") == text


def test_units_are_joined_in_order(tmp_path: Path) -> None:
    rows = 300_000
    frame = pl.DataFrame({"x": range(rows), "s": ["a\n,"] * rows})
    expected = [{"x": row, "s": "a\n,"} for row in range(rows)]
    assert json.loads(write(frame, tmp_path / "t.json")) == expected
    lines = write(frame, tmp_path / "t.ndjson").splitlines()
    assert [json.loads(line) for line in lines] == expected


def test_repeated_names_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(ColumnError, match="several columns 'a'"):
        Export(table, tmp_path / "t.json")


def test_a_frame_without_columns(tmp_path: Path) -> None:
    table = pa.table({"x": [1, 2]}).select([])
    assert write(table, tmp_path / "t.ndjson") in {"", "{}\n{}\n"}

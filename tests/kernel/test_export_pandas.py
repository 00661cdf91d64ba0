from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from progresswidget.errors import ColumnError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sources import BATCH_ROWS, find_kind

if TYPE_CHECKING:
    from pathlib import Path


NAIVE = dt.datetime(2013, 1, 1)  # noqa: DTZ001 - a naive one is meant


def write(frame: pd.DataFrame, path: Path, **options: Any) -> Path:
    return Export(frame, path, options=options).run(Progress()).path


def small() -> pd.DataFrame:
    return pd.DataFrame({"n": [1, 2], "t": ["a", None]})


INDEXES = {
    "range": pd.RangeIndex(2),
    "range_with_step": pd.RangeIndex(10, 30, 10),
    "named_range": pd.RangeIndex(2, name="row"),
    "text": pd.Index(["x", "y"]),
    "named_text": pd.Index(["x", "y"], name="key"),
    "times": pd.DatetimeIndex(["2013-01-01", "2013-01-02"], name="when"),
    "zoned": pd.DatetimeIndex(["2013-01-01", "2013-01-02"], tz="Europe/Berlin", name="when"),
    "categories": pd.CategoricalIndex(["b", "a"], name="c"),
    "levels": pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["l", None]),
    "objects": pd.Index(["x", "y"], dtype=object, name="o"),
}


@pytest.mark.parametrize("index", [None, True, False])
@pytest.mark.parametrize("name", INDEXES)
def test_the_index_goes_where_to_csv_puts_it(name: str, index: Any, tmp_path: Path) -> None:
    frame = small().set_axis(INDEXES[name], axis=0)
    ours = write(frame, tmp_path / "ours.csv", index=index).read_text()
    theirs = frame.to_csv(index=index is not False, date_format="%Y-%m-%dT%H:%M:%S.%f%z")
    # Fractions have one digit per unit here, and offsets a colon: compare as pandas reads them.
    ours_back, theirs_back = (pd.read_csv(io.StringIO(text)) for text in (ours, theirs))
    assert ours.splitlines()[0] == theirs.splitlines()[0]
    assert len(ours_back) == len(theirs_back)
    for column in ours_back:
        left, right = ours_back[column], theirs_back[column]
        if name in {"times", "zoned"} and column == "when":
            left, right = pd.to_datetime(left, utc=True), pd.to_datetime(right, utc=True)
            left, right = left.astype("datetime64[ns, UTC]"), right.astype("datetime64[ns, UTC]")
        pd.testing.assert_series_equal(left, right)


@pytest.mark.parametrize("index", [None, True, False])
@pytest.mark.parametrize("name", INDEXES)
def test_the_index_goes_where_to_parquet_puts_it(name: str, index: Any, tmp_path: Path) -> None:
    frame = small().set_axis(INDEXES[name], axis=0)
    ours = write(frame, tmp_path / "ours.parquet", index=index)
    theirs = tmp_path / "theirs.parquet"
    frame.to_parquet(theirs, index=index)
    assert pq.read_schema(ours).names == pq.read_schema(theirs).names
    pd.testing.assert_frame_equal(pd.read_parquet(ours), pd.read_parquet(theirs))


RECORD_NAMES = {
    "range": [],
    "range_with_step": [],
    "named_range": ["row"],
    "text": ["index"],
    "named_text": ["key"],
    "times": ["when"],
    "zoned": ["when"],
    "categories": ["c"],
    "levels": ["l", "level_1"],
    "objects": ["o"],
}


@pytest.mark.parametrize("name", INDEXES)
def test_the_index_is_named_where_every_value_has_a_name(name: str, tmp_path: Path) -> None:
    frame = small().set_axis(INDEXES[name], axis=0)
    rows = [json.loads(row) for row in write(frame, tmp_path / "t.ndjson").read_text().splitlines()]
    assert [list(row) for row in rows] == [[*RECORD_NAMES[name], "n", "t"]] * 2
    with closing(sqlite3.connect(write(frame, tmp_path / "t.sqlite"))) as database:
        assert database.execute("SELECT * FROM t").fetchall() == [tuple(r.values()) for r in rows]


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_is_wanted_is_named_as_by_reset_index(name: str, tmp_path: Path) -> None:
    frame = small().set_axis(INDEXES[name], axis=0)
    row = json.loads(write(frame, tmp_path / "t.ndjson", index=True).read_text().splitlines()[0])
    assert list(row) == list(frame.reset_index())
    row = json.loads(write(frame, tmp_path / "t.ndjson", index=False).read_text().splitlines()[0])
    assert list(row) == ["n", "t"]


def test_the_name_of_an_index_gives_way_to_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"index": [1]}, index=["x"])
    row = json.loads(write(frame, tmp_path / "t.ndjson").read_text())
    assert row == {"level_0": "x", "index": 1}


FRAMES: dict[str, pd.DataFrame] = {
    "numbers": pd.DataFrame({"i": [1, -2], "f": [0.5, np.nan], "u": np.array([1, 2], np.uint8)}),
    "nullable": pd.DataFrame(
        {
            "i": pd.array([1, None], "Int64"),
            "b": pd.array([True, None], "boolean"),
            "f": pd.array([0.5, None], "Float64"),
            "s": pd.array(["a", None], "string"),
        }
    ),
    "arrow": pd.DataFrame(
        {
            "i": pd.array([1, None], pd.ArrowDtype(pa.int64())),
            "s": pd.array(["a", None], pd.ArrowDtype(pa.string())),
            "t": pd.array([NAIVE, None], pd.ArrowDtype(pa.timestamp("us"))),
        }
    ),
    "times": pd.DataFrame(
        {
            "naive": pd.to_datetime(["2013-01-01 05:15", None]),
            "zoned": pd.to_datetime(["2013-01-01 05:15", None]).tz_localize("America/New_York"),
            "span": pd.to_timedelta([90, None], unit="s"),
        }
    ),
    "categories": pd.DataFrame(
        {
            "c": pd.Categorical(["a", None], categories=["b", "a"]),
            "o": pd.Categorical(["low", "high"], categories=["low", "high"], ordered=True),
        }
    ),
    "objects": pd.DataFrame(
        {
            "text": pd.Series(["a", None], dtype=object),
            "date": pd.Series([dt.date(2013, 1, 1), None], dtype=object),
            "decimal": pd.Series([decimal.Decimal("1.10"), decimal.Decimal("22.5")], dtype=object),
            "bytes": pd.Series([b"ab", None], dtype=object),
            "nothing": pd.Series([None, None], dtype=object),
        }
    ),
    "period": pd.DataFrame({"p": pd.period_range("2013-01", periods=2, freq="M")}),
    "interval": pd.DataFrame({"i": pd.interval_range(0, 2)}),
    "empty": pd.DataFrame({"i": pd.Series([], dtype="int64"), "o": pd.Series([], dtype=object)}),
    "no columns": pd.DataFrame(index=pd.RangeIndex(3)),
    "nothing": pd.DataFrame(),
    "number labels": pd.DataFrame([[1, 2], [3, 4]]),
}


@pytest.mark.parametrize("name", FRAMES)
def test_parquet_gives_the_frame_back_as_to_parquet_would(name: str, tmp_path: Path) -> None:
    frame = FRAMES[name]
    theirs = tmp_path / "theirs.parquet"
    frame.to_parquet(theirs)
    ours = write(frame, tmp_path / "ours.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(ours), pd.read_parquet(theirs))


CSV_TEXTS = {
    "numbers": "i,f,u\n1,0.5,1\n-2,,2\n",
    "nullable": "i,b,f,s\n1,true,0.5,a\n,,,\n",
    "objects": "text,date,decimal,bytes,nothing\na,2013-01-01,1.10,YWI=,\n,,22.50,,\n",
    "categories": "c,o\na,low\n,high\n",
    "period": "p\n2013-01\n2013-02\n",
    "interval": 'i\n"(0, 1]"\n"(1, 2]"\n',
    "empty": "i,o\n",
    "no columns": "\n",
    "nothing": "\n",
    "number labels": "0,1\n1,2\n3,4\n",
}


@pytest.mark.parametrize("name", CSV_TEXTS)
def test_csv_text_of_pandas_columns(name: str, tmp_path: Path) -> None:
    assert write(FRAMES[name], tmp_path / "t.csv", index=False).read_text() == CSV_TEXTS[name]


def test_the_rows_of_a_frame_without_columns_are_its_index(tmp_path: Path) -> None:
    assert write(FRAMES["no columns"], tmp_path / "t.csv").read_text() == '""\n0\n1\n2\n'


def test_levels_of_labels_are_joined(tmp_path: Path) -> None:
    frame = small().set_axis(pd.MultiIndex.from_tuples([("a", "x"), ("b", "")]), axis=1)
    assert write(frame, tmp_path / "t.csv", index=False).read_text().startswith("a_x,b\n")
    assert list(pd.read_parquet(write(frame, tmp_path / "t.parquet"))) == ["a_x", "b"]


@pytest.mark.parametrize("hours", [0, 1])
def test_days_that_are_labels_have_no_time_of_day_as_in_pandas(hours: int, tmp_path: Path) -> None:
    days = pd.to_datetime(["2024-01-01", "2024-02-01"]) + pd.Timedelta(hours=hours)
    frame, path = pd.DataFrame([[1, 2]], columns=days), tmp_path / "a.csv"
    write(frame, path)
    assert path.read_text() == frame.to_csv()
    pairs = pd.MultiIndex.from_product([["sold"], days], names=["what", "when"])
    write(frame.set_axis(pairs, axis=1), path)
    expected = [f"sold_{name}" for name in pd.read_csv(io.StringIO(frame.to_csv())).columns[1:]]
    assert list(pd.read_csv(path).columns[1:]) == expected
    write(frame, tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), frame)


def test_labels_may_repeat_in_csv_but_not_in_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert write(frame, tmp_path / "t.csv", index=False).read_text() == "a,a\n1,2\n"
    with pytest.raises(ColumnError, match="2 columns with the name 'a'"):
        Export(frame, tmp_path / "t.parquet")


def test_labels_that_become_equal_as_text_are_refused_in_parquet(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="'1'"):
        Export(pd.DataFrame([[1, 2]], columns=[1, "1"]), tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None, "a"], "'x'.*number in row 0, text in row 2"),
        ([b"a", "a"], "bytes in row 0, text in row 1"),
        ([True, 1], "boolean in row 0, number in row 1"),
        ([decimal.Decimal(1), 1.5], "decimal in row 0, number in row 1"),
        (
            [NAIVE, NAIVE.replace(tzinfo=dt.UTC)],
            "time in row 0, time with zone in row 1",
        ),
        ([object()], "'x'.*no type in Arrow"),
        ([1 + 2j], "'x'.*no type in Arrow"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_objects_of_several_kinds_are_refused_before_anything_is_written(
    values: list[Any], message: str, suffix: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object)})
    with pytest.raises(ColumnError, match=message):
        Export(frame, tmp_path / f"t.{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_does_not_fit_is_named_by_its_row(tmp_path: Path) -> None:
    values: list[Any] = [1] * 3_000
    values[2_345] = 2**70
    export = Export(pd.DataFrame({"x": pd.Series(values, dtype=object)}), tmp_path / "t.csv")
    with pytest.raises(ColumnError, match="'x' has a value in row 2345"):
        export.run(Progress())
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_several_kinds_are_one_kind(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": pd.Series([1, 2.5, float("nan"), None], dtype=object), "n": 1})
    assert (
        write(frame, tmp_path / "t.csv", index=False).read_text() == "x,n\n1.0,1\n2.5,1\n,1\n,1\n"
    )


def test_a_missing_text_may_be_any_of_pandas_ways(tmp_path: Path) -> None:
    values = ["a", None, float("nan"), pd.NA, pd.NaT]
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object), "n": 1})
    assert write(frame, tmp_path / "t.csv", index=False).read_text() == "x,n\na,1\n,1\n,1\n,1\n,1\n"


def test_nanoseconds_among_objects_are_kept(tmp_path: Path) -> None:
    moment = pd.Timestamp("2013-01-01 00:00:00.123456789")
    frame = pd.DataFrame(
        {
            "t": pd.Series([dt.datetime(2013, 1, 1), moment, None], dtype=object),  # noqa: DTZ001
            "z": pd.Series([None, moment.tz_localize("Asia/Tokyo"), pd.NaT], dtype=object),
            "d": pd.Series([None, pd.Timedelta(1), pd.NaT], dtype=object),
            "us": pd.Series([moment.floor("us"), None, None], dtype=object),
        }
    )
    assert write(frame, tmp_path / "a.csv", index=False).read_text().splitlines()[1:] == [
        "2013-01-01T00:00:00.000000000,,,2013-01-01T00:00:00.123456",
        "2013-01-01T00:00:00.123456789,2013-01-01T00:00:00.123456789+09:00,PT0.000000001S,",
        ",,,",
    ]
    table = pq.read_table(write(frame, tmp_path / "a.parquet"))
    assert table["t"][1].value == moment.value


def test_sparse_columns_are_written_densely(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": pd.arrays.SparseArray([0, 0, 5])})
    assert write(frame, tmp_path / "t.csv", index=False).read_text() == "x\n0\n0\n5\n"
    assert pq.read_table(write(frame, tmp_path / "t.parquet"))["x"].to_pylist() == [0, 0, 5]


def test_sparse_columns_may_hold_texts(tmp_path: Path) -> None:
    texts = pd.arrays.SparseArray(["a", None, "b", "a"], fill_value="a")
    frame = pd.DataFrame({"x": texts, "n": range(4)})
    assert write(frame, tmp_path / "t.csv", index=False).read_text() == "x,n\na,0\n,1\nb,2\na,3\n"
    found = pq.read_table(write(frame, tmp_path / "t.parquet"))["x"].to_pylist()
    assert found == ["a", None, "b", "a"]


def test_any_order_of_bytes_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": np.array([1, 256], ">i4")}, index=np.array([0.5, 2], ">f8"))
    assert write(frame, tmp_path / "t.csv").read_text() == ",n\n0.5,1\n2.0,256\n"
    found = pd.read_parquet(write(frame, tmp_path / "t.parquet"))
    assert found["n"].to_dict() == {0.5: 1, 2.0: 256}


def test_later_changes_of_the_frame_do_not_reach_the_file(tmp_path: Path) -> None:
    frame = small()
    export = Export(frame, tmp_path / "t.csv", options={"index": False})
    frame.loc[0, "n"] = 99
    frame["new"] = 1
    assert export.run(Progress()).path.read_text() == "n,t\n1,a\n2,\n"


def test_batches_are_bounded_by_rows_and_by_bytes() -> None:
    rows = 150_000
    frame = pd.DataFrame({"n": np.arange(rows), "t": pd.Series(["x"] * rows, dtype=object)})
    source = find_kind(frame).read(frame, "text", {"index": False})
    batches = list(source.batches())
    assert sum(batch.num_rows for batch in batches) == rows
    assert max(batch.num_rows for batch in batches) == BATCH_ROWS
    heavy = pd.DataFrame({"t": pd.Series(["x" * 100_000] * 3_000, dtype=object)})
    source = find_kind(heavy).read(heavy, "text", {"index": False})
    sizes = [batch.nbytes for batch in source.batches()]
    # The first batch is taken before anything is known of the rows.
    assert max(sizes[1:]) < 20 * 2**20


def test_a_multi_index_of_many_rows_comes_slice_by_slice(tmp_path: Path) -> None:
    index = pd.MultiIndex.from_product([range(300), list("abc")], names=["i", "l"])
    frame = pd.DataFrame({"v": np.arange(900)}, index=index)
    back = pd.read_csv(write(frame, tmp_path / "t.csv"), index_col=["i", "l"])
    pd.testing.assert_frame_equal(back, frame, check_index_type=False)
    pd.testing.assert_frame_equal(pd.read_parquet(write(frame, tmp_path / "t.parquet")), frame)

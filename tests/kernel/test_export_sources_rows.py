"""Rows of Python objects, in lists and from iterators, and data that is built when asked for."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import gc
import sqlite3
import zipfile
from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from progresswidget.errors import (
    ColumnError,
    ExportCancelledError,
    OptionError,
    ProgressWidgetError,
    SourceError,
    UnsupportedSourceError,
)
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sources import find_kind, iterators
from progresswidget.export.sources.deferred import is_deferred, produce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MANY = iterators.LEARNED_ROWS + 5_000


@dataclass
class Point:
    x: int
    y: str | None = None


@dataclass(frozen=True)
class Path2:
    name: str
    points: list[Point]


class Pair(NamedTuple):
    a: int
    b: str


Untyped = namedtuple("Untyped", "a b")  # noqa: PYI024 - these exist too


def write(frame: object, path: Path, **options: Any) -> Path:
    return Export(frame, path, options=options).run(Progress()).path


def table(frame: object, path: Path, **options: Any) -> pa.Table:
    return pq.read_table(write(frame, path, **options))


ROWS: dict[str, tuple[list[Any], str]] = {
    "dicts": ([{"a": 1, "b": "x"}, {"a": 2, "b": None}], "a,b\n1,x\n2,\n"),
    "dataclasses": ([Point(1, "p"), Point(2)], "x,y\n1,p\n2,\n"),
    "named tuples": ([Pair(1, "p"), Pair(2, "q")], "a,b\n1,p\n2,q\n"),
    "untyped named tuples": ([Untyped(1, "p")], "a,b\n1,p\n"),
    "tuples": ([(1, "p"), (2,), (3, None)], "0,1\n1,p\n2,\n3,\n"),
    "mixed": ([{"x": 1, "y": "p"}, Point(2)], "x,y\n1,p\n2,\n"),
    "growing": ([{"b": 1}, {"a": 2.5}, {}], "b,a\n1,\n,2.5\n,\n"),
    "labels": ([{1: "p", None: "q"}], "1,None\np,q\n"),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_from_a_list_and_from_an_iterator(name: str, tmp_path: Path) -> None:
    rows, text = ROWS[name]
    for number, frame in enumerate((rows, tuple(rows), iter(rows), lambda: rows, [*rows])):
        path = write(frame, tmp_path / f"{number}.csv")
        assert path.read_text() == text
    assert Export(rows, tmp_path / "a.csv").total == len(rows)
    back = table(rows, tmp_path / "a.parquet")
    assert back.column_names == text.partition("\n")[0].split(",")
    assert table(iter(rows), tmp_path / "b.parquet") == back


@pytest.mark.parametrize("row", [Point(1, "p"), Pair(1, "p")])
def test_a_record_is_a_table_of_one_row(row: object, tmp_path: Path) -> None:
    export = Export(row, tmp_path / "a.csv")
    assert export.total == 1
    assert export.run(Progress()).path.read_text().splitlines()[1:] == ["1,p"]


def test_rows_of_sqlite(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    rows = connection.execute("select 1 as n, 'x' as t").fetchall()
    connection.close()
    assert write(rows, tmp_path / "a.csv").read_text() == "n,t\n1,x\n"


def test_what_cannot_be_read_on_another_thread_is_a_failure_of_the_source(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    cursor = connection.execute("select 1 as n")
    with pytest.raises(SourceError, match="same thread"):
        write(cursor, tmp_path / "a.csv")
    connection.close()


def test_values_of_every_kind_have_their_types(tmp_path: Path) -> None:
    zone = dt.timezone.utc  # noqa: UP017
    row = {
        "i": 1,
        "f": 0.5,
        "b": True,
        "t": "x",
        "bin": b"ab",
        "d": dt.date(2020, 1, 2),
        "dt": dt.datetime(2020, 1, 2, 3),  # noqa: DTZ001
        "z": dt.datetime(2020, 1, 2, tzinfo=zone),
        "dec": Decimal("1.10"),
        "l": [1, 2],
        "s": {"u": 1},
        "n": None,
        "p": Path2("p", [Point(1, "q")]),
    }
    schema = table([row, dict.fromkeys(row)], tmp_path / "a.parquet").schema
    assert {field.name: str(field.type).replace("element", "item") for field in schema} == {
        "i": "int64",
        "f": "double",
        "b": "bool",
        "t": "string",
        "bin": "binary",
        "d": "date32[day]",
        "dt": "timestamp[us]",
        "z": "timestamp[us, tz=UTC]",
        "dec": "decimal128(3, 2)",
        "l": "list<item: int64>",
        "s": "struct<u: int64>",
        "n": "null",
        "p": "struct<name: string, points: list<item: struct<x: int64, y: string>>>",
    }


def test_integers_and_floats_are_one_column(tmp_path: Path) -> None:
    rows = [{"a": 1}, {"a": 2.5}, {"a": float("nan")}, {"a": None}]
    column = table(rows, tmp_path / "a.parquet")["a"]
    assert column.type == pa.float64()
    assert column.is_null().to_pylist() == [False, False, False, True]


def test_records_of_pandas_keep_their_missing_values(tmp_path: Path) -> None:
    moment = pd.Timestamp("2020-01-01 00:00:00.123456789")
    frame = pd.DataFrame({"t": ["a", float("nan")], "m": [moment, pd.NaT]}).astype({"t": object})
    frame["i"] = pd.array([1, None], "Int64")
    back = table(frame.to_dict("records"), tmp_path / "a.parquet")
    assert [column.null_count for column in back.columns] == [1, 1, 1]
    assert back["m"][0].value == moment.value


MISFITS: dict[str, tuple[list[Any], str]] = {
    "text": ([{"a": 1}, {"a": None}, {"a": "x"}], "'a'.*number in row 0, text in row 2"),
    "boolean": ([{"a": True}, {"a": 1}], "'a'.*boolean in row 0, number in row 1"),
    "date": (
        [(dt.date(2020, 1, 1),), (dt.datetime(2020, 1, 1),)],  # noqa: DTZ001
        "'0'.*date in row 0, time in row 1",
    ),
    "nested": ([{"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {"b": "x"}}], "'a'.* row 2"),
    "objects": ([{"a": object()}], "'a'.*row 0.*no type in Arrow"),
    "beyond": ([{"a": 1}, {"a": 2**70}], "'a'.*row 1"),
    "inexact": ([{"a": 0.5}, {"a": 2**60 + 1}], "'a'.*row 1"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_values_that_do_not_fit_are_named_by_column_and_row(name: str, tmp_path: Path) -> None:
    rows, message = MISFITS[name]
    with pytest.raises(ColumnError, match=message) as caught:
        write(rows, tmp_path / "a.parquet")
    assert "schema=" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_rows_of_many_batches_are_numbered_through(tmp_path: Path) -> None:
    rows: list[Any] = [{"a": number} for number in range(150_000)]
    rows[140_000] = {"a": "x"}
    with pytest.raises(ColumnError, match="number in row 0, text in row 140000"):
        Export(rows, tmp_path / "a.csv")
    rows[140_000] = 7
    with pytest.raises(UnsupportedSourceError, match="Row 140000 is of type int"):
        Export(rows, tmp_path / "a.csv")
    rows[140_000] = {"a": 2.5}
    column = table(rows, tmp_path / "a.parquet")["a"]
    assert (column.type, len(column), column[140_000].as_py()) == (pa.float64(), 150_000, 2.5)


def test_rows_added_later_do_not_reach_the_file(tmp_path: Path) -> None:
    rows = [{"a": 1}]
    export = Export(rows, tmp_path / "a.csv")
    rows.append({"a": "no number"})  # type: ignore[dict-item]
    assert export.run(Progress()).path.read_text() == "a\n1\n"


SCHEMA = pa.schema([("a", pa.float32()), ("b", pa.string())], metadata={"m": "1"})


@pytest.mark.parametrize("make", [list, iter])
def test_a_schema_that_is_given_decides(make: Callable[[Any], object], tmp_path: Path) -> None:
    back = table(make([{"a": 1}, {"b": "x"}]), tmp_path / "a.parquet", schema=SCHEMA)
    assert back.schema.types == SCHEMA.types
    assert back.to_pydict() == {"a": [1, None], "b": [None, "x"]}
    assert write(make([(1, "x")]), tmp_path / "a.csv", schema=SCHEMA).read_text() == "a,b\n1.0,x\n"
    assert write(make([]), tmp_path / "a.csv", schema=SCHEMA).read_text() == "a,b\n"
    whole = pa.schema([("a", pa.int32())])
    with pytest.raises(ColumnError, match="'a' has a value in row 1 that does not fit"):
        write(make([{"a": 1}, {"a": 2.5}]), tmp_path / "a.csv", schema=whole)
    with pytest.raises(ColumnError, match="'c' appears in row 0"):
        write(make([{"c": 1}]), tmp_path / "a.csv", schema=whole)
    with pytest.raises(OptionError, match="schema must be Schema or None, not dict"):
        write(make([{"a": 1}]), tmp_path / "a.csv", schema={"a": "int"})


@pytest.mark.parametrize("frame", [[], (), functools.partial(list), lambda: iter(())])
def test_nothing_has_no_columns(frame: object, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSourceError, match=r"columns(.|\n)*schema="):
        write(frame, tmp_path / "a.csv")


def test_rows_are_one_table_where_a_list_may_be_several(tmp_path: Path) -> None:
    rows = [{"a": 1}, {"a": 2}]
    for frame, names in {
        "rows": (rows, ["t.csv"]),
        "tables": ([rows, iter(rows)], ["frame_1.csv", "frame_2.csv"]),
        "names": ({"x.csv": rows, "y.csv": lambda: iter(rows)}, ["x.csv", "y.csv"]),
    }.values():
        with zipfile.ZipFile(write(frame, tmp_path / "t.zip")) as archive:
            assert archive.namelist() == names
            assert {archive.read(name) for name in names} == {b"a\n1\n2\n"}


# --- iterators ------------------------------------------------------------------------------------


def numbers(rows: int = MANY) -> Iterator[dict[str, int]]:
    for number in range(rows):
        yield {"a": number}


ITERATORS: dict[str, Callable[[], Any]] = {
    "generator": numbers,
    "map": lambda: map(Point, range(MANY)),
    "pages": lambda: ([{"a": i}, {"a": i + 1}] for i in range(0, MANY, 2)),
    "tables": lambda: (pa.table({"a": range(i, i + 500)}) for i in range(0, MANY, 500)),
    "polars": lambda: (pl.DataFrame({"a": range(i, i + 500)}) for i in range(0, MANY, 500)),
    "pandas": lambda: (pd.DataFrame({"a": range(i, i + 500)}) for i in range(0, MANY, 500)),
    "readers": lambda: (
        pa.table({"a": range(i, i + 500)}).to_reader() for i in range(0, MANY, 500)
    ),
    "lists": lambda: ([i] for i in range(MANY)),
}


@pytest.mark.parametrize("name", ITERATORS)
def test_all_rows_of_an_iterator_are_written_once(name: str, tmp_path: Path) -> None:
    stream = ITERATORS[name]()
    export = Export(stream, tmp_path / "a.parquet")
    assert export.total is None
    assert export.run(Progress()).rows == MANY
    assert pq.read_table(tmp_path / "a.parquet").column(0).to_pylist() == list(range(MANY))
    for again in (export, Export(stream, tmp_path / "b.csv")):
        with pytest.raises(SourceError, match=r"has been read(.|\n)*anew"):
            again.run(Progress())


def test_nothing_is_read_before_the_export_runs(tmp_path: Path) -> None:
    asked = []

    def rows() -> Iterator[dict[str, int]]:
        asked.append(1)
        yield {"a": 1}

    exports = [Export(rows(), tmp_path / "a.csv"), Export(rows, tmp_path / "b.csv")]
    assert asked == []
    for export in exports:
        assert export.run(Progress()).path.read_text() == "a\n1\n"


@pytest.mark.parametrize("name", ["generator", "map", "tables"])
def test_a_refusal_costs_no_row(name: str, tmp_path: Path) -> None:
    stream = ITERATORS[name]()
    with pytest.raises(OptionError, match="no option 'nope'"):
        write(stream, tmp_path / "a.csv", nope=1)
    with pytest.raises(ColumnError, match="appears in row 0"):
        write(ITERATORS[name](), tmp_path / "a.csv", schema=pa.schema([("z", pa.int8())]))
    assert Export(stream, tmp_path / "a.csv").run(Progress()).rows == MANY


def test_an_iterator_that_nobody_has_any_more_is_forgotten(tmp_path: Path) -> None:
    stream = numbers()
    with pytest.raises(OptionError):
        write(stream, tmp_path / "a.csv", nope=1)
    number = id(stream)
    assert number in iterators._heads
    del stream
    gc.collect()
    assert number not in iterators._heads


def test_a_cancelled_generator_is_closed_where_it_was_read(tmp_path: Path) -> None:
    closed = []

    def rows() -> Iterator[dict[str, int]]:
        try:
            yield from numbers(10**9)
        finally:
            closed.append(1)

    progress = Progress()

    def checkpoint() -> None:
        if progress.rows:
            raise ExportCancelledError("enough")

    progress.checkpoint = checkpoint
    stream = rows()
    with pytest.raises(ExportCancelledError):
        Export(stream, tmp_path / "a.csv").run(progress)
    assert closed == [1]
    with pytest.raises(SourceError, match="has been read"):
        write(stream, tmp_path / "a.csv")


@pytest.mark.parametrize("before", [0, 3, MANY])
def test_an_error_of_a_generator_is_one_of_the_source(before: int, tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, int]]:
        yield from numbers(before)
        raise LookupError("page is gone")

    with pytest.raises(SourceError, match="page is gone") as caught:
        write(rows(), tmp_path / "a.csv")
    assert isinstance(caught.value.__cause__, LookupError)


LATE: dict[str, tuple[Any, str]] = {
    "text": ({"a": "x"}, f"'a'.*number in row 0, text in row {MANY}"),
    "fraction": ({"a": 2.5}, f"'a' has a value in row {MANY} that does not fit the type int64"),
    "column": ({"b": 1}, f"'b' appears in row {MANY}"),
    "no row": (7, f"Row {MANY} is of type int"),
    "frame": (pl.DataFrame({"a": [1]}), f"Row {MANY} is of type polars"),
}


@pytest.mark.parametrize("name", LATE)
def test_a_late_row_that_does_not_fit_is_named(name: str, tmp_path: Path) -> None:
    row, message = LATE[name]

    def rows() -> Iterator[Any]:
        yield from numbers()
        yield row

    with pytest.raises(ProgressWidgetError, match=message):
        write(rows(), tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_frames_are_cast_to_the_first_one(tmp_path: Path) -> None:
    frames = [
        pl.DataFrame({"a": [1.5], "b": ["x"]}),
        pa.table({"b": ["y"], "a": pa.array([2], pa.int8())}),
        pd.DataFrame({"a": [3.0]}),
        pl.LazyFrame({"a": [4.0]}),
        pl.DataFrame(schema={"a": pl.Float64}),
    ]
    path = write(iter(frames), tmp_path / "a.csv", index=False)
    assert path.read_text() == "a,b\n1.5,x\n2.0,y\n3.0,\n4.0,\n"


@pytest.mark.parametrize(
    ("second", "error", "message"),
    [
        (pa.table({"a": [3, 2**40]}), ColumnError, "'a' has a value in row 3"),
        (pa.table({"a": ["x"]}), ColumnError, "'a' has a value in row 2"),
        (pa.table({"z": [1]}), ColumnError, "'z' appears in row 2"),
        (7, UnsupportedSourceError, "type int is no frame"),
    ],
)
def test_frames_that_do_not_fit_are_named(
    second: object, error: type[Exception], message: str, tmp_path: Path
) -> None:
    first = pa.table({"a": pa.array([1, 2], pa.int32())})
    with pytest.raises(error, match=message):
        write(iter([first, second]), tmp_path / "a.csv")


def test_the_index_of_frames_of_an_iterator(tmp_path: Path) -> None:
    def frames() -> Iterator[pd.DataFrame]:
        for number in range(3):
            index = pd.Index([f"k{number}"], name="key")
            yield pd.DataFrame({"n": [number]}, index=index)

    assert write(frames, tmp_path / "a.csv").read_text() == "key,n\nk0,0\nk1,1\nk2,2\n"
    assert write(frames, tmp_path / "a.csv", index=False).read_text() == "n\n0\n1\n2\n"
    parquet = write(frames, tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), pd.concat(frames()))
    ranges = write((pd.DataFrame({"n": [n, n]}) for n in range(3)), tmp_path / "b.parquet")
    assert pd.read_parquet(ranges)["n"].tolist() == [0, 0, 1, 1, 2, 2]


def test_a_slow_iterator_is_not_waited_for_until_all_is_learned() -> None:
    stream, seconds = numbers(), iter(range(0, 1_000, 4))
    head = iterators.look(stream, lambda: next(seconds))
    assert head.items == [{"a": 0}, {"a": 1}, {"a": 2}]
    source = find_kind(stream).read(stream, "text", {"schema": None, "index": None})
    assert sum(batch.num_rows for batch in source.batches()) == MANY


# --- deferred -------------------------------------------------------------------------------------


class Builder:
    def build(self) -> pl.DataFrame:
        return pl.DataFrame({"a": [1]})

    __call__ = build


CALLABLES: dict[str, Any] = {
    "function": lambda: pl.DataFrame({"a": [1]}),
    "method": Builder().build,
    "object": Builder(),
    "partial": functools.partial(pd.DataFrame, {"a": [1]}),
    "generator function": functools.partial(numbers, 1),
}


@pytest.mark.parametrize("name", CALLABLES)
def test_callables_are_called_each_time(name: str, tmp_path: Path) -> None:
    export = Export(CALLABLES[name], tmp_path / "a.parquet")
    assert export.total is None
    for _ in range(2):
        assert export.run(Progress()).rows == 1


def test_frames_and_classes_are_not_called() -> None:
    for frame in (pl.DataFrame, pl.DataFrame(), pd.DataFrame(), [Point(1)], Point(1), Pair, []):
        assert not is_deferred(frame)
    for deferred in ({"a": numbers}, [numbers, pl.DataFrame()], numbers(), iter([])):
        assert is_deferred(deferred)
    assert produce([pl.Series, list]) == [pl.Series, list]


async def fetch(rows: int = 1) -> pl.DataFrame:
    await asyncio.sleep(0)
    return pl.DataFrame({"a": range(rows)})


async def stream() -> Any:
    yield {"a": 1}


@pytest.mark.parametrize("frame", [fetch, functools.partial(fetch), lambda: fetch(2)])
def test_what_must_be_awaited_is_refused(frame: object, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSourceError, match=r"(?s)coroutine.*Await it first"):
        write(frame, tmp_path / "a.csv")


@pytest.mark.parametrize("frame", [stream(), stream])
def test_asynchronous_generators_are_refused(frame: object, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSourceError, match=r"(?s)waited for.*async for"):
        write(frame, tmp_path / "a.csv")


def test_an_error_of_a_callable_is_one_of_the_source(tmp_path: Path) -> None:
    def build() -> None:
        raise LookupError("no such table")

    with pytest.raises(SourceError, match="no such table"):
        write(build, tmp_path / "a.csv")
    with pytest.raises(UnsupportedSourceError, match="NoneType is no frame"):
        write(lambda: None, tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": [1, 2], "b": [3, 4]}, r"'a' is of type list\.\nGive lists of values as polars"),
        ({"a": 1}, r"'a' is of type int\.\n.*a single row in a list: \[\{…\}\]"),
        ([1, 2], r"Item 0 is of type int.*\nA row is a dict"),
        ([[1, 2], [3, 4]], r"Item 0 is of type list.*\nA row is a dict"),
        ([pa.table({"a": [1]}), pa.table({"a": [2]})], "holds one table, and not several"),
    ],
)
def test_values_that_are_no_frames_are_told_what_would_be(
    given: object, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedSourceError, match=message):
        Export(given, tmp_path / "a.csv")

"""Every kind of frame that a library has: what is in the file, and what is known beforehand."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import datafusion
import duckdb
import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from progresswidget.errors import (
    ColumnError,
    ExportCancelledError,
    SourceChangedError,
    SourceError,
    UnsupportedSourceError,
)
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sources import (
    BATCH_ROWS,
    KINDS,
    QUERY_ROWS,
    find_kind,
    general_kinds,
)
from progresswidget.export.sources.sql import sql
from progresswidget.export.sources.stream import joined

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
EMPTY = TABLE.slice(0, 0)


def in_duckdb(table: pa.Table) -> Any:
    connection = duckdb.connect()
    connection.register("t", table)
    return connection.sql("select * from t")


def in_datafusion(table: pa.Table) -> Any:
    context = datafusion.SessionContext()
    return context.from_arrow(table)


def in_ibis(table: pa.Table) -> Any:
    return ibis.polars.connect({"t": pl.from_arrow(table)}).table("t")


MAKERS: dict[str, Callable[[pa.Table], Any]] = {
    "dataset": ds.dataset,
    "scanner": lambda table: ds.dataset(table).scanner(),
    "duckdb": in_duckdb,
    "ibis": in_ibis,
    "ibis on duckdb": lambda table: ibis.memtable(table.to_pandas()),
    "datafusion": in_datafusion,
}


def write(frame: object, path: Path, **options: Any) -> Path:
    return Export(frame, path, options=options).run(Progress()).path


@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option:Warning")
@pytest.mark.parametrize("name", MAKERS)
def test_rows_come_back(name: str, tmp_path: Path) -> None:
    frame = MAKERS[name](TABLE)
    assert pq.read_table(write(frame, tmp_path / "a.parquet")).to_pydict() == TABLE.to_pydict()
    # And once more, from the same object.
    assert write(frame, tmp_path / "a.csv").read_text() == "a,b\n1,x\n2,\n3,z\n"


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "ibis on duckdb"])
def test_a_frame_without_rows_has_its_columns(name: str, tmp_path: Path) -> None:
    frame = MAKERS[name](EMPTY)
    assert write(frame, tmp_path / "a.csv").read_text() == "a,b\n"
    assert pq.read_schema(write(frame, tmp_path / "a.parquet")).names == ["a", "b"]


def test_totals_are_known_where_they_cost_nothing(tmp_path: Path) -> None:
    parquet, text = tmp_path / "d.parquet", tmp_path / "d.csv"
    pq.write_table(TABLE, parquet)
    text.write_text("a\n1\n")
    files = ds.dataset(parquet)
    totals = {
        "files": (files, 3),
        "several": (ds.dataset([files, files]), 6),
        "memory": (ds.dataset(TABLE), 3),
        "filter": (files.filter(ds.field("a") > 1), None),
        "text": (ds.dataset(text, format="csv"), None),
        "scanner": (files.scanner(), None),
        "duckdb": (in_duckdb(TABLE), None),
        "ibis": (in_ibis(TABLE), None),
        "datafusion": (in_datafusion(TABLE), None),
        "array": (np.arange(4), 4),
        "series": (pd.Series([1]), 1),
        "generator": (iter([{"a": 1}]), None),
    }
    found = {name: Export(f, tmp_path / "a.csv").total for name, (f, _) in totals.items()}
    assert found == {name: total for name, (_, total) in totals.items()}


@pytest.mark.parametrize("how", ["files", "filesystem", "union"])
@pytest.mark.parametrize("change", ["another", "removed"])
def test_files_of_a_dataset_that_change_meanwhile_are_told(
    how: str, change: str, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("1.parquet", "2.parquet"):
        pq.write_table(TABLE, folder / name)
    dataset = ds.dataset(folder)
    if how == "filesystem":
        dataset = ds.dataset("in", filesystem=SubTreeFileSystem(str(tmp_path), LocalFileSystem()))
    elif how == "union":
        dataset = ds.dataset([dataset, ds.dataset(TABLE)])
    path = tmp_path / "a.csv"
    rows = sum(batch.num_rows for batch in find_kind(dataset).read(dataset, "text", {}).batches())
    assert Export(dataset, path).run(Progress()).rows == rows >= 6
    source = find_kind(dataset).read(dataset, "text", {})
    list(source.batches())
    source.check()
    if change == "another":
        pq.write_table(TABLE.slice(1), folder / "2.parquet")
    else:
        (folder / "2.parquet").unlink()
    with pytest.raises(SourceChangedError, match=r"2\.parquet"):
        source.check()


def test_a_filter_of_a_dataset_is_kept(tmp_path: Path) -> None:
    frame = ds.dataset(TABLE).filter(ds.field("a") > 1)
    assert write(frame, tmp_path / "a.csv").read_text() == "a,b\n2,\n3,z\n"
    frame = ds.dataset(TABLE).scanner(columns={"twice": ds.field("a") + ds.field("a")})
    assert write(frame, tmp_path / "a.csv").read_text() == "twice\n2\n4\n6\n"


def test_a_scanner_of_a_stream_is_not_half_written_the_second_time(tmp_path: Path) -> None:
    scanner = ds.Scanner.from_batches(TABLE.to_reader())
    write(scanner, tmp_path / "a.csv")
    with pytest.raises(SourceError, match="already scanned"):
        write(scanner, tmp_path / "b.csv")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.csv"]


QUERIES: dict[str, Callable[[], Any]] = {
    "duckdb": lambda: duckdb.connect().sql("select range a, range * 2 b from range(100000000000)"),
    "datafusion": lambda: datafusion.SessionContext().sql(
        "select value a, value * 2 b from generate_series(1, 100000000000)"
    ),
    "polars": lambda: pl.LazyFrame({"a": range(100_000)}).join(
        pl.LazyFrame({"b": range(1_000_000)}), how="cross"
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_too_large_for_any_memory_is_streamed(name: str, tmp_path: Path) -> None:
    progress = Progress()

    def checkpoint() -> None:
        if progress.rows > 200_000:
            raise ExportCancelledError("enough")

    progress.checkpoint = checkpoint
    with pytest.raises(ExportCancelledError):
        Export(QUERIES[name](), tmp_path / "a.csv").run(progress)
    assert list(tmp_path.iterdir()) == []


def test_a_relation_leaves_its_connection_free_until_it_is_read(tmp_path: Path) -> None:
    connection = duckdb.connect()
    export = Export(connection.sql("select 7 a"), tmp_path / "a.csv")
    assert connection.execute("select 8").fetchall() == [(8,)]
    assert export.run(Progress()).path.read_text() == "a\n7\n"
    assert connection.execute("select 9").fetchall() == [(9,)]


def test_bit_strings_and_long_integers_of_duckdb_are_their_digits(tmp_path: Path) -> None:
    connection = duckdb.connect()
    digits = "123456789012345678901234567890123456789012345"
    query = f"""select '0101'::bit "a""b", '{digits}'::bignum c, 7 d"""
    for number, frame in enumerate([connection.sql(query), sql(query, connection)]):
        Export(frame, tmp_path / f"{number}.parquet").run(Progress())
        read = pq.read_table(tmp_path / f"{number}.parquet").to_pylist()
        assert read == [{'a"b': "0101", "c": digits, "d": 7}]


def test_a_relation_without_its_connection_is_refused(tmp_path: Path) -> None:
    connection = duckdb.connect()
    relation = connection.sql("select 7 a")
    connection.close()
    with pytest.raises(SourceError, match=r"closed(.|\n)*connection\.cursor"):
        Export(relation, tmp_path / "a.csv")


def test_a_query_that_fails_midway_is_a_failure_of_the_source(tmp_path: Path) -> None:
    relation = duckdb.connect().sql(
        "select case when range < 100000 then 1 else error('boom') end a from range(200000)"
    )
    with pytest.raises(SourceError, match="boom"):
        write(relation, tmp_path / "a.csv")


def test_an_ibis_table_of_no_backend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="unbound"):
        Export(ibis.table({"a": "int64"}, name="nowhere"), tmp_path / "a.csv")


def test_an_ibis_column_is_a_table_of_one(tmp_path: Path) -> None:
    assert write(in_ibis(TABLE).b, tmp_path / "a.csv").read_text() == 'b\nx\n""\nz\n'


def test_series_are_frames_of_one_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for name, column in {"n": "n", None: "value"}.items():
        series = pd.Series([1.5, None], index=["x", "y"], name=name)
        text = write(series, path).read_text()
        assert text == series.to_csv(header=[column])
        assert write(series, path, index=False).read_text() == f'{column}\n1.5\n""\n'
        parquet = write(series, tmp_path / "a.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(parquet), series.to_frame(column))
        assert write(pl.Series(name, [1, 2]), path).read_text() == f"{column}\n1\n2\n"
    assert write(pl.Series("e", [], pl.Int64), path).read_text() == "e\n"


def test_later_changes_of_a_series_do_not_reach_the_file(tmp_path: Path) -> None:
    theirs, ours = pd.Series([1, 2], name="n"), pl.Series("n", [1, 2])
    first = Export(theirs, tmp_path / "a.csv", options={"index": False})
    second = Export(ours, tmp_path / "b.csv")
    theirs.iloc[0] = ours[0] = 99
    for export in (first, second):
        assert export.run(Progress()).path.read_text() == "n\n1\n2\n"


ARRAYS: dict[str, tuple[Any, str]] = {
    "one dimension": (np.arange(2), "value\n0\n1\n"),
    "two": (np.arange(4.0).reshape(2, 2), "0,1\n0.0,1.0\n2.0,3.0\n"),
    "fortran": (np.asfortranarray(np.arange(4).reshape(2, 2)), "0,1\n0,1\n2,3\n"),
    "strided": (np.arange(8).reshape(4, 2)[::-2], "0,1\n6,7\n2,3\n"),
    "no rows": (np.zeros((0, 2)), "0,1\n"),
    "fields": (
        np.array([(1, 2.5, "x")], [("n", ">i4"), ("f", "f8"), ("t", "U3")]),
        "n,f,t\n1,2.5,x\n",
    ),
    "nested fields": (
        np.array([((1, 2), [3, 4])], [("p", [("x", "i4"), ("y", "i4")]), ("l", "i8", (2,))]),
        'p,l\n"{""x"":1,""y"":2}","[3,4]"\n',
    ),
    "objects": (np.array([["a", 1], [None, 2]], object), "0,1\na,1\n,2\n"),
    "masked": (
        np.ma.array([[1, 2], [3, 4]], mask=[[False, True], [False, False]]),
        "0,1\n1,\n3,4\n",
    ),
    "months": (np.array([["2020-02", "NaT"]], "M8[M]"), "0,1\n2020-02-01,\n"),
    "ten minutes": (np.array([3], "m8[10m]"), "value\nPT30M\n"),
    "NUL within a text": (np.array([["a\0b", "c"]]), "0,1\na\0b,c\n"),
    "NUL within bytes": (np.array([b"a\0b", b"c"])[::-1], "value\nYw==\nYQBi\n"),
    "no signs": (np.array(["", ""]), 'value\n""\n""\n'),
    "any length": (np.array(["a", "bcd"], np.dtypes.StringDType()), "value\na\nbcd\n"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str, tmp_path: Path) -> None:
    array, text = ARRAYS[name]
    assert write(array, tmp_path / "a.csv").read_text() == text
    table = pq.read_table(write(array, tmp_path / "a.parquet"))
    assert table.num_rows == len(array)
    assert table.column_names == text.partition("\n")[0].split(",")


def test_missing_and_undefined_numbers_of_arrays_differ(tmp_path: Path) -> None:
    array = np.ma.array([1.0, np.nan, 3.0], mask=[True, False, False])
    table = pq.read_table(write(array, tmp_path / "a.parquet"))
    assert table["value"].is_null().to_pylist() == [True, False, False]


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((2, 2, 2)), UnsupportedSourceError, r"shape \(2, 2, 2\)"),
        (np.array(1), UnsupportedSourceError, r"shape \(\)"),
        (np.zeros((2, 2), [("a", "i4")]), UnsupportedSourceError, r"shape \(2, 2\)"),
        (np.array([1j]), ColumnError, "'value' of type complex128"),
        (np.array([["a", 1], [2, 2]], object), ColumnError, "'0'.*text in row 0, number in row 1"),
    ],
)
def test_arrays_that_are_no_tables(
    array: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        Export(array, tmp_path / "a.csv")


@pytest.mark.parametrize("view", ["whole", "strided", "fortran", "fields", "masked"])
def test_an_array_that_changes_meanwhile_is_not_published(view: str, tmp_path: Path) -> None:
    whole = np.zeros((400_000, 3))
    views: dict[str, Callable[[], Any]] = {
        "whole": lambda: whole,
        "strided": lambda: whole[::2, ::2],
        "fortran": lambda: np.asfortranarray(whole),
        "fields": lambda: np.zeros(400_000, [("a", "f8"), ("b", "U2")]),
        "masked": lambda: np.ma.array(whole, mask=whole > 1),
    }
    array = views[view]()
    progress = Progress()
    changed: list[int] = []

    def checkpoint() -> None:
        if progress.read and not changed:
            changed.append(1)
            array[-1] = np.ma.masked if view == "masked" else ((1, "x") if view == "fields" else 1)

    progress.checkpoint = checkpoint
    with pytest.raises(SourceChangedError, match=r"changed(.|\n)*copy\(\)") as caught:
        Export(array, tmp_path / "a.csv").run(progress)
    assert caught.value.code == "source-changed"
    assert not (tmp_path / "a.csv").exists()
    # What has changed before the reading begins is of one moment.
    assert Export(array, tmp_path / "a.csv").run(Progress()).rows == len(array)


def test_batches_of_arrays_are_bounded_by_rows_and_by_bytes() -> None:
    narrow = np.zeros(200_000)
    source = find_kind(narrow).read(narrow, "text", {})
    assert max(batch.num_rows for batch in source.batches()) == BATCH_ROWS
    wide = np.full((6_000, 3), "x" * 1_000)
    source = find_kind(wide).read(wide, "text", {})
    sizes = [batch.nbytes for batch in source.batches()]
    assert len(sizes) > 1
    assert max(sizes[1:]) < 20 * 2**20


def test_no_library_is_imported_to_find_a_kind() -> None:
    code = """
import sys
from progresswidget.export.sources import find_kind, KINDS
before = set(sys.modules)
for frame in ([{"a": 1}], iter(()), object()):
    try:
        find_kind(frame)
    except TypeError:
        pass
names = {"pandas", "polars", "duckdb", "ibis", "datafusion", "pyarrow.dataset", "sqlalchemy"}
print(sorted(names & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("frame", [3, object(), {1, 2}, dict, pl.DataFrame, [3], [[1]]])
def test_what_is_no_frame_is_told_what_is(frame: object) -> None:
    with pytest.raises(UnsupportedSourceError, match="is no frame") as caught:
        find_kind(frame)
    for kind in (*KINDS, *general_kinds()):
        assert kind.name in caught.value.hint


def of_width(width: int, count: int, rows: int = 2_048) -> list[pa.RecordBatch]:
    texts = [f"{number:0{width}}" for number in range(rows * count)]
    table = pa.table({"t": texts})
    return [table.slice(at * rows, rows).to_batches()[0] for at in range(count)]


def test_batches_of_narrow_rows_are_joined_once_their_width_is_known() -> None:
    batches = of_width(8, 10)
    found = list(joined(batches))
    assert [batch.num_rows for batch in found] == [2_048, QUERY_ROWS, QUERY_ROWS, 2_048]
    assert pa.Table.from_batches(found).equals(pa.Table.from_batches(batches))


def test_batches_of_wide_rows_are_passed_on_as_they_come() -> None:
    batches = of_width(600, 5)
    assert all(one is other for one, other in zip(joined(batches), batches, strict=True))
    # 300 bytes a row: one and a half of them are a megabyte.
    assert [batch.num_rows for batch in joined(of_width(300, 5))] == [2_048, 4_096, 4_096]


@pytest.mark.parametrize(
    "select",
    [
        "('w' || i % 3)::ENUM ('w0', 'w1', 'w2')",
        "CASE WHEN i % 2 = 0 THEN union_value(a := i::INT)::UNION(a INT, b VARCHAR) END",
        "[i, NULL]",
        "{'a': i, 'b': [i::VARCHAR]}",
        "MAP {i::VARCHAR: i}",
        "[i, i + 1]::BIGINT[2]",
        "uuid()",
        "NULL",
        "i::HUGEINT",
        "to_days(i::INT)",
    ],
)
def test_batches_of_any_type_of_duckdb_are_joined(select: str) -> None:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE t AS SELECT i, {select} AS v FROM range(12_000) r(i)")
    query = connection.sql("SELECT * FROM t ORDER BY i")
    expected = pa.Table.from_batches(query.to_arrow_reader(2_048))
    batches = list(joined(query.to_arrow_reader(2_048)))
    assert [batch.num_rows for batch in batches[:2]] == [2_048, QUERY_ROWS]
    assert pa.Table.from_batches(batches).to_pydict() == expected.to_pydict()


def test_batches_of_any_type_of_polars_are_joined() -> None:
    frame = pl.DataFrame(
        {
            "short": pl.Series([f"{i}" for i in range(12_000)]),
            "long": pl.Series([f"{i:030}" for i in range(12_000)]),
            "word": pl.Series([f"w{i % 3}" for i in range(12_000)], dtype=pl.Categorical),
            "enum": pl.Series(
                [f"w{i % 3}" for i in range(12_000)], dtype=pl.Enum(["w2", "w0", "w1"])
            ),
            "list": pl.Series([[f"{i}"] for i in range(12_000)]),
        }
    )
    batches = [
        batch
        for part in frame.iter_slices(2_000)
        for batch in pa.RecordBatchReader.from_stream(part)
    ]
    found = list(joined(batches))
    assert len(found) < len(batches)
    assert pl.from_arrow(pa.Table.from_batches(found)).equals(frame)


def folder(path: Path) -> str:
    (path / "y=1").mkdir(parents=True)
    (path / "y=2").mkdir()
    pq.write_table(TABLE, path / "y=1" / "0.parquet", row_group_size=2)
    pq.write_table(TABLE.select(["b"]), path / "y=2" / "1.parquet")
    return str(path)


def some_groups(path: str, ids: list[int]) -> ds.Dataset:
    whole = ds.dataset(f"{path}/y=1")
    chosen = [fragment.subset(row_group_ids=ids) for fragment in whole.get_fragments()]
    return ds.FileSystemDataset(chosen, whole.schema, whole.format, whole.filesystem)


@pytest.mark.parametrize(
    "make",
    [
        ds.dataset,
        lambda path: ds.dataset(path, partitioning="hive"),
        lambda path: ds.dataset(path, format=ds.ParquetFileFormat(dictionary_columns=["b"])),
        lambda path: ds.dataset(path, schema=pa.schema({"b": pa.large_string(), "c": pa.int8()})),
        lambda path: ds.dataset(path).filter(ds.field("a") > 1),
        lambda path: ds.dataset(path, schema=pa.schema([])),
        lambda path: ds.dataset(f"{path}/y=1"),
        lambda path: ds.dataset(f"{path}/y=1").replace_schema(pa.schema({"b": pa.string()})),
        lambda path: some_groups(path, [1]),
        lambda path: some_groups(path, [1, 0]),
    ],
    ids=[
        "mixed",
        "hive",
        "words",
        "cast",
        "filter",
        "no columns",
        "plain",
        "fewer columns",
        "a group",
        "groups turned",
    ],
)
def test_the_rows_of_a_dataset_are_those_of_its_scanner(
    make: Callable[[str], Any], tmp_path: Path
) -> None:
    dataset = make(folder(tmp_path / "d"))
    source = find_kind(dataset).read(dataset, "columnar", {})
    assert source.schema.equals(dataset.schema, check_metadata=True)
    found = pa.Table.from_batches(source.batches(), dataset.schema)
    assert found.equals(dataset.to_table(), check_metadata=True)
    assert source.total in {None, found.num_rows}
    source.check()


def test_batches_of_a_dataset_of_wide_rows_are_small(tmp_path: Path) -> None:
    table = pa.table({"t": [f"{number:02000}" for number in range(4_000)]})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False)
    dataset = ds.dataset(tmp_path)
    batches = list(find_kind(dataset).read(dataset, "columnar", {}).batches())
    assert max(batch.num_rows for batch in batches) <= 2**21 // 2_000
    assert pa.Table.from_batches(batches).equals(table)

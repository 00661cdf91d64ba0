"""Files that an engine reads by itself, and that become others while their rows are exported."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import datafusion
import duckdb
import ibis
import polars as pl
import pyarrow as pa
import pytest

from progresswidget.errors import SourceChangedError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sources import datafusion_files, duckdb_files, find_kind, lazy_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FRAME = pl.DataFrame({"n": range(100), "t": ["a"] * 100})
MANY = 12
"""More files than an engine shows of a plan."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two files of each format and one of many, whose names are odd."""
    folder = tmp_path / "in, put"
    folder.mkdir()
    for name in ("1", "2"):
        FRAME.write_parquet(folder / f"{name}.parquet")
        FRAME.write_csv(folder / f"{name}.csv")
        FRAME.write_ndjson(folder / f"{name}.ndjson")
        FRAME.write_ipc(folder / f"{name}.arrow")
    (folder / "many").mkdir()
    for number in range(MANY):
        FRAME.write_parquet(folder / "many" / f"{number}, x.parquet")
        FRAME.write_ipc(folder / "many" / f"{number} x.arrow")
    (folder / "one").mkdir()
    FRAME.write_ipc(folder / "one" / "3.arrow")
    return folder


def duckdb_view(folder: Path) -> Any:
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW inner_one AS SELECT * FROM '{folder}/1.parquet'")
    connection.execute('CREATE TEMP VIEW "so AS it" (n, x) AS SELECT n, t FROM inner_one')
    return connection.sql('SELECT * FROM "so AS it" JOIN range(100) AS r(n) USING (n)')


def duckdb_list(folder: Path) -> Any:
    files = [str(folder / f"{name}.csv") for name in ("1", "2")]
    return duckdb.connect().read_csv(files).filter("n > 1")


def duckdb_several(folder: Path) -> Any:
    return duckdb.connect().sql(
        f"SELECT n FROM read_json('{folder}/1.ndjson') WHERE n IN "
        f"(WITH p AS (FROM read_parquet('{folder}/*.parquet')) SELECT n FROM p) "
        f"UNION ALL SELECT n FROM '{folder}/2.csv'"
    )


def datafusion_several(folder: Path) -> Any:
    context = datafusion.SessionContext()
    context.register_parquet("p", str(folder / "1.parquet"))
    context.register_csv("c", str(folder / "1.csv"))
    return context.sql("SELECT p.n FROM p JOIN c ON p.n = c.n")


def datafusion_beside_memory(folder: Path) -> Any:
    context = datafusion.SessionContext()
    frame = context.read_csv(str(folder / "2.csv"))
    return frame.select("n").union(context.from_pydict({"n": [1]}))


def plan_of_several(folder: Path) -> Any:
    several = [
        pl.scan_csv(folder / "*.csv"),
        pl.scan_ndjson(folder / "2.ndjson"),
        pl.scan_parquet(folder / "1.parquet"),
        pl.scan_ipc(folder / "1.arrow"),
        FRAME.lazy(),
    ]
    return pl.concat([each.select("n") for each in several])


SOURCES: dict[str, tuple[Callable[[Path], Any], set[str]]] = {
    "duckdb, view": (duckdb_view, {"1.parquet"}),
    "duckdb, list": (duckdb_list, {"1.csv", "2.csv"}),
    "duckdb, several": (duckdb_several, {"1.ndjson", "1.parquet", "2.parquet", "2.csv"}),
    "datafusion": (datafusion_several, {"1.parquet", "1.csv"}),
    "datafusion, beside memory": (datafusion_beside_memory, {"2.csv"}),
    "datafusion, many": (
        lambda folder: datafusion.SessionContext().read_parquet(f"{folder}/many/"),
        {f"{number}, x.parquet" for number in range(MANY)},
    ),
    "polars": (plan_of_several, {"1.csv", "2.csv", "2.ndjson", "1.parquet", "1.arrow"}),
    "polars, many": (
        lambda folder: pl.scan_ipc(folder / "many" / "*.arrow"),
        {f"{number} x.arrow" for number in range(MANY)},
    ),
    "polars, list": (
        lambda folder: pl.scan_ipc([folder / "many" / f"{number} x.arrow" for number in range(8)]),
        {f"{number} x.arrow" for number in range(8)},
    ),
    "polars, folder": (
        lambda folder: pl.scan_ipc(folder / "one"),
        {"3.arrow"},
    ),
    "ibis on duckdb": (
        lambda folder: ibis.duckdb.connect().read_parquet(f"{folder}/[12].parquet"),
        {"1.parquet", "2.parquet"},
    ),
    "ibis on polars": (
        lambda folder: ibis.polars.connect().read_csv(folder / "1.csv").limit(50),
        {"1.csv"},
    ),
}


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis calls it
@pytest.mark.parametrize("name", SOURCES)
def test_files_that_change_meanwhile_are_told(name: str, folder: Path) -> None:
    make, files = SOURCES[name]
    frame = make(folder)
    source = find_kind(frame).read(frame, "columnar", {})
    assert sum(batch.num_rows for batch in source.batches()) > 0
    told = [path for path in folder.rglob("*") if path.name in files]
    assert len(told) == len(files)
    for path in told:
        batches = source.batches()
        next(batches)
        os.utime(path, ns=(1, 1))
        with pytest.raises(SourceChangedError, match=re.escape(path.name)):
            list(batches)
        os.utime(path)


def test_what_an_engine_does_not_tell_is_read_all_the_same() -> None:
    assert lazy_files.files_of(pl.LazyFrame({"a": [1]})) == []
    assert lazy_files.files_of(pl.LazyFrame({"a": [1]}).map_batches(lambda frame: frame)) == []
    assert datafusion_files.files_of(datafusion.SessionContext().from_pydict({"a": [1]})) == []
    assert duckdb_files.files_of(duckdb.connect().sql("FROM range(5)")) == []
    assert duckdb_files.files_of(object()) == datafusion_files.files_of(object()) == []


def test_looking_for_views_reads_nothing_of_a_stream() -> None:
    connection = duckdb.connect()
    connection.register("stream", pa.table({"n": [1, 2]}).to_reader())
    relation = connection.sql("FROM stream")
    assert duckdb_files.files_of(relation) == []
    assert relation.fetchall() == [(1,), (2,)]


def test_a_value_that_is_called_like_a_file_is_none(folder: Path) -> None:
    relation = duckdb.connect().sql(f"SELECT '{folder}/1.csv' AS name, n FROM '{folder}/2.csv'")
    assert duckdb_files.files_of(relation) == [f"{folder}/2.csv"]


def test_rows_of_two_moments_get_no_name(tmp_path: Path) -> None:
    given, path, progress = tmp_path / "in.csv", tmp_path / "out.csv", Progress()
    pl.select(n=pl.int_range(400_000)).write_csv(given)
    relation = duckdb.connect().sql(f"FROM '{given}'")
    assert Export(relation, path).run(Progress()).rows == 400_000
    before = path.stat()

    def change() -> None:
        if progress.read:
            os.utime(given, ns=(1, 1))

    progress.checkpoint = change
    with pytest.raises(SourceChangedError, match=r"in\.csv"):
        Export(relation, path, options={"header": False}).run(progress)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

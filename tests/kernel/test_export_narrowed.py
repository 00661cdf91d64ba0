"""Some of a frame: columns by name, rows by SQL; from every kind of source, and as a stream."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import progresswidget as pw
from progresswidget.export.sources.narrowed import query_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = {"id": [1, 2, 3, 4], "name": ["a", "b", None, "d"], "price": [1.5, 20.0, 30.0, 4.0]}


def rows() -> Iterator[dict[str, Any]]:
    for values in zip(*DATA.values(), strict=True):
        yield dict(zip(DATA, values, strict=True))


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE table_ AS SELECT * FROM (VALUES (1, 'a', 1.5::DOUBLE), (2, 'b', 20.0), "
        "(3, NULL, 30.0), (4, 'd', 4.0)) t(id, name, price)"
    )
    return connection


def _file(folder: Path) -> str:
    pq.write_table(pa.table(DATA), folder / "in.parquet")
    return str(folder / "in.parquet")


SOURCES = {
    "pandas": lambda _: pd.DataFrame(DATA),
    "polars": lambda _: pl.DataFrame(DATA),
    "lazy": lambda _: pl.LazyFrame(DATA),
    "arrow": lambda _: pa.table(DATA),
    "reader": lambda _: pa.table(DATA).to_reader(),
    "duckdb": lambda _: duckdb.sql("SELECT * FROM table_", connection=_connection()),
    "rows": lambda _: list(rows()),
    "generator": lambda _: rows(),
    "callable": lambda _: lambda: pl.DataFrame(DATA),
    "file": _file,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_columns_and_rows_of_every_kind_of_source(kind: str, tmp_path: Path) -> None:
    frame = SOURCES[kind](tmp_path)
    path = tmp_path / "out.csv"
    job = pw.export(frame, path, columns=["price", "id"], where="price > 3 AND name IS NOT NULL")
    assert path.read_text() == "price,id\n20.0,2\n4.0,4\n"
    assert (job.rows, job.columns) == (2, 2)


@pytest.mark.parametrize("kind", SOURCES)
def test_columns_alone_keep_the_total(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    job = pw.export(SOURCES[kind](tmp_path), path, columns=["name"])
    assert path.read_text() == 'name\na\nb\n""\nd\n'
    assert job.rows == 4


@pytest.mark.parametrize(
    ("where", "query"),
    [
        ("price > 10", "SELECT * FROM data WHERE price > 10"),
        ("WHERE price > 10", "SELECT * FROM data WHERE price > 10"),
        ("order by id desc", "SELECT * FROM data order by id desc"),
        ("limit 5", "SELECT * FROM data limit 5"),
        ("select id from data", "select id from data"),
        ("\n WITH a AS (SELECT 1) SELECT * FROM a", "\n WITH a AS (SELECT 1) SELECT * FROM a"),
        ("selected", "SELECT * FROM data WHERE selected"),
    ],
)
def test_a_condition_a_clause_or_a_whole_query(where: str, query: str) -> None:
    assert query_of(where) == query


def test_a_whole_query_has_columns_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    query = "SELECT upper(name) AS n, count(*) AS c FROM data WHERE id < 3 GROUP BY 1 ORDER BY 1"
    pw.export(pl.DataFrame(DATA), path, where=query)
    assert path.read_text() == "n,c\nA,1\nB,1\n"


def test_columns_keep_their_names_where_duckdb_would_give_others(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    pw.export(pa.table([[1, 2], [3, 4], [5, 6]], ["a", "A", "a"]), path, where="a > 1;")
    assert path.read_text() == "a,A,a\n2,4,6\n"
    pw.export(pl.DataFrame({"a": [1, 2], "A": [3, 4]}), path, where="a > 1", columns=["A"])
    assert path.read_text() == "A\n4\n"


def test_many_rows_keep_their_order_and_stream(tmp_path: Path) -> None:
    numbers = np.arange(500_000)
    path = tmp_path / "out.parquet"
    pw.export(pd.DataFrame({"n": numbers}), path, where="n % 2 = 0")
    assert pq.read_table(path)["n"].to_numpy().tolist() == numbers[::2].tolist()


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"columns": ["none"]}, pw.ColumnError, "'none'"),
        ({"columns": "id"}, pw.OptionError, "list"),
        ({"columns": []}, pw.OptionError, "at least one"),
        ({"columns": ["id", "id"]}, pw.OptionError, "once"),
        ({"where": "price >"}, pw.OptionError, "SQL"),
        ({"where": "nothing = 1"}, pw.OptionError, "nothing"),
        ({"where": 5}, pw.OptionError, "text"),
        ({"where": "price > 1; SELECT 5 AS x"}, pw.OptionError, "one statement"),
        ({"where": "SELECT * FROM read_csv('/etc/passwd')"}, pw.OptionError, "SQL"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    options: dict[str, Any], error: type[Exception], word: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=word):
        pw.export(pl.DataFrame(DATA), tmp_path / "out.csv", **options)
    assert not list(tmp_path.iterdir())


def test_several_frames_are_not_narrowed(tmp_path: Path) -> None:
    frames = {"a": pl.DataFrame(DATA), "b": pl.DataFrame(DATA)}
    with pytest.raises(pw.OptionError, match="one frame"):
        pw.export(frames, tmp_path / "out.xlsx", columns=["id"])


def test_a_stream_that_was_narrowed_has_been_read(tmp_path: Path) -> None:
    reader = pa.table(DATA).to_reader()
    pw.export(reader, tmp_path / "out.csv", columns=["id"])
    with pytest.raises(pw.SourceError, match="read"):
        pw.export(reader, tmp_path / "again.csv", columns=["id"])


def test_without_duckdb_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(pw.MissingExtraError, match="duckdb") as caught:
        pw.export(pl.DataFrame(DATA), tmp_path / "out.csv", where="id = 1")
    assert caught.value.extra == "duckdb"


def test_the_same_call_again_writes_nothing_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    first = pw.export(pl.DataFrame(DATA), path, where="id > 1", columns=["id"])
    again = pw.export(pl.DataFrame(DATA), path, where="id > 1", columns=["id"])
    assert (first.reused, again.reused) == (0, 3)
    assert again.sha256 == first.sha256

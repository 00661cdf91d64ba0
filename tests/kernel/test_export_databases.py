"""SQLite and DuckDB database files, read by their own libraries."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from progresswidget.errors import (
    ColumnError,
    ExportCancelledError,
    OptionError,
    UnsupportedSourceError,
)
from progresswidget.export.formats import FORMATS
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers import Heading

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.export.writers import Writer

ENDINGS = ("sqlite", "duckdb")
ROWS = 150_000


def ask(path: Path, question: str) -> list[tuple[Any, ...]]:
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as database:
            return database.execute(question).fetchall()
    with closing(sqlite3.connect(path)) as lite:
        return lite.execute(question).fetchall()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_frame_is_a_table_named_after_its_file(ending: str, tmp_path: Path) -> None:
    table = pa.table({"n": list(range(ROWS)), "t": [f"x{row}" for row in range(ROWS)]})
    result = Export(table, tmp_path / f"two words.{ending}").run(Progress())
    rows = ask(result.path, 'SELECT n, t FROM "two words"')
    assert rows == list(zip(range(ROWS), table["t"].to_pylist(), strict=True))
    assert list(tmp_path.iterdir()) == [result.path]
    data = result.path.read_bytes()
    assert (result.bytes, result.rows) == (len(data), ROWS)
    assert result.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("ending", ENDINGS)
def test_several_frames_are_several_tables(ending: str, tmp_path: Path) -> None:
    frames = {'a "b"': pa.table({"x; y": [1]}), "none": pa.table({"z": pa.array([], pa.int8())})}
    path = Export(frames, tmp_path / f"t.{ending}").run(Progress()).path
    assert ask(path, 'SELECT "x; y" FROM "a ""b"""') == [(1,)]
    assert ask(path, 'SELECT z FROM "none"') == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_database_that_is_exported_again_is_kept_or_written_anew(
    ending: str, tmp_path: Path
) -> None:
    def export(*rows: int) -> tuple[int, list[tuple[Any, ...]]]:
        frames = {"empty": pa.table({"z": pa.array([], pa.int8())}), "t": pa.table({"n": rows})}
        result = Export(frames, tmp_path / f"t.{ending}").run(Progress())
        return result.reused, ask(result.path, "SELECT n FROM t ORDER BY n")

    assert export(1, 2, 3) == (0, [(1,), (2,), (3,)])
    assert export(1, 2, 3) == (3, [(1,), (2,), (3,)])
    assert export(1, 2, 4) == (0, [(1,), (2,), (4,)])
    assert export(1, 2) == (0, [(1,), (2,)])
    assert export(1, 2, 4, 5) == (0, [(1,), (2,), (4,), (5,)])
    assert list(tmp_path.iterdir()) == [tmp_path / f"t.{ending}"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_table_may_have_another_name(ending: str, tmp_path: Path) -> None:
    table = pa.table({"x": [1]})
    path = Export(table, tmp_path / f"t.{ending}", options={"table": "mine"}).run(Progress()).path
    assert ask(path, "SELECT x FROM mine") == [(1,)]
    with pytest.raises(OptionError, match="a single frame"):
        Export({"a": table, "b": table}, tmp_path / f"t.{ending}", options={"table": "mine"})


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_that_sql_cannot_tell_apart_are_refused(ending: str, tmp_path: Path) -> None:
    path, table = tmp_path / f"t.{ending}", pa.table({"x": [1]})
    with pytest.raises(UnsupportedSourceError, match="two tables with the name 'A'"):
        Export({"a": table, "A": table}, path)
    with pytest.raises(UnsupportedSourceError, match="''"):
        Export({"": table}, path)
    with pytest.raises(ColumnError, match="two columns with the name 'X'"):
        Export(pa.table({"x": [1], "X": [1]}), path)
    with pytest.raises(ColumnError, match="no columns"):
        Export(pa.table({}), path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_cancelled_export_leaves_nothing(ending: str, tmp_path: Path) -> None:
    progress = Progress()

    def cancel() -> None:
        if progress.rows:
            raise ExportCancelledError("enough")

    progress.checkpoint = cancel
    export = Export(pa.table({"n": list(range(ROWS * 2))}), tmp_path / f"t.{ending}")
    with pytest.raises(ExportCancelledError):
        export.run(progress)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
import pyarrow as pa
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

def die():
    if progress.rows:
        os.kill(os.getpid(), signal.SIGKILL)

progress = Progress(checkpoint=die)
Export(pa.table({"n": range(300_000)}), sys.argv[1]).run(progress)
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_the_engine_of_a_killed_export_has_left_goes_with_its_part(
    ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"t.{ending}"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=120)
    left = {each.name for each in tmp_path.iterdir()}
    assert any(name.endswith(".part") for name in left)
    assert any(name.endswith(".part.wal") for name in left) == (ending == "duckdb")
    Export(pa.table({"n": [1]}), path).run(Progress())
    assert list(tmp_path.iterdir()) == [path]


def test_an_integer_that_sqlite_cannot_hold_is_named(tmp_path: Path) -> None:
    values = pa.array([0] * 70_000 + [2**63], pa.uint64())
    with pytest.raises(ColumnError, match="'u' has 9223372036854775808 in row 70,000"):
        Export(pa.table({"u": values}), tmp_path / "t.sqlite").run(Progress())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_closing_waits_for_a_unit_that_is_being_written(ending: str, tmp_path: Path) -> None:
    table = pa.table({"n": list(range(ROWS))})
    format = FORMATS[ending]  # noqa: A001 - the field's own name
    for turn in range(5):
        path = tmp_path / f"{turn}.{ending}"
        path.touch()
        writer = format.make([Heading("t", table.schema)], {"table": None})
        writer.attach(path)
        writer.begin(0, 0)
        begun = Event()

        def encode(writer: Writer = writer, begun: Event = begun) -> None:
            begun.set()
            with suppress(RuntimeError):  # closed before the first statement
                for batch in table.to_batches(max_chunksize=10_000):
                    writer.encode([batch], 0, 0)

        thread = Thread(target=encode)
        thread.start()
        begun.wait()
        writer.close()
        thread.join()
        assert [each.name for each in tmp_path.iterdir()] == [path.name]
        path.unlink()

"""Digests that are taken behind the writer, and what counts as committed until they are there."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from progresswidget.errors import ExportCancelledError
from progresswidget.export import behind, finished, journal, units
from progresswidget.export.behind import Behind
from progresswidget.export.digest import rows_digest
from progresswidget.export.ledger import Ledger
from progresswidget.export.parts import journal_path
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sources import Source, find_kind
from progresswidget.export.units import Unit
from progresswidget.export.writers import Encoded, Placed
from progresswidget.export.writers.csv import CsvWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from progresswidget.export.result import Result

UNIT = CsvWriter.unit_rows
ROWS = 6 * UNIT
LONG = 3_600.0
SECONDS = 60.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let digests wait until the end, or until there is nothing else to do."""
    monkeypatch.setattr(behind, "LIMIT", LONG)


def table(rows: int = ROWS) -> pa.Table:
    return pa.table({"n": range(rows), "t": [f"row {n % 977}" for n in range(rows)]})


def run(frame: object, path: Path) -> Result:
    return Export(frame, path).run(Progress())


def test_a_digest_waits_as_long_as_it_may() -> None:
    now = [0.0]
    digests = Behind(2.0, lambda: now[0])
    first = digests.put(lambda: b"first")
    now[0] = 1.9
    second = digests.put(lambda: b"second")
    assert not first.done()
    now[0] = 2.0
    assert first.result(SECONDS) == b"first"
    assert not second.done()
    digests.stop()
    digests.join()
    assert second.cancelled()


def test_after_the_stop_no_thread_is_begun_for_what_comes_late() -> None:
    before = threading.active_count()
    digests = Behind(LONG)
    digests.stop()
    assert digests.put(lambda: b"late").cancelled()
    assert threading.active_count() == before


def test_a_digest_is_taken_when_there_is_time() -> None:
    digests = Behind(LONG, start=0)
    told = digests.put(lambda: b"told")
    digests.idle = lambda: True
    assert told.result(SECONDS) == b"told"
    digests.end()
    digests.join()


def test_no_digest_is_taken_in_the_first_moment_however_much_time_there_is() -> None:
    now, looks, looked = [0.0], [0], threading.Event()

    def clock() -> float:
        looks[0] += 1
        if looks[0] > 3:  # to begin, to put, to look whether one is due, and once more
            looked.set()
        return now[0]

    digests = Behind(LONG, clock, start=1.0)
    digests.idle = lambda: True
    now[0] = 0.9
    told = digests.put(lambda: b"told")
    assert looked.wait(SECONDS)
    assert not told.done()
    now[0] = 1.0
    assert told.result(SECONDS) == b"told"
    digests.end()
    digests.join()


def test_all_digests_are_taken_at_the_end_also_behind_one_that_fails() -> None:
    digests, ended = Behind(LONG), threading.Event()
    failing = digests.put(lambda: b"%d" % (1 // 0))
    others = [digests.put(lambda: b"x") for _ in range(9)]
    digests.end(ended.set)
    assert ended.wait(SECONDS)
    assert isinstance(failing.exception(), ZeroDivisionError)
    assert [each.result() for each in others] == [b"x"] * 9


def test_where_no_thread_can_be_had_nobody_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    digests = Behind(LONG)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="new thread"):
        digests.put(lambda: b"never")
    digests.stop()
    digests.join()


def test_units_are_committed_in_the_order_of_the_file(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "journal", os.O_RDWR | os.O_CREAT)
    journal.begin(descriptor, "key", "part", "owner", [])
    digests, records, ends = Behind(LONG, start=0), [], []
    ledger = Ledger(descriptor, records, bytes(16), 7, ends.append)
    go_on = threading.Event()

    def slow() -> bytes:
        assert go_on.wait(SECONDS)
        return b"a"

    later = digests.put(slow)
    units = [Unit(5, b"", lambda: Encoded([]), later=later), Unit(5, b"b", lambda: Encoded([]))]
    for place, unit in enumerate(units):
        ledger.add(unit, Placed(0, 5, 10 * place, 10, b""))(b"%d" % place)
    digests.idle = lambda: True
    written = journal.read(descriptor)
    assert written is not None
    assert (written.records, records, ends) == ([], [], [])
    go_on.set()
    digests.end()
    digests.join()
    written = journal.read(descriptor)
    os.close(descriptor)
    assert written is not None
    assert written.records == records
    assert [(each.offset, each.content) for each in records] == [(0, b"0"), (10, b"1")]
    assert ends == [20]
    assert ledger.close()


@pytest.mark.parametrize("fate", ["failed", "given up"])
def test_a_unit_whose_digest_never_comes_is_not_committed_nor_what_is_behind_it(
    fate: str, tmp_path: Path
) -> None:
    descriptor = os.open(tmp_path / "journal", os.O_RDWR | os.O_CREAT)
    ledger = Ledger(descriptor, [], bytes(16), 0, lambda _: None)
    told: Future[bytes] = Future()
    units = Unit(5, b"", lambda: Encoded([]), later=told), Unit(5, b"b", lambda: Encoded([]))
    for place, unit in enumerate(units):
        ledger.add(unit, Placed(0, 5, 10 * place, 10, b""))(b"%d" % place)
    if fate == "failed":
        told.set_exception(MemoryError())
    else:
        told.cancel()
    os.close(descriptor)
    assert (tmp_path / "journal").read_bytes() == b""
    assert not ledger.close()


@pytest.mark.parametrize("late", [False, True], ids=["at once", "behind"])
def test_an_entry_that_cannot_be_made_fails_the_writing_and_is_the_last(
    late: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    (tmp_path / "journal").touch()
    descriptor = os.open(tmp_path / "journal", os.O_RDONLY)  # every write fails
    ends: list[int] = []
    ledger = Ledger(descriptor, [], bytes(16), 0, ends.append)
    told: Future[bytes] | None = Future() if late else None
    first = Unit(5, b"a", lambda: Encoded([]), later=told)
    second = Unit(5, b"b", lambda: Encoded([]))
    written = ledger.add(first, Placed(0, 5, 0, 10, b""))
    if told is None:
        with pytest.raises(OSError, match="Bad file descriptor"):
            written(b"0")
    else:
        written(b"0")
        told.set_result(b"a")
    os.close(descriptor)
    descriptor = os.open(tmp_path / "journal", os.O_RDWR)  # there is room again
    written = ledger.add(second, Placed(0, 5, 10, 10, b""))
    with pytest.raises(OSError, match="Bad file descriptor"):
        written(b"1")
    os.close(descriptor)
    assert (tmp_path / "journal").read_bytes() == b""
    assert ends == []
    assert not ledger.close()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("suffix", ["csv", "ndjson", "parquet", "arrows", "feather", "csv.gz"])
def test_the_next_export_waits_for_what_the_last_one_has_left(suffix: str, tmp_path: Path) -> None:
    frame, path = pl.DataFrame(table()), tmp_path / f"a.{suffix}"
    first = run(frame, path)
    assert list(tmp_path.iterdir()) == [path]
    second = run(frame, path)
    assert second.reused == ROWS
    assert second.sha256 == first.sha256
    changed = run(frame.with_columns(n=pl.when(pl.col("n") < ROWS - 9).then("n")), path)
    assert changed.reused >= ROWS // 2


@pytest.mark.usefixtures("patient")
def test_what_was_written_before_a_stop_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    progress = Progress()

    def stop() -> None:
        if progress.rows >= 2 * UNIT:
            error = ExportCancelledError("stopped")
            error.final = False
            raise error

    progress.checkpoint = stop
    with pytest.raises(ExportCancelledError):
        Export(table(), path).run(progress)
    text = journal_path(path).read_bytes()
    left = journal.parse(text)
    assert left is not None
    assert sum(record.rows for record in left.records) >= UNIT
    again = run(table(), path)
    assert again.reused >= UNIT
    assert again.sha256 == run(table(), tmp_path / "b.csv").sha256


def killed_before_the_last_digests(path: Path, units: int) -> None:
    """Leave in memory what a process leaves that is killed right after a file has its name."""
    known = finished.recall(path)
    assert known is not None
    assert known.whole
    left = replace(known, records=known.records[:units], sha256="", whole=False)
    finished.remember(path, path.stat(), left)


def test_a_file_whose_last_digests_never_came_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    digest = run(table(), path).sha256
    killed_before_the_last_digests(path, 4)
    again = run(table(), path)
    assert (again.reused, again.sha256) == (4 * UNIT, digest)


@pytest.mark.usefixtures("patient")
def test_a_file_is_not_remembered_as_a_whole_before_its_last_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*given: Any) -> None:
        given[3].stop()  # no digest comes any more

    monkeypatch.setattr(finished, "remember_later", die)
    path = tmp_path / "a.csv"
    run(pl.DataFrame(table()), path)
    known = finished.recall(path)
    assert known is not None
    assert (known.whole, len(known.records) < ROWS // UNIT) == (False, True)


def test_a_file_with_more_rows_than_are_known_of_is_no_unchanged_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    run(table(), path).sha256  # noqa: B018 - waits
    killed_before_the_last_digests(path, 4)
    shorter = run(table(4 * UNIT), path)
    assert shorter.sha256 == run(table(4 * UNIT), tmp_path / "b.csv").sha256


@pytest.mark.parametrize("suffix", ["feather", "arrows"])
@pytest.mark.parametrize("seconds", [0.0, LONG])
def test_what_is_gathered_for_the_file_is_hashed_at_once_but_in_the_first_moment(
    suffix: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    at_once: list[int] = []

    def digest(batches: Sequence[pa.RecordBatch]) -> bytes:
        at_once.append(len(batches))
        return rows_digest(batches)

    monkeypatch.setattr(behind.Behind.__init__, "__defaults__", (None, time.monotonic, seconds))
    path, frame = tmp_path / f"a.{suffix}", pl.DataFrame(table())
    with monkeypatch.context() as patched:
        patched.setattr(units, "rows_digest", digest)
        first = run(frame, path)
        assert first.sha256
    assert bool(at_once) == (not seconds)
    assert run(frame, path).reused == ROWS
    changed = frame.with_columns(pl.lit("another text of some length").alias("t"))
    assert run(changed, path).sha256 != first.sha256


def test_texts_made_of_what_numpy_may_write_to_are_hashed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    ends = np.array([100_000, 200_000], np.int32)
    texts = pa.RunEndEncodedArray.from_arrays(pa.array(ends), ["first", "second"])
    frame = pa.table({"t": texts, "u": ["a text"] * 200_000})
    path, progress = tmp_path / "a.arrows", Progress()
    monkeypatch.setattr(units._Crew, "idle", lambda _: False)  # nothing is hashed before the end

    def change() -> None:
        if progress.phase == "finishing":
            ends[0] = 1

    progress.checkpoint = change
    first = Export(frame, path).run(progress).sha256
    assert ends[0] == 1, "after the last row was written"
    assert run(frame, path).sha256 != first


@pytest.mark.parametrize("make", [pa.table, pl.DataFrame])
def test_an_array_of_numpy_that_is_changed_behind_the_writer_is_no_unchanged_one(
    make: Callable[[dict[str, Any]], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    patient: None,
) -> None:
    numbers = np.arange(ROWS)
    frame = make({"n": numbers, "t": [f"row {n % 977}" for n in range(ROWS)]})
    monkeypatch.setattr(units._Crew, "idle", lambda _: False)  # nothing is hashed before the end
    path, progress = tmp_path / "a.csv", Progress()

    def change() -> None:
        if progress.phase == "finishing":
            numbers[:] = 7

    progress.checkpoint = change
    first = Export(frame, path).run(progress).sha256
    assert numbers[0] == 7, "after the last row was written"
    changed = run(frame, tmp_path / "b.csv").sha256
    assert run(frame, path).sha256 == changed
    assert make is pl.DataFrame or changed != first


def steady(frame: object) -> bool:
    kind = find_kind(frame)
    source = kind.read(frame, "csv", {option.name: option.default for option in kind.options})
    assert isinstance(source, Source)
    return source.steady


def test_only_what_nobody_can_change_is_hashed_later() -> None:
    numbers = pd.DataFrame({"a": [1.0, 2.0]})
    assert steady(pl.DataFrame({"a": [1]}))
    assert steady(pl.Series([1]))
    halves = pl.concat([pl.Series("b", [1]), pl.Series("b", [2])], rechunk=False)
    assert not steady(pl.DataFrame([pl.Series("a", [1, 2]), halves])), "slices of it are copies"
    assert not steady(halves), "and of many small chunks, too"
    assert steady(pa.table({"a": [1]}))
    assert steady(pa.record_batch({"a": [1]}))
    assert not steady(numbers)
    assert not steady(pa.Table.from_pandas(numbers)), "it may lie in the arrays of the frame"
    assert not steady(pa.table({"a": [1]}).to_reader()), "a stream is not in memory anyway"
    assert not steady(pl.LazyFrame({"a": [1]}))
    assert not steady([{"a": 1}])

"""What is done is let go of at once, and not when the collector of garbage comes by.

It comes by when many objects were made, however large they are: a frame of ten gigabytes that only
a cycle keeps may stay for minutes. And what a thread has in a variable while it waits for more it
never finds.
"""

from __future__ import annotations

import gc
import itertools
import threading
import time
import weakref
from array import array
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyrage
import pytest

import progresswidget as pw
from progresswidget.export.encryption import AgeEncryptor
from progresswidget.export.formats import FORMATS
from progresswidget.export.sink import Sink
from progresswidget.export.units import encode
from progresswidget.export.writers import Heading
from progresswidget.outbox import Outbox
from progresswidget.reporting import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROWS = 50_000
RECIPIENT = str(pyrage.x25519.Identity.generate().to_public())


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def wait_until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_gone(kept: Callable[[], object]) -> Callable[[], bool]:
    return lambda: kept() is None


def rows(kind: str) -> Any:
    table = pa.table({"n": range(ROWS), "text": [f"row {n}" for n in range(ROWS)]})
    return pl.DataFrame(table) if kind == "polars" else table.to_pandas()


# ---- frames ----


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize(
    "name",
    ["a.csv", "a.csv.gz", "a.parquet", "a.feather", "a.xlsx", "a.sqlite", "a.zip", "a.csv.age"],
)
def test_a_frame_goes_with_its_last_owner(
    name: str, kind: str, tmp_path: Path, no_server: None
) -> None:
    frame = rows(kind)
    alive = weakref.ref(frame)
    given = {"a.csv": frame, "b.parquet": frame} if name == "a.zip" else frame
    key = RECIPIENT if name.endswith(".age") else None
    # The second one compares the rows, where that can be done.
    jobs = [pw.export(given, tmp_path / name, encrypt_to=key) for _ in range(2)]
    del given, frame
    wait_until(is_gone(alive))
    assert [job.state for job in jobs] == ["done", "done"]


class Stopped:
    """A frame that can be read as Arrow batches, of which some come, and then none."""

    def __init__(self, then: Exception | None = None) -> None:
        self.rows = rows("pandas")
        self.then = then
        self.given = threading.Event()
        self.go_on = threading.Event()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        table = pa.Table.from_pandas(self.rows)
        events = self.given, self.go_on, self.then

        def batches(given: threading.Event, go_on: threading.Event, then: Any) -> Any:
            yield from table.to_batches()
            given.set()
            assert go_on.wait(60)
            if then is not None:
                raise then

        reader = pa.RecordBatchReader.from_batches(table.schema, batches(*events))
        return reader.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_a_job_that_was_not_done_keeps_no_frame(how: str, tmp_path: Path, no_server: None) -> None:
    frame = Stopped(OSError("gone") if how == "failed" else None)
    alive, go_on = weakref.ref(frame), frame.go_on
    job = pw.export(frame, tmp_path / "a.csv", background=True)
    assert frame.given.wait(60)
    del frame
    if how == "cancelled":
        job.cancel()
        wait_until(lambda: job.state == how)
    go_on.set()
    wait_until(lambda: job.state == how)
    wait_until(is_gone(alive))
    # What it was is told all the same, and where.
    assert job.error is not None
    assert job.error.__traceback__ is not None


# ---- what threads have in hand while they wait ----


class Ended:
    """A job that has ended."""

    id = "e" * 32

    def report(self) -> dict[str, Any]:
        return {"revision": 1, "status": "done"}

    def answered(self, reply: object) -> None:
        raise AssertionError("there is no server")

    def mirror(self, report: object) -> None:
        """Show it nowhere."""


def test_the_reporter_keeps_no_job_that_has_ended(no_server: None) -> None:
    reporter, job = Reporter(), Ended()
    alive = weakref.ref(job)
    reporter.follow(job)
    assert reporter.settle(job, 20)
    del job
    wait_until(is_gone(alive))
    thread = reporter._thread
    assert thread is not None, "it waits for the next one"
    assert thread.is_alive()


def test_the_outbox_keeps_nothing_that_was_done() -> None:
    outbox, done = Outbox(), threading.Event()

    class Task:
        def __call__(self) -> None:
            done.set()

    task = Task()
    alive = weakref.ref(task)
    outbox.put(task)
    del task
    assert done.wait(20)
    wait_until(is_gone(alive))
    thread = outbox._thread
    assert thread is not None, "it waits for more to do"
    assert thread.is_alive()


def test_rows_that_are_written_are_gone_while_the_next_are_read() -> None:
    alive: list[weakref.ref[pa.RecordBatch]] = []

    def read() -> list[pa.RecordBatch]:
        batch = pa.record_batch([pa.array(range(10))], names=["n"])
        alive.append(weakref.ref(batch))
        return [batch]

    def groups() -> Iterator[list[pa.RecordBatch]]:
        for _ in range(10):
            yield read()
            for each in alive[:written]:
                wait_until(is_gone(each))

    heading = Heading("t", pa.schema([("n", pa.int64())]))
    values = {option.name: option.default for option in FORMATS["arrows"].options}
    writer = FORMATS["arrows"].make([heading], values)
    written = 0
    # By this clock the source is so slow that each unit is waited for, as long as that takes a
    # moment: then the one before is written when the next is read.
    for unit in encode(groups(), writer, clock=itertools.count(0, 100).__next__):
        unit.encode()
        written += 1
        del unit
    assert written == len(alive) == 10


def test_what_is_in_the_file_is_not_in_memory_any_more(tmp_path: Path) -> None:
    piece = array("q", range(1_000))
    alive, size = weakref.ref(piece), len(piece) * piece.itemsize
    with (tmp_path / "a").open("wb") as file:
        counted: list[int] = []
        sink = Sink(file.fileno(), counted.append)
        try:
            sink.append([piece])
            del piece
            wait_until(lambda: counted == [size])
            wait_until(is_gone(alive))
        finally:
            sink.close()


def test_what_is_encrypted_is_not_in_memory_any_more() -> None:
    piece = array("q", range(200_000))
    alive = weakref.ref(piece)
    encryptor = AgeEncryptor(RECIPIENT)
    try:
        encryptor.feed(piece)
        del piece
        wait_until(is_gone(alive))
    finally:
        encryptor.close()

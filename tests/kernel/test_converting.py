"""The worker of a conversion, as far as it goes without a server."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from progresswidget import converting
from progresswidget.behalf import begin_for
from progresswidget.errors import WorkerStoppedError
from progresswidget.export.pipeline import Export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from progresswidget.job import Job

LIMIT = 60
SCHEMA = pa.schema({"n": pa.int64()})


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[tuple[Job, threading.Event]]:
    """A job that stands in the middle until it may go on, and is watched as a worker's."""
    go = threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array(range(10))], schema=SCHEMA)
        assert go.wait(LIMIT)
        yield pa.record_batch([pa.array(range(10))], schema=SCHEMA)

    reader = pa.RecordBatchReader.from_batches(SCHEMA, batches())
    job = begin_for(Export(reader, tmp_path / "a.csv"), "a" * 32, 1)
    watch = threading.Thread(target=converting._watch, args=(job, 0, 0.0))
    watch.start()
    yield job, go
    go.set()
    job.cancel()
    watch.join(LIMIT)
    assert not watch.is_alive()


def test_one_that_is_paused_does_not_wait_for_ever_for_a_server_that_is_gone(
    begun: tuple[Job, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, go = begun
    monkeypatch.setattr(converting, "_ALONE", 0.0)
    job.pause()
    go.set()
    with pytest.raises(WorkerStoppedError):
        job.result(LIMIT)
    assert job.state == "interrupted"  # and so it can be gone on with


@pytest.mark.parametrize(("paused", "alone"), [(False, 0.0), (True, converting._ALONE)])
def test_one_that_is_at_work_or_has_just_been_heard_goes_on(
    begun: tuple[Job, threading.Event],
    monkeypatch: pytest.MonkeyPatch,
    paused: bool,  # noqa: FBT001 - of the table
    alone: float,
) -> None:
    job, go = begun
    monkeypatch.setattr(converting, "_ALONE", alone)
    if paused:
        job.pause()
        go.set()
        wait_for(lambda: job.state == "paused")
    looks = 0

    def look() -> int:
        nonlocal looks
        looks += 1
        return 0

    monkeypatch.setattr(converting, "taken_memory", look)
    wait_for(lambda: looks > 1)
    go.set()
    job.resume()
    assert job.result(LIMIT).rows == 20


def wait_for(condition: Callable[[], bool]) -> None:
    """Look until it holds."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

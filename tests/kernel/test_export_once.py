"""A stream that can be read once is exported once, whoever asks again and however it ended."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from progresswidget.errors import ExportCancelledError, OptionError, SourceError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sources import once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROWS = 300_000


def reader() -> pa.RecordBatchReader:
    return pa.table({"a": range(ROWS)}).to_reader(max_chunksize=50_000)


class Wrapper:
    """A stream around a reader that tells nothing of it."""

    def __init__(self) -> None:
        self._reader = reader()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._reader.__arrow_c_stream__(requested_schema)


class Unhashable(Wrapper):
    __hash__ = None  # type: ignore[assignment]


class Slotted:
    """One that can be neither hashed nor referenced weakly, as many of native libraries."""

    __slots__ = ("_reader",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self._reader = reader()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._reader.__arrow_c_stream__(requested_schema)


STREAMS: dict[str, Callable[[], Any]] = {
    "reader": reader,
    "wrapper": Wrapper,
    "unhashable": Unhashable,
    "slotted": Slotted,
}
FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame({"a": range(ROWS)}),
    "polars": lambda: pl.DataFrame({"a": range(ROWS)}),
    "lazy": lambda: pl.LazyFrame({"a": range(ROWS)}),
    "table": lambda: pa.table({"a": range(ROWS)}),
    "duckdb": lambda: duckdb.sql(f"select range a from range({ROWS})"),
}


def cancel_after(calls: int) -> Progress:
    left = iter(range(calls))

    def checkpoint() -> None:
        if next(left, None) is None:
            raise ExportCancelledError("enough")

    return Progress(checkpoint=checkpoint)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("calls", [2, 1_000])
def test_what_is_left_of_a_stream_is_no_frame(name: str, calls: int, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    stream = STREAMS[name]()
    export = Export(stream, path)
    assert export.once
    if calls == 2:
        with pytest.raises(ExportCancelledError):
            export.run(cancel_after(calls))
    else:
        assert export.run(Progress()).rows == ROWS
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SourceError, match=r"has been read(.|\n)*anew"):
        Export(stream, tmp_path / "again.csv")
    with pytest.raises(SourceError, match="has been read"):
        export.run(Progress())
    assert sorted(tmp_path.iterdir()) == before


def test_of_two_exports_made_beforehand_one_reads(tmp_path: Path) -> None:
    stream = reader()
    first, second = Export(stream, tmp_path / "a.csv"), Export(stream, tmp_path / "b.csv")
    assert first.run(Progress()).rows == ROWS
    with pytest.raises(SourceError, match="has been read"):
        second.run(Progress())
    assert list(tmp_path.iterdir()) == [tmp_path / "a.csv"]


def test_a_refusal_before_the_first_row_costs_nothing(tmp_path: Path) -> None:
    stream = reader()
    with pytest.raises(OptionError):
        Export(stream, tmp_path / "a.csv", options={"nope": 1})
    with pytest.raises(ExportCancelledError):
        Export(stream, tmp_path / "a.csv").run(cancel_after(0))
    assert Export(stream, tmp_path / "a.csv").run(Progress()).rows == ROWS


@pytest.mark.parametrize("name", FRAMES)
def test_frames_and_queries_are_read_again(name: str, tmp_path: Path) -> None:
    frame = FRAMES[name]()
    export = Export(frame, tmp_path / "a.parquet")
    assert not export.once
    with pytest.raises(ExportCancelledError):
        export.run(cancel_after(2))
    assert export.run(Progress()).rows == ROWS
    assert Export(frame, tmp_path / "b.csv").run(Progress()).rows == ROWS


def test_an_iterator_is_read_once_even_if_it_has_a_length() -> None:
    class Batches(Wrapper):
        def __len__(self) -> int:
            return 6

        def __next__(self) -> Iterator[object]:
            raise StopIteration

    assert once.is_once(Batches())
    assert once.is_once(Wrapper())


def test_a_dead_stream_is_forgotten() -> None:
    stream = reader()
    number = id(stream)
    once.start(stream)
    assert number in once._started
    del stream
    gc.collect()
    assert number not in once._started


def test_of_many_threads_one_may_start() -> None:
    stream, won, barrier = reader(), [], threading.Barrier(8)

    def compete() -> None:
        barrier.wait(30)
        try:
            once.start(stream)
        except SourceError:
            return
        won.append(1)

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert won == [1]

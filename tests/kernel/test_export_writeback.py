"""What is written is on its way to the disk before the file is complete, wherever Linux can."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl
import pytest

from progresswidget.export import writeback
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writeback import STEP, WriteBack

if TYPE_CHECKING:
    from pathlib import Path

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has sync_file_range")


class Calls:
    """Stands before the system's call, and remembers what it was asked and what it said."""

    def __init__(self) -> None:
        self.call = writeback._sync_file_range()
        self.ranges: list[tuple[int, int]] = []
        self.names: set[str] = set()

    def __call__(self, descriptor: int, offset: int, size: int, flags: int) -> int:
        assert os.fstat(descriptor).st_size >= offset + size
        self.names.add(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))  # noqa: PTH115, PTH119
        self.ranges.append((offset, size))
        refused: int = self.call(descriptor, offset, size, flags)
        assert not refused
        return refused


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(writeback, "_sync_file_range", lambda: calls)
    return calls


@linux
@pytest.mark.parametrize("ending", [".arrows", ".csv"])
def test_all_but_the_last_bytes_of_an_export_are_on_their_way(
    calls: Calls, tmp_path: Path, ending: str
) -> None:
    frame = pl.DataFrame({"a": range(6_000_000)})
    result = Export(frame, tmp_path / f"frame{ending}").run(Progress())
    assert result.bytes > 4 * STEP
    ends = [0, *(offset + size for offset, size in calls.ranges)]
    assert [offset for offset, _ in calls.ranges] == ends[:-1]
    assert all(end - begin >= STEP for begin, end in pairwise(ends))
    assert ends[-1] > result.bytes - STEP
    assert calls.names.isdisjoint({f"frame{ending}"})  # while it was a part


@linux
def test_what_an_earlier_run_has_written_is_left_alone(calls: Calls, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(5 * STEP)
        write_back = WriteBack(file.fileno(), 3 * STEP)
        write_back.advance(4 * STEP - 1)
        assert calls.ranges == []
        write_back.advance(5 * STEP)
    assert calls.ranges == [(3 * STEP, 2 * STEP)]


@linux
def test_what_is_no_file_on_a_disk_is_asked_once() -> None:
    read, write = os.pipe()
    try:
        write_back = WriteBack(write)
        assert write_back._call is not None
        write_back.advance(STEP)
        assert write_back._call is None
        write_back.advance(2 * STEP)
    finally:
        os.close(read)
        os.close(write)


def test_a_system_without_the_call_needs_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(writeback, "_sync_file_range", lambda: None)
    frame = pl.DataFrame({"a": range(3_000_000)})
    result = Export(frame, tmp_path / "frame.arrows").run(Progress())
    assert result.bytes > STEP
    assert pl.read_ipc_stream(tmp_path / "frame.arrows").equals(frame)

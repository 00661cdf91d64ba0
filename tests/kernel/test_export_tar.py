from __future__ import annotations

import io
import os
import resource
import tarfile
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
import zstandard
from killed_archives import RECORDS, ROWS, UNITS, frames, kill

from progresswidget.errors import DestinationError, SourceError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.csv import CsvWriter
from progresswidget.export.writers.tar import TarWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from progresswidget.export.result import Result

FRAMES = 3


def run(content: Mapping[str, Any], path: Path, progress: Progress | None = None) -> Result:
    return Export(content, path).run(progress or Progress())


def read(path: Path) -> dict[str, bytes]:
    content = path.read_bytes()
    if path.suffix == ".zst":
        with zstandard.open(path) as file:
            content = file.read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {each.name: archive.extractfile(each).read() for each in archive}  # type: ignore[union-attr]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The entries that are written from now on."""
    entries: list[int] = []

    def end(writer: TarWriter, section: int, *given: Any) -> Any:
        entries.append(section)
        return plain(writer, section, *given)

    plain: Callable[..., Any] = TarWriter.end
    monkeypatch.setattr(TarWriter, "end", end)
    return entries


def test_frames_files_and_bytes_come_back(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": range(300_000)})
    raw = os.urandom(9 * 2**20)
    note = tmp_path / "note.md"
    note.write_text("hello")
    os.utime(note, (1e9, 1e9))
    long = "x" * 300 + "/é.bin"
    content = {"a.csv": frame, "b.parquet": frame, long: raw, "note.md": note}
    Export(content, tmp_path / "a.tar").run(Progress())
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert archive.getnames() == list(content)
        read = {name: archive.extractfile(name).read() for name in content}  # type: ignore[union-attr]
        assert archive.getmember("note.md").mtime == 1e9
    assert pl.read_csv(read["a.csv"]).equals(frame)
    assert pl.read_parquet(read["b.parquet"]).equals(frame)
    assert (read[long], read["note.md"]) == (raw, b"hello")
    assert (tmp_path / "a.tar").stat().st_size % tarfile.RECORDSIZE == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tar", "note.md"]


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz", "tar.zst", "tar.bz2", "tar.xz"])
def test_a_single_frame_is_called_after_the_archive(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"sales.{suffix}"
    Export(pl.DataFrame({"a": [1]}), path).run(Progress())
    content = path.read_bytes()
    if suffix == "tar.zst":
        with zstandard.open(path) as file:
            content = file.read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames() == ["sales.csv"]
        entry = archive.extractfile("sales.csv")
        assert entry is not None
        assert entry.read() == b"a\n1\n"


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_an_archive_of_files_goes_on_behind_those_that_it_has(suffix: str, tmp_path: Path) -> None:
    content = {f"{number}.bin": os.urandom(3 * 2**20) for number in range(4)}
    path = tmp_path / f"a.{suffix}"
    whole = Export(content, path).run(Progress()).sha256
    path.unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 * 2**20, before[1]))
    try:
        with pytest.raises(DestinationError):
            Export(content, path).run(Progress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (part,) = tmp_path.glob(".*.part")
    begun = part.stat().st_ino
    result = Export(content, path).run(Progress())
    assert result.sha256 == whole
    assert path.stat().st_ino == begun
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.zst"])
@pytest.mark.parametrize("records", [1, UNITS, RECORDS, RECORDS + 2, 2 * RECORDS, 3 * RECORDS - 1])
def test_frames_that_stand_whole_are_not_written_again(
    records: int, suffix: str, tmp_path: Path, written: list[int]
) -> None:
    whole, path = tmp_path / "whole" / f"a.{suffix}", tmp_path / "killed" / f"a.{suffix}"
    for each in (whole, path):
        each.parent.mkdir()
    digest = run(frames(), whole).sha256
    part = kill(path, records)
    stand = records // RECORDS
    begun = part.stat().st_ino
    written.clear()
    result = run(frames(), path)
    assert written == list(range(stand, FRAMES))
    assert (result.sha256, result.rows, result.reused) == (digest, FRAMES * ROWS, stand * ROWS)
    assert path.read_bytes() == whole.read_bytes()
    assert stand == 0 or path.stat().st_ino == begun
    assert list(path.parent.iterdir()) == [path]
    assert read(path) == {name: frame.write_csv().encode() for name, frame in frames().items()}


@pytest.mark.parametrize("at", [0, CsvWriter.unit_rows, ROWS - 1])
@pytest.mark.parametrize("changed", ["a.csv", "b.csv", "c.csv"])
def test_of_changed_frames_those_before_the_first_are_kept(
    changed: str, at: int, tmp_path: Path, written: list[int]
) -> None:
    path = tmp_path / "a.tar.gz"
    run(frames(), path).sha256  # noqa: B018 - waits until it is remembered
    stand = sorted(frames()).index(changed)
    written.clear()
    result = run(frames(changed, at), path)
    assert written == list(range(stand, FRAMES))
    assert result.reused == stand * ROWS
    (tmp_path / "plain").mkdir()
    assert result.sha256 == run(frames(changed, at), tmp_path / "plain" / path.name).sha256


@pytest.mark.parametrize("changed", ["b.csv", "c.csv"])
def test_a_part_is_gone_on_with_by_frames_that_have_changed(
    changed: str, tmp_path: Path, written: list[int]
) -> None:
    path = tmp_path / "a.tar"
    kill(path, 3 * RECORDS - 1)
    result = run(frames(changed, ROWS - 1), path)
    assert written == ([1, 2] if changed == "b.csv" else [2])
    (tmp_path / "plain").mkdir()
    assert result.sha256 == run(frames(changed, ROWS - 1), tmp_path / "plain" / path.name).sha256


def test_an_unchanged_archive_of_frames_is_done_already(tmp_path: Path, written: list[int]) -> None:
    path = tmp_path / "a.tar.zst"
    content = {"e.csv": pl.DataFrame({"a": []}), "b.bin": b"x" * 9_000_000, **frames()}
    first = run(content, path)
    assert (first.sha256, first.reused) == (first.sha256, 0)
    before = path.stat()
    written.clear()
    progress = Progress()
    second = run(content, path, progress)
    assert written == [1], "only what fills up the blocks of a file is made again"
    assert (second.sha256, second.bytes) == (first.sha256, first.bytes)
    assert second.reused == progress.reused == progress.rows == FRAMES * ROWS, "bytes are no rows"
    assert path.stat() == before


def test_a_frame_that_became_shorter_or_empty_is_written_anew(
    tmp_path: Path, written: list[int]
) -> None:
    path = tmp_path / "a.tar"
    for rows in (ROWS, CsvWriter.unit_rows, 0, 0, ROWS):
        given: dict[str, Any] = {**frames(), "n.txt": b"text"}
        given["b.csv"] = given["b.csv"].head(rows)
        run(given, path).sha256  # noqa: B018 - waits until it is remembered
        assert read(path)["b.csv"] == given["b.csv"].write_csv().encode()
    assert [written.count(place) for place in range(4)] == [1, 4, 4, 5]


def test_a_damaged_frame_and_those_behind_it_are_written_anew(
    tmp_path: Path, written: list[int]
) -> None:
    path = tmp_path / "a.tar"
    part = kill(path, 3 * RECORDS - 1)
    size = part.stat().st_size
    with part.open("r+b") as file:
        file.seek(size * 3 // 4)
        file.write(b"#")
    result = run(frames(), path)
    assert written == [1, 2]
    path.unlink()
    assert result.sha256 == run(frames(), path).sha256


def test_a_stream_between_frames_is_read_once(tmp_path: Path, written: list[int]) -> None:
    path = tmp_path / "a.tar"
    kill(path, 3 * RECORDS - 1)
    content: dict[str, Any] = {**frames()}
    content["b.csv"] = pa.RecordBatchReader.from_stream(content["b.csv"].head(ROWS - 1))
    run(content, path)
    assert written == [1, 2], "of a stream that differs in its last row the first would be gone"
    assert read(path)["b.csv"] == frames()["b.csv"].head(ROWS - 1).write_csv().encode()


def with_streams(changed: str = "", at: int = 0) -> dict[str, Any]:
    given = frames(changed, at)
    stream = pa.RecordBatchReader.from_stream(given["b.csv"])
    rows = ({"n": n} for n in range(1_000))
    return {**given, "b.csv": stream, "rows.parquet": rows, "note.txt": "text"}


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_an_unchanged_archive_of_streams_is_done_already(
    suffix: str, tmp_path: Path, written: list[int]
) -> None:
    path = tmp_path / f"a.{suffix}"
    first = run(with_streams(), path)
    assert first.sha256
    before = path.stat()
    written.clear()
    second = run(with_streams(), path)
    assert written == [4], "what fills up the blocks of a file"
    assert (second.reused, second.rows) == (3 * ROWS + 1_000, 3 * ROWS + 1_000)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("at", [0, CsvWriter.unit_rows, ROWS - 1])
@pytest.mark.parametrize("changed", ["b.csv", "c.csv"])
def test_streams_and_what_follows_them_are_kept_up_to_a_difference(
    changed: str, at: int, tmp_path: Path, written: list[int]
) -> None:
    path, plain = tmp_path / "a.tar", tmp_path / "plain" / "a.tar"
    plain.parent.mkdir()
    assert run(with_streams(), path).sha256
    written.clear()
    result = run(with_streams(changed, at), path)
    stand = 1 if changed == "b.csv" else 2
    assert written == list(range(stand, 5))
    assert result.reused == stand * ROWS
    assert result.sha256 == run(with_streams(changed, at), plain).sha256


def test_a_stream_that_stands_is_not_written_again_after_a_kill(
    tmp_path: Path, written: list[int]
) -> None:
    path = tmp_path / "a.tar"
    kill(path, 3 * RECORDS - 1)
    content: dict[str, Any] = {**frames()}
    content["b.csv"] = pa.RecordBatchReader.from_stream(content["b.csv"])
    result = run(content, path)
    assert written == [2]
    assert result.reused == 2 * ROWS
    path.unlink()
    assert result.sha256 == run(frames(), path).sha256


def test_a_failure_leaves_what_stands_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    schema = pa.schema({"n": pa.int64()})

    def failing() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array(range(CsvWriter.unit_rows))], schema=schema)
        raise ConnectionError("gone")

    def stream() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(schema, failing())

    with pytest.raises(SourceError):
        run({"a.csv": stream(), "b.csv": pl.DataFrame({"n": [1]})}, path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SourceError):
        run({"a.csv": pl.DataFrame({"n": [1]}), "b.csv": stream()}, path)
    assert {each.suffix for each in tmp_path.iterdir()} == {".part", ".journal"}
    assert run({"a.csv": pl.DataFrame({"n": [1]}), "b.csv": pa.table({"n": [2]})}, path).reused == 1
    assert list(tmp_path.iterdir()) == [path]

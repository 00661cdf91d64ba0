"""What others may read while a file is written: only bytes that are there at the end."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import polars as pl
import pyrage
import pytest
import xxhash

from progresswidget import protocol
from progresswidget.errors import ExportCancelledError
from progresswidget.export import trail, writing
from progresswidget.export.formats import FORMATS, find_format
from progresswidget.export.parts import create_part
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 400_000
ENDINGS = [row.suffixes[0] for row in FORMATS.values()] + [".csv.gz", ".csv.zst", ".ndjson.xz"]


class Reader:
    """Reads along, as the server does for a client."""

    def __init__(self, path: Path) -> None:
        self.progress = Progress(checkpoint=self.look)
        self.path = path
        self.sizes = [0]
        self.read = 0
        self.seen = hashlib.sha256()
        self.identity: set[tuple[int, int]] = set()

    def look(self) -> None:
        part = self.progress.part
        if part is None:
            return
        size, committed = part.size, part.committed
        self.identity.add((part.device, part.inode))
        assert protocol.is_part_name(part.name, self.path.name)
        assert committed is None or committed >= 0
        descriptor = os.open(self.path.with_name(part.name), os.O_RDONLY)
        try:
            there = os.fstat(descriptor).st_size
            assert there >= size >= self.sizes[-1]
            # A server sees how long the file is, and sends what was not told of yet.
            data = os.pread(descriptor, there - self.read, self.read)
            self.seen.update(data)
            self.read += len(data)
        finally:
            os.close(descriptor)
        self.sizes.append(size)

    def finish(self) -> str:
        with self.path.open("rb") as file:
            file.seek(self.read)
            self.seen.update(file.read())
        return self.seen.hexdigest()


def frame(rows: int = ROWS) -> Any:
    return pl.select(n=pl.int_range(rows), text=pl.int_range(rows).cast(pl.String)).lazy()


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_read_along_is_the_beginning_of_the_file(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    reader = Reader(path)
    rows = ROWS if ending in {".csv", ".csv.gz", ".parquet", ".arrows"} else 2_000
    result = Export(frame(rows), path).run(reader.progress)
    whole = reader.progress.whole
    if not find_format(path.name).append_only:
        assert reader.sizes == [0]
        assert whole is None
        return
    assert whole is not None
    assert whole.xxh128 == xxhash.xxh3_128_hexdigest(path.read_bytes())
    assert whole.stat == result.stat
    assert reader.finish() == result.sha256
    assert reader.identity <= {(result.stat.st_dev, result.stat.st_ino)}
    if rows == ROWS:
        assert len(set(reader.sizes)) > 2, "nothing was seen while it was written"
        assert reader.progress.part is not None
        assert reader.progress.part.size == result.bytes
        assert reader.progress.part.hashed


def test_the_formats_that_a_library_writes_by_itself_are_the_only_exceptions() -> None:
    assert {row.name for row in FORMATS.values() if not row.append_only} == {"sqlite", "duckdb"}


class Stop(Reader):
    """Stops when enough is written, as a kernel that is shut down."""

    def look(self) -> None:
        super().look()
        part = self.progress.part
        if part is not None and (part.committed or 0) > 1_000_000:
            error = ExportCancelledError("stopped")
            error.final = False
            raise error


@pytest.mark.parametrize("same", [True, False], ids=["the same", "others"])
def test_a_run_that_goes_on_tells_only_what_stands(same: bool, tmp_path: Path) -> None:  # noqa: FBT001
    path = tmp_path / "a.csv"
    first = Stop(path)
    with pytest.raises(ExportCancelledError):
        Export(frame(), path).run(first.progress)
    assert first.progress.part is not None
    second = Reader(path)
    again = frame() if same else frame().with_columns(pl.col("n") + 1)
    result = Export(again, path).run(second.progress)
    assert second.finish() == result.sha256
    reused = second.sizes[1] if len(second.sizes) > 1 else 0
    assert (reused >= (first.progress.part.committed or 0)) == same
    # What an earlier run has written did not go by.
    assert second.progress.part is not None
    assert second.progress.part.hashed is not same
    assert (second.progress.whole is None) == same


def test_who_compares_first_and_finds_nothing_alike_tells_of_the_whole_file(tmp_path: Path) -> None:
    path, progress = tmp_path / "a.csv", Progress()
    Export(frame(10), path).run(Progress())
    other = frame(10).with_columns(pl.col("n") + 1)
    assert Export(other, path).run(progress).reused == 0
    assert progress.whole is not None
    assert progress.whole.xxh128 == xxhash.xxh3_128_hexdigest(path.read_bytes())


@pytest.mark.parametrize("ending", ["csv", "sqlite", "duckdb"])
def test_a_file_that_is_encrypted_on_its_way_is_known_as_it_lies_there(
    ending: str, tmp_path: Path
) -> None:
    reader = Reader(tmp_path / f"a.{ending}.age")
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    export = Export(frame(20_000), reader.path, encrypt_to=recipient)
    assert export.format.append_only
    result, whole = export.run(reader.progress), reader.progress.whole
    assert whole is not None
    assert whole.xxh128 == xxhash.xxh3_128_hexdigest(reader.path.read_bytes())
    assert reader.finish() == result.sha256
    assert reader.identity == {(result.stat.st_dev, result.stat.st_ino)}


@pytest.mark.parametrize("worth", [True, False])
def test_the_end_is_told_before_a_digest_that_takes_long(
    worth: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path, told = tmp_path / "a.csv", []
    monkeypatch.setattr(writing, "WORTH", 1 if worth else 2**30)
    # Nobody takes the digest before this has ended.
    monkeypatch.setattr(trail.Trail, "end", lambda self, *_: told.append(self.left(path_size())))

    def path_size() -> int:
        return path.stat().st_size

    progress = Progress()

    def tell() -> None:
        assert progress.whole is not None
        told.append(progress.whole.stat.st_size - path_size())

    progress.tell = tell
    Export(frame(10), path).run(progress)
    assert told == ([0] if worth else []) + [path_size()]


def test_an_export_that_is_done_already_grows_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    Export(frame(10), path).run(Progress())
    again = Reader(path)
    assert Export(frame(10), path).run(again.progress).reused == 10
    assert again.progress.part is None


@pytest.mark.parametrize(
    "name", ["a.csv", "ä" * 120 + ".csv", "a.0123abcd.part", ".hidden", "a\nb"]
)
def test_the_server_knows_a_part_by_its_name(name: str, tmp_path: Path) -> None:
    part = create_part(tmp_path / name)
    try:
        assert protocol.is_part_name(part.path.name, name)
        assert not protocol.is_part_name(part.path.name, f"x{name}")
        assert not protocol.is_part_name(name, name)
    finally:
        part.remove()

from __future__ import annotations

import io
import os
import resource
import tarfile
from typing import TYPE_CHECKING

import polars as pl
import pytest
import zstandard

from progresswidget.errors import DestinationError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


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

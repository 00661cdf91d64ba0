from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import zipfile
import zlib
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pytest
import pyzipper
from isal import isal_zlib
from killed_archives import ROWS, frames, kill
from pyarrow import orc

from progresswidget.export import behind
from progresswidget.export.parts import journal_path, part_path
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers import zip_structure as structure
from progresswidget.export.writers.zip_bytes import deflate

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.export.result import Result

FRAME = pl.DataFrame({"n": range(300_000), "t": ["ä,b"] * 300_000})
CONTENT = {
    "sales.csv": FRAME,
    "data/sales.parquet": FRAME,
    "notes.md": "héllo",
    "图.bin": os.urandom(9 * 2**20),
    "empty": b"",
}
RECORDS = 3
"""What a journal tells of an ORC entry: its two units, and that all of it is in the archive."""


def write(content: object, path: Path, **options: object) -> Result:
    return Export(content, path, options=options).run(Progress())


@pytest.mark.parametrize("options", [{}, {"compression": "stored"}, {"compression_level": 6}])
def test_frames_bytes_and_texts_come_back(options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write(CONTENT, path, **options)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(CONTENT)
        assert pl.read_csv(archive.read("sales.csv")).equals(FRAME)
        assert pl.read_parquet(archive.read("data/sales.parquet")).equals(FRAME)
        assert archive.read("notes.md").decode() == CONTENT["notes.md"]
        assert archive.read("图.bin") == CONTENT["图.bin"]
    if shutil.which("unzip"):
        assert subprocess.run(["unzip", "-tq", path], check=False).returncode == 0


def test_the_same_data_gives_the_same_file(tmp_path: Path) -> None:
    write(CONTENT, tmp_path / "a.zip")
    write(CONTENT, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_an_archive_may_be_empty(tmp_path: Path) -> None:
    write({}, tmp_path / "a.zip")
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == []


def test_a_password_is_needed_to_read(tmp_path: Path) -> None:
    write(CONTENT, tmp_path / "a.zip", password="sécret")
    with pyzipper.AESZipFile(tmp_path / "a.zip") as archive:
        with pytest.raises(RuntimeError):
            archive.read("notes.md")
        archive.setpassword("sécret".encode())
        assert archive.testzip() is None
        assert archive.read("图.bin") == CONTENT["图.bin"]
        assert pl.read_csv(archive.read("sales.csv")).equals(FRAME)


def test_checksums_are_joined_as_if_the_bytes_were() -> None:
    a, b = os.urandom(1_000), os.urandom(70_001)
    joined = isal_zlib.crc32_combine(zlib.crc32(a), zlib.crc32(b), len(b))
    assert joined == zlib.crc32(a + b)


def test_large_numbers_are_read_back() -> None:
    header = structure.Header(b"a", structure.STORED, wide=True)
    size, offset = 5 * 2**32 + 7, 6 * 2**32
    directory = structure.central_header(structure.Written(header, 0, 1, size, size + 1))
    directory += structure.central_header(structure.Written(header, 3, 1, 5, 5))
    with zipfile.ZipFile(io.BytesIO(directory + structure.end_records(2, len(directory), 0))) as z:
        assert [each.file_size for each in z.infolist()] == [size + 1, 5]
        assert [each.compress_size for each in z.infolist()] == [size, 5]
    records = structure.end_records(70_000, 10, offset)
    assert struct.unpack_from("<QQQQ", records, 24) == (70_000, 70_000, 10, offset)
    assert records[-22 + 16 : -22 + 20] == b"\xff" * 4


@pytest.mark.parametrize("level", [1, 6])
def test_how_bytes_are_cut_does_not_show_in_the_file(level: int) -> None:
    text = b"".join(b"%d,row %d,%r\n" % (n, n % 977, n / 7) for n in range(30_000))
    whole = b"".join(deflate([text], level))
    for size in (1_000, 65_536, 2**19):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert b"".join(deflate(pieces, level)) == whole


@pytest.mark.parametrize("records", [1, RECORDS - 1, RECORDS, RECORDS + 2, 2 * RECORDS, 8])
def test_entries_that_can_only_be_begun_again_stand_whole(records: int, tmp_path: Path) -> None:
    whole, path = tmp_path / "whole" / "a.zip", tmp_path / "killed" / "a.zip"
    for each in (whole, path):
        each.parent.mkdir()
    write(frames(ending="orc"), whole)
    begun, stand = kill(path, records, "orc").stat().st_ino, records // RECORDS
    result = write(frames(ending="orc"), path)
    assert (result.rows, result.reused) == (3 * ROWS, stand * ROWS)
    assert path.read_bytes() == whole.read_bytes()
    assert stand == 0 or path.stat().st_ino == begun
    assert list(path.parent.iterdir()) == [path]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name, frame in frames(ending="orc").items():
            table = orc.read_table(io.BytesIO(archive.read(name)))
            assert table.column("f").to_pylist() == frame["f"].to_list()


@pytest.mark.parametrize("damaged", [1 / 4, 3 / 4])
def test_a_damaged_entry_and_those_behind_it_are_written_anew(
    damaged: float, tmp_path: Path
) -> None:
    path = tmp_path / "a.zip"
    part = kill(path, 3 * RECORDS - 1, "orc")
    size = part.stat().st_size
    with part.open("r+b") as file:
        file.seek(int(size * damaged))
        file.write(b"#")
    result = write(frames(ending="orc"), path)
    assert result.reused == int(damaged * 2) * ROWS
    path.unlink()
    assert result.sha256 == write(frames(ending="orc"), path).sha256


def test_followers_are_told_of_what_stands_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behind, "LIMIT", 0)
    told, progress = set(), Progress()

    def look() -> None:
        if progress.part is not None:
            told.add(progress.part.committed)

    progress.checkpoint = look
    Export(frames(ending="orc"), tmp_path / "a.zip").run(progress)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        starts = {each.header_offset for each in archive.infolist()}
    assert archive.start_dir in told
    assert told <= starts | {archive.start_dir}


@pytest.mark.parametrize("length", [1, 240], ids=["short", "long"])
def test_what_there_is_of_the_archive_itself_is_not_in_it(length: int, tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * length}.zip"
    journal_path(path).touch()
    part_path(path, "12345678").touch()
    (tmp_path / "notes.md").write_text("kept")
    for _ in range(2):
        Export([tmp_path], path).run(Progress())
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == [f"{tmp_path.name}/notes.md"]


def test_a_stream_that_differs_in_the_middle_of_an_entry_is_not_read_in_vain(
    tmp_path: Path,
) -> None:
    path, changed = tmp_path / "a.zip", FRAME.with_columns(n=pl.col("n").replace(299_999, -1))

    def stream(frame: pl.DataFrame) -> dict[str, object]:
        table = frame.to_arrow()
        return {"a.orc": pa.RecordBatchReader.from_batches(table.schema, table.to_batches())}

    for frame in (FRAME, changed, changed):
        result = Export(stream(frame), path).run(Progress())
        assert (result.rows, result.reused) == (300_000, 0)
    with zipfile.ZipFile(path) as archive:
        assert orc.read_table(io.BytesIO(archive.read("a.orc")))["n"][-1].as_py() == -1

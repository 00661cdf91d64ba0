"""Compressed files are read by the tools of the field, whatever the number of members."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest
import zstandard

from progresswidget.errors import OptionError
from progresswidget.export import wanted
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.compressed import CODECS, PART
from progresswidget.export.writers.compressed import FRAME as FRAME_BYTES

if TYPE_CHECKING:
    from pathlib import Path

READERS = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda data: (
        zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    ),
}
FRAME = pl.DataFrame({"x": range(300_000), "s": ["text"] * 300_000})


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("kind", [".csv", ".tsv", ".ndjson", ".json", ".html", ".md"])
def test_members_are_one_file(suffix: str, kind: str, tmp_path: Path) -> None:
    options = {"title": "t"} if kind == ".html" else {}
    frame = FRAME.head(140_000)  # two units
    plain = Export(frame, tmp_path / f"t{kind}", options=options).run(Progress()).path
    packed = Export(frame, tmp_path / f"t{kind}{suffix}", options=options).run(Progress()).path
    assert READERS[suffix](packed.read_bytes()) == plain.read_bytes()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_polars_and_duckdb_read_them(suffix: str, tmp_path: Path) -> None:
    path = Export(FRAME, tmp_path / f"t.csv{suffix}").run(Progress()).path
    assert pl.read_csv(path).equals(FRAME)
    found = duckdb.sql(f"select count(*), sum(x) from '{path}'").fetchall()
    assert found == [(300_000, sum(range(300_000)))]


@pytest.mark.parametrize("suffix", READERS)
def test_nothing_is_a_valid_file(suffix: str, tmp_path: Path) -> None:
    export = Export(FRAME.clear(), tmp_path / f"t.csv{suffix}", options={"header": False})
    data = export.run(Progress()).path.read_bytes()
    assert data
    assert READERS[suffix](data) == b""


@pytest.mark.parametrize(
    ("suffix", "level"),
    [(".gz", 10), (".gz", -1), (".zst", 0), (".zst", 23), (".bz2", 0), (".xz", 10)],
)
def test_levels_are_checked_early(suffix: str, level: int, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"no compression_level {level}"):
        Export(FRAME, tmp_path / f"t.csv{suffix}", options={"compression_level": level})


def test_high_levels_of_gzip_are_smaller(tmp_path: Path) -> None:
    sizes = []
    for level in (1, 9):
        export = Export(FRAME, tmp_path / "t.csv.gz", options={"compression_level": level})
        path = export.run(Progress()).path
        assert gzip.decompress(path.read_bytes()).startswith(b"x,s\n0,text\n")
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0]


SLOW = [(".xz", 0, PART), (".bz2", 1, PART), (".zst", 13, FRAME_BYTES)]


@pytest.mark.parametrize(("suffix", "level", "part"), SLOW)
def test_what_is_slow_is_packed_in_parts(suffix: str, level: int, part: int) -> None:
    words = random.Random(7).choices(["one ", "two ", "three "], k=part // 2)
    data = "".join(words).encode()
    assert len(data) > part
    assert READERS[suffix](CODECS[suffix].compress(data, level)) == data
    assert READERS[suffix](CODECS[suffix].compress(b"", level)) == b""


def test_the_parts_of_xz_and_bzip2_do_not_show() -> None:
    data = random.Random(7).randbytes(PART // 2) * 5
    assert CODECS[".xz"].compress(data, 0) == lzma.compress(data, preset=0)
    assert CODECS[".bz2"].compress(data, 1) == bz2.compress(data, 1)


@pytest.mark.parametrize(("suffix", "level", "part"), SLOW)
def test_what_nobody_wants_is_not_packed_to_the_end(suffix: str, level: int, part: int) -> None:
    looks, over = [], threading.Event()

    class Looked(threading.Event):
        def is_set(self) -> bool:
            looks.append(over.is_set())
            over.set()
            return looks[-1]

    def pack() -> None:
        wanted.until(Looked())
        with pytest.raises(CancelledError):
            CODECS[suffix].compress(bytes(3 * part), level)

    thread = threading.Thread(target=pack)
    thread.start()
    thread.join()
    assert looks == [False, True]

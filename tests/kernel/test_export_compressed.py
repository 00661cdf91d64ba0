"""Compressed files are read by the tools of the field, whatever the number of members."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import threading
import zlib
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.errors import OptionError
from progresswidget.export import wanted
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.buffers import Rooms
from progresswidget.export.writers.compressed import CODECS, PART
from progresswidget.export.writers.compressed import FRAME as FRAME_BYTES
from progresswidget.export.writers.csv import CsvWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


@given(units=st.lists(st.lists(st.binary(max_size=40), max_size=6), max_size=6))
def test_units_are_joined_in_memory_that_is_used_again(units: list[list[bytes]]) -> None:
    rooms, found, used = Rooms(), [], set()
    for pieces in units:
        with rooms.one() as room:
            used.add(id(room))
            for piece in pieces:
                assert room.write(piece) == len(piece)
            with room.taken() as data:
                found.append(bytes(data))
    assert found == [b"".join(pieces) for pieces in units]
    assert len(used) <= 1


def test_each_unit_that_is_being_made_has_memory_of_its_own() -> None:
    rooms = Rooms()
    with rooms.one() as one, rooms.one() as other:
        one.write(b"one")
        other.write(b"other")
        with one.taken() as data, other.taken() as others:
            assert (bytes(data), bytes(others)) == (b"one", b"other")


def test_what_an_encoder_has_left_behind_is_in_no_other_unit() -> None:
    rooms = Rooms()

    def fail() -> None:
        with rooms.one() as room:
            room.write(b"half")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised just above
        fail()
    with rooms.one() as room:
        room.write(b"whole")
        with room.taken() as data:
            assert bytes(data) == b"whole"


def members(data: bytes) -> Iterator[bytes]:
    while data:
        member = zlib.decompressobj(wbits=31)
        yield member.decompress(data)
        data = member.unused_data


WIDE = "SELECT repeat('x', 992) || lpad(i::text, 7, '0') t FROM range(30000) r(i)"


def in_a_file(path: Path) -> Path:
    duckdb.sql(WIDE).write_parquet(str(path))
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda _: duckdb.sql(WIDE),
        in_a_file,
        lambda path: ds.dataset(in_a_file(path)),
        lambda path: pl.scan_parquet(in_a_file(path)),
    ],
    ids=["query", "file", "dataset", "plan"],
)
def test_wide_rows_that_nobody_holds_are_few_in_a_member(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    frame = make(tmp_path / "wide.parquet")
    path = Export(frame, tmp_path / "t.csv.gz", options={"header": False}).run(Progress()).path
    found = list(members(path.read_bytes()))
    assert sum(map(len, found)) == 30_000 * 1_000
    # An offset of Arrow's is longer than the end of a line.
    assert max(map(len, found)) <= CsvWriter.unit_bytes // CsvWriter.queried

"""Compressed files are read by the tools of the field, whatever the number of members."""

from __future__ import annotations

import bz2
import gzip
import lzma
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest
import zstandard

from progresswidget.errors import OptionError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

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

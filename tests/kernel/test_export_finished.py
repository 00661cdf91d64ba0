"""A finished export that is run again unchanged returns at once, with the file that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from progresswidget.export.formats import FORMATS
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.export.result import Result

ARCHIVES = ["zip", "tar", "tar.gz", "tgz", "tar.zst", "tar.bz2", "tar.xz"]
TABLES = [row for row in FORMATS.values() if row.holds != "entries" and row.append_only]
"""Archives hold these; those that a library writes itself are refused."""
ENTRIES = [row.suffixes[0] for row in TABLES]
COMPRESSED = [f"{row.suffixes[0]}.gz" for row in TABLES if row.compressible]
ROWS = 100


def make(*, changed: bool = False) -> pl.DataFrame:
    n = pl.col("n")
    frame = pl.DataFrame({"n": range(ROWS)}).with_columns(t=pl.format("row {}", n % 7))
    last = pl.when(n == ROWS - 1).then(-1).otherwise(n)
    return frame.with_columns(n=last if changed else n, kind=pl.col("t").cast(pl.Categorical))


def content(entry: str, changed: int | None = None) -> dict[str, Any]:
    names = (f"a{entry}", "b.csv", f"c{entry}")
    frames = {name: make(changed=place == changed) for place, name in enumerate(names)}
    return {**frames, "d.txt": "héllo"}


def run(given: object, path: Path) -> Result:
    result = Export(given, path).run(Progress())
    assert result.sha256  # waits until it is remembered
    return result


def test_every_kind_of_format_is_among_the_entries() -> None:
    assert {row.name for row in TABLES} >= {"csv", "parquet", "feather", "orc", "pdf", "docx"}


@pytest.mark.parametrize("entry", [*ENTRIES, *COMPRESSED])
@pytest.mark.parametrize("suffix", ARCHIVES)
def test_an_unchanged_archive_is_done_already(suffix: str, entry: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    first = run(content(entry), path)
    before = path.stat()
    second = run(content(entry), path)
    assert (second.reused, second.sha256) == (second.rows, first.sha256)
    assert path.stat() == before


@pytest.mark.parametrize("changed", [0, 1, 2])
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_one_changed_cell_is_found_out(
    suffix: str, entry: str, changed: int, tmp_path: Path
) -> None:
    path, plain = tmp_path / f"a.{suffix}", tmp_path / "plain" / f"a.{suffix}"
    plain.parent.mkdir()
    first = run(content(entry), path)
    second = run(content(entry, changed), path)
    assert second.reused == changed * ROWS, "what stands before it is kept"
    assert second.sha256 == run(content(entry, changed), plain).sha256 != first.sha256

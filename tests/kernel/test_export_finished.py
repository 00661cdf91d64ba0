"""A finished export that is run again unchanged returns at once, with the file that is there."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest

from progresswidget.export import finished
from progresswidget.export.behind import Behind
from progresswidget.export.contents import CHUNK
from progresswidget.export.finished import Finished
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


def moments(kind: pa.DataType) -> pa.Table:
    return pa.table({"a": pa.array([1, 2], pa.int64()).cast(kind)})


TABLE = pa.table({"a": [1, 2]})
SAME_VALUES: dict[str, tuple[str, Any, Any]] = {
    "the name of a column": ("a.csv", TABLE, TABLE.rename_columns(["b"])),
    "the name of a column of Parquet": ("a.parquet", TABLE, TABLE.rename_columns(["b"])),
    "the name of a nested one": ("a.ndjson", *(pa.table({"a": [{name: 1}]}) for name in "xy")),
    "its type": ("a.csv", TABLE, moments(pa.timestamp("s"))),
    "its unit": ("a.csv", moments(pa.timestamp("s")), moments(pa.timestamp("ms"))),
    "its zone": ("a.csv", *(moments(pa.timestamp("s", zone)) for zone in ("UTC", "Asia/Tokyo"))),
    "its metadata": ("a.parquet", TABLE, TABLE.replace_schema_metadata({"made": "today"})),
    "the name of an entry": ("a.zip", {"a.csv": TABLE}, {"b.csv": TABLE}),
    "the format of an entry": ("a.zip", {"a.csv": TABLE}, {"a.tsv": TABLE}),
    "one entry more": ("a.tar", {"a.txt": "a"}, {"a.txt": "a", "b.txt": ""}),
    "the length of an entry": ("a.tar", *({"a": bytes(CHUNK + more)} for more in (0, 1))),
    "a folder and an empty file": ("a.tar", {"a": b""}, {"a/": b""}),
}


@pytest.mark.parametrize("name", SAME_VALUES)
def test_what_differs_in_more_than_the_values_is_written(name: str, tmp_path: Path) -> None:
    ending, given, other = SAME_VALUES[name]
    path, plain = tmp_path / ending, tmp_path / "plain" / ending
    plain.parent.mkdir()
    first = run(given, path)
    second = run(other, path)
    assert path.read_bytes() == run(other, plain).path.read_bytes()
    assert second.sha256 != first.sha256


@pytest.mark.parametrize(
    ("before", "after", "options"),
    [
        ("ndjson", "json", {}),
        ("sqlite", "duckdb", {"table": "t"}),
        ("pdf", "docx", {"title": "T"}),
    ],
)
def test_the_same_rows_in_another_format_are_written(
    before: str, after: str, options: dict[str, Any], tmp_path: Path
) -> None:
    shas = []
    for name in (before, after):
        export = Export(TABLE, tmp_path / "a.txt", format=name, options=options)
        result = export.run(Progress())
        shas.append(result.sha256)
        assert result.reused == 0
    assert shas[0] != shas[1]


@pytest.mark.parametrize("changed", ["time", "mode"])
def test_a_file_in_an_archive_that_was_touched_is_written(changed: str, tmp_path: Path) -> None:
    given, path = tmp_path / "given.txt", tmp_path / "a.tar"
    given.write_text("text")
    first = run([given], path)
    if changed == "time":
        os.utime(given, (1_000_000_000, 1_000_000_000))
    else:
        given.chmod(0o600)
    second = run([given], path)
    assert second.sha256 != first.sha256
    assert second.sha256 == run([given], tmp_path / "b.tar").sha256


def published(path: Path, content: bytes) -> os.stat_result:
    """Put a new file in the place of the one that is there."""
    new = path.with_name("new")
    new.write_bytes(content)
    new.replace(path)
    return path.stat()


KEY = "the same format and options"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "a.csv"


def waiting() -> tuple[Behind, threading.Event]:
    """Return what takes a digest, and does so when it is told to."""
    digests, now = Behind(), threading.Event()
    digests.put(lambda: bytes(now.wait(60)))
    return digests, now


def test_a_late_digest_is_not_put_over_what_is_known_of_a_newer_file(path: Path) -> None:
    older = published(path, b"older")
    finished.remember(path, older, Finished(KEY, (), 5, ""))
    newer = published(path, b"the newer")
    finished.remember(path, newer, Finished(KEY, (), 9, ""))
    finished.add_digest(path, older, KEY, "0" * 64)
    finished.add_digest(path, newer, "other options", "1" * 64)
    assert finished.recall(path) == Finished(KEY, [], 9, "")
    finished.add_digest(path, newer, KEY, "2" * 64)
    finished.add_digest(path, newer, KEY, "3" * 64)
    assert finished.recall(path) == Finished(KEY, [], 9, "2" * 64)


@pytest.mark.parametrize("complete", [True, False])
def test_a_file_is_known_as_a_whole_only_if_all_of_its_digests_came(
    complete: bool,  # noqa: FBT001
    path: Path,
) -> None:
    stat, (digests, now) = published(path, b"it"), waiting()
    finished.remember(path, stat, Finished(KEY, (), 2, "", whole=False))
    finished.remember_later(path, stat, Finished(KEY, (), 2, ""), digests, lambda: complete)
    now.set()
    known = finished.recall(path)
    assert known is not None
    assert known.whole is complete
    assert path not in finished._coming


def test_late_digests_of_units_are_not_put_over_what_is_known_of_a_newer_file(path: Path) -> None:
    stat, (digests, now) = published(path, b"older"), waiting()
    finished.remember_later(path, stat, Finished(KEY, (), 5, ""), digests, lambda: True)
    newer, (others, later) = published(path, b"the newer"), waiting()
    finished.remember_later(path, newer, Finished(KEY, (), 9, ""), others, lambda: True)
    now.set()
    digests.join()
    later.set()
    assert finished.recall(path) == Finished(KEY, [], 9, "")


def test_what_is_about_to_be_remembered_is_forgotten_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = published(path, b"it")
    with monkeypatch.context() as patched:
        finished_now = Finished(KEY, (), 2, "")
        patched.setitem(finished._coming, path, lambda: finished.remember(path, stat, finished_now))
        finished.forget(path)
    assert finished.recall(path) is None


def test_what_cannot_be_remembered_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(*names: object) -> None:
        raise OSError(errno.ENOSPC, f"no room for {names}")

    stat = published(path, b"it")
    monkeypatch.setattr(os, "replace", replace)
    finished.remember(path, stat, Finished(KEY, (), 2, ""))
    assert list((path.parent / "cache/progresswidget/finished").iterdir()) == []


def test_what_another_version_remembered_or_is_too_long_counts_for_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat, known = published(path, b"it"), Finished(KEY, [], 2, "")
    finished.remember(path, stat, known)
    assert finished.recall(path) == known
    with monkeypatch.context() as patched:
        patched.setattr(finished, "MAX_BYTES", 10)
        assert finished.recall(path) is None
    monkeypatch.setattr(finished, "VERSION", finished.VERSION + 1)
    assert finished.recall(path) is None

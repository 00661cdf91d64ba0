"""Exports that are stopped at any point go on, and end with the same bytes."""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import orc

from progresswidget.errors import (
    DestinationBusyError,
    DestinationError,
    ExportCancelledError,
    LeaseLostError,
    SourceError,
)
from progresswidget.export import behind, finished, journal, reopening, resume
from progresswidget.export.lease import Lock, lock
from progresswidget.export.parts import journal_path
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.csv import CsvWriter
from progresswidget.export.writers.parquet import ROW_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from progresswidget.export.result import Result

ROWS = 500_000
UNIT = CsvWriter.unit_rows
RESUMABLE = ["csv", "parquet", "arrows", "zip", "tar"]
ALIKE = ["json.zst", "tsv.gz", "ndjson", "feather", "xlsx", "html", "md", "tar.gz", "tar.zst"]
"""Those that go on by the same code as one of the others, or begin again."""
MORE_ROWS = {"parquet": 4 * ROW_GROUP + 1_000}
"""Where a unit has so many rows that the others' would be less than four."""
KILLS = int(os.environ.get("PROGRESSWIDGET_KILLS", "12"))
"""Processes that are killed for each format."""
CHAINS = 2
"""Files that are exported side by side, each killed again and again."""


def make(rows: int = ROWS, changed_from: int | None = None) -> pl.DataFrame:
    frame = pl.DataFrame({"n": range(rows)}).with_columns(
        t=pl.format("row {}", pl.col("n") % 977), f=pl.col("n") / 7
    )
    if changed_from is None:
        return frame
    return frame.with_columns(
        f=pl.when(pl.col("n") >= changed_from).then(-pl.col("f")).otherwise(pl.col("f"))
    )


def run(frame: Any, path: Path, **options: Any) -> Result:
    return Export(frame, path, options=options).run(Progress())


class Exports:
    """A process that forks exports of the same rows, which it kills when it is told to."""

    def __init__(self, rows: int) -> None:
        script = Path(__file__).with_name("killed_exports.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(rows)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, path: Path, how: str = "never", amount: float = 0, limit: float = 0
    ) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(path), how, amount, limit]) + "\n")
        self._process.stdin.flush()
        ended: dict[str, Any] = json.loads(self._process.stdout.readline())
        return ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def difference(path: Path, whole: Path) -> str:
    """Return where two files begin to differ, also as they are unpacked."""
    pairs = [(path.read_bytes(), whole.read_bytes())]
    if path.suffix == ".gz":
        pairs.append((gzip.decompress(pairs[0][0]), gzip.decompress(pairs[0][1])))
    found = []
    for ours, plain in pairs:
        first = next(
            (at for at, two in enumerate(zip(ours, plain, strict=False)) if two[0] != two[1]), None
        )
        found.append(f"{len(ours)} bytes for {len(plain)}, the first other one at {first}")
    return "; unpacked ".join(found)


def kill_again_and_again(suffix: str, folder: Path, chance: random.Random, kills: int) -> int:
    """Kill exports of one file; return how many rows the others did not write again."""
    (folder / "plain").mkdir(parents=True)
    (folder / "killed").mkdir()
    whole = folder / "plain" / f"plain.{suffix}"  # the name of a frame is in some files
    path = folder / "killed" / whole.name
    path.write_text("old")
    killed = reused = 0
    with Exports(MORE_ROWS.get(suffix, ROWS)) as exports:
        assert exports.run(whole)["code"] == 0  # what it imports is there from now on
        whole.unlink()
        plain = exports.run(whole)
        expected, size = digest(whole), whole.stat().st_size
        assert plain["sha256"] == expected
        while killed < kills:
            how = chance.choice(["time", "size"])
            amount = (
                chance.uniform(1e-5, 1.3 * plain["seconds"])
                if how == "time"
                else chance.randrange(1, size)
            )
            # So many seconds after it was written a unit is committed.
            limit = chance.choice([0, plain["seconds"] / 3, behind.LIMIT])
            ended = exports.run(path, how, amount, limit)
            # Killed between the rename and the end, it is the whole file.
            if ended["code"] == 0 or path.read_bytes() != b"old":
                assert digest(path) == expected, (
                    *(killed, how, amount, limit),
                    difference(path, whole),
                )
                path.write_text("old")  # and so forgotten
            if ended["code"] == 0:
                reused += ended["reused"]
            else:
                assert ended["code"] in {-signal.SIGALRM, -signal.SIGXFSZ}, ended
                killed += 1
        # Wherever chance has left it: after four fifths of the bytes there is something to reuse.
        ended = exports.run(path, "size", size * 0.8)
        if ended["code"] == 0:  # the last kill fell between the last byte and the rename
            path.write_text("old")
            ended = exports.run(path, "size", size * 0.8)
        assert ended["code"] == -signal.SIGXFSZ
        last = exports.run(path)
        assert last["code"] == 0, last
        assert last["reused"] > 0, "it was not gone on with"
    assert digest(path) == expected, difference(path, whole)
    assert list(path.parent.iterdir()) == [path]
    return reused + int(last["reused"])


@pytest.mark.parametrize(
    "suffix", [*RESUMABLE, *(pytest.param(suffix, marks=pytest.mark.faults) for suffix in ALIKE)]
)
def test_killed_at_random_points_and_run_again(suffix: str, tmp_path: Path) -> None:
    seeds = [random.SystemRandom().randrange(2**32) for _ in range(CHAINS)]
    print("seeds", seeds)
    with ThreadPoolExecutor(CHAINS) as pool:
        chains = [
            pool.submit(
                kill_again_and_again,
                suffix,
                tmp_path / str(number),
                random.Random(seed),
                KILLS // CHAINS,
            )
            for number, seed in enumerate(seeds)
        ]
    print("rows reused", [chain.result() for chain in chains])


@pytest.mark.parametrize(
    ("suffix", "moment"),
    [
        # What is left after a call is what is left before the next one.
        pytest.param(suffix, moment, marks=() if quick else pytest.mark.faults)
        for suffix in ("csv", "tsv.gz", "parquet", "arrows", "zip", "tar", "tar.gz")
        for moment in ("before", "middle", "after")
        for quick in [suffix == "csv" and moment != "after"]
    ],
)
def test_killed_at_every_call_that_changes_the_disk(
    suffix: str, moment: str, tmp_path: Path
) -> None:
    whole = tmp_path / "plain" / f"a.{suffix}"
    path = tmp_path / "killed" / whole.name
    for each in (whole, path):
        each.parent.mkdir()
    with Exports(MORE_ROWS.get(suffix, 3 * UNIT)) as exports:
        assert exports.run(whole)["code"] == 0
        expected = digest(whole)
        killed = reused = 0
        while True:
            path.write_text("old")
            ended = exports.run(path, moment, killed)
            if ended["code"] == 0:  # it has no more calls
                break
            assert ended["code"] == -signal.SIGKILL, ended
            assert path.read_text("latin-1") == "old" or digest(path) == expected
            killed += 1
            again = exports.run(path)
            assert again["code"] == 0, again
            assert digest(path) == expected == again["sha256"], difference(path, whole)
            assert list(path.parent.iterdir()) == [path]
            reused += again["reused"]
    assert killed > (5 if moment == "middle" else 10)
    assert reused > 0


def interrupted(path: Path, after: int, frame: pl.DataFrame | None = None) -> None:
    """Stop an export by an error after some units, which leaves its part."""
    whole = make() if frame is None else frame

    def batches() -> Iterator[pa.RecordBatch]:
        yield from whole.slice(0, after * UNIT).to_arrow().to_batches()
        raise ConnectionError("gone")

    schema = whole.head(0).to_arrow().schema
    with pytest.raises(SourceError):
        run(pa.RecordBatchReader.from_batches(schema, batches()), path)


def leftovers(path: Path) -> tuple[Path, Path]:
    (part,) = path.parent.glob(".*.part")
    return part, journal_path(path)


@pytest.fixture(scope="module")
def plain_csv(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(make().to_arrow(), tmp_path_factory.mktemp("plain") / "a.csv")


@settings(max_examples=2 * KILLS, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_happened_to_what_was_left(
    data: st.DataObject, plain_csv: Result, tmp_path: Path
) -> None:
    path = Path(tempfile.mkdtemp(dir=tmp_path)) / "a.csv"
    interrupted(path, 3)
    part, log = leftovers(path)
    for file in (part, log):
        content = bytearray(file.read_bytes())
        fate = data.draw(st.sampled_from(["untouched", "torn", "flipped", "longer", "emptied"]))
        place = data.draw(st.integers(0, len(content) - 1))
        if fate == "torn":
            del content[place:]
        elif fate == "flipped":
            content[place] ^= 1 << data.draw(st.integers(0, 7))
        elif fate == "longer":
            content += data.draw(st.binary(min_size=1, max_size=300))
        elif fate == "emptied":
            content.clear()
        file.write_bytes(content)
    result = run(make().to_arrow(), path)
    assert result.sha256 == plain_csv.sha256
    assert list(path.parent.iterdir()) == [path]


def test_what_was_written_is_not_written_again(plain_csv: Result, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 3)
    part, _ = leftovers(path)
    inode = part.stat().st_ino
    result = run(make().to_arrow(), path)
    assert result.sha256 == plain_csv.sha256
    assert result.reused == 3 * UNIT
    assert result.path.stat().st_ino == inode


@pytest.mark.parametrize(("damaged", "stands"), [(None, 5), (0, 0), (1, 1), (2, 2), (4, 4)])
def test_what_several_runs_have_written_is_told_apart(
    damaged: int | None, stands: int, plain_csv: Result, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    for units in (2, 3, 5):
        interrupted(path, units)
    part, log = leftovers(path)
    written = journal.parse(log.read_bytes())
    assert written is not None
    offsets = [record.offset for record in written.records]
    assert [record.since for record in written.records] == [0, 0, *offsets[2:4], offsets[3]]
    if damaged is not None:
        content = bytearray(part.read_bytes())
        content[offsets[damaged]] ^= 1
        part.write_bytes(content)
    result = run(make().to_arrow(), path)
    assert result.reused == stands * UNIT
    assert result.sha256 == plain_csv.sha256


def test_another_frame_takes_over_what_is_equal(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 3)
    changed = make(changed_from=2 * UNIT + 5).to_arrow()
    result = run(changed, path)
    assert result.reused == 2 * UNIT
    assert result.sha256 == run(changed, tmp_path / "b.csv").sha256


def test_a_part_that_somebody_still_holds_is_left_to_them(
    plain_csv: Result, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 3)
    part, _ = leftovers(path)
    content = part.read_bytes()
    with part.open("r+b") as file:
        assert lock(file.fileno()) is Lock.OURS
        result = run(make().to_arrow(), path)
        assert part.read_bytes() == content
    assert (result.reused, result.sha256) == (0, plain_csv.sha256)


@pytest.mark.parametrize("kind", ["a link", "another name"])
def test_no_file_but_a_part_is_gone_on_with(kind: str, plain_csv: Result, tmp_path: Path) -> None:
    path, other = tmp_path / "a.csv", tmp_path / "others.csv"
    interrupted(path, 3)
    part, log = leftovers(path)
    part.rename(other)
    content = other.read_bytes()
    if kind == "a link":
        part.symlink_to(other)
    else:
        log.write_bytes(log.read_bytes().replace(part.name.encode(), other.name.encode()))
    result = run(make().to_arrow(), path)
    assert (result.reused, result.sha256) == (0, plain_csv.sha256)
    assert other.read_bytes() == content


def test_a_shorter_frame_leaves_nothing_of_a_longer_part(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 5)
    shorter = make(2 * UNIT + 5).to_arrow()
    result = run(shorter, path)
    assert result.reused == 2 * UNIT
    assert result.sha256 == digest(path) == run(shorter, tmp_path / "b.csv").sha256


@pytest.mark.parametrize(
    "torn",
    [b'{"section":0,"rows":', b"", b"\xff\n", b'{"section":0}\n{}\n'],
    ids=["half", "all but its end", "damaged", "another"],
)
def test_what_is_written_behind_a_torn_line_is_known_too(
    torn: bytes, plain_csv: Result, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 2)
    _, log = leftovers(path)
    whole = log.read_bytes()
    log.write_bytes(whole + torn if torn else whole[:-1])
    interrupted(path, 4)
    result = run(make().to_arrow(), path)
    assert result.reused == 4 * UNIT
    assert result.sha256 == plain_csv.sha256


def test_what_is_written_after_a_new_beginning_is_known_too(
    plain_csv: Result, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 2)
    part, _ = leftovers(path)
    part.write_bytes(b"#" + part.read_bytes()[1:])  # nothing of it stands
    interrupted(path, 4)
    result = run(make().to_arrow(), path)
    assert result.reused == 4 * UNIT
    assert result.sha256 == plain_csv.sha256


def test_a_journal_whose_lines_go_to_the_disk_in_pieces_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: real(file, data[:7], at))
    with (tmp_path / "journal").open("w+b", buffering=0) as file:
        record = journal.Record(0, 2, 3, 4, b"d" * 16, 0, b"b" * 16)
        journal.begin(file.fileno(), "k", "p", "o", [record])
        journal.append(file.fileno(), [record.to_line()] * 2)
        written = journal.read(file.fileno())
    assert written == journal.Journal("k", "p", "o", [record] * 3)


@pytest.mark.parametrize("name", ["progresswidget", "polars"])
@pytest.mark.parametrize("what", ["a part", "a finished file"])
def test_what_another_version_wrote_is_not_gone_on_with(
    what: str, name: str, plain_csv: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, path = metadata.version, tmp_path / "a.csv"
    other = {name: "0.0.1"}
    with monkeypatch.context() as patched:
        patched.setattr(metadata, "version", lambda name: other.get(name) or real(name))
        resume._versions.cache_clear()
        if what == "a part":
            interrupted(path, 3)
        else:
            assert run(make().to_arrow(), path).sha256
    resume._versions.cache_clear()
    result = run(make().to_arrow(), path)
    assert (result.reused, result.sha256) == (0, plain_csv.sha256)
    assert run(make().to_arrow(), path).reused == ROWS


@pytest.mark.parametrize("options", [{"null": "NA"}, {"header": False}])
def test_other_options_start_anew(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 3)
    result = run(make().to_arrow(), path, **options)
    assert result.reused == 0
    assert result.sha256 == run(make().to_arrow(), tmp_path / "b.csv", **options).sha256
    assert set(tmp_path.iterdir()) == {path, tmp_path / "b.csv"}


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "ndjson", "parquet", "arrows", "feather"])
def test_an_unchanged_export_is_done_already(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    first = run(make(), path)
    digest = first.sha256
    before = path.stat()
    second = run(make(), path)
    assert second.reused == second.rows == ROWS
    assert (second.sha256, second.bytes) == (digest, first.bytes)
    assert path.stat() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "ndjson", "parquet", "arrows"])
def test_only_what_comes_after_a_difference_is_written(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    run(make(), path)
    changed = make(changed_from=ROWS * 9 // 10)
    result = run(changed, path)
    assert result.reused >= ROWS // 2
    assert result.sha256 == run(changed, tmp_path / f"b.{suffix}").sha256
    shorter = run(make(ROWS // 2), path)
    assert shorter.sha256 == run(make(ROWS // 2), tmp_path / f"c.{suffix}").sha256


class Noted(Progress):
    """Progress that remembers its phases."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "phase" and (not phases or phases[-1] != value):
            phases.append(value)
        super().__setattr__(name, value)


phases: list[str] = []


@pytest.mark.parametrize(("suffix", "writing"), [("csv", "writing"), ("csv.gz", "compressing")])
def test_the_phases_are_told_in_their_order(suffix: str, writing: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    changed = make(changed_from=ROWS * 9 // 10)
    for frame, told in (
        (make(), ["reading", writing]),
        (changed, ["reading", "hashing", writing]),
        (changed, ["reading", "hashing"]),
    ):
        phases.clear()
        Export(frame, path).run(Noted())
        assert phases == ["starting", *told, "finishing"]


def test_a_format_that_cannot_go_on_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "a.orc"
    run(make(), path)
    changed = make(changed_from=ROWS * 9 // 10)
    result = run(changed, path)
    assert result.reused == 0
    assert orc.read_table(path).column("f").to_pylist() == changed["f"].to_list()


@pytest.mark.parametrize(
    "fate",
    ["flipped", "truncated", "truncated, its time kept", "removed", "replaced", "another's copy"],
)
def test_a_file_that_was_touched_is_written_anew(fate: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    digest = run(make(), path).sha256
    before = path.stat()
    if fate == "another's copy":
        (tmp_path / "b.csv").write_bytes(b"x" * before.st_size)
        (tmp_path / "b.csv").replace(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif fate == "truncated, its time kept":
        os.truncate(path, 1_000)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif fate == "flipped":
        with path.open("r+b") as file:
            file.seek(1_000_000)
            file.write(b"#")
    elif fate == "truncated":
        os.truncate(path, 1_000)
    elif fate == "removed":
        path.unlink()
    else:
        path.write_bytes(b"x" * path.stat().st_size)
    result = run(make(), path)
    assert result.sha256 == digest
    assert result.reused == 0


@pytest.mark.parametrize("changed_from", [ROWS * 9 // 10, None], ids=["changed", "unchanged"])
@pytest.mark.parametrize("fate", ["written into", "removed"])
def test_a_file_that_is_changed_while_it_is_compared_is_written_anew(
    fate: str, changed_from: int | None, tmp_path: Path
) -> None:
    path, frame = tmp_path / "a.csv", make(changed_from=changed_from)
    run(make(), path).sha256  # noqa: B018 - waits until it is remembered

    class Meddled(Progress):
        def look(self) -> None:
            if self.phase == "hashing" and self.rows == 2 * UNIT:
                if fate == "removed":
                    path.unlink(missing_ok=True)
                else:
                    with path.open("r+b") as file:
                        file.write(b"#")

    meddled = Meddled()
    meddled.checkpoint = meddled.look
    result = Export(frame, path).run(meddled)
    assert result.reused == 0
    assert result.sha256 == digest(path) == run(frame, tmp_path / "b.csv").sha256
    assert set(tmp_path.iterdir()) == {path, tmp_path / "b.csv"}


def test_a_stream_is_gone_on_with_too(plain_csv: Result, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 3)
    part, _ = leftovers(path)
    with part.open("r+b") as file:  # the second unit is damaged, and a stream comes only once
        file.seek(3_000_000)
        file.write(b"#")
    result = run(make().to_arrow().to_reader(), path)
    assert result.sha256 == plain_csv.sha256
    assert 0 < result.reused < 3 * UNIT


@pytest.mark.parametrize("frame", [make(), make().to_arrow()], ids=["another", "the same"])
def test_a_cancel_throws_away_what_was_left(frame: object, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 3)

    def cancel() -> None:
        raise ExportCancelledError("enough")

    with pytest.raises(ExportCancelledError):
        Export(frame, path).run(Progress(checkpoint=cancel))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_export_left_goes_also_where_the_file_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    run(make(), path)
    (tmp_path / ".a.csv.0123abcd.part").touch()
    assert run(make(), path).reused == ROWS
    assert list(tmp_path.iterdir()) == [path]


def test_two_exports_of_one_file_at_a_time_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    going, go_on = threading.Event(), threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})
        going.set()
        assert go_on.wait(60)

    reader = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(run(reader, path)))
    thread.start()
    assert going.wait(60)
    with pytest.raises(DestinationBusyError, match="Another export is writing"):
        run(pl.DataFrame({"a": [2]}), path)
    go_on.set()
    thread.join(60)
    assert path.read_text() == "a\n1\n"
    assert results[0].sha256
    assert run(pl.DataFrame({"a": [2]}), path).rows == 1


def test_an_export_whose_data_is_still_being_built_has_its_file_already(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    going, go_on = threading.Event(), threading.Event()

    def build() -> pl.DataFrame:
        going.set()
        assert go_on.wait(60)
        return pl.DataFrame({"a": [1]})

    thread = threading.Thread(target=lambda: run(build, path))
    thread.start()
    assert going.wait(60)
    with pytest.raises(DestinationBusyError, match="Another export is writing this file"):
        run(pl.DataFrame({"a": [2]}), path)
    go_on.set()
    thread.join(60)
    assert path.read_text() == "a\n1\n"

    def fail() -> pl.DataFrame:
        raise FileNotFoundError("no data")

    with pytest.raises(SourceError, match="no data"):
        run(fail, path)
    assert path.read_text() == "a\n1\n"
    assert run(pl.DataFrame({"a": [2]}), path).rows == 1


FROZEN = """
import sys, time
import pyarrow as pa
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
def batches():
    yield pa.record_batch({"a": [1] * 200_000})
    print("going", flush=True)
    sys.stdin.readline()
reader = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())
Export(reader, sys.argv[1]).run(Progress())
"""


def test_a_holder_that_shows_no_life_loses_its_place_and_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with subprocess.Popen(
        [sys.executable, "-c", FROZEN, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "going\n"
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(DestinationBusyError, match=f"process {process.pid} "):
            run(pl.DataFrame({"a": [2]}), path)
        os.utime(journal_path(path), (1, 1))  # as if it had been stopped for years
        assert run(pl.DataFrame({"a": [2]}), path).rows == 1
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate("\n", timeout=60)
        assert process.returncode == 1
        assert "LeaseLostError: Another export has taken over" in errors
    assert path.read_text() == "a\n2\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("refusal", [errno.EXDEV, errno.ENOSYS, 0])
def test_what_the_system_does_not_copy_is_read_and_written(
    refusal: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_file_range(*given: int) -> int:
        if refusal:
            raise OSError(refusal, f"{os.strerror(refusal)} {given}")
        return 0

    monkeypatch.setattr(os, "copy_file_range", copy_file_range, raising=False)
    monkeypatch.setattr(reopening, "CHUNK", 1_000)
    source, content = tmp_path / "source", random.Random(1).randbytes(3_500)
    source.write_bytes(content)
    with source.open("rb") as file, (tmp_path / "target").open("w+b", buffering=0) as target:
        reopening.copy_prefix(file.fileno(), target.fileno(), 3_000)
        assert (tmp_path / "target").read_bytes() == content[:3_000]
        with pytest.raises(OSError, match="shorter"):
            reopening.copy_prefix(file.fileno(), target.fileno(), 3_501)


def test_small_pieces_are_written_whole_at_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: real(file, data[:2], at))
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        resume.write_at(file.fileno(), [(9, b"behind"), (0, b"the head")])
    assert (tmp_path / "file").read_bytes() == b"the head\0behind"


def test_a_copy_that_finds_no_room_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    first = run(make(), path).sha256

    def fail(source: int, target: int, size: int) -> None:
        os.pwrite(target, os.pread(source, size // 2, 0), 0)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(reopening, "copy_prefix", fail)
        with pytest.raises(DestinationError, match="No space left"):
            run(make(changed_from=ROWS * 9 // 10), path)
    assert list(tmp_path.iterdir()) == [path]
    assert digest(path) == first
    assert run(make(), path).reused == ROWS


def test_a_file_that_cannot_get_its_name_is_gone_on_with(
    plain_csv: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "a.csv", os.replace

    def replace(source: Path, target: Path) -> None:
        if target == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises(DestinationError, match="Input/output error"):
            run(make().to_arrow(), path)
    result = run(make().to_arrow(), path)
    assert (result.reused, result.sha256) == (ROWS, plain_csv.sha256)
    assert list(tmp_path.iterdir()) == [path]


def test_without_locks_a_holder_that_shows_no_life_harms_nobody_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, f"No locks available {descriptor} {operation}")

    monkeypatch.setattr(fcntl, "flock", flock)
    path, rows = tmp_path / "a.csv", make().to_arrow()
    asleep, wake = threading.Event(), threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        yield from rows.slice(0, 7 * UNIT).to_batches()  # more than are under way at a time
        asleep.set()
        assert wake.wait(60)
        yield from rows.slice(7 * UNIT).to_batches()

    def sleep() -> None:
        with pytest.raises(LeaseLostError):
            run(pa.RecordBatchReader.from_batches(rows.schema, batches()), path)
        lost.append(path)

    lost: list[Path] = []
    thread = threading.Thread(target=sleep)
    thread.start()
    assert asleep.wait(60)
    log = journal_path(path)
    while log.read_bytes().count(b"\n") < 3:  # a heading and two units
        thread.join(0.01)
    changed = make(changed_from=2 * UNIT + 5)

    def take_over() -> Result:
        for _ in range(100):
            os.utime(log, (1, 1))
            # What was under way when it fell asleep may be entered yet, which is a sign of life.
            with suppress(DestinationBusyError):
                return run(changed.to_arrow(), path)
        raise AssertionError("it shows life again and again")

    try:
        result = take_over()
        assert result.reused >= UNIT
    finally:
        wake.set()
        thread.join(60)
    assert lost == [path]
    assert digest(path) == result.sha256 == run(changed.to_arrow(), tmp_path / "b.csv").sha256
    assert set(tmp_path.iterdir()) == {path, tmp_path / "b.csv"}


def test_memory_that_runs_out_leaves_the_part(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    schema = pa.schema({"a": pa.int64()})

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array(range(300_000))], schema=schema)
        raise MemoryError

    with pytest.raises(MemoryError):
        run(pa.RecordBatchReader.from_batches(schema, batches()), path)
    assert {each.suffix for each in tmp_path.iterdir()} == {".part", ".journal"}
    assert run(pa.table({"a": range(300_000)}), path).reused == 300_000 // UNIT * UNIT


def test_a_journal_is_private_and_holds_no_data(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    interrupted(path, 3)
    _, log = leftovers(path)
    assert log.stat().st_mode & 0o777 == 0o600
    assert b"row 1" not in log.read_bytes()


HEADING = b'{"journal":%d,"key":"k","part":"p","owner":"o"}\n' % journal.VERSION


@given(text=st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_a_journal_or_none(text: bytes) -> None:
    journal.parse(text)
    journal.parse(HEADING + text)


def test_records_come_back_from_their_lines() -> None:
    record = journal.Record(1, 2, 3, 4, b"d" * 16, 3, b"b" * 16, b"note")
    parsed = journal.parse(HEADING + record.to_line() * 2 + b'{"keep":1,"owner":"x"}\n{"sec')
    assert parsed is not None
    assert (parsed.records, parsed.owner) == ([record], "x")


@pytest.mark.parametrize("number", [-1, 1.0, True, "1", None])
@pytest.mark.parametrize("name", ["section", "rows", "offset", "size", "since"])
def test_a_record_whose_number_is_none_is_none(name: str, number: Any) -> None:
    fields = json.loads(journal.Record(0, 2, 3, 4, b"d" * 16, 0, b"b" * 16).to_line())
    with pytest.raises(ValueError, match="a number is none"):
        journal.Record.from_fields(fields | {name: number})


@pytest.mark.parametrize(
    "damage", [b"\xff\n", b"{}\n", b"[]\n", b'{"keep":"1"}\n', b"[" * 9_999 + b"\n"]
)
def test_what_is_before_a_damaged_line_counts_and_nothing_behind_it(damage: bytes) -> None:
    line = journal.Record(0, 2, 3, 4, b"d" * 16, 0, b"b" * 16).to_line()
    written = journal.parse(HEADING + line + damage + line)
    assert written is not None
    assert len(written.records) == 1
    assert journal.parse(damage + line) is None


def test_the_journal_of_another_version_counts_for_nothing() -> None:
    line = journal.Record(0, 2, 3, 4, b"d" * 16, 0, b"b" * 16).to_line()
    older = HEADING.replace(b"%d" % journal.VERSION, b"%d" % (journal.VERSION - 1))
    assert journal.parse(HEADING + line) is not None
    assert journal.parse(older + line) is None


def test_what_was_finished_is_forgotten_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(finished, "MOST", 3)
    monkeypatch.setattr(finished, "LEFT", 2)
    kept = []
    for number in range(6):
        run(pl.DataFrame({"a": [number]}), tmp_path / f"{number}.csv").sha256  # noqa: B018
        kept.append(len(list((tmp_path / "cache/progresswidget/finished").iterdir())))
    assert kept == [1, 2, 3, 2, 3, 2]
    assert run(pl.DataFrame({"a": [5]}), tmp_path / "5.csv").reused == 1
    assert run(pl.DataFrame({"a": [0]}), tmp_path / "0.csv").reused == 0


def test_what_a_killed_process_left_beside_what_was_finished_is_removed_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache/progresswidget/finished"
    folder.mkdir(parents=True)
    old, new = folder / "a.json.1f", folder / "a.json.2f"
    old.touch()
    new.touch()
    os.utime(old, (1_000_000_000, 1_000_000_000))
    run(pl.DataFrame({"a": [1]}), tmp_path / "a.csv").sha256  # noqa: B018
    assert (old.exists(), new.exists()) == (False, True)


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        assert run(pl.DataFrame({"a": [1]}), tmp_path / "a.csv").reused == 0

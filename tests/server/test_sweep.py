"""Leftovers: what is ours, old and free goes; whatever else there is stays."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from typing import TYPE_CHECKING

import pytest

from jupyter_server_ext.cleanup import sweep as sweeps
from jupyter_server_ext.cleanup.sweep import Busy, Sweep
from progresswidget.delivery.saga import Saga
from progresswidget.export import journal, parts, plain
from progresswidget.protocol import COMPANIONS, PLAIN, is_part_name, journal_of, part_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WEEK = 7 * 86_400.0
UPLOAD = "0123456789abcdef" * 2


def sweep(*roots: Path, later: float = WEEK + 60, entries: int = 2_000) -> Sweep:
    """Return a sweep that sees the files of a moment ago as old as `later` seconds."""
    return Sweep(
        [str(root) for root in roots],
        WEEK,
        now=lambda: time.time() + later,
        time=time.monotonic,
        entries=entries,
    )


def swept(root: Path, *, busy: Busy | None = None, later: float = WEEK + 60) -> set[str]:
    """Sweep once, and return the names of what was removed, below the root."""
    removed = sweep(root, later=later).round(busy or Busy())
    return {os.path.relpath(path, root) for path in removed}


def export_left(path: Path) -> tuple[str, str]:
    """Leave what a killed export to `path` leaves; return the names of its part and journal."""
    part = parts.create_part(path)
    os.write(part.descriptor, b"a,b\n1,2\n")
    part.close()
    place = parts.journal_path(path)
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    journal.begin(descriptor, "key", part.path.name, "process 1", ())
    os.close(descriptor)
    return part.path.name, place.name


def plain_left(path: Path) -> str:
    """Leave what a killed export leaves of a database that was to be encrypted; return its name."""
    left = plain.create_plain(path)
    os.write(left.descriptor, b"plain")
    (left.folder / "plain.tmp").mkdir()
    (left.folder / "plain.tmp" / "spilled").write_bytes(b"plain, too")
    os.close(left.descriptor)
    return left.folder.name


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_dead_export_has_left_goes_when_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    left = {
        f"{folder}{name}"
        for folder in ("", "a/", "a/b/")
        for name in export_left(tmp_path / folder / "sales.csv")
    }
    (tmp_path / "sales.csv").write_text("finished, and not to be touched")
    assert swept(tmp_path, later=WEEK - 60) == set()
    assert swept(tmp_path) == left
    assert names(tmp_path) == {"a", "sales.csv"}


@pytest.mark.parametrize("name", ["sales.csv", "n" * 250 + ".csv", "日本 & \n.csv"])
def test_our_names_are_known_again(tmp_path: Path, name: str) -> None:
    part, place = export_left(tmp_path / name)
    assert part_of(part) == journal_of(place)
    assert is_part_name(part, name)
    assert swept(tmp_path) == {part, place}


@pytest.mark.parametrize("which", [0, 1], ids=["part", "journal"])
def test_what_a_process_holds_stays_and_all_that_belongs_to_it(tmp_path: Path, which: int) -> None:
    left = export_left(tmp_path / "sales.csv")
    with held(tmp_path / left[which]):
        assert swept(tmp_path) == set()
    assert swept(tmp_path) == set(left)


@pytest.mark.parametrize("name", ["sales.db.age", "n" * 250 + ".db"])
def test_what_is_plain_goes_with_the_rest(tmp_path: Path, name: str) -> None:
    left = {*export_left(tmp_path / name), plain_left(tmp_path / name)}
    (folder,) = (tmp_path / each for each in left if (tmp_path / each).is_dir())
    assert parts.PLAIN == PLAIN
    assert is_part_name(folder.name, name)
    assert swept(tmp_path, later=WEEK - 60) == set()
    with held(folder / PLAIN):
        gone = swept(tmp_path)  # what has no lock of its own, but not the journal
        assert folder.name not in gone
        assert parts.journal_path(tmp_path / name).exists()
    assert gone | swept(tmp_path) == left
    assert names(tmp_path) == set()


def test_what_an_engine_has_put_next_to_a_part_goes_with_it(tmp_path: Path) -> None:
    part, place = export_left(tmp_path / "a.duckdb")
    (tmp_path / f"{part}.wal").write_bytes(b"log")
    (tmp_path / f"{part}.tmp").mkdir()
    (tmp_path / f"{part}.notes").write_bytes(b"somebody's")
    with held(tmp_path / part):
        assert swept(tmp_path) == set()
    assert len(names(tmp_path)) == 5
    assert swept(tmp_path) == {part, place}
    assert names(tmp_path) == {f"{part}.notes"}
    assert parts.COMPANIONS == COMPANIONS


def test_what_is_plain_goes_also_without_a_journal_and_half_removed(tmp_path: Path) -> None:
    left = {plain_left(tmp_path / name) for name in ("a.db", "b.db", "c.db")}
    for number, name in enumerate(sorted(left)):
        if number:
            (tmp_path / name / PLAIN).unlink()
        if number == 1:
            (tmp_path / name / "notes").write_text("somebody's")
            kept = name
    assert swept(tmp_path) == left - {kept}
    assert names(tmp_path) == {kept}


def test_what_a_running_job_writes_stays_where_there_are_no_locks(tmp_path: Path) -> None:
    left = export_left(tmp_path / "sales.csv")
    assert swept(tmp_path, busy=Busy(frozenset({str(tmp_path / "sales.csv")}))) == set()
    assert swept(tmp_path) == set(left)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".hledger.journal", b"2026-01-01 opening balances\n"),
        (".notes.journal", b'{"my": "own"}\n'),
        (".notes.journal", b""),
        (".notes.journal", b'["journal"]\n'),
        (".torn.journal", b'{"journal": 2, "key"'),
        ("sales.csv.12345678.part", b"no dot in front"),
        (".sales.csv.1234567.part", b"seven digits"),
        (".sales.csv.1234567g.part", b"no digit"),
        (".hidden", b""),
        (".progresswidget-123.upload", b"no id"),
    ],
)
def test_what_may_be_a_persons_stays(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert swept(tmp_path) == set()
    assert (tmp_path / name).read_bytes() == content


def test_links_pipes_and_second_names_are_left_alone(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    left = export_left(outside / "sales.csv")
    (root / "folder").symlink_to(outside)
    (root / ".a.12345678.part").symlink_to(outside / left[0])
    (root / ".a.journal").symlink_to(outside / left[1])
    (root / ".b.12345678.delivery").symlink_to(outside)
    os.mkfifo(root / ".c.12345678.part")
    (root / ".d.12345678.part").write_text("published this moment")
    (root / "d").hardlink_to(root / ".d.12345678.part")
    before = names(root)
    assert swept(root) == set()
    assert names(root) == before
    assert names(outside) == set(left)


def test_a_root_may_be_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    left = export_left(tmp_path / "real" / "sales.csv")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert len(sweep(tmp_path / "root").round(Busy())) == len(left)


def test_hidden_folders_are_not_entered(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    export_left(tmp_path / ".git" / "sales.csv")
    assert swept(tmp_path) == set()


def test_deliveries_that_nobody_goes_on_with(tmp_path: Path) -> None:
    empty, dead, other, deep = (tmp_path / f".{name}.csv.12345678.delivery" for name in "edox")
    for folder in (empty, dead, other, deep):
        folder.mkdir()
    heading = json.dumps(Saga("k", ["write"]).to_line()) + "\n"
    for folder in (dead, deep):
        (folder / "ledger").write_text(heading)
        export_left(folder / "d.csv")
        plain_left(folder / "d.csv")
        (folder / "d.csv").write_text("1")
    (other / "ledger").write_text("debit, credit\n")
    (deep / "a folder").mkdir()
    with held(dead / "ledger"):
        assert swept(tmp_path) == {empty.name}
    assert swept(tmp_path) == {dead.name}
    assert names(tmp_path) == {other.name, deep.name}
    assert len(names(deep)) == 6, "nothing of it or all"


def test_bytes_of_uploads_that_no_server_knows(tmp_path: Path) -> None:
    name = f".progresswidget-{UPLOAD}.upload"
    (tmp_path / name).write_bytes(b"half")
    assert swept(tmp_path, busy=Busy(uploads=frozenset({UPLOAD}))) == set()
    assert swept(tmp_path) == {name}


def test_what_cannot_be_removed_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    export_left(tmp_path / "closed" / "sales.csv")
    left = export_left(tmp_path / "sales.csv")
    (tmp_path / "closed").chmod(0)
    try:
        assert swept(tmp_path) >= set(left)
    finally:
        (tmp_path / "closed").chmod(stat.S_IRWXU)


def test_a_round_does_a_bounded_amount_and_the_next_goes_on(tmp_path: Path) -> None:
    for number in range(20):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        export_left(folder / "sales.csv")
    rounds, looking = [], sweep(tmp_path, entries=10)
    while sum(map(len, rounds)) < 40:
        rounds.append(looking.round(Busy()))
        assert len(rounds) < 50
    assert max(map(len, rounds[1:])) <= 12
    assert len(rounds) > 4
    # And then not before tomorrow.
    export_left(tmp_path / "sales.csv")
    assert looking.round(Busy()) == looking.round(Busy()) == []


def test_it_begins_again_after_a_day(tmp_path: Path) -> None:
    now = 0.0
    looking = Sweep([str(tmp_path)], WEEK, now=lambda: time.time() + 2 * WEEK, time=lambda: now)
    assert looking.round(Busy()) == []
    left = export_left(tmp_path / "sales.csv")
    now = sweeps.PAUSE - 1
    assert looking.round(Busy()) == []
    now = sweeps.PAUSE
    assert len(looking.round(Busy())) == len(left)

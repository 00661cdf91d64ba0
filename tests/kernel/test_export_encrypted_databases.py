"""SQLite and DuckDB files that are encrypted: opened with the key, and never plain for others."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyrage
import pytest
import xxhash
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from progresswidget import protocol
from progresswidget.errors import (
    DestinationError,
    ExportCancelledError,
    OptionError,
    SourceError,
)
from progresswidget.export import journal, leftovers, parts, plain, sink
from progresswidget.export.lease import Lock, lock
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from progresswidget.export.result import Result

ENDINGS = ("sqlite", "duckdb")
ROWS = 300_000
IDENTITY = pyrage.x25519.Identity.generate()
KEY = str(IDENTITY.to_public())
TABLE = pa.table({"n": range(ROWS), "t": [f"secret {n * n}" for n in range(ROWS)]})


def run(path: Path, frame: Any = TABLE, **more: Any) -> Result:
    return Export(frame, path, encrypt_to=KEY).run(Progress(**more))


def ask(path: Path, question: str, identity: Any = IDENTITY) -> list[tuple[Any, ...]]:
    """Ask what is encrypted in a file."""
    opened = path.with_name("opened.db")
    opened.write_bytes(pyrage.decrypt(path.read_bytes(), [identity]))
    try:
        if ".duckdb" in path.name:
            with duckdb.connect(str(opened), read_only=True) as database:
                return database.execute(question).fetchall()
        with closing(sqlite3.connect(opened)) as lite:
            return lite.execute(question).fetchall()
    finally:
        opened.unlink()


def is_whole(path: Path) -> bool:
    return ask(path, "SELECT count(*), sum(n), max(t) FROM t") == [
        (ROWS, ROWS * (ROWS - 1) // 2, max(TABLE["t"].to_pylist()))
    ]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def folders(path: Path) -> list[Path]:
    """Return the private folders beside a file."""
    return [
        each
        for each in path.parent.iterdir()
        if each.is_dir() and protocol.is_part_name(each.name, path.name)
    ]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is encrypted go to the disk in many steps."""
    monkeypatch.setattr(plain, "PIECE", 2**16)
    monkeypatch.setattr(sink, "WAITING", 2**18)


@pytest.fixture(autouse=True)
def nothing_is_masked() -> Iterator[None]:
    """Let every mode be as loose as it would be for the most careless user."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("ending", ENDINGS)
def test_who_has_the_key_has_the_database(ending: str, tmp_path: Path) -> None:
    progress = Progress()
    result = Export(TABLE, tmp_path / f"t.{ending}.age", encrypt_to=KEY).run(progress)
    data = result.path.read_bytes()
    assert is_whole(result.path)
    assert names(tmp_path) == {f"t.{ending}.age"}
    assert (result.rows, result.bytes) == (ROWS, len(data))
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    assert progress.bytes == len(data)
    assert progress.whole is not None
    assert progress.whole.xxh128 == xxhash.xxh3_128_hexdigest(data)
    again = run(result.path)  # every run has a key of its own
    assert again.reused == 0
    assert again.sha256 != result.sha256
    assert is_whole(result.path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_there_may_be_several_tables_and_several_keys(ending: str, tmp_path: Path) -> None:
    ssh = Ed25519PrivateKey.generate()
    public = ssh.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    private = ssh.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    frames = {"a": pa.table({"x": [1, 2]}), "none": pa.table({"z": pa.array([], pa.int8())})}
    export = Export(
        frames, tmp_path / "noend", format=ending.upper(), encrypt_to=[KEY, public.decode()]
    )
    assert export.format.name == f"{ending}.age"
    assert export.format.append_only
    path = export.run(Progress()).path.rename(tmp_path / f"noend.{ending}.age")
    for identity in (IDENTITY, pyrage.ssh.Identity.from_buffer(private)):
        assert ask(path, "SELECT x FROM a ORDER BY x", identity) == [(1,), (2,)]
        assert ask(path, "SELECT z FROM none", identity) == []
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(path.read_bytes(), [pyrage.x25519.Identity.generate()])


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_cannot_be_encrypted_is_refused_before_anything_is_written(
    ending: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError):
        Export(TABLE, tmp_path / f"t.{ending}.age", encrypt_to=[KEY, "age1nothing"])
    with pytest.raises(OptionError, match="encrypt_to"):
        Export(TABLE, tmp_path / f"t.{ending}.age")
    assert names(tmp_path) == set()


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_plain_is_for_its_owner_alone_and_gone_before_the_file_is_there(
    ending: str, tmp_path: Path
) -> None:
    path, inside, phases, sizes = tmp_path / f"t.{ending}.age", set(), [], [0]
    path.write_text("old")
    path.chmod(0o644)

    def look() -> None:
        phases.append(progress.phase)
        sizes.append(progress.bytes)
        assert sizes[-1] >= sizes[-2]
        assert path.read_text() == "old"
        for folder in folders(path):
            assert mode(folder) == 0o700
            assert mode(folder / protocol.PLAIN) == 0o600
            inside.update(names(folder))
        for file in tmp_path.iterdir():
            assert file.is_dir() or b"secret" not in file.read_bytes(), file.name

    progress = Progress(checkpoint=look)
    Export(TABLE, path, encrypt_to=KEY).run(progress)
    assert protocol.PLAIN in inside
    assert all(name.startswith(protocol.PLAIN) for name in inside)
    assert {"writing", "finishing"} <= set(phases)
    assert len(set(sizes)) > 3, "nobody saw how far the encryption is"
    assert names(tmp_path) == {path.name}
    assert mode(path) == 0o644
    assert is_whole(path)


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("phase", ["writing", "finishing"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_cancelled_export_leaves_nothing(ending: str, phase: str, tmp_path: Path) -> None:
    path, seen = tmp_path / f"t.{ending}.age", []

    def cancel() -> None:
        begun = progress.bytes if phase == "finishing" else progress.rows
        if progress.phase == phase and begun:
            seen.extend(folders(path))
            raise ExportCancelledError("enough")

    progress = Progress(checkpoint=cancel)
    with pytest.raises(ExportCancelledError):
        Export(TABLE, path, encrypt_to=KEY).run(progress)
    assert seen, "nothing was there to be removed"
    assert names(tmp_path) == set()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_source_that_fails_leaves_nothing_but_the_old_file(ending: str, tmp_path: Path) -> None:
    path, seen = tmp_path / f"t.{ending}.age", []
    path.write_text("old")

    def batches() -> Iterator[pa.RecordBatch]:
        yield from TABLE.to_batches(max_chunksize=100_000)
        seen.extend(folders(path))
        raise ValueError("no more")

    with pytest.raises(SourceError, match="no more"):
        run(path, pa.RecordBatchReader.from_batches(TABLE.schema, batches()))
    assert seen
    assert names(tmp_path) == {path.name}
    assert path.read_text() == "old"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("whose", ["engine", "encryption"])
def test_a_full_disk_leaves_nothing_but_the_old_file(
    ending: str, whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"t.{ending}.age"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if whose == "engine":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    else:

        def full(_descriptor: int, _pieces: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(sink, "_write", full)
    try:
        with pytest.raises(DestinationError, match="cannot be written"):
            run(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "old"
    assert names(tmp_path) == {path.name}


def test_no_file_is_published_whose_plain_one_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path = tmp_path / "t.sqlite.age"
    with monkeypatch.context() as patched:
        patched.setattr(plain, "discard", refuse)
        with pytest.raises(DestinationError, match="Permission denied"):
            run(path)
    # Its lock was let go of, and the end of the export has tried again.
    assert names(tmp_path) == set()


KILLED = """
import os, signal, sys
import pyarrow as pa
from progresswidget.export import plain, sink
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

plain.PIECE, sink.WAITING = 2**16, 2**18
path, key, phase = sys.argv[1:]
table = pa.table({"n": range(100_000), "t": [f"secret {n * n}" for n in range(100_000)]})

def die():
    begun = progress.bytes if phase == "finishing" else progress.rows
    if progress.phase == phase and begun:
        os.kill(os.getpid(), signal.SIGKILL)

progress = Progress(checkpoint=die)
Export(table, path, encrypt_to=key).run(progress)
"""


def kill(path: Path, phase: str) -> None:
    """Leave what an export leaves that was killed when something of it had been done."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), KEY, phase], check=False, timeout=120
    )
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    (folder,) = folders(path)
    data = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert b"secret" in data or ".duckdb" in path.name, "nothing plain was there"
    assert mode(folder) == 0o700
    # By this a server that tidies up knows what is ours.
    with parts.journal_path(path).open("rb") as file:
        begun = journal.read(file.fileno())
    assert begun is not None
    assert protocol.is_part_name(begun.part, path.name)


@pytest.mark.parametrize("phase", ["writing", "finishing"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_after_a_kill_the_next_run_leaves_nothing_plain(
    ending: str, phase: str, tmp_path: Path
) -> None:
    path = tmp_path / f"t.{ending}.age"
    kill(path, phase)
    assert run(path).reused == 0
    assert names(tmp_path) == {path.name}
    assert is_whole(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_a_kill_has_left_is_tidied_away_as_other_leftovers(
    ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"t.{ending}.age"
    kill(path, "writing")
    leftovers.remove(path)
    assert names(tmp_path) == set()


def test_a_file_that_is_kept_is_no_reason_to_keep_what_was_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    Export(TABLE, path).run(Progress())
    left = plain.create_plain(path)
    left.path.write_bytes(b"secret")
    os.close(left.descriptor)
    assert Export(TABLE, path).run(Progress()).reused == ROWS
    assert names(tmp_path) == {path.name}


def test_a_private_folder_is_removed_when_nobody_is_at_work_in_it(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite.age"
    mine = plain.create_plain(path)
    halfway, persons = (parts.part_path(path, digit * 8) for digit in "ab")
    for folder, file in ((halfway, "plain.wal"), (persons, "notes")):
        folder.mkdir()
        (folder / file).write_text("1")
    (mine.folder / "plain.tmp").mkdir()
    (mine.folder / "plain.tmp" / "spilled").write_text("secret")
    parts.remove_stale(path)
    assert names(tmp_path) == {mine.folder.name, persons.name}
    os.close(mine.descriptor)
    parts.remove_stale(path)
    assert names(tmp_path) == {persons.name}


def test_a_private_folder_that_another_export_takes_for_dead_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, tries = tmp_path / "t.sqlite.age", []

    def come_between(descriptor: int) -> Lock:
        tries.append(descriptor)
        if len(tries) == 1:
            (folder,) = folders(path)
            parts.discard(folder)
        return lock(descriptor)

    monkeypatch.setattr(parts, "lock", come_between)
    made = plain.create_plain(path)
    assert len(tries) == 2
    assert names(tmp_path) == {made.folder.name}
    made.remove()
    made.remove()
    assert names(tmp_path) == set()
    with pytest.raises(FileNotFoundError):
        plain.create_plain(tmp_path / "nowhere" / "t.sqlite.age")

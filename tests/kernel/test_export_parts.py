from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyrage
import pytest

from progresswidget.errors import ColumnError, DestinationError, SourceError
from progresswidget.export.parts import open_part, remove_stale
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_parts_of_the_living_stay_and_parts_of_the_dead_go(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    dead = tmp_path / ".a.csv.00000000.part"
    dead.write_text("half")
    others = [
        tmp_path / ".b.csv.00000000.part",
        tmp_path / ".a.csv.zzzzzzzz.part",
        tmp_path / ".a.csv.bak",
        tmp_path / ".a.csv.b.csv.00000000.part",
    ]
    for other in others:
        other.write_text("not ours")
    with open_part(path) as living:
        remove_stale(path)
        assert living.path.exists()
        assert not dead.exists()
        with open_part(path) as second:
            assert living.path.exists()
            assert second.path != living.path
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_part_held_by_another_process_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    part = tmp_path / ".a.csv.00000000.part"
    code = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.flock(f,2); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(part)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        remove_stale(path)
        assert part.exists()
        holder.send_signal(signal.SIGKILL)
    remove_stale(path)
    assert not part.exists()


def test_links_with_the_name_of_a_part_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    link = tmp_path / ".a.csv.00000000.part"
    link.symlink_to(victim)
    remove_stale(tmp_path / "a.csv")
    assert victim.read_text() == "precious"
    assert link.is_symlink()


def test_a_new_part_is_locked(tmp_path: Path) -> None:
    with (
        open_part(tmp_path / "a.csv") as part,
        part.path.open() as again,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("moment", ["locked", "removed"])
def test_a_part_that_another_export_takes_for_dead_is_replaced(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other one comes between our `open` and our lock.
    real, others = fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        if not others:
            (path,) = tmp_path.iterdir()
            others.append(os.open(path, os.O_RDWR))
            real(others[0], operation)
            if moment == "removed":
                path.unlink()
                real(others[0], fcntl.LOCK_UN)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with open_part(tmp_path / "a.csv") as part:
        for other in others:  # it is done now, and finds nothing to remove, or removes our first
            os.close(other)
        remove_stale(tmp_path / "a.csv")
        assert list(tmp_path.iterdir()) == [part.path]
        part.publish(overwrite=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.csv"]


def test_a_file_system_without_locks_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, f"No locks available {descriptor} {operation}")

    monkeypatch.setattr(fcntl, "flock", flock)
    with open_part(tmp_path / "a.csv") as part:
        remove_stale(tmp_path / "a.csv")
        part.publish(overwrite=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.csv"]


def test_locks_that_are_never_ours_end_in_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise BlockingIOError(errno.EAGAIN, f"held {descriptor} {operation}")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(BlockingIOError), open_part(tmp_path / "a.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_unpublished_part_is_removed_and_its_descriptor_closed(tmp_path: Path) -> None:
    with open_part(tmp_path / "a.csv") as part:
        descriptor = part.descriptor
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(descriptor)


class Disk:
    """Remembers what was there whenever something was made durable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.synced: list[tuple[str, bytes, bytes | None]] = []
        """The file or its folder, what the part held then, and what was under the name."""
        self._real = os.fsync

    def fsync(self, descriptor: int) -> None:
        named = self.path.read_bytes() if self.path.exists() else None
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            assert os.path.samestat(os.fstat(descriptor), self.path.parent.stat())
            self.synced.append(("folder", b"", named))
        else:
            held = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
            self.synced.append(("file", held, named))
        self._real(descriptor)


@pytest.mark.parametrize("old", [b"old", None], ids=["replaced", "new"])
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "zip", "sqlite", "csv.age"])
def test_all_of_a_file_is_on_the_disk_before_it_has_its_name_and_then_the_name(
    ending: str, old: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / f"a.{ending}")
    monkeypatch.setattr(os, "fsync", disk.fsync)
    if old is not None:
        disk.path.write_bytes(old)
    frame = pa.table({"n": range(200_000)})
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    Export(
        {"a.csv": frame} if ending == "zip" else frame,
        disk.path,
        overwrite=old is not None,
        encrypt_to=recipient if ending == "csv.age" else None,
    ).run(Progress())
    whole = disk.path.read_bytes()
    # A loss of power in between leaves the old file, or the new one with all its bytes.
    assert disk.synced == [("file", whole, old), ("folder", b"", whole)]


def test_a_folder_that_may_only_be_written_into_gets_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open, real_list = os.open, Path.iterdir

    def open_(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real_open(path, flags, mode)

    def iterdir(path: Path) -> Iterator[Path]:
        if path == tmp_path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real_list(path)

    path = tmp_path / "a.csv"
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", open_)
        patched.setattr(Path, "iterdir", iterdir)
        Export(pa.table({"n": [1]}), path).run(Progress())
    assert path.read_text() == "n\n1\n"
    assert list(tmp_path.iterdir()) == [path]


def opened(folder: Path) -> list[str]:
    """Return what this process has open in a folder, also what is removed."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of the listing itself, or of a thread
            found.append(str(link.readlink()))
    return [each for each in found if each.startswith(f"{folder}/")]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="nothing tells what is open")
@pytest.mark.parametrize("name", ["lease", "digest", "sink"])
def test_where_no_thread_can_be_had_nothing_stays_open(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == f"progresswidget-{name}":
            raise RuntimeError("can't start new thread")
        real(thread)

    path, frame = tmp_path / "a.csv", pa.table({"n": range(1_000)})
    Export(frame, path).run(Progress()).sha256  # noqa: B018 - waits
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises((RuntimeError, ColumnError), match="new thread"):
            Export(frame.slice(1), path).run(Progress())
    assert opened(tmp_path) == []
    assert list(tmp_path.iterdir()) == [path]
    assert Export(frame.slice(1), path).run(Progress()).rows == 999


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="nothing tells what is open")
def test_what_has_ended_an_export_is_told_also_where_nothing_can_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows() -> Iterator[dict[str, int]]:
        yield {"n": 1}
        monkeypatch.setattr(Path, "unlink", refuse)
        raise ValueError("the source has failed")

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), f"{path} {missing_ok}")

    export = Export(rows, tmp_path / "a.csv")
    with pytest.raises(SourceError, match="the source has failed"):
        export.run(Progress())
    assert opened(tmp_path) == []


def test_what_did_not_reach_the_disk_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frame = tmp_path / "a.csv", pa.table({"n": range(200_000)})

    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, f"{os.strerror(errno.EIO)} {descriptor}")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(DestinationError, match="Input/output error"):
            Export(frame, path).run(Progress())
    assert list(tmp_path.glob(".*.part")) == []
    assert Export(frame, path).run(Progress()).reused == 0
    assert list(tmp_path.iterdir()) == [path]

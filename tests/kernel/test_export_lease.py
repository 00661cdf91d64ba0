"""Who may write a file: the living one that came first, and nobody for ever."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from progresswidget.errors import DestinationBusyError, LeaseLostError
from progresswidget.export import lease as leases
from progresswidget.export.lease import LIMIT, Lease, Lock, holding, lock, take

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 60.0
LONG_AGO = (1.0, 1.0)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / ".a.csv.journal"


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system have none."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, f"No locks available {descriptor} {operation}")

    monkeypatch.setattr(fcntl, "flock", flock)


def put_another_in_its_place(path: Path) -> int:
    """Do what an export does that takes over; return its descriptor."""
    other = path.with_name("other")
    descriptor = os.open(other, os.O_RDWR | os.O_CREAT)
    assert lock(descriptor) is Lock.OURS
    other.replace(path)
    return descriptor


def beats(count: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Let signs of life come fast; return what waits for some more of them."""
    looked = threading.Semaphore(0)
    check = Lease.check

    def counted(self: Lease) -> None:
        looked.release()
        check(self)

    monkeypatch.setattr(leases, "BEAT", 0.001)
    monkeypatch.setattr(Lease, "check", counted)

    def more() -> bool:
        while looked.acquire(blocking=False):
            pass
        return all(looked.acquire(timeout=SECONDS) for _ in range(count))

    return more


def test_whoever_holds_it_shows_life_until_it_is_given_up(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = beats(3, monkeypatch)
    lease = take(journal)
    os.utime(journal, LONG_AGO)
    lease.start()
    assert more()
    assert time.time() - journal.stat().st_mtime < LIMIT
    lease.close()
    for thread in threading.enumerate():
        if thread.name == "progresswidget-lease":
            thread.join(SECONDS)
            assert not thread.is_alive()


def test_no_life_is_shown_for_another_that_has_taken_over(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = beats(3, monkeypatch)
    with closing(take(journal)) as lease:
        other = put_another_in_its_place(journal)
        os.utime(journal, LONG_AGO)
        lease.start()
        assert more()
        assert journal.stat().st_mtime == LONG_AGO[1]
        with pytest.raises(LeaseLostError):
            lease.check()
        lease.remove()
        assert journal.exists(), "it is not its own any more"
    os.close(other)


def test_life_is_shown_for_as_long_as_it_is_held(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = beats(3, monkeypatch)
    with holding(journal, lambda _: ""):
        os.utime(journal, LONG_AGO)
        assert more()
        assert journal.stat().st_mtime != LONG_AGO[1]


def test_what_is_entered_stays_and_what_is_empty_goes(journal: Path) -> None:
    with holding(journal, lambda _: ""):
        assert journal.exists()
    assert not journal.exists()
    with holding(journal, lambda _: "") as lease:
        os.write(lease.descriptor, b"line\n")
    assert journal.read_bytes() == b"line\n"


@pytest.mark.parametrize("fate", ["removed", "replaced"])
def test_a_journal_that_goes_between_its_opening_and_its_lock_is_none(
    fate: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = fcntl.flock, list[int]()

    def flock(descriptor: int, operation: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:  # its holder is done, and the next one has begun
            journal.unlink()
            if fate == "replaced":
                journal.write_bytes(b"of the next one")
        real(descriptor, operation)

    journal.touch()
    monkeypatch.setattr(fcntl, "flock", flock)
    with closing(take(journal)) as lease:
        lease.check()
    assert len(calls) == 2


def test_what_was_taken_over_is_locked_too(journal: Path) -> None:
    opened = len(os.listdir("/dev/fd"))  # noqa: PTH208
    with closing(take(journal)) as old:
        os.write(old.descriptor, b"line\n")
        os.utime(journal, LONG_AGO)
        with closing(take(journal)) as new:
            with pytest.raises(LeaseLostError):
                old.check()
            new.check()
            assert new.empty, "the part of one that may live is not gone on with"
            with pytest.raises(DestinationBusyError):
                take(journal)
    assert len(os.listdir("/dev/fd")) == opened  # noqa: PTH208


def test_of_two_that_take_over_the_later_one_has_it(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, others = os.replace, list[int]()

    def replace(source: Path, target: Path) -> None:
        real(source, target)
        if not others:
            others.append(-1)
            others.append(put_another_in_its_place(journal))

    opened = len(os.listdir("/dev/fd"))  # noqa: PTH208
    with closing(take(journal)):
        os.utime(journal, LONG_AGO)
        monkeypatch.setattr(os, "replace", replace)
        with pytest.raises(DestinationBusyError):
            take(journal)
    os.close(others[1])
    assert len(os.listdir("/dev/fd")) == opened  # noqa: PTH208
    assert os.listdir(journal.parent) == [journal.name]  # noqa: PTH208


@pytest.mark.parametrize("seconds", [-300.0, 300.0])
def test_the_clock_of_the_file_system_may_be_another(
    seconds: float, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstat

    def fstat(descriptor: int) -> SimpleNamespace:
        found = real(descriptor)
        same = {name: getattr(found, name) for name in ("st_dev", "st_ino", "st_size")}
        return SimpleNamespace(**same, st_mtime=found.st_mtime + seconds)

    monkeypatch.setattr(os, "fstat", fstat)
    with closing(take(journal)):
        with pytest.raises(DestinationBusyError):
            take(journal)
        os.utime(journal, (time.time() - LIMIT - 1,) * 2)
        take(journal).close()
    assert list(journal.parent.iterdir()) == [journal]


def test_nothing_is_taken_over_from_whoever_has_done_so_already(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, others = fcntl.flock, list[int]()

    def flock(descriptor: int, operation: int) -> None:
        if not others:
            others.append(-1)
            others.append(put_another_in_its_place(journal))
            raise BlockingIOError(errno.EAGAIN, "the sleeper has it")
        real(descriptor, operation)

    journal.touch()
    os.utime(journal, LONG_AGO)
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(DestinationBusyError):
        take(journal)
    assert os.path.samestat(journal.stat(), os.fstat(others[1]))
    os.close(others[1])


def test_whoever_comes_between_the_making_of_a_journal_and_its_lock_has_it(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, others = fcntl.flock, list[int]()

    def flock(descriptor: int, operation: int) -> None:
        if not others:
            others.append(os.open(journal, os.O_RDWR))
            real(others[0], operation)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(DestinationBusyError):
        take(journal)
    assert os.path.samestat(journal.stat(), os.fstat(others[0]))
    os.close(others[0])


@pytest.mark.usefixtures("no_locks")
def test_a_copy_of_a_journal_that_finds_no_room_is_not_left(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(descriptor: int, lines: list[bytes]) -> None:
        raise OSError(errno.ENOSPC, f"no room for {descriptor} {lines}")

    journal.write_bytes(b"line\n")
    os.utime(journal, LONG_AGO)
    opened = len(os.listdir("/dev/fd"))  # noqa: PTH208
    monkeypatch.setattr(leases, "append", append)
    with pytest.raises(OSError, match="no room"):
        take(journal)
    assert list(journal.parent.iterdir()) == [journal]
    assert journal.read_bytes() == b"line\n"
    assert len(os.listdir("/dev/fd")) == opened  # noqa: PTH208


def test_a_link_is_no_journal(journal: Path) -> None:
    victim = journal.with_name("victim")
    victim.write_text("precious")
    journal.symlink_to(victim)
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        take(journal)
    assert victim.read_text() == "precious"


@pytest.mark.usefixtures("no_locks")
def test_without_locks_signs_of_life_will_do(journal: Path) -> None:
    with closing(take(journal)) as lease:
        lease.check()
        with pytest.raises(DestinationBusyError):
            take(journal)
        os.write(lease.descriptor, b"line\n")
        os.utime(journal, LONG_AGO)
        with closing(take(journal)) as next_one:
            next_one.check()
            assert journal.read_bytes() == b"line\n"
            # It may only sleep.
            os.write(lease.descriptor, b"more\n")
            with pytest.raises(LeaseLostError):
                lease.check()
            assert journal.read_bytes() == b"line\n"

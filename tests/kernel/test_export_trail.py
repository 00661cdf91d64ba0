"""The digest that follows a growing file."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING

from progresswidget.export.lease import Lock, lock
from progresswidget.export.trail import Trail

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 64 * 2**20
"""Enough to be behind when it is given up."""


def lock_anew(path: Path) -> Lock:
    descriptor = os.open(path, os.O_RDWR)
    try:
        return lock(descriptor)
    finally:
        os.close(descriptor)


def test_a_trail_that_is_given_up_lets_go_of_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(bytes(SIZE))
    descriptor = os.open(path, os.O_RDWR)
    assert lock(descriptor) is Lock.OURS
    trail = Trail(descriptor, distance=0)
    os.close(descriptor)
    assert lock_anew(path) is Lock.THEIRS
    trail.advance(SIZE)
    trail.stop()
    assert lock_anew(path) is Lock.OURS


def test_a_trail_that_ends_has_the_digest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(b"abc" * 1_000)
    descriptor = os.open(path, os.O_RDONLY)
    trail = Trail(descriptor)
    os.close(descriptor)
    told: list[str] = []
    trail.advance(1_000)
    trail.end(3_000, told.append)
    assert trail.hexdigest() == hashlib.sha256(b"abc" * 1_000).hexdigest()
    assert told == [trail.hexdigest()]


def test_a_digest_that_cannot_be_noted_can_be_had_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"data")
    with path.open("rb") as file:
        trail = Trail(file.fileno())

    def fail(_: str) -> None:
        raise MemoryError

    told = []
    before, threading.excepthook = threading.excepthook, told.append
    try:
        trail.end(4, fail)
        assert trail._done.wait(60), "nobody who waits may wait for ever"
        for thread in threading.enumerate():
            if thread.name == "progresswidget-digest-end":
                thread.join(60)
    finally:
        threading.excepthook = before
    assert trail.hexdigest() == hashlib.sha256(b"data").hexdigest()
    assert [each.exc_type for each in told] == [MemoryError]


def test_a_late_word_of_fewer_bytes_hashes_none_that_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"written" + bytes(100))
    with path.open("rb") as file:
        trail = Trail(file.fileno())
    trail._hashed, trail._written = 7, 5  # one thread has said 7, and another 5 after that
    trail._step(bytearray(64))
    assert trail._hashed == 7
    trail.stop()

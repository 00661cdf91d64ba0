"""The digest that follows a growing file."""

from __future__ import annotations

import hashlib
import os
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

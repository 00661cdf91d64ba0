"""The digest that follows a growing file."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progresswidget.export import trail as trails
from progresswidget.export.lease import Lock, lock
from progresswidget.export.trail import LOANS, Trail

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
            if thread.name == "progresswidget-digest":
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


def growing(path: Path) -> tuple[int, Trail]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    return descriptor, Trail(descriptor)


def test_what_is_lent_is_hashed_where_it_lies_and_given_back(tmp_path: Path) -> None:
    descriptor, trail = growing(tmp_path / "file")
    os.write(descriptor, bytes(6))  # what is read instead would be seen in the digest
    back: SimpleQueue[bytes] = SimpleQueue()
    try:
        assert trail.lend(0, memoryview(b"abc"), lambda view: back.put(bytes(view)))
        assert not trail.lend(4, memoryview(b"ef"), lambda _: None), "it is not the next"
        assert trail.lend(3, memoryview(b"def"), lambda view: back.put(bytes(view)))
        trail.advance(6)
        assert [back.get(timeout=60), back.get(timeout=60)] == [b"abc", b"def"]
        trail.end(6, lambda _: None)
        assert trail.hexdigest() == hashlib.sha256(b"abcdef").hexdigest()
        assert not trail.lend(6, memoryview(b"g"), lambda _: None), "it is over"
    finally:
        os.close(descriptor)


def test_a_trail_that_is_behind_comes_up_until_it_can_take_what_is_lent(tmp_path: Path) -> None:
    descriptor, trail = growing(tmp_path / "file")
    data = bytes(range(256)) * 4
    os.write(descriptor, data)
    back = threading.Event()
    try:
        trail.advance(512)  # by far less than the distance
        while not trail.lend(512, memoryview(data)[512:], lambda _: back.set()):
            trail.advance(512)
        assert back.wait(60)
        trail.end(len(data), lambda _: None)
        assert trail.hexdigest() == hashlib.sha256(data).hexdigest()
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("step", [1, 2], ids=["given up", "fails"])
def test_whoever_lends_to_a_trail_that_ends_early_gets_it_all_back(
    tmp_path: Path, step: int
) -> None:
    descriptor, trail = growing(tmp_path / "file")
    os.close(descriptor)
    block = memoryview(bytes(step * 2**16))[::step]  # which no digest takes in pieces
    back: SimpleQueue[memoryview] = SimpleQueue()
    lent = 0
    while lent < 2**24 and trail.lend(lent, block, back.put):
        lent += 2**16
    assert lent
    trail.stop()
    for _ in range(0, lent, 2**16):
        assert back.get(timeout=60) is block


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=64), st.booleans()), max_size=40))
def test_the_digest_is_that_of_the_file_whatever_of_it_was_lent(
    pieces: list[tuple[bytes, bool]],
) -> None:
    with tempfile.TemporaryFile() as file:
        trail, at = Trail(file.fileno(), distance=16), 0
        for piece, lends in pieces:
            os.pwrite(file.fileno(), piece, at)
            if lends:
                trail.lend(at, memoryview(piece), lambda _: None)
            at += len(piece)
            trail.advance(at)
        trail.end(at, lambda _: None)
        whole = b"".join(piece for piece, _ in pieces)
        assert trail.hexdigest() == hashlib.sha256(whole).hexdigest()


def test_no_more_is_borrowed_than_a_few_pieces(tmp_path: Path) -> None:
    descriptor, trail = growing(tmp_path / "file")
    os.pwrite(descriptor, bytes(LOANS + 1), 0)
    with trail._changed:  # nothing that was lent can be given back
        for at in range(LOANS):
            assert trail.lend(at, memoryview(b"a"), lambda _: None)
        assert not trail.lend(LOANS, memoryview(b"a"), lambda _: None)
    trail.end(LOANS + 1, lambda _: None)
    assert trail.hexdigest() == hashlib.sha256(b"a" * LOANS + b"\0").hexdigest()
    os.close(descriptor)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for what is resident")
def test_the_room_to_read_into_is_not_filled_before_it_is_read_into() -> None:
    def resident() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    room = trails._room(SIZE)

    assert resident() - before < SIZE // 4
    assert len(room) == SIZE


def test_a_file_that_became_shorter_has_no_digest(tmp_path: Path) -> None:
    path, told = tmp_path / "file", list[str]()
    path.write_bytes(b"half")
    with path.open("rb") as file:
        trail = Trail(file.fileno())
    trail.end(8, told.append)
    with pytest.raises(OSError, match="shorter"):
        trail.hexdigest()
    assert told == [], "it would be remembered"


def test_a_digest_that_was_given_up_is_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as file:
        trail = Trail(file.fileno())
    trail.stop()
    with pytest.raises(InterruptedError, match="given up"):
        trail.hexdigest()


def test_what_is_read_in_pieces_is_hashed_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, rooms, at: real(file, [rooms[0][:7]], at))
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)))
    assert trails.digest_of(path)() == hashlib.sha256(bytes(range(100))).hexdigest()


def test_what_is_being_read_is_not_lent_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, reads, go = os.preadv, threading.Event(), threading.Event()

    def preadv(file: int, rooms: list[memoryview], at: int) -> int:
        reads.set()
        assert go.wait(60)
        return real(file, rooms, at)

    monkeypatch.setattr(os, "preadv", preadv)
    path = tmp_path / "file"
    path.write_bytes(b"data")
    with path.open("rb") as file:
        trail = Trail(file.fileno(), distance=0)
    trail.advance(4)
    assert reads.wait(60)
    assert not trail.lend(0, memoryview(b"data"), lambda _: None)
    go.set()
    trail.end(4, lambda _: None)
    assert trail.hexdigest() == hashlib.sha256(b"data").hexdigest()

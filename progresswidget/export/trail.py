"""The SHA-256 of a file, taken behind the writer by a thread of its own.

SHA-256 is the one digest that every client can check, and at 1.8 GB/s it is slower than the disk
cache and than the fastest writers: in their way it would cost a sixth of a CSV export and half of
an Arrow one. So a thread follows at a distance, reading out of the page cache, and what is left
when the file is complete is hashed after it has its name: half a second at most. Whoever asks
for the digest waits for it.

A download lends it what it has just written, and nothing has to be read again.

The thread must not have a low priority: between two chunks it holds the interpreter's lock, and all
of Python would wait for a thread that nobody lets run.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from progresswidget.export.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHUNK: Final = 4 * 2**20
FEW_CORES: Final = 2
DISTANCE: Final = 2**30 if (os.cpu_count() or 1) <= FEW_CORES else 2**29
"""Bytes that are left to the end of an export, which uses all cores until then.

Where there are two, a digest that begins after half a gigabyte took 0.5 s of processor from an
NDJSON export of a whole one, which came to 0.75 of polars' speed instead of 0.87.
"""
LAG: Final = 2 * DISTANCE
"""Bytes that the digest may be behind before the writer waits: they are to be in the cache yet."""
CLOSE: Final = 2**20
"""The distance where the digest decides whether the file may appear, and a core has time for it."""
NEAR: Final = 2**19
"""Bytes that are read at once there: they are in the core's own cache yet when they are hashed."""
LOANS: Final = 8
"""Pieces that wait in memory to be hashed; what is more is read from the file."""


_Room: TypeAlias = bytearray | mmap.mmap


@dataclass(frozen=True, slots=True)
class _Loan:
    """Bytes of the file that are to be hashed where they lie, and then given back."""

    data: memoryview
    end: int
    back: Callable[[memoryview], None]


class Trail:
    """The digest of a growing file.

    Parameters
    ----------
    descriptor
        The open file; it is duplicated, so the caller may close it.
    distance
        Bytes that are left to the end.
    """

    def __init__(self, descriptor: int, distance: int = DISTANCE) -> None:
        self._descriptor, self._distance = os.dup(descriptor), distance
        self._chunk = NEAR if distance <= CLOSE else CHUNK
        self._digest = hashlib.sha256()
        self._changed = threading.Condition()
        self._written = 0
        self._hashed = 0
        self._loans: deque[_Loan] = deque()
        self._hurried = False
        self._ended = False
        self._stopped = False
        self._failure: BaseException | None = None
        self._hex = ""
        self._process = os.getpid()
        self._done = threading.Event()
        self._callback: Callable[[str], None] = lambda _: None
        self._behind = Worker(self._run, "digest")
        try:
            self._behind.start()
        except BaseException:
            os.close(self._descriptor)  # and with it the lock of the part
            raise

    def advance(self, written: int) -> None:
        """Say how many bytes are in the file; waits if the digest is too far behind.

        May be called from several threads: the file never becomes shorter by it.
        """
        self._written = written = max(self._written, written)
        if written - self._hashed <= self._reach:
            return
        with self._changed:
            self._changed.notify_all()
            while written - self._hashed > LAG and not self._over():
                self._changed.wait(0.1)

    def lend(self, at: int, data: memoryview, back: Callable[[memoryview], None]) -> bool:
        """Lend bytes of the file, which are taken if they are the next to be hashed.

        Parameters
        ----------
        at
            Where they begin in the file.
        data
            The bytes, which must stay as they are until then.
        back
            Called with them, from a thread, when they are not needed any more.

        Returns
        -------
        Whether they were taken; others are read from the file.
        """
        with self._changed:
            next_ = self._loans[-1].end if self._loans else self._hashed
            free = len(self._loans) < LOANS and not self._over()
            taken = free and at == next_ and at >= self._written
            # Who is a little behind comes so close that the next bytes can be taken.
            self._hurried = not taken
            if taken:
                self._loans.append(_Loan(data, at + len(data), back))
                self._changed.notify_all()
            return taken

    def end(self, size: int, then: Callable[[str], None]) -> None:
        """Say that the file is complete; `then` is called with the digest, from a thread."""
        with self._changed:
            self._written, self._ended, self._callback = size, True, then
            # Nothing is begun here: with digests under way on other threads, a new one would be
            # waited for until it has had the GIL, 4 to 6 ms.
            self._changed.notify_all()

    def stop(self) -> None:
        """Give up, and let go of the file; a digest that is done stays."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        # Its descriptor shares the lock of the part: whoever comes next would find it taken.
        self._behind.join()

    def left(self, size: int) -> int:
        """Return how many of the first bytes of the file are not hashed yet."""
        return size - self._hashed

    def hexdigest(self) -> str:
        """Wait for the digest, 64 hexadecimal digits.

        Raises
        ------
        OSError
            If the file could not be read, or a fork of the process that takes it asks too early.
        """
        while not self._done.wait(0.1):  # an endless wait could not be interrupted
            if os.getpid() != self._process:
                raise InterruptedError("the digest is taken by the process that this is a fork of")
        if self._failure is not None:
            raise self._failure
        if not self._hex:
            raise InterruptedError("the digest was given up")
        return self._hex

    @property
    def _reach(self) -> int:
        return 0 if self._hurried else self._distance

    def _idle(self) -> bool:
        return not self._loans and self._written - self._hashed <= self._reach

    def _over(self) -> bool:
        return self._stopped or self._ended or self._failure is not None

    def _run(self) -> None:
        try:
            buffer = _room(self._chunk)
            self._follow(buffer)
            if self._ended and not self._stopped:
                self._finish(buffer)
        except BaseException as error:  # noqa: BLE001 - raised where the digest is asked for
            self._failure = error
        try:
            if self._hex:
                self._callback(self._hex)
        finally:
            self._close()  # or those who wait for the digest would wait for ever

    def _follow(self, buffer: _Room) -> None:
        while not self._over():
            with self._changed:
                while self._idle() and not self._over():
                    self._changed.wait(1)
            if not self._over():
                self._step(buffer)

    def _finish(self, buffer: _Room) -> None:
        while not self._stopped and self._hashed < self._written:
            self._step(buffer)
        if not self._stopped:
            self._hex = self._digest.hexdigest()

    def _close(self) -> None:
        with self._changed:
            if not self._done.is_set():
                os.close(self._descriptor)
                self._done.set()
            while self._loans:
                self._give_back()

    def _step(self, buffer: _Room) -> None:
        if self._loans:
            self._digest.update(self._loans[0].data)
            with self._changed:
                self._hashed = self._loans[0].end
                self._give_back()
        else:
            self._read(buffer)

    def _give_back(self) -> None:
        loan = self._loans.popleft()
        loan.back(loan.data)

    def _read(self, buffer: _Room) -> None:
        # Never below nothing: of two that advance at once the later one may say less.
        part = memoryview(buffer)[: max(self._written - self._hashed, 0)]
        if not part:
            return
        read = os.preadv(self._descriptor, [part], self._hashed)
        if not read:
            raise OSError("the file is shorter than what was written")
        self._digest.update(part[:read])
        with self._changed:
            self._hashed += read
            self._changed.notify_all()


def _room(size: int) -> _Room:
    """Return memory that is first touched by what is read into it, without the GIL.

    A bytearray is filled with zeros under it, which kept the rest of Python waiting for 3 ms.
    """
    return mmap.mmap(-1, size)


def digest_of(path: Path) -> Callable[[], str]:
    """Begin to hash a file that is complete, and return what waits for its digest.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        trail = Trail(descriptor)
    finally:
        os.close(descriptor)
    trail.end(path.stat().st_size, lambda _: None)
    return trail.hexdigest

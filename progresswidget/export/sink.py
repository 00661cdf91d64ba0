"""Bytes on their way to the file: written and counted by a thread.

Encoders hold the processor while they format, and a write lets go of the GIL; side by side with the
encoders it costs no time where a core is free. A unit is handed over as a whole, so that whoever
gives out the next ones waits for no write, and goes to the file in few calls: each time that the
thread comes back from one it has to wait for the GIL. So the XXH3 of what is written is taken by
whoever hands a unit over, and waits most of the time: here it held up the writes of an Arrow stream
for a tenth of their time, since there is the GIL to wait for after each of its buffers. It is the
only digest that is taken of the bytes on their way, for the journal and for those who read along.
The SHA-256 of the file is taken behind it, see `trail`.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Condition
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from progresswidget.export.trail import Trail
from progresswidget.export.workers import Worker
from progresswidget.export.writeback import WriteBack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from progresswidget.export.outlet import Outlet
    from progresswidget.export.writers import Piece

WAITING: Final = 24 * 2**20
"""Bytes that may wait; an encoder that is faster than the disk then waits itself.

Who hands the next ones over may have to wait for the GIL, 5 ms, in which 12 MB are written.
"""
LOOK: Final = 0.1
"""Seconds between two looks at pause and cancel meanwhile."""
PIECE: Final = 8 * 2**20
"""Bytes of one write, so that the count moves while one huge cell is written."""
PIECES: Final = 512
"""Pieces of one write; systems take 1,024 (POSIX, IOV_MAX)."""

_Work: TypeAlias = "Callable[[], None]"


class Filter(Protocol):
    """A transformation of all the bytes of a file, in order."""

    def feed(self, piece: Piece) -> Sequence[Piece]:
        """Return what can be written after some more bytes."""

    def finish(self) -> Sequence[Piece]:
        """Return the rest."""

    def close(self) -> None:
        """Let go of what is held; called in the end, also after a failure."""


class Sink:
    """An append-only end of a file.

    Parameters
    ----------
    descriptor
        An open file, which stays the caller's.
    counted
        Called from the sink's thread with the bytes in the file so far.
    start
        The bytes that are in the file already.
    filter
        What the bytes go through.
    digest
        Takes in all that is written.
    """

    def __init__(
        self,
        descriptor: int,
        counted: Callable[[int], None],
        *,
        start: int = 0,
        filter: Filter | None = None,
        digest: Digest | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._counted = counted
        self._filter = filter
        self._size = start
        self._digest = digest
        self._failure: BaseException | None = None
        self._trail = Trail(descriptor)
        self._write_back = WriteBack(descriptor, start)
        self._trail_wanted = False
        os.lseek(descriptor, start, os.SEEK_SET)
        self._room = Condition()
        self._waiting = 0
        self._queue: SimpleQueue[tuple[_Work, Future[int] | None] | None] = SimpleQueue()
        self._thread = Worker(self._work, "sink")
        try:
            self._thread.start()
        except BaseException:
            self._trail.stop()
            raise

    def append(self, pieces: Sequence[Piece], checkpoint: Callable[[], None] = lambda: None) -> int:
        """Hand over pieces; return how many bytes they are. Waits while too many are under way.

        Parameters
        ----------
        pieces
            The bytes, in order.
        checkpoint
            Called again and again meanwhile.

        Raises
        ------
        OSError
            If earlier bytes could not be written.
        """
        views = [memoryview(piece).cast("B") for piece in pieces]
        size = sum(view.nbytes for view in views)
        if self._filter is None:
            _hash(self._digest, views)  # first, so that they are ready when there is room
        while not self._has_room():
            checkpoint()
        with self._room:
            self._waiting += size
        self._do(lambda: self._pass_on(views))
        return size

    def drain(self, outlet: Outlet) -> Future[int]:
        """Write what comes out of `outlet`, to its end; tells how many bytes that were.

        Raises
        ------
        OSError
            If earlier bytes could not be written.
        """
        drained: Future[int] = Future()
        self._do(lambda: self._drain(outlet, drained), drained)
        return drained

    def commit(self, written: Callable[[bytes], None]) -> None:
        """Tell, when all bytes that were handed over are in the file, their digest.

        Parameters
        ----------
        written
            Called with the digest, of no bytes where none is taken.

        Raises
        ------
        OSError
            If earlier bytes could not be written.
        """
        # What is drained was waited for, and all else is hashed when it is handed over.
        digest = b"" if self._digest is None else self._digest.digest()
        self._do(lambda: written(digest))

    def finish(self, *, written_by_others: bool = False) -> tuple[int, Trail]:
        """Wait for the last byte; return the size, and the digest that is being taken.

        Parameters
        ----------
        written_by_others
            Whether a library has written the file.

        Raises
        ------
        OSError
            If bytes could not be written.
        """
        if self._filter is not None:
            self._do(self._finish_filter)
        self._end()
        if self._failure is not None:
            raise self._failure
        if written_by_others:
            self._size = os.fstat(self._descriptor).st_size
            self._counted(self._size)
        self._trail_wanted = True
        return self._size, self._trail

    def close(self) -> None:
        """End the threads; a second call changes nothing."""
        self._end()
        if not self._trail_wanted:
            self._trail.stop()

    def _end(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _do(self, work: _Work, told: Future[int] | None = None) -> None:
        if self._failure is not None:
            raise self._failure
        self._queue.put((work, told))

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            self._do_now(*item)
            del item  # its bytes are in the file, and would be in memory until more come

    def _do_now(self, work: _Work, told: Future[int] | None) -> None:
        if self._failure is not None:
            # Keep emptying, so that nobody waits for a dead thread.
            if told is not None:
                told.set_exception(self._failure)
            return
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again by `append`
            self._failure = error
            with self._room:
                self._room.notify_all()

    def _has_room(self) -> bool:
        with self._room:
            return self._room.wait_for(
                lambda: self._waiting < WAITING or self._failure is not None, LOOK
            )

    def _pass_on(self, pieces: Sequence[memoryview]) -> None:
        for group in _groups(pieces):
            size = sum(piece.nbytes for piece in group)
            if self._filter is None:
                self._write(group)
            else:
                self._filtered(group)
            with self._room:
                self._waiting -= size
                self._room.notify_all()

    def _filtered(self, pieces: list[memoryview]) -> None:
        if self._filter is None:
            self._append(pieces)
            return
        for piece in pieces:
            for each in self._filter.feed(piece):
                self._append([memoryview(each)])

    def _finish_filter(self) -> None:
        if self._filter is not None:
            for each in self._filter.finish():
                self._append([memoryview(each)])

    def _append(self, pieces: list[memoryview]) -> None:
        _hash(self._digest, pieces)
        self._write(pieces)

    def _write(self, pieces: list[memoryview]) -> None:
        rest = pieces
        while rest:
            written = _write(self._descriptor, rest)
            self._size += written
            self._counted(self._size)
            self._write_back.advance(self._size)
            self._trail.advance(self._size)
            rest = _behind(rest, written)

    def _drain(self, outlet: Outlet, drained: Future[int]) -> None:
        size = 0

        def pass_on(piece: Piece) -> None:
            nonlocal size
            size += len(piece)
            # A filter may keep what it is given for a while.
            for group in _groups([memoryview(piece if self._filter is None else bytes(piece))]):
                self._filtered(group)

        try:
            outlet.drain(pass_on)
        except BaseException as error:
            drained.set_exception(error)
            raise
        drained.set_result(size)


def _groups(pieces: Sequence[memoryview]) -> Iterator[list[memoryview]]:
    """Cut and join pieces to what one write takes."""
    group: list[memoryview] = []
    size = 0
    for piece in pieces:
        rest = piece
        while rest:
            group.append(rest[: PIECE - size])
            size += group[-1].nbytes
            rest = rest[group[-1].nbytes :]
            if size == PIECE or len(group) == PIECES:
                yield group
                group, size = [], 0
    if group:
        yield group


def _hash(digest: Digest | None, pieces: Sequence[memoryview]) -> None:
    if digest is not None:
        for piece in pieces:
            digest.update(piece)


def _write(descriptor: int, pieces: Sequence[memoryview]) -> int:
    if hasattr(os, "writev"):
        return os.writev(descriptor, pieces)
    return os.write(descriptor, pieces[0])  # Windows has only this


def _behind(pieces: list[memoryview], written: int) -> list[memoryview]:
    """Return what is left of pieces behind their first bytes."""
    for place, piece in enumerate(pieces):
        if written < piece.nbytes:
            return [piece[written:], *pieces[place + 1 :]]
        written -= piece.nbytes
    return []


class Digest(Protocol):
    """A digest that is being taken."""

    def update(self, data: Piece) -> None:
        """Take more bytes in."""

    def digest(self) -> bytes:
        """Return the digest so far."""

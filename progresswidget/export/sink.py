"""Bytes on their way to the file: written, counted and entered into the journal by a thread.

Encoders hold the processor while they format, and `write` lets go of the GIL; side by side with the
encoders it costs no time where a core is free. The SHA-256 of the file is taken behind it, see
`trail`.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from progresswidget.export import journal as journals
from progresswidget.export.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from progresswidget.export.outlet import Outlet
    from progresswidget.export.writers import Piece

DEPTH: Final = 4
"""Pieces that may wait; an encoder that is faster than the disk then waits itself."""
PIECE: Final = 8 * 2**20
"""Bytes of one `write`, so that the count moves while one huge cell is written."""

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
    journal
        The open journal, or -1.
    filter
        What the bytes go through.
    """

    def __init__(
        self,
        descriptor: int,
        counted: Callable[[int], None],
        *,
        start: int = 0,
        journal: int = -1,
        filter: Filter | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._counted = counted
        self._journal = journal
        self._filter = filter
        self._size = start
        self._unit: Digest | None = None
        self._failure: BaseException | None = None
        self._trail = Trail(descriptor)
        self._trail_wanted = False
        os.lseek(descriptor, start, os.SEEK_SET)
        self._queue: Queue[_Work | None] = Queue(DEPTH)
        self._thread = Thread(target=self._work, name="progresswidget-sink", daemon=True)
        self._thread.start()

    def write(self, piece: Piece) -> None:
        """Hand over bytes; waits while too many are under way.

        Raises
        ------
        OSError
            If earlier bytes could not be written.
        """
        self._do(lambda: self._pass_on(piece))

    def append(self, pieces: Iterable[Piece]) -> int:
        """Hand over several pieces; return how many bytes they are."""
        size = 0
        for piece in pieces:
            view = memoryview(piece).cast("B")
            size += view.nbytes
            self.write(view)
        return size

    def drain(self, outlet: Outlet) -> Future[int]:
        """Write what comes out of `outlet`, to its end; tells how many bytes that were.

        Raises
        ------
        OSError
            If earlier bytes could not be written.
        """
        drained: Future[int] = Future()
        self._do(lambda: self._drain(outlet, drained))
        return drained

    def begin_unit(self) -> None:
        """Take the digest of what is written from here on."""
        self._do(self._begin_unit)

    def commit(self, record: Callable[[bytes], bytes]) -> None:
        """Enter into the journal, after all bytes before, the line that `record` makes.

        Parameters
        ----------
        record
            Makes the line from the digest of the bytes since `begin_unit`.
        """
        self._do(lambda: self._commit(record))

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

    def _do(self, work: _Work) -> None:
        if self._failure is not None:
            raise self._failure
        self._queue.put(work)

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            if self._failure is not None:
                continue  # keep emptying, so that nobody waits for a dead thread
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - it is raised again by `write`
                self._failure = error

    def _pass_on(self, piece: Piece) -> None:
        if self._filter is None:
            self._append(piece)
            return
        for each in self._filter.feed(piece):
            self._append(each)

    def _finish_filter(self) -> None:
        if self._filter is not None:
            for each in self._filter.finish():
                self._append(each)

    def _append(self, piece: Piece) -> None:
        rest = memoryview(piece)
        while rest:
            written = os.write(self._descriptor, rest[:PIECE])
            if self._unit is not None:
                self._unit.update(rest[:written])
            self._size += written
            self._counted(self._size)
            self._trail.advance(self._size)
            rest = rest[written:]

    def _drain(self, outlet: Outlet, drained: Future[int]) -> None:
        size = 0

        def pass_on(piece: Piece) -> None:
            nonlocal size
            size += len(piece)
            # A filter may keep what it is given for a while.
            self._pass_on(piece if self._filter is None else bytes(piece))

        try:
            outlet.drain(pass_on)
        except BaseException as error:
            drained.set_exception(error)
            raise
        drained.set_result(size)

    def _begin_unit(self) -> None:
        import xxhash

        self._unit = xxhash.xxh3_128()

    def _commit(self, record: Callable[[bytes], bytes]) -> None:
        if self._unit is None:
            raise AssertionError
        digest = bytes(self._unit.digest())
        self._unit = None
        journals.append(self._journal, [record(digest)])


class Digest(Protocol):
    """A digest that is being taken."""

    def update(self, data: Piece) -> None:
        """Take more bytes in."""

    def digest(self) -> bytes:
        """Return the digest so far."""

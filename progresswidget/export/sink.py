"""Bytes on their way to the file: written, counted and hashed by a thread of their own.

Encoders hold the processor while they format, and `write` and SHA-256 let go of the GIL; side by
side with the encoders they cost no time where a core is free.
"""

from __future__ import annotations

import hashlib
import os
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from progresswidget.export.writers import Piece

DEPTH: Final = 4
"""Pieces that may wait; an encoder that is faster than the disk then waits itself."""
PIECE: Final = 8 * 2**20
"""Bytes of one `write`, so that the count moves while one huge cell is written."""


class Sink:
    """An append-only end of a file.

    Parameters
    ----------
    descriptor
        An open file, which stays the caller's.
    counted
        Called from the sink's thread with the bytes in the file so far.
    """

    def __init__(self, descriptor: int, counted: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._counted = counted
        self._digest = hashlib.sha256()
        self._size = 0
        self._failure: BaseException | None = None
        self._queue: Queue[Piece | None] = Queue(DEPTH)
        self._thread = Thread(target=self._work, name="progresswidget-sink", daemon=True)
        self._thread.start()

    def write(self, piece: Piece) -> None:
        """Hand over bytes; waits while too many are under way.

        Raises
        ------
        OSError
            If earlier bytes could not be written.
        """
        if self._failure is not None:
            raise self._failure
        self._queue.put(piece)

    def append(self, pieces: Iterable[Piece]) -> int:
        """Hand over several pieces; return how many bytes they are."""
        size = 0
        for piece in pieces:
            view = memoryview(piece).cast("B")
            size += view.nbytes
            self.write(view)
        return size

    def finish(self) -> tuple[int, str]:
        """Wait for the last byte; return the size and the SHA-256 in hexadecimal digits.

        Raises
        ------
        OSError
            If bytes could not be written.
        """
        self.close()
        if self._failure is not None:
            raise self._failure
        return self._size, self._digest.hexdigest()

    def close(self) -> None:
        """End the thread; a second call changes nothing."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (piece := self._queue.get()) is not None:
            if self._failure is not None:
                continue  # keep emptying, so that nobody waits for a dead thread
            try:
                self._append(piece)
            except BaseException as error:  # noqa: BLE001 - it is raised again by `write`
                self._failure = error

    def _append(self, piece: Piece) -> None:
        rest = memoryview(piece)
        while rest:
            written = os.write(self._descriptor, rest[:PIECE])
            self._digest.update(rest[:written])
            self._size += written
            self._counted(self._size)
            rest = rest[written:]

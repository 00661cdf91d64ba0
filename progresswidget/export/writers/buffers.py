"""The write ends that encoders of other libraries see."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from progresswidget.export.writers import Piece

SMALL: Final = 64 * 2**10
"""Pieces below this are joined: handing one to the sink costs more than to copy it."""


class Buffers(io.RawIOBase):
    """A file that only grows, and keeps what is written to it until that is taken.

    pyarrow writes to it, and its bytes are taken without copying them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Any] = []
        self._position = 0

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def write(self, data: Any) -> int:
        """Keep one part: pyarrow hands over its own buffers where it can, and bytes else."""
        self._parts.append(data)
        self._position += len(data)
        return len(data)

    def take(self) -> list[Any]:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return parts


class Room:
    """Memory that the bytes of one unit are joined in, and those of the next one after them."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._filled = 0

    def write(self, data: Piece) -> int:
        """Take one piece in."""
        piece = memoryview(data).cast("B")
        free = len(self._memory) - self._filled
        # Through a view: a bytearray copies what it is given before it puts it in its place.
        with memoryview(self._memory) as memory:
            memory[self._filled : self._filled + piece.nbytes] = piece[:free]
        self._memory += piece[free:]
        self._filled += piece.nbytes
        return piece.nbytes

    @contextmanager
    def taken(self) -> Iterator[memoryview]:
        """Lend what was written, and begin anew."""
        with memoryview(self._memory) as memory, memory[: self._filled] as data:
            yield data
        self._filled = 0


class Rooms:
    """Rooms that are used again: as many as there are units being made at the same time.

    New memory for each unit would be given back to the C library, which keeps tens of megabytes
    of it for each thread.
    """

    def __init__(self) -> None:
        self._free: list[Room] = []

    @contextmanager
    def one(self) -> Iterator[Room]:
        """Lend one that is empty."""
        try:
            room = self._free.pop()
        except IndexError:
            room = Room()
        yield room
        self._free.append(room)  # after an error it may be half full, and is let go of


def joined(parts: Sequence[Any]) -> list[Piece]:
    """Return the parts with small neighbours joined, and empty ones left out."""
    pieces: list[Piece] = []
    small = bytearray()
    for part in parts:
        if len(part) < SMALL:
            small += memoryview(part)
            continue
        if small:
            pieces.append(small)
            small = bytearray()
        pieces.append(part)
    if small:
        pieces.append(small)
    return pieces

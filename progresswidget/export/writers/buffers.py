"""The write end that pyarrow's encoders see, from which bytes are taken without copying them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from progresswidget.export.writers import Piece

SMALL: Final = 64 * 2**10
"""Pieces below this are joined: handing one to the sink costs more than to copy it."""


class Buffers(io.RawIOBase):
    """A file that only grows, and keeps what is written to it until that is taken."""

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

"""What a library writes by itself while only its encryption gets the name.

A database engine needs a file of its own and cannot write through age. So the whole database lies
beside the destination for as long as its export lasts, readable for its owner alone: a file of mode
0600 in a hidden folder of mode 0700, which also keeps to itself what the engine puts next to it (a
log, what does not fit into memory), whatever mode the engine gives that. The folder is named as a
part and goes as one: at the end, however that comes, and after a kill with the next export to the
same path or when leftovers are tidied away. It is unlinked and not overwritten; who could read
the bare disk afterwards may find its bytes there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from progresswidget.export.parts import PLAIN, create, discard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIECE: Final = 2**20
"""Bytes that are read at once."""
_FOLDER: Final = 0o700
_FILE: Final = 0o600
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@dataclass(slots=True)
class Plain:
    """An open and locked file in a folder that is private to it."""

    descriptor: int
    folder: Path

    @property
    def path(self) -> Path:
        """Where the library writes."""
        return self.folder / PLAIN

    def pieces(self) -> Iterator[bytes]:
        """Read what is in the file.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        place = 0
        while piece := os.pread(self.descriptor, PIECE, place):
            place += len(piece)
            yield piece

    def remove(self) -> None:
        """Remove the file and all that was put next to it; a second call changes nothing.

        Raises
        ------
        OSError
            If the system refuses.
        """
        if self.descriptor < 0:
            return
        try:
            discard(self.folder)
        finally:
            # The lock goes with it: what could not be removed is left to the next export.
            os.close(self.descriptor)
            self.descriptor = -1


def create_plain(destination: Path) -> Plain:
    """Create and lock an empty file in a private folder beside `destination`.

    Raises
    ------
    OSError
        If it cannot be created.
    """
    descriptor, folder = create(destination, _make, PLAIN)
    return Plain(descriptor, folder)


def _make(folder: Path) -> int:
    folder.mkdir(_FOLDER)
    return os.open(folder / PLAIN, _FLAGS, _FILE)

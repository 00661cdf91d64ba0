"""TAR: the pax interchange format of POSIX.1-2001, which has no limit to names and sizes."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server_ext.downloads.archives import Entry


class TarPacking:
    """A `Packing` without owners: whoever unpacks it owns what comes out."""

    def __init__(self) -> None:
        self._offset = 0

    def head(self, entry: Entry) -> bytes:
        """Return the header, and before it the extended one where the old fields are too small."""
        info = tarfile.TarInfo(entry.name.rstrip("/"))
        info.type = tarfile.DIRTYPE if entry.is_folder else tarfile.REGTYPE
        info.size, info.mtime, info.mode = entry.size, entry.modified, entry.mode
        data = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
        self._offset += len(data) + entry.size
        return data

    def tail(self, entry: Entry, crc: int) -> bytes:
        """Return what fills the last block."""
        data = bytes(-entry.size % tarfile.BLOCKSIZE)
        self._offset += len(data)
        return data

    def end(self) -> bytes:
        """Return two empty blocks, and what fills the last record."""
        mark = 2 * tarfile.BLOCKSIZE
        return bytes(mark + -(self._offset + mark) % tarfile.RECORDSIZE)

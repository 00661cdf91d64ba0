"""Folders as one file, packed while it leaves: the port `Packing`, and its formats.

Everything is stored as it is: so the length is known before the first byte, a client sees how far
it is and whether it got everything, and packing costs no more than reading. The formats are pure:
they say which bytes come before and after those of a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder in an archive.

    Parameters
    ----------
    name
        With slashes; safe to unpack, see `names.safe`. A folder's ends with a slash.
    size
        Bytes; 0 for a folder.
    modified
        Seconds since 1970.
    executable
        Whether the file may be run.
    """

    name: str
    size: int
    modified: int
    executable: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.name.endswith("/")

    @property
    def mode(self) -> int:
        """Its permissions: the umask of whoever unpacks it takes away what it must."""
        return 0o755 if self.is_folder or self.executable else 0o644


class Packing(Protocol):
    """One archive that is being written: for each entry `head`, its bytes, `tail`; then `end`."""

    def head(self, entry: Entry) -> bytes:
        """Return what comes before the bytes of an entry."""

    def tail(self, entry: Entry, crc: int) -> bytes:
        """Return what comes after them; `crc` is their CRC-32."""

    def end(self) -> bytes:
        """Return what comes after the last entry."""


def length(packing: Packing, entries: Iterable[Entry]) -> int:
    """Return how long the archive of these entries becomes; `packing` is used up by it."""
    size = 0
    for entry in entries:
        size += len(packing.head(entry)) + entry.size + len(packing.tail(entry, 0))
    return size + len(packing.end())

"""Watch folders by inotify: whoever opens or writes anything in them is seen."""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# <sys/inotify.h>
_OPEN: Final = 0x00000020
_ACCESS: Final = 0x00000001
_CHANGES: Final = 0x00000FC6  # modify, attrib, move, create, delete, also of the folder itself
_IS_DIR: Final = 0x40000000
_HEAD: Final = struct.Struct("iIII")


class Events:
    """What has happened since the watch began."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> list[tuple[int, str]]:
        """Return masks and names that have come since the last time."""
        found = []
        try:
            data = os.read(self._descriptor, 1 << 20)
        except BlockingIOError:
            return []
        while data:
            _, mask, _, length = _HEAD.unpack_from(data)
            name = data[_HEAD.size : _HEAD.size + length].rstrip(b"\0").decode()
            found.append((mask, name))
            data = data[_HEAD.size + length :]
        return found


@contextmanager
def watched(*folders: Path) -> Iterator[Events]:
    """Watch folders, each by itself, while the block runs."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert descriptor >= 0, os.strerror(ctypes.get_errno())
    try:
        for folder in folders:
            mask = _OPEN | _ACCESS | _CHANGES
            watch = libc.inotify_add_watch(descriptor, bytes(folder), mask)
            assert watch >= 0, os.strerror(ctypes.get_errno())
        yield Events(descriptor)
    finally:
        os.close(descriptor)

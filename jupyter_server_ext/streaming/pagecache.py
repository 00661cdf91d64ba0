"""Whether bytes of a file are in memory: what the event loop may send itself, and what not.

`os.sendfile` never waits for a socket that does not block, but it does wait for the disk. So the
kernel is asked first, and what is missing is read in a thread.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final

_NOWAIT: Final = getattr(os, "RWF_NOWAIT", 0)
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})
"""File systems that have no disk, and do not say so."""
_MOUNTS: Final = Path("/proc/self/mountinfo")
_BLOCK: Final = 1024 * 1024


class PageCache:
    """What the kernel says of one open file.

    Parameters
    ----------
    descriptor
        Of a regular file, open for reading; not owned.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._byte = [bytearray(1)]
        self._always = _has_no_disk(os.fstat(descriptor).st_dev)

    @property
    def tells(self) -> bool:
        """Whether this file system answers at all; network file systems mostly do not."""
        return self._always or self._probe(0) is not None

    def holds(self, offset: int, length: int) -> bool:
        """Say whether a range is in memory, by its first and its last byte.

        The kernel reads ahead in one piece, so that a hole between them is rare.
        """
        if self._always:
            return True
        return bool(self._probe(offset) and self._probe(offset + length - 1))

    def read(self, buffer: memoryview, offset: int) -> int | None:
        """Read what is in memory of a range.

        Returns
        -------
        The number of bytes, 0 at the end of the file, None if the first one is not in memory.
        """
        try:
            return os.preadv(self._descriptor, [buffer], offset, 0 if self._always else _NOWAIT)
        except BlockingIOError:
            return None

    def load(self, offset: int, length: int) -> None:
        """Read a range from the disk, and let the kernel fetch the next; to be called in a thread.

        Parameters
        ----------
        offset, length
            In bytes; the range may reach beyond the end.
        """
        scratch = [bytearray(min(length, _BLOCK))]
        end = offset + length
        os.posix_fadvise(self._descriptor, end, length, os.POSIX_FADV_WILLNEED)
        while offset < end:
            count = os.preadv(self._descriptor, scratch, offset)
            if count == 0:
                return
            offset += count

    def _probe(self, offset: int) -> bool | None:
        if not _NOWAIT:
            return None
        try:
            os.preadv(self._descriptor, self._byte, offset, _NOWAIT)
        except BlockingIOError:
            return False
        except OSError:  # EOPNOTSUPP
            return None
        return True


@cache
def _has_no_disk(device: int) -> bool:
    # proc_pid_mountinfo(5): the third field is major:minor, the type follows the separator.
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == number:
            return rest.split()[0] in _IN_MEMORY
    return False

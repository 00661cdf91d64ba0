"""The memory that conversions and encoders make their results in."""

from __future__ import annotations

import os
from collections import deque
from functools import cache
from typing import TYPE_CHECKING
from weakref import finalize

if TYPE_CHECKING:
    import pyarrow as pa


@cache
def pool() -> pa.MemoryPool:
    """Return jemalloc's memory where it is there, and the user has not chosen another.

    pyarrow's default gives the system what is free for 10 ms, and gets it back as huge pages that
    are filled with zeros first: a tenth of the processor that an export to Parquet took, and a
    fifth of one to an Arrow stream.
    """
    import pyarrow as pa

    if (
        "ARROW_DEFAULT_MEMORY_POOL" in os.environ
        or "jemalloc" not in pa.supported_memory_backends()
    ):
        return pa.default_memory_pool()
    return pa.jemalloc_memory_pool()


class Rooms:
    """Memory that one unit after the other is encoded into, as many rooms as are needed at once.

    A stream that grows copies what it has again and again, and asks the system for a page for each
    4 KiB of it: a seventh of the processor that an encoder of Parquet takes.

    Parameters
    ----------
    size
        Bytes of a room. What is never written to takes no memory.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._free: deque[pa.Buffer] = deque()

    def take(self) -> pa.Buffer:
        """Return a room whose content does not matter."""
        import pyarrow as pa

        while True:
            try:
                room = self._free.pop()
            except IndexError:
                return pa.allocate_buffer(self.size, memory_pool=pool())
            if room.size >= self.size:
                return room

    def lend(self, room: pa.Buffer, filled: int) -> pa.Buffer:
        """Return the first bytes of a room, which is free again when nobody has them any more."""
        part = room.slice(0, filled)
        finalize(part, self._free.append, room).atexit = False
        return part

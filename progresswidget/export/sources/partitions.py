"""Partitions of a query: one after the other, or side by side where the query is what takes long.

An engine that reads all of them at once has batches of each under way, as many as the machine has
cores. While whoever writes takes longer than the query, that costs memory and wins nothing.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import ExitStack, closing
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import SourceError
from progresswidget.export.reading import interruptible, read_ahead
from progresswidget.export.size import batch_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import pyarrow as pa

SLOW: Final = 200e6
"""Bytes for each second that is waited: a query that gives fewer is read side by side.

Those of plain files give several times as many on one core. Writing alone does not decide: rows
that are found unchanged are done with sooner than they are read, and must come in the same order.
"""
LOOK: Final = 0.5
"""Seconds of waiting after which it is judged how fast a query is."""


def read(
    partitions: Sequence[Callable[[], Generator[pa.RecordBatch, None, None]]],
    clock: Callable[[], float] = time.monotonic,
) -> Generator[pa.RecordBatch, None, None]:
    """Yield the batches of one partition after the other, and of twice as many while that is slow.

    Parameters
    ----------
    partitions
        Each begins to read one, on a thread of its own.
    clock
        Seconds from any start.
    """
    gone = Event()

    def checkpoint() -> None:
        if gone.is_set():
            raise SourceError("Nobody waits for the rows any more.")

    waiting = deque(partitions)
    reading: deque[Generator[Any, None, None]] = deque()
    wanted, size, waited = 1, 0, 0.0
    with ExitStack() as stack, interruptible(gone.set):
        while waiting or reading:
            while waiting and len(reading) < wanted:
                reader = read_ahead(partial(_begun, waiting.popleft()), checkpoint)
                stack.enter_context(closing(reader))
                next(reader)
                reading.append(reader)
            before = clock()
            batch = next(reading[0], None)
            waited += clock() - before
            if batch is None:
                reading.popleft()
                continue
            size += batch_bytes(batch)
            yield batch
            del batch
            reading.rotate(-1)
            if waited >= LOOK:
                if size < waited * SLOW:
                    wanted = 2 * len(reading)
                size, waited = 0, 0.0


def _begun(begin: Callable[[], Generator[Any, None, None]]) -> Generator[Any, None, None]:
    # Something that comes at once: a thread runs from when its first item is asked for.
    yield True
    yield from begin()

"""From the batches of a source to groups of the size of a unit."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from progresswidget.export.size import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa


def group(
    batches: Iterable[pa.RecordBatch],
    rows: int,
    size: int,
    *,
    patience: float = math.inf,
    least: int = 1,
    known: Iterable[int] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[pa.RecordBatch]]:
    """Join and cut batches to groups of `rows` rows, or of fewer that have `size` bytes at most.

    Only a single row may have more.

    A slow source ends a group early. The time counts from when the group began to be waited for,
    so what comes after a long wait is handed on at once; the time of the encoders does not count.

    Parameters
    ----------
    batches
        Batches of one schema; empty ones are left out.
    rows
        Rows of a full group; a batch is cut where it fills one.
    size
        Bytes of Arrow data that a group has at most.
    patience, least
        Seconds after which a group ends when the batch at hand does, if it has `least` rows.
    known
        Rows of the first groups, where an earlier run has cut them.
    clock
        Seconds from any start.
    """
    pending: list[pa.RecordBatch] = []
    held_rows = held_bytes = 0
    began = clock()
    sizes = iter(known)
    fixed = next(sizes, None)
    for whole in batches:
        rest = whole
        while rest.num_rows:
            room = (fixed or rows) - held_rows
            cut, rest = rest.slice(0, room), rest.slice(room)
            for part, part_bytes in [(cut, 0)] if fixed else split(cut, size):
                if pending and held_bytes + part_bytes > size:
                    yield pending
                    pending, held_rows, held_bytes, began = [], 0, 0, clock()
                pending.append(part)
                held_rows += part.num_rows
                held_bytes += part_bytes
                if held_rows >= (fixed or rows) or held_bytes >= size:
                    yield pending
                    pending, held_rows, held_bytes, began = [], 0, 0, clock()
                    fixed = next(sizes, None)
        if not fixed and held_rows >= max(least, 1) and clock() - began >= patience:
            yield pending
            pending, held_rows, held_bytes, began = [], 0, 0, clock()
    if pending:
        yield pending

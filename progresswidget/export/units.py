"""From batches to units, and from units to bytes: in order, several encoded at the same time."""

from __future__ import annotations

import atexit
import math
import time
from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from progresswidget.export.size import split

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    import pyarrow as pa

    from progresswidget.export.writers import Encoded, Writer

LOOK: Final = 0.1
"""Seconds between two looks at pause and cancel while an encoder is busy."""
SLOW: Final = 0.5
"""Seconds for one group from which on a source counts as slow."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Some rows and their bytes."""

    rows: int
    encoded: Encoded


def group(
    batches: Iterable[pa.RecordBatch],
    rows: int,
    size: int,
    *,
    patience: float = math.inf,
    least: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[pa.RecordBatch]]:
    """Join and cut batches to groups of `rows` rows, or of fewer that have about `size` bytes.

    A slow source ends a group early. The time counts from when the group began to be waited for,
    so what comes after a long wait is handed on at once; the time of the encoders does not count.

    Parameters
    ----------
    batches
        Batches of one schema; empty ones are left out.
    rows
        Rows of a full group; a batch is cut where it fills one.
    size
        Bytes of Arrow data from which on a group counts as full.
    patience, least
        Seconds after which a group ends when the batch at hand does, if it has `least` rows.
    clock
        Seconds from any start.
    """
    pending: list[pa.RecordBatch] = []
    held_rows = held_bytes = 0
    began = clock()
    for whole in batches:
        rest = whole
        while rest.num_rows:
            cut, rest = rest.slice(0, rows - held_rows), rest.slice(rows - held_rows)
            for part, part_bytes in split(cut, size):
                pending.append(part)
                held_rows += part.num_rows
                held_bytes += part_bytes
                if held_rows >= rows or held_bytes >= size:
                    yield pending
                    pending, held_rows, held_bytes, began = [], 0, 0, clock()
        if held_rows >= max(least, 1) and clock() - began >= patience:
            yield pending
            pending, held_rows, held_bytes, began = [], 0, 0, clock()
    if pending:
        yield pending


def encode(
    groups: Iterable[list[pa.RecordBatch]],
    writer: Writer,
    checkpoint: Callable[[], None] = lambda: None,
    section: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Unit, None, None]:
    """Encode groups on `writer.workers` threads and yield the units in order.

    A unit that is done is yielded before the next group is asked for, and after a slow group a
    moment is spent on waiting for its unit: a source that is slow again would hold it back.
    At most one unit more than there are workers is held in memory. An error of an encoder is
    raised in the place of its unit. Leaving early waits for nothing.

    Parameters
    ----------
    groups
        Batches, a unit each.
    writer
        What encodes them.
    checkpoint
        Called again and again while a unit is waited for: a slow codec must not delay a pause.
    section
        The index of the section that the groups belong to.
    clock
        Seconds from any start.
    """
    waiting: deque[Future[Unit]] = deque()
    tasks: SimpleQueue[_Task | None] = SimpleQueue()
    threads = [
        Thread(target=_work, args=(tasks, writer), name="progresswidget-encode", daemon=True)
        for _ in range(writer.workers)
    ]
    for thread in threads:
        thread.start()
    _encoders.update(threads)
    try:
        asked = clock()
        start = 0
        for batches in groups:
            task = _Task(batches, start, section)
            start += task.rows
            waiting.append(task.unit)
            tasks.put(task)
            if clock() - asked >= SLOW:
                wait((task.unit,), LOOK)
            if len(waiting) > writer.workers:
                yield _await(waiting.popleft(), checkpoint)
            while waiting and waiting[0].done():
                yield waiting.popleft().result()
            asked = clock()
        while waiting:
            yield _await(waiting.popleft(), checkpoint)
    finally:
        for unit in waiting:
            unit.cancel()
        for _ in threads:
            tasks.put(None)


def _await(unit: Future[Unit], checkpoint: Callable[[], None]) -> Unit:
    while not wait((unit,), LOOK).done:
        checkpoint()
    return unit.result()


_encoders: WeakSet[Thread] = WeakSet()


# An encoder that is still in native code when the interpreter is torn down would crash it.
@atexit.register
def _wait_for_encoders() -> None:
    for thread in list(_encoders):
        thread.join()


@dataclass(frozen=True, slots=True)
class _Task:
    batches: list[pa.RecordBatch]
    start: int
    section: int
    unit: Future[Unit] = field(default_factory=Future)

    @property
    def rows(self) -> int:
        return sum(batch.num_rows for batch in self.batches)


# Not a ThreadPoolExecutor: that one takes no work any more once the main thread of a script has
# ended, and a background export may still be running then.
def _work(tasks: SimpleQueue[_Task | None], writer: Writer) -> None:
    while (task := tasks.get()) is not None:
        if not task.unit.set_running_or_notify_cancel():
            continue
        try:
            encoded = writer.encode(task.batches, task.start, task.section)
            task.unit.set_result(Unit(task.rows, encoded))
        except BaseException as error:  # noqa: BLE001 - raised where the unit is waited for
            task.unit.set_exception(error)

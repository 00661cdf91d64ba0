"""From groups of rows to bytes: in the order of the file, several encoded at the same time."""

from __future__ import annotations

import atexit
import time
from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, Union, cast
from weakref import WeakSet

from progresswidget.errors import ExportCancelledError
from progresswidget.export import wanted
from progresswidget.export.digest import begin_rows_digest, bytes_digest, keeps_texts, rows_digest
from progresswidget.export.outlet import Blocks, Outlet
from progresswidget.export.turns import Turns
from progresswidget.export.workers import Worker
from progresswidget.export.writers import Emission

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    import pyarrow as pa

    from progresswidget.export.behind import Behind
    from progresswidget.export.writers import ArchiveWriter, Encoded, Writer

Payload: TypeAlias = Union["list[pa.RecordBatch]", bytes]
T = TypeVar("T")
M = TypeVar("M")

LOOK: Final = 0.1
"""Seconds between two looks at pause and cancel while an encoder is busy."""
SLOW: Final = 0.5
"""Seconds for one group from which on a source counts as slow."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Some rows, or a chunk of bytes, on the way to the file.

    Parameters
    ----------
    rows
        How many rows, or bytes.
    digest
        The digest of the data; empty if nobody keeps a journal, or `later` tells it.
    encode
        Returns its bytes, or where they come out; they are made already, or being made, unless
        the unit is only compared.
    section
        The index of the section that it belongs to.
    skip
        To be called where `encode` is not, because the unit is in the file already.
    later
        Tells the digest of the data, if it is taken behind the writer.
    """

    rows: int
    digest: bytes
    encode: Callable[[], Encoded | Outlet]
    section: int = 0
    skip: Callable[[], None] = lambda: None
    later: Future[bytes] | None = None


class Comparing:
    """Whether units are still compared with those of an earlier run, and not encoded yet."""

    def __init__(self, *, on: bool) -> None:
        self.on = on


def encode(
    groups: Iterable[Payload],
    writer: Writer,
    checkpoint: Callable[[], None] = lambda: None,
    comparing: Comparing | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Unit, None, None]:
    """Encode the groups of the first section, see `encode_sections`."""
    return encode_sections([(0, groups)], writer, checkpoint, comparing, clock)


def encode_sections(
    sections: Iterable[tuple[int, Iterable[Payload]]],
    writer: Writer,
    checkpoint: Callable[[], None] = lambda: None,
    comparing: Comparing | None = None,
    clock: Callable[[], float] = time.monotonic,
    behind: Callable[[int], Behind | None] = lambda _: None,
) -> Generator[Unit, None, None]:
    """Encode groups on two threads or more and yield the units in order.

    Where the writer has one worker, the second thread takes the digest of the next unit meanwhile.

    A unit that is done is yielded before the next group is asked for, and after a slow group a
    moment is spent on waiting for its unit: a source that is slow again would hold it back.
    At most one unit more than there are threads is held in memory. An error is raised in its
    place, also one of the source: the units before it are done first. Leaving early waits for
    nothing.

    Parameters
    ----------
    sections
        The index of each section, and its groups: batches, or a chunk of bytes, a unit each.
    writer
        What encodes them.
    checkpoint
        Called again and again while a unit is waited for: a slow codec must not delay a pause.
    comparing
        With it digests are taken; while it is on, nothing else is done.
    clock
        Seconds from any start.
    behind
        Tells for a section who takes the digests of what is written, if they can wait.
    """
    crew = _Crew(max(writer.workers, 2 if comparing is not None else 1))
    source = _Tasks(sections, writer, comparing, crew, behind)
    waiting = crew.waiting
    try:
        asked = clock()
        for task in source:
            crew.give(task)
            if clock() - asked >= SLOW:
                wait((task.done,), LOOK)
            del task  # once its unit is written, its rows would stay until there are the next
            if len(waiting) > crew.size:
                yield _await(waiting.popleft(), checkpoint)
            while waiting and waiting[0].done.done():
                yield waiting.popleft().unit.result()
            asked = clock()
        while waiting:
            yield _await(waiting.popleft(), checkpoint)
        source.raise_failure()
    finally:
        crew.dismiss()


class _Tasks:
    """The tasks of sections; an error of a source waits until they are done."""

    def __init__(
        self,
        sections: Iterable[tuple[int, Iterable[Payload]]],
        writer: Writer,
        comparing: Comparing | None,
        crew: _Crew,
        behind: Callable[[int], Behind | None],
    ) -> None:
        self._sections = sections
        self._writer, self._comparing, self._crew = writer, comparing, crew
        self._behind = behind
        self._number = 0
        self._blocks = Blocks()
        self._failure: Exception | None = None

    def __iter__(self) -> Iterator[_Task]:
        try:
            for section, payloads in self._sections:
                start = 0
                behind = self._behind(section)
                if behind is not None:
                    behind.idle = self._crew.idle
                for payload in payloads:
                    task = _Task(
                        payload,
                        start,
                        section,
                        self._writer,
                        self._comparing,
                        self._blocks,
                        self._crew.turns,
                        self._number,
                        behind,
                    )
                    self._number += 1
                    start += task.rows
                    del payload
                    yield task
                    del task
        except ExportCancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - raised when what came before is done
            self._failure = error

    def raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # its frame is this one, and would keep the source alive


class _Crew:
    """The threads that encode, and the units that they were given, in order."""

    def __init__(self, size: int) -> None:
        self.waiting: deque[_Task] = deque()
        self.turns = Turns()
        self.size = size
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._over = Event()
        self._working: set[_Task] = set()
        for _ in range(size):
            thread = Worker(_work, "encode", (self._tasks, self._working, self._over))
            thread.start()
            _encoders.add(thread)

    def give(self, task: _Task) -> None:
        self.waiting.append(task)
        self._tasks.put(task)

    def idle(self) -> bool:
        """Say whether nobody has anything to do at the moment."""
        return self._tasks.empty() and not self._working

    def dismiss(self) -> None:
        self._over.set()
        for task in self.waiting:
            task.unit.cancel()
        self.turns.end()
        for _ in range(self.size):
            self._tasks.put(None)


def _await(task: _Task, checkpoint: Callable[[], None]) -> Unit:
    while not wait((task.unit,), LOOK).done:
        checkpoint()
    return task.unit.result()


_encoders: WeakSet[Worker] = WeakSet()


# An encoder that is still in native code when the interpreter is torn down would crash it.
@atexit.register
def _wait_for_encoders() -> None:
    for thread in list(_encoders):
        thread.join()


@dataclass(slots=True, eq=False)
class _Task:
    payload: Payload
    start: int
    section: int
    writer: Writer
    comparing: Comparing | None
    blocks: Blocks
    turns: Turns
    number: int
    behind: Behind | None = None
    unit: Future[Unit] = field(default_factory=Future)
    done: Future[None] = field(default_factory=Future)

    @property
    def rows(self) -> int:
        if isinstance(self.payload, list):
            return sum(batch.num_rows for batch in self.payload)
        return len(self.payload)

    def run(self) -> None:
        """Make the unit; one whose bytes come piece by piece can be had before the last of them."""
        try:
            again = self._settle()
            if self.comparing is None:
                self._make(b"")
            elif self.comparing.on:
                data = _digest(self.payload)
                self.unit.set_result(Unit(self.rows, data, self.encode, self.section, self._skip))
            elif (
                self.behind is None
                or not isinstance(self.payload, list)
                or (again is not None and not self.behind.early)
            ):
                self._make(_digest(self.payload))
            else:
                self._make(b"", self.behind.put(begin_rows_digest(self.payload, again)))
        except BaseException as error:  # noqa: BLE001 - raised where the unit is waited for
            self.unit.set_exception(error)
        self.done.set_result(None)

    def _settle(self) -> Callable[[], list[pa.RecordBatch]] | None:
        """Convert what has to be; return what does so again, or None if there was nothing."""
        # Before the digest: what has to be converted anyway is hashed as it is then, and mostly at
        # once, while it is in the processor's cache. To hold it until later would take memory, and
        # to convert it again takes longer than to hash it: that pays for what is soon done only.
        if not isinstance(self.payload, list):
            return None
        given, start, writer = self.payload, self.start, self.writer
        self.payload = writer.settle(given, start)
        if all(old is new for old, new in zip(given, self.payload, strict=True)):
            return None
        if not keeps_texts(given[0].schema, self.payload[0].schema):
            self.behind = None
        return lambda: writer.settle(given, start)

    def _make(self, data: bytes, later: Future[bytes] | None = None) -> None:
        made = self._made(self.writer.prepare)
        if not isinstance(made, Emission):
            encoded: Encoded = made
            self.unit.set_result(Unit(self.rows, data, lambda: encoded, self.section, later=later))
            return
        outlet = Outlet(self.blocks)
        self.unit.set_result(Unit(self.rows, data, lambda: outlet, self.section, later=later))
        outlet.run(made.write)

    def encode(self) -> Encoded:
        return self._made(self.writer.encode)

    def _made(self, encode: Callable[[list[pa.RecordBatch], int, int], M]) -> M | Encoded:
        writer, payload = self.writer, self.payload
        if not isinstance(payload, list):
            # Nothing else has sections of bytes.
            chunk, archive = payload, cast("ArchiveWriter", writer)
            return self._in_turn(lambda: archive.encode_bytes(chunk, self.start, self.section))
        batches = payload
        if not writer.arranges:
            return self._in_turn(lambda: encode(batches, self.start, self.section))
        arranged = self.turns.take(self.number, lambda: writer.arrange(batches))
        return encode(arranged, self.start, self.section)

    def _in_turn(self, work: Callable[[], T]) -> T:
        return work() if self.writer.workers > 1 else self.turns.take(self.number, work)

    def _skip(self) -> None:
        self.turns.skip(self.number)


def _digest(payload: Payload) -> bytes:
    return rows_digest(payload) if isinstance(payload, list) else bytes_digest([payload])


# Not a ThreadPoolExecutor: that one takes no work any more once the main thread of a script has
# ended, and a background export may still be running then.
def _work(tasks: SimpleQueue[_Task | None], working: set[_Task], over: Event) -> None:
    wanted.until(over)
    while _work_once(tasks, working):
        pass


def _work_once(tasks: SimpleQueue[_Task | None], working: set[_Task]) -> bool:
    # A function of its own: an encoder that waits for work would hold its last unit in memory.
    task = tasks.get()
    if task is None:
        return False
    working.add(task)
    if task.unit.set_running_or_notify_cancel():
        task.run()
    working.discard(task)
    return True

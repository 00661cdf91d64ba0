"""Iterators of rows, or of frames; the schema is learned from what comes first.

What is read for that is kept for the iterator, and not for one export of it: one that is refused
then, for an option that does not exist, costs no row.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from threading import Lock
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final, cast

from progresswidget.errors import ProgressWidgetError, SourceError, UnsupportedSourceError
from progresswidget.export.sources import Source, find_kind, once, reason
from progresswidget.export.sources.batches import Pace, fit
from progresswidget.export.sources.inference import Columns
from progresswidget.export.sources.records import Reader, is_row

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import pyarrow as pa

    from progresswidget.export.formats import Flavour

LEARNED_ROWS: Final = 10_000
"""Rows from which the schema is learned."""
LEARNING: Final = 10.0
"""Seconds after which fewer have to do, because nothing is to be seen of the export so long."""
PATIENCE: Final = 0.5
"""Seconds after which the rows of a slow iterator are handed on."""


def recognises(frame: object) -> bool:
    """Say whether `frame` is an iterator."""
    return isinstance(frame, Iterator)


def read(
    frame: object, flavour: Flavour, *, schema: pa.Schema | None, index: bool | None
) -> Source:
    """Return the source of an iterator, which can be read once; nobody knows how long it is.

    Parameters
    ----------
    frame
        It yields rows, lists of rows, or frames.
    flavour
        How the file holds values; some frames depend on it.
    schema
        The columns, if they shall not be learned.
    index
        Of pandas' frames.

    Raises
    ------
    ColumnError
        If values of a column are of several kinds.
    SourceError
        If it has been read, or fails before it yields anything.
    UnsupportedSourceError
        If it yields something else, or nothing.
    """
    iterator = cast("Iterator[Any]", frame)
    head = look(iterator)
    if not head.items:
        if head.failure is not None:
            raise _blamed(head.failure) from head.failure
        if schema is None:
            raise UnsupportedSourceError(
                "The iterator yielded nothing, and so does not tell its columns.",
                "Give the option schema=, a pyarrow.Schema.",
            )
    if head.holds_rows:
        return _rows(iterator, head, schema)
    return _frames(iterator, head, flavour, schema, {"index": index})


class Head:
    """What was read of an iterator beforehand. It must not keep the iterator alive."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.failure: Exception | None = None
        self._lock = Lock()
        self._ended = False
        self._enough = False

    @property
    def holds_rows(self) -> bool:
        """Whether the items are rows and not frames."""
        return not self.items or is_row(self.items[0]) or isinstance(self.items[0], list)

    def look(self, frame: Iterator[Any], clock: Callable[[], float]) -> None:
        """Read some rows, or one frame."""
        with self._lock:
            began = clock()
            while not (self._ended or self._enough):
                try:
                    self.items += _flat(next(frame))
                except StopIteration:
                    self._ended = True
                except Exception as error:  # noqa: BLE001 - raised after the rows before it
                    self.failure, self._ended = error, True
                late = clock() - began >= LEARNING
                self._enough = bool(self.items) and (
                    late or len(self.items) >= LEARNED_ROWS or not self.holds_rows
                )

    def all(self, frame: Iterator[Any]) -> Generator[Any, None, None]:
        """Yield all items, those read already too, and close a generator in the end."""
        with self._lock:
            items, self.items = self.items, []
        try:
            items.reverse()
            while items:
                yield items.pop()
            if self.failure is not None:
                raise self.failure
            if not self._ended:
                yield from chain.from_iterable(map(_flat, frame))
        finally:
            if isinstance(frame, GeneratorType):
                frame.close()


def _blamed(error: Exception) -> ProgressWidgetError:
    if isinstance(error, ProgressWidgetError):
        return error
    return SourceError(f"The iterator failed at its beginning: {reason(error)}")


def _flat(item: Any) -> list[Any]:
    """Return the rows of a list of rows, as pages of an answer are, and anything else alone."""
    if isinstance(item, list) and (not item or is_row(item[0])):
        return item
    return [item]


_heads: Final[dict[int, tuple[object, Head]]] = {}


def look(frame: Iterator[Any], clock: Callable[[], float] = time.monotonic) -> Head:
    """Return what comes first of an iterator, read now unless it has been.

    Raises
    ------
    SourceError
        If the iterator has been read further than that.
    """
    once.check(frame)
    key = id(frame)
    mark: object
    try:
        mark = weakref.ref(frame, lambda _: _heads.pop(key, None))
    except TypeError:
        mark = frame  # its number must not be given to another object
    _, head = _heads.setdefault(key, (mark, Head()))
    head.look(frame, clock)
    return head


def _all(frame: Iterator[Any], head: Head) -> Generator[Any, None, None]:
    _heads.pop(id(frame), None)
    yield from head.all(frame)


def _rows(frame: Iterator[Any], head: Head, schema: pa.Schema | None) -> Source:
    reader = Reader(() if schema is None else schema.names)
    columns = Columns(schema)
    learned = len(head.items)
    if schema is None:
        columns.learn([reader.read(row, number) for number, row in enumerate(head.items)])
    frozen = columns.freeze()

    def batches() -> Generator[pa.RecordBatch, None, None]:
        start, pace = 0, Pace()
        for rows in _grouped(_all(frame, head), pace, learned):
            read = [reader.read(row, number) for number, row in enumerate(rows, start)]
            if schema is None and start >= learned:
                columns.learn(read)
            batch = columns.batch(read, start)
            yield batch
            pace.learn(batch)
            start += len(rows)

    return Source(frozen, None, batches, once=True)


def _grouped(
    rows: Generator[Any, None, None], pace: Pace, learned: int
) -> Generator[list[Any], None, None]:
    """Yield rows by the batch, ending one where the learned rows do."""
    group: list[Any] = []
    with closing(rows):
        began = time.monotonic()
        for number, row in enumerate(rows, 1):
            group.append(row)
            late = time.monotonic() - began >= PATIENCE
            if late or len(group) >= pace.rows or number == learned:
                yield group
                group, began = [], time.monotonic()
    if group:
        yield group


def _frames(
    frame: Iterator[Any],
    head: Head,
    flavour: Flavour,
    schema: pa.Schema | None,
    options: dict[str, Any],
) -> Source:
    def source_of(item: object) -> Source:
        kind = find_kind(item)
        return kind.read(
            item, flavour, {each.name: options.get(each.name) for each in kind.options}
        )

    first = head.items[0]
    opened = [source_of(first)]
    wanted = opened[0].schema if schema is None else schema

    def batches() -> Generator[pa.RecordBatch, None, None]:
        row = 0
        with closing(_all(frame, head)) as items:
            for item in items:
                source = opened.pop() if opened else source_of(item)
                if source.once:
                    once.start(item)
                with closing(source.batches()) as parts:
                    for batch in parts:
                        yield fit(batch, wanted, row)
                        row += batch.num_rows
                source.check()

    return Source(wanted, None, batches, once=True)

"""The units of a file in its order, each entered into the journal when both digests are known.

That of the bytes is told by the thread that has written them, that of the data by the encoder, or
by `behind` later: whoever comes last makes the entry, and those of the units that waited for it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from progresswidget.export import journal
from progresswidget.export.digest import chain

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from progresswidget.export.units import Unit
    from progresswidget.export.writers import Placed


@dataclass(slots=True)
class _Entry:
    placed: Placed
    data: bytes | None
    content: bytes | None = None


class Ledger:
    """What is committed, and what will be.

    Parameters
    ----------
    descriptor
        The open journal.
    records
        The units that are committed, in the order of the file; more are added.
    chain
        The digest chain of the data up to the last of them.
    since
        Where this run begins to write.
    committed
        Called with the end of the committed bytes, whenever there are more.
    """

    def __init__(
        self,
        descriptor: int,
        records: list[journal.Record],
        chain: bytes,
        since: int,
        committed: Callable[[int], None],
    ) -> None:
        self._descriptor, self._records, self._chain = descriptor, records, chain
        self._since, self._committed = since, committed
        self._lock = Lock()
        self._open: deque[_Entry] = deque()
        self._journalled = True
        self._failure: BaseException | None = None

    def add(self, unit: Unit, placed: Placed) -> Callable[[bytes], None]:
        """Add a unit that has its place; what comes back is to be told the digest up to its end.

        That raises what stood in the way of an entry; with the bytes on their way to the file, it
        is the writing that fails.
        """
        entry = _Entry(placed, None if unit.later is not None else unit.digest)
        with self._lock:
            self._open.append(entry)
        if unit.later is not None:
            unit.later.add_done_callback(lambda told: self._know(entry, told))

        def written(content: bytes) -> None:
            with self._lock:
                entry.content = content
                self._enter()
                if self._failure is not None:
                    raise self._failure

        return written

    def close(self) -> bool:
        """Let go of the journal; say whether all units are committed.

        Those that are not yet become records as before, and nothing else.
        """
        with self._lock:
            self._journalled = False
            return not self._open

    def _know(self, entry: _Entry, told: Future[bytes]) -> None:
        if told.cancelled() or told.exception() is not None:
            return  # never committed, and nothing behind it
        with self._lock:
            entry.data = told.result()
            self._enter()

    def _enter(self) -> None:
        lines = []
        while self._open:
            entry = self._open[0]
            if entry.data is None or entry.content is None or self._failure is not None:
                break
            self._open.popleft()
            placed = entry.placed
            prefix = placed.section.to_bytes(4, "little")
            self._chain = chain(self._chain, prefix + entry.data)
            record = journal.Record(
                placed.section,
                placed.rows,
                placed.offset,
                placed.size,
                self._chain,
                self._since,
                entry.content,
                placed.note,
            )
            self._records.append(record)
            lines.append(record.to_line())
        if not lines or not self._journalled:
            return
        try:
            journal.append(self._descriptor, lines)
        except BaseException as error:  # noqa: BLE001 - raised where bytes are written
            self._failure = error
            return
        last = self._records[-1]
        self._committed(last.offset + last.size)

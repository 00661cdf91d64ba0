"""The newest events of each task, for clients that were away for a moment.

Events are kept as the bytes that were sent, without the envelope. A ring holds no more than fits
into one answer, since a partial recovery is none; all rings together have a bound too, and the task
that has been quiet for the longest loses its ring first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from progresswidget.protocol import MAX_FRAME

MAX_EVENTS: Final = 64
"""Events of one task: half a minute at the pace at which progress is pushed."""
MAX_RING_BYTES: Final = MAX_FRAME
"""Bytes of one task's events: more do not fit into an answer."""
MAX_RINGS_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the events of all tasks together."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was pushed at once: the events `first` to `seq`.

    Parameters
    ----------
    timestamp
        When, in milliseconds since 1970.
    status, data
        The state after `seq`; the data are the whole record as UTF-8 JSON.
    """

    first: int
    seq: int
    timestamp: int
    status: str
    data: bytes


@dataclass(slots=True, eq=False)
class Ring:
    """The newest events of one task, without a gap.

    Parameters
    ----------
    last
        The newest event that was pushed, whether it is still held or not.
    """

    last: int
    size: int = 0
    entries: deque[Entry] = field(default_factory=deque)

    def since(self, seq: int) -> list[Entry] | None:
        """Return what follows event `seq`, or None where that is not known to the last event."""
        if seq > self.last:
            return None
        if seq < self.last and (not self.entries or self.entries[0].first > seq + 1):
            return None
        return [entry for entry in self.entries if entry.seq > seq]


class Rings:
    """The rings of all tasks of a hub, and their common bound.

    Parameters
    ----------
    events, ring_bytes, rings_bytes
        The bounds of one ring in events and in bytes of data, and of all in bytes.
    """

    def __init__(
        self,
        *,
        events: int = MAX_EVENTS,
        ring_bytes: int = MAX_RING_BYTES,
        rings_bytes: int = MAX_RINGS_BYTES,
    ) -> None:
        self._events = events
        self._ring_bytes = ring_bytes
        self._rings_bytes = rings_bytes
        self._rings: OrderedDict[Ring, None] = OrderedDict()  # who was told of last is the last
        self.size = 0

    def append(self, ring: Ring, entry: Entry) -> None:
        """Keep what was pushed, and let go of what is too much."""
        ring.entries.append(entry)
        ring.last = entry.seq
        self._grow(ring, len(entry.data))
        self._rings[ring] = None
        self._rings.move_to_end(ring)
        while len(ring.entries) > self._events or ring.size > self._ring_bytes:
            self._grow(ring, -len(ring.entries.popleft().data))
        while self.size > self._rings_bytes:
            self.drop(next(iter(self._rings)))

    def drop(self, ring: Ring) -> None:
        """Let go of all events of a task."""
        self._rings.pop(ring, None)
        self._grow(ring, -ring.size)
        ring.entries.clear()

    def _grow(self, ring: Ring, size: int) -> None:
        ring.size += size
        self.size += size

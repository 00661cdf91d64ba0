"""What waits for one connection in its order: answers, ends of jobs, removals."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

    from progresswidget.protocol import Position

MAX_QUEUED: Final = 1024 * 1024
"""Bytes of answers and terminal events that may wait for one connection."""
_UNMADE: Final = 64
"""Bytes that a message which is not made yet is charged with."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A `subscribed` that is still to be made; what it tells is read when it is."""

    re: int
    position: Position


@dataclass(frozen=True, slots=True)
class Removal:
    """A `task_removed` that is still to be made."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Event:
    """The frame of an event that nothing may swallow; a snapshot may replace it."""

    task_id: str
    frame: bytes


Item: TypeAlias = bytes | Answer | Removal | Event
"""Bytes are a frame that belongs to no task."""


def _cost(item: Item) -> int:
    if isinstance(item, bytes):
        return len(item)
    return len(item.frame) if isinstance(item, Event) else _UNMADE


class Outbox:
    """A queue that knows how much it holds, and what can be taken back.

    Parameters
    ----------
    room
        Bytes that it should not go beyond.
    """

    __slots__ = ("_items", "_room", "size")

    def __init__(self, room: int = MAX_QUEUED) -> None:
        # None while it is empty: a deque is larger than all else that an idle page takes.
        self._items: deque[Item] | None = None
        self._room = room
        self.size = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._items or ())

    @property
    def is_full(self) -> bool:
        """Whether there is more than may be."""
        return self.size > self._room

    def put(self, item: Item) -> None:
        """Add a message at the end."""
        if self._items is None:
            self._items = deque()
        self._items.append(item)
        self.size += _cost(item)

    def take(self) -> Item:
        """Take the message that has waited for longest.

        Raises
        ------
        IndexError
            If there is none.
        """
        if self._items is None:
            raise IndexError("nothing waits")
        item = self._items.popleft()
        self.size -= _cost(item)
        self._items = self._items or None
        return item

    def clear(self) -> None:
        """Forget everything."""
        self._items = None
        self.size = 0

    def withdraw(self, task_ids: Collection[str]) -> None:
        """Take back what is about tasks."""
        items = self._items or ()
        if any(_task_of(item) in task_ids for item in items):
            self._keep([item for item in items if _task_of(item) not in task_ids])

    def withdraw_events(self) -> set[str]:
        """Take back all events, and return the tasks that they are of."""
        items = self._items or ()
        withdrawn = {item.task_id for item in items if isinstance(item, Event)}
        self._keep([item for item in items if not isinstance(item, Event)])
        return withdrawn

    def _keep(self, items: list[Item]) -> None:
        self._items = deque(items) or None
        self.size = sum(map(_cost, items))


def _task_of(item: Item) -> str | None:
    if isinstance(item, Answer):
        return item.position.task_id
    return None if isinstance(item, bytes) else item.task_id

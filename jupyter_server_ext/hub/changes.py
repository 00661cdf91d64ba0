"""What has changed of late, for who asks now and then and cannot be told. Pure.

Everything that is told to listeners is noted here under one running number. Who brings the number
it was given last gets what came after it; what has changed often since is there once.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.protocol import Json

_REMEMBERED: Final = 1_000
"""Removed tasks, and transfers, that are remembered: who asks later gets everything anew."""

Key = tuple[str, str]
"""Of a transfer: whose it is, and what it is known by."""


@dataclass(frozen=True, slots=True)
class News:
    """What came after a place.

    Parameters
    ----------
    tasks
        The tasks that have changed, in the order of their last change.
    gone
        As they were when they went, or belonged to others: the records of tasks.
    transfers
        The newest state of each transfer that has moved, with whose it is.
    """

    tasks: tuple[str, ...]
    gone: tuple[Json, ...]
    transfers: tuple[tuple[str, Json], ...]


class Changes:
    """The changes of a hub.

    Parameters
    ----------
    keep
        Removals, and transfers, that are remembered.
    """

    def __init__(self, keep: int = _REMEMBERED) -> None:
        self._keep = keep
        self._floor = 0  # what came up to here may be forgotten
        self._tasks: OrderedDict[str, int] = OrderedDict()  # who changed last is the last
        self._gone: OrderedDict[int, Json] = OrderedDict()
        self._transfers: OrderedDict[Key, tuple[int, Json]] = OrderedDict()
        self._listeners: set[Callable[[], None]] = set()
        self.count = 0
        """The number of the newest change."""

    @property
    def waiting(self) -> int:
        """How many want to be called."""
        return len(self._listeners)

    def changed(self, task_id: str) -> None:
        """Note that listeners of a task are told of its newest state."""
        self._tasks[task_id] = self._next()
        self._tasks.move_to_end(task_id)
        self._wake()

    def moved(self, record: Json) -> None:
        """Note that a task was like `record` for the last time: others may see it from now on."""
        self._gone[self._next()] = record
        if len(self._gone) > self._keep:
            self._floor = max(self._floor, self._gone.popitem(last=False)[0])
        self._wake()

    def removed(self, record: Json) -> None:
        """Note that a task is gone that was like `record`."""
        self._tasks.pop(record["taskId"], None)
        self.moved(record)

    def transfer(self, key: Key, state: Json) -> None:
        """Note the newest state of a transfer."""
        self._transfers[key] = (self._next(), state)
        self._transfers.move_to_end(key)
        if len(self._transfers) > self._keep:
            _, (count, _) = self._transfers.popitem(last=False)
            self._floor = max(self._floor, count)
        self._wake()

    def restart(self) -> None:
        """Note that everything may be different: who asks gets all of it."""
        self._floor = self._next()
        self._gone.clear()
        self._wake()

    def since(self, count: int) -> News | None:
        """Return what came after change `count`, or None where that is not known any more."""
        if not self._floor <= count <= self.count:
            return None
        tasks, transfers = [], []
        for task_id, number in reversed(self._tasks.items()):
            if number <= count:
                break
            tasks.append(task_id)
        for (user, _), (number, state) in reversed(self._transfers.items()):
            if number <= count:
                break
            transfers.append((user, state))
        gone = tuple(record for number, record in self._gone.items() if number > count)
        return News(tuple(reversed(tasks)), gone, tuple(reversed(transfers)))

    def listen(self, listener: Callable[[], None]) -> None:
        """Call at each change from now on."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call no more."""
        self._listeners.discard(listener)

    def _next(self) -> int:
        self.count += 1
        return self.count

    def _wake(self) -> None:
        for listener in tuple(self._listeners):
            listener()

"""The outbox of one connection: what its page is told next. No tornado, thread or clock inside."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from progresswidget import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jupyter_server_ext.hub import Hub, Topic
    from progresswidget.protocol import Json, Position

MAX_QUEUED: Final = 1024 * 1024
"""Bytes of answers and terminal events that may wait for one connection."""
MAX_TASKS: Final = 10_000
"""Tasks that one connection may subscribe to."""
_ANSWER_COST: Final = 64
"""Bytes that an answer which is not encoded yet is charged with."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """A `subscribed` that is still to be written; the snapshot is read when it is."""

    re: int
    position: Position


class Subscriber:
    """The outbox of one connection.

    Parameters
    ----------
    hub
        Where the topics are.
    wake
        Called when there may be something to take.
    """

    def __init__(self, hub: Hub, wake: Callable[[], None]) -> None:
        self._hub = hub
        self._wake = wake
        self._queue: deque[str | _Answer] = deque()
        self._queued = 0
        self._told: dict[str, int] = {}
        self._answering: Counter[str] = Counter()  # a page may ask twice before it is answered
        self._marked: dict[str, None] = {}  # an ordered set: the longest waiting goes first
        self._transfers: dict[tuple[str, str], Json] = {}  # the newest of each; also ordered
        self.overflowed = False

    @property
    def tasks(self) -> int:
        """How many tasks it is subscribed to, or about to be."""
        return len(self._told.keys() | self._answering.keys())

    def answer(self, re: int, positions: Iterable[Position]) -> None:
        """Subscribe, and queue one answer a task.

        Parameters
        ----------
        re
            Id of the message that asked.
        """
        for position in positions:
            self._answering[position.task_id] += 1
            self._hub.join(position.task_id, self)
            self._put(_Answer(re, position), _ANSWER_COST)

    def forget(self, task_ids: Iterable[str]) -> None:
        """Unsubscribe."""
        for task_id in task_ids:
            self._hub.leave(task_id, self)
            self._told.pop(task_id, None)
            self._marked.pop(task_id, None)
            if task_id in self._answering:
                self._withdraw(task_id)

    def send(self, message: Json) -> None:
        """Queue a message of its own, a pong for instance."""
        frame = protocol.encode(message)
        self._put(frame, len(frame))

    def mark(self, task_id: str) -> None:
        """Note that a task has news; a task whose answer waits needs no mark."""
        if task_id in self._told and task_id not in self._answering:
            self._marked[task_id] = None
            self._wake()

    def before_terminal(self, task_id: str, topic: Topic) -> None:
        """Queue the state before a terminal one, if it was not told: nothing swallows the end."""
        if task_id in self._answering or task_id not in self._told:
            return
        self._marked.pop(task_id, None)
        if self._told[task_id] < topic.seq:
            self._enqueue(task_id, topic)

    def terminal(self, task_id: str, topic: Topic) -> None:
        """Queue the terminal event of a task."""
        if task_id in self._told and task_id not in self._answering:
            self._enqueue(task_id, topic)

    def removed(self, task_id: str, message: Json) -> None:
        """Queue the news that a task is gone, and unsubscribe from it."""
        self._told.pop(task_id, None)
        self._marked.pop(task_id, None)
        if task_id in self._answering:
            self._refuse(task_id)
        self.send(message)

    def transfer(self, key: tuple[str, str], data: Json) -> None:
        """Note the newest state of a transfer."""
        self._transfers[key] = data
        self._wake()

    def take(self) -> str | None:
        """Return the next frame, or None where there is nothing to say."""
        if self._queue:
            item = self._queue.popleft()
            if isinstance(item, str):
                self._queued -= len(item)
                return item
            self._queued -= _ANSWER_COST
            return self._render(item)
        while self._marked:
            task_id = next(iter(self._marked))
            del self._marked[task_id]
            topic = self._hub.topic(task_id)
            if topic is not None and self._told[task_id] < topic.seq:
                return self._event(task_id, topic)
        if self._transfers:
            data = self._transfers.pop(next(iter(self._transfers)))
            message = protocol.transfer_update(data=data, timestamp=self._hub.timestamp())
            return protocol.encode(message)
        return None

    def close(self) -> None:
        """Leave every topic."""
        self._hub.unwatch(self)
        for task_id in self._told.keys() | self._answering.keys():
            self._hub.leave(task_id, self)
        self._told.clear()
        self._marked.clear()
        self._answering.clear()
        self._transfers.clear()
        self._queue.clear()

    def _render(self, item: _Answer) -> str:
        hub, task_id = self._hub, item.position.task_id
        self._answering[task_id] -= 1
        if self._answering[task_id] <= 0:
            del self._answering[task_id]
        topic = hub.topic(task_id)
        if topic is None:
            return self._not_found(item)
        topic.subscribers.add(self)  # the task may be younger than the question
        self._told[task_id] = topic.seq
        self._marked.pop(task_id, None)
        recovered = (item.position.epoch, item.position.seq) == (hub.epoch, topic.seq)
        return protocol.encode(
            protocol.subscribed(
                re=item.re,
                task_id=task_id,
                epoch=hub.epoch,
                seq=topic.seq,
                timestamp=hub.timestamp(),
                snapshot=None if recovered else topic.data,
            )
        )

    def _not_found(self, item: _Answer) -> str:
        return protocol.encode(
            protocol.error(
                code="task-not-found",
                message="this server does not know the task",
                timestamp=self._hub.timestamp(),
                re=item.re,
                task_id=item.position.task_id,
            )
        )

    def _event(self, task_id: str, topic: Topic) -> str:
        first = self._told[task_id] + 1
        self._told[task_id] = topic.seq
        return topic.frame(self._hub.epoch, first, self._hub.timestamp())

    def _enqueue(self, task_id: str, topic: Topic) -> None:
        frame = self._event(task_id, topic)
        self._put(frame, len(frame))

    def _withdraw(self, task_id: str) -> None:
        del self._answering[task_id]
        kept = [
            item
            for item in self._queue
            if isinstance(item, str) or item.position.task_id != task_id
        ]
        self._queued -= _ANSWER_COST * (len(self._queue) - len(kept))
        self._queue = deque(kept)

    def _refuse(self, task_id: str) -> None:
        # Now, and not when it is written: a task of the same id may be there again by then.
        del self._answering[task_id]
        for index, item in enumerate(self._queue):
            if isinstance(item, _Answer) and item.position.task_id == task_id:
                frame = self._not_found(item)
                self._queue[index] = frame
                self._queued += len(frame) - _ANSWER_COST

    def _put(self, item: str | _Answer, cost: int) -> None:
        if self._queued + cost > MAX_QUEUED:
            self._hub.overflows += not self.overflowed
            self.overflowed = True
        else:
            self._queue.append(item)
            self._queued += cost
        self._wake()

"""Topics and their subscribers: who is told what, and when. No tornado, thread or clock inside.

A topic is the newest public record of a job with a sequence number. A subscriber holds, for each
task, only how far it has been told; what it is told next is read from the topic at the moment its
connection can take a frame. So progress is conflated by itself, a slow reader costs one mark a
task, and the frame of an event is encoded once for all readers that are equally far.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from progresswidget import protocol
from progresswidget.protocol import TERMINAL, Json, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_QUEUED: Final = 1024 * 1024
"""Bytes of answers and terminal events that may wait for one connection."""
MAX_TASKS: Final = 10_000
"""Tasks that one connection may subscribe to."""
_ANSWER_COST: Final = 64
"""Bytes that an answer which is not encoded yet is charged with."""
_TIMER_SLACK: Final = 0.001
"""Seconds by which a timer may be early."""


class Clock(Protocol):
    """The time, and a call later: an event loop, or a test's own clock."""

    def time(self) -> float:
        """Return monotonic seconds."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object:
        """Call back after `delay` seconds."""


@dataclass(slots=True)
class Topic:
    """The newest state of one task."""

    data: Json
    seq: int = 1
    pushed: float = 0.0
    """When subscribers were last told, by the hub's clock."""
    due: bool = False
    """Whether a push is scheduled."""
    subscribers: set[Subscriber] = field(default_factory=set)
    _frame: tuple[int, int, str] = (0, 0, "")

    def frame(self, epoch: str, first: int, timestamp: int) -> str:
        """Return the encoded event `first` to `seq`, made once for all who are equally far."""
        if self._frame[:2] != (first, self.seq):
            event = protocol.event(
                epoch=epoch, first=first, seq=self.seq, timestamp=timestamp, data=self.data
            )
            self._frame = (first, self.seq, protocol.encode(event))
        return self._frame[2]


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
        self._answering: set[str] = set()
        self._marked: dict[str, None] = {}  # an ordered set: the longest waiting goes first
        self.overflowed = False

    @property
    def tasks(self) -> int:
        """How many tasks it is subscribed to, or about to be."""
        return len(self._told.keys() | self._answering)

    def answer(self, re: int, positions: Iterable[Position]) -> None:
        """Subscribe, and queue one answer a task.

        Parameters
        ----------
        re
            Id of the message that asked.
        """
        for position in positions:
            self._answering.add(position.task_id)
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
        return None

    def close(self) -> None:
        """Leave every topic."""
        for task_id in self._told.keys() | self._answering:
            self._hub.leave(task_id, self)
        self._told.clear()
        self._marked.clear()
        self._answering.clear()
        self._queue.clear()

    def _render(self, item: _Answer) -> str:
        hub, task_id = self._hub, item.position.task_id
        self._answering.discard(task_id)
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
        self._answering.discard(task_id)
        kept = [
            item
            for item in self._queue
            if isinstance(item, str) or item.position.task_id != task_id
        ]
        self._queued -= _ANSWER_COST * (len(self._queue) - len(kept))
        self._queue = deque(kept)

    def _refuse(self, task_id: str) -> None:
        # Now, and not when it is written: a task of the same id may be there again by then.
        self._answering.discard(task_id)
        for index, item in enumerate(self._queue):
            if isinstance(item, _Answer) and item.position.task_id == task_id:
                frame = self._not_found(item)
                self._queue[index] = frame
                self._queued += len(frame) - _ANSWER_COST

    def _put(self, item: str | _Answer, cost: int) -> None:
        if self._queued + cost > MAX_QUEUED:
            self.overflowed = True
        else:
            self._queue.append(item)
            self._queued += cost
        self._wake()


class Hub:
    """Tells subscribers of jobs.

    Parameters
    ----------
    epoch
        New with each server process: sequence numbers of another epoch mean nothing.
    interval
        Seconds between two pushes of progress of one task.
    clock
        Monotonic time, and calls later.
    timestamp
        Milliseconds since 1970, for the envelope.
    """

    def __init__(
        self, *, epoch: str, interval: float, clock: Clock, timestamp: Callable[[], int]
    ) -> None:
        self.epoch = epoch
        self.timestamp = timestamp
        self._interval = interval
        self._clock = clock
        self._topics: dict[str, Topic] = {}

    def topic(self, task_id: str) -> Topic | None:
        """Return the state of a task, or None where there is none."""
        return self._topics.get(task_id)

    def join(self, task_id: str, subscriber: Subscriber) -> None:
        """Tell the subscriber of a task from now on; an unknown task is joined by no one."""
        topic = self._topics.get(task_id)
        if topic is not None:
            topic.subscribers.add(subscriber)

    def leave(self, task_id: str, subscriber: Subscriber) -> None:
        """Stop telling the subscriber of a task."""
        topic = self._topics.get(task_id)
        if topic is not None:
            topic.subscribers.discard(subscriber)

    def publish(self, task_id: str, data: Json, *, urgent: bool) -> None:
        """Take a new state of a task.

        Parameters
        ----------
        data
            The whole public record.
        urgent
            Whether subscribers are told at once; progress waits for the end of the interval.
        """
        topic = self._topics.get(task_id)
        if topic is None:
            self._topics[task_id] = Topic(data, pushed=self._clock.time())
            return
        ends = data["status"] in TERMINAL and topic.data["status"] != data["status"]
        if ends:
            for subscriber in topic.subscribers:
                subscriber.before_terminal(task_id, topic)
        topic.data = data
        topic.seq += 1
        if ends:
            topic.pushed = self._clock.time()
            for subscriber in topic.subscribers:
                subscriber.terminal(task_id, topic)
        elif urgent:
            self._push(task_id, topic)
        else:
            self._push_later(task_id, topic)

    def remove(self, task_id: str) -> None:
        """Forget a task and tell its subscribers."""
        topic = self._topics.pop(task_id, None)
        if topic is None:
            return
        message = protocol.removed(task_id=task_id, timestamp=self.timestamp())
        for subscriber in tuple(topic.subscribers):
            subscriber.removed(task_id, message)

    def _push_later(self, task_id: str, topic: Topic) -> None:
        if topic.due:
            return
        wait = topic.pushed + self._interval - self._clock.time()
        if wait <= _TIMER_SLACK:
            self._push(task_id, topic)
            return
        topic.due = True
        self._clock.call_later(wait, lambda: self._push_due(task_id, topic))

    def _push_due(self, task_id: str, topic: Topic) -> None:
        topic.due = False
        # A removed topic is no longer ours, and an urgent push in between puts this one off.
        if self._topics.get(task_id) is topic:
            self._push_later(task_id, topic)

    def _push(self, task_id: str, topic: Topic) -> None:
        topic.pushed = self._clock.time()
        for subscriber in topic.subscribers:
            subscriber.mark(task_id)

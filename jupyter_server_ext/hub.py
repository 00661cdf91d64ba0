"""Topics and their subscribers: who is told what, and when. No tornado, thread or clock inside.

A topic is the newest public record of a job with a sequence number. A subscriber holds, for each
task, only how far it has been told; what it is told next is read from the topic at the moment its
connection can take a frame. So progress is conflated by itself, a slow reader costs one mark a
task, and the frame of an event is encoded once for all readers that are equally far.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from progresswidget import protocol
from progresswidget.protocol import TERMINAL, Json

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.subscriber import Subscriber

_REMEMBERED: Final = 10_000
"""Removed tasks whose sequence number is remembered, in case they report again."""
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
        self.clock = clock
        self._topics: dict[str, Topic] = {}
        self._ended: dict[str, int] = {}  # how far removed topics had come, the newest last
        self._watchers: dict[Subscriber, Callable[[str], bool]] = {}
        self.overflows = 0
        """Subscribers so far that were too slow."""

    def topic(self, task_id: str) -> Topic | None:
        """Return the state of a task, or None where there is none."""
        return self._topics.get(task_id)

    def subscriptions(self) -> int:
        """Return how many subscriptions there are, each subscriber and task."""
        return sum(len(topic.subscribers) for topic in tuple(self._topics.values()))

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

    def watch(self, subscriber: Subscriber, sees: Callable[[str], bool]) -> None:
        """Tell the subscriber of the transfers of those users whom it `sees`."""
        self._watchers[subscriber] = sees

    def unwatch(self, subscriber: Subscriber) -> None:
        """Tell the subscriber of no transfers any more."""
        self._watchers.pop(subscriber, None)

    def tell(self, user: str, key: str, data: Json) -> None:
        """Take a new state of a transfer.

        Parameters
        ----------
        user
            Whose it is.
        key
            With the user, what it is known by.
        data
            The whole state: where it follows one that was not read yet, it replaces that.
        """
        for subscriber, sees in self._watchers.items():
            if sees(user):
                subscriber.transfer((user, key), data)

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
            # A task that was removed and reports again goes on counting: a page that still has the
            # old position must not be taken for up to date.
            seq = self._ended.pop(task_id, 0) + 1
            self._topics[task_id] = Topic(data, seq=seq, pushed=self.clock.time())
            return
        ends = data["status"] in TERMINAL and topic.data["status"] != data["status"]
        if ends:
            for subscriber in topic.subscribers:
                subscriber.before_terminal(task_id, topic)
        topic.data = data
        topic.seq += 1
        if ends:
            topic.pushed = self.clock.time()
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
        self._ended[task_id] = topic.seq
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
        message = protocol.removed(task_id=task_id, timestamp=self.timestamp())
        for subscriber in tuple(topic.subscribers):
            subscriber.removed(task_id, message)

    def _push_later(self, task_id: str, topic: Topic) -> None:
        if topic.due:
            return
        wait = topic.pushed + self._interval - self.clock.time()
        if wait <= _TIMER_SLACK:
            self._push(task_id, topic)
            return
        topic.due = True
        self.clock.call_later(wait, lambda: self._push_due(task_id, topic))

    def _push_due(self, task_id: str, topic: Topic) -> None:
        topic.due = False
        # A removed topic is no longer ours, and an urgent push in between puts this one off.
        if self._topics.get(task_id) is topic:
            self._push_later(task_id, topic)

    def _push(self, task_id: str, topic: Topic) -> None:
        topic.pushed = self.clock.time()
        for subscriber in topic.subscribers:
            subscriber.mark(task_id)

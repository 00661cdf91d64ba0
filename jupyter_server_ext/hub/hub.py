"""Topics and their listeners: who is told what, and when. No tornado, thread or clock inside.

A topic is the newest public record of a job with a sequence number. A subscriber holds, for each
task, only how far it has been told; what it is told next is read from the topic at the moment its
connection can take a frame. So progress is conflated by itself, a slow reader costs one mark a
task, and the frame of an event is made once for all readers that are equally far.

All topics of a hub belong to one history, the epoch: where the hub is led to another one, whoever
listens begins anew with a snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from jupyter_server_ext.hub.changes import Changes
from jupyter_server_ext.hub.removed import Removed
from jupyter_server_ext.hub.ring import Rings
from jupyter_server_ext.hub.topic import Topic
from jupyter_server_ext.hub.transferfeed import TransferFeed
from jupyter_server_ext.tally import Histogram
from progresswidget.protocol import TERMINAL, Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jupyter_server_ext.hub.subscriber import Subscriber
    from jupyter_server_ext.hub.topic import Listener
    from progresswidget.protocol import Position

_TIMER_SLACK: Final = 0.001
"""Seconds by which a timer may be early."""


class Clock(Protocol):
    """The time, and a call later: an event loop, or a test's own clock."""

    def time(self) -> float:
        """Return monotonic seconds."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object:
        """Call back after `delay` seconds."""


class Hub:
    """Tells listeners of jobs.

    Parameters
    ----------
    epoch
        The history that sequence numbers count in: those of another one mean nothing.
    interval
        Seconds between two pushes of progress of one task.
    clock
        Monotonic time, and calls later.
    timestamp
        Milliseconds since 1970, for the envelope.
    rings
        The newest events, for clients that come back.
    """

    def __init__(
        self,
        *,
        epoch: str,
        interval: float,
        clock: Clock,
        timestamp: Callable[[], int],
        rings: Rings | None = None,
    ) -> None:
        self.epoch = epoch
        self.timestamp = timestamp
        self._interval = interval
        self.clock = clock
        self._rings = rings or Rings()
        self._topics: dict[str, Topic] = {}
        self._removed = Removed()
        self._followers: dict[Subscriber, None] = {}
        self.changes = Changes()
        """What is told, for who asks now and then."""
        self.transfers = TransferFeed(self.changes, timestamp)
        """Who is told of transfers."""
        self.overflows = 0
        """How often a subscriber had more to read than it may."""
        self.replayed = 0
        self.snapshots = 0
        """Answers to `subscribe`, by what they hold."""
        self.delivery = Histogram()
        """Seconds from a change to the moment when the sockets of its listeners had it."""
        self.held_up = 0
        """How often a listener was told whose socket took nothing; it counts its delivery later."""

    def topic(self, task_id: str) -> Topic | None:
        """Return the state of a task, or None where there is none."""
        return self._topics.get(task_id)

    def topics(self) -> Iterable[Topic]:
        """Return the states of all tasks."""
        return self._topics.values()

    def subscriptions(self) -> int:
        """Return how many subscriptions there are, each listener and task."""
        return sum(len(topic.listeners) for topic in tuple(self._topics.values()))

    def catch_up(self, position: Position, re: int | None = None) -> bytes | None:
        """Return the `subscribed` message for a client at `position`, as UTF-8 JSON.

        Returns
        -------
        None where the task is not known.
        """
        topic = self._topics.get(position.task_id)
        if topic is None:
            return None
        answer, recovered = topic.catch_up(position, re, self.timestamp())
        if recovered:
            self.replayed += 1
        else:
            self.snapshots += 1
        return answer

    def join(self, task_id: str, listener: Listener) -> None:
        """Tell the listener of a task from now on; an unknown task is joined by no one."""
        topic = self._topics.get(task_id)
        if topic is not None:
            topic.listeners.add(listener)

    def leave(self, task_id: str, listener: Listener) -> None:
        """Stop telling the listener of a task."""
        topic = self._topics.get(task_id)
        if topic is not None:
            topic.listeners.discard(listener)

    def follow(self, subscriber: Subscriber) -> None:
        """Tell the subscriber of every task that appears, or that belongs elsewhere."""
        self._followers[subscriber] = None

    def unfollow(self, subscriber: Subscriber) -> None:
        """Tell the subscriber of no task any more that it has not joined."""
        self._followers.pop(subscriber, None)

    def publish(
        self,
        task_id: str,
        data: Json,
        *,
        urgent: bool,
        seq: int | None = None,
        epoch: str | None = None,
    ) -> None:
        """Take a new state of a task.

        Parameters
        ----------
        data
            The whole public record.
        urgent
            Whether listeners are told at once; progress waits for the end of the interval.
        seq
            Where somebody else counts: which event this is. One that is known already is dropped,
            since whoever brings it may bring it twice. None counts here.
        epoch
            The history that `seq` counts in. One of another history is dropped: `rebase` leads
            there, and nothing else.
        """
        if epoch is not None and epoch != self.epoch:
            return
        topic = self._topics.get(task_id)
        if topic is None:
            # A task that was removed and reports again goes on counting: a page that still has the
            # old position must not be taken for up to date.
            if seq is not None and self._removed.knows(task_id, seq):
                return
            known = self._removed.take(task_id)
            self._appear(self._add(task_id, data, known + 1 if seq is None else seq))
            return
        if seq is None:
            seq = topic.seq + 1
        elif seq <= topic.seq:
            return
        self._take(topic, data, seq, urgent=urgent)

    def remove(self, task_id: str, *, seq: int | None = None, epoch: str | None = None) -> None:
        """Forget a task and tell its listeners.

        Parameters
        ----------
        seq, epoch
            Where somebody else counts, as for `publish`: a removal is an event, too.
        """
        if epoch is not None and epoch != self.epoch:
            return
        topic = self._topics.get(task_id)
        known = 0 if topic is None else topic.seq
        if seq is not None:
            if seq <= known:
                return
            self._removed.remember(task_id, seq)
        if topic is not None:
            del self._topics[task_id]
            self._removed.remember(task_id, known)
            self._discard(topic)

    def rebase(self, epoch: str, states: Mapping[str, tuple[int, Json]]) -> None:
        """Go over to another history, with all that there is in it.

        Parameters
        ----------
        epoch
            The history. The one that the hub is in is taken as well, for instance after a feed of
            changes had a hole.
        states
            By task, the newest event and the whole public record after it. A task that is missing
            is removed.
        """
        before, self._topics = self._topics, {}
        if epoch != self.epoch:
            self._removed.clear()
        self.epoch = epoch
        for task_id, (seq, data) in states.items():
            self._removed.take(task_id)
            self._add(task_id, data, seq)
        # First, since a listener that takes note of one task may tell of all that it has marked,
        # and would count on from where it was in the other history.
        lost = self._replace(before)
        for topic in before.values():
            if topic.task_id not in self._topics:
                if topic.epoch == epoch:
                    self._removed.remember(topic.task_id, topic.seq)
                self._discard(topic)
        for task_id, topic in tuple(self._topics.items()):
            if task_id not in before:
                self._appear(topic)
            elif not _same_place(before[task_id].data, topic.data):
                self._move(topic)
        for listener in lost:
            listener.rebased()
        self.changes.restart()

    def _add(self, task_id: str, data: Json, seq: int) -> Topic:
        now = self.clock.time()
        topic = Topic(task_id, data, self.epoch, seq, pushed=now, changed=now)
        self._topics[task_id] = topic
        self.changes.changed(task_id)
        return topic

    def _appear(self, topic: Topic) -> None:
        for subscriber in tuple(self._followers):
            subscriber.appeared(topic.task_id, topic)

    def _replace(self, before: Mapping[str, Topic]) -> Iterable[Listener]:
        found: dict[Listener, None] = {}
        for task_id, new in self._topics.items():
            old = before.get(task_id)
            if old is None:
                continue
            self._rings.drop(old.ring)
            new.listeners |= old.listeners
            for listener in new.listeners:
                listener.lost(task_id)
                found[listener] = None
        return found

    def _move(self, topic: Topic) -> None:
        # Who may see it now must not be told how it was where it came from.
        self._rings.drop(topic.ring)
        for listener in tuple(topic.listeners):
            listener.moved(topic.task_id, topic)
        self._appear(topic)

    def _discard(self, topic: Topic) -> None:
        self._rings.drop(topic.ring)
        self.changes.removed(topic.data)
        for listener in tuple(topic.listeners):
            listener.removed(topic.task_id)

    def _take(self, topic: Topic, data: Json, seq: int, *, urgent: bool) -> None:
        now = self.clock.time()
        ends = data["status"] in TERMINAL and topic.data["status"] != data["status"]
        if ends:
            self._record(topic)
            for listener in tuple(topic.listeners):
                listener.ending(topic.task_id, topic)
        moves = not _same_place(topic.data, data)
        if moves:
            self.changes.moved(topic.data)
        topic.advance(data, seq, now)
        if moves:
            self._move(topic)
        if ends:
            topic.pushed = now
            self._record(topic)
            held_up = self.held_up
            for listener in tuple(topic.listeners):
                listener.ended(topic.task_id, topic)
            self._note_delivery(topic, self.held_up - held_up)
        elif urgent:
            self._push(topic)
        else:
            self._push_later(topic)

    def _record(self, topic: Topic) -> None:
        entry = topic.entry(self.timestamp())
        if entry is not None:
            self._rings.append(topic.ring, entry)
            self.changes.changed(topic.task_id)

    def _push_later(self, topic: Topic) -> None:
        if topic.due:
            return
        wait = topic.pushed + self._interval - self.clock.time()
        if wait <= _TIMER_SLACK:
            self._push(topic)
            return
        topic.due = True
        self.clock.call_later(wait, lambda: self._push_due(topic))

    def _push_due(self, topic: Topic) -> None:
        topic.due = False
        # A removed topic is no longer ours, and an urgent push in between puts this one off.
        if self._topics.get(topic.task_id) is topic:
            self._push_later(topic)

    def _push(self, topic: Topic) -> None:
        topic.pushed = self.clock.time()
        first = topic.ring.last + 1
        self._record(topic)
        if first > topic.seq or not topic.listeners:
            return
        frame = topic.frame(first, self.timestamp())
        held_up = self.held_up
        # A listener that is told may leave.
        for listener in tuple(topic.listeners):
            listener.news(topic, first, frame)
        self._note_delivery(topic, self.held_up - held_up)

    def _note_delivery(self, topic: Topic, late: int) -> None:
        # Once a push, and not for each listener: their sockets had it while they were told.
        times = len(topic.listeners) - late
        if times > 0:
            self.delivery.observe(self.clock.time() - topic.changed, times)


def _same_place(old: Json, new: Json) -> bool:
    # What decides who may see a task.
    return all(
        old.get(name) == new.get(name) for name in ("notebook", "kernelId", "userId", "parent")
    )

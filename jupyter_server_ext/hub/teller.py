"""What one connection is told next, and how far it has been told. No tornado, thread or clock."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.hub.framing import text_frame
from jupyter_server_ext.hub.outbox import (
    MAX_QUEUED,
    Answer,
    Event,
    Item,
    Outbox,
    Removal,
)
from progresswidget import protocol
from progresswidget.protocol import Position

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.hub.hub import Hub
    from jupyter_server_ext.hub.topic import Topic
    from progresswidget.protocol import Json

LOST: Final = -1
"""In the place of how far a page has been told: it needs the whole state, wherever it is."""


def everything(record: Json) -> bool:
    """Let a page see whatever there is."""
    del record
    return True


def _not_at_once(frame: bytes) -> bool:
    del frame
    return False


class Teller:
    """What is told to a connection that has subscribed, and in which order.

    What has to be told in its order is queued: answers, ends of jobs, removals. Everything else is
    a mark. Where the queue would get too long the ends give way to snapshots, of which there is at
    most one a task; what cannot give way, or waits for too long, is the end of the connection.

    Parameters
    ----------
    hub
        Where the topics are.
    wake
        Called when there may be something to take. It may take it at once.
    send
        Sends a frame at once, and returns False where it cannot: then it is kept.
    patience
        Seconds that something may wait while nothing is taken.
    sees
        Says of the public record of a task whether it may be told. What may not looks as if it
        were not there.
    room
        Bytes that may wait in their order.
    """

    __slots__ = (
        "_answering",
        "_hub",
        "_is_held",
        "_marked",
        "_patience",
        "_queue",
        "_refused",
        "_sees",
        "_send",
        "_since",
        "_told",
        "_transfers",
        "_wake",
        "overflowed",
    )

    def __init__(
        self,
        hub: Hub,
        wake: Callable[[], None],
        *,
        send: Callable[[bytes], bool] = _not_at_once,
        patience: float = 30.0,
        sees: Callable[[Json], bool] = everything,
        room: int = MAX_QUEUED,
    ) -> None:
        self._hub = hub
        self._wake = wake
        self._send = send
        self._patience = patience
        self._sees = sees
        self._queue = Outbox(room)
        self._told: dict[str, int] = {}
        self._answering: dict[str, int] = {}  # a page may ask twice before it is answered
        self._refused: dict[str, int] = {}  # how many of the next answers are too late
        self._marked: OrderedDict[str, None] = OrderedDict()  # the longest waiting goes first
        self._transfers: OrderedDict[tuple[str, str], bytes] = OrderedDict()  # the newest of each
        self._since: float | None = None
        self._is_held = False  # while other tasks are not where the first ones are already
        self.overflowed = False
        """Whether the connection has to end: it has not read what it must not miss."""

    def send(self, message: Json) -> None:
        """Queue a message of its own, a pong for instance."""
        self._put(_framed(message))

    def transfer(self, key: tuple[str, str], frame: bytes) -> None:
        """Note the newest state of a transfer."""
        self._note_wait()
        self._transfers[key] = frame
        self._wake()

    # --- For the hub -------------------------------------------------------------------------

    def news(self, topic: Topic, first: int, frame: bytes) -> None:
        """Send the events at once to a page that is as far as they begin, and has nothing to read.

        All that are so get the same bytes, and nothing is noted of it but how far they are.
        """
        told, task_id = self._told, topic.task_id
        waits = self._marked or self._transfers or self._queue
        if told.get(task_id) == first - 1 and not waits and self._send(frame):
            told[task_id] = topic.seq
        else:
            self.mark(task_id)

    def mark(self, task_id: str) -> None:
        """Note that a task has news; a task whose answer waits needs no mark."""
        if task_id in self._told and task_id not in self._answering:
            self._note_wait()
            self._marked[task_id] = None
            self._wake()

    def ending(self, task_id: str, topic: Topic) -> None:
        """Queue the state before a terminal one, if it was not told: nothing swallows the end."""
        if task_id in self._answering:
            return
        told = self._told.get(task_id, LOST)
        if told != LOST and told < topic.seq:
            self._queue_event(task_id, topic)

    def ended(self, task_id: str, topic: Topic) -> None:
        """Queue the terminal event of a task."""
        if task_id in self._answering:
            return
        if self._told.get(task_id, LOST) == LOST:
            self.mark(task_id)  # the snapshot that is due will tell of it
        else:
            self._queue_event(task_id, topic)

    def removed(self, task_id: str) -> None:
        """Queue the news that a task is gone, and unsubscribe from it."""
        self._told.pop(task_id, None)
        self._marked.pop(task_id, None)
        answers = self._answering.pop(task_id, 0)
        if answers:
            # A task of the same id may be there again when they are made.
            self._refused[task_id] = self._refused.get(task_id, 0) + answers
        self._put(Removal(task_id))

    def lost(self, task_id: str) -> None:
        """Note that the task has another history: its whole state is due."""
        if task_id in self._told:
            self._told[task_id] = LOST
            self._is_held = True
            self.mark(task_id)

    def rebased(self) -> None:
        """Tell what is due: each task has its new history, and its place."""
        self._is_held = False
        self._wake()

    def moved(self, task_id: str, topic: Topic) -> None:
        """Note that a task belongs elsewhere: what may not be seen any more is as good as gone."""
        if self._has(task_id) and not self._sees(topic.data):
            self._hub.leave(task_id, self)
            self.removed(task_id)

    # --- For the connection ------------------------------------------------------------------

    def take(self) -> bytes | None:
        """Return the next WebSocket frame, or None where there is nothing to say."""
        if self._is_held:
            return None
        self._since = None
        if self._queue:
            return self._make(self._queue.take())
        while self._marked:
            task_id, _ = self._marked.popitem(last=False)
            topic = self._hub.topic(task_id)
            told = self._told[task_id]
            if topic is not None and told != topic.seq:
                self._told[task_id] = topic.seq
                if told == LOST:
                    return topic.anew(self._hub.timestamp())
                return topic.frame(told + 1, self._hub.timestamp())
        if self._transfers:
            return self._transfers.popitem(last=False)[1]
        return None

    def _make(self, item: Item) -> bytes:
        if isinstance(item, bytes):
            return item
        if isinstance(item, Event):
            return item.frame
        if isinstance(item, Answer):
            return self._answer(item)
        timestamp = self._hub.timestamp()
        return _framed(protocol.removed(task_id=item.task_id, timestamp=timestamp))

    def _answer(self, item: Answer) -> bytes:
        hub, task_id = self._hub, item.position.task_id
        if task_id in self._refused:
            _count_down(self._refused, task_id)
            return self._not_found(item.re, task_id)
        _count_down(self._answering, task_id)
        topic = self._visible(task_id)
        position = item.position
        if self._told.get(task_id) == LOST:
            position = Position(task_id)  # it was asked for before the thread was lost
        answer = None if topic is None else hub.catch_up(position, item.re)
        if topic is None or answer is None:
            return self._not_found(item.re, task_id)
        hub.join(task_id, self)  # the task may be younger than the question
        self._told[task_id] = topic.seq
        self._marked.pop(task_id, None)
        return text_frame(answer)

    def _not_found(self, re: int, task_id: str) -> bytes:
        return _framed(
            protocol.error(
                code="task-not-found",
                message="this server does not know the task",
                timestamp=self._hub.timestamp(),
                re=re,
                task_id=task_id,
            )
        )

    def _has(self, task_id: str) -> bool:
        return task_id in self._told or task_id in self._answering

    def _visible(self, task_id: str) -> Topic | None:
        topic = self._hub.topic(task_id)
        return topic if topic is not None and self._sees(topic.data) else None

    # --- The queue ---------------------------------------------------------------------------

    def _queue_event(self, task_id: str, topic: Topic) -> None:
        frame = topic.frame(self._told[task_id] + 1, self._hub.timestamp())
        self._told[task_id] = topic.seq
        self._marked.pop(task_id, None)
        self._put(Event(task_id, frame))

    def _put(self, item: Item) -> None:
        self._queue_up(item)
        self._wake()

    def _queue_up(self, item: Item) -> None:
        self._note_wait()
        if not self.overflowed:
            self._queue.put(item)
            if self._queue.is_full:
                self._give_way()

    def _give_way(self) -> None:
        # A snapshot says how each of these tasks ended, and takes no place until it is taken.
        self._hub.overflows += 1
        for task_id in self._queue.withdraw_events() & self._told.keys():
            self._told[task_id] = LOST
            self._marked[task_id] = None
        self.overflowed = self._queue.is_full

    def _note_wait(self) -> None:
        # Only where something waits already: a connection that keeps up never looks at the clock.
        if not (self._queue or self._marked or self._transfers):
            self._since = None  # what waited may have been taken back
            return
        now = self._hub.clock.time()
        if self._since is None:
            self._since = now
        elif now - self._since > self._patience:
            self.overflowed = True


def _count_down(counts: dict[str, int], task_id: str) -> None:
    counts[task_id] -= 1
    if counts[task_id] <= 0:
        del counts[task_id]


def _framed(message: Json) -> bytes:
    return text_frame(protocol.encode(message).encode())

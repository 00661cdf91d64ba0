"""The outbox of one connection: what its page is told next. No tornado, thread or clock inside."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.framing import text_frame
from progresswidget import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jupyter_server_ext.hub import Hub
    from jupyter_server_ext.topic import Topic
    from progresswidget.protocol import Json, Position

MAX_QUEUED: Final = 1024 * 1024
"""Bytes of answers and terminal events that may wait for one connection."""
MAX_TASKS: Final = 10_000
"""Tasks that one connection may subscribe to."""
_UNMADE: Final = 64
"""Bytes that a message which is not encoded yet is charged with."""
_LOST: Final = -1
"""In the place of how far a page has been told: it needs the whole state, wherever it is."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """A `subscribed` that is still to be written; what it tells is read when it is."""

    re: int
    position: Position


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A `task-not-found` that is still to be written."""

    re: int
    task_id: str


@dataclass(frozen=True, slots=True)
class _Removal:
    """A `task_removed` that is still to be written."""

    task_id: str


@dataclass(frozen=True, slots=True)
class _Event:
    """An event that nothing may swallow. A snapshot may replace it."""

    task_id: str
    frame: bytes


_Item = bytes | _Answer | _Refusal | _Removal | _Event


class Subscriber:
    """The outbox of one connection.

    What has to be told in its order is queued: answers, ends of jobs, removals. Everything else is
    a mark. Where the queue would get too long the ends give way to snapshots, of which there is at
    most one a task; what cannot give way, or waits for too long, is the end of the connection.

    Parameters
    ----------
    hub
        Where the topics are.
    wake
        Called when there may be something to take. It may take it at once.
    patience
        Seconds that something may wait while nothing is taken.
    """

    __slots__ = (
        "_answering",
        "_hub",
        "_marked",
        "_patience",
        "_queue",
        "_queued",
        "_since",
        "_told",
        "_transfers",
        "_wake",
        "overflowed",
    )

    def __init__(self, hub: Hub, wake: Callable[[], None], *, patience: float = 30.0) -> None:
        self._hub = hub
        self._wake = wake
        self._patience = patience
        self._queue: deque[_Item] = deque()
        self._queued = 0
        self._told: dict[str, int] = {}
        self._answering: Counter[str] = Counter()  # a page may ask twice before it is answered
        self._marked: OrderedDict[str, None] = OrderedDict()  # the longest waiting goes first
        self._transfers: OrderedDict[tuple[str, str], bytes] = OrderedDict()  # the newest of each
        self._since: float | None = None
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
            # First of all, so that nothing can happen between the answer and the first event.
            self._answering[position.task_id] += 1
            self._hub.join(position.task_id, self)
            self._put(_Answer(re, position), _UNMADE)

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
        frame = text_frame(protocol.encode(message).encode())
        self._put(frame, len(frame))

    def transfer(self, key: tuple[str, str], frame: bytes) -> None:
        """Note the newest state of a transfer."""
        self._note_wait()
        self._transfers[key] = frame
        self._wake()

    # --- For the hub -------------------------------------------------------------------------

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
        told = self._told.get(task_id, _LOST)
        if told != _LOST and told < topic.seq:
            self._queue_event(task_id, topic)

    def ended(self, task_id: str, topic: Topic) -> None:
        """Queue the terminal event of a task."""
        if task_id in self._answering:
            return
        if self._told.get(task_id, _LOST) == _LOST:
            self.mark(task_id)  # the snapshot that is due will tell of it
        else:
            self._queue_event(task_id, topic)

    def removed(self, task_id: str) -> None:
        """Queue the news that a task is gone, and unsubscribe from it."""
        self._told.pop(task_id, None)
        self._marked.pop(task_id, None)
        if self._answering.pop(task_id, 0):
            self._refuse(task_id)
        self._put(_Removal(task_id), _UNMADE)

    def lost(self, task_id: str) -> None:
        """Note that the task has another history: its whole state is due."""
        if task_id in self._told:
            self._told[task_id] = _LOST
            self.mark(task_id)

    # --- For the connection ------------------------------------------------------------------

    def take(self) -> bytes | None:
        """Return the next WebSocket frame, or None where there is nothing to say."""
        self._since = None
        if self._queue:
            return self._take_queued()
        while self._marked:
            task_id, _ = self._marked.popitem(last=False)
            topic = self._hub.topic(task_id)
            told = self._told[task_id]
            if topic is not None and told != topic.seq:
                self._told[task_id] = topic.seq
                if told == _LOST:
                    return topic.anew(self._hub.timestamp())
                return topic.frame(told + 1, self._hub.timestamp())
        if self._transfers:
            return self._transfers.popitem(last=False)[1]
        return None

    def close(self) -> None:
        """Leave every topic."""
        self._hub.unwatch(self)
        for task_id in self._told.keys() | self._answering.keys():
            self._hub.leave(task_id, self)
        for waiting in (self._told, self._marked, self._answering, self._transfers, self._queue):
            waiting.clear()
        self._queued = 0

    def _take_queued(self) -> bytes:
        item = self._queue.popleft()
        if isinstance(item, bytes):
            self._queued -= len(item)
            return item
        if isinstance(item, _Event):
            self._queued -= len(item.frame)
            return item.frame
        self._queued -= _UNMADE
        if isinstance(item, _Answer):
            return self._render(item)
        if isinstance(item, _Refusal):
            return self._not_found(item.re, item.task_id)
        message = protocol.removed(task_id=item.task_id, timestamp=self._hub.timestamp())
        return text_frame(protocol.encode(message).encode())

    def _render(self, item: _Answer) -> bytes:
        hub, task_id = self._hub, item.position.task_id
        self._answering[task_id] -= 1
        if self._answering[task_id] <= 0:
            del self._answering[task_id]
        answer = hub.catch_up(item.position, item.re)
        topic = hub.topic(task_id)
        if answer is None or topic is None:
            return self._not_found(item.re, task_id)
        hub.join(task_id, self)  # the task may be younger than the question
        self._told[task_id] = topic.seq
        self._marked.pop(task_id, None)
        return text_frame(answer)

    def _not_found(self, re: int, task_id: str) -> bytes:
        message = protocol.error(
            code="task-not-found",
            message="this server does not know the task",
            timestamp=self._hub.timestamp(),
            re=re,
            task_id=task_id,
        )
        return text_frame(protocol.encode(message).encode())

    # --- The queue ---------------------------------------------------------------------------

    def _queue_event(self, task_id: str, topic: Topic) -> None:
        frame = topic.frame(self._told[task_id] + 1, self._hub.timestamp())
        self._told[task_id] = topic.seq
        self._marked.pop(task_id, None)
        self._put(_Event(task_id, frame), len(frame))

    def _withdraw(self, task_id: str) -> None:
        del self._answering[task_id]
        kept = [
            item
            for item in self._queue
            if not isinstance(item, _Answer) or item.position.task_id != task_id
        ]
        self._queued -= _UNMADE * (len(self._queue) - len(kept))
        self._queue = deque(kept)

    def _refuse(self, task_id: str) -> None:
        # Now, and not when it is written: a task of the same id may be there again by then.
        for index, item in enumerate(self._queue):
            if isinstance(item, _Answer) and item.position.task_id == task_id:
                self._queue[index] = _Refusal(item.re, task_id)

    def _put(self, item: _Item, cost: int) -> None:
        self._note_wait()
        if not self.overflowed:
            self._queue.append(item)
            self._queued += cost
            if self._queued > MAX_QUEUED:
                self._give_way()
        self._wake()

    def _give_way(self) -> None:
        # A snapshot says how each of these tasks ended, and takes no place until it is taken.
        self._hub.overflows += 1
        kept: deque[_Item] = deque()
        for item in self._queue:
            if isinstance(item, _Event):
                self._queued -= len(item.frame)
                if item.task_id in self._told:
                    self._told[item.task_id] = _LOST
                    self._marked[item.task_id] = None
            else:
                kept.append(item)
        self._queue = kept
        if self._queued > MAX_QUEUED:
            self.overflowed = True

    def _note_wait(self) -> None:
        # Only where something waits already: a connection that keeps up never looks at the clock.
        if not (self._queue or self._marked or self._transfers):
            return
        now = self._hub.clock.time()
        if self._since is None:
            self._since = now
        elif now - self._since > self._patience:
            self.overflowed = True

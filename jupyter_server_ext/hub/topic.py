"""One task of the hub: its newest state, its newest events, and the bytes that tell of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from jupyter_server_ext.hub.framing import text_frame
from jupyter_server_ext.hub.ring import Entry, Ring
from progresswidget.protocol import MAX_FRAME, encode, encode_event, encode_subscribed

if TYPE_CHECKING:
    from progresswidget.protocol import Json, Position

_FRAMES: Final = 16
"""Frames of one state that are kept: readers are at few different places."""
_ANEW: Final = 0
"""In the place of the first event of a frame: it tells the whole state, unasked."""


class Listener(Protocol):
    """Who is told of a topic; each method is called while the hub takes the change."""

    def news(self, topic: Topic, first: int, frame: bytes) -> None:
        """Note that there are events from `first` to the newest, or send the frame of them."""

    def ending(self, task_id: str, topic: Topic) -> None:
        """Note that a terminal state is about to replace the one that `topic` still has."""

    def ended(self, task_id: str, topic: Topic) -> None:
        """Note that `topic` has a terminal state, which nothing must swallow."""

    def removed(self, task_id: str) -> None:
        """Note that the task is gone, and with it the topic."""

    def lost(self, task_id: str) -> None:
        """Note that the task has another history now, and tell nothing until `rebased`."""

    def rebased(self) -> None:
        """Tell what is due: each task has its new history, and its place."""

    def moved(self, task_id: str, topic: Topic) -> None:
        """Note that the task belongs to another notebook or user now, before its state is told."""


@dataclass(slots=True, eq=False)
class Topic:
    """The newest state of one task.

    Parameters
    ----------
    data
        The whole public record.
    epoch, seq
        The history, and how far it has come.
    pushed
        When listeners were last told, in seconds of the hub's clock.
    changed
        When the state last changed, by the same clock.
    """

    task_id: str
    data: Json
    epoch: str
    seq: int
    pushed: float
    changed: float
    due: bool = False
    """Whether a push is scheduled."""
    listeners: set[Listener] = field(default_factory=set)
    ring: Ring = field(init=False)
    _encoded: bytes | None = None
    _frames: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ring = Ring(self.seq)

    @property
    def encoded(self) -> bytes:
        """The record as UTF-8 JSON, made once for all."""
        if self._encoded is None:
            self._encoded = encode(self.data).encode()
        return self._encoded

    def advance(self, data: Json, seq: int, now: float) -> None:
        """Take the state after event `seq`."""
        self.data, self.seq, self.changed = data, seq, now
        self._encoded = None
        self._frames.clear()

    def entry(self, timestamp: int) -> Entry | None:
        """Return the events that were not pushed yet, None where there are none."""
        if self.ring.last == self.seq:
            return None
        status = self.data["status"]
        return Entry(self.ring.last + 1, self.seq, timestamp, status, self.encoded)

    def frame(self, first: int, timestamp: int) -> bytes:
        """Return the frame of the events `first` to the newest: the same for all as far as that."""
        frame = self._frames.get(first)
        if frame is None:
            frame = text_frame(
                encode_event(
                    epoch=self.epoch,
                    first=first,
                    seq=self.seq,
                    timestamp=timestamp,
                    status=self.data["status"],
                    data=self.encoded,
                )
            )
            self._keep(first, frame)
        return frame

    def anew(self, timestamp: int) -> bytes:
        """Return the frame of the whole state for those who have lost the thread."""
        frame = self._frames.get(_ANEW)
        if frame is None:
            frame = text_frame(self._snapshot(None, timestamp))
            self._keep(_ANEW, frame)
        return frame

    def catch_up(self, position: Position, re: int | None, timestamp: int) -> tuple[bytes, bool]:
        """Return the answer to a client at `position`, and whether it goes on from there.

        It gets all that it has missed, or else the whole state: never a part, and never more than
        one frame.
        """
        missed = self._missed(position, timestamp)
        if missed is not None:
            answer = encode_subscribed(
                re=re,
                task_id=self.task_id,
                epoch=self.epoch,
                seq=self.seq,
                timestamp=timestamp,
                snapshot=None,
                events=missed,
            )
            if len(answer) <= MAX_FRAME:
                return answer, True
        return self._snapshot(re, timestamp), False

    def _missed(self, position: Position, timestamp: int) -> list[bytes] | None:
        if position.epoch != self.epoch or position.seq > self.seq:
            return None
        after = min(position.seq, self.ring.last)
        entries = self.ring.since(after)
        if entries is None:
            return None
        waiting = self.entry(timestamp)
        if waiting is not None and position.seq < self.seq:
            entries.append(waiting)
        return [
            encode_event(
                epoch=self.epoch,
                # What was pushed at once may begin before the client's place.
                first=max(entry.first, position.seq + 1),
                seq=entry.seq,
                timestamp=entry.timestamp,
                status=entry.status,
                data=entry.data,
            )
            for entry in entries
        ]

    def _snapshot(self, re: int | None, timestamp: int) -> bytes:
        return encode_subscribed(
            re=re,
            task_id=self.task_id,
            epoch=self.epoch,
            seq=self.seq,
            timestamp=timestamp,
            snapshot=self.encoded,
        )

    def _keep(self, first: int, frame: bytes) -> None:
        if len(self._frames) >= _FRAMES:
            self._frames.clear()
        self._frames[first] = frame

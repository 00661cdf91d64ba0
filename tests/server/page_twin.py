"""The rules by which a page follows a task, as `js/src/reducer.ts` has them, in Python.

It is stricter in one point: a page would ask again where the history of a live connection has a
gap; here that is an error of the server, because it must never happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from progresswidget.protocol import Json


@dataclass
class Followed:
    """What a page knows of one task."""

    task_id: str
    record: Json | None = None
    epoch: str | None = None
    seq: int = 0
    awaiting: bool = True
    missing: bool = False
    question: int = 0
    """The newest `subscribe` that named it."""

    @property
    def position(self) -> Json:
        """What a `subscribe` names."""
        if self.epoch is None:
            return {"taskId": self.task_id}
        return {"taskId": self.task_id, "epoch": self.epoch, "seq": self.seq}

    def disconnected(self) -> None:
        """Believe no live event until there is an answer."""
        self.awaiting = True

    def apply(self, message: Json) -> list[Json]:
        """Take a message, and return the events and the snapshot that had an effect.

        Raises
        ------
        AssertionError
            If a page would have to ask again.
        """
        if message.get("re") is not None and message["re"] < self.question:
            return []  # late: it was asked for anew meanwhile, and that is answered, too
        if message["type"] == "subscribed":
            return self._subscribed(message)
        if message["type"] in {"task_removed", "error"}:
            self.missing, self.awaiting = True, False
            return []
        return self._event(message)

    def _subscribed(self, message: Json) -> list[Json]:
        recovered = message["data"]["recovered"]
        assert not recovered or message["epoch"] == self.epoch, "a recovery of another history"
        self.awaiting = self.missing = False
        if not recovered:
            self.record = message["data"]["snapshot"]
            self.epoch, self.seq = message["epoch"], message["seq"]
            return [message]
        events = message["data"]["events"]
        effects = [one for event in events for one in self._event(event, is_missed=True)]
        assert self.seq == message["seq"], "a part of a recovery"
        return effects

    def _event(self, event: Json, *, is_missed: bool = False) -> list[Json]:
        if self.awaiting:
            return []
        assert event["epoch"] == self.epoch, "an event of another history"
        if event["seq"] <= self.seq:
            assert is_missed, "an event that was told before"
            return []
        assert event["from"] <= self.seq + 1, "a gap"
        assert is_missed or event["from"] == self.seq + 1, "a part that was told before"
        self.record, self.seq, self.missing = event["data"], event["seq"], False
        return [event]

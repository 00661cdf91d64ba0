"""How far removed tasks had come, in case they report again. Pure."""

from __future__ import annotations

from typing import Final

_REMEMBERED: Final = 10_000
"""Removed tasks whose sequence number is remembered."""


class Removed:
    """The last sequence numbers of removed tasks, all in one history."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}  # the newest last
        self._floor = 0  # how far those had come at most that are not remembered any more

    def remember(self, task_id: str, seq: int) -> None:
        """Note how far a task had come when it was removed."""
        self._known[task_id] = max(seq, self._known.pop(task_id, 0))
        if len(self._known) > _REMEMBERED:
            self._floor = max(self._floor, self._known.pop(next(iter(self._known))))

    def knows(self, task_id: str, seq: int) -> bool:
        """Say whether an event of a task is one from before its removal, or the removal."""
        return seq <= self._known.get(task_id, 0)

    def take(self, task_id: str) -> int:
        """Return how far a task may have come that is there again, and forget it."""
        return self._known.pop(task_id, self._floor)

    def clear(self) -> None:
        """Begin another history."""
        self._known.clear()
        self._floor = 0

"""Whose turn it is to be converted: few at once, fewer of one user, the others as they came."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from progresswidget.protocol import Json


@dataclass(frozen=True, slots=True)
class ConversionLimits:
    """How many at once.

    Parameters
    ----------
    running
        Of all users; 0 forbids conversions.
    per_user
        Of one user.
    queue
        That wait or run, of one user.
    """

    running: int
    per_user: int
    queue: int


class Line:
    """Those that wait, and those that run.

    Parameters
    ----------
    limits
        How many.
    user_of
        Says whose a task is.
    """

    def __init__(self, limits: ConversionLimits, user_of: Callable[[str], str | None]) -> None:
        self._limits, self._user_of = limits, user_of
        self._waiting: dict[str, asyncio.Event] = {}
        self._running: set[str] = set()
        self._kept: Counter[str | None] = Counter()
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Whether anything is converted at all."""
        return self._limits.running > 0

    @property
    def counts(self) -> Json:
        """How many wait and run."""
        return {"waiting": len(self._waiting), "running": len(self._running)}

    @contextmanager
    def room(self, user: str | None, tasks: Collection[str]) -> Iterator[None]:
        """Keep a place for one more of a user, until it has begun or is given up.

        Parameters
        ----------
        tasks
            All that have begun.

        Raises
        ------
        ApiError
            ``conversions-off`` or ``too-many-conversions``.
        """
        if not self.is_open:
            raise ApiError("conversions-off", "This server converts no files.")
        begun = sum(self._user_of(task_id) == user for task_id in tasks)
        if begun + self._kept[user] >= self._limits.queue:
            message = f"{self._limits.queue} files wait to be converted."
            raise ApiError("too-many-conversions", message, retry_after=10)
        # Others ask while this one is being written to the disk.
        self._kept[user] += 1
        try:
            yield
        finally:
            self._kept[user] -= 1
            self._kept += Counter()  # drops those who keep none

    def join(self, task_id: str) -> asyncio.Event:
        """Wait as the last; what is returned is set when it is its turn."""
        turn = self._waiting[task_id] = asyncio.Event()
        self._advance()
        return turn

    def let_in(self, task_id: str) -> None:
        """Count one that runs already."""
        self._running.add(task_id)

    def leave(self, task_id: str) -> None:
        """Give the place to the next."""
        self._waiting.pop(task_id, None)
        self._running.discard(task_id)
        self._advance()

    def close(self) -> None:
        """Let nobody in any more."""
        self._is_closed = True

    def _advance(self) -> None:
        if self._is_closed:
            return
        users = Counter(self._user_of(task_id) for task_id in self._running)
        for task_id in tuple(self._waiting):
            if len(self._running) >= self._limits.running:
                return
            user = self._user_of(task_id)
            if users[user] < self._limits.per_user:
                users[user] += 1
                self._running.add(task_id)
                self._waiting.pop(task_id).set()

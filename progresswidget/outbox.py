"""One thread that does, at its time, what must not be done where it was asked for.

Widgets send their states from here so that a loop which counts to a million sends ten messages a
second, and the handlers of comms only leave word here: they may run on any thread of the kernel.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("progresswidget")

PATIENCE: Final = 30.0
"""Seconds for which the thread waits for more to do."""


class Outbox:
    """Calls functions at their time, one after the other, on a thread of its own.

    It takes the place of a timer for each widget: there is one thread however many there are.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.pid = os.getpid()

    def put(self, task: Callable[[], None], delay: float = 0.0) -> None:
        """Have `task` called.

        Parameters
        ----------
        task
            What it raises is logged.
        delay
            Seconds from now.
        """
        with self._changed:
            due = time.monotonic() + delay
            heapq.heappush(self._waiting, (due, next(self._numbers), task))
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="progresswidget-outbox", daemon=True
                )
                self._thread.start()

    @property
    def is_here(self) -> bool:
        """Whether the caller is a task, which must not wait for others."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Exception:  # noqa: BLE001 - it is logged whole, and the others go on
                _log.exception("the state of a widget could not be sent")
            del task  # it is a widget's, which nobody else may keep while this waits

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while True:
                if not self._changed.wait_for(lambda: bool(self._waiting), PATIENCE):
                    self._thread = None
                    return None
                left = self._waiting[0][0] - time.monotonic()
                if left <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(left)


_outbox = Outbox()


def outbox() -> Outbox:
    """Return the outbox of this process; a forked child has none of its parent's threads."""
    global _outbox  # noqa: PLW0603 - one per process is the point
    if _outbox.pid != os.getpid():
        _outbox = Outbox()
    return _outbox

"""The thread that draws lines of text for loops which do nothing for it themselves."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

if TYPE_CHECKING:
    from progresswidget.loops.drawing import Drawn

INTERVAL: Final = 0.05
"""Seconds between two looks at the loops that run."""

_watched: WeakSet[Any] = WeakSet()
_begun: tuple[int, threading.Thread] | None = None
_lock = threading.Lock()


def watch(bar: Drawn) -> None:
    """Draw the line of a loop whenever it is due, until the loop has ended."""
    global _begun  # noqa: PLW0603 - one thread for a process
    with _lock:
        _watched.add(bar)
        # A fork leaves its child no thread.
        if _begun is None or _begun[0] != os.getpid() or not _begun[1].is_alive():
            thread = threading.Thread(target=_run, name="progresswidget-lines", daemon=True)
            _begun = os.getpid(), thread
            thread.start()


def _run() -> None:
    global _begun  # noqa: PLW0603
    while True:
        time.sleep(INTERVAL)
        with _lock:
            # The last to keep a bar lets go of it outside: its end may ask for this lock.
            bars = list(_watched)
            running = [bar for bar in bars if not bar.disable]
            _watched.difference_update(bar for bar in bars if bar.disable)
            if not running:
                _begun = None
                return
        for bar in running:
            bar.draw_if_due()
        del bars[:], running[:]
        bar = None


def _renew_lock() -> None:
    global _lock, _begun
    _lock, _begun = threading.Lock(), None  # a fork may have copied it while it was held
    _watched.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)

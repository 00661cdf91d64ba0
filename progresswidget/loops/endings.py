"""The thread on which bars end that the collector of garbage has found.

The collector runs in any thread, in the middle of anything, perhaps under the very lock that the
end of a bar asks for. It must not write, wait or start a thread: it leaves word, and that is all.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import sys
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("progresswidget")

# Of all queues its `put` alone may interrupt another one of the same thread.
_left: SimpleQueue[Callable[[], object]] = SimpleQueue()
_thread: threading.Thread | None = None


def be_ready() -> None:
    """Have the thread, which the collector could not start: whatever may have to end calls this."""
    global _thread  # noqa: PLW0603 - one for a process
    if _thread is None:
        _thread = threading.Thread(target=_run, name="progresswidget-endings", daemon=True)
        _thread.start()


def leave(do: Callable[[], object]) -> None:
    """Have something ended on the thread; at the end of the interpreter there is none, and no need.

    Parameters
    ----------
    do
        Ends it; what it raises is logged.
    """
    if sys.is_finalizing():
        do()
    else:
        _left.put(do)


def end(holder: object, do: Callable[[], object]) -> None:
    """End something in the `__del__` of who holds it: here, or on the thread for the collector."""
    # Only the collector notes that somebody is gone before it calls `__del__`.
    if gc.is_finalized(holder):
        leave(do)
    else:
        do()


def _run() -> None:
    while True:
        _do(_left.get())


def _do(do: Callable[[], object]) -> None:
    try:
        do()
    except Exception:  # noqa: BLE001 - it is logged whole, and the others end, too
        _log.exception("a loop that nobody has kept could not be ended")


def _end_all() -> None:
    """End what is left before the interpreter does: the thread may have no turn any more."""
    with contextlib.suppress(Empty):
        while True:
            _do(_left.get_nowait())


def _after_fork() -> None:
    global _left, _thread
    _left, _thread = SimpleQueue(), None  # a fork may have copied it while it was held


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

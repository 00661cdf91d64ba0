"""Which loops are open: those of a thread, for one that begins within them, and those of a cell."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from progresswidget.cell import running_kernel

if TYPE_CHECKING:
    from progresswidget.loops.job import LoopJob


class _OfThread(threading.local):
    """The open loops of a thread, the outermost first."""

    def __init__(self) -> None:
        self.loops: list[LoopJob] = []
        self.pid = os.getpid()


_of_thread: Final = _OfThread()
_of_cells: Final[weakref.WeakSet[LoopJob]] = weakref.WeakSet()


def stack() -> list[LoopJob]:
    """Return the open loops of this thread; a forked child has none of its parent's."""
    if _of_thread.pid != os.getpid():
        _of_thread.loops, _of_thread.pid = [], os.getpid()
    return _of_thread.loops


def running_request() -> str | None:
    """Return the id of the request that runs the cell of the caller, None outside of a kernel."""
    kernel = running_kernel()
    if kernel is None:
        return None
    found = kernel.get_parent("shell").get("header", {}).get("msg_id")
    return None if found is None else str(found)


def watch(loop: LoopJob) -> None:
    """Have a loop end with what ends its cell.

    IPython keeps the traceback of a cell that failed, and with it the iterator of the loop.
    """
    _of_cells.add(loop)
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and _end_with_cell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _end_with_cell)


def _end_with_cell(result: Any) -> None:
    error = result.error_in_exec
    request = running_request()
    open_ = [loop for loop in list(_of_cells) if loop.request == request and not loop.over]
    # The inner ones first, as the error went through them.
    for loop in sorted(open_, key=lambda loop: loop.depth, reverse=True):
        if loop.left is not None:
            loop.end(error if loop.left.is_by(error) else None)
        elif error is not None:
            loop.end(error)

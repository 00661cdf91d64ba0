"""Which loops are open: those around the code that runs, and those that a cell has begun."""

from __future__ import annotations

import atexit
import contextvars
import math
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, Final

from progresswidget.cell import running_shell
from progresswidget.loops.jobs.origin import running_request
from progresswidget.loops.jobs.precedence import precede
from progresswidget.loops.jobs.receipts import end_cell

if TYPE_CHECKING:
    from progresswidget.loops.jobs.job import LoopJob

_innermost: Final[contextvars.ContextVar[LoopJob | None]] = contextvars.ContextVar(
    "progresswidget_loop", default=None
)
"""The loop that began last, perhaps over by now: each asynchronous task has its own."""
_of_cells: Final[weakref.WeakSet[LoopJob]] = weakref.WeakSet()

_leaving: Final[weakref.WeakSet[LoopJob]] = weakref.WeakSet()


def enter(loop: LoopJob) -> None:
    """Let what begins from here on begin within a loop."""
    _innermost.set(loop)


def innermost() -> LoopJob | None:
    """Return the loop that has begun last where the caller is, which may be over."""
    return _innermost.get()


def around(loop: LoopJob) -> LoopJob | None:
    """Return the loop within which another one begins here, None where it is the outermost.

    One that an earlier cell has left open is around nothing, and neither is one that another
    thread has begun or a parent process.
    """
    outer = innermost()
    while outer is not None and not outer.is_around(loop):
        outer = outer.outer
    return outer


def of_cell() -> LoopJob | None:
    """Return the card to which belongs what the cell of the caller's context has others do."""
    request = running_request()
    found = [
        loop
        for loop in list(_of_cells)
        if loop.origin.request == request
        and not (loop.elsewhere or loop.over or loop.spent or loop.left)
    ]
    return max(found, key=lambda loop: loop.number).root if found else None


def watch(loop: LoopJob) -> None:
    """Have a loop end with what ends its cell.

    IPython keeps the traceback of a cell that failed, and with it the iterator of the loop.
    """
    _of_cells.add(loop)
    precede(show_open)
    shell = running_shell()
    if shell is not None and _end_with_cell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _end_with_cell)


def show_open(before: float = math.inf) -> None:
    """Show the cards of the loops that go on in this cell and thread.

    Parameters
    ----------
    before
        The number of one: only those are shown that have begun before it.
    """
    request = running_request()
    open_ = [loop for loop in list(_of_cells) if loop.origin.request == request and not loop.over]
    for loop in sorted(open_, key=lambda loop: loop.number):
        # Whatever stands in the place of another one has its order from there.
        if loop.number < before and loop.card.has_output and loop.origin.is_of_this_thread:
            loop.appear()


def _end_with_cell(result: Any) -> None:
    error = None if result is None else result.error_in_exec
    request = running_request()
    open_ = [loop for loop in list(_of_cells) if loop.origin.request == request and not loop.over]
    open_.sort(key=lambda loop: (-loop.depth, loop.number))
    for loop in open_:  # the inner ones first, as the error went through them
        if loop.left is not None:
            loop.end_by_reason(error)
        elif not loop.origin.is_of_this_thread or loop.origin.goes_on_beside:
            continue  # it goes on, whatever the cell came to
        elif error is not None or loop.spent:
            loop.end(error)
    for loop in open_:
        loop.appear()  # what came later would be no output of this cell
        loop.give_back()
    end_cell(request)


def watch_exit(loop: LoopJob) -> None:
    """Have a loop that was left outside of any cell end with what ends the process, if it does."""
    if not _leaving:
        atexit.register(_end_with_process)
    _leaving.add(loop)


def _end_with_process() -> None:
    # The interpreter notes it before it prints it, and both before these calls.
    error = getattr(sys, "last_value", None)
    for loop in sorted(_leaving, key=lambda loop: (-loop.depth, loop.number)):
        if loop.left is not None and not loop.over:
            loop.end_by_reason(error)


def forget() -> None:
    """Have no loops: those of a parent process are not open in its child."""
    _innermost.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)

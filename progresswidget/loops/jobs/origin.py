"""Where a loop began: its cell, process, thread and asynchronous task."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from progresswidget.cell import running_kernel

if TYPE_CHECKING:
    from asyncio import Task


class Origin:
    """Where the caller is, for others to compare with where they are."""

    def __init__(self) -> None:
        self.request = running_request()
        """The request of the cell that it began in, None outside of a kernel."""
        self._pid = os.getpid()
        self.move_here()

    def move_here(self) -> None:
        """Belong to the thread and the task of the caller from now on, in the same cell."""
        self._thread = threading.get_ident()
        task = _running_task()
        # It is not kept: it keeps the loop.
        self._task = None if task is None else weakref.ref(task)

    def be_nowhere(self) -> None:
        """Belong to no thread and no task of this process."""
        self._thread, self._task = 0, None

    @property
    def is_of_parent_process(self) -> bool:
        """Whether the caller runs in a child that was forked since."""
        return self._pid != os.getpid()

    @property
    def is_of_this_thread(self) -> bool:
        """Whether the caller runs in the thread in which it began."""
        return self._thread == threading.get_ident()

    @property
    def goes_on_beside(self) -> bool:
        """Whether its asynchronous task is not the caller's and has not ended."""
        task = self._known_task
        return task is not None and not task.done() and task is not _running_task()

    @property
    def error(self) -> BaseException | None:
        """What its asynchronous task has failed by."""
        # `exception()` would count as having been asked for, and asyncio tell nobody of it.
        return getattr(self._known_task, "_exception", None)

    @property
    def _known_task(self) -> Task[Any] | None:
        return None if self._task is None else self._task()


def running_request() -> str | None:
    """Return the id of the request that runs the cell of the caller, None outside of a kernel."""
    kernel = running_kernel()
    if kernel is None:
        return None
    found = kernel.get_parent("shell").get("header", {}).get("msg_id")
    return None if found is None else str(found)


def _running_task() -> Task[Any] | None:
    asyncio = sys.modules.get("asyncio")
    # Whoever asks for the task where there is no event loop gets an error.
    events = None if asyncio is None else asyncio._get_running_loop()  # noqa: SLF001
    return None if asyncio is None or events is None else asyncio.current_task(events)

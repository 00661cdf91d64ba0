"""What a kernel does for the loops of the processes that it starts: it leaves word, and looks.

Nothing of it is heavy: what shows such a loop is loaded when there is one.
"""

from __future__ import annotations

import atexit
import contextvars
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from progresswidget.cell import running_kernel
from progresswidget.loops.folders import new_folder, remove
from progresswidget.loops.jobs.parent import VARIABLE
from progresswidget.outbox import outbox

if TYPE_CHECKING:
    from progresswidget.loops.jobs.children import Children

INTERVAL: Final = 0.2
"""Seconds between two looks, while a cell runs or a loop of a child goes on."""

_nursery: Nursery | None = None


def open_nursery() -> None:
    """Show the loops of the children of this kernel from now on."""
    global _nursery  # noqa: PLW0603 - one per kernel
    if _nursery is None and running_kernel() is not None and hasattr(os, "geteuid"):
        _nursery = Nursery()


def look() -> None:
    """Take what the children have told by now."""
    if _nursery is not None and running_kernel() is not None:
        _nursery.look()


class Nursery:
    """Looks for what children tell: in each cell, and until their loops have ended."""

    def __init__(self) -> None:
        self.folder: Final = new_folder()
        self._children: Children | None = None
        self._in_cell = False
        self._looks = False
        self._context = contextvars.copy_context()
        # The thread that looks and that of the cell: whose a card is, one of them says at a time.
        self._lock = threading.RLock()
        os.environ[VARIABLE] = str(self.folder)
        atexit.register(remove, self.folder, os.getpid())
        events = sys.modules["IPython"].get_ipython().events
        events.register("pre_run_cell", self._begin_cell)
        events.register("post_run_cell", self._end_cell)
        self._begin_cell()  # the one that has loaded this

    def _begin_cell(self, _info: Any = None) -> None:
        self.look()  # what ended between two cells is none of this one's
        self._part(in_cell=True)
        self._look_later()

    def _end_cell(self, _result: Any) -> None:
        self.look()
        self._part(in_cell=False)

    def _part(self, *, in_cell: bool) -> None:
        """End the card of the cell before, if all in it is done, in the step that ends the cell."""
        with self._lock:
            root = None if self._children is None else self._children.take_idle_root()
            self._in_cell = in_cell
            if in_cell:
                self._context = contextvars.copy_context()
        if root is not None:
            root.end()  # it waits for who may be about to look

    def _look_later(self) -> None:
        if not self._looks:
            self._looks = True
            outbox().put(self._look_on, INTERVAL)

    def _look_on(self) -> None:
        self._looks = False
        self.look()
        children, root = self._children, None
        with self._lock:
            if children is not None and not self._in_cell and not children.at_work:
                root = children.take_idle_root()
        if root is not None:
            root.end()
        if self._in_cell or (children is not None and children.at_work):
            self._look_later()

    def look(self) -> None:
        """Take what they have told by now."""
        with self._lock:
            if self._children is None:
                if not self.folder.is_dir():
                    return
                from progresswidget.loops.jobs.children import Children

                self._children = Children(self.folder)
        self._children.look(self._context)

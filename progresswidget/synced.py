"""The base of our ipywidgets: traits that any thread may set as often as it likes.

ipywidgets sends a message for each change, from whoever made it. Here a change is sent at once if
none was for a while, and else together with those that follow it, the newest values only.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

import anywidget

from progresswidget.cell import running_shell
from progresswidget.meter import Throttle
from progresswidget.outbox import outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from progresswidget.protocol import Json

SEND_INTERVAL: Final = 0.1
"""Seconds between two messages of one widget: more cannot be seen, and a notebook server drops
messages of a kernel that sends a thousand a second."""

_unsent: weakref.WeakSet[SyncedWidget] = weakref.WeakSet()


class SyncedWidget(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget's base is untyped
    """A widget whose traits are sent at most ten times a second, from any thread.

    It is never closed by itself: what was displayed once stays readable.
    """

    def __init__(self, **traits: Any) -> None:
        self._pid = os.getpid()
        self._sending = threading.RLock()
        self._changed_names: set[str] = set()
        self._throttle = Throttle(SEND_INTERVAL)
        self._due = False
        self._together = threading.local()
        _look_after_cells()
        super().__init__(**traits)

    @contextlib.contextmanager
    def _as_one(self) -> Iterator[None]:
        """Send what is set within it in one message."""
        self._together.depth = getattr(self._together, "depth", 0) + 1
        try:
            yield
        finally:
            self._together.depth -= 1
            self._send_soon()

    def _should_send_property(self, key: str, value: Any) -> bool:
        # ipywidgets asks this after each change, and would send it on a yes.
        # A forked child has neither the page nor, perhaps, the locks of its parent.
        if self._pid == os.getpid() and super()._should_send_property(key, value):
            with self._sending:
                self._changed_names.add(key)
            _unsent.add(self)
            self._send_soon()
        return False

    def _send_soon(self) -> None:
        if getattr(self._together, "depth", 0):
            return
        with self._sending:
            if not self._changed_names or self._due:
                return
            now = time.monotonic()
            if not self._throttle.ready(now):
                self._due = True
                outbox().put(self.flush, self._throttle.remaining(now))
                return
        self.flush()

    def flush(self) -> None:
        """Send now what has not been sent yet."""
        if self._pid != os.getpid():
            return
        # Not under the lock: observers run in it, and may wait for whom they like.
        self._together.depth = getattr(self._together, "depth", 0) + 1
        try:
            self._before_sending()
        finally:
            self._together.depth -= 1
        # Read and sent under one lock: two threads cannot send an older value after a newer one.
        with self._sending:
            self._due = False
            names, self._changed_names = self._changed_names, set()
            _unsent.discard(self)
            if names and self.comm is not None:
                self._throttle.ready(time.monotonic(), force=True)
                self.send_state(names)

    def _before_sending(self) -> None:
        """Bring what depends on the changed traits up to date; it goes into the same message."""

    def _keep_in_output(self) -> None:
        """Have `_keep` called at the end of each cell from now on."""
        _shown.add(self)

    def _keep(self) -> None:
        """Write the state into the output that shows it."""

    def set_state(self, sync_data: Json) -> None:
        """Take what a front end has set; what only the kernel knows is answered with the truth."""
        traits = self.traits()
        super().set_state(
            {
                name: getattr(self, name) if name in traits and traits[name].read_only else value
                for name, value in sync_data.items()
            }
        )


_shown: weakref.WeakSet[SyncedWidget] = weakref.WeakSet()


def _finish_cell() -> None:
    # nbconvert reads nothing that comes after the end of the last cell.
    for widget in list(_unsent):
        widget.flush()
    for widget in list(_shown):
        widget._keep()  # noqa: SLF001 - a method of this module's own class


def _look_after_cells() -> None:
    shell = running_shell()
    if shell is not None and _finish_cell not in shell.events.callbacks["post_execute"]:
        shell.events.register("post_execute", _finish_cell)

"""A loop as a job on the notebook server: what it tells of itself, and what is wished of it."""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from typing import TYPE_CHECKING, Final

from progresswidget import protocol
from progresswidget.cell import cell_id, kernel_id
from progresswidget.errors import LoopCancelledError
from progresswidget.meter import Meter
from progresswidget.reporting import reporter
from progresswidget.told import apart_from_clock, describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.protocol import Action, Json, Status

SETTLE: Final = 2.0
"""Seconds that a loop which has ended waits for the server to hear of it."""
_NO_NAME: Final = re.compile(r"[\x00-\x1f/\\]+")


class LoopJob:
    """A loop, as the notebook server and the views of it know it.

    Parameters
    ----------
    title
        What a person reads; empty where the loop has no name.
    position
        How many items are done; it is called from other threads.
    total
        How many there are, or None where nobody knows.
    unit
        What an item is called.
    cancellable
        Whether the loop obeys pause and cancel.
    parent
        The loop or group that it is nested in.
    leave
        Whether the line stays when the loop has ended.
    """

    kind: Final = "task"

    def __init__(
        self,
        title: str,
        position: Callable[[], float],
        *,
        total: float | None = None,
        unit: str = "it",
        cancellable: bool = False,
        parent: LoopJob | None = None,
        leave: bool = True,
    ) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.postfix = ""
        self.cancellable = cancellable
        self.leave = leave
        self.asked = False
        """Whether `obey` has something to do: what the loop looks at in each step."""
        self._position = position
        self._parent = parent
        self._id = secrets.token_hex(16)
        self._state: Status = "running"
        self._error: BaseException | None = None
        self._wanted: Action = "resume"
        self._changed = threading.Condition()
        self._created = time.time()
        self._ended: float | None = None
        self._meter = Meter(time.monotonic())
        self._kernel_id, self._cell_id = kernel_id(), cell_id()
        self._revision = 0
        self._reported: Json = {}
        self._control: str | None = None

    @property
    def id(self) -> str:
        """The task id: 32 hexadecimal digits."""
        return self._id

    @property
    def state(self) -> Status:
        """How it stands, one of `progresswidget.protocol.STATUSES`."""
        return self._state

    def begin(self) -> None:
        """Make the loop known and show it."""
        reporter().announce(self)

    def end(self, error: BaseException | None = None) -> None:
        """Tell that the loop has ended, and how; a second call changes nothing.

        Parameters
        ----------
        error
            What it was left by, where that is known; None also for a `break`.
        """
        with self._changed:
            if self._ended is not None:
                return
            self._ended = time.time()
            self._error = error
            self._state = _status(error)
        reporter().settle(self, SETTLE)

    def pause(self) -> None:
        """Let the loop wait at its next step."""
        self._wish("pause")

    def resume(self) -> None:
        """Let the loop go on."""
        self._wish("resume")

    def cancel(self) -> None:
        """Let the loop raise at its next step."""
        self._wish("cancel")

    def obey(self) -> None:
        """Do what was asked, in the thread of the loop: wait while it is paused.

        Raises
        ------
        LoopCancelledError
            If the loop was cancelled.
        """
        with self._changed:
            if self._wanted == "pause":
                self._state = "paused"
                reporter().wake()
                self._changed.wait_for(lambda: self._wanted != "pause")
                self._state = "running"
            if self._wanted == "cancel":
                name = self.title or "the loop"
                raise LoopCancelledError(f"{name} was cancelled.")

    def _wish(self, action: Action) -> None:
        with self._changed:
            if self._wanted == "cancel" or not self.cancellable:
                return
            self._wanted = action
            self.asked = action != "resume"
            self._changed.notify_all()
        reporter().wake()

    def report(self) -> Json:
        """Return the whole state, as `progresswidget.protocol.REPORT_FIELDS` has it."""
        with self._changed:
            fields = self._fields()
            if apart_from_clock(fields) != apart_from_clock(self._reported):
                self._revision += 1
                self._reported = fields
            return {**fields, "revision": self._revision}

    def answered(self, reply: Json) -> None:
        """Take the server's reply to a report."""
        control = reply.get("control")
        if isinstance(control, dict) and control.get("action") in protocol.ACTIONS:
            if control.get("id") != self._control:
                self._wish(control["action"])
            self._control = control.get("id")

    def mirror(self, report: Json) -> None:
        """Show a changed state in the widgets."""

    def _fields(self) -> Json:
        ended = self._ended is not None
        now, done = time.monotonic(), round(self._position())
        total = None if self.total is None else round(self.total)
        self._meter.total = total
        if ended:
            self._meter.pause(now)
        else:
            self._meter.feed(now, done)
        name = _NO_NAME.sub(" ", self.title).strip(". ")[: protocol.MAX_NAME] or "loop"
        return {
            "taskId": self._id,
            "kind": self.kind,
            "status": self._state,
            "phase": "finishing" if ended else "writing",
            "name": name,
            "path": os.path.join(os.getcwd(), name),  # noqa: PTH109, PTH118 - text
            "format": "",
            "mediaType": "",
            "generation": 1,
            "progress": min(100.0, 100 * done / total) if total else None,
            "rows": done,
            "reused": 0,
            "total": total,
            "columns": 0,
            "bytes": 0,
            "rate": None if ended else self._meter.rate,
            "eta": None if ended else self._meter.eta,
            "elapsed": round(self._meter.elapsed, 3),
            "created": round(self._created * 1000),
            "ended": None if self._ended is None else round(self._ended * 1000),
            "background": False,
            "appendOnly": False,
            "sha256": None,
            "kernelId": self._kernel_id,
            "cellId": self._cell_id,
            "pid": os.getpid(),
            "control": self._control,
            "parent": None if self._parent is None else self._parent.id,
            "title": self.title,
            "error": describe(self._error) if self._state == "failed" else None,
            "fingerprint": None,
            "part": None,
            "probe": None,
        }


def _status(error: BaseException | None) -> Status:
    if error is None:
        return "done"
    if isinstance(error, LoopCancelledError):
        return "cancelled"
    return "failed" if isinstance(error, Exception) else "interrupted"

"""A line of a loop on the notebook server: one job, for the loops that take turns at one place."""

from __future__ import annotations

import math
import os
import re
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from progresswidget import protocol, texts
from progresswidget.cell import cell_id, kernel_id
from progresswidget.errors import ExportCancelledError
from progresswidget.told import apart_from_clock, describe

if TYPE_CHECKING:
    from progresswidget.loops.job import LoopJob
    from progresswidget.protocol import Json, Status

LINGER: Final = 1.0
"""Seconds for which an inner loop that leaves no line keeps it for the next one at its place."""
DIGITS: Final = 6
"""Decimals of a number of steps: of a sum of tenths the last ones are wrong."""
_NO_NAME: Final = re.compile(r"[\x00-\x1f/\\]+")


class Line:
    """What the server and the views know of a loop, or of the inner loops of one place.

    A loop within a loop may begin thousands of times: each takes the line of the one before.

    Parameters
    ----------
    loop
        The one that has it first.
    """

    def __init__(self, loop: LoopJob) -> None:
        self.id: Final = secrets.token_hex(16)
        self.loop = loop
        self.followed = False
        self.on_server = False
        self.url: str | None = None
        self.notebook: str | None = None
        self.kernel_id, self.cell_id = kernel_id(), cell_id()
        self._folder = _folder()
        self._created = time.time()
        self._generation = 1
        self._revision = 0
        self._reported: Json = {}
        self._control: str | None = None

    def take(self, loop: LoopJob) -> None:
        """Show another loop from now on."""
        self.loop = loop
        if self._reported.get("status") in protocol.TERMINAL:
            self._generation += 1
            self._revision = 0
            self._reported = {}

    @property
    def status(self) -> Status:
        """How it stands: a line waits for the next loop as long as the outer one goes on."""
        loop = self.loop
        if loop.state != "done" or loop.root is loop or loop.root.over:
            return loop.state
        waits = loop.leave or loop.since_end < LINGER
        return "running" if waits else "done"

    def report(self) -> Json:
        """Return the whole state, as `progresswidget.protocol.REPORT_FIELDS` has it."""
        with self.loop.root.changed:
            fields = self._fields(self.loop)
            if apart_from_clock(fields) != apart_from_clock(self._reported):
                self._revision += 1
                self._reported = fields
            return {**fields, "revision": self._revision}

    def snapshot(self) -> Json:
        """Return the state as views have it: what the notebook keeps."""
        known = self.report()
        for private in protocol.PRIVATE_FIELDS:
            del known[private]
        shared = {"url": self.url, "notebook": self.notebook, "pending": None}
        return {**known, "path": known["name"], **shared, "updated": round(time.time() * 1000)}

    def answered(self, reply: Json) -> None:
        """Take the server's reply to a report."""
        self.url = reply.get("url", self.url)
        self.notebook = reply.get("notebook", self.notebook)
        control = reply.get("control")
        if isinstance(control, dict) and control.get("action") in protocol.ACTIONS:
            if control.get("id") != self._control:
                getattr(self.loop, control["action"])()
            self._control = control.get("id")

    def mirror(self, report: Json) -> None:
        """Show a changed state in the widgets."""
        self.loop.root.mirror(report)

    def _fields(self, loop: LoopJob) -> Json:
        status = self.status
        moves = loop.state == "running"
        rows, total, progress = loop.amounts()
        rate, eta, elapsed = loop.measured(rows, total)
        return {
            "taskId": self.id,
            "kind": loop.kind,
            "status": status,
            "phase": "finishing" if status in protocol.TERMINAL else "writing",
            "name": _name(loop.name),
            "path": os.path.join(self._folder, _name(loop.name)),  # noqa: PTH118 - text
            "format": "",
            "mediaType": "",
            "generation": self._generation,
            "progress": progress,
            "rows": rows,
            "reused": 0,
            "total": total,
            "columns": 0,
            "bytes": 0,
            "rate": rate if moves else None,
            "eta": eta if moves else None,
            "elapsed": elapsed,
            "created": round(self._created * 1000),
            "started": round(self._created * 1000),
            "ended": loop.ended_ms if status in protocol.TERMINAL else None,
            "background": False,
            "appendOnly": False,
            "schema": "",
            "options": "",
            "unit": _plain(loop.unit, 32),
            "postfix": _plain(loop.postfix, protocol.MAX_NAME),
            "obeys": loop.cancellable,
            "leave": loop.leave,
            "sha256": None,
            "kernelId": self.kernel_id,
            "cellId": self.cell_id,
            "pid": os.getpid(),
            "control": self._control,
            "parent": loop.parent_id,
            "title": _plain(loop.name, protocol.MAX_NAME),
            "error": _reason(loop.error),
            "fingerprint": None,
            "undone": 0,
            "steps": None,
            "part": None,
            "probe": None,
        }


def number_of(value: Any) -> float | None:
    """Return what was counted, of whatever type the number is; None where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - text, as a report has it
    except OSError:  # somebody has removed it
        return os.sep


def count_of(value: Any) -> int:
    """Return a number of steps as a report has it: of whole ones, and not below nothing."""
    number = number_of(value) or 0.0
    # A step that is not whole is not done.
    return min(max(math.floor(round(number, DIGITS)), 0), protocol.MAX_COUNT)


def total_of(value: Any) -> int | None:
    """Return how many steps there are, None where that is no number that says so."""
    number = number_of(value)
    return None if number is None or number < 0 else count_of(number)


def _plain(text: str, most: int) -> str:
    # A text of the user's may hold what is no Unicode text.
    return " ".join(str(text).split()).encode(errors="replace").decode()[:most]


def _name(title: str) -> str:
    named = _NO_NAME.sub(" ", _plain(title, protocol.MAX_NAME)).strip(". ")
    return named or texts.ENGLISH["loop"]


def _reason(error: BaseException | None) -> Json | None:
    if isinstance(error, KeyboardInterrupt):
        message = texts.ENGLISH["keyboard"]
        return {"code": "keyboard-interrupt", "message": message, "hint": ""}
    # That somebody wanted it, the status says.
    return None if isinstance(error, ExportCancelledError) else describe(error)

"""A line of a loop on the notebook server: one job, for the loops that take turns at one place."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from progresswidget import protocol, texts
from progresswidget.followed import Followed
from progresswidget.loops.jobs.outcome import reason_of
from progresswidget.loops.jobs.parent import reporter

if TYPE_CHECKING:
    import threading

    from progresswidget.loops.jobs.job import LoopJob
    from progresswidget.protocol import Action, Json, Status

LINGER: Final = 1.0
"""Seconds for which an inner loop that leaves no line keeps it for the next one at its place."""
MOMENT: Final = 0.001
"""Seconds by which the lines of a card are made one after the other at least."""
_NO_NAME: Final = re.compile(r"[\x00-\x1f/\\]+")


class Line(Followed):
    """What the server and the views know of a loop, or of the inner loops of one place.

    A loop within a loop may begin thousands of times: each takes the line of the one before.

    Parameters
    ----------
    loop
        The one that has it first.
    """

    def __init__(self, loop: LoopJob) -> None:
        super().__init__(loop.kind)
        self.loop = loop
        self._folder = _folder()
        # Views show lines in the order of these milliseconds, and one has room for several loops.
        before = [line.created for line in loop.card.lines.values()]
        self._created = max([self._created, *(created + MOMENT for created in before)])

    def announce(self) -> None:
        """Make it known to the server before it is shown, and have it followed."""
        self._on_server = reporter().announce(self)

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
        if loop.state != "done" or loop.root is loop or loop.root.over or loop.elsewhere:
            return loop.state
        waits = loop.leave or loop.since_end < LINGER
        return "running" if waits else "done"

    @property
    def _telling(self) -> threading.Condition:
        return self.loop.changed

    def answered(self, reply: Json) -> None:
        """Take the server's reply to a report, with what workers on other machines have counted."""
        super().answered(reply)
        counts, take = reply.get("workers"), self.loop.counted_elsewhere
        if isinstance(counts, list) and take is not None:
            take(counts, self.loop.number)

    def _wish(self, action: Action) -> None:
        getattr(self.loop, action)()

    def mirror(self, report: Json) -> None:
        """Show a changed state in the widgets."""
        self.loop.root.mirror(report)

    def _fields(self) -> Json:
        loop, status = self.loop, self.status
        # What was left goes nowhere, also before it is known by what.
        moves = loop.state == "running" and loop.left is None
        rows, total, progress = loop.amounts()
        rate, eta, elapsed = loop.measured(rows, total)
        created = round(self._created * 1000)
        return {
            "status": status,
            "phase": "finishing" if status in protocol.TERMINAL else "writing",
            "name": _name(loop.name),
            "path": os.path.join(self._folder, _name(loop.name)),  # noqa: PTH118 - text
            "progress": progress,
            "rows": rows,
            "total": total,
            "rate": rate if moves else None,
            "eta": eta if moves else None,
            "elapsed": elapsed,
            "created": created,
            "started": created,
            "ended": loop.ended_ms if status in protocol.TERMINAL else None,
            "schema": "",
            "options": "",
            "unit": _plain(loop.unit, 32),
            "postfix": _plain(loop.postfix, protocol.MAX_NAME),
            "obeys": loop.cancellable,
            "leave": loop.leave,
            "parent": loop.parent_id,
            "within": loop.within_id,
            "title": _plain(loop.name, protocol.MAX_NAME),
            "error": reason_of(loop.error),
            "undone": 0,
            "steps": None,
        }


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - text, as a report has it
    except OSError:  # somebody has removed it
        return os.sep


def _plain(text: str, most: int) -> str:
    # A text of the user's may hold what is no Unicode text.
    return " ".join(str(text).split()).encode(errors="replace").decode()[:most]


def _name(title: str) -> str:
    named = _NO_NAME.sub(" ", _plain(title, protocol.MAX_NAME)).strip(". ")
    return named or texts.ENGLISH["loop"]

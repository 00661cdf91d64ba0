"""A group of jobs: what is known of it by its parts, and what is told."""

from __future__ import annotations

import os
import re
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from progresswidget import protocol, texts
from progresswidget.basejob import BaseJob
from progresswidget.combined import Member, combine
from progresswidget.errors import ExportCancelledError, JobStateError, ProgressWidgetError
from progresswidget.followed import Followed
from progresswidget.meter import Meter
from progresswidget.parts import Parts
from progresswidget.told import describe

if TYPE_CHECKING:
    from progresswidget.combined import Combined
    from progresswidget.family import Parent, Part
    from progresswidget.protocol import Action, Json, Status

MANY: Final = 50
"""Parts that are told of while a group goes on; at its end all are."""
_OWN: Final = (ExportCancelledError, JobStateError)
"""Errors of a group itself, and not of what was to be a part of it."""
_NO_NAME: Final = re.compile(r"[\x00-\x1f/\\]+")


class GroupJob(Followed, BaseJob):
    """What is known of several jobs as one; the base of `progresswidget.group.Group`, their block.

    Parameters
    ----------
    title
        What a person calls it.
    expected
        How many parts there will be, where that is known.
    background
        Whether the end of the block does not wait for the parts.
    parent
        The group that it is a part of.
    """

    def __init__(
        self, title: str, *, expected: int | None, background: bool, parent: Parent | None
    ) -> None:
        super().__init__("group")
        self._title = title
        self._expected = expected
        self._background = background
        self._parent = parent
        self._name = _NO_NAME.sub(" ", title).strip(". ")[: protocol.MAX_NAME] or "group"
        self._folder = os.getcwd()  # noqa: PTH109 - text, as a report has it
        self._parts = Parts()
        self._closed = False
        self._wanted: Action = "resume"
        self._broken: BaseException | None = None
        self._floor = 0.0
        self._end: Combined | None = None
        self._ended: float | None = None
        self._meter = Meter(time.monotonic())
        self._lock = threading.RLock()

    # --- how it stands ------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self._title

    @property
    def path(self) -> Any:
        """Something with a ``name``, as the path of a job has one."""
        return SimpleNamespace(name=self._title)

    @property
    def jobs(self) -> tuple[Part, ...]:
        """The parts, in the order in which they began."""
        return tuple(self._parts)

    @property
    def state(self) -> Status:
        """How it stands, one of `progresswidget.protocol.STATUSES`."""
        return self._combined().status

    @property
    def rows(self) -> int:
        """How many files are there; how many loops are over, where it makes no files."""
        return self._combined().rows

    @property
    def total(self) -> int | None:
        """How many files, or loops, there will be, where that is known."""
        return self._combined().total

    @property
    def unit(self) -> str:
        """What `rows` and `total` count, where these are no files: ``"loop"``."""
        return _unit(self._combined())

    @property
    def bytes(self) -> int:
        """The bytes of all files so far."""
        return self._combined().bytes

    @property
    def background(self) -> bool:
        """Whether the end of the block does not wait for the parts."""
        return self._background

    @property
    def error(self) -> BaseException | None:
        """What the first part that did not succeed failed by."""
        errors = (getattr(part, "error", None) for part in self._parts)
        return next((error for error in errors if error is not None), self._broken)

    def member(self) -> Member:
        """Return what the group around it needs to know of it now."""
        found = self._combined()
        known = found.status, found.progress, found.bytes, found.eta
        if found.loops is None:
            return Member(*known, found.total, found.rows)
        return Member(*known, 0, 0, found.loops, found.loops - found.rows)

    def receipts(self) -> list[Part]:
        """Return the parts that a receipt names, in an order that is the same in each run."""
        return self._parts.named()

    @property
    def more(self) -> int:
        """How many loops a receipt does not name."""
        return self._parts.more

    @property
    def unraised(self) -> BaseException | None:
        """What it or a part of it failed by, where a loop has not raised it already."""
        return next(iter(self._parts.unraised()), self._broken)

    def _combined(self) -> Combined:
        with self._lock:
            if self._end is not None:
                return self._end
            found = combine(
                [part.member() for part in self._parts],
                closed=self._closed,
                expected=self._expected,
                held=self._wanted == "pause",
                broken=_broken(self._broken),
                refused=self._has_refused,
                floor=self._floor,
                loops=self._parts.loops,
            )
            self._floor = max(self._floor, found.progress or 0.0)
            now = time.monotonic()
            self._meter.feed(now, found.bytes)
            if found.status in protocol.TERMINAL:
                self._end, self._ended = found, time.time()
                self._meter.pause(now)
            return found

    @property
    def _has_refused(self) -> bool:
        """Whether the block ended by what could not begin, and so is none of the parts."""
        error = self._broken
        if not isinstance(error, ProgressWidgetError) or isinstance(error, _OWN):
            return False
        return all(getattr(part, "error", None) is not error for part in self._parts)

    # --- what is told of it -------------------------------------------------------------------

    def snapshot(self) -> Json:
        """Return the state as views have it, with its parts: what the notebook keeps."""
        known = super().snapshot()
        parts = [part.snapshot() for part in self._parts]
        if known["status"] not in protocol.TERMINAL:
            # A view in the kernel is told of them several times a second.
            parts = [part for part in parts if part["status"] != "done"][-MANY:]
        return {**known, "parts": parts}

    @property
    def _telling(self) -> threading.RLock:
        return self._lock

    def _fields(self) -> Json:
        found = self._combined()
        ended = found.status in protocol.TERMINAL
        return {
            "status": found.status,
            "phase": "finishing" if ended else "writing" if self._parts else "starting",
            "name": self._name,
            "path": os.path.join(self._folder, self._name),  # noqa: PTH118 - text
            "progress": found.progress,
            "rows": found.rows,
            "total": found.total,
            "unit": _unit(found),
            "bytes": found.bytes,
            "rate": None if ended else self._meter.rate,
            "eta": None if ended else found.eta,
            "elapsed": round(self._meter.elapsed, 3),
            "ended": None if self._ended is None else round(self._ended * 1000),
            "background": self._background,
            "parent": None if self._parent is None else self._parent.id,
            "title": self._title,
            "error": self._describe(found.status),
        }

    def _describe(self, status: Status) -> Json | None:
        if status not in {"failed", "interrupted"}:
            return None
        bad = [part for part in self._parts if part.member().status in {"failed", "interrupted"}]
        if not bad:
            return describe(self._broken)
        message = f"{len(bad)} of {len(self._parts)} did not come to their end."
        return {"code": "parts-failed", "message": message, "hint": ""}


def _unit(found: Combined) -> str:
    return "" if found.loops is None else texts.LOOP


def _broken(error: BaseException | None) -> Status | None:
    """Return what became of a block by what it raised; what a part raised, the part says too."""
    if error is None:
        return None
    if isinstance(error, ExportCancelledError):
        return "cancelled"
    return "failed" if isinstance(error, Exception) else "interrupted"

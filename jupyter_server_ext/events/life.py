"""The life of jobs and transfers, as it is told outside: in the log, in counts and as events."""

from __future__ import annotations

import logging
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.events.observer import Observer
from jupyter_server_ext.logs import about

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from jupyter_server_ext.model.job import Job
    from jupyter_server_ext.model.transfer import Record
    from progresswidget.protocol import Json

KINDS: Final = frozenset({"export", "download", "upload", "group"})
"""Kinds of jobs; what else a report may say is told as ``other``."""
JOB_EVENTS: Final = (
    "created",
    "started",
    "paused",
    "resumed",
    "done",
    "failed",
    "cancelled",
    "interrupted",
    "removed",
)
TRANSFER_EVENTS: Final = ("begun", "completed", "cut")
_CODE: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_LEVELS: Final = {
    "created": logging.DEBUG,  # most start in the same moment
    "failed": logging.WARNING,
    "interrupted": logging.WARNING,
}


def kind_of(job: Job) -> str:
    """Return the kind of a job, of few: a report may name any."""
    kind = str(job.report["kind"])
    return kind if kind in KINDS else "other"


def error_of(job: Job) -> str | None:
    """Return the code of a job's error; what is no code may be any text, and is told as ``other``.

    None where there is no error.
    """
    error = job.report["error"]
    if not error:
        return None
    code = str(error["code"])
    return code if _CODE.fullmatch(code) else "other"


def job_events(old: Job | None, new: Job) -> tuple[str, ...]:
    """Return what has happened to a job between two states of it.

    Any report may be lost: so the first one may tell of the end already, and nothing is made up
    that was not told.
    """
    known = None if old is None else (old.report["generation"], old.status)
    if known == (new.report["generation"], new.status):
        return ()
    created = ("created",) if old is None else ()
    if new.status == "queued":
        return created
    if new.status != "running":
        return (*created, new.status)
    went_on = known is not None and known[0] == new.report["generation"] and known[1] != "queued"
    return (*created, "resumed" if went_on else "started")


def undone_between(old: Job | None, new: Job) -> int:
    """Return how many steps were taken back between two states of a job.

    A report tells of all of its run: one that comes twice counts once, and none is missed with one
    that is lost.
    """
    # What an older version has kept of a job does not say.
    known = 0 if old is None else int(old.report.get("undone", 0))
    now = int(new.report.get("undone", 0))
    if old is not None and old.report["generation"] == new.report["generation"]:
        return max(0, now - known)
    return now


class Lifecycle(Observer):
    """Tells of it.

    Parameters
    ----------
    log
        Gets a line each; never a path, an address or the text of an error, which may hold secrets.
    emit
        Takes ``job`` or ``transfer`` and the event.
    """

    def __init__(self, log: Logger, emit: Callable[[str, Json], None]) -> None:
        self._log = log
        self._emit = emit
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.transfers: Counter[tuple[str, str]] = Counter()
        self.undone = 0
        """Steps of deliveries that kernels have taken back."""

    def job_changed(self, old: Job | None, new: Job) -> None:
        """Tell of a change of state, and not of progress."""
        self.undone += undone_between(old, new)
        for event in job_events(old, new):
            self._tell_of_job(event, new)

    def job_removed(self, job: Job) -> None:
        """Tell that a job was forgotten."""
        self._tell_of_job("removed", job)

    def transfer_begun(self, record: Record) -> None:
        """Tell that a file begins to move."""
        self._tell_of_transfer("begun", record, 0)

    def transfer_ended(self, record: Record, moved: int, *, complete: bool) -> None:
        """Tell of the end of it."""
        self._tell_of_transfer("completed" if complete else "cut", record, moved)

    def _tell_of_job(self, event: str, job: Job) -> None:
        kind, report = kind_of(job), job.report
        self.jobs[event, kind] += 1
        rows, size = report["rows"], report["bytes"]
        error = error_of(job)
        extra = about(f"job-{event}", job.task_id, kind=kind, rows=rows, bytes=size)
        self._log.log(
            _LEVELS.get(event, logging.INFO),
            "Job %s (%s) %s%s%s",
            job.task_id,
            kind,
            event,
            f": {rows:,} rows, {size:,} bytes" if size else "",
            f" ({error})" if error else "",
            extra=extra | ({"error": error} if error else {}),
        )
        self._emit("job", _job_data(event, kind, job))

    def _tell_of_transfer(self, event: str, record: Record, moved: int) -> None:
        self.transfers[event, record.direction] += 1
        self._log.debug(
            "The %s of a file %s: %s bytes",
            record.direction,
            event,
            f"{moved:,}",
            extra=about(
                f"transfer-{event}", record.task_id, direction=record.direction, bytes=moved
            ),
        )
        self._emit("transfer", _transfer_data(event, record, moved))


def _job_data(event: str, kind: str, job: Job) -> Json:
    report = job.report
    return {
        "action": event,
        "task_id": job.task_id,
        "kind": kind,
        "format": report["format"],
        "generation": report["generation"],
        "rows": report["rows"],
        "bytes": report["bytes"],
        "seconds": report["elapsed"],
        "error": error_of(job),
        "kernel_id": job.kernel_id,
        "path": report["path"],
        "notebook": job.notebook,
    }


def _transfer_data(event: str, record: Record, moved: int) -> Json:
    return {
        "action": event,
        "direction": record.direction,
        "task_id": record.task_id,
        "bytes": moved,
        "size": record.size,
        "name": record.name,
        "user": record.user,
    }

"""How what the server knows of a job may change. Pure: no clock, no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from jupyter_server_ext.model import transitions
from jupyter_server_ext.model.job import Job, Placed
from progresswidget.protocol import ACTIVE, Action, Control, Fingerprint, Json

# code -> message. The codes of an interruption, with the words of a notebook user.
INTERRUPTIONS: Final = {
    "kernel-died": "The kernel died before the file was complete.",
    "kernel-killed": "The kernel was killed before the file was complete.",
    "kernel-out-of-memory": "The kernel ran out of memory before the file was complete.",
    "kernel-restarted": "The kernel was restarted before the file was complete.",
    "kernel-stopped": "The kernel was shut down before the file was complete.",
    "process-died": "The process ended before the file was complete.",
    "server-stopped": "The server was shut down before the file was complete.",
    "kernel-silent": "Nothing has been heard for a while from the process at work.",
}
INTERRUPTION_HINT: Final = "Run the cell again: it goes on where it can."


class TakenError(Exception):
    """A report of a process that is not the one which is at work on the job."""


def reported(
    job: Job | None,
    report: Json,
    now: int,
    user: str | None = None,
    conversion: Json | None = None,
) -> Job:
    """Return the job after a report; the same object where the report says nothing new.

    Parameters
    ----------
    job
        The job as known, or None for the first report.
    report
        The decoded report.
    now
        Milliseconds since 1970.
    user
        Whose job a new one is, where that is known.
    conversion
        What is converted by a new one.

    Raises
    ------
    IllegalTransitionError
        If the report is newer and contradicts the state that was reached.
    TakenError
        If another process is at work on the job; it names that one.
    """
    status = report["status"]
    if job is None:
        transitions.after(transitions.UNKNOWN, transitions.reporting(status))
        return Job(report=report, updated=now, user=user, conversion=conversion)
    _require_writer(job, report)
    known = job.report
    report = _as_here(job.placed, report)
    order = (report["generation"], report["revision"])
    if order <= (known["generation"], known["revision"]) and not _revives(job, report):
        return _taken_up(job, report, now)
    if _outlived(job, report):
        return job
    same_run = report["generation"] == known["generation"]
    event = transitions.reporting if same_run else transitions.rerunning
    transitions.after(job.status, event(status))
    pending = job.pending if status in ACTIVE else None
    return _taken_up(replace(job, report=report, updated=now, pending=pending), report, now)


def _require_writer(job: Job, report: Json) -> None:
    # Who is silent for too long is taken for lost, and then another one may go on with the job.
    # A job that only waits to begin is at work nowhere.
    known = job.report
    if job.status not in {"running", "paused"} or _writer(known) == _writer(report):
        return
    kernel = "" if known["kernelId"] is None else f" of kernel {known['kernelId']}"
    raise TakenError(f"Process {known['pid']}{kernel} is at work on this job.")


def _writer(report: Json) -> tuple[str | None, int]:
    return report["kernelId"], report["pid"]


def says_the_same(job: Job, report: Json) -> bool:
    """Say whether a report is the one that an active job was last heard of by."""
    names = ("generation", "revision", "status")
    return job.active and all(report[name] == job.report[name] for name in names)


def is_newer(job: Job, other: Job) -> bool:
    """Say whether a job was heard of later than what another server knows of it.

    The kernel counts its reports. Of what servers and users add to one the later is kept, and
    clocks of servers that run well differ by less than that matters.
    """
    return _age(job) > _age(other)


def asks_more(job: Job, other: Job) -> bool:
    """Say whether a wish for a job is younger than any that another server knows of it."""
    return job.pending is not None and job.asked > other.asked and other.active


def merged(job: Job, other: Job) -> Job:
    """Return what two servers know of a job that did not hear of each other for a while.

    What was heard of its process counts as `is_newer` says; the youngest wish stands either way.
    """
    newer, older = (job, other) if is_newer(job, other) else (other, job)
    if asks_more(older, newer):
        return replace(newer, pending=older.pending, asked=older.asked)
    return newer


def _age(job: Job) -> tuple[int, int, int]:
    return job.report["generation"], job.report["revision"], job.updated


def placed(job: Job, file: Placed, now: int) -> Job:
    """Return the job with its file on this server in the place of the kernel's own.

    Raises
    ------
    EndedError
        If the job has failed or was cancelled: its file is wanted by nobody.
    """
    transitions.after(job.status, transitions.PLACED)
    return replace(job, placed=file, report=_as_here(file, job.report), updated=now)


def _as_here(file: Placed | None, report: Json) -> Json:
    if file is None:
        return report
    here = {"path": file.path, "fingerprint": file.fingerprint.to_json()}
    return report | (here if report["status"] == "done" else {"path": file.path})


def still_running(job: Job, report: Json) -> Json:
    """Return a report without the end it tells of, for an end that the server knows better."""
    return {**report, "status": job.status, "error": None, "ended": None}


def _revives(job: Job, report: Json) -> bool:
    # A paused job has nothing new to say. If its silence made the server give it up (a laptop lid),
    # the very report that the server knows already is proof of life.
    error = job.report["error"] or {}
    return (
        job.status == "interrupted"
        and error.get("code") == "kernel-silent"
        and report["status"] in ACTIVE
        and (report["generation"], report["revision"])
        == (job.report["generation"], job.report["revision"])
    )


def _outlived(job: Job, report: Json) -> bool:
    # The server saw the worker of a conversion end: that it is at work was on its way meanwhile.
    return (
        job.conversion is not None
        and job.status == "interrupted"
        and report["status"] in ACTIVE
        and (job.report["error"] or {}).get("code") == "process-died"
        and report["generation"] == job.report["generation"]
    )


def _taken_up(job: Job, report: Json, now: int) -> Job:
    if job.pending is not None and report["control"] == job.pending.id:
        return replace(job, pending=None, updated=now)
    return job


def asked(job: Job, action: Action, identity: str, now: int) -> Job:
    """Return the job with a new wish of the user.

    Parameters
    ----------
    identity
        A fresh id for the wish, 32 hexadecimal digits.

    Raises
    ------
    EndedError
        If the job is terminal.
    """
    transitions.after(job.status, transitions.asking(action))
    if job.pending is not None and job.pending.action in {"cancel", action}:
        # Nothing replaces a pending cancel, and the same wish twice is one wish.
        return job
    # Later than the wish before, whatever the clock of another server said of that.
    moment = max(now, job.asked + 1)
    return replace(job, pending=Control(identity, action), updated=now, asked=moment)


def interrupted(job: Job, code: str, now: int) -> Job:
    """Return an active job as one whose process is gone; an ended job is returned as it is.

    Parameters
    ----------
    code
        A key of `INTERRUPTIONS`.
    """
    status = transitions.after(job.status, transitions.LOST)
    if status == job.status:
        return job
    error = {"code": code, "message": INTERRUPTIONS[code], "hint": INTERRUPTION_HINT}
    report = {
        **job.report,
        "status": status,
        "error": error,
        "rate": None,
        "eta": None,
        "ended": now,
    }
    return replace(job, report=report, pending=None, updated=now)


def located(job: Job, notebook: str | None, now: int) -> Job:
    """Return the job with the notebook it belongs to; an unknown one leaves the last known."""
    transitions.after(job.status, transitions.LOCATED)
    if notebook is None or notebook == job.notebook:
        return job
    return replace(job, notebook=notebook, updated=now)


def refingerprinted(job: Job, fingerprint: Fingerprint) -> Job:
    """Return the job with a new fingerprint for the same bytes (after a `chmod`, for instance)."""
    if job.placed is not None:
        job = replace(job, placed=replace(job.placed, fingerprint=fingerprint))
    return replace(job, report={**job.report, "fingerprint": fingerprint.to_json()})


def is_urgent(old: Job | None, new: Job) -> bool:
    """Say whether a change must be told at once, and not only at the next push."""
    return (
        old is None
        or old.status != new.status
        or old.pending != new.pending
        or old.report["phase"] != new.report["phase"]
        or old.report["generation"] != new.report["generation"]
    )

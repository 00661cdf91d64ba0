"""What the server knows of a job, and how it may change. Pure: no clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from jupyter_server_ext import transitions
from jupyter_server_ext.processes import Process
from progresswidget.protocol import (
    ACTIVE,
    PRIVATE_FIELDS,
    Action,
    Control,
    Fingerprint,
    Json,
    Part,
)

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


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that a kernel has sent: its absolute path here, and its fingerprint."""

    path: str
    fingerprint: Fingerprint

    def to_json(self) -> Json:
        """Return the form that stores keep."""
        return {"path": self.path, "fingerprint": self.fingerprint.to_json()}

    @classmethod
    def from_json(cls, value: Json) -> Placed:
        """Read what `to_json` wrote."""
        return cls(value["path"], Fingerprint.from_json(value["fingerprint"]))


@dataclass(frozen=True, slots=True)
class Job:
    """One export: its last report and what the server adds to it.

    Parameters
    ----------
    report
        As `progresswidget.protocol.decode_report` returns it.
    notebook
        Path of the notebook below the server's root, if the kernel belongs to one.
    pending
        What the user asked for and the kernel has not taken up yet.
    updated
        When the record last changed, in milliseconds since 1970.
    process
        The process that reported last, where it was seen alive on this host.
    placed
        The file on this server, where the kernel has another disk and has sent it.
    user
        Whose job it is, where that is known.
    conversion
        What was asked for, where a file of the server is converted.
    asked
        When the user last asked for something, in milliseconds since 1970; 0 for never.
    """

    report: Json
    updated: int
    notebook: str | None = None
    pending: Control | None = None
    process: Process | None = None
    placed: Placed | None = None
    user: str | None = None
    conversion: Json | None = None
    asked: int = 0

    @property
    def task_id(self) -> str:
        """The id of the job: 32 hexadecimal digits."""
        return str(self.report["taskId"])

    @property
    def key(self) -> str:
        """What stores keep the job under."""
        return self.task_id

    @property
    def status(self) -> str:
        """One of `progresswidget.protocol.STATUSES`."""
        return str(self.report["status"])

    @property
    def active(self) -> bool:
        """Whether the job may still change by itself."""
        return self.status in ACTIVE

    @property
    def kernel_id(self) -> str | None:
        """The kernel that runs the job, or None for a plain Python process."""
        kernel: str | None = self.report["kernelId"]
        return kernel

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What `os.stat` said of the file when it was published."""
        value = self.report["fingerprint"]
        return None if value is None else Fingerprint.from_json(value)

    @property
    def part(self) -> Part | None:
        """The file that is being written; None before it is begun, and where none can be read."""
        value = self.report.get("part")  # a store may hold reports of older kernels
        return None if value is None else Part.from_json(value)

    def public(self, url: str, contents: str | None = None) -> Json:
        """Return the record that browsers see.

        Parameters
        ----------
        url
            Absolute path of the file on the server.
        contents
            The file's path below the server's root, where the file browser shows it.
        """
        record = {name: value for name, value in self.report.items() if name not in PRIVATE_FIELDS}
        record["url"] = url
        record["notebook"] = self.notebook
        record["pending"] = None if self.pending is None else self.pending.action
        record["updated"] = self.updated
        record["userId"] = self.user
        record["contents"] = contents
        record["source"] = None if self.conversion is None else self.conversion["source"]
        return record

    def to_json(self) -> Json:
        """Return the form that stores keep."""
        return {
            "report": self.report,
            "updated": self.updated,
            "notebook": self.notebook,
            "pending": None if self.pending is None else self.pending.to_json(),
            "process": None if self.process is None else self.process.to_json(),
            "placed": None if self.placed is None else self.placed.to_json(),
            "user": self.user,
            "asked": self.asked,
            "conversion": self.conversion,
        }

    @classmethod
    def from_json(cls, value: Json) -> Job:
        """Read what `to_json` wrote."""
        pending, process, placed = value["pending"], value.get("process"), value.get("placed")
        return cls(
            report=value["report"],
            updated=value["updated"],
            notebook=value["notebook"],
            pending=None if pending is None else Control(pending["id"], pending["action"]),
            process=None if process is None else Process.from_json(process),
            placed=None if placed is None else Placed.from_json(placed),
            user=value.get("user"),
            asked=value.get("asked", 0),
            conversion=value.get("conversion"),
        )


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

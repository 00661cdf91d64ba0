"""The state of a job: as its kernel reports it, as browsers see it, and as one is ordered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from progresswidget.protocol.decoding import TASK_ID, MalformedError, is_task_id, json_object
from progresswidget.protocol.fields import Field, Fields, read
from progresswidget.protocol.files import (
    FINGERPRINT_FIELDS,
    PART_FIELDS,
    PROBE_FIELDS,
    WRITTEN_FIELDS,
    require_part_name,
    sha256_field,
)
from progresswidget.protocol.limits import MAX_DETAIL, MAX_NAME, MAX_PATH, MAX_STEPS, MAX_TEXT
from progresswidget.protocol.words import (
    ACTIONS,
    PHASES,
    STATUSES,
    STEP_STATUSES,
    Action,
    Json,
)

_NAME: Final = r"(?:[^.\x00/\\]|\.[^.\x00/\\]|\.\.[^\x00/\\])[^\x00/\\]*"
"""A file name without its folder, and neither of the two that every folder has."""
_ABSOLUTE: Final = r"(?:/|[A-Za-z]:[\\/])[^\x00]*"

TASK_ID_FIELD: Final = Field("text", "Id of the job, 32 hexadecimal digits.", 32, pattern=TASK_ID)
ERROR_FIELDS: Final[Fields] = {
    "code": Field("text", "For programs: it does not change with the language.", MAX_TEXT),
    "message": Field("text", "What is wrong, in a sentence.", MAX_TEXT),
    "hint": Field("text", "What can be done about it.", MAX_TEXT),
}

STEP_FIELDS: Final[Fields] = {
    "name": Field("text", "What it is: write, send or publish of a delivery.", 32),
    "status": Field("text", "Where it is.", 16, words=STEP_STATUSES),
}

# One row a field, in the order in which a report has them. What is counted as rows is bytes where
# `kind` is ``download`` or ``upload``, and children that are done where it is ``group``.
REPORT_FIELDS: Final[Fields] = {
    "kind": Field(
        "text", "export, download, upload, task (other work) or group (several jobs).", 32
    ),
    "revision": Field("count", "Grows by one with each report of one generation."),
    "status": Field("text", "Where the job is.", 16, words=STATUSES),
    "phase": Field("text", "What it is doing there.", 16, words=PHASES),
    "name": Field("text", "Name of the file, without its folder.", MAX_NAME, pattern=_NAME),
    "path": Field(
        "text", "Absolute path of the file, where the job runs.", MAX_PATH, pattern=_ABSOLUTE
    ),
    "format": Field("text", "Format of the file, for instance csv.", 32),
    "mediaType": Field("text", "Media type of the file (RFC 9110 section 8.3.1).", 128),
    "generation": Field("count", "Which run of the same export it is, from 1 on."),
    "progress": Field(
        "number", "Percent that is done; null where nobody can know.", 100, nullable=True
    ),
    "rows": Field("count", "Rows written; bytes of a transfer, and children done of a group."),
    "total": Field("count", "Rows, bytes or children in all, if that is known.", nullable=True),
    "columns": Field("count", "Columns of the table."),
    "bytes": Field("count", "Bytes written to the file."),
    "rate": Field("number", "Rows or bytes a second.", nullable=True),
    "eta": Field("number", "Seconds that are left.", nullable=True),
    "elapsed": Field("number", "Seconds at work, without pauses."),
    "created": Field("count", "When it was made, in milliseconds since 1970."),
    "ended": Field("count", "When it ended, in milliseconds since 1970.", nullable=True),
    "background": Field("flag", "Whether its cell went on without it."),
    "sha256": sha256_field("Digest of the finished file"),
    "kernelId": Field("text", "Kernel that runs it; null for a plain process.", 64, nullable=True),
    "cellId": Field("text", "Cell that started it.", 64, nullable=True),
    "pid": Field("count", "Process that runs it, as its own machine counts.", 2**31),
    "control": Field("text", "Id of the newest wish that was taken up.", 32, nullable=True),
}

# Fields that came later: a kernel of an older version, or a record saved by one, does without them.
LATER_FIELDS: Final[Fields] = {
    "reused": Field("count", "Rows or bytes of those that an earlier run had written.", missing=0),
    "read": Field("count", "Rows read of the source, written or not.", missing=0),
    "undone": Field("count", "Steps of a delivery that were taken back.", missing=0),
    "appendOnly": Field("flag", "Whether the file can be read while it is written.", missing=False),
    "parent": Field(
        "text",
        "Id of the job that it is a part of.",
        32,
        nullable=True,
        missing=None,
        pattern=TASK_ID,
    ),
    "within": Field(
        "text",
        "Id of the part of the same job that it runs within, where there is one.",
        32,
        nullable=True,
        missing=None,
        pattern=TASK_ID,
    ),
    "title": Field(
        "text",
        "What a person calls it, where it is not its file.",
        MAX_NAME,
        nullable=True,
        missing=None,
    ),
    "started": Field(
        "count",
        "When the work began, in milliseconds since 1970; null before.",
        nullable=True,
        missing=None,
    ),
    "schema": Field(
        "text",
        "The first columns: a line each, the name, a tab and the Arrow type.",
        MAX_DETAIL,
        missing="",
    ),
    "options": Field(
        "text",
        "Options that were chosen, without secrets: a line each, the name, a tab and the value.",
        MAX_DETAIL,
        missing="",
    ),
    "unit": Field(
        "text",
        "What a loop counts, for instance it; B for bytes; loop of a group of loops alone.",
        32,
        missing="",
    ),
    "postfix": Field(
        "text", "What a loop says of itself, for instance loss=0.3.", MAX_NAME, missing=""
    ),
    "obeys": Field("flag", "Whether it does what a person asks of it.", missing=True),
    "leave": Field("flag", "Whether it is remembered when it is done.", missing=True),
}

# What is made of objects, or null.
NESTED_FIELDS: Final[Fields] = {
    "steps": Field(
        "list",
        "The steps of a job that has some, in order.",
        MAX_STEPS,
        nullable=True,
        missing=None,
        item=Field("object", "One step.", fields=STEP_FIELDS),
    ),
    "part": Field(
        "object",
        "The file that is being written, before it gets its name.",
        nullable=True,
        missing=None,
        fields=PART_FIELDS,
    ),
    "written": Field(
        "object",
        "The whole file under its name, which may come before its sha256 is known.",
        nullable=True,
        missing=None,
        fields=WRITTEN_FIELDS,
    ),
    "probe": Field(
        "object",
        "A file beside the export, to learn whether the server sees the same disk.",
        nullable=True,
        missing=None,
        fields=PROBE_FIELDS,
    ),
    "error": Field(
        "object",
        "Why the job failed or was interrupted.",
        nullable=True,
        missing=None,
        fields=ERROR_FIELDS,
    ),
    "fingerprint": Field(
        "object",
        "What os.stat says of the finished file.",
        nullable=True,
        missing=None,
        fields=FINGERPRINT_FIELDS,
    ),
}

REPORT: Final[Fields] = {**REPORT_FIELDS, **LATER_FIELDS, **NESTED_FIELDS}

FILELESS: Final = frozenset({"group", "task"})
"""Kinds of jobs that make no file of their own."""

PRIVATE_FIELDS: Final = frozenset(
    {"pid", "fingerprint", "control", "undone", "part", "written", "probe"}
)
"""Fields of a report that browsers have no business with."""

# The public record: what browsers see. It grows by fields only.
RECORD_FIELDS: Final[Fields] = {
    "taskId": TASK_ID_FIELD,
    **{name: field for name, field in REPORT.items() if name not in PRIVATE_FIELDS},
    "url": Field("text", "Absolute path of the file on the server."),
    "notebook": Field(
        "text", "Path of its notebook below the server's root, if it has one.", nullable=True
    ),
    "pending": Field(
        "text",
        "What the user wants and the job has not taken up yet.",
        nullable=True,
        words=ACTIONS,
    ),
    "updated": Field("count", "When the record last changed, in milliseconds since 1970."),
    "userId": Field("text", "Whose job it is, where that is known.", nullable=True, missing=None),
    "contents": Field(
        "text",
        "Path of its file below the server's root, where the file browser shows it.",
        nullable=True,
        missing=None,
    ),
    "source": Field(
        "text",
        "Path below the server's root of the file that is converted; null for what a kernel has.",
        nullable=True,
        missing=None,
    ),
}


def _optional(name: str, missing: object) -> Field:
    return replace(REPORT_FIELDS[name], missing=missing)


# What is asked for with ``POST api/jobs``: a job for somebody who will report to it.
ORDER_FIELDS: Final[Fields] = {
    "name": REPORT_FIELDS["name"],
    "path": REPORT_FIELDS["path"],
    "kind": _optional("kind", "export"),
    "format": _optional("format", ""),
    "mediaType": _optional("mediaType", "application/octet-stream"),
    "total": _optional("total", None),
    "columns": _optional("columns", 0),
    "kernelId": _optional("kernelId", None),
    "cellId": _optional("cellId", None),
    "parent": LATER_FIELDS["parent"],
    "title": LATER_FIELDS["title"],
}


@dataclass(frozen=True, slots=True)
class Control:
    """What the user asked for: the newest wish, told until the kernel has taken it up."""

    id: str
    action: Action

    def to_json(self) -> Json:
        """Return the wire form."""
        return {"id": self.id, "action": self.action}


def decode_report(task_id: str, body: bytes) -> Json:
    """Read and check the body of a report.

    Parameters
    ----------
    task_id
        The id in the URL.
    body
        UTF-8 JSON, at most `MAX_REPORT` bytes.

    Returns
    -------
    The report, with only the fields that this version knows.

    Raises
    ------
    MalformedError
        If the body does not follow `REPORT_FIELDS`, `LATER_FIELDS` and `NESTED_FIELDS`.
    """
    if not is_task_id(task_id):
        raise MalformedError("malformed", "a task id is 32 lower-case hexadecimal digits")
    report = json_object(body)
    if report.get("taskId", task_id) != task_id:
        raise MalformedError("malformed", "taskId differs from the one in the address")
    known: Json = {"taskId": task_id} | read(REPORT, report)
    for what in ("part", "probe"):
        require_part_name(what, known[what], known["name"])
    if known["parent"] == task_id:
        raise MalformedError("malformed", "a job is no part of itself")
    filed = known["sha256"] is not None and known["fingerprint"] is not None
    if known["status"] == "done" and not filed and known["kind"] not in FILELESS:
        raise MalformedError("malformed", "a job that is done has a sha256 and a fingerprint")
    return known


def decode_order(body: bytes) -> Json:
    """Read and check the body of a ``POST api/jobs``.

    Raises
    ------
    MalformedError
        If it does not follow `ORDER_FIELDS`.
    """
    return ordered(json_object(body))


def ordered(order: Json) -> Json:
    """Return what is asked for, with what is usual in the place of what is not said.

    Raises
    ------
    MalformedError
        If it does not follow `ORDER_FIELDS`.
    """
    return read(ORDER_FIELDS, order)


def queued(task_id: str, order: Json, now: int) -> Json:
    """Return the first report of a job that was ordered and that nobody has reported to yet.

    Parameters
    ----------
    order
        As `decode_order` returns it.
    now
        Milliseconds since 1970.
    """
    # Revision 0 comes before every report.
    blank: Json = {
        "revision": 0,
        "status": "queued",
        "phase": "starting",
        "generation": 1,
        "progress": 0,
        "rows": 0,
        "reused": 0,
        "read": 0,
        "undone": 0,
        "bytes": 0,
        "rate": None,
        "eta": None,
        "elapsed": 0,
        "created": now,
        "ended": None,
        "background": True,
        "appendOnly": False,
        "started": None,
        "schema": "",
        "options": "",
        "unit": "",
        "postfix": "",
        "obeys": True,
        "leave": True,
        "sha256": None,
        "pid": 0,
        "control": None,
        **dict.fromkeys(NESTED_FIELDS),
    }
    return {"taskId": task_id} | blank | order

"""The state of a job, as its kernel reports it and a server answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from progresswidget.protocol.decoding import (
    SHA256,
    Kind,
    MalformedError,
    check_field,
    is_task_id,
    json_object,
)
from progresswidget.protocol.files import decode_fingerprint, decode_part, decode_probe
from progresswidget.protocol.limits import MAX_COUNT, MAX_NAME, MAX_PATH, MAX_TEXT
from progresswidget.protocol.words import PHASES, STATUSES, Action, Json

# name -> (kind, may be null, largest length or value). One row a field: the decoder, the tests
# and the TypeScript twin read the same list. `kind` is ``export``, ``download`` or ``upload``; the
# rows of the latter two, and what is counted like them (`reused`, `total`, `rate`), are bytes.
REPORT_FIELDS: Final[dict[str, tuple[Kind, bool, int]]] = {
    "kind": ("text", False, 32),
    "revision": ("count", False, MAX_COUNT),
    "status": ("text", False, 16),
    "phase": ("text", False, 16),
    "name": ("text", False, MAX_NAME),
    "path": ("text", False, MAX_PATH),
    "format": ("text", False, 32),
    "mediaType": ("text", False, 128),
    "generation": ("count", False, MAX_COUNT),
    "progress": ("number", True, 100),
    "rows": ("count", False, MAX_COUNT),
    "total": ("count", True, MAX_COUNT),
    "columns": ("count", False, MAX_COUNT),
    "bytes": ("count", False, MAX_COUNT),
    "rate": ("number", True, MAX_COUNT),
    "eta": ("number", True, MAX_COUNT),
    "elapsed": ("number", False, MAX_COUNT),
    "created": ("count", False, MAX_COUNT),
    "ended": ("count", True, MAX_COUNT),
    "background": ("flag", False, 0),
    "sha256": ("text", True, 64),
    "kernelId": ("text", True, 64),
    "cellId": ("text", True, 64),
    "pid": ("count", False, 2**31),
    "control": ("text", True, 32),
}

# name -> (kind, may be null, largest length or value, what it is where it is missing). Fields that
# came later: a kernel of an older version, or a record saved by one, does without them.
LATER_FIELDS: Final[dict[str, tuple[Kind, bool, int, object]]] = {
    "reused": ("count", False, MAX_COUNT, 0),
    "appendOnly": ("flag", False, 0, False),
}

_NO_NAME: Final = re.compile(r"[\0/\\]|\A\.{0,2}\Z")


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
        If the body does not follow `REPORT_FIELDS` and `LATER_FIELDS`.
    """
    if not is_task_id(task_id):
        raise MalformedError("malformed", "a task id is 32 lower-case hexadecimal digits")
    report = json_object(body)
    if report.get("taskId", task_id) != task_id:
        raise MalformedError("malformed", "taskId differs from the one in the address")
    known: Json = {"taskId": task_id}
    for name, (kind, nullable, limit) in REPORT_FIELDS.items():
        if name not in report:
            raise MalformedError("malformed", f"{name} is missing")
        check_field(name, report[name], kind, nullable, limit)
        known[name] = report[name]
    for name, (kind, nullable, limit, missing) in LATER_FIELDS.items():
        known[name] = report.get(name, missing)
        check_field(name, known[name], kind, nullable, limit)
    _check_values(known)
    known["part"] = decode_part(report.get("part"), known["name"])
    known["probe"] = decode_probe(report.get("probe"), known["name"])
    known["error"] = _decode_error(report.get("error"))
    known["fingerprint"] = decode_fingerprint(report.get("fingerprint"))
    if known["status"] == "done" and (known["sha256"] is None or known["fingerprint"] is None):
        raise MalformedError("malformed", "a job that is done has a sha256 and a fingerprint")
    return known


def _check_values(known: Json) -> None:
    if known["status"] not in STATUSES:
        raise MalformedError("malformed", f"status must be one of {', '.join(sorted(STATUSES))}")
    if known["phase"] not in PHASES:
        raise MalformedError("malformed", f"phase must be one of {', '.join(sorted(PHASES))}")
    if known["sha256"] is not None and SHA256.fullmatch(known["sha256"]) is None:
        raise MalformedError("malformed", "sha256 must be 64 lower-case hexadecimal digits")
    if not known["path"].startswith("/") and not re.match(r"[A-Za-z]:[\\/]", known["path"]):
        raise MalformedError("malformed", "path must be absolute")
    if "\0" in known["path"] or _NO_NAME.search(known["name"]):
        raise MalformedError("malformed", "name must be a file name without its folder")


def _decode_error(value: object) -> Json | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise MalformedError("malformed", "error must be an object or null")
    known = {}
    for name in ("code", "message", "hint"):
        check_field(f"error.{name}", value.get(name), "text", nullable=False, limit=MAX_TEXT)
        known[name] = value[name]
    return known

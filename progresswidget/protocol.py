"""The wire contract between kernel, server and browser.

Standard library only, and without I/O: the server, the kernel and the tests all import this one
module, and `js/src/protocol.ts` with `record.ts` and `frames.ts` is its twin. The frames in
`tests/data/protocol/` hold the two together.

Two exchanges are described here:

- a kernel *reports* the whole state of a job with ``PUT api/jobs/<taskId>`` (`decode_report`) and
  gets back what the user asked for (`Control`);
- a browser *subscribes* over the WebSocket (`decode_client_message`) and is told of changes
  (`hello`, `subscribed`, `event`, `error`, `pong`).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

SUBPROTOCOL: Final = "v1.progress"
JOB_MIMETYPE: Final = "application/vnd.progresswidget.job+json"
RECEIPT_MIMETYPE: Final = "application/vnd.progresswidget.receipt+json"
ENDPOINT_VARIABLE: Final = "PROGRESSWIDGET_ENDPOINT_FILE"
"""The environment variable with the path of the endpoint file; never the secret itself."""
KERNEL_URL_VARIABLE: Final = "KERNEL_PROGRESSWIDGET_URL"
KERNEL_SECRET_VARIABLE: Final = "KERNEL_PROGRESSWIDGET_SECRET"  # noqa: S105 - a name
"""Where a kernel behind a gateway finds what the file says: a gateway passes on nothing but
variables whose name begins with ``KERNEL_``. Set only on a server that has one."""
AUTHORIZATION_SCHEME: Final = "Kernel"
"""Scheme of the ``Authorization`` header with which a kernel reports (RFC 9110 section 11.6.2)."""

Status: TypeAlias = Literal[
    "queued", "running", "paused", "done", "failed", "cancelled", "interrupted"
]
Action: TypeAlias = Literal["pause", "resume", "cancel"]
Json: TypeAlias = dict[str, Any]

STATUSES: Final[frozenset[str]] = frozenset(
    {"queued", "running", "paused", "done", "failed", "cancelled", "interrupted"}
)
ACTIVE: Final[frozenset[str]] = frozenset({"queued", "running", "paused"})
TERMINAL: Final[frozenset[str]] = STATUSES - ACTIVE
ACTIONS: Final[frozenset[str]] = frozenset({"pause", "resume", "cancel"})
PHASES: Final[frozenset[str]] = frozenset(
    {
        *("starting", "hashing", "reading", "writing", "compressing", "finishing"),
        *("connecting", "waiting", "receiving", "sending", "verifying"),
    }
)

MAX_FRAME: Final = 64 * 1024
"""Bytes of one WebSocket text frame, either way."""
MAX_REPORT: Final = 64 * 1024
"""Bytes of the body of one report."""
MAX_TEXT: Final = 2_000
"""Characters of a free text (an error message, a hint)."""
MAX_PATH: Final = 4_096
MAX_NAME: Final = 255
MAX_EPOCH: Final = 64
MAX_SUBSCRIPTIONS: Final = 1_000
"""Tasks in one `subscribe` message."""
MAX_COUNT: Final = 2**53 - 1
"""The largest integer that JavaScript holds exactly; counters beyond it are refused."""

CLOSE_RESTART: Final = 4001
CLOSE_SLOW: Final = 4008
CLOSE_SILENT: Final = 4012
CLOSE_MALFORMED: Final = 4500
CLOSE_FORBIDDEN: Final = 4503
CLOSE_VERSION: Final = 4506
"""4000 to 4499: come back later; 4500 to 4999: do not."""

_TASK_ID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class MalformedError(ValueError):
    """A message or report that breaks the contract.

    Parameters
    ----------
    code
        One of the error codes of the wire, for instance ``malformed``.
    message
        What is wrong and where, for the person who wrote the client.
    re
        The ``id`` of the message that is answered, if it could be read.
    """

    def __init__(self, code: str, message: str, re: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.re = re


def is_task_id(text: object) -> bool:
    """Say whether `text` is a task id: 128 random bits as 32 lower-case hexadecimal digits."""
    return isinstance(text, str) and _TASK_ID.fullmatch(text) is not None


# --- Reports: kernel to server ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What `os.stat` says of a published file: it changes when the file is replaced or touched."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def from_json(cls, value: Json) -> Fingerprint:
        """Read the wire form; nanoseconds travel as strings, for they exceed 2**53."""
        return cls(
            device=int(value["device"]),
            inode=int(value["inode"]),
            size=int(value["size"]),
            mtime_ns=int(value["mtimeNs"]),
            ctime_ns=int(value["ctimeNs"]),
        )

    def to_json(self) -> Json:
        """Return the wire form."""
        return {
            "device": str(self.device),
            "inode": str(self.inode),
            "size": str(self.size),
            "mtimeNs": str(self.mtime_ns),
            "ctimeNs": str(self.ctime_ns),
        }


@dataclass(frozen=True, slots=True)
class Part:
    """The file that an export is writing to, before it gets its name.

    Parameters
    ----------
    name
        Its own name, in the folder of the final file; `is_part_name` holds for it.
    device, inode
        What `os.stat` says of it.
    size
        Its first bytes, which this run will not change any more.
    """

    name: str
    device: int
    inode: int
    size: int

    @classmethod
    def from_json(cls, value: Json) -> Part:
        """Read the wire form."""
        return cls(
            str(value["name"]), int(value["device"]), int(value["inode"]), int(value["size"])
        )

    def to_json(self) -> Json:
        """Return the wire form."""
        return {
            "name": self.name,
            "device": str(self.device),
            "inode": str(self.inode),
            "size": str(self.size),
        }


@dataclass(frozen=True, slots=True)
class Probe:
    """A file that a kernel made beside its export, to learn whether the server sees it.

    Parameters
    ----------
    name
        Its name; `is_part_name` holds for it.
    sha256
        The digest of what is in it, which nobody else can know.
    """

    name: str
    sha256: str

    @classmethod
    def from_json(cls, value: Json) -> Probe:
        """Read the wire form."""
        return cls(str(value["name"]), str(value["sha256"]))

    def to_json(self) -> Json:
        """Return the wire form."""
        return {"name": self.name, "sha256": self.sha256}


_PART_NAME = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part", re.DOTALL)


def is_part_name(part: str, name: str) -> bool:
    """Say whether a file of the name `part` may be the beginning of one that will be `name`.

    It is ``.<name>.<8 hexadecimal digits>.part``, with a digest in the place of a name that leaves
    no room for the rest.
    """
    found = _PART_NAME.fullmatch(part)
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:32]
    return found is not None and found[1] in {name, digest}


@dataclass(frozen=True, slots=True)
class Control:
    """What the user asked for: the newest wish, told until the kernel has taken it up."""

    id: str
    action: Action

    def to_json(self) -> Json:
        """Return the wire form."""
        return {"id": self.id, "action": self.action}


_Kind: TypeAlias = Literal["text", "count", "number", "flag"]

# name -> (kind, may be null, largest length or value). One row a field: the decoder, the tests
# and the TypeScript twin read the same list. `kind` is ``export``, ``download`` or ``upload``; the
# rows of the latter two, and what is counted like them (`reused`, `total`, `rate`), are bytes.
REPORT_FIELDS: Final[dict[str, tuple[_Kind, bool, int]]] = {
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
LATER_FIELDS: Final[dict[str, tuple[_Kind, bool, int, object]]] = {
    "reused": ("count", False, MAX_COUNT, 0),
    "appendOnly": ("flag", False, 0, False),
}

_NO_NAME: Final = re.compile(r"[\0/\\]|\A\.{0,2}\Z")


def _check_field(name: str, value: object, kind: _Kind, nullable: bool, limit: int) -> None:  # noqa: FBT001
    if value is None:
        if not nullable:
            raise MalformedError("malformed", f"{name} must not be null")
        return
    good = False
    if kind == "text":
        good = isinstance(value, str) and len(value) <= limit and _is_unicode(value)
    elif kind == "flag":
        good = isinstance(value, bool)
    elif kind == "count":
        good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= limit
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        good = math.isfinite(value) and 0 <= value <= limit
    if not good:
        raise MalformedError("malformed", f"{name} must be a {kind} of at most {limit}")


def _is_unicode(text: str) -> bool:
    # A lone surrogate survives json.loads but can never be sent on as UTF-8 (RFC 8259 section 8.2).
    return not any("\ud800" <= character <= "\udfff" for character in text)


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
    report = _object(body)
    if report.get("taskId", task_id) != task_id:
        raise MalformedError("malformed", "taskId differs from the one in the address")
    known: Json = {"taskId": task_id}
    for name, (kind, nullable, limit) in REPORT_FIELDS.items():
        if name not in report:
            raise MalformedError("malformed", f"{name} is missing")
        _check_field(name, report[name], kind, nullable, limit)
        known[name] = report[name]
    for name, (kind, nullable, limit, missing) in LATER_FIELDS.items():
        known[name] = report.get(name, missing)
        _check_field(name, known[name], kind, nullable, limit)
    _check_values(known)
    known["part"] = _decode_part(report.get("part"), known["name"])
    known["probe"] = _decode_probe(report.get("probe"), known["name"])
    known["error"] = _decode_error(report.get("error"))
    known["fingerprint"] = _decode_fingerprint(report.get("fingerprint"))
    if known["status"] == "done" and (known["sha256"] is None or known["fingerprint"] is None):
        raise MalformedError("malformed", "a job that is done has a sha256 and a fingerprint")
    return known


def _check_values(known: Json) -> None:
    if known["status"] not in STATUSES:
        raise MalformedError("malformed", f"status must be one of {', '.join(sorted(STATUSES))}")
    if known["phase"] not in PHASES:
        raise MalformedError("malformed", f"phase must be one of {', '.join(sorted(PHASES))}")
    if known["sha256"] is not None and _SHA256.fullmatch(known["sha256"]) is None:
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
        _check_field(f"error.{name}", value.get(name), "text", nullable=False, limit=MAX_TEXT)
        known[name] = value[name]
    return known


def _decode_fingerprint(value: object) -> Json | None:
    if value is None:
        return None
    return _decode_digits("fingerprint", value, ("device", "inode", "size", "mtimeNs", "ctimeNs"))


def _decode_part(value: object, name: str) -> Json | None:
    if value is None:
        return None
    numbers = _decode_digits("part", value, ("device", "inode", "size"))
    return {"name": _decode_part_name("part", value, name), **numbers}


def _decode_probe(value: object, name: str) -> Json | None:
    if value is None:
        return None
    digest = value.get("sha256") if isinstance(value, dict) else None
    if not isinstance(digest, str) or _SHA256.fullmatch(digest) is None:
        raise MalformedError("malformed", "probe.sha256 must be 64 lower-case hexadecimal digits")
    return {"name": _decode_part_name("probe", value, name), "sha256": digest}


def _decode_part_name(what: str, value: object, name: str) -> str:
    found = value.get("name") if isinstance(value, dict) else None
    # The server opens a hidden file by this name: it must be one of ours, and in no other folder.
    fits = isinstance(found, str) and len(found) <= MAX_NAME and not re.search(r"[\0/\\]", found)
    if not fits or not is_part_name(str(found), name):
        raise MalformedError(
            "malformed", f"{what}.name must be .<name>.<8 hexadecimal digits>.part"
        )
    return str(found)


def _decode_digits(what: str, value: object, names: tuple[str, ...]) -> Json:
    # Numbers of the file system may exceed 2**53, so they travel as text.
    if not isinstance(value, dict) or not all(
        isinstance(value.get(name), str) and re.fullmatch(r"[0-9]{1,20}", value[name])
        for name in names
    ):
        raise MalformedError("malformed", f"{what} must hold {', '.join(names)} as digits")
    return {name: value[name] for name in names}


@dataclass(frozen=True, slots=True)
class Place:
    """What a kernel says of a file that it is to send, or has sent.

    Parameters
    ----------
    relative
        The path as seen from the kernel's working directory, with slashes.
    path
        The path below the server's root, once the server has named it.
    sha256, size
        What must be there, once that is known.
    """

    relative: str
    path: str | None = None
    sha256: str | None = None
    size: int | None = None

    def to_json(self) -> Json:
        """Return the wire form."""
        return {
            "relative": self.relative,
            "path": self.path,
            "sha256": self.sha256,
            "size": self.size,
        }


def decode_place(body: bytes) -> Place:
    """Read and check the body of a ``PUT api/jobs/<taskId>/place``.

    Raises
    ------
    MalformedError
        If it is no `Place`.
    """
    value = _object(body)
    fields: Json = {name: value.get(name) for name in ("relative", "path", "sha256", "size")}
    _check_field("relative", fields["relative"], "text", nullable=False, limit=MAX_PATH)
    _check_field("path", fields["path"], "text", nullable=True, limit=MAX_PATH)
    _check_field("sha256", fields["sha256"], "text", nullable=True, limit=64)
    _check_field("size", fields["size"], "count", nullable=True, limit=MAX_COUNT)
    if fields["sha256"] is not None and _SHA256.fullmatch(fields["sha256"]) is None:
        raise MalformedError("malformed", "sha256 must be 64 lower-case hexadecimal digits")
    return Place(**fields)


def _object(text: str | bytes) -> Json:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError("malformed", f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedError("malformed", "a JSON object is expected")
    return cast("Json", value)


def _refuse_constant(name: str) -> float:
    # RFC 8259 section 6: NaN and Infinity are no JSON, though Python's reader takes them.
    raise ValueError(f"{name} is not a JSON number")


# --- Messages: browser to server -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Position:
    """The last event that a client has applied for a task; `epoch` is None before the first."""

    task_id: str
    epoch: str | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask for the state of tasks now, and for every change from then on."""

    id: int
    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Ask for silence about tasks."""

    id: int
    task_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life from a page, which cannot see the protocol's own pings."""

    id: int | None


ClientMessage: TypeAlias = Subscribe | Unsubscribe | Ping


def decode_client_message(text: str | bytes) -> ClientMessage:
    """Read one frame of a browser.

    Raises
    ------
    MalformedError
        With the code ``malformed``, ``unknown-type`` or ``too-many``; `re` names the message
        where its id could be read.
    """
    if isinstance(text, bytes):
        raise MalformedError("malformed", "frames are text, not binary")
    message = _object(text)
    identity = message.get("id")
    if identity is not None and not _is_count(identity):
        raise MalformedError("malformed", "id must be a whole number from 0 on")
    kind = message.get("type")
    if kind == "ping":
        return Ping(identity)
    if kind not in ("subscribe", "unsubscribe"):  # no set: `kind` may be a list
        known = "type must be subscribe, unsubscribe or ping"
        raise MalformedError("unknown-type", known, identity)
    if identity is None:
        raise MalformedError("malformed", f"{kind} needs an id")
    data = message.get("data")
    tasks = data.get("tasks") if isinstance(data, dict) else None
    if not isinstance(tasks, list) or not tasks:
        raise MalformedError("malformed", "data.tasks must be a list of tasks", identity)
    if len(tasks) > MAX_SUBSCRIPTIONS:
        limit = f"at most {MAX_SUBSCRIPTIONS} tasks in one message"
        raise MalformedError("too-many", limit, identity)
    if kind == "subscribe":
        return Subscribe(identity, tuple(_position(task, identity) for task in tasks))
    if not all(is_task_id(task) for task in tasks):
        raise MalformedError("malformed", "data.tasks must be a list of task ids", identity)
    return Unsubscribe(identity, tuple(tasks))


def _position(task: object, identity: int) -> Position:
    if isinstance(task, dict) and is_task_id(task.get("taskId")):
        epoch, seq = task.get("epoch"), task.get("seq", 0)
        named = epoch is None or (isinstance(epoch, str) and len(epoch) <= MAX_EPOCH)
        if named and _is_count(seq):
            return Position(task["taskId"], epoch, seq)
    raise MalformedError(
        "malformed", "a task is {taskId: 32 hexadecimal digits, epoch?, seq?}", identity
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT


# --- Messages: server to browser -------------------------------------------------------------


def hello(*, session: str, heartbeat: float, timestamp: int) -> Json:
    """Build the first message of a connection; `heartbeat` is in seconds."""
    data = {"session": session, "heartbeat": heartbeat}
    return {"type": "hello", "timestamp": timestamp, "data": data}


def subscribed(
    *,
    re: int,
    task_id: str,
    epoch: str,
    seq: int,
    timestamp: int,
    snapshot: Json | None,
) -> Json:
    """Build the answer for one task of a `subscribe`.

    Parameters
    ----------
    snapshot
        The whole state at `seq`, or None where the client's own position is that state already.
    """
    data: Json = {"taskId": task_id, "recovered": snapshot is None}
    if snapshot is None:
        data["events"] = []
    else:
        data["snapshot"] = snapshot
    return {
        "type": "subscribed",
        "re": re,
        "timestamp": timestamp,
        "epoch": epoch,
        "seq": seq,
        "data": data,
    }


def event(*, epoch: str, first: int, seq: int, timestamp: int, data: Json) -> Json:
    """Build the news of a job: `data` is its whole public state after event `seq`.

    The type is ``task_complete`` for a terminal status and ``progress_update`` for any other;
    `first` to `seq` are the events that this message stands for.
    """
    kind = "task_complete" if data["status"] in TERMINAL else "progress_update"
    return {
        "type": kind,
        "timestamp": timestamp,
        "epoch": epoch,
        "from": first,
        "seq": seq,
        "data": data,
    }


def removed(*, task_id: str, timestamp: int) -> Json:
    """Build the news that a job's record was deleted."""
    return {"type": "task_removed", "timestamp": timestamp, "data": {"taskId": task_id}}


def transfer_update(*, data: Json, timestamp: int) -> Json:
    """Build the news of a transfer: how far one file is for one user.

    Parameters
    ----------
    data
        The whole state: ``userId``, ``fileId``, ``offset`` and ``timestamp`` at least, and
        ``taskId`` where the file is a job's. Values are absolute, and the newest is enough.
    """
    return {"type": "transfer_update", "timestamp": timestamp, "data": data}


def pong(*, re: int | None, timestamp: int) -> Json:
    """Build the answer to a `Ping`."""
    return {"type": "pong", "re": re, "timestamp": timestamp, "data": {}}


def error(
    *,
    code: str,
    message: str,
    timestamp: int,
    re: int | None = None,
    task_id: str | None = None,
    temporary: bool = False,
) -> Json:
    """Build the message that says why something was not done.

    Parameters
    ----------
    temporary
        Whether the same message may succeed later.
    """
    data: Json = {"code": code, "message": message, "temporary": temporary}
    if task_id is not None:
        data["taskId"] = task_id
    return {"type": "error", "re": re, "timestamp": timestamp, "data": data}


def encode(message: Json) -> str:
    """Return the frame of a message: compact JSON (RFC 8259), with no NaN in it."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

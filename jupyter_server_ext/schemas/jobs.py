"""The addresses of jobs, of what is moving, and of the server itself."""

from __future__ import annotations

from typing import Final

from jupyter_server_ext.schemas.operations import Answer, Body, Chapter, Operation, list_of, one_of
from jupyter_server_ext.transfers.shaping import LEAST_BURST
from progresswidget.protocol import ACTIONS, MAX_COUNT, MAX_PATH
from progresswidget.protocol.counts import COUNT_FIELDS
from progresswidget.protocol.fields import Field, Fields
from progresswidget.protocol.reports import TASK_ID_FIELD

_CONTROL: Final[Fields] = {
    "id": Field("text", "Named by the next report, once it was taken up.", 32),
    "action": Field("text", "What the user wants.", words=ACTIONS),
}
_WORKER: Final[Fields] = {
    "worker": Field("text", "The name that it gave itself.", 64),
    **COUNT_FIELDS,
    "silent": Field("number", "Seconds since it was heard last."),
}
_LIMITS: Final[Fields] = {
    "transfer": Field("number", "Bytes a second of one transfer; 0 for no limit."),
    "user": Field("number", "Bytes a second of one user."),
    "server": Field("number", "Bytes a second of the server."),
    "burst": Field("number", "Seconds of a rate that may be made up for at once.", 60, LEAST_BURST),
}
_TABLES: Final[dict[str, Fields]] = {
    "Cleared": {
        "removed": Field("list", "The jobs that are forgotten.", item=TASK_ID_FIELD),
        "refused": Field("list", "Those that the user may only look at.", item=TASK_ID_FIELD),
        "freed": Field("count", "Bytes of the files that were removed."),
    },
    "Changes": {
        "cursor": Field("text", "What to ask with the next time."),
        "complete": Field(
            "flag", "Whether this is everything: what is not told of is not there any more."
        ),
        "messages": Field(
            "list",
            "Each as the live channel has it.",
            refers=("Snapshot", "TaskRemoved", "TransferUpdate"),
        ),
    },
    "Wish": {"action": Field("text", "What the job is to do.", words=ACTIONS)},
    "Control": _CONTROL,
    "Limits": _LIMITS,
    "Placed": {
        "path": Field("text", "Where the file goes, below the server's root.", MAX_PATH),
        "there": Field("flag", "Whether it is there, with the digest that was told."),
    },
    "Reply": {
        "control": Field(
            "object", "What the user wants, until it is taken up.", nullable=True, fields=_CONTROL
        ),
        "url": Field("text", "Absolute path of the file on this server."),
        "notebook": Field("text", "Path of the job's notebook, if it has one.", nullable=True),
        "shared": Field("flag", "Whether the server sees the probe.", nullable=True),
        "workers": Field(
            "list",
            "What workers without the kernel's disk have counted for the job, if any have.",
            missing=None,
            item=Field("object", "One of them.", fields=_WORKER),
        ),
    },
    "Counting": {"capability": Field("text", "Lets count for this job, and do nothing else.", 64)},
    "Count": COUNT_FIELDS,
}
_COUNTS: Final = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_STORE: Final = {
    "type": "object",
    "properties": {
        "backend": {"type": "string"},
        "journalMode": {"type": ["string", "null"], "description": "Of SQLite."},
        "degraded": {"type": "boolean", "description": "Whether it lies in memory only."},
        "failingSince": {
            "type": ["number", "null"],
            "description": "Milliseconds since 1970, null while it works.",
        },
        "lastError": {"type": ["string", "null"], "description": "Its class, without its text."},
        "errors": {"type": "integer", "minimum": 0},
    },
    "required": ["backend", "degraded"],
}
_HEALTHY: Final = {
    "type": "object",
    "properties": {
        "status": {"enum": ["degraded", "ok"]},
        "version": {"type": "string"},
        "epoch": {"type": "string"},
        "uptime": {"type": "number", "minimum": 0, "description": "Seconds."},
        "lasting": {"type": "boolean", "description": "Whether its state outlives the server."},
        "stores": {"type": "object", "additionalProperties": _STORE},
        "jobs": _COUNTS | {"description": "Jobs by status."},
        "transfers": _COUNTS | {"description": "Files on their way, by direction."},
        "uploads": _COUNTS,
        "disk": _COUNTS
        | {
            "description": "Bytes of the jobs' finished files, of the rests of unfinished ones, of "
            "unfinished uploads, and of the server's own state."
        },
        "links": {"type": "integer", "minimum": 0},
        "connections": {"type": "integer", "minimum": 0},
        "subscriptions": {"type": "integer", "minimum": 0},
    },
    "required": ["status", "version", "epoch", "stores", "jobs"],
}
_SOME_LIMITS: Final = {
    "type": "object",
    "properties": {
        name: {"type": "number", "minimum": field.least, "maximum": min(field.most, MAX_COUNT)}
        for name, field in _LIMITS.items()
    },
    "additionalProperties": False,
    "minProperties": 1,
}

_RECORD: Final = Body("Record")
_RECORD_OR_NEWS: Final = Body(one_of("Record", "Recovered", "Snapshot"))
_DOCUMENT: Final = Body({"type": "object"})
_NO_JOB: Final = ("task-not-found",)
_BY_CAPABILITY: Final = ("capability-exceeded", *_NO_JOB)
_NO_PLACE: Final = (
    *("malformed", "name-refused", "hidden", "outside-roots", "not-writable", "folder-missing"),
    *("disk-full", "disk-failed"),
)

_LIST = Operation(
    "listJobs",
    "Return the records of all jobs, the newest first.",
    {200: Answer("The records.", Body(list_of("Record")))},
    ("malformed",),
    takes=("notebook", "kernel", "status"),
)
_CLEAR = Operation(
    "clearJobs",
    "Forget the jobs that have ended and fit. Their files stay, but for those that are asked for: "
    "leftovers are what unfinished exports have beside their files, and go on from; with all go "
    "finished files, too, that nobody has changed since.",
    {200: Answer("What was done.", Body("Cleared"))},
    ("malformed",),
    takes=("notebook", "kernel", "status", "files"),
)
_ORDERED: Final = {
    "allOf": [
        {"$ref": "#/components/schemas/Record"},
        {
            "type": "object",
            "properties": {
                "capability": {
                    "type": "string",
                    "description": "Lets report to this job, and do nothing else: told here alone.",
                }
            },
            "required": ["capability"],
        },
    ]
}
_CHANGES = Operation(
    "readChanges",
    "Return the state of all jobs and transfers, or with a cursor what has changed since, as soon "
    "as there is something to say: the live channel for who has no WebSocket.",
    {200: Answer("Messages of the live channel.", Body("Changes"))},
    ("malformed", "too-many-polls"),
    takes=("cursor", "wait", "notebook", "mine"),
)
_ORDER = Operation(
    "orderJob",
    "Make a job in the state queued, for somebody who will report to it.",
    {201: Answer("The record; the same key gets the same one.", Body(_ORDERED), ("Location",))},
    ("malformed", "key-reused", "key-busy", "made-gone", "task-not-found", "too-many-jobs"),
    "both",
    ("Idempotency-Key",),
    Body("Order"),
)
_READ = Operation(
    "readJob",
    "Return a record; or, with since, what a subscription from there would be answered with, as "
    "soon as there is something to say: the live channel for who has no WebSocket.",
    {200: Answer("The record, or with since a message of the live channel.", _RECORD_OR_NEWS)},
    ("malformed", *_NO_JOB, "too-many-polls"),
    takes=("since", "epoch", "wait"),
)
_REPORT = Operation(
    "reportJob",
    "Say the whole state of a job. A report that is lost, repeated or late does no harm: revision "
    "orders them.",
    {200: Answer("What the user wants.", Body("Reply"))},
    ("malformed", "illegal-transition", "task-taken", "too-many-jobs", *_BY_CAPABILITY),
    "reporter",
    body=Body("Report"),
)
_STEER = Operation(
    "steerJob",
    "Ask a job to pause, to resume or to end.",
    {202: Answer("The record, with the wish.", _RECORD)},
    ("malformed", *_NO_JOB, "task-ended"),
    body=Body("Wish"),
)
_FORGET = Operation(
    "forgetJob",
    "Forget a job that has ended; its file stays.",
    {204: Answer("Done.")},
    (*_NO_JOB, "task-active"),
)
_PLACE = Operation(
    "placeJob",
    "Ask where a kernel with another disk is to send its file, or say that it has.",
    {200: Answer("Where.", Body("Placed"))},
    (*_NO_JOB, *_NO_PLACE),
    "kernel",
    body=Body("Place"),
)
_LET_COUNT = Operation(
    "letCount",
    "Return what workers count for a job with, who do not share the kernel's disk.",
    {200: Answer("It, also of a job that is still to be told of.", Body("Counting"))},
    ("malformed",),
    whom="kernel",
)
_COUNT = Operation(
    "countForJob",
    "Say how many steps a worker has done in all, also of a job that is still to be told of. One "
    "that is lost or repeated does no harm.",
    {204: Answer("Taken; the kernel hears it with the next reply.")},
    ("malformed", "task-ended", "too-many-workers"),
    "counter",
    body=Body("Count"),
)
_READ_LIMITS = Operation("readLimits", "Return the limits.", {200: Answer("They.", Body("Limits"))})
_SET_LIMITS = Operation(
    "setLimits",
    "Set those limits that are given.",
    {200: Answer("All of them.", Body("Limits"))},
    ("malformed",),
    body=Body(_SOME_LIMITS),
)
_LIST_TRANSFERS = Operation(
    "listTransfers",
    "Return how far the user's own files are, the newest first.",
    {200: Answer("The records.", Body(list_of("Transfer")))},
)
_READ_TRANSFER = Operation(
    "readTransfer",
    "Return how far one file is.",
    {200: Answer("The record.", Body("Transfer"))},
    ("transfer-not-found",),
)
_OPENAPI = Operation("readOpenapi", "Return this document.", {200: Answer("It.", _DOCUMENT)})
_ASYNCAPI = Operation(
    "readAsyncapi", "Return the document of the live channel.", {200: Answer("It.", _DOCUMENT)}
)
_HEALTH = Operation(
    "readHealth",
    "Return what is well and what is not.",
    {200: Answer("It, also where something is not well.", Body(_HEALTHY))},
)
_OPEN = Operation(
    "openChannel",
    "Open the live channel, which api/asyncapi.json describes.",
    {101: Answer("The WebSocket is open.")},
    ("subprotocol-required", "upgrade-required", "too-many-connections", "malformed"),
)

JOBS: Final = Chapter(
    {
        "/api/jobs": {"get": _LIST, "post": _ORDER, "delete": _CLEAR},
        "/api/changes": {"get": _CHANGES},
        "/api/jobs/{taskId}": {"get": _READ, "put": _REPORT, "post": _STEER, "delete": _FORGET},
        "/api/jobs/{taskId}/place": {"put": _PLACE},
        "/api/jobs/{taskId}/counts": {"post": _LET_COUNT},
        "/api/jobs/{taskId}/counts/{worker}": {"put": _COUNT},
        "/api/health": {"get": _HEALTH},
        "/api/limits": {"get": _READ_LIMITS, "put": _SET_LIMITS},
        "/api/transfers": {"get": _LIST_TRANSFERS},
        "/api/transfers/{fileId}": {"get": _READ_TRANSFER},
        "/api/openapi.json": {"get": _OPENAPI},
        "/api/asyncapi.json": {"get": _ASYNCAPI},
        "/ws": {"get": _OPEN},
    },
    _TABLES,
)

"""The addresses of conversions."""

from __future__ import annotations

from typing import Final

from jupyter_server_ext.schemas.operations import Answer, Body, Chapter, Operation
from progresswidget.protocol import CONVERSION_FIELDS

_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
_OPTION: Final = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "kinds": _TEXTS | {"description": "bool, int, float or str."},
        "optional": {"type": "boolean", "description": "Whether it may be null."},
        "default": {},
        "choices": _TEXTS | {"description": "The values it may have; empty: any."},
        "about": {"type": "string"},
    },
    "required": ["name", "kinds", "optional", "default", "choices", "about"],
}
_FORMAT: Final = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "endings": _TEXTS,
        "packable": {"type": "boolean", "description": "Whether one of packings may follow."},
        "missing": {
            "type": ["string", "null"],
            "description": "The extra of progresswidget that is not installed.",
        },
        "options": {"type": "array", "items": _OPTION},
    },
    "required": ["name", "endings", "packable", "missing", "options"],
}
_OFFERS: Final = {
    "type": "object",
    "properties": {
        "allowed": {"type": "boolean", "description": "Whether files are converted here at all."},
        "engine": {"type": "boolean", "description": "Whether there is an engine that can."},
        "formats": {"type": "array", "items": _FORMAT},
        "packings": _TEXTS,
    },
    "required": ["allowed", "engine", "formats", "packings"],
}

_RECORD: Final = Body("Record")
_PLACES: Final = (
    *("not-found", "hidden", "outside-roots", "not-a-file", "not-readable", "not-writable"),
    *("name-refused", "not-readable-data", "target-exists", "malformed"),
)
_ROOM: Final = ("conversions-off", "too-many-conversions", "too-many-jobs")

_OFFER = Operation(
    "listFormats",
    "Return the formats that files can be converted to, with what is installed.",
    {200: Answer("They.", Body(_OFFERS))},
)
_CONVERT = Operation(
    "convertFile",
    "Write a file below the root as another format, by a process of its own when it is its turn.",
    {201: Answer("The job; the same key gets the same one.", _RECORD, ("Location",))},
    (*_PLACES, *_ROOM, "key-reused", "key-busy", "made-gone", "task-not-found"),
    takes=("Idempotency-Key",),
    body=Body("Conversion"),
)
_AGAIN = Operation(
    "convertAgain",
    "Run a conversion again that has ended: as the next generation of the same job, which goes on "
    "where the one before stopped, if the format allows it.",
    {201: Answer("The job.", _RECORD, ("Location",))},
    (*_PLACES, *_ROOM, "task-not-found", "task-active", "not-a-conversion"),
)

CONVERSIONS: Final = Chapter(
    {
        "/api/conversions": {"get": _OFFER, "post": _CONVERT},
        "/api/conversions/{taskId}": {"post": _AGAIN},
    },
    {"Conversion": CONVERSION_FIELDS},
)

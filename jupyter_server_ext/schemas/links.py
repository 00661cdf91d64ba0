"""The addresses of signed links."""

from __future__ import annotations

from typing import Final

from jupyter_server_ext.schemas.operations import Answer, Body, Chapter, Operation, list_of
from progresswidget.protocol.fields import Field, Fields

_LINK: Final[Fields] = {
    "id": Field("text", "Names the link to its owner, and opens nothing.", 32),
    "taskId": Field("text", "The job whose file it is; empty for a file at a path.", 32),
    "generation": Field("count", "Which run of the export."),
    "userId": Field("text", "Who gave it away."),
    "created": Field("count", "Milliseconds since 1970."),
    "expires": Field("count", "Milliseconds since 1970."),
    "path": Field("text", "The file below the server's root, if no job made it.", missing=None),
    "tag": Field("text", "What that file was when the link was made.", missing=None),
}
_TABLES: Final[dict[str, Fields]] = {
    "Link": _LINK,
    "NewLink": {**_LINK, "url": Field("text", "Absolute path that opens the file.")},
    "PathLinks": {
        "longest": Field("number", "Seconds for which a link may be open."),
        "links": Field("list", "The open ones.", item=Field("object", "One.", fields=_LINK)),
    },
    "LinkOrder": {
        "expires": Field("number", "Seconds for which it is open.", least=0.001, missing=3600)
    },
}

_CLOSED: Final = {204: Answer("They are closed.")}
_MADE: Final = {201: Answer("The link; the same key gets the same one.", Body("NewLink"))}
_KEY: Final = ("Idempotency-Key",)
_WANTED: Final = Body("LinkOrder", needed=False)
_NO_JOB: Final = ("task-not-found",)
_REFUSED: Final = ("malformed", "key-reused", "key-busy", "made-gone", "too-many-links")
_NO_FILE: Final = ("not-found", "hidden", "outside-roots", "not-a-file", "not-readable")
_LIST_OF_JOB = Operation(
    "listJobLinks",
    "Return the open links to a job's file, the newest first.",
    {200: Answer("The links, without what opens them.", Body(list_of("Link")))},
    _NO_JOB,
    "both",
)
_MAKE_FOR_JOB = Operation(
    "makeJobLink",
    "Make a link that opens a job's file for whoever holds it.",
    _MADE,
    (*_REFUSED, *_NO_JOB),
    "both",
    _KEY,
    _WANTED,
)
_CLOSE_OF_JOB = Operation(
    "closeJobLinks", "Close all links to a job's file.", _CLOSED, _NO_JOB, "both"
)
_CLOSE_ONE_OF_JOB = Operation(
    "closeJobLink",
    "Close one link to a job's file.",
    _CLOSED,
    (*_NO_JOB, "link-not-found"),
    "both",
)
_LIST = Operation(
    "listLinks",
    "Return the open links to a file below the server's root.",
    {200: Answer("The links, without what opens them.", Body("PathLinks"))},
)
_MAKE = Operation(
    "makeLink",
    "Make a link to a file as it is now.",
    _MADE,
    (*_REFUSED, *_NO_FILE),
    takes=_KEY,
    body=_WANTED,
)
_CLOSE = Operation(
    "closeLinks", "Close all links to a file, or one.", _CLOSED, ("link-not-found",), takes=("id",)
)

LINKS: Final = Chapter(
    {
        "/api/jobs/{taskId}/links": {
            "get": _LIST_OF_JOB,
            "post": _MAKE_FOR_JOB,
            "delete": _CLOSE_OF_JOB,
        },
        "/api/jobs/{taskId}/links/{linkId}": {"delete": _CLOSE_ONE_OF_JOB},
        "/api/links/{path}": {"get": _LIST, "post": _MAKE, "delete": _CLOSE},
    },
    _TABLES,
)

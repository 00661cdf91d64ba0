"""The words of the wire: media types, headers, states, and how a connection is closed."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

SUBPROTOCOL: Final = "v1.progress"
JOB_MIMETYPE: Final = "application/vnd.progresswidget.job+json"
RECEIPT_MIMETYPE: Final = "application/vnd.progresswidget.receipt+json"
PROGRESS_MIMETYPE: Final = "application/vnd.progresswidget.progress+json"
"""Of a bar that is no job's: only its kernel knows it."""
ENDPOINT_VARIABLE: Final = "PROGRESSWIDGET_ENDPOINT_FILE"
"""The environment variable with the path of the endpoint file; never the secret itself."""
KERNEL_URL_VARIABLE: Final = "KERNEL_PROGRESSWIDGET_URL"
KERNEL_SECRET_VARIABLE: Final = "KERNEL_PROGRESSWIDGET_SECRET"  # noqa: S105 - a name
"""Where a kernel behind a gateway finds what the file says: a gateway passes on nothing but
variables whose name begins with ``KERNEL_``. Set only on a server that has one."""
AUTHORIZATION_SCHEME: Final = "Kernel"
"""Scheme of the ``Authorization`` header with which a kernel reports (RFC 9110 section 11.6.2)."""
JOB_SCHEME: Final = "Job"
"""The scheme of who may report to one job, or count for it, with a capability for that alone."""

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
STEP_STATUSES: Final = frozenset(
    {"queued", "running", "done", "failed", "cancelled", "interrupted", "undoing", "undone"}
)
ACTIONS: Final[frozenset[str]] = frozenset({"pause", "resume", "cancel"})
PHASES: Final[frozenset[str]] = frozenset(
    {
        *("starting", "hashing", "reading", "writing", "compressing", "finishing"),
        *("connecting", "waiting", "receiving", "sending", "verifying"),
    }
)

CLOSE_RESTART: Final = 4001
CLOSE_SLOW: Final = 4008
CLOSE_SILENT: Final = 4012
CLOSE_MALFORMED: Final = 4500
CLOSE_LOGIN: Final = 4501
CLOSE_FORBIDDEN: Final = 4503
CLOSE_VERSION: Final = 4506
"""4000 to 4499: come back later; 4500 to 4999: do not."""

CLOSE_CODES: Final[dict[int, str]] = {
    CLOSE_RESTART: "The server is ending, and another may follow.",
    CLOSE_SLOW: "The peer does not take what it is told.",
    CLOSE_SILENT: "Nothing was heard of the peer for too long.",
    CLOSE_MALFORMED: "The peer sent what is no message.",
    CLOSE_LOGIN: "The login has expired.",
    CLOSE_FORBIDDEN: "The user may not be here any more.",
    CLOSE_VERSION: "The peer speaks another version of the protocol.",
}

"""What lets somebody report to one job, or only count for it, and do nothing else. Pure.

It is derived from the server's lasting key and not kept: who asks again with the same
`Idempotency-Key` is given the same one, it outlives a restart, and servers that share their state
share the key. It means nothing once the job is forgotten, or has begun another run.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from progresswidget.protocol import Json

Deed: TypeAlias = Literal["report", "count"]

_PURPOSES: Final[dict[Deed, bytes]] = {
    "report": b"progresswidget report\0",
    "count": b"progresswidget count\0",
}
"""Keeps these apart from each other, and from everything else that is made with the same key."""
_BOUND: Final = (
    *("name", "path", "mediaType", "kind", "generation"),
    *("kernelId", "cellId", "parent"),
)
"""What of a job its reporter cannot change."""


def capability(key: bytes, task_id: str, deed: Deed) -> str:
    """Return what lets do this for a job.

    Parameters
    ----------
    key
        Random bytes that only servers know.
    """
    return hmac.digest(key, _PURPOSES[deed] + task_id.encode(), hashlib.sha256).hex()


def opens(key: bytes, task_id: str, deed: Deed, shown: str) -> bool:
    """Say whether that was shown, in a time that does not tell how near it was."""
    expected = capability(key, task_id, deed).encode()
    return hmac.compare_digest(expected, shown.encode(errors="replace"))


def require_own(known: Json, report: Json) -> None:
    """Check that a report is about the job that was ordered.

    Parameters
    ----------
    known
        The report that the job has.

    Raises
    ------
    ApiError
        ``capability-exceeded``.
    """
    other = [name for name in _BOUND if report[name] != known[name]]
    if other:
        raise ApiError("capability-exceeded", f"{', '.join(other)} must be as in the order.")

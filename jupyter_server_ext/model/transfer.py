"""What is known of one transfer: the record that stores keep and users are told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from jupyter_server_ext.model.spans import Spans, merged, prefix, total

if TYPE_CHECKING:
    from progresswidget.protocol import Json

Direction: TypeAlias = Literal["download", "upload"]

TOKEN_USER: Final = "token"  # noqa: S105 - a name, no secret
"""Whoever holds the server's token or password, where that is all that is known of a person."""


def may_see(viewer: str, owner: str) -> bool:
    """Say whether a user is told of a transfer; the token's holders are the server's own people."""
    return owner in {viewer, TOKEN_USER}


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one file on its way to or from one user.

    Parameters
    ----------
    version
        Tells the file's content from another one's under the same id.
    size
        Bytes of the whole file, None where nobody knows yet.
    timestamp
        When it was last known to move, in milliseconds since 1970.
    spans
        What has moved.
    ended
        Whether the last connection came to its end: all that is known without a size.
    moving
        Whether a connection was at it when this was written.
    """

    user: str
    file_id: str
    version: str
    name: str
    size: int | None
    direction: Direction
    task_id: str | None
    timestamp: int
    spans: Spans = ()
    ended: bool = False
    moving: bool = False

    @property
    def key(self) -> str:
        """What the record is kept under."""
        return json.dumps([self.user, self.file_id])

    @property
    def updated(self) -> int:
        """Milliseconds since 1970."""
        return self.timestamp

    @property
    def complete(self) -> bool:
        """Whether every byte has moved."""
        return self.ended if self.size is None else prefix(self.spans) == self.size

    def public(self, *, active: bool) -> Json:
        """Return what the user is told."""
        return {
            "userId": self.user,
            "fileId": self.file_id,
            "offset": prefix(self.spans),
            "timestamp": self.timestamp,
            "received": total(self.spans),
            "size": self.size,
            "name": self.name,
            "direction": self.direction,
            "taskId": self.task_id,
            "active": active,
            "complete": self.complete,
        }

    def to_json(self) -> Json:
        """Return the form that stores keep."""
        return {
            "user": self.user,
            "fileId": self.file_id,
            "version": self.version,
            "name": self.name,
            "size": self.size,
            "direction": self.direction,
            "taskId": self.task_id,
            "timestamp": self.timestamp,
            "spans": self.spans,
            "ended": self.ended,
            "moving": self.moving,
        }

    @classmethod
    def from_json(cls, value: Json) -> Record:
        """Read what `to_json` wrote."""
        return cls(
            user=value["user"],
            file_id=value["fileId"],
            version=value["version"],
            name=value["name"],
            size=value["size"],
            direction=cast("Direction", value["direction"]),
            task_id=value["taskId"],
            timestamp=value["timestamp"],
            spans=merged((first, end) for first, end in value["spans"]),
            ended=value["ended"],
            moving=value.get("moving", False),
        )

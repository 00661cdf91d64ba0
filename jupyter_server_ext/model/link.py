"""What a signed link stands for: the record that stores keep and its owner is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from progresswidget.protocol import Json


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for.

    Parameters
    ----------
    id
        The nonce in hexadecimal: names the link to its owner, and opens nothing without the key.
    task_id, generation
        The one file of a job; none where `path` is.
    user
        Who gave it away: its traffic counts as that user's.
    created, expires
        Milliseconds since 1970.
    path
        A file below the server's root, where no job made it.
    tag
        What that file was when the link was made: what it becomes later is another file.
    """

    id: str
    task_id: str
    generation: int
    user: str
    created: int
    expires: int
    path: str = ""
    tag: str = ""

    @property
    def key(self) -> str:
        """What stores keep the link under."""
        return self.id

    @property
    def updated(self) -> int:
        """When it was made."""
        return self.created

    def to_json(self) -> Json:
        """Return the form that stores keep, and that its owner sees."""
        what = {"path": self.path, "tag": self.tag} if self.path else {}
        return {
            "id": self.id,
            "taskId": self.task_id,
            "generation": self.generation,
            "userId": self.user,
            "created": self.created,
            "expires": self.expires,
            **what,
        }

    @classmethod
    def from_json(cls, value: Json) -> Link:
        """Read what `to_json` wrote."""
        return cls(
            id=value["id"],
            task_id=value["taskId"],
            generation=value["generation"],
            user=value["userId"],
            created=value["created"],
            expires=value["expires"],
            path=value.get("path", ""),
            tag=value.get("tag", ""),
        )

"""What is known of an upload beyond the life of a server process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from jupyter_server_ext.uploads.tusheaders import Creation

if TYPE_CHECKING:
    from progresswidget.protocol import Json

State: TypeAlias = Literal["receiving", "publishing", "done"]


@dataclass(frozen=True, slots=True)
class Upload:
    """What outlives the server's process.

    Parameters
    ----------
    id
        32 hexadecimal digits, made by the server.
    owner
        Who created it; nobody else sees it.
    creation
        What was asked for; `name` is always set.
    length
        Bytes of the whole file, or None where it is not told yet.
    created, expires
        Milliseconds since 1970.
    key, request
        The `Idempotency-Key` of the creation, and a digest of what was asked for with it.
    verified
        Where checksums are used: the offset up to which they held. Bytes beyond are not trusted.
    state
        ``publishing`` from the moment that the target may be there.
    sha256
        The digest of the whole file, from ``publishing`` on.
    inode, mtime_ns
        Device, inode and modification time of the file that is published.
    claimed
        When its name was about to be claimed with an empty file, in seconds since 1970, where the
        file system knows no better way.
    """

    id: str
    owner: str
    creation: Creation
    length: int | None
    created: int
    expires: int
    key: str | None = None
    request: str = ""
    verified: int | None = None
    state: State = "receiving"
    sha256: str | None = None
    inode: tuple[int, int] | None = None
    mtime_ns: int | None = None
    claimed: float | None = None

    @property
    def name(self) -> str:
        """The name of the target."""
        return self.creation.name or f"upload-{self.id}"

    @property
    def path(self) -> str:
        """The path of the target below the server's root."""
        return "/".join((*self.creation.folder, self.name))

    @property
    def staged(self) -> str:
        """The name of the file that holds the bytes until all are there."""
        return f".progresswidget-{self.id}.upload"

    def to_json(self) -> Json:
        """Return the form that the sidecar keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Upload:
        """Read what `to_json` wrote."""
        creation = value["creation"]
        creation = Creation(**(creation | {"folder": tuple(creation["folder"])}))
        inode = value["inode"]
        return cls(
            **(value | {"creation": creation, "inode": None if inode is None else tuple(inode)})
        )

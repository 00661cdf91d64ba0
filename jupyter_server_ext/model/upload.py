"""What is known of an upload: the record that stores keep beyond the life of a server process."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from progresswidget.protocol import Json

State: TypeAlias = Literal["receiving", "publishing", "done"]

_ID: Final = re.compile(r"[0-9a-f]{32}")


def is_upload_id(text: str) -> bool:
    """Say whether `text` may be the id of an upload: 128 bits as 32 hexadecimal digits."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Creation:
    """What a client wants to upload.

    Parameters
    ----------
    length
        Bytes of the whole file, or None where it will be told later.
    folder
        The folders below the server's root, outermost first.
    name
        The file's name, or None where the client gave none.
    media_type
        As the client calls it, or an empty text.
    sha256
        What the whole file's digest must be, 64 hexadecimal digits, or None.
    overwrite
        Whether a file of this name may be replaced.
    task_id
        The job that the upload belongs to, or None.
    metadata
        The header as it came, to be given back by HEAD.
    """

    length: int | None
    folder: tuple[str, ...]
    name: str | None
    media_type: str
    sha256: str | None
    overwrite: bool
    task_id: str | None
    metadata: str


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload. How many bytes are there the size of its file says, and nothing else.

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
    updated
        When the record last changed, in milliseconds since 1970: of two records of one upload the
        later one is true.
    idempotency_key, request
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
    updated: int = 0
    idempotency_key: str | None = None
    request: str = ""
    verified: int | None = None
    state: State = "receiving"
    sha256: str | None = None
    inode: tuple[int, int] | None = None
    mtime_ns: int | None = None
    claimed: float | None = None

    @property
    def key(self) -> str:
        """What stores keep the upload under."""
        return self.id

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
        """Return the form that stores keep."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Json) -> Upload:
        """Read what `to_json` wrote, if it names nothing outside of the folders that it is for.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is nothing that a server writes.
        """
        creation = value["creation"]
        creation = Creation(**(creation | {"folder": tuple(creation["folder"])}))
        inode = value["inode"]
        upload = cls(
            **(value | {"creation": creation, "inode": None if inode is None else tuple(inode)})
        )
        names = (*creation.folder, upload.name)
        if not is_upload_id(upload.id) or any(
            name in {"", ".", ".."} or "/" in name or "\0" in name for name in names
        ):
            raise ValueError("names no place of an upload")
        return upload

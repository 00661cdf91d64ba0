"""What a report says of files: how the server knows them again."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from progresswidget.protocol.decoding import SHA256, MalformedError, check_field, json_object
from progresswidget.protocol.limits import MAX_COUNT, MAX_NAME, MAX_PATH

if TYPE_CHECKING:
    from progresswidget.protocol.words import Json

_PART_NAME = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part", re.DOTALL)


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


def is_part_name(part: str, name: str) -> bool:
    """Say whether a file of the name `part` may be the beginning of one that will be `name`.

    It is ``.<name>.<8 hexadecimal digits>.part``, with a digest in the place of a name that leaves
    no room for the rest.
    """
    found = _PART_NAME.fullmatch(part)
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:32]
    return found is not None and found[1] in {name, digest}


def decode_fingerprint(value: object) -> Json | None:
    """Read the `Fingerprint` in a report, which may be missing."""
    if value is None:
        return None
    return _decode_digits("fingerprint", value, ("device", "inode", "size", "mtimeNs", "ctimeNs"))


def decode_part(value: object, name: str) -> Json | None:
    """Read the `Part` in a report of a file that will be `name`; it may be missing."""
    if value is None:
        return None
    numbers = _decode_digits("part", value, ("device", "inode", "size"))
    return {"name": _decode_part_name("part", value, name), **numbers}


def decode_probe(value: object, name: str) -> Json | None:
    """Read the `Probe` in a report of a file that will be `name`; it may be missing."""
    if value is None:
        return None
    digest = value.get("sha256") if isinstance(value, dict) else None
    if not isinstance(digest, str) or SHA256.fullmatch(digest) is None:
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
    value = json_object(body)
    fields: Json = {name: value.get(name) for name in ("relative", "path", "sha256", "size")}
    check_field("relative", fields["relative"], "text", nullable=False, limit=MAX_PATH)
    check_field("path", fields["path"], "text", nullable=True, limit=MAX_PATH)
    check_field("sha256", fields["sha256"], "text", nullable=True, limit=64)
    check_field("size", fields["size"], "count", nullable=True, limit=MAX_COUNT)
    if fields["sha256"] is not None and SHA256.fullmatch(fields["sha256"]) is None:
        raise MalformedError("malformed", "sha256 must be 64 lower-case hexadecimal digits")
    return Place(**fields)

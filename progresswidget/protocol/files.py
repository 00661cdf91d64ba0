"""What a report says of files: how the server knows them again."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from progresswidget.protocol.decoding import MalformedError, json_object
from progresswidget.protocol.fields import Field, Fields, read
from progresswidget.protocol.limits import MAX_NAME, MAX_PATH

if TYPE_CHECKING:
    from progresswidget.protocol.words import Json

_DIGITS: Final = "[0-9]{1,20}"
"""Numbers of the file system may exceed 2**53, so they travel as text."""
SHA256: Final = "[0-9a-f]{64}"
XXH_128: Final = "[0-9a-f]{32}"
SHA_256: Final = "sha-256"
XXH128: Final = "xxh128"
"""XXH3 with 128 bits (https://xxhash.com), in its canonical form, which is big-endian."""
# The server opens a hidden file by this name: it must be one of ours, and in no other folder.
_PART: Final = r"\.[^\x00/\\]+\.[0-9a-f]{8}\.part"


def _digits(about: str) -> Field:
    return Field("text", about, 20, pattern=_DIGITS)


def _part_name(what: str) -> Field:
    about = f"Name of {what}, in the folder of the final file: .<its name>.<8 hex digits>.part."
    return Field("text", about, MAX_NAME, pattern=_PART)


def sha256_field(about: str, *, nullable: bool = True) -> Field:
    """Return the row of a digest."""
    return Field("text", f"{about}, 64 hexadecimal digits.", 64, nullable=nullable, pattern=SHA256)


FINGERPRINT_FIELDS: Final[Fields] = {
    "device": _digits("Number of the device, as os.stat has it."),
    "inode": _digits("Number of the inode."),
    "size": _digits("Bytes."),
    "mtimeNs": _digits("Last change of the content, in nanoseconds since 1970."),
    "ctimeNs": _digits("Last change of the inode, in nanoseconds since 1970."),
}
PART_FIELDS: Final[Fields] = {
    "name": _part_name("the file that is being written"),
    "device": _digits("Number of the device, as os.stat has it."),
    "inode": _digits("Number of the inode."),
    "size": _digits("Bytes from the first on that this run will not change any more."),
    "digest": Field(
        "text",
        "By what whoever reads along knows the file: xxh128 is in `written`, which then comes.",
        16,
        missing=SHA_256,
        words=frozenset({SHA_256, XXH128}),
    ),
}
WRITTEN_FIELDS: Final[Fields] = {
    **FINGERPRINT_FIELDS,
    "xxh128": Field(
        "text",
        "XXH3 with 128 bits of what was written, 32 hexadecimal digits.",
        32,
        pattern=XXH_128,
    ),
}
PROBE_FIELDS: Final[Fields] = {
    "name": _part_name("a file that the kernel made"),
    "sha256": sha256_field("Digest of what is in it", nullable=False),
}
PLACE_FIELDS: Final[Fields] = {
    "relative": Field(
        "text", "Path as seen from the kernel's working directory, with slashes.", MAX_PATH
    ),
    "path": Field(
        "text",
        "Path below the server's root, once the server has named it.",
        MAX_PATH,
        nullable=True,
        missing=None,
    ),
    "sha256": Field(
        "text",
        "Digest of what must be there, 64 hexadecimal digits; null asks for the place only.",
        64,
        nullable=True,
        missing=None,
        pattern=SHA256,
    ),
    "size": Field("count", "Bytes that must be there.", nullable=True, missing=None),
}


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
    digest
        By what whoever reads along knows the file in the end, `SHA_256` or `XXH128`.
    """

    name: str
    device: int
    inode: int
    size: int
    digest: str = SHA_256

    @classmethod
    def from_json(cls, value: Json) -> Part:
        """Read the wire form."""
        return cls(
            str(value["name"]),
            int(value["device"]),
            int(value["inode"]),
            int(value["size"]),
            str(value.get("digest", SHA_256)),  # a store may hold reports of older kernels
        )

    def to_json(self) -> Json:
        """Return the wire form."""
        return {
            "name": self.name,
            "device": str(self.device),
            "inode": str(self.inode),
            "size": str(self.size),
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole and has its name, also before its SHA-256 is known.

    Parameters
    ----------
    fingerprint
        What `os.stat` says of it.
    xxh128
        The digest of what was written.
    """

    fingerprint: Fingerprint
    xxh128: str

    @classmethod
    def from_json(cls, value: Json) -> Written:
        """Read the wire form."""
        return cls(Fingerprint.from_json(value), str(value["xxh128"]))

    def to_json(self) -> Json:
        """Return the wire form."""
        return {**self.fingerprint.to_json(), "xxh128": self.xxh128}


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


_PART_NAME = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part", re.DOTALL)
_JOURNAL_NAME = re.compile(r"\.(.+)\.journal", re.DOTALL)
_DELIVERY_NAME = re.compile(r"\.(.+)\.[0-9a-f]{8}\.delivery", re.DOTALL)
LEDGER: Final = "ledger"
"""The file in the folder of a delivery that tells what was done of it."""
COMPANIONS: Final = ("-journal", "-wal", "-shm", ".wal", ".new", ".tmp")
"""What follows the name of a part in the names of what a database engine puts next to it."""
PLAIN: Final = "plain"
"""The file in a folder that is a part: what a library writes before it is encrypted. It is locked
meanwhile, and the names of all else in the folder begin with it."""


def is_part_name(part: str, name: str) -> bool:
    """Say whether a file of the name `part` may be the beginning of one that will be `name`.

    It is ``.<name>.<8 hexadecimal digits>.part``, with a digest in the place of a name that leaves
    no room for the rest.
    """
    found = _PART_NAME.fullmatch(part)
    return found is not None and found[1] in stems_of(name)


def stems_of(name: str) -> frozenset[str]:
    """Return what the names of a part and a journal begin with, of a file that will be `name`."""
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:32]
    return frozenset({name, digest})


def journal_of(journal: str) -> str | None:
    """Return what the name of a journal, ``.<name>.journal``, begins with; None if it is none.

    That is the name of the file that is exported, or its digest, as in the name of a part.
    """
    found = _JOURNAL_NAME.fullmatch(journal)
    return None if found is None else found[1]


def part_of(part: str) -> str | None:
    """Return what the name of a part begins with, as `journal_of`; None if it is none."""
    found = _PART_NAME.fullmatch(part)
    return None if found is None else found[1]


def is_delivery_name(name: str) -> bool:
    """Say whether a folder of this name may hold a delivery that is under way.

    It is ``.<name>.<8 hexadecimal digits>.delivery``, and `LEDGER` in it is locked meanwhile.
    """
    return _DELIVERY_NAME.fullmatch(name) is not None


def require_part_name(what: str, value: Json | None, name: str) -> None:
    """Check that a part or a probe belongs to a file that will be `name`.

    Raises
    ------
    MalformedError
        If it does not.
    """
    if value is not None and not is_part_name(value["name"], name):
        raise MalformedError(
            "malformed", f"{what}.name must be .<name>.<8 hexadecimal digits>.part"
        )


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
    return Place(**read(PLACE_FIELDS, json_object(body)))

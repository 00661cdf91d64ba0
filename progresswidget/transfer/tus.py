"""The client's part of tus 1.0.0: what to say and how to understand the answers. Pure.

Source: the tus resumable upload protocol with its extensions creation, creation-defer-length,
checksum and termination (https://tus.io/protocols/resumable-upload). The server's part is
`jupyter_server_ext.uploads.tus`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal

from progresswidget.transfer.retry import TRANSIENT, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "1.0.0"
CONTENT_TYPE: Final = "application/offset+octet-stream"
CHECKSUM_MISMATCH: Final = 460
"""tus' own status."""
CHECKSUMS: Final = ("xxh128", "sha256", "sha1")
"""Algorithms of a chunk's checksum, the best first; sha1 is the one that every server has.

The first is our server's own. What is taken for each chunk only has to find what happened on the
way, and SHA-256 for that would be slower than the network; the whole has its SHA-256 besides.
"""
LEAST: Final = 64 * 2**10
FIRST: Final = 8 * 2**20
MOST: Final = 64 * 2**20
"""Bounds of the bytes of one request, and where to begin."""
BRISK: Final = 0.5
"""Seconds of a request below which the next may be larger."""
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_AGAIN: Final = TRANSIENT | {HTTPStatus.CONFLICT, HTTPStatus.LOCKED, CHECKSUM_MISMATCH}
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means.

    Parameters
    ----------
    kind
        ``taken``; ``gone``, when there is no such upload; ``smaller``, when the body was too large;
        ``again``, when it may succeed later, from the offset that the server has then; or
        ``refused``.
    offset
        Where the upload is, if the answer tells.
    wait
        Seconds to wait before the next try, if the answer tells.
    """

    kind: Literal["taken", "gone", "smaller", "again", "refused"]
    offset: int | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server says that it can do.

    Parameters
    ----------
    creation
        Whether uploads can be made.
    termination
        Whether they can be ended.
    checksum
        The algorithm for checksums of chunks, or an empty text.
    max_size
        Bytes that a file may have, or None.
    """

    creation: bool
    termination: bool
    checksum: str
    max_size: int | None


def abilities(headers: Mapping[str, str]) -> Abilities | None:
    """Return what the answer to OPTIONS tells, or None if this is no tus server of our version."""
    versions = _words(headers.get("Tus-Version", headers.get("Tus-Resumable", "")))
    if VERSION not in versions:
        return None
    extensions = _words(headers.get("Tus-Extension", ""))
    offered = _words(headers.get("Tus-Checksum-Algorithm", ""))
    known = [name for name in CHECKSUMS if name in offered]
    return Abilities(
        creation="creation" in extensions,
        termination="termination" in extensions,
        checksum=known[0] if known and "checksum" in extensions else "",
        max_size=number(headers, "Tus-Max-Size"),
    )


def metadata(pairs: Mapping[str, str]) -> str:
    """Return the value of ``Upload-Metadata``; empty values are left out."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in pairs.items()}
    return ",".join(f"{key} {value}" for key, value in encoded.items() if value)


def creation(pairs: Mapping[str, str], *, length: int | None, key: str) -> dict[str, str]:
    """Return the headers of a POST.

    Parameters
    ----------
    pairs
        The metadata: names and values, which may hold any text.
    length
        Bytes of the whole file, or None where that will be told later.
    key
        The ``Idempotency-Key``: with the same one our server finds the same upload again.
    """
    headers = {
        "Tus-Resumable": VERSION,
        "Upload-Metadata": metadata(pairs),
        "Idempotency-Key": f'"{key}"',
        "Content-Length": "0",
    }
    if length is None:
        return {**headers, "Upload-Defer-Length": "1"}
    return {**headers, "Upload-Length": str(length)}


def append(
    offset: int, size: int, *, checksum: str = "", length: int | None = None
) -> dict[str, str]:
    """Return the headers of a PATCH.

    Parameters
    ----------
    offset, size
        Where the bytes belong, and how many there are.
    checksum
        What `checksum` returned for them: the server keeps nothing that was damaged on the way.
    length
        Bytes of the whole file, where the creation did not tell.
    """
    headers = {
        "Tus-Resumable": VERSION,
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(size),
        "Upload-Offset": str(offset),
    }
    if checksum:
        headers["Upload-Checksum"] = checksum
    if length is not None:
        headers["Upload-Length"] = str(length)
    return headers


def judge(status: int, headers: Mapping[str, str], now: float = 0.0) -> Verdict:
    """Return what an answer means.

    Parameters
    ----------
    status, headers
        Of the answer.
    now
        Seconds since 1970.
    """
    offset = number(headers, "Upload-Offset")
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Verdict("taken", offset)
    if status in _GONE:
        return Verdict("gone")
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict("smaller", offset)
    if status in _AGAIN:
        return Verdict("again", offset, retry_after(headers.get("Retry-After", ""), now))
    return Verdict("refused", offset)


def hasher(algorithm: str) -> Any:
    """Return what takes the checksum of a chunk, with the methods of hashlib's objects."""
    if algorithm == CHECKSUMS[0]:
        import xxhash

        return xxhash.xxh3_128()
    return hashlib.new(algorithm)


def checksum(algorithm: str, digest: bytes) -> str:
    """Return the value of ``Upload-Checksum``."""
    return f"{algorithm} {base64.b64encode(digest).decode()}"


def number(headers: Mapping[str, str], name: str) -> int | None:
    """Return a field that holds a number of bytes, or None."""
    text = headers.get(name, "").strip()
    return int(text) if _NUMBER.fullmatch(text) else None


class Chunk:
    """How much to send in one request: as much as proxies let through, more where it is quick."""

    def __init__(self, most: int = MOST) -> None:
        self.size, self._most = min(FIRST, most), most

    def took(self, seconds: float) -> None:
        """Adapt to how long a whole one took."""
        if seconds < BRISK:
            self.size = min(2 * self.size, self._most)

    def refused(self, size: int) -> bool:
        """Halve after a 413 for `size` bytes; False if that leads nowhere."""
        if size <= LEAST:
            return False
        self.size = self._most = max(size // 2, LEAST)
        return True


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",") if word.strip()}

"""The client's part of tus 1.0.0: what to say and how to understand the answers. Pure.

Source: the tus resumable upload protocol with its extensions creation, checksum and termination
(https://tus.io/protocols/resumable-upload).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "1.0.0"
CONTENT_TYPE: Final = "application/offset+octet-stream"
CHECKSUMS: Final = ("sha256", "sha1")
"""Algorithms of a chunk's checksum, the best first; sha1 is the one that every server has."""
LEAST: Final = 64 * 2**10
FIRST: Final = 8 * 2**20
MOST: Final = 64 * 2**20
"""Bounds of the bytes of one request, and where to begin."""
BRISK: Final = 0.5
"""Seconds of a request below which the next may be larger."""
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


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


def checksum(algorithm: str, digest: bytes) -> str:
    """Return the value of ``Upload-Checksum``."""
    return f"{algorithm} {base64.b64encode(digest).decode()}"


def number(headers: Mapping[str, str], name: str) -> int | None:
    """Return a field that holds a number of bytes, or None."""
    text = headers.get(name, "").strip()
    return int(text) if _NUMBER.fullmatch(text) else None


class Chunk:
    """How much to send in one request: as much as proxies let through, more where it is quick."""

    def __init__(self) -> None:
        self.size = FIRST
        self._most = MOST

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

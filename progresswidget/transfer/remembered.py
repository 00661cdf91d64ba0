"""Uploads that were begun: where each is on its server, so that another process can go on.

Those that are complete stay, so that the same file is not sent to the same place once more.

One small file for each in the user's cache folder, which nobody else may read: an upload's address
may be all that is needed to add to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

VERSION: Final = 1
DAYS: Final = 30
"""After which an upload is forgotten; servers do so earlier."""
PREFIX: Final = 2**20
"""Bytes at the beginning of the file that are looked at again."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload that was begun.

    Parameters
    ----------
    size, mtime_ns, ctime_ns, prefix
        Of the file as it was: its bytes, its times, and a digest of its beginning.
    sha256
        The digest of the whole file, or an empty text as long as it is not complete there.
    key
        The ``Idempotency-Key`` of its creation.
    location
        The address of the upload, or an empty text as long as the server has not named it.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    prefix: str
    sha256: str = ""
    key: str = ""
    location: str = ""

    def same_file(self, other: Begun) -> bool:
        """Say whether both are of a file in the same state."""
        mine = self.size, self.mtime_ns, self.ctime_ns, self.prefix
        return mine == (other.size, other.mtime_ns, other.ctime_ns, other.prefix)


def look_at(path: Path) -> Begun:
    """Return what a file looks like now, without a digest of the whole."""
    import xxhash

    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        prefix = xxhash.xxh3_128_hexdigest(file.read(PREFIX))
    return Begun(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, prefix)


def recall(path: Path, target: str) -> Begun | None:
    """Return the upload of a file to a target that was begun, if the file is as it was."""
    try:
        fields = json.loads(_place(path, target).read_text(encoding="utf-8"))
        if fields.pop("upload") != VERSION:
            return None
        begun, now = Begun(**fields), look_at(path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return begun if begun.same_file(now) else None


def remember(path: Path, target: str, begun: Begun) -> None:
    """Remember an upload; what cannot be remembered is begun anew the next time."""
    place = _place(path, target)
    new = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(new, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump({"upload": VERSION, **asdict(begun)}, file)
        new.replace(place)
        _prune(place.parent)


def forget(path: Path, target: str) -> None:
    """Forget an upload."""
    with contextlib.suppress(OSError):
        _place(path, target).unlink()


def _place(path: Path, target: str) -> Path:
    from platformdirs import user_cache_path

    folder = user_cache_path("progresswidget", appauthor=False) / "uploads"
    text = f"{os.fspath(path)}\0{target}".encode(errors="surrogateescape")
    return Path(folder) / f"{hashlib.sha256(text).hexdigest()[:32]}.json"


def _prune(folder: Path) -> None:
    oldest = time.time() - DAYS * 86_400
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()

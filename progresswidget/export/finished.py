"""What is remembered of finished exports, so that the same one need not be done twice.

The memory lies in the user's cache folder, one small file for each destination, and not beside the
data: a folder that is shared, synchronised or under version control stays clean. Without it an
export is only done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from progresswidget.export import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from progresswidget.export.behind import Behind
    from progresswidget.export.journal import Record

VERSION: Final = 3
MOST: Final = 500
LEFT: Final = 450
"""Files that are remembered; of more the oldest are forgotten until so many are left."""
MAX_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished export.

    Parameters
    ----------
    key
        As in its journal.
    records
        Its units.
    size
        The bytes of the file.
    sha256
        The digest of the file, or an empty text if nobody waited for it.
    whole
        Whether `records` are all units: of the others the digests were not there yet.
    """

    key: str
    records: Sequence[Record]
    size: int
    sha256: str
    whole: bool = True


_coming: dict[Path, Callable[[], None]] = {}
"""What waits until a file is remembered as a whole, for those whose digests are being taken."""


def remember(path: Path, stat: os.stat_result, finished: Finished) -> None:
    """Remember a finished export; what cannot be remembered is forgotten."""
    fields = {
        "finished": VERSION,
        "path": str(path),
        "key": finished.key,
        "size": finished.size,
        "sha256": finished.sha256,
        "whole": finished.whole,
        "fingerprint": _fingerprint(stat),
        "records": journal.to_json(finished.records),
    }
    place = _place(path)
    new = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            new.write_text(json.dumps(fields), encoding="utf-8")
            new.replace(place)
        except OSError:
            new.unlink(missing_ok=True)  # a full disk would get fuller
            raise
        _prune(place.parent)


def remember_later(
    path: Path,
    stat: os.stat_result,
    finished: Finished,
    behind: Behind,
    complete: Callable[[], bool],
) -> None:
    """Remember a finished export as a whole when the digests of its units are there.

    Parameters
    ----------
    path, stat
        The file.
    finished
        What will be remembered; its records are not all there yet.
    behind
        Who takes the digests.
    complete
        Says whether all records are there.
    """

    def then() -> None:
        if _coming.get(path) == behind.join:  # else there is a newer file already
            if complete():
                remember(path, stat, finished)
            del _coming[path]

    _coming[path] = behind.join
    behind.end(then)


def add_digest(path: Path, stat: os.stat_result, key: str, digest: str) -> None:
    """Remember the digest of a file too, if it is still what is remembered, and lacks one."""
    _wait(path)
    known = _recall(path, stat)
    if known is not None and known.key == key and not known.sha256:
        remember(path, stat, replace(known, sha256=digest))


def recall(path: Path) -> Finished | None:
    """Return what is known of the file that is there now, or None.

    Waits for what this process is about to remember.
    """
    _wait(path)
    try:
        return _recall(path, path.stat(follow_symlinks=False))
    except OSError:
        return None


def is_known(path: Path, stat: os.stat_result) -> bool:
    """Say whether a file, of which `stat` tells, is still the one that is remembered."""
    return _recall(path, stat) is not None


def _recall(path: Path, stat: os.stat_result) -> Finished | None:
    place = _place(path)
    try:
        if place.stat().st_size > MAX_BYTES:
            return None
        fields = json.loads(place.read_text(encoding="utf-8"))
        same = (
            fields["finished"] == VERSION
            and fields["path"] == str(path)
            and fields["fingerprint"] == _fingerprint(stat)
        )
        if not same:
            return None
        records = [journal.Record.from_fields(json.loads(line)) for line in fields["records"]]
        return Finished(
            str(fields["key"]),
            records,
            int(fields["size"]),
            str(fields["sha256"]),
            bool(fields["whole"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def forget(path: Path) -> None:
    """Forget an export."""
    _wait(path)
    with contextlib.suppress(OSError):
        _place(path).unlink()


def _wait(path: Path) -> None:
    wait = _coming.get(path)
    if wait is not None:
        wait()


def _place(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    return _folder() / f"{name}.json"


def _folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("progresswidget", appauthor=False) / "finished"


def _fingerprint(stat: os.stat_result) -> list[int]:
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns]


def _prune(folder: Path) -> None:
    remembered: list[os.DirEntry[str]] = []
    leftovers: list[os.DirEntry[str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            (remembered if entry.name.endswith(".json") else leftovers).append(entry)
    too_many = len(remembered) > MOST
    dead = time.time() - 3_600  # of a process that was killed while it wrote
    # Their times are asked for seldom: of five hundred files that takes longer than a small export.
    by_age = sorted(remembered, key=_age, reverse=True) if too_many else []
    for entry in [*by_age[LEFT:], *(entry for entry in leftovers if _age(entry) < dead)]:
        with contextlib.suppress(OSError):
            Path(entry.path).unlink()


def _age(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0  # gone meanwhile

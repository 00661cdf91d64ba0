"""What a report says of the end of a job and of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from progresswidget import protocol
from progresswidget.errors import ExportCancelledError, ProgressWidgetError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from progresswidget.export.growing import Growing, Whole
    from progresswidget.export.result import Result
    from progresswidget.protocol import Json

_LONGEST: Final = 80
"""Characters of one name or value that are told."""


def apart_from_clock(fields: Json) -> Json:
    """Return a report without what changes while nothing happens."""
    return {name: value for name, value in fields.items() if name not in {"elapsed", "eta", "rate"}}


def describe(error: BaseException | None) -> Json | None:
    """Return what a report says of what ended a job."""
    if error is None or type(error) is ExportCancelledError:
        return None  # somebody wanted it: the status says all
    if isinstance(error, ProgressWidgetError):
        code, message, hint = error.code, error.message, error.hint
    else:
        code, message, hint = "failed", f"{type(error).__name__}: {error}", ""
    texts_ = {"code": code, "message": message, "hint": hint}
    limit = protocol.MAX_TEXT
    # A message may quote the user's data, and that may hold what is no Unicode text.
    return {name: text.encode(errors="replace").decode()[:limit] for name, text in texts_.items()}


def lines(pairs: Iterable[tuple[str, str]]) -> str:
    """Return what a report says of names and values: whole lines, as many as there is room for.

    Parameters
    ----------
    pairs
        Names and values; what would be taken for the end of one is a space in its place.
    """
    room, told = protocol.MAX_DETAIL, []
    for pair in pairs:
        line = "\t".join(" ".join(text.split())[:_LONGEST] for text in pair)
        # A name of a column may hold what is no Unicode text.
        line = line.encode(errors="replace").decode()
        room -= len(line) + 1
        if room < 0:
            break
        told.append(line)
    return "\n".join(told)


def fingerprint(outcome: Result | None) -> Json | None:
    """Return by what the server knows the file again."""
    return None if outcome is None else _fingerprint(outcome.stat).to_json()


def written(whole: Whole | None) -> Json | None:
    """Return by what the server knows that those who read along have the whole file."""
    if whole is None:
        return None
    return protocol.Written(_fingerprint(whole.stat), whole.xxh128).to_json()


def _fingerprint(stat: os.stat_result) -> protocol.Fingerprint:
    return protocol.Fingerprint(
        device=stat.st_dev,
        inode=stat.st_ino,
        size=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        ctime_ns=stat.st_ctime_ns,
    )


def growing(part: Growing | None) -> Json | None:
    """Return what the server needs to read a file along."""
    if part is None:
        return None
    digest = protocol.XXH128 if part.hashed else protocol.SHA_256
    return protocol.Part(part.name, part.device, part.inode, part.size, digest).to_json()

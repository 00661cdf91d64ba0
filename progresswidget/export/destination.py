"""Where a file may go, found out before anything is written, and why the system refused one."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Final

from progresswidget.errors import DestinationError, DestinationExistsError
from progresswidget.export.naming import is_claim

DEFAULT_NAME_MAX: Final = 255
# RFC 3986 section 3.1; a single letter is a drive elsewhere.
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

_HINTS: Final = {
    errno.ENOSPC: "The disk is full: free some space, or choose another folder.",
    errno.EDQUOT: "Your quota is used up: free some space, or choose another folder.",
    errno.EFBIG: "The file would exceed the largest size that is allowed here.",
    errno.EACCES: "You may not write here: choose another folder.",
    errno.EPERM: "You may not write here: choose another folder.",
    errno.EROFS: "This file system is read-only: choose another folder.",
    errno.ENOENT: "Create the folder first.",
    errno.ENOTDIR: "A part of the path is a file and no folder.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ELOOP: "The path leads through symbolic links in a circle.",
}


def explain(error: OSError, path: Path) -> DestinationError:
    """Return the error that tells a user why `path` cannot be written."""
    reason = error.strerror or str(error)
    hint = _HINTS.get(error.errno or 0, "")
    return DestinationError(f"{path} cannot be written: {reason}.", hint)


def locate(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of the file that will be written.

    ``~`` is expanded. A symbolic link is followed, as `open` does: the file it points to will be
    replaced, and the link stays.

    Raises
    ------
    DestinationError
        If it is no path of a file.
    """
    given = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(given, str):
        raise DestinationError(
            f"The path must be text or a pathlib.Path, not {type(given).__name__}.",
            "The frame comes first: export(frame, path).",
        )
    try:
        given.encode()
        os.fsencode(given)
    except UnicodeEncodeError:
        raise DestinationError(
            f"The path {given!r} cannot be encoded.", "Use characters that file names may have."
        ) from None
    if "\0" in given or not given:
        raise DestinationError("The path must not be empty or hold a NUL character.")
    if _ADDRESS.match(given):
        raise DestinationError(
            f"{given} is an address, and no path of a file.",
            "Export to a file, and send that: pw.upload, or pw.deliver, which does both.",
        )
    if given.endswith(("/", os.sep)) or os.path.basename(given) in {".", ".."}:  # noqa: PTH119
        raise DestinationError(f"{given} is a folder.", "Add the name of the file.")
    try:
        expanded = Path(given).expanduser()
    except RuntimeError as error:
        raise DestinationError(f"{given} cannot be expanded: {error}") from error
    absolute = expanded.absolute()
    if ".." in absolute.parts:
        absolute = Path(os.path.realpath(absolute.parent)) / absolute.name
    # `Path.is_symlink` raises for a name that is too long; `check` words that better.
    linked = os.path.islink(absolute)  # noqa: PTH114
    return Path(os.path.realpath(absolute)) if linked else absolute


def check(path: Path, *, overwrite: bool) -> None:
    """Refuse a destination that could not be written in the end.

    Raises
    ------
    DestinationExistsError
        If the file is there and may not be replaced.
    DestinationError
        If there is another reason.
    """
    try:
        number = _folder_problem(path)
        old = None if number else existing(path)
    except OSError as error:
        raise explain(error, path) from error
    if number:
        raise explain(OSError(number, os.strerror(number)), path)
    if old is None:
        return
    if stat.S_ISDIR(old.st_mode):
        raise DestinationError(f"{path} is a folder.", "Add the name of the file.")
    if not stat.S_ISREG(old.st_mode):
        raise DestinationError(f"{path} is no ordinary file, so it cannot be replaced.")
    if is_claim(old):
        return
    if not overwrite:
        raise taken(path)
    # A rename would replace it all the same: only the folder is asked.
    if not os.access(path, os.W_OK):
        raise DestinationError(
            f"{path} is there already and is write-protected.",
            "Choose another name, or allow it to be written to first.",
        )


def _folder_problem(path: Path) -> int:
    """Return the system's number for what is wrong with the folder of `path`, or 0."""
    if not stat.S_ISDIR(path.parent.stat().st_mode):
        return errno.ENOTDIR
    if len(os.fsencode(path.name)) > name_max(path.parent):
        return errno.ENAMETOOLONG
    return 0 if os.access(path.parent, os.W_OK | os.X_OK) else errno.EACCES


def name_max(folder: Path) -> int:
    """Return how many bytes the name of a file may have in a folder."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # not known here, or not POSIX
        return DEFAULT_NAME_MAX


def existing(path: Path) -> os.stat_result | None:
    """Return what the system says of a file, without following a link; None if there is none."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def taken(path: Path) -> DestinationExistsError:
    """Return the error that tells a user that the file is there and may not be replaced."""
    return DestinationExistsError(f"{path} is there already.", "overwrite=True would replace it.")

"""Files that are sent: opened without following a symlink, and checked."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.published import PublishedFile, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from progresswidget.protocol import Fingerprint

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO must not wait for its writer; a regular file is not affected.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_published(
    path: str, expected: Fingerprint, roots: Sequence[str], *, allow_hidden: bool
) -> PublishedFile:
    """Open an exported file for reading; to be called in a thread.

    Parameters
    ----------
    path
        Absolute path, as the kernel reported it: not to be trusted.
    expected
        The fingerprint that the kernel reported with it.
    roots
        Folders below which files may be served.
    allow_hidden
        Whether a component below the root may begin with a dot.

    Raises
    ------
    ApiError
        ``outside-roots``, ``hidden``, ``not-a-file``, ``not-readable`` or ``file-missing``.
    """
    check_place(path, roots, allow_hidden=allow_hidden)
    return open_regular(path, roots, expected)


def check_place(path: str, roots: Sequence[str], *, allow_hidden: bool) -> None:
    """Refuse a path that lies outside the roots, or is hidden where that counts.

    Raises
    ------
    ApiError
        ``outside-roots`` or ``hidden``.
    """
    _, parts = _below(path, roots)
    _require_visible(parts, allow_hidden=allow_hidden)


def open_regular(
    path: str, roots: Sequence[str], expected: Fingerprint | None = None
) -> PublishedFile:
    """Open a file below the roots, hidden or not; without `expected`, as it is now.

    Raises
    ------
    ApiError
        ``outside-roots``, ``not-a-file``, ``not-readable`` or ``file-missing``.
    """
    root, parts = _below(path, roots)
    try:
        descriptor = _open_below(root, parts)
    except OSError as error:
        raise _refusal(error, path) from None
    return _checked(descriptor, expected)


def open_below(root: str, path: str, *, allow_hidden: bool) -> PublishedFile:
    """Open any regular file below `root` as it is now; to be called in a thread.

    Parameters
    ----------
    root
        Absolute path of a folder.
    path
        Relative to it, with slashes: not to be trusted.
    allow_hidden
        Whether a component of it may begin with a dot.

    Raises
    ------
    ApiError
        ``outside-roots``, ``hidden``, ``not-a-file``, ``not-readable`` or ``not-found``.
    """
    parts = path.split("/")
    if "\0" in path or not all(part not in {"", ".", ".."} for part in parts):
        raise ApiError("not-found", "There is no such file.")
    _require_visible(parts, allow_hidden=allow_hidden)
    try:
        descriptor = _open_below(root, parts)
    except OSError as error:
        refusal = _refusal(error, f"{root.rstrip('/')}/{path}")
        if refusal.code == "file-missing":
            raise ApiError("not-found", "There is no such file.") from None
        raise refusal from None
    return _checked(descriptor, None)


def open_folder_below(root: str, path: str, *, allow_hidden: bool) -> int:
    """Open a folder below `root`, or `root` itself; to be called in a thread.

    Parameters
    ----------
    path
        Relative to `root`, with slashes, empty for itself: not to be trusted.
    allow_hidden
        Whether a component of it may begin with a dot.

    Returns
    -------
    A descriptor, to be closed by the caller.

    Raises
    ------
    ApiError
        ``outside-roots``, ``hidden``, ``not-readable`` or ``not-found``.
    """
    parts = path.split("/") if path else []
    if "\0" in path or not all(part not in {"", ".", ".."} for part in parts):
        raise ApiError("not-found", "There is no such folder.")
    _require_visible(parts, allow_hidden=allow_hidden)
    try:
        descriptor = os.open(root, _FOLDER)
        for part in parts:
            above = descriptor
            try:
                descriptor = open_folder(above, part)
            finally:
                os.close(above)
    except OSError as error:
        refusal = _refusal(error, f"{root.rstrip('/')}/{path}")
        if refusal.code == "file-missing":
            raise ApiError("not-found", "There is no such folder.") from None
        raise refusal from None
    return descriptor


def open_folder(above: int, name: str) -> int:
    """Open a folder within an open one, and never through a symlink.

    Raises
    ------
    OSError
        If it is not there, or is no folder.
    """
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)


def _require_visible(parts: list[str], *, allow_hidden: bool) -> None:
    if not allow_hidden and any(part.startswith(".") for part in parts):
        raise ApiError("hidden", "The file or a folder above it is hidden.")


def _checked(descriptor: int, expected: Fingerprint | None) -> PublishedFile:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ApiError("not-a-file", "This is not a regular file.")
    return PublishedFile(descriptor, expected or fingerprint_of(status))


def _below(path: str, roots: Sequence[str]) -> tuple[str, list[str]]:
    for root in roots:
        # Kernels see their working directory with the symlinks above it resolved, or not.
        for name in dict.fromkeys((str(Path(root).absolute()), os.path.realpath(root))):
            prefix = name.rstrip("/") + "/"
            if path.startswith(prefix):
                parts = path.removeprefix(prefix).split("/")
                if all(part not in {"", ".", ".."} for part in parts):
                    return name, parts
    raise ApiError("outside-roots", "The file is not below a folder that this server may serve.")


def _open_below(root: str, parts: list[str]) -> int:
    # One component at a time, each relative to the one before: whoever swaps a folder for a symlink
    # meanwhile gets ELOOP or ENOTDIR, and never leads us outside.
    with _opened(root, _FOLDER, None) as top:
        return _descend(top, parts)


def _descend(folder: int, parts: list[str]) -> int:
    if len(parts) == 1:
        return os.open(parts[0], _FILE, dir_fd=folder)
    with _opened(parts[0], _FOLDER | os.O_NOFOLLOW, folder) as inner:
        return _descend(inner, parts[1:])


@contextmanager
def _opened(name: str, flags: int, folder: int | None) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _refusal(error: OSError, path: str) -> ApiError:
    if error.errno == errno.ENOENT:
        return ApiError("file-missing", "The exported file is no longer there.")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return ApiError("not-readable", "The server may not read the file.")
    if error.errno == errno.ENXIO:  # a socket, or a device without a driver
        return ApiError("not-a-file", "This is not a regular file.")
    # O_DIRECTORY on a symlink says ENOTDIR, and so does a file in the place of a folder.
    if error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and _has_link(path)):
        return ApiError("outside-roots", "A symbolic link leads to the file.")
    return ApiError("file-missing", f"The exported file cannot be opened ({error.strerror}).")


def _has_link(path: str) -> bool:
    # Only for the words of the refusal; nothing is opened by this answer.
    place = Path(path)
    return any(folder.is_symlink() for folder in (place, *place.parents))

"""The folder of an upload's target: what is staged there beside it, and how that gets its name.

Whatever is done is done relative to a folder that is open. To be used in threads.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.naming import take_name
from jupyter_server_ext.uploads.staged import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_server_ext.model.upload import Upload

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: should somebody put a FIFO there, opening it must not wait for a writer.
_STAGED: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = _STAGED | os.O_CREAT | os.O_EXCL
_PERMISSIONS: Final = 0o777


@contextmanager
def open_folder(root: str, upload: Upload) -> Iterator[int]:
    """Open the folder of an upload's target.

    Raises
    ------
    ApiError
        If it cannot be opened, or a link is in the way.
    """
    # One component at a time, each relative to the one before: whoever swaps a folder for a
    # symlink meanwhile gets ELOOP or ENOTDIR, and never leads us outside.
    descriptor = _open_folder(root, _FOLDER, None)
    try:
        for part in upload.creation.folder:
            inner = _open_folder(part, _FOLDER | os.O_NOFOLLOW, descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _open_folder(name: str, flags: int, folder: int | None) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise refusal(error) from error


def make_staged(folder: int, upload: Upload) -> None:
    """Make the empty file that the bytes go to."""
    descriptor = os.open(upload.staged, _NEW, 0o666, dir_fd=folder)
    try:
        # What replaces a private file is private from its first byte on.
        with suppress(FileNotFoundError):
            old = os.stat(upload.name, dir_fd=folder, follow_symlinks=False)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & _PERMISSIONS)
    finally:
        os.close(descriptor)


def open_staged(folder: int, upload: Upload) -> int:
    """Open that file, and return its descriptor.

    Raises
    ------
    ApiError
        ``upload-gone``, if it is not there any more.
    """
    try:
        descriptor = os.open(upload.staged, _STAGED, dir_fd=folder)
    except FileNotFoundError:
        raise ApiError("upload-gone", "The received bytes were removed.") from None
    except OSError as error:
        raise refusal(error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ApiError("upload-gone", "The received bytes were replaced by something else.")
    return descriptor


def require_free(folder: int, upload: Upload) -> None:
    """Refuse a target whose name is taken, but for a file that may be replaced.

    Raises
    ------
    ApiError
        ``target-exists``.
    """
    try:
        status = os.stat(upload.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refusal(error) from error
    # What is replaced is a file: never a folder, and never what a link points to.
    if not upload.creation.overwrite or not stat.S_ISREG(status.st_mode):
        raise ApiError("target-exists", "There is something of this name already.")


def give_name(folder: int, upload: Upload, claiming: Callable[[], None]) -> None:
    """Give the complete file the name of the target, in one step.

    Parameters
    ----------
    claiming
        As for `take_name`.

    Raises
    ------
    ApiError, OSError
        If the name is taken, or the file system refuses.
    """
    if upload.creation.overwrite:
        require_free(folder, upload)
        os.rename(upload.staged, upload.name, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        take_name(folder, upload.staged, upload.name, claiming)


def inode_of(folder: int, name: str) -> tuple[int, int] | None:
    """Return device and inode of what has a name, None where nothing has it."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return status.st_dev, status.st_ino

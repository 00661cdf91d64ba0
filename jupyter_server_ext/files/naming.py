"""Giving a file a name that nobody has, in one step, on whatever file system. Called in threads.

A rename replaces what has the name. A second name by a hard link does not; and where there are no
hard links, Linux renames without replacing (renameat2(2)). Where there is neither, as on some
network file systems, the name is claimed with an empty file first, and that is then replaced:
should the process die in between, `is_claim` tells it from what somebody else has put there.

Kernels do so by `progresswidget.export.naming`, of which the server may import nothing: there paths
are its user's own, and here each is a name in an open folder.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_NO_FLAGS: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_NOREPLACE: Final = 1
"""RENAME_NOREPLACE of renameat2(2)."""
_CLAIM: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOMENT: Final = 60.0
"""Seconds from the word that a name will be claimed to the claim, by two clocks that may differ."""


def take_name(folder: int, old: str, new: str, claiming: Callable[[], None]) -> None:
    """Rename a file of an open folder, unless something has the new name.

    Parameters
    ----------
    claiming
        Called before the name is claimed with an empty file, if that has to be: what it notes is
        for `is_claim`.

    Raises
    ------
    OSError
        FileExistsError if the name is taken, or whatever the file system says.
    """
    try:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        os.unlink(old, dir_fd=folder)
        return
    if not _renamed(folder, old, new):
        claiming()
        _claim(folder, old, new)


def is_claim(folder: int, name: str, announced: float) -> bool:
    """Say whether what has a name is the claim that was announced, and nothing but that.

    Parameters
    ----------
    announced
        When `take_name` said that it would claim it, in seconds since 1970.
    """
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    is_empty = stat.S_ISREG(status.st_mode) and status.st_size == 0 and status.st_nlink == 1
    return is_empty and abs(status.st_mtime - announced) <= _MOMENT


def _renamed(folder: int, old: str, new: str) -> bool:
    """Rename it; False where the system or the file system cannot do so without replacing."""
    call = _renameat2()
    if call is None:
        return False
    if call(folder, os.fsencode(old), folder, os.fsencode(new), _NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_FLAGS:
        return False
    raise OSError(number, os.strerror(number), new)


@cache
def _renameat2() -> Any:
    # In the C library since glibc 2.28 and musl 1.2.5; Python has no word for it.
    if sys.platform != "linux":
        return None
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is not None:
        call.argtypes = (
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_uint,
        )
    return call


def _claim(folder: int, old: str, new: str) -> None:
    os.close(os.open(new, _CLAIM, 0o666, dir_fd=folder))
    try:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise

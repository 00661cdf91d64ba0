"""Giving a file a name that nobody has, in one step, on whatever file system.

A rename replaces what has the name. A second name by a hard link does not; and where there are no
hard links, Linux renames without replacing (renameat2(2)). Where there is neither, as on some
network file systems, the name is claimed with an empty file first, which is then replaced. A claim
is made with a permission that no other empty file has, and then given a time that none has: should
this process die over it, the next one knows it again. Where permissions are not kept either, a
death right between making the claim and giving it its time leaves an empty file that somebody has
to remove: a file without a name (O_TMPFILE) is given one by a link, and no file replaces a folder
(rename(2): EISDIR).

The server does so by `jupyter_server_ext.files.naming`, which may import nothing of this package
but the wire.
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
    from pathlib import Path

_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_NO_FLAGS: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_NOREPLACE: Final = 1
"""RENAME_NOREPLACE of renameat2(2)."""
_HERE: Final = -100
"""AT_FDCWD: a path that is not relative to a folder."""
CLAIMED: Final = 333_333_334
"""The time of a claim, in seconds since 1970: even, since some file systems know no other."""


_MARK: Final = stat.S_ISVTX
"""The permission of a claim: it means nothing on files, and open(2) honours it on Linux."""


def take_name(old: Path, new: Path) -> None:
    """Rename a file, unless something has the new name.

    Raises
    ------
    OSError
        FileExistsError if the name is taken, or whatever the system says.
    """
    with suppress(FileNotFoundError):
        if is_claim(new.lstat()):
            new.unlink()
    try:
        new.hardlink_to(old)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        old.unlink()
        return
    if not _renamed(old, new):
        _claim(old, new)


def is_claim(status: os.stat_result) -> bool:
    """Say whether a file is what a process has left that died while it took the name."""
    is_empty = stat.S_ISREG(status.st_mode) and status.st_size == 0
    is_marked = int(status.st_mtime) == CLAIMED or bool(status.st_mode & _MARK)
    return is_empty and is_marked


def _renamed(old: Path, new: Path) -> bool:
    """Rename it; False where the system or the file system cannot do so without replacing."""
    call = _renameat2()
    if call is None:
        return False
    if call(_HERE, os.fsencode(old), _HERE, os.fsencode(new), _NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_FLAGS:
        return False
    raise OSError(number, os.strerror(number), str(new))


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


def _claim(old: Path, new: Path) -> None:
    # Taking the name with an empty file is exclusive, and then it is ours to replace.
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MARK | 0o600))
    try:
        os.utime(new, (CLAIMED, CLAIMED))
        old.replace(new)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise

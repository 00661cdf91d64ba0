"""Going on with a file that an earlier run has left: in place, or in a copy of it.

Where the file system has no locks whoever has begun a part may only sleep. It would go on writing
into it, also when it has its name and is somebody's file, or remove it when it finds that it was
taken over. So the one who goes on does so in a part of its own.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from progresswidget.export.lease import Lock, lock
from progresswidget.export.parts import (
    Part,
    create_part,
    is_part,
    is_there,
    part_path,
    take_mode,
)

if TYPE_CHECKING:
    from pathlib import Path

CHUNK: Final = 8 * 2**20


def reopen_part(destination: Path, name: str, size: int | None = None) -> Part | None:
    """Open and lock the part that a dead run has left, or return None if it is not to be had.

    Without locks it is a new one with the same bytes, and another name: the old one is to be
    removed as soon as the journal tells of the new one.

    Parameters
    ----------
    destination
        The file that it will be.
    name
        Its name.
    size
        The bytes of it that are wanted; None is all.

    Raises
    ------
    OSError
        If it cannot be copied.
    """
    if not is_part(destination, name):
        return None
    path = destination.with_name(name)
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    try:
        state = lock(descriptor)
        if state is Lock.UNKNOWN:
            there = os.fstat(descriptor).st_size if size is None else size
            return copied_part(destination, descriptor, there)
        if state is Lock.OURS and is_there(path, descriptor):
            return Part(os.dup(descriptor), path, destination)  # the lock is that of both
        return None
    finally:
        os.close(descriptor)


def named_part(destination: Path, digits: str, *, create: bool = True) -> Part:
    """Open and lock the part with these digits in its name.

    Parameters
    ----------
    create
        Whether it is created where there is none.

    Raises
    ------
    OSError
        If it cannot be opened, or somebody else has it.
    """
    path = part_path(destination, digits)
    made = os.O_CREAT if create else 0
    flags = os.O_RDWR | made | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o666)
    if lock(descriptor) is Lock.THEIRS or not is_there(path, descriptor):
        os.close(descriptor)
        raise BlockingIOError(errno.EAGAIN, "Somebody else has the part", str(path))
    take_mode(path, destination)
    return Part(descriptor, path, destination)


def copied_part(destination: Path, source: int, size: int) -> Part:
    """Create a part with the first bytes of an open file.

    Raises
    ------
    OSError
        If it cannot be read or written, or is shorter; then no part is left.
    """
    part = create_part(destination)
    try:
        copy_prefix(source, part.descriptor, size)
    except BaseException:
        part.remove()  # nothing tells of it yet, and a full disk would get fuller
        raise
    return part


def copy_prefix(source: int, target: int, size: int) -> None:
    """Copy the first bytes of an open file to another one, within the file system where it can.

    Raises
    ------
    OSError
        If it cannot be read or written, or is shorter.
    """
    done = 0
    while done < size:
        done += _copy(source, target, size - done, done)


def _copy(source: int, target: int, count: int, offset: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            copied = os.copy_file_range(source, target, min(count, 2**30), offset, offset)
        except OSError:
            copied = 0  # two file systems, or one that cannot
        if copied:
            return copied
    chunk = os.pread(source, min(count, CHUNK), offset)
    if not chunk:
        raise OSError("the file has become shorter")
    return os.pwrite(target, chunk, offset)

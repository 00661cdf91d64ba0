"""Exported files that an administrator has called temporary: removed when their time is over.

Only a file that is to the last bit of its `stat` the one that was exported is removed, and only
below a folder that was named for it. Whatever was changed since belongs to somebody.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.cleanup.sweep import reach
from jupyter_server_ext.files.naming import take_name
from jupyter_server_ext.files.published import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from progresswidget.protocol import Fingerprint

_NAMES: Final = 100
"""Names that are tried for a file which was moved by mistake."""


def folder_of(path: str, folders: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """Return the folder of `folders` that a path lies below, and its parts from there. Pure."""
    pure = PurePath(path)
    for folder in folders:
        if pure.is_relative_to(folder) and ".." not in pure.parts:
            parts = pure.relative_to(folder).parts
            if parts:
                return folder, parts
    return None


def remove_expired(
    path: str, published: Fingerprint, folders: Sequence[str], before_ns: int
) -> bool:
    """Remove an exported file whose time is over; to be called in a thread.

    Parameters
    ----------
    path
        Absolute path, as the kernel reported it: not to be trusted.
    published
        What it was then.
    folders
        Absolute paths without a link in them; it must lie below one.
    before_ns
        It must not have been touched since, in nanoseconds since 1970.

    Returns
    -------
    Whether it was removed.

    Raises
    ------
    OSError
        If the system refuses.
    """
    place = folder_of(path, folders)
    if place is None:
        return False
    folder, (*above, name) = place
    try:
        descriptor = reach(folder, above)
    except OSError:
        return False
    try:
        return _remove(descriptor, name, published, before_ns)
    finally:
        os.close(descriptor)


def _remove(folder: int, name: str, published: Fingerprint, before_ns: int) -> bool:
    if not _is_due(folder, name, published, before_ns):
        return False
    # Out of the way first: should somebody have put another file there this very moment, it is that
    # one which was moved, and it gets its name back or, should that be taken again, another one.
    aside = f".progresswidget-{secrets.token_hex(8)}.expired"
    os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
    if _is_due(folder, aside, published, None):
        os.unlink(aside, dir_fd=folder)
        return True
    own = PurePath(name)
    for again in (name, *(f"{own.stem} ({number}){own.suffix}" for number in range(1, _NAMES))):
        with suppress(FileExistsError):
            take_name(folder, aside, again, lambda: None)
            break
    return False


def _is_due(folder: int, name: str, published: Fingerprint, before_ns: int | None) -> bool:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    found = fingerprint_of(status)
    if before_ns is None:  # the renaming itself has touched it
        return (found.device, found.inode, found.size, found.mtime_ns) == (
            published.device,
            published.inode,
            published.size,
            published.mtime_ns,
        )
    return found == published and max(found.mtime_ns, found.ctime_ns) < before_ns

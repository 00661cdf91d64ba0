"""What certain files have beside them of unfinished exports: how much it is, and away with it.

Everything here is called in threads.
"""

from __future__ import annotations

import os
import stat
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from jupyter_server_ext.cleanup.clearing import Clearing, is_folder, look
from jupyter_server_ext.cleanup.expiry import folder_of
from jupyter_server_ext.cleanup.sweep import reach
from progresswidget.protocol import stems_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from jupyter_server_ext.cleanup.clearing import Found


def size_of_leftovers(paths: Iterable[str], roots: Sequence[str]) -> int:
    """Return the bytes of the parts and journals of files.

    Parameters
    ----------
    paths
        Absolute paths of the files, as kernels reported them: not to be trusted.
    roots
        Absolute paths without a link in them; what lies elsewhere is not looked at.
    """
    names: dict[tuple[str, tuple[str, ...]], set[str]] = defaultdict(set)
    for path in paths:
        place = folder_of(path, roots)
        if place is not None:
            root, (*above, name) = place
            names[root, tuple(above)].add(name)
    size = 0
    for (root, parts), wanted in names.items():
        with suppress(OSError), _opened(root, parts) as (folder, found):
            size += sum(_size(folder, found, name) for name in wanted)
    return size


def remove_leftovers(path: str, roots: Sequence[str]) -> int:
    """Remove the parts and the journal of one file, unless a process is at work on them.

    Returns
    -------
    How many bytes that were.

    Raises
    ------
    OSError
        If the system refuses.
    """
    place = folder_of(path, roots)
    if place is None:
        return 0
    root, (*above, name) = place
    # Somebody wants them gone now, however young they are.
    clearing = Clearing(float("-inf"), time.time)
    try:
        with _opened(root, tuple(above)) as (folder, found):
            before = _size(folder, found, name)
            for stem in stems_of(name) & {*found.parts, *found.journals}:
                for _ in clearing.export(folder, found, stem):
                    pass
            return before - _size(folder, found, name)
    except FileNotFoundError:
        return 0


def size_below(folder: Path) -> int:
    """Return the bytes of the files in a folder of the server's own, and in those within it."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            status = path.stat(follow_symlinks=False)
            size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size


@contextmanager
def _opened(root: str, parts: tuple[str, ...]) -> Iterator[tuple[int, Found]]:
    folder = reach(root, parts)
    try:
        yield folder, look(folder)[0]
    finally:
        os.close(folder)


def _size(folder: int, found: Found, name: str) -> int:
    size = 0
    for stem in stems_of(name):
        for inner in found.of(stem):
            with suppress(OSError):
                size += _size_of(folder, inner)
    return size


def _size_of(folder: int, name: str) -> int:
    if not is_folder(folder, name):
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
    # A part that is a folder: of a database that is going to be encrypted.
    walk = os.fwalk(name, dir_fd=folder)
    return sum(
        os.stat(file, dir_fd=within, follow_symlinks=False).st_size
        for _, _, files, within in walk
        for file in files
    )

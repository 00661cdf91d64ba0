"""Folders of one process for others of its user, known by its name: those of the dead are removed.

A process that was killed leaves its folder, and so does a kernel that has used `multiprocessing`,
for it is killed at the end.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from progresswidget.loops.mortality import has_ended, place

_PREFIX: Final = "progresswidget-"
_swept = False


def new_folder() -> Path:
    """Return the path of a folder of this process; nobody can guess it, and it is not there."""
    _sweep()
    name = f"{_PREFIX}{os.getpid()}@{place()}-{secrets.token_hex(8)}"
    return Path(tempfile.gettempdir(), name)


def owner_of(folder: Path) -> int | None:
    """Return the process whose folder it is, None where that is none that is counted here."""
    number, _, rest = folder.name.removeprefix(_PREFIX).partition("@")
    is_here = rest.rpartition("-")[0] == place()
    return int(number) if is_here and number.isascii() and number.isdigit() else None


def remove(folder: Path, pid: int) -> None:
    """Remove a folder with all that is in it, unless this is a child of the process it is of."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove, once, the folders of this user whose processes have ended."""
    global _swept  # noqa: PLW0603
    if _swept or os.name != "posix":
        return
    _swept = True
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*@*-*"):
        owner = owner_of(folder)
        with suppress(OSError):
            gone = owner is not None and has_ended(owner)
            if gone and folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder)

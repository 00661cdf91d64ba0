"""Where a download goes: a file, or a folder in which the server may choose the name."""

from __future__ import annotations

import os
import shutil
import stat as modes
from pathlib import Path

from progresswidget.errors import DestinationError
from progresswidget.export.destination import locate
from progresswidget.transfer import address


def choose(path: str | os.PathLike[str] | None, url: str) -> tuple[Path | None, Path]:
    """Return the folder, if the server may choose the name, and the file as far as it is known."""
    name = address.file_name(url)
    if path is None:
        return Path.cwd(), locate(Path.cwd() / name)
    given = os.fspath(path)
    if given and "\0" not in given:
        folder = Path(given).expanduser()
        if given.endswith(("/", os.sep)) or _is_folder(folder):
            folder = folder.absolute()
            return folder, locate(folder / name)
    return None, locate(path)


def _is_folder(path: Path) -> bool:
    try:
        return modes.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def check_room(path: Path, size: int | None, there: int) -> None:
    """Refuse a file that cannot fit before it is half there.

    Raises
    ------
    DestinationError
        If the disk has less room than is missing.
    """
    if size is None:
        return
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return  # nobody knows
    if free < size - there:
        raise DestinationError(
            f"{path} cannot be written: {size - there:,} bytes are missing, and the disk has "
            f"room for {free:,}.",
            "Free some space, or choose another folder.",
        )

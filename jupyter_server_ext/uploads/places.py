"""Where files of jobs are below the server's root. Pure.

The file of a kernel that does not share this server's disk gets the path that it would have had if
the kernel ran here, in the folder of its notebook: what was ``out/sales.csv`` for the kernel is
``out/sales.csv`` beside the notebook. A path that is not below the kernel's working directory means
nothing on this disk, and so the file goes beside the notebook under its name alone. Without a
notebook that is the server's root.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jupyter_server_ext.files.names import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable


def place(notebook: str | None, relative: str, *, hidden: bool) -> tuple[str, ...]:
    """Return the folders below the server's root, and the name.

    Parameters
    ----------
    notebook
        The path of the notebook below the root, if the kernel has one.
    relative
        The path of the file as seen from the kernel's working directory, with slashes.
    hidden
        Whether names may begin with a dot.

    Raises
    ------
    ApiError
        ``name-refused`` or ``hidden``.
    """
    path = PurePosixPath(relative)
    inside = path.parts if not path.is_absolute() and ".." not in path.parts else (path.name,)
    folders = () if notebook is None else PurePosixPath(notebook.strip("/")).parts[:-1]
    parts = (*folders, *inside)
    for part in parts or ("",):
        check_name(part, hidden=hidden)
    return parts


def below(path: str, roots: Iterable[str], *, hidden: bool) -> str | None:
    """Return the path of a file as the file browser names it, None where it does not show it.

    By its name alone, since nothing is opened by what comes of it.

    Parameters
    ----------
    path
        The absolute path of the file.
    roots
        The server's root, by each of its names.
    hidden
        Whether names that begin with a dot are shown.
    """
    file = PurePosixPath(path)
    for root in roots:
        if not root or not file.is_relative_to(root):
            continue
        parts = file.relative_to(root).parts
        shown = hidden or not any(part.startswith(".") for part in parts)
        return "/".join(parts) if parts and ".." not in parts and shown else None
    return None

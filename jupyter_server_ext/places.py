"""Where the file of a kernel goes that does not share this server's disk. Pure.

The file gets the path that it would have had if the kernel ran here, in the folder of its notebook:
what was ``out/sales.csv`` for the kernel is ``out/sales.csv`` beside the notebook. A path that is
not below the kernel's working directory means nothing on this disk, and so the file goes beside
the notebook under its name alone. Without a notebook that is the server's root.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from jupyter_server_ext.names import check_name


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

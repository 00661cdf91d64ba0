"""Where the code runs: in which kernel, in which cell, or in no notebook at all."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

_forked = False


def _note_fork() -> None:
    global _forked  # noqa: PLW0603 - it is a fact about the process
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def running_shell() -> Any | None:
    """Return the IPython that runs in this process, or None."""
    # Looking only where IPython is loaded already keeps a plain script free of its import. While
    # another thread imports it, it may lack the function yet.
    get = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get is None else get()


def running_kernel() -> Any | None:
    """Return the ipykernel of this process, or None in a script, a terminal or a worker."""
    # A forked worker inherits the kernel's objects but none of its threads: what it displayed
    # would go nowhere but into the server's log.
    if _forked:
        return None
    return getattr(running_shell(), "kernel", None)


def kernel_id() -> str | None:
    """Return the id under which the notebook server knows this kernel, if it has one."""
    if running_kernel() is None:
        return None
    from ipykernel.connect import get_connection_file

    try:
        stem = Path(get_connection_file()).stem
    except (RuntimeError, OSError):
        return None  # an embedded kernel has no connection file of its own
    found = re.fullmatch(r"kernel-(.{1,64})", stem)
    return found[1] if found else None


def cell_id() -> str | None:
    """Return the id of the cell that is executing now, where the front end sends one.

    JupyterLab and Notebook 7 put it into the metadata of the execute request. It is right only
    while the cell runs: ask at display time, not later.
    """
    kernel = running_kernel()
    if kernel is None:
        return None
    metadata = kernel.get_parent("shell").get("metadata", {})
    found = metadata.get("cellId")
    return found if isinstance(found, str) and len(found) <= 64 else None  # noqa: PLR2004

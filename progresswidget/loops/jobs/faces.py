"""Where a bar is seen: as a job on the notebook server, as text, or nowhere."""

from __future__ import annotations

import os
import sys
from typing import Any

from progresswidget import protocol
from progresswidget.cell import running_kernel
from progresswidget.loops.jobs.parent import mailbox


def faces(file: Any, *, quiet: bool) -> tuple[bool, bool]:
    """Return whether a bar that writes to a file is a job, and whether it is text.

    A worker of a kernel has the server's log for stderr: there is nobody to read text there.

    Parameters
    ----------
    file
        Where its text goes.
    quiet
        Whether there is text only on a terminal.
    """
    terminal = _is_terminal(file)
    if file is not sys.stdout and file is not sys.stderr:
        return False, terminal or not quiet
    if running_kernel() is not None:
        return True, False
    told = may_report()
    return told, terminal or not (told or quiet)


def may_report() -> bool:
    """Say whether there may be a server, or a kernel, to report to."""
    server = {protocol.ENDPOINT_VARIABLE, protocol.KERNEL_URL_VARIABLE}
    return not server.isdisjoint(os.environ) or mailbox() is not None


def _is_terminal(file: Any) -> bool:
    try:
        return bool(getattr(file, "isatty", bool)())
    except (OSError, ValueError):  # it is closed
        return False

"""Whether a process of this machine has ended, perhaps before anybody has waited for it.

The server looks at kernels by `jupyter_server_ext.processes`, which shares no code with this: they
have nothing in common but the wire.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_STATE, _START = 0, 19
"""Fields 3 and 22 of /proc/<pid>/stat (proc_pid_stat(5)), counted from the end of the name."""
_ENDED: Final = frozenset({"Z", "X"})
"""A zombie has ended, too: only its parent has not looked yet."""


@cache
def place() -> str:
    """Return where an id means the process that it means here.

    Containers may share a disk and the name of a machine, and yet count their processes apart
    (pid_namespaces(7)).
    """
    try:
        return f"{socket.gethostname()}+{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:  # a system that counts them once
        return socket.gethostname()


def start_of(pid: int) -> str | None:
    """Return when a process started, by which it is known from a later one with its id."""
    return _stat(pid)[1]


def has_ended(pid: int, start: str | None = None) -> bool:
    """Say whether it is certain that a process has ended.

    Parameters
    ----------
    pid
        Its id.
    start
        What `start_of` said of it; None where the system does not tell.
    """
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    state, now = _stat(pid)
    return state in _ENDED or (None not in (start, now) and start != now)


def _stat(pid: int) -> tuple[str | None, str | None]:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None, None
    # The name is in parentheses and may hold some itself.
    fields = text.rpartition(")")[2].split()
    return (fields[_STATE], fields[_START]) if len(fields) > _START else (None, None)

"""Processes of this machine: recognised once, and known to be gone later, or not known at all.

A process id says nothing by itself: it may be another machine's, another container's, or used
again. So "gone" is said only of a process that was seen alive on this host, and only where
nothing else can be meant; whoever is in doubt waits for the lease. Kernels look at workers by
`progresswidget.loops.mortality`, of which the server may import nothing.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from progresswidget.protocol import Json

_PROC: Final = Path("/proc")
_STATE, _START = 0, 19
"""Fields 3 and 22 of /proc/<pid>/stat (proc_pid_stat(5)), counted from the end of the name."""
_ENDED: Final = frozenset({"Z", "X"})
"""A zombie has ended too: only its parent has not looked yet."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process, and not a later one with the same id.

    Parameters
    ----------
    pid
        Its id.
    start
        When it started, in clock ticks since the boot; None where the system does not tell.
    host
        The boot and the process namespace in which the id means something.
    """

    pid: int
    start: str | None
    host: str

    def to_json(self) -> Json:
        """Return the form that stores keep."""
        return {"pid": self.pid, "start": self.start, "host": self.host}

    @classmethod
    def from_json(cls, value: Json) -> Process:
        """Read what `to_json` wrote."""
        return cls(value["pid"], value["start"], value["host"])

    @property
    def gone(self) -> bool:
        """Whether it is certain that the process has ended."""
        if self.host != _host():
            # After a restart in another container, on another node with the same home, or after
            # a reboot: the id means nothing here.
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        state, start = _stat(self.pid)
        # Another start: the id was given away again.
        return state in _ENDED or (None not in (start, self.start) and start != self.start)


def find(pid: int) -> Process | None:
    """Return the living process of this user with this id, or None.

    The kernels' secret can be read by the server's user only, so that a process of another user is
    not the one that reports.
    """
    if pid <= 0:
        return None  # kill(2): not a process but a group
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return None
    with suppress(OSError):
        if (_PROC / str(pid)).stat().st_uid != os.geteuid():
            return None
    state, start = _stat(pid)
    return None if state in _ENDED else Process(pid, start, _host())


def _stat(pid: int) -> tuple[str | None, str | None]:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None, None
    # The name is in parentheses and may hold some itself.
    fields = text.rpartition(")")[2].split()
    return (fields[_STATE], fields[_START]) if len(fields) > _START else (None, None)


@cache
def _host() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()

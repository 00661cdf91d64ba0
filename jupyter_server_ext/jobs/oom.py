"""How many processes the system has killed for want of memory: what can be known of it on Linux.

The kernel counts them, of a group of processes and of the whole machine, and never says which
process it was. So a kernel was killed for its memory if it died of SIGKILL and the count has just
risen; of what else sends SIGKILL nothing is known but that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_FIELD: Final = "oom_kill"


class Kills:
    """The count for one process, found while it lives.

    Parameters
    ----------
    pid
        The process.
    proc, cgroups
        Where the kernel shows processes and their groups.
    """

    def __init__(self, pid: int, *, proc: Path = _PROC, cgroups: Path = _CGROUPS) -> None:
        self._file = _file(pid, proc, cgroups)

    def count(self) -> int | None:
        """Return how many there were so far, or None where nobody counts."""
        if self._file is None:
            return None
        return _read(self._file)


def _file(pid: int, proc: Path, cgroups: Path) -> Path | None:
    """Return what counts for a process: its group (cgroup v2, then v1), else the whole machine."""
    found = [proc / "vmstat"]
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        # Documentation/admin-guide/cgroup-v2.rst: hierarchy, controllers, path.
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = path.strip("/")
        if not controllers:
            found.insert(0, cgroups / inside / "memory.events")
        elif "memory" in controllers.split(","):
            found.insert(0, cgroups / "memory" / inside / "memory.oom_control")
    return next((path for path in found if _read(path) is not None), None)


def _read(path: Path) -> int | None:
    try:
        text = path.read_text()
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == _FIELD and value.strip().isdigit():
            return int(value)
    return None

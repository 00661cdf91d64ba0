"""The kernel that this process was started from: it shows the loops that run here.

A kernel leaves the name of a folder to its children, which only its user may enter. A loop of a
child writes there what it would report to the server, and reads what was asked of it. The kernel
shows it in the card of its cell, and sees when the process is gone. So a child needs no secret, no
connection, and nothing that has to be passed to it.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from progresswidget import reporting
from progresswidget.cell import running_kernel
from progresswidget.client import ServerUnreachableError
from progresswidget.loops.folders import owner_of
from progresswidget.loops.mortality import has_ended

if TYPE_CHECKING:
    from progresswidget.protocol import Json
    from progresswidget.reporting import Reporter

VARIABLE: Final = "PROGRESSWIDGET_PARENT"
"""Of the environment: the folder."""
WISH: Final = ".wish"
"""The ending of a file with what was asked of a loop; that of the loop itself has none."""


def mailbox() -> Mailbox | None:
    """Return where a loop of this process tells its kernel, None where it has none."""
    name = os.environ.get(VARIABLE)
    if not name or running_kernel() is not None:
        return None
    found = Mailbox(Path(name))
    return found if found.alive else None


class Mailbox:
    """The folder of a kernel, seen from one of its children; it stands for a server.

    Parameters
    ----------
    folder
        It is made by the first who needs it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kernel = owner_of(folder)
        self._told: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether the kernel is there, and another process."""
        kernel = self._kernel
        return kernel not in {None, os.getpid()} and not has_ended(kernel or 0)

    def report(self, report: Json) -> Json:
        """Write the state of one loop, and return what is asked of it.

        Raises
        ------
        ServerUnreachableError
            If the kernel is gone.
        """
        if not self.alive:
            raise ServerUnreachableError("the kernel is gone")
        try:
            with self._lock:
                self._write(report)
            return {"control": self._wish(report["taskId"])}
        except OSError as error:
            raise ServerUnreachableError(str(error)) from error

    def _write(self, report: Json) -> None:
        identity, version = report["taskId"], (report["generation"], report["revision"])
        # Two threads tell: what one has read before the other told the end, it tells after it.
        if version <= self._told.get(identity, (0, 0)):
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        begun = self._folder / f".{identity}"
        begun.write_text(json.dumps(report), encoding="utf-8")
        begun.replace(self._folder / identity)
        self._told[identity] = version

    def _wish(self, identity: str) -> Json | None:
        with suppress(FileNotFoundError, ValueError):
            found = json.loads((self._folder / f"{identity}{WISH}").read_bytes())
            return found if isinstance(found, dict) else None
        return None

    def close(self) -> None:
        """Do nothing: nothing is held open."""


class ParentReporter(reporting.Reporter):
    """The reporter of the loops of a process whose kernel shows them.

    Parameters
    ----------
    found
        Where the kernel looks.
    """

    def __init__(self, found: Mailbox) -> None:
        super().__init__()
        self._found = found

    def _find(self) -> Mailbox | None:
        return self._found if self._found.alive else None

    def _connect(self, found: Mailbox, timeout: float = 0.0) -> Mailbox:
        return found


_reporter: ParentReporter | None = None
_lock = threading.RLock()


def reporter() -> Reporter:
    """Return who reports of the loops of this process: to its kernel, or else to the server."""
    global _reporter  # noqa: PLW0603 - one per process is the point
    found = mailbox()
    if found is None:
        return reporting.reporter()
    with _lock:
        if _reporter is None or _reporter.pid != os.getpid():
            _reporter = ParentReporter(found)
        return _reporter


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()  # a fork may have copied it while it was held


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)

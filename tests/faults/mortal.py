"""An extension that kills its server at a chosen step of an upload, as a loss of power would.

A request for ``mortal/<step>`` chooses it. Steps are counted from then on: each opening, writing,
syncing, linking, renaming and removing of an upload's files, and of the one with its record, is
one. Before the process dies, what was written and never synced is dropped, as a disk may do.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import JupyterHandler
from tornado import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server.serverapp import ServerApp

KEPT = (".upload", "uploads.jsonl")
MARKS = (*KEPT, "mortal.bin")
WRITING, SYNCING = ("pwrite", "write"), ("fsync", "fdatasync")
EVENTS = {"open", "os.link", "os.rename", "os.remove", "os.truncate"}


class Fate:
    """The count of steps, and what the disk would forget."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._step = -1
        self._unsynced: dict[int, tuple[int, int]] = {}

    def step(self) -> None:
        """Count one more step, and die if it is the chosen one."""
        self._step += 1
        if self._step == self._last:
            for descriptor, size in self._unsynced.values():
                os.ftruncate(descriptor, size)
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an event of the interpreter for a step, if it is of an upload."""
        if event in EVENTS and any(mark in str(arguments) for mark in MARKS):
            self.step()

    def hooked(self, name: str) -> Callable[..., Any]:
        """Return what writes or syncs, as steps: the interpreter tells of neither."""
        real = getattr(os, name)

        def call(descriptor: int, *arguments: Any) -> Any:
            path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
            if any(mark in path for mark in KEPT):
                self.step()
                status = os.fstat(descriptor)
                if name in WRITING and status.st_ino not in self._unsynced:
                    self._unsynced[status.st_ino] = (os.dup(descriptor), status.st_size)
                elif name in SYNCING and status.st_ino in self._unsynced:
                    os.close(self._unsynced.pop(status.st_ino)[0])
            return real(descriptor, *arguments)

        return call


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "mortal"}]


class MortalHandler(JupyterHandler):
    """Chooses the step, once in the life of a server."""

    @web.authenticated
    def get(self, step: str) -> None:
        """Begin to count."""
        fate = Fate(int(step))
        for name in (*WRITING, *SYNCING):
            setattr(os, name, fate.hooked(name))
        sys.addaudithook(fate.audit)
        self.finish("remember that you will die")


def _load_jupyter_server_extension(app: ServerApp) -> None:
    pattern = rf"{app.base_url}mortal/([0-9]+)"
    app.web_app.add_handlers(".*$", [(pattern, MortalHandler)])

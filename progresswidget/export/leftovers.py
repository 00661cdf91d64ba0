"""What an export leaves that was stopped in a kernel: removed after a moment, if the kernel lives.

A kernel that is restarted or shut down is interrupted first, and for the cell that looks as if its
user had pressed the stop button. Only what comes next tells the two apart: whoever has pressed it
wants nothing to be left, and after a restart the next run shall go on where this one was.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from progresswidget.errors import DestinationBusyError
from progresswidget.export.lease import holding
from progresswidget.export.parts import journal_path, remove_stale

if TYPE_CHECKING:
    from pathlib import Path

GRACE: Final = 3.0
"""Seconds within which a kernel that was interrupted in order to end does end."""

_lock = threading.Lock()
_doomed: dict[Path, threading.Event] = {}


def remove_soon(path: Path) -> None:
    """Remove what is left of an export of `path`, unless it is wanted before the moment is over."""
    wanted = threading.Event()
    keep(path)
    with _lock:
        _doomed[path] = wanted
    threading.Thread(
        target=_remove_later, args=(path, wanted), name="progresswidget-leftovers", daemon=True
    ).start()


def keep(path: Path) -> None:
    """Leave the rest of it alone: an export of this file begins, and goes on with it."""
    with _lock:
        wanted = _doomed.pop(path, None)
    if wanted is not None:
        wanted.set()


def keep_all() -> None:
    """Leave everything alone: the process ends."""
    for path in tuple(_doomed):
        keep(path)


def remove(path: Path) -> None:
    """Remove what a stopped export of `path` has left, if no other one is running."""
    with (
        contextlib.suppress(DestinationBusyError, OSError),
        holding(journal_path(path), lambda _: "") as lease,
    ):
        remove_stale(path)
        lease.remove()


def _remove_later(path: Path, wanted: threading.Event) -> None:
    wanted.wait(GRACE)
    with _lock:  # an export that begins now waits for the end of this
        if _doomed.get(path) is wanted:
            del _doomed[path]
            remove(path)

"""The server's own directory: where its state lies, and who owns it."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.logs import about

if TYPE_CHECKING:
    from logging import Logger

MAX_SLOTS: Final = 64
"""Servers of one root and base URL that may run at the same time."""


@dataclass(slots=True)
class StateDirectory:
    """A directory that no other server uses, until `release`.

    Parameters
    ----------
    path
        Mode 0700.
    lasting
        Whether a restarted server will find it again.
    """

    path: Path
    lasting: bool
    _lock: int

    def release(self) -> None:
        """Let the next server have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if not self.lasting:
            shutil.rmtree(self.path, ignore_errors=True)


def acquire(runtime: Path, root: str, base_url: str, log: Logger) -> StateDirectory:
    """Take the first free directory of a server: ``<hash>``, ``<hash>-2`` and so on.

    The name follows from what a user takes for "the same server", so a restarted one finds its
    jobs again. `flock` frees the slot even when the process is killed.

    Parameters
    ----------
    runtime
        Jupyter's runtime directory.
    root
        The server's root folder.
    base_url
        The server's base URL.
    log
        Where it is told that state will not last.
    """
    digest = hashlib.sha256(f"{root}\0{base_url}".encode(errors="surrogateescape")).hexdigest()[:16]
    parent = runtime / "progresswidget"
    try:
        _make_private(parent)
        for slot in range(1, MAX_SLOTS + 1):
            path = parent / (digest if slot == 1 else f"{digest}-{slot}")
            _make_private(path)
            lock = _lock(path / "lock")
            if lock is not None:
                return StateDirectory(path, lasting=True, _lock=lock)
        reason = f"{MAX_SLOTS} servers use it"
    except OSError as error:
        reason = str(error)
    path = Path(tempfile.mkdtemp(prefix="progresswidget-"))
    log.warning(
        "No state directory below %s (%s): using %s, and jobs are forgotten when the server ends.",
        parent,
        reason,
        path,
        extra=about("state-passing"),
    )
    return StateDirectory(path, lasting=False, _lock=-1)


def _make_private(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkdir's mode is cut by the umask and not applied to what was there already.
    path.chmod(0o700)


def _lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN}:
            return None
        raise
    return descriptor

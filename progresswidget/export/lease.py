"""Who may write a file: one export at a time, and never a dead one.

The journal of a file is its lock too. While an export runs it holds `flock` on it, which the system
drops when the process ends, however it ends, and touches it every few seconds. A holder that has
not done so for a minute (stopped, or on a machine that went away) loses its place: the next
export puts a new journal in the place of the old one. Before the old holder publishes it looks
whether the journal is still its own, so a sleeper that wakes up later harms nobody.

Where the file system has no locks there are signs of life alone. What a dead holder has left is
gone on with there too, but in copies of its journal and of its part (see `reopening`): it may only
sleep, and would write into them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from progresswidget.errors import DestinationBusyError, LeaseLostError
from progresswidget.export.journal import append

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LIMIT: Final = 60.0
"""Seconds without a sign of life after which a lease may be taken over."""
BEAT: Final = 10.0
"""Seconds between two signs of life."""
TRIES: Final = 100


class Lock(Enum):
    """What came of asking for a lock."""

    OURS = auto()
    THEIRS = auto()
    UNKNOWN = auto()
    """The file system has no locks."""


@dataclass(slots=True)
class Lease:
    """The right to write a file; its descriptor is that of the journal.

    Parameters
    ----------
    path
        The journal.
    descriptor
        The open journal.
    alone
        Whether whoever held it before is gone for certain, and does not only sleep.
    """

    path: Path
    descriptor: int
    alone: bool = True
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to give signs of life, from a thread of their own: a pause may last for hours."""
        threading.Thread(target=self._beat, name="progresswidget-lease", daemon=True).start()

    def check(self) -> None:
        """Make sure that nobody has taken over.

        Raises
        ------
        LeaseLostError
            If somebody has.
        """
        if not self.ours:
            raise LeaseLostError(
                f"Another export has taken over {self.path.name}: this one stood still for too "
                "long.",
                "Run it again if its file is the one you want.",
            )

    @property
    def ours(self) -> bool:
        """Whether nobody has taken over."""
        return _is_there(self.path, self.descriptor)

    @property
    def empty(self) -> bool:
        """Whether nothing was entered into the journal."""
        return os.fstat(self.descriptor).st_size == 0

    def remove(self) -> None:
        """Remove the journal: nothing is to be continued."""
        with contextlib.suppress(OSError):
            self.check()
            self.path.unlink()

    def close(self) -> None:
        """Give up the lease; a second call changes nothing."""
        self._over.set()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            # Its own descriptor number may be closed and given away in this very moment.
            with contextlib.suppress(OSError):
                self.check()
                os.utime(self.path)


def take(path: Path, owner: Callable[[int], str] = lambda _: "") -> Lease:
    """Take the lease of a file.

    Parameters
    ----------
    path
        Its journal.
    owner
        Says of an open journal who holds it, for the message.

    Raises
    ------
    DestinationBusyError
        If another export has it.
    OSError
        If the journal cannot be created.
    """
    for _ in range(TRIES):
        descriptor, created = _open(path)
        if descriptor < 0:
            continue  # removed in this moment
        try:
            lease = _try(path, descriptor, owner, created=created)
        except BaseException:
            os.close(descriptor)
            raise
        if lease is None or lease.descriptor != descriptor:
            os.close(descriptor)
        if lease is not None:
            return lease
    raise DestinationBusyError(f"Other exports keep taking {path.name}.")


@contextlib.contextmanager
def holding(path: Path, owner: Callable[[int], str]) -> Iterator[Lease]:
    """Hold the lease of a file, as `take` has it; a journal without an entry is removed."""
    lease = take(path, owner)
    try:
        lease.start()
        yield lease
    finally:
        if lease.empty:
            lease.remove()
        lease.close()


_FLAGS: Final = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def _open(path: Path) -> tuple[int, bool]:
    try:
        return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600), True
    except FileExistsError:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, _FLAGS), False
    return -1, False


def _try(
    path: Path, descriptor: int, owner: Callable[[int], str], *, created: bool
) -> Lease | None:
    state = lock(descriptor)
    if state is Lock.OURS:
        return Lease(path, descriptor) if _is_there(path, descriptor) else None
    somebodys = state is Lock.THEIRS or not created
    if somebodys and _age(path, descriptor) < LIMIT:
        raise DestinationBusyError(
            f"Another export is writing this file{owner(descriptor)}.",
            "Wait until it is done, cancel it, or choose another name.",
        )
    if state is Lock.UNKNOWN and (created or sys.platform == "win32"):  # it renames no open file
        return Lease(path, descriptor, alone=created) if _is_there(path, descriptor) else None
    # Where there are no locks its holder is dead, mostly, and what it has entered is gone on with.
    entered = _content(descriptor) if state is Lock.UNKNOWN else b""
    return _take_over(path, descriptor, entered)


def _age(path: Path, descriptor: int) -> float:
    """Return for how many seconds there was no sign of life.

    By the clock of the file system: the machine that has it may be minutes ahead or behind.
    """
    probe = _beside(path)
    now = os.open(probe, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return os.fstat(now).st_mtime - os.fstat(descriptor).st_mtime
    finally:
        os.close(now)
        with contextlib.suppress(OSError):
            probe.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name[:200]}.{secrets.token_hex(4)}")


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _take_over(path: Path, old: int, entered: bytes) -> Lease | None:
    if not _is_there(path, old):
        return None
    new = _beside(path)
    descriptor = os.open(new, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        lock(descriptor)
        append(descriptor, [entered])
        new.replace(path)
    except BaseException:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    if _is_there(path, descriptor):  # of two that take over, the later one
        return Lease(path, descriptor, alone=False)
    os.close(descriptor)
    return None


def here() -> str:
    """Say who we are, for the journal."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _is_there(path: Path, descriptor: int) -> bool:
    if descriptor < 0:
        return False
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except OSError:
        return False


if sys.platform == "win32":

    def lock(descriptor: int) -> Lock:  # noqa: ARG001
        """Say that there are no locks: Windows has others, and signs of life will do."""
        return Lock.UNKNOWN

else:
    import fcntl

    def lock(descriptor: int) -> Lock:
        """Ask for the lock of an open file, without waiting."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Lock.THEIRS
        except OSError:
            return Lock.UNKNOWN
        return Lock.OURS

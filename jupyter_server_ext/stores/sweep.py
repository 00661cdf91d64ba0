"""What dead exports, downloads, deliveries and uploads have left: found bit by bit, and removed.

The folders below the roots are looked at in turn, a bounded number of entries at a time, without
ever following a link, leaving the file system or entering a hidden folder. What is removed has a
name that only we give, belongs to this user, is of use to nobody (no process holds its lock, no job
is at it), and has been as it is for long. A journal must also say what it is: people, too, call
files so. Everything here is called in threads.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.stores.files import open_folder
from progresswidget.protocol import LEDGER, is_delivery_name, journal_of, part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

ENTRIES: Final = 2_000
"""Entries of folders in one round; a folder that is begun is looked at to its end."""
LARGEST: Final = 100_000
"""Entries of one folder at most."""
PENDING: Final = 100_000
"""Folders that wait to be looked at, at most; the next sweep finds the others."""
PAUSE: Final = 24 * 3_600.0
"""Seconds between the begin of one sweep and that of the next."""

_FILE: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_STAGED: Final = re.compile(r"\.progresswidget-([0-9a-f]{32})\.upload")
_HEADINGS: Final = ("journal", "transfer", "saga")
"""With one of these begins the first line of an export's, a download's and a delivery's journal."""
_LINE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Busy:
    """What is at work, and must be left alone.

    Parameters
    ----------
    paths
        Absolute paths of files that running jobs will make.
    uploads
        Ids of uploads that the server knows.
    """

    paths: frozenset[str] = frozenset()
    uploads: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Folder:
    """What one folder holds of ours."""

    journals: dict[str, str] = field(default_factory=dict)
    parts: dict[str, list[str]] = field(default_factory=dict)
    """By what their names begin with."""
    deliveries: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


class Sweep:
    """Looks through the roots, round by round.

    Parameters
    ----------
    roots
        Absolute paths.
    keep
        Seconds for which everything is kept.
    now
        Seconds since 1970, as the file system has them.
    time
        Monotonic seconds.
    entries, pause
        The bounds of a round, and of how often everything is looked at.
    """

    def __init__(
        self,
        roots: Sequence[str],
        keep: float,
        *,
        now: Callable[[], float],
        time: Callable[[], float],
        entries: int = ENTRIES,
        pause: float = PAUSE,
    ) -> None:
        self._roots, self._keep = tuple(os.path.realpath(root) for root in roots), keep
        self._now, self._time = now, time
        self._entries, self._pause = entries, pause
        self._pending: deque[tuple[str, tuple[str, ...]]] = deque()
        self._next = time()

    @property
    def pending(self) -> int:
        """How many folders wait for the next round."""
        return len(self._pending)

    def round(self, busy: Busy) -> list[str]:
        """Look at some more folders, and return the paths of what was removed."""
        if not self._pending:
            if self._time() < self._next:
                return []
            self._next = self._time() + self._pause
            self._pending.extend((root, ()) for root in self._roots)
        removed: list[str] = []
        left = self._entries
        while self._pending and left > 0:
            root, parts = self._pending.popleft()
            with suppress(OSError):  # it went, or is not for us
                left -= self._look(root, parts, busy, removed)
        return removed

    def _look(self, root: str, parts: tuple[str, ...], busy: Busy, removed: list[str]) -> int:
        descriptor = reach(root, parts)
        try:
            if os.fstat(descriptor).st_dev != Path(root).stat().st_dev:
                return 1  # a share, maybe of other people
            found, count = _list(descriptor)
            for name in found.folders:
                if len(self._pending) < PENDING:
                    self._pending.append((root, (*parts, name)))
            path = PurePath(root, *parts)
            removed += [str(path / name) for name in self._clear(descriptor, path, found, busy)]
            return count
        finally:
            os.close(descriptor)

    def _clear(self, folder: int, path: PurePath, found: _Folder, busy: Busy) -> Iterator[str]:
        at_work = {
            stem for stem in {*found.journals, *found.parts} if str(path / stem) in busy.paths
        }
        for stem in sorted({*found.journals, *found.parts} - at_work):
            yield from self._clear_export(folder, found, stem)
        for name in found.deliveries:
            with suppress(OSError):
                yield from self._clear_delivery(folder, name)
        for name in found.staged:
            upload = _STAGED.fullmatch(name)
            if upload is not None and upload[1] not in busy.uploads:
                yield from self._remove(folder, name)

    def _clear_export(self, folder: int, found: _Folder, stem: str) -> Iterator[str]:
        """Remove the parts of one file and the journal of it; all of it or nothing is in use."""
        parts, journal = found.parts.get(stem, []), found.journals.get(stem)
        if journal is None:
            for part in parts:
                yield from self._remove(folder, part)
            return
        # Whoever exports holds the journal first of all, and as long as we hold it nobody begins.
        with self._held(folder, journal) as descriptor:
            if descriptor is None or not _is_ours(descriptor):
                return
            gone = [name for part in parts for name in self._remove(folder, part)]
            yield from gone
            if len(gone) == len(parts):
                os.unlink(journal, dir_fd=folder)
                yield journal

    def _clear_delivery(self, parent: int, name: str) -> Iterator[str]:
        folder = open_folder(parent, name)
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries]
            if LEDGER not in names:
                if not names and self._is_old(os.fstat(folder)):
                    os.rmdir(name, dir_fd=parent)
                    yield name
                return
            with self._held(folder, LEDGER) as descriptor:
                if descriptor is None or not _is_ours(descriptor):
                    return
                for inner in names:
                    status = os.stat(inner, dir_fd=folder, follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode) or not self._is_old(status):
                        return
                for inner in sorted(names, key=lambda inner: inner == LEDGER):
                    os.unlink(inner, dir_fd=folder)
            os.rmdir(name, dir_fd=parent)
            yield name
        finally:
            os.close(folder)

    def _remove(self, folder: int, name: str) -> Iterator[str]:
        with self._held(folder, name) as descriptor:
            if descriptor is not None:
                os.unlink(name, dir_fd=folder)
                yield name

    @contextmanager
    def _held(self, folder: int, name: str) -> Iterator[int | None]:
        """Hold the lock of an old file of ours; yield None where it must be left alone."""
        try:
            descriptor = os.open(name, _FILE, dir_fd=folder)
        except OSError:
            yield None
            return
        try:
            yield descriptor if self._is_free(folder, name, descriptor) else None
        finally:
            os.close(descriptor)

    def _is_free(self, folder: int, name: str, descriptor: int) -> bool:
        status = os.fstat(descriptor)
        mine = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        # With a second name it is a file that is being published.
        if not mine or status.st_nlink != 1 or not self._is_old(status) or not _lock(descriptor):
            return False
        try:
            now = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(status, now)

    def _is_old(self, status: os.stat_result) -> bool:
        # What was given another name or other rights counts as touched.
        return self._now() - max(status.st_mtime, status.st_ctime) > self._keep


def reach(root: str, parts: Iterable[str]) -> int:
    """Open a folder below a root, one component at a time, and never through a link."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            inner = open_folder(descriptor, part)
            os.close(descriptor)
            descriptor = inner
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _list(folder: int) -> tuple[_Folder, int]:
    found, count = _Folder(), 0
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries, 1):
            if count == LARGEST:
                break
            name = entry.name
            if not name.startswith("."):
                if entry.is_dir(follow_symlinks=False):
                    found.folders.append(name)
            elif (stem := part_of(name)) is not None:
                found.parts.setdefault(stem, []).append(name)
            elif (stem := journal_of(name)) is not None:
                found.journals[stem] = name
            elif is_delivery_name(name) and entry.is_dir(follow_symlinks=False):
                found.deliveries.append(name)
            elif _STAGED.fullmatch(name):
                found.staged.append(name)
    return found, count + 1


def _is_ours(descriptor: int) -> bool:
    """Say whether a file begins as our journals do, and no other program's."""
    line, end, _ = os.pread(descriptor, _LINE, 0).partition(b"\n")
    try:
        fields = json.loads(line) if end else None
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and next(iter(fields), None) in _HEADINGS


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Where there are no locks, whoever is at work touches the journal every few seconds.
        return error.errno not in {errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN}
    return True

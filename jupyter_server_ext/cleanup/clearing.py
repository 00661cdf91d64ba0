"""What dead exports, downloads, deliveries and uploads have left in one folder, and away with it.

What is removed has a name that only we give, belongs to this user, is of use to nobody (no process
holds its lock), and has been as it is for long. A journal must also say what it is: people, too,
call files so. Everything here is called in threads.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.files.opening import open_folder
from progresswidget.protocol import COMPANIONS, LEDGER, PLAIN, is_delivery_name, journal_of, part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LARGEST: Final = 100_000
"""Entries of one folder at most."""
STAGED: Final = re.compile(r"\.progresswidget-([0-9a-f]{32})\.upload")
"""The name of an upload that is not whole yet, with its id."""

_FILE: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_HEADINGS: Final = ("journal", "transfer", "saga")
"""With one of these begins the first line of an export's, a download's and a delivery's journal."""
_LINE: Final = 64 * 1024


@dataclass(slots=True)
class Found:
    """What one folder holds of ours."""

    journals: dict[str, str] = field(default_factory=dict)
    parts: dict[str, list[str]] = field(default_factory=dict)
    """By what their names begin with."""
    deliveries: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def of(self, stem: str) -> list[str]:
        """Return the names of what is there of one file."""
        journal = self.journals.get(stem)
        return [*self.parts.get(stem, []), *([] if journal is None else [journal])]


class Clearing:
    """Removes what is of no use any more.

    Parameters
    ----------
    keep
        Seconds for which everything is kept; what was touched this moment goes below 0, too.
    now
        Seconds since 1970, as the file system has them.
    """

    def __init__(self, keep: float, now: Callable[[], float]) -> None:
        self._keep, self._now = keep, now

    def export(self, folder: int, found: Found, stem: str) -> Iterator[str]:
        """Remove the parts of one file and the journal of it; all of it or nothing is in use."""
        parts, journal = found.parts.get(stem, []), found.journals.get(stem)
        if journal is None:
            for part in parts:
                yield from self.remove(folder, part)
            return
        # Whoever exports holds the journal first of all, and as long as we hold it nobody begins.
        with self._held(folder, journal) as descriptor:
            if descriptor is None or not _is_ours(descriptor):
                return
            gone = [name for part in parts for name in self.remove(folder, part)]
            yield from gone
            if len(gone) == len(parts):
                os.unlink(journal, dir_fd=folder)
                yield journal

    def delivery(self, parent: int, name: str) -> Iterator[str]:
        """Remove the folder of a delivery, and what is in it."""
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
                if not all(self._is_staged(folder, inner) for inner in names):
                    return
                for inner in sorted(names, key=lambda inner: inner == LEDGER):
                    _discard(folder, inner)
            os.rmdir(name, dir_fd=parent)
            yield name
        finally:
            os.close(folder)

    def _is_staged(self, folder: int, name: str) -> bool:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return part_of(name) is not None and self._is_dead(folder, name)
        return stat.S_ISREG(status.st_mode) and self._is_old(status)

    def remove(self, folder: int, name: str) -> Iterator[str]:
        """Remove one file, or a folder that is a part."""
        if is_folder(folder, name):
            if self._is_dead(folder, name):
                _discard(folder, name)
                yield name
            return
        with self._held(folder, name) as descriptor:
            if descriptor is not None:
                for ending in COMPANIONS if part_of(name) is not None else ():
                    _discard(folder, name + ending)
                os.unlink(name, dir_fd=folder)
                yield name

    def _is_dead(self, parent: int, name: str) -> bool:
        """Say whether a folder is an old part of ours, and nobody holds the file in it."""
        folder = open_folder(parent, name)
        try:
            status = os.fstat(folder)
            with os.scandir(folder) as entries:
                names = {entry.name for entry in entries}
            ours = all(inner.startswith(PLAIN) for inner in names)
            if not ours or status.st_uid != os.geteuid() or not self._is_old(status):
                return False
            if PLAIN not in names:
                return True
            with self._held(folder, PLAIN) as descriptor:
                return descriptor is not None
        finally:
            os.close(folder)

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


def look(folder: int) -> tuple[Found, int]:
    """Return what an open folder holds of ours, and how many entries were looked at."""
    found, count = Found(), 0
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
            elif STAGED.fullmatch(name):
                found.staged.append(name)
    return found, count + 1


def is_folder(folder: int, name: str) -> bool:
    """Say whether something in an open folder is a folder itself, and no link to one."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _discard(folder: int, name: str) -> None:
    if is_folder(folder, name):
        shutil.rmtree(name, dir_fd=folder)
    else:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


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

"""The file while it is written: how it appears all at once, and what dead exports left behind.

Bytes go to ``.<name>.<random>.part`` in the folder of the file, so that the final rename stays on
one file system and is atomic (POSIX, `rename`). Whoever writes a part holds a lock on it (`flock`),
which the system drops when the process ends, however it ends: a part that can be locked belongs
to nobody and is removed by the next export to the same name. So is a folder with such a name, in
which it is a file that is locked (see `plain`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from progresswidget.export.destination import existing, name_max, taken
from progresswidget.export.growing import Growing
from progresswidget.export.lease import Lock, lock
from progresswidget.export.naming import take_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RANDOM: Final = 8
"""Random hexadecimal digits in the name of a part."""
PLAIN: Final = "plain"
"""As `progresswidget.protocol.PLAIN`, with which all names in a folder begin that is a part."""
COMPANIONS: Final = ("-journal", "-wal", "-shm", ".wal", ".new", ".tmp")
"""As `progresswidget.protocol.COMPANIONS`: what SQLite and DuckDB put next to their file."""
TRIES: Final = 100
"""New parts that may be lost to other exports before something else must be wrong."""


@dataclass(slots=True)
class Part:
    """A file that is being written: its open descriptor, its own path and its final one."""

    descriptor: int
    path: Path
    destination: Path

    def close(self) -> None:
        """Close the file, which gives up its lock; a second call changes nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def growing(self, size: int, *, resumable: bool, hashed: bool) -> Growing:
        """Return what others need to read along, as long as the part is open.

        Parameters
        ----------
        size
            The bytes in it that will not change.
        resumable
            Whether a later run may go on from there.
        hashed
            Whether its bytes are hashed on their way.
        """
        stat = os.fstat(self.descriptor)
        committed = size if resumable else None
        return Growing(self.path.name, stat.st_dev, stat.st_ino, size, size, committed, hashed)

    def truncate(self, size: int) -> None:
        """Cut off what is behind the first bytes."""
        os.ftruncate(self.descriptor, size)

    def sync(self) -> None:
        """Make what is in the file durable; where that fails the file is removed.

        Linux tells of a failure once, and then takes what did not reach the disk for written: who
        went on with it would find it whole in memory (fsync(2), notes on errors).

        Raises
        ------
        OSError
            If the system refuses.
        """
        try:
            os.fsync(self.descriptor)
        except OSError:
            self.remove()
            raise

    def publish(self, *, overwrite: bool) -> os.stat_result:
        """Make the file durable and give it its final name, in one step.

        Returns
        -------
        What the system says of the published file.

        Raises
        ------
        DestinationExistsError
            If the name was taken meanwhile and may not be replaced.
        OSError
            If the system refuses.
        """
        self.sync()
        if sys.platform == "win32":
            self.close()  # Windows renames no open file
        if overwrite:
            self.path.replace(self.destination)
        else:
            try:
                take_name(self.path, self.destination)
            except FileExistsError:
                raise taken(self.destination) from None
        sync_folder(self.destination.parent)
        if self.descriptor >= 0:
            return os.fstat(self.descriptor)  # of this very file, whoever replaces it now
        return self.destination.stat()

    def remove(self) -> None:
        """Close the file and remove it; what was published stays."""
        if sys.platform == "win32":
            self.close()  # Windows removes no open file
        try:
            self.path.unlink(missing_ok=True)
        finally:
            self.close()


@contextlib.contextmanager
def open_part(destination: Path) -> Iterator[Part]:
    """Create and lock a part beside `destination`; what is not published is removed.

    Raises
    ------
    OSError
        If it cannot be created.
    """
    part = create_part(destination)
    try:
        yield part
    finally:
        part.remove()


def create_part(destination: Path) -> Part:
    """Create and lock a part beside `destination`, and remove those of dead exports.

    Its mode is that of the file it will replace, or else what the umask leaves.

    Raises
    ------
    OSError
        If it cannot be created.
    """
    remove_stale(destination)
    descriptor, path = create(destination)
    take_mode(path, destination)
    return Part(descriptor, path, destination)


def take_mode(path: Path, destination: Path) -> None:
    """Give a part the mode of the file that it will replace."""
    old = existing(destination)
    if old is not None:
        with contextlib.suppress(OSError):  # file systems without modes refuse
            path.chmod(stat.S_IMODE(old.st_mode))


def create_probe(destination: Path, content: bytes) -> Part:
    """Create and lock a small file beside `destination` that has the name of a part.

    Should this process die, the next export takes it for the part of a dead one and removes it.

    Raises
    ------
    OSError
        If it cannot be created.
    """
    probe = Part(*create(destination), destination)
    try:
        os.write(probe.descriptor, content)
    except BaseException:
        probe.remove()
        raise
    return probe


def part_path(destination: Path, digits: str) -> Path:
    """Return the path of the part of `destination` with these digits in its name."""
    return destination.with_name(f"{stem(destination)}.{digits}.part")


def is_part(destination: Path, name: str) -> bool:
    """Say whether a name is one that a part of `destination` may have."""
    return _part_name(destination).fullmatch(name) is not None


def journal_path(destination: Path) -> Path:
    """Return where the journal of an export to `destination` lies."""
    return destination.with_name(f"{stem(destination)}.journal")


def remove_stale(destination: Path, but: str = "") -> None:
    """Remove the parts that dead exports to `destination` have left.

    A part that someone holds, or that cannot be judged or removed, stays.

    Parameters
    ----------
    but
        The name of one that is still wanted.
    """
    name = _part_name(destination)
    try:
        paths = list(destination.parent.iterdir())
    except PermissionError:
        return  # one may write into a folder without seeing what is in it
    for path in paths:
        if path.name != but and name.fullmatch(path.name):
            with contextlib.suppress(OSError):
                _remove_if_free(path)


def _part_name(destination: Path) -> re.Pattern[str]:
    return re.compile(re.escape(stem(destination)) + rf"\.[0-9a-f]{{{RANDOM}}}\.part")


def _remove_if_free(path: Path) -> None:
    locked = path
    if stat.S_ISDIR(path.lstat().st_mode):
        names = {inner.name for inner in path.iterdir()}
        if not all(name.startswith(PLAIN) for name in names):
            return
        if PLAIN not in names:  # not yet, or somebody died in the middle of the removal
            discard(path)
            return
        locked = path / PLAIN
    descriptor = os.open(locked, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        if lock(descriptor) is Lock.OURS:
            for ending in COMPANIONS:
                discard(path.with_name(path.name + ending))
            discard(path)
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; what is not there is none.

    Raises
    ------
    OSError
        If the system refuses.
    """
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()


def _make(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o666)


def create(
    destination: Path, make: Callable[[Path], int] = _make, inner: str = ""
) -> tuple[int, Path]:
    """Make and lock what has the name of a part of `destination`.

    Parameters
    ----------
    make
        Makes it where nothing is, and returns the open file that is to be locked.
    inner
        Of a folder the name of that file.

    Returns
    -------
    The descriptor of the file, and the path of what was made.

    Raises
    ------
    OSError
        If it cannot be created.
    """
    for _ in range(TRIES):
        path = part_path(destination, secrets.token_hex(RANDOM // 2))
        try:
            descriptor = make(path)
        except FileExistsError:
            continue
        except FileNotFoundError:
            if not destination.parent.is_dir():
                raise
            continue  # the folder was taken for one of a dead export before it had its file
        # Between our `open` and our lock another export may have taken the part for a dead one:
        # then it has the lock and is about to remove the part, or it has done so already.
        if lock(descriptor) is not Lock.THEIRS and is_there(path / inner, descriptor):
            return descriptor, path
        os.close(descriptor)
        with contextlib.suppress(OSError):  # removed, or Windows forbids it
            discard(path)
    raise BlockingIOError(errno.EAGAIN, "Other exports remove every file that is begun")


def is_there(path: Path, descriptor: int) -> bool:
    """Say whether an open file is the one that is under a path."""
    now = existing(path)
    return now is not None and os.path.samestat(now, os.fstat(descriptor))


def stem(destination: Path) -> str:
    """Return the beginning of the names of the parts of `destination`."""
    longest = name_max(destination.parent) - len(".") - RANDOM - len(".part") - len(".journal")
    stem = f".{destination.name}"
    if len(os.fsencode(stem)) <= longest:
        return stem
    return f".{hashlib.sha256(os.fsencode(destination.name)).hexdigest()[:32]}"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if sys.platform == "win32":
        return  # Windows cannot open a folder
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return  # nor one that may only be written into
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)

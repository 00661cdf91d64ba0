"""Small disks and cold files: what the tests of full and of slow disks need."""

from __future__ import annotations

import os
import resource
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20


class Process(Protocol):
    """What runs and has a number."""

    @property
    def pid(self) -> int: ...


class Disk:
    """A small disk of its own, where this process may mount one."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))

    def _mount(self, *arguments: str) -> None:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)

    def option(self, option: str) -> None:
        """Change the disk that is there: ``size=…``, ``ro`` or ``rw``."""
        self._mount("-o", f"remount,{option}", str(self._folder))

    def grow(self, size: int) -> None:
        self.option(f"size={size}")

    def close(self) -> None:
        # Lazily: a server that was killed may be about to let go of it.
        subprocess.run(["umount", "-l", str(self._folder)], check=True, capture_output=True)


class Limit:
    """The limit of a process for the size of its files, in the place of a small disk."""

    def __init__(self, process: Process, size: int) -> None:
        self._process = process
        self.grow(size)

    def grow(self, size: int) -> None:
        hard = resource.RLIM_INFINITY
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, hard))


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Disk | None]:
    """Mount a small disk; None where that is not permitted, and a limit must stand for it."""
    try:
        mounted = Disk(folder, size)
    except (OSError, subprocess.CalledProcessError):
        print("mounting is not permitted here: a limit for files stands for the small disk")
        yield None
        return
    try:
        yield mounted
    finally:
        mounted.close()


def fill(path: Path) -> None:
    """Write until there is no room, and none a moment later either."""
    before, size = -1, 0
    while size > before:
        before = size
        with suppress(OSError), path.open("ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        size = path.stat().st_size


def chill(path: Path) -> None:
    """Let a file be in no memory, so that reading it asks the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)

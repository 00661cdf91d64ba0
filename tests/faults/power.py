"""A disk whose power fails: what was synced is there afterwards, and what was not need not be."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 96 << 20


class PowerDisk:
    """An ext4 of its own in a file, which is the disk.

    What only the memory knows is not in the file: as it is at any moment, so a disk would be after
    a loss of power at that moment. The file system writes back by itself only long after a test.

    Parameters
    ----------
    folder
        Where it is mounted.
    image
        The file.
    """

    def __init__(self, folder: Path, image: Path) -> None:
        self._folder = folder
        self._image = image
        with image.open("wb") as file:
            file.truncate(SIZE)
        _run("mkfs.ext4", "-q", "-F", str(image))
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop,commit=300", str(self._image), str(self._folder))

    def _unmount(self) -> None:
        # Lazily: a server that was killed may be about to let go of it.
        _run("umount", "-l", str(self._folder))

    def lose_power(self) -> None:
        """Forget what was not synced. Nobody may use the disk meanwhile."""
        kept = self._image.with_suffix(".kept")
        _run("cp", "--sparse=always", str(self._image), str(kept))
        self._unmount()
        kept.replace(self._image)
        self._mount()

    def close(self) -> None:
        """Take it away."""
        self._unmount()
        self._image.unlink()


@contextmanager
def power_disk(folder: Path, image: Path) -> Iterator[PowerDisk | None]:
    """Mount such a disk; None where that is not permitted."""
    try:
        disk = PowerDisk(folder, image)
    except (OSError, subprocess.CalledProcessError):
        print("loop devices are not permitted here")
        yield None
        return
    try:
        yield disk
    finally:
        disk.close()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)

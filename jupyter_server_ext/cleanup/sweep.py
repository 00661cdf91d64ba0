"""What dead exports, downloads, deliveries and uploads have left: found bit by bit, and removed.

The folders below the roots are looked at in turn, a bounded number of entries at a time, without
ever following a link, leaving the file system or entering a hidden folder. What a job or an upload
is at work on is left alone; `clearing` says of the rest what is removed. Everything here is called
in threads.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.cleanup.clearing import STAGED, Clearing, Found, look
from jupyter_server_ext.files.opening import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

ENTRIES: Final = 2_000
"""Entries of folders in one round; a folder that is begun is looked at to its end."""
PENDING: Final = 100_000
"""Folders that wait to be looked at, at most; the next sweep finds the others."""
PAUSE: Final = 24 * 3_600.0
"""Seconds between the begin of one sweep and that of the next."""


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
        self._roots = tuple(os.path.realpath(root) for root in roots)
        self._clearing, self._time = Clearing(keep, now), time
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
            found, count = look(descriptor)
            for name in found.folders:
                if len(self._pending) < PENDING:
                    self._pending.append((root, (*parts, name)))
            path = PurePath(root, *parts)
            removed += [str(path / name) for name in self._clear(descriptor, path, found, busy)]
            return count
        finally:
            os.close(descriptor)

    def _clear(self, folder: int, path: PurePath, found: Found, busy: Busy) -> Iterator[str]:
        at_work = {
            stem for stem in {*found.journals, *found.parts} if str(path / stem) in busy.paths
        }
        for stem in sorted({*found.journals, *found.parts} - at_work):
            yield from self._clearing.export(folder, found, stem)
        for name in found.deliveries:
            with suppress(OSError):
                yield from self._clearing.delivery(folder, name)
        for name in found.staged:
            upload = STAGED.fullmatch(name)
            if upload is not None and upload[1] not in busy.uploads:
                yield from self._clearing.remove(folder, name)


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

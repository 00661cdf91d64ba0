"""One fetch of one version of a file: received, checked by its digest, and given its name."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from progresswidget.errors import DigestMismatchError
from progresswidget.export.trail import CLOSE, Trail
from progresswidget.transfer import address, fetched
from progresswidget.transfer.arrivals import Arrivals
from progresswidget.transfer.connection import Source, StartOver
from progresswidget.transfer.joining import leave, part_for
from progresswidget.transfer.pieces import LEAST, Pieces
from progresswidget.transfer.receiving import Receiver
from progresswidget.transfer.target import check_room

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from progresswidget.export.lease import Lease
    from progresswidget.export.parts import Part
    from progresswidget.export.progress import Progress
    from progresswidget.transfer.asking import Attempt
    from progresswidget.transfer.retry import Clock


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched, and how.

    Parameters
    ----------
    path
        The file that it becomes.
    url
        The address, as the user wrote it.
    connections
        Connections at most.
    expected
        The SHA-256 that the user expects; empty where they expect none.
    overwrite
        Whether a file that is there may be replaced.
    ranges
        Whether the file may be asked for in parts.
    """

    path: Path
    url: str
    connections: int
    expected: str
    overwrite: bool
    ranges: bool


class Fetch:
    """A version of a file on its way to its name.

    Parameters
    ----------
    wanted
        What is to be fetched.
    lease
        Of the destination; its journal tells what is there.
    attempt
        The session and the answer that has begun.
    progress
        Raised while it runs, in bytes, and asked for pause and cancel.
    clock
        For waiting.
    """

    def __init__(
        self, wanted: Wanted, lease: Lease, attempt: Attempt, progress: Progress, clock: Clock
    ) -> None:
        self._wanted, self._lease, self._attempt = wanted, lease, attempt
        self._progress, self._clock = progress, clock

    def run(self) -> tuple[os.stat_result, Callable[[], str]]:
        """Fetch it, and return what the file is on the disk and what tells its SHA-256.

        Raises
        ------
        StartOver
            If the file must be fetched from its beginning.
        DigestMismatchError
            If it is not what it should be.
        ExportCancelledError, TransferError, DestinationError, OSError
            If it cannot be had or written.
        """
        wanted, progress, version = self._wanted, self._progress, self._attempt.version
        progress.total = version.size
        progress.rows = progress.bytes = progress.reused = 0
        part, pieces = part_for(
            self._attempt, wanted.path, wanted.url, self._lease, progress, ranges=wanted.ranges
        )
        with contextlib.closing(part):
            trail = Trail(part.descriptor, CLOSE)
            try:
                check_room(wanted.path, version.size, pieces.count)
                self._receive(part, pieces, trail)
                return self._publish(part, pieces, trail), trail.hexdigest
            except BaseException as error:
                trail.stop()
                with contextlib.suppress(OSError):
                    trail.hexdigest()  # it has a descriptor of the part, and with it the lock
                with contextlib.suppress(OSError):  # what has ended it is what is told
                    leave(self._lease, part, error)
                raise

    def _receive(self, part: Part, pieces: Pieces, trail: Trail) -> None:
        wanted, version = self._wanted, self._attempt.version
        left = (version.size or 0) - pieces.count
        connections = wanted.connections if self._is_divisible else 1
        pieces.connections = max(1, min(connections, left // LEAST))
        source = Source(self._attempt.session, wanted.url, version, unsafe=bool(wanted.expected))
        arrivals = Arrivals(part, self._lease.descriptor, pieces, trail)
        receiver = Receiver(source, arrivals, self._progress, self._clock)
        receiver.run(self._attempt.incoming, pieces.connections)

    @property
    def _is_divisible(self) -> bool:
        wanted, version = self._wanted, self._attempt.version
        # Answers that nothing holds together are only joined where a digest tells in the end.
        proven = bool(version.validator or wanted.expected)
        return wanted.ranges and version.ranges is True and version.size is not None and proven

    def _publish(self, part: Part, pieces: Pieces, trail: Trail) -> os.stat_result:
        """Give the file its name, once it is known to be right."""
        wanted, progress, version = self._wanted, self._progress, self._attempt.version
        size = pieces.size or 0
        part.truncate(size)
        expected = wanted.expected or version.sha256
        if expected:
            progress.phase = "verifying"
            trail.end(size, lambda _: None)
            joined = pieces.connections > 1 or progress.reused > 0
            self._compare(trail.hexdigest(), expected, joined=joined)
        progress.checkpoint()
        progress.phase = "finishing"
        self._lease.check()
        published = part.publish(overwrite=wanted.overwrite)
        self._lease.remove()
        path, url = wanted.path, wanted.url
        fetched.remember(path, url, published, version, expected)
        if not expected:
            trail.end(
                size, lambda digest: fetched.add_digest(path, url, published, version, digest)
            )
        return published

    def _compare(self, digest: str, expected: str, *, joined: bool) -> None:
        if digest == expected:
            return
        if joined and self._wanted.ranges:
            raise StartOver(ranges=False)  # once more in one piece, before the server is blamed
        raise DigestMismatchError(
            f"{address.shown(self._wanted.url)} is not what it should be: its SHA-256 is {digest}, "
            f"and {expected} was expected.",
            "Nothing was saved. Look whether the digest belongs to this version of the file.",
        )

"""The ledger of a saga: a file of JSON lines, each on the disk before anything else is done.

It is the saga's lock too, as the journal of an export is (`progresswidget.export.lease`): one
process at a time, and never a dead one. A line counts from its line feed on, so what a kill tears
off is not there. A later heading begins a new saga in the same file.
"""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any, Final

from progresswidget.delivery.saga import Saga
from progresswidget.export import journal
from progresswidget.export.parts import sync_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from progresswidget.delivery.saga import Line
    from progresswidget.export.lease import Lease

MAX_BYTES: Final = 2**20
"""A longer one is not ours: a saga has some dozen lines."""


class Ledger:
    """The ledger that a lease is of.

    Parameters
    ----------
    lease
        Held by this process; its descriptor is the file.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.saga: Saga | None = None
        journal.repair(lease.descriptor)
        size = os.fstat(lease.descriptor).st_size
        good = self._read(os.pread(lease.descriptor, size, 0)) if size <= MAX_BYTES else 0
        if good < size:
            os.ftruncate(lease.descriptor, good)

    @property
    def over(self) -> bool:
        """Whether all of the saga stands, or is undone: nobody needs the ledger any more."""
        return self.saga is not None and self.saga.move().kind in {"stands", "undone"}

    @property
    def alone(self) -> bool:
        """Whether whoever had it before is gone for certain, and does not only sleep."""
        return self._lease.alone

    def check(self) -> None:
        """Make sure that no other process has taken over.

        Raises
        ------
        LeaseLostError
            If one has.
        """
        self._lease.check()

    def begin(self, steps: Sequence[str]) -> Saga:
        """Begin a new saga, with a new key."""
        saga = Saga(secrets.token_hex(16), steps)
        self._write(saga.to_line())
        # A loss of power must leave the names of the file and of its folder, too.
        for folder in self._lease.path.parents[:2]:
            sync_folder(folder)
        self.saga = saga
        return saga

    def write(self, event: str, step: str, note: dict[str, Any] | None = None) -> None:
        """Write a line, and return when it would survive a loss of power.

        Parameters
        ----------
        event
            ``begun``, ``noted``, ``done``, ``undoing``, ``undone`` or ``abandoned``.
        step
            The name of the step; of ``abandoned`` the reason.
        note
            What to remember of the step.

        Raises
        ------
        OSError
            If the disk is full, for instance; then it counts as not written.
        LeaseLostError
            If another process has taken over.
        """
        line: Line = {event: step} | ({"note": note} if note else {})
        self._lease.check()
        self._write(line)
        self._take(line)

    def _read(self, text: bytes) -> int:
        """Take the lines, and return the bytes of those that can be understood."""
        good = 0
        for line in text.splitlines(keepends=True):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError):
                # What another version wrote, or a disk has damaged: nothing behind it counts.
                break
            good += len(line)
        return good

    def _take(self, line: Line) -> None:
        if "saga" in line:
            self.saga = Saga.from_line(line)
        elif self.saga is not None:
            self.saga.take(line)

    def _write(self, line: Line) -> None:
        descriptor = self._lease.descriptor
        before = os.fstat(descriptor).st_size
        try:
            journal.append(descriptor, [json.dumps(line, separators=(",", ":")).encode() + b"\n"])
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            raise

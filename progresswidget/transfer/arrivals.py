"""What comes of a file: written where it belongs, hashed, and entered into the journal.

Connections bring it side by side, each the bytes of a claim of its own.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from progresswidget.transfer import journal

if TYPE_CHECKING:
    from progresswidget.export.parts import Part
    from progresswidget.export.trail import Trail
    from progresswidget.transfer.buffers import Buffers
    from progresswidget.transfer.pieces import Claim, Pieces

UNIT: Final = 8 * 2**20
"""Bytes after which the journal is told: so many are lost of each connection by a kill."""


class Arrivals:
    """Takes what comes, from any thread.

    Parameters
    ----------
    part
        Where the bytes go.
    journal_
        The descriptor of the journal.
    pieces
        What is there.
    trail
        The digest that follows.
    """

    def __init__(self, part: Part, journal_: int, pieces: Pieces, trail: Trail) -> None:
        self._descriptor, self._journal = part.descriptor, journal_
        self._pieces, self._trail = pieces, trail
        self._lock = threading.Lock()

    @property
    def size(self) -> int | None:
        """Bytes of the file, or None as long as nobody knows."""
        with self._lock:
            return self._pieces.size

    @property
    def received(self) -> int:
        """Bytes that are in the file."""
        with self._lock:
            return self._pieces.received

    def claim(self, at: int | None = None) -> Claim | None:
        """Take the next share, see `Pieces.claim`."""
        with self._lock:
            return self._pieces.claim(at)

    def release(self, claim: Claim) -> None:
        """Give back what of a claim is not entered."""
        with self._lock:
            self._pieces.release(claim)

    def learn(self, claim: Claim, size: int) -> None:
        """Take over how many bytes the file has; a claim to its end ends there."""
        with self._lock:
            self._pieces.size = claim.end = size

    def room(self, claim: Claim, most: int) -> int:
        """Return how many bytes of a claim may be read now."""
        with self._lock:
            return claim.reserve(min(most, UNIT - (claim.at - claim.first)))

    def write(self, claim: Claim, piece: memoryview, buffers: Buffers) -> None:
        """Write the next bytes of a claim, which may be hashed where they lie."""
        rest, at = piece, claim.at
        while rest:
            written = os.pwrite(self._descriptor, rest, at)
            rest, at = rest[written:], at + written
        if self._trail.lend(claim.at, piece, buffers.give_back):
            buffers.lent()

    def advance(self, claim: Claim, size: int) -> None:
        """Count bytes of a claim that are written."""
        with self._lock:
            claim.at += size
            follows = claim.first <= self._pieces.prefix
        if follows:
            self._trail.advance(claim.at)

    def enter(self, claim: Claim, digest: bytes) -> None:
        """Let the journal tell of what of a claim is in the file.

        Parameters
        ----------
        digest
            Of these bytes.
        """
        if claim.at == claim.first:
            return
        with self._lock:
            unit = journal.Unit(claim.first, claim.at - claim.first, digest)
            journal.record(self._journal, unit)
            self._pieces.commit(claim)
            prefix = self._pieces.prefix
        self._trail.advance(prefix)

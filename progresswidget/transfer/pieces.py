"""Which bytes of a file are there, which are on the way, and what to ask for next. Pure.

Connections take the bytes in their order, in shares that become smaller towards the end; one that
finds nothing left takes half of what the slowest still has before it. So the file grows from its
beginning, where its digest can follow, and no connection is idle while another has much to do.

Nothing here is safe from threads by itself: who shares it holds a lock.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from typing import Final

LEAST: Final = 4 * 2**20
MOST: Final = 64 * 2**20
"""Bounds of the bytes in one request, where several connections share a file."""
SHARES: Final = 4
"""Shares that each connection gets of what is left, at the least."""
WORTH: Final = 2**20
"""Bytes that are worth a request of their own when another connection is slow."""


@dataclass(slots=True, eq=False)
class Claim:
    """Bytes that one connection is to fetch.

    Parameters
    ----------
    first
        Its first byte that is not entered as being there.
    at
        Where it is: bytes before are in the file.
    end
        The first byte that is not its own; None means to the end, wherever that is.
    reserved
        Bytes before it may be on their way into the file: nobody else may take them.
    """

    first: int
    at: int
    end: int | None
    reserved: int

    def reserve(self, most: int) -> int:
        """Return how many bytes may be read now, at most `most`; 0 if it is complete."""
        size = most if self.end is None else min(most, self.end - self.at)
        self.reserved = self.at + size
        return size

    @property
    def complete(self) -> bool:
        """Whether all of it is in the file."""
        return self.end is not None and self.at >= self.end


@dataclass(slots=True)
class Pieces:
    """The state of a file of `size` bytes; None if that is not known yet.

    Parameters
    ----------
    size
        Bytes of the file.
    connections
        Connections that share the work.
    """

    size: int | None
    connections: int = 1
    _there: list[tuple[int, int]] = field(default_factory=list)
    _claims: list[Claim] = field(default_factory=list)

    def add(self, first: int, end: int) -> None:
        """Note that bytes are there."""
        if first >= end:
            return
        insort(self._there, (first, end))
        merged: list[tuple[int, int]] = []
        for start, stop in self._there:
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
            else:
                merged.append((start, stop))
        self._there = merged

    @property
    def prefix(self) -> int:
        """Bytes that are there from the beginning on without a gap."""
        return self._there[0][1] if self._there and self._there[0][0] == 0 else 0

    @property
    def count(self) -> int:
        """Bytes that are there in all."""
        return sum(end - first for first, end in self._there)

    @property
    def received(self) -> int:
        """Bytes that are in the file, also those that are not entered yet."""
        return self.count + sum(claim.at - claim.first for claim in self._claims)

    @property
    def complete(self) -> bool:
        """Whether all are there."""
        return self.size is not None and self.count >= self.size

    def missing(self) -> list[tuple[int, int | None]]:
        """Return what is neither there nor claimed, in order."""
        taken = sorted([*self._there, *((claim.first, self._end(claim)) for claim in self._claims)])
        gaps: list[tuple[int, int | None]] = []
        position = 0
        for first, end in taken:
            if first > position:
                gaps.append((position, first))
            position = max(position, end)
        if self.size is None:
            if not any(claim.end is None for claim in self._claims):
                gaps.append((position, None))
        elif position < self.size:
            gaps.append((position, self.size))
        return gaps

    def claim(self, at: int | None = None) -> Claim | None:
        """Take the next share, or None if there is nothing left that is worth it.

        Parameters
        ----------
        at
            Where an open response goes on, if there is one: its bytes come without a request.
        """
        gaps = self.missing()
        if at is not None:
            gaps = [gap for gap in gaps if gap[0] == at]
        if not gaps:
            return None if at is not None else self._steal()
        first, end = gaps[0]
        if end is not None and self.connections > 1:
            end = min(end, first + self._share(gaps))
        return self._take(first, end)

    def commit(self, claim: Claim) -> None:
        """Enter what of a claim is in the file."""
        self.add(claim.first, claim.at)
        claim.first = claim.at

    def release(self, claim: Claim) -> None:
        """Give back what of a claim is not entered."""
        if claim in self._claims:
            self._claims.remove(claim)

    def _take(self, first: int, end: int | None) -> Claim:
        claim = Claim(first, first, end, first)
        self._claims.append(claim)
        return claim

    def _share(self, gaps: list[tuple[int, int | None]]) -> int:
        left = sum((end or first) - first for first, end in gaps)
        return min(max(left // (SHARES * self.connections), LEAST), MOST)

    def _steal(self) -> Claim | None:
        known = [claim for claim in self._claims if claim.end is not None]
        slowest = max(known, key=_left, default=None)
        if slowest is None or slowest.end is None or _left(slowest) < 2 * WORTH:
            return None
        middle = slowest.reserved + _left(slowest) // 2
        end, slowest.end = slowest.end, middle
        return self._take(middle, end)

    def _end(self, claim: Claim) -> int:
        if claim.end is not None:
            return claim.end
        return claim.at if self.size is None else self.size


def _left(claim: Claim) -> int:
    return (claim.end or 0) - claim.reserved

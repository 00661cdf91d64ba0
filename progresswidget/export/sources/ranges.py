"""Rows of files that are read one part after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def gathered(pieces: Iterable[tuple[int, float, int]], most: float) -> list[tuple[int, int]]:
    """Return slices of at most so many bytes, or of one piece that has more.

    Parameters
    ----------
    pieces
        Rows that lie together, their bytes, and the number of pieces that they can be cut to.
    most
        The bytes.

    Returns
    -------
    The first row and the number of rows of each slice.
    """
    ranges: list[tuple[int, int]] = []
    start = row = 0
    held = 0.0
    for rows, size, count in pieces:
        step = max(-(-rows // count), 1)
        for begin in range(0, rows, step):
            if row > start and held + size / count > most:
                ranges.append((start, row - start))
                start, held = row, 0.0
            row += min(step, rows - begin)
            held += size / count
    return [*ranges, (start, row - start)]

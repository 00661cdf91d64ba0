"""A kernel's part: an export whose batches come one by one, each when a line comes on stdin.

Run as a script with the path; it prints a line for each batch that is asked for, and at the end the
digest of the file.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCHES = 4
ROWS = 50_000


def batch(number: int) -> pa.RecordBatch:
    """Return rows that are the same in every run."""
    first = number * ROWS
    numbers = pa.array(range(first, first + ROWS), pa.int64())
    return pa.record_batch({"n": numbers, "text": numbers.cast(pa.string())})


def batches() -> Iterator[pa.RecordBatch]:
    """Return all rows, each batch when it is its turn."""
    for number in range(BATCHES):
        print(number, flush=True)
        sys.stdin.readline()
        yield batch(number)


if __name__ == "__main__":
    import progresswidget as pw

    print(pw.export(batches(), sys.argv[1]).result().sha256, flush=True)

"""Writers: Arrow batches to the bytes of a file, one module per family of formats.

A writer does no input or output. It encodes *units*, groups of batches whose bytes follow one
another in the file, so that units can be encoded side by side, counted, and later committed one
by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


class Writer(Protocol):
    """What the pipeline needs of a format.

    `unit_rows` and `unit_bytes` (of Arrow data) say when a unit is full; `workers` how many units
    may be encoded at the same time. With one worker the calls come in the order of the file.

    A slow source would fill no unit for minutes: after `unit_patience` seconds of waiting for the
    source a unit ends early, if it has `least_rows` rows.
    """

    unit_rows: int
    unit_bytes: int
    unit_patience: float
    least_rows: int
    workers: int

    def head(self) -> Sequence[bytes]:
        """Return the bytes before the first unit."""

    def encode(self, batches: Sequence[pa.RecordBatch]) -> Sequence[bytes]:
        """Return the bytes of one unit; `batches` is not empty.

        Raises
        ------
        ColumnError
            If a value cannot be written.
        """

    def tail(self) -> Sequence[bytes]:
        """Return the bytes after the last unit; the writer is not used again."""

"""How many bytes the values of a slice take, which Arrow's own count does not tell.

``nbytes`` of a slice of a view array counts all the buffers that its whole parent points into,
and that of a dictionary array counts the dictionary and not how often it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.workers import give_way

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

VIEW: Final = 16
"""Bytes of a view."""


LITTLE: Final = 16 * 2**20
"""Bytes of a batch from which on its texts are counted and not only judged by the longest."""


def batch_bytes(batch: pa.RecordBatch) -> int:
    """Return about how many bytes the values of `batch` take when they are written out."""
    little = LITTLE // max(batch.num_columns, 1)
    return sum(array_bytes(column, little) for column in batch.columns)


def array_bytes(array: pa.Array, little: int = 0) -> int:
    """Return about how many bytes the values of `array` take when they are written out.

    Parameters
    ----------
    array
        The values.
    little
        Of views that take no more than so many bytes, what they take at most is told.
    """
    import pyarrow as pa

    give_way()
    kind = array.type
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        values = array.dictionary if pa.types.is_dictionary(kind) else array.values
        return len(array) * (4 + array_bytes(values) // max(len(values), 1))
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return _view_bytes(array, little)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
        return 4 * len(array) + array_bytes(array.values.slice(first, last - first))
    if pa.types.is_struct(kind):
        return sum(array_bytes(child) for child in array.flatten())
    return int(array.nbytes)


def view_lengths(array: pa.Array) -> Any:
    """Return how long each value of a view array is, as numpy has it; below missing ones anything.

    Arrow's Columnar.rst, "Variable-size Binary View Layout": a view begins with its length.
    """
    import numpy as np

    words = VIEW // 4
    views = array.buffers()[1]
    return np.frombuffer(views, np.int32, words * len(array), VIEW * array.offset)[::words]


def _view_bytes(array: pa.Array, little: int) -> int:
    import numpy as np

    rows = len(array)
    if not rows:
        return 0
    lengths = view_lengths(array).view(np.uint32)
    most = int(lengths.max())
    if rows * most <= little:
        return rows * (VIEW + most)
    valid, _, *data = array.buffers()
    longest = max((each.size for each in data), default=0)
    if array.null_count and most > max(longest, VIEW):
        # What lies below a missing value may be anything; most producers leave zeros there.
        bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
        lengths = lengths[bits[array.offset : array.offset + rows].view(bool)]
        most = int(lengths.max(initial=0))
    # Numbers that need no wider ones to be added up are added up three times as fast.
    total = lengths.sum(dtype=np.uint32 if rows * most < 2**32 else np.uint64)
    return VIEW * rows + int(total)


def split(batch: pa.RecordBatch, size: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Halve `batch` until no part has more than `size` bytes or only one row is left.

    Yields
    ------
    The parts, each with its bytes.
    """
    total = batch_bytes(batch)
    if batch.num_rows <= 1 or total <= size:
        yield batch, total
        return
    half = batch.num_rows // 2
    yield from split(batch.slice(0, half), size)
    yield from split(batch.slice(half), size)

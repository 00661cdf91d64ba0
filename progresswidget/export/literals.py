"""Constants of ours as Arrow values, made from their bytes.

pyarrow's own converters (`pa.array`, `pa.scalar`, and with them every Python constant that is given
to `pyarrow.compute`) import pandas wherever it is installed, to see whether what they get is its
own. For an export that has nothing to do with pandas that is 0.3 s and 44 MB.
"""

from __future__ import annotations

from array import array
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa


@cache
def zero(kind: pa.DataType) -> pa.Scalar:
    """Return 0, or False, of a type of fixed width."""
    import pyarrow as pa

    width = (kind.bit_width + 7) // 8
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes(width))])[0]


def numbers(values: Iterable[int]) -> pa.UInt64Array:
    """Return an array of unsigned integers of 64 bits."""
    import pyarrow as pa

    held = array("Q", values)
    return pa.Array.from_buffers(pa.uint64(), len(held), [None, pa.py_buffer(held)])


def texts(values: Iterable[str]) -> pa.LargeStringArray:
    """Return texts whose places are counted in 64 bits."""
    import pyarrow as pa

    encoded = [value.encode() for value in values]
    ends = array("q", accumulate(map(len, encoded), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers)

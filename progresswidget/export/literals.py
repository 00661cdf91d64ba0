"""Constants of ours as Arrow values, made from their bytes.

pyarrow's own converters (`pa.array`, `pa.scalar`, and with them every Python constant that is given
to `pyarrow.compute`) import pandas wherever it is installed, to see whether what they get is its
own. For an export that has nothing to do with pandas that is 0.3 s and 44 MB.
"""

from __future__ import annotations

from array import array
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
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


def flags(values: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.BooleanArray:
    """Return booleans of numpy as Arrow has them."""
    import numpy as np
    import pyarrow as pa

    packed = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, packed])


def bits(values: pa.BooleanArray) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return booleans of Arrow, of which none is missing, as 0 and 1."""
    import numpy as np

    begin, end = values.offset, values.offset + len(values)
    held = np.frombuffer(values.buffers()[1], np.uint8, -(-end // 8))
    return np.unpackbits(held, count=end, bitorder="little")[begin:]


def places(values: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Int64Array:
    """Return integers of numpy as Arrow has them."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])

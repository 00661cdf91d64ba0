"""numpy arrays: structured ones by their fields, others by their columns, numbered from 0.

Arrays are changed in place as a matter of course, and a copy may be larger than the memory. So
their bytes are hashed when the reading begins and when it ends.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from progresswidget.errors import ColumnError, SourceChangedError, UnsupportedSourceError
from progresswidget.export.digest import bytes_digest
from progresswidget.export.sources import Source, is_of
from progresswidget.export.sources.batches import Pace, make_batch
from progresswidget.export.sources.objects import first_failure, object_type

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import numpy as np
    import pyarrow as pa

    from progresswidget.export.formats import Flavour

HASHED_BYTES: Final = 2**22
"""Bytes that are copied at once for hashing where an array has gaps."""
_UNITS: Final = {"M": {"Y": "D", "M": "D", "W": "D", "h": "s", "m": "s"}}
_UNITS["m"] = {"W": "s", "D": "s", "h": "s", "m": "s"}


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    values: Any
    kind: pa.DataType


def recognises(frame: object) -> bool:
    """Say whether `frame` is an array."""
    return is_of(frame, "numpy", "ndarray")


def read(frame: object, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of an array of one or two dimensions.

    Raises
    ------
    UnsupportedSourceError
        If it has another shape.
    ColumnError
        If a column has no type in Arrow.
    """
    import pyarrow as pa

    array = cast("np.ndarray[Any, Any]", frame)
    # Objects and texts of any length lie outside the array, which holds only their addresses.
    outside = array.dtype.hasobject or array.dtype.kind == "T"
    array = array.copy() if outside else array
    columns = [_Column(name, values, _kind(name, values)) for name, values in _split(array)]
    schema = pa.schema([(column.name, column.kind) for column in columns])
    before: list[bytes] = []

    def begin() -> Generator[pa.RecordBatch, None, None]:
        before[:] = [] if outside else [_digest(array)]
        yield from _batches(columns, schema, len(array))

    def check() -> None:
        if before and before[0] != _digest(array):
            raise SourceChangedError(
                "The array was changed while it was being exported.",
                "Export array.copy(), or wait until the export is done.",
            )

    return Source(schema, len(array), begin, check=check, at_hand=True)


def _split(array: np.ndarray[Any, Any]) -> Iterator[tuple[str, Any]]:
    names = array.dtype.names
    if names is not None and array.ndim == 1:
        for name in names:
            yield name, array[name]
    elif names is None and array.ndim == 1:
        yield "value", array
    elif names is None and array.ndim == 2:  # noqa: PLR2004
        # Not of a matrix, whose columns have two dimensions again.
        plain = array if is_of(array, "numpy.ma", "MaskedArray") else array.view(_ndarray())
        for column in range(array.shape[1]):
            yield str(column), plain[:, column]
    else:
        raise UnsupportedSourceError(
            f"An array of shape {array.shape} and type {array.dtype} is no table.",
            "Give one of two dimensions, or a structured one of one dimension.",
        )


def _ndarray() -> Any:
    return sys.modules["numpy"].ndarray


def _kind(name: str, values: Any) -> pa.DataType:
    import pyarrow as pa

    if values.dtype.kind == "O" and values.ndim == 1:
        return object_type(name, values)
    try:
        return _arrow(values[:0]).type
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ColumnError(
            f"The column {name!r} of type {values.dtype} has no type in Arrow: {error}",
            "Convert it first, for instance with astype(str).",
        ) from error


def _batches(
    columns: list[_Column], schema: pa.Schema, total: int
) -> Generator[pa.RecordBatch, None, None]:
    start, pace = 0, Pace()
    while start < total:
        stop = min(start + pace.rows, total)
        arrays = [_convert(column, start, stop) for column in columns]
        batch = make_batch(arrays, schema, stop - start)
        yield batch
        pace.learn(batch)
        start = stop


def _convert(column: _Column, start: int, stop: int) -> pa.Array:
    import pyarrow as pa

    values = column.values[start:stop]
    try:
        return _arrow(values, column.kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        row = start + first_failure(values, lambda part: _arrow(part, column.kind))
        raise ColumnError(
            f"The column {column.name!r} has a value in row {row} that does not fit the others, "
            f"which are of type {column.kind}: {error}",
            "Give the column one type first, for instance with astype(str).",
        ) from error


def _arrow(values: Any, kind: pa.DataType | None = None) -> pa.Array:
    import pyarrow as pa

    dtype = values.dtype
    if values.ndim > 1:
        size = values.shape[1]
        inner = _arrow(values.reshape(len(values) * size, *values.shape[2:]))
        return pa.FixedSizeListArray.from_arrays(inner, size)
    if dtype.names is not None:
        fields = [_arrow(values[name]) for name in dtype.names]
        return pa.StructArray.from_arrays(fields, list(dtype.names))
    mask = None
    if is_of(values, "numpy.ma", "MaskedArray"):
        mask, values = sys.modules["numpy"].ma.getmaskarray(values), values.data
    values = _readable(values)
    if dtype.kind == "O":
        return pa.array(values, type=kind, mask=mask, from_pandas=True)
    if dtype.kind in "US" and _hold_zeros(values):
        return pa.array(values.tolist(), kind or _arrow(values[:0]).type, mask=mask)
    return pa.array(values, mask=mask)


def _hold_zeros(values: Any) -> bool:
    """Say whether texts or bytes have a NUL within, where Arrow would end them."""
    size = 4 if values.dtype.kind == "U" else 1
    width = values.dtype.itemsize // size
    np = sys.modules["numpy"]
    signs = np.ascontiguousarray(values).view(f"u{size}").reshape(len(values), width)
    return bool(((signs[:, :-1] == 0) & (signs[:, 1:] != 0)).any()) if width > 1 else False


def _readable(values: Any) -> Any:
    """Return values in an order of bytes and a unit of time that Arrow knows."""
    dtype = values.dtype
    if not dtype.isnative:
        dtype = dtype.newbyteorder("=")
    if dtype.kind in _UNITS:
        unit, count = sys.modules["numpy"].datetime_data(dtype)
        # A unit of several, such as 10 minutes, has the next finer plain one.
        unit = _UNITS[dtype.kind].get(unit, unit)
        if unit != "generic" and (count != 1 or f"[{unit}]" not in dtype.str):
            dtype = f"{dtype.kind}8[{unit}]"
    return values if dtype == values.dtype else values.astype(dtype)


def _digest(array: np.ndarray[Any, Any]) -> bytes:
    return bytes_digest(_pieces(array))


def _pieces(array: Any) -> Iterator[Any]:
    np = sys.modules["numpy"]
    if is_of(array, "numpy.ma", "MaskedArray"):
        yield from _pieces(np.ma.getmaskarray(array))
        array = array.data
    array = np.asarray(array)
    if array.flags.f_contiguous:
        array = array.T
    if not array.size or not array.dtype.itemsize:
        return
    rows = max(1, HASHED_BYTES * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        # As bytes, because many types have no buffer protocol.
        yield np.ascontiguousarray(array[start : start + rows]).view(np.uint8)

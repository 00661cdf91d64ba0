"""Nested columns of other types inside: what pyarrow's own cast refuses or spoils is rebuilt.

pyarrow 26 makes broken lists of views of lists, also inside of other types, decodes no run ends
and looks up no dictionary of views there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa


def rebuild(
    array: pa.Array, kind: pa.DataType, change: Callable[[pa.Array, pa.DataType], pa.Array]
) -> pa.Array | None:
    """Return a nested array as one of another type, None where that is of another kind.

    Parameters
    ----------
    array
        The values.
    kind
        What is wanted.
    change
        Makes the arrays inside those of another type.
    """
    import pyarrow as pa

    if pa.types.is_struct(array.type) and pa.types.is_struct(kind):
        return _struct(array, kind, change)
    if pa.types.is_fixed_size_list(array.type) and pa.types.is_fixed_size_list(kind):
        return _fixed(array, kind, change)
    if pa.types.is_map(array.type) and pa.types.is_map(kind):
        pairs = pa.struct([kind.key_field, kind.item_field])
        return _list(array, kind, _pairs(array), lambda part: _struct(part, pairs, change))
    if _is_list(kind) and _is_list(array.type):
        values = array.values
        return _list(array, kind, values, lambda part: change(part, kind.value_type))
    if _is_list(kind) and _is_view(array.type):
        return _list_of_view(array, kind, change)
    return None


def _struct(
    array: pa.StructArray, kind: pa.StructType, change: Callable[[pa.Array, pa.DataType], pa.Array]
) -> pa.Array:
    # Not `flatten`: it would have to mark as missing what is below a missing struct.
    parts = [change(array.field(place), field.type) for place, field in enumerate(kind)]
    return _built(kind, array, [], parts)


def _fixed(
    array: pa.FixedSizeListArray,
    kind: pa.FixedSizeListType,
    change: Callable[[pa.Array, pa.DataType], pa.Array],
) -> pa.Array:
    size = kind.list_size
    values = array.values.slice(array.offset * size, len(array) * size)
    return _built(kind, array, [], [change(values, kind.value_type)])


def _list(
    array: pa.Array, kind: pa.DataType, values: pa.Array, changed: Callable[[pa.Array], pa.Array]
) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    width = np.dtype(np.int64 if pa.types.is_large_list(array.type) else np.int32)
    offsets = array.buffers()[1]
    ends = np.frombuffer(offsets, width, len(array) + 1, array.offset * width.itemsize)
    # What is below a missing list stays: it harms nobody, and pyarrow cannot leave all types out.
    first, last = int(ends[0]), int(ends[-1])
    return _with_ends(kind, array, ends - first, changed(values.slice(first, last - first)))


def _list_of_view(
    array: pa.Array, kind: pa.DataType, change: Callable[[pa.Array, pa.DataType], pa.Array]
) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
    ends = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    begin = array.offsets.to_numpy()[: len(array)]
    places = np.arange(ends[-1]) + np.repeat(begin - ends[:-1], lengths)
    values = change(array.values, kind.value_type)
    if len(places) and places[-1] - places[0] == len(places) - 1 and (np.diff(places) == 1).all():
        values = values.slice(places[0], len(places))  # as most are; not all types can be taken
    else:
        values = values.take(pa.array(places, pa.int64()))
    return _with_ends(kind, array, ends, values)


def _with_ends(kind: pa.DataType, array: pa.Array, ends: Any, values: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    width = np.int64 if pa.types.is_large_list(kind) else np.int32
    return _built(kind, array, [pa.py_buffer(ends.astype(width))], [values])


def _pairs(array: pa.MapArray) -> pa.StructArray:
    import pyarrow as pa

    fields = [array.type.key_field, array.type.item_field]
    return pa.StructArray.from_arrays([array.keys, array.items], fields=fields)


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_view(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))


def _built(
    kind: pa.DataType, array: pa.Array, offsets: list[pa.Buffer], children: list[pa.Array]
) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    valid = None
    if array.null_count:
        bits = array.is_valid().to_numpy(zero_copy_only=False)
        valid = pa.py_buffer(np.packbits(bits, bitorder="little"))
    return pa.Array.from_buffers(kind, len(array), [valid, *offsets], children=children)

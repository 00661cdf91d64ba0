"""Types that pyarrow's encoders do not take, or readers do not know, as the nearest ones they do.

String and binary views become large ones: pyarrow writes a slice of views with all the text of
its parent, and older readers know no views. List views become lists for the same reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from progresswidget.export import memory
from progresswidget.export.writers.blame import blame_a_row
from progresswidget.export.writers.nesting import rebuild

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

DIGITS: Final = 38
WIDEST: Final = 76
"""Digits of Arrow's decimals of 128 and 256 bits."""


def storable(kind: pa.DataType) -> pa.DataType:
    """Return the type under which a column is handed to an encoder, with run ends decoded."""
    return listed(kind, storable)


def listed(kind: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return a list of changed values for a view of lists; any other type as `plain` does."""
    import pyarrow as pa

    if pa.types.is_list_view(kind):
        return pa.list_(kind.value_field.with_type(change(kind.value_type)))
    if pa.types.is_large_list_view(kind):
        return pa.large_list(kind.value_field.with_type(change(kind.value_type)))
    return plain(kind, change)


def plain(  # noqa: PLR0911 - one row a kind
    kind: pa.DataType, change: Callable[[pa.DataType], pa.DataType]
) -> pa.DataType:
    """Return a type of no text views and no run ends, with changed types in it."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return kind
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_run_end_encoded(kind):
        return change(kind.value_type)
    if pa.types.is_dictionary(kind):
        value = change(kind.value_type)
        if pa.types.is_nested(value):
            return value
        return pa.dictionary(kind.index_type, value, kind.ordered)
    return rebuilt(kind, change)


def scaled(kind: pa.DataType) -> pa.DataType:
    """Return a decimal of no negative scale, which few know, at any depth; others as they are."""
    import pyarrow as pa

    if not pa.types.is_decimal(kind):
        return rebuilt(kind, scaled)
    if kind.scale >= 0:
        return kind
    digits = kind.precision - kind.scale
    # With one that is too wide its values are refused that do not fit.
    return pa.decimal128(digits, 0) if digits <= DIGITS else pa.decimal256(min(digits, WIDEST), 0)


def decoded(kind: pa.DataType) -> pa.DataType:
    """Return `kind` with the values of its dictionaries in their place, at any depth."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return decoded(kind.value_type)
    return rebuilt(kind, decoded)


def rebuilt(kind: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return a list, struct or map of changed types; any other type as it is."""
    import pyarrow as pa

    def field(old: pa.Field) -> pa.Field:
        return old.with_type(change(old.type))

    if pa.types.is_struct(kind):
        return pa.struct([field(each) for each in kind])
    if pa.types.is_map(kind):
        keys, items = field(kind.key_field), field(kind.item_field)
        return pa.map_(keys, items, keys_sorted=kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(field(kind.value_field), kind.list_size)
    if pa.types.is_list(kind):
        return pa.list_(field(kind.value_field))
    if pa.types.is_large_list(kind):
        return pa.large_list(field(kind.value_field))
    return kind


def one_missing(kind: pa.DataType) -> pa.Array:
    """Return a missing value of a type, or of the one that it is stored as.

    pyarrow's own is broken where run ends are inside of the type.
    """
    import pyarrow as pa

    inside = pa.types.is_nested(kind) and not pa.types.is_run_end_encoded(kind)
    return pa.nulls(1, storable(kind) if inside else kind)


def no_rows(schema: pa.Schema) -> pa.Table:
    """Return a table without rows.

    pyarrow's own `empty_table` knows no sparse unions, and imports pandas.
    """
    import pyarrow as pa

    return pa.table([pa.nulls(0, field.type) for field in schema], schema=schema)


def convert(array: pa.Array, field: pa.Field, start: int = 0) -> pa.Array:
    """Return a column as the type that it is stored as.

    Parameters
    ----------
    array
        Some rows of the column.
    field
        What it is stored as.
    start
        The rows before the first one.

    Raises
    ------
    ColumnError
        If a value has no place in that type; it names the column and the row.
    """
    import pyarrow as pa

    if array.type == field.type:
        return array
    try:
        return _convert(array, field.type)
    except (pa.ArrowException, ValueError, TypeError):
        blame_a_row(
            field.name,
            start,
            len(array),
            lambda at, size: _convert(_alone(array, at, size), field.type),
            f"be written as {field.type}",
        )
        raise


def _alone(array: pa.Array, at: int, size: int) -> pa.Array:
    """Return some rows by themselves: of a slice of lists, a cast looks at all values."""
    import pyarrow as pa

    if pa.types.is_nested(array.type):
        return array.take(pa.array(range(at, at + size)))
    return array.slice(at, size)


def _convert(array: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if isinstance(array.type, pa.BaseExtensionType) and not isinstance(kind, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_run_end_encoded(array.type):
        return _without_runs(array, kind)
    if pa.types.is_dictionary(array.type):
        if pa.types.is_dictionary(kind):
            return _with_values(array, kind)
        array = without_dictionary(array)
    if array.type == kind:
        return array
    rebuilt = rebuild(array, kind, _convert) if pa.types.is_nested(array.type) else None
    return array.cast(kind, memory_pool=memory.pool()) if rebuilt is None else rebuilt


def without_runs(array: pa.RunEndEncodedArray) -> pa.Array:
    """Return the values, each as often as its run is long; pyarrow decodes no views and lists."""
    return _without_runs(array, storable(array.type.value_type))


def _without_runs(array: pa.RunEndEncodedArray, kind: pa.DataType) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    rows = np.arange(array.offset, array.offset + len(array))
    runs = np.searchsorted(array.run_ends.to_numpy(), rows, side="right")
    return _convert(array.values, kind).take(pa.array(runs, pa.int64()))


def _with_values(array: pa.DictionaryArray, kind: pa.DataType) -> pa.Array:
    """Return a dictionary array of other values; pyarrow casts no dictionaries of views."""
    import pyarrow as pa

    values = array.dictionary
    if values.type != kind.value_type:
        values = _convert(values, kind.value_type)
    array = pa.DictionaryArray.from_arrays(array.indices, values, ordered=kind.ordered)
    return array if array.type == kind else array.cast(kind)


def without_dictionary(array: pa.DictionaryArray) -> pa.Array:
    """Return the values; pyarrow cannot look up views."""
    import pyarrow as pa

    kind = storable(array.type.value_type)
    if kind != array.type.value_type:
        array = pa.DictionaryArray.from_arrays(array.indices, array.dictionary.cast(kind))
    return array.dictionary_decode()

"""The types under which columns are handed to the Parquet encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.export.writers.storable import rebuilt, scaled, storable

if TYPE_CHECKING:
    import pyarrow as pa


def column_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column in the file's Arrow schema.

    Parquet has no negative scales and no values of a fixed size of nothing, and
    pyarrow reads no lists of that size.
    """
    return _sized(scaled(storable(kind)))


def encoder_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that goes to an encoder which knows views: these need no conversion."""
    import pyarrow as pa

    view = pa.types.is_string_view(kind) or pa.types.is_binary_view(kind)
    return kind if view else column_type(kind)


def _sized(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == 0:
        return pa.binary()
    if pa.types.is_fixed_size_list(kind) and kind.list_size == 0:
        return pa.list_(kind.value_field.with_type(_sized(kind.value_type)))
    return rebuilt(kind, _sized)

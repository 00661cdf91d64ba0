"""The types under which columns are handed to the Parquet encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.export.writers.storable import rebuilt

if TYPE_CHECKING:
    import pyarrow as pa


def column_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column in the file's Arrow schema.

    A list view is a list. Inside of other types it stays: pyarrow casts it wrongly there, and
    writes it well.
    """
    import pyarrow as pa

    if pa.types.is_list_view(kind):
        return pa.list_(kind.value_field.with_type(_inner(kind.value_type)))
    if pa.types.is_large_list_view(kind):
        return pa.large_list(kind.value_field.with_type(_inner(kind.value_type)))
    return _inner(kind)


def encoder_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that goes to an encoder which knows views: these need no conversion."""
    import pyarrow as pa

    view = pa.types.is_string_view(kind) or pa.types.is_binary_view(kind)
    return kind if view else column_type(kind)


def _inner(kind: pa.DataType) -> pa.DataType:  # noqa: PLR0911 - one row a kind
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return kind
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_run_end_encoded(kind):
        return _inner(kind.value_type)
    if pa.types.is_dictionary(kind):
        value = _inner(kind.value_type)
        if pa.types.is_nested(value):
            return value
        return pa.dictionary(kind.index_type, value, kind.ordered)
    return rebuilt(kind, _inner)

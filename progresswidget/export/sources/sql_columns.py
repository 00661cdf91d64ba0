"""Columns of Arrow results: the types that only one driver knows, as types that files have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError

if TYPE_CHECKING:
    import pyarrow as pa

# PostgreSQL, src/backend/utils/adt/numeric.c: the modifier holds precision and scale, plus four.
_HEADER: Final = 4
_NARROW, _WIDE = 38, 76


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the columns as they will be, without a driver's own notes.

    Raises
    ------
    ColumnError
        If a type is known to the database only.
    """
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _kind(field)) for field in schema])


def plain(batch: pa.RecordBatch, schema: pa.Schema, start: int) -> pa.RecordBatch:
    """Return a batch with the columns of `schema`; `start` rows were before it.

    Raises
    ------
    ColumnError
        If a value does not fit, as NaN in a numeric column.
    """
    import pyarrow as pa

    columns = [
        _convert(column, field, start) for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _kind(field: pa.Field) -> pa.DataType:
    import pyarrow as pa

    name = getattr(field.type, "extension_name", None)
    if name is None:
        return field.type
    if name in {"arrow.uuid", "arrow.json"}:
        return pa.string()
    if getattr(field.type, "type_name", "") == "numeric":
        return _numeric(int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1")))
    raise ColumnError(
        f"The column {field.name!r} has the type {getattr(field.type, 'type_name', name)}, which "
        "only the database knows.",
        f'Cast it in the query: "{field.name}"::text.',
    )


def _numeric(modifier: int) -> pa.DataType:
    """Return a decimal type; without a declared precision only text holds every value."""
    import pyarrow as pa

    if modifier < _HEADER:
        return pa.string()
    precision, scale = (modifier - _HEADER) >> 16, (modifier - _HEADER) & 0x7FF
    if scale > precision:
        return pa.string()
    return decimal(precision, scale)


def decimal(precision: int, scale: int) -> pa.DataType:
    """Return the narrowest decimal type, or text where there is none."""
    import pyarrow as pa

    if precision <= _NARROW:
        return pa.decimal128(precision, scale)
    return pa.decimal256(precision, scale) if precision <= _WIDE else pa.string()


def _convert(column: Any, field: pa.Field, start: int) -> Any:
    import pyarrow as pa

    name = getattr(column.type, "extension_name", None)
    if name is None:
        return column
    if name == "arrow.uuid":
        return pa.array([None if each is None else str(each) for each in column.to_pylist()])
    try:
        return column.storage.cast(field.type)
    except pa.ArrowInvalid:
        pass
    for row, value in enumerate(column.storage):
        try:
            value.cast(field.type)
        except pa.ArrowInvalid as error:
            raise ColumnError(
                f"The column {field.name!r} holds {value} in row {start + row}, which is no "
                f"{field.type}.",
                f'Cast it in the query: "{field.name}"::float8, or ::text.',
            ) from error
    raise AssertionError(field.name)

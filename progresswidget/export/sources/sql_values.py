"""Rows of Python objects as Arrow columns: one type for each, declared or found in the first rows.

SQLite gives every value a type of its own, so a later value may be of another kind than the first
ones. That is an error which names it, and never a value that quietly became text.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from progresswidget.errors import ColumnError
from progresswidget.export.sources.sql_columns import decimal as decimal_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

_INT64: Final = 2**63
_WHOLE: Final = 38
"""Digits of a decimal that holds whole numbers beyond 64 bits."""

# The first row that fits; a bool is an int, and a datetime a date.
_FAMILIES: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, "boolean"),
    (int, "whole number"),
    (float, "number"),
    (decimal.Decimal, "decimal"),
    (str, "text"),
    ((bytes, bytearray, memoryview), "bytes"),
    (dt.datetime, "time"),
    (dt.date, "date"),
    (dt.time, "time of day"),
    (dt.timedelta, "duration"),
    (UUID, "UUID"),
    (dict, "JSON"),
    ((list, tuple), "list"),
)
_TAKES: Final = {"number": {"whole number", "number"}, "JSON": {"JSON", "list"}}
"""Families whose columns hold more than their own values."""

# PostgreSQL, src/include/catalog/pg_type.dat
_POSTGRESQL: Final = {
    16: "boolean",
    17: "bytes",
    20: "whole number",
    21: "whole number",
    23: "whole number",
    25: "text",
    700: "number",
    701: "number",
    1042: "text",
    1043: "text",
    1082: "date",
    1083: "time of day",
    1114: "time",
    1184: "time with zone",
    1186: "duration",
    1700: "decimal",
    2950: "UUID",
}


class Columns:
    """The columns of a result, fixed by what the driver declares and by its first rows.

    Parameters
    ----------
    description
        The DBAPI's description of the columns (PEP 249).
    rows
        The first rows.
    postgresql
        Whether type codes are PostgreSQL's.
    """

    def __init__(
        self,
        description: Sequence[Sequence[Any]],
        rows: Sequence[Sequence[Any]],
        *,
        postgresql: bool,
    ) -> None:
        import pyarrow as pa

        self._families: list[str] = []
        fields = []
        for position, column in enumerate(description):
            name = str(column[0])
            values = [row[position] for row in rows]
            declared = _POSTGRESQL.get(column[1]) if postgresql else None
            # SQLite compares kinds only where the values are; the others keep to what they declare.
            family = declared or _common(name, values)
            self._families.append(family)
            precision, scale = (column[4], column[5]) if postgresql else (None, None)
            fields.append(pa.field(name, _type(family, values, precision, scale)))
        self.schema = pa.schema(fields)

    def batch(self, rows: Sequence[Sequence[Any]], start: int) -> pa.RecordBatch:
        """Return rows as a batch; `start` rows were before them.

        Raises
        ------
        ColumnError
            If a value is of another kind than its column.
        """
        import pyarrow as pa

        arrays = []
        for position, (field, family) in enumerate(zip(self.schema, self._families, strict=True)):
            values = [row[position] for row in rows]
            arrays.append(_array(values, field, family, start))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _family(value: object) -> str:
    for kinds, family in _FAMILIES:
        if isinstance(value, kinds):
            aware = family == "time" and getattr(value, "tzinfo", None) is not None
            return "time with zone" if aware else family
    return type(value).__name__


def _common(name: str, values: Sequence[Any]) -> str:
    """Return the family of the first rows; whole numbers among numbers are numbers."""
    first: tuple[str, int] | None = None
    for row, value in enumerate(values):
        if value is None:
            continue
        family = _family(value)
        if first is None:
            first = family, row
        elif family != first[0]:
            if {family, first[0]} == {"whole number", "number"}:
                first = "number", first[1]
            elif not {family, first[0]} <= _TAKES["JSON"]:
                raise _mixed(name, first[0], family, row)
            else:
                first = "JSON", first[1]
    return first[0] if first else "missing"


def _mixed(name: str, family: str, other: str, row: int) -> ColumnError:
    before = "no value" if family == "missing" else family
    return ColumnError(
        f"The column {name!r} holds values of several kinds: {before} before row {row}, {other} "
        f"in row {row}.",
        f'Give it one type in the query: CAST("{name}" AS REAL), or AS TEXT.',
    )


def _type(family: str, values: Sequence[Any], precision: Any, scale: Any) -> pa.DataType:
    import pyarrow as pa

    if family == "whole number":
        wide = any(each is not None and not -_INT64 <= each < _INT64 for each in values)
        return pa.decimal128(_WHOLE, 0) if wide else pa.int64()
    if family == "decimal" and precision is not None and 0 <= (scale or 0) <= precision:
        return decimal_type(precision, scale or 0)
    if family == "list":
        return pa.infer_type(values)
    return {
        "boolean": pa.bool_(),
        "number": pa.float64(),
        "bytes": pa.binary(),
        "time": pa.timestamp("us"),
        "time with zone": pa.timestamp("us", "UTC"),
        "date": pa.date32(),
        "time of day": pa.time64("us"),
        "duration": pa.duration("us"),
    }.get(family, pa.string())


def _array(values: list[Any], field: pa.Field, family: str, start: int) -> pa.Array:
    import pyarrow as pa

    allowed = _TAKES.get(family, {family})
    kinds = {kind: value for value in values if (kind := type(value)) is not type(None)}
    if any(_family(value) not in allowed for value in kinds.values()) or dt.datetime in kinds:
        for row, value in enumerate(values):
            if value is not None and _family(value) not in allowed:
                raise _mixed(field.name, family, _family(value), start + row)
    if pa.types.is_string(field.type) and family != "text":
        values = [_text(value, family) for value in values]
    try:
        return pa.array(values, type=field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        row = _first_failure(values, field.type)
        raise ColumnError(
            f"The column {field.name!r} holds {values[row]!r} in row {start + row}, which is no "
            f"{field.type}.",
            f'Give it a wider type in the query, for instance CAST("{field.name}" AS TEXT).',
        ) from error


def _text(value: Any, family: str) -> str | None:
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, default=str) if family == "JSON" else str(value)


def _first_failure(values: Sequence[Any], kind: pa.DataType) -> int:
    import pyarrow as pa

    for row, value in enumerate(values):
        try:
            pa.array([value], type=kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return row
    return 0

"""How a column of each Arrow type becomes one that polars can write as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from progresswidget.errors import ColumnError
from progresswidget.export.writers import texts
from progresswidget.export.writers.columns_bounds import bounded, check_within
from progresswidget.export.writers.columns_zones import OFFSET, local, named, told
from progresswidget.export.writers.storable import without_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    import pyarrow as pa

ToArrow: TypeAlias = "Callable[[pa.Array], pa.Array]"
ToText: TypeAlias = "Callable[[pl.Expr], pl.Expr]"


def _same_array(array: pa.Array) -> pa.Array:
    return array


def as_it_is(expression: pl.Expr) -> pl.Expr:
    """Return a column that polars writes as it is to be."""
    return expression


@dataclass(frozen=True, slots=True)
class Plan:
    """The two steps of one column.

    Parameters
    ----------
    to_arrow
        Makes an array that polars can take over.
    to_text
        Makes a column that polars can write.
    slow
        Whether values are formatted one by one in Python.
    """

    to_arrow: ToArrow = _same_array
    to_text: ToText = as_it_is
    slow: bool = False

    def after(self, first: ToArrow) -> Plan:
        """Return this plan with a step before it."""
        return Plan(lambda array: self.to_arrow(first(array)), self.to_text, self.slow)


def check_name(name: str) -> None:
    """Refuse a column name that no text file can hold.

    Raises
    ------
    ColumnError
        If the name is no valid unicode.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ColumnError(
            f"The column name {name!r} cannot be written as UTF-8.", "Rename the column."
        ) from None


def plan(kind: pa.DataType) -> Plan:
    """Return the plan for a type; `csv` documents what comes out."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return in_python(texts.writer(kind))
        return plan(kind.storage_type).after(lambda array: array.storage)
    if pa.types.is_dictionary(kind):
        return _dictionary(kind)
    if pa.types.is_run_end_encoded(kind):
        return plan(kind.value_type).after(without_runs)
    if pa.types.is_nested(kind) or pa.types.is_interval(kind):
        return in_python(texts.writer(kind))
    found = _number(kind) or _moment(kind) or _bytes(kind) or Plan()
    check = bounded(kind)
    return found if check is None else found.after(check)


def in_python(write: Callable[[Any], str]) -> Plan:
    """Return the plan for values each of which a function makes a text of."""
    import pyarrow as pa

    def convert(array: pa.Array) -> pa.Array:
        check_within(array)
        return pa.array(
            [None if value is None else write(value) for value in array.to_pylist()],
            pa.large_string(),
        )

    return Plan(convert, slow=True)


def _dictionary(kind: pa.DataType) -> Plan:
    value = kind.value_type
    if is_text(value):
        return Plan()  # polars reads it as its own categorical, which it writes as text
    return plan(value).after(lambda array: array.dictionary_decode())


def is_text(kind: pa.DataType) -> bool:
    """Say whether values of a type are texts."""
    import pyarrow as pa

    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _casting(target: pa.DataType) -> Plan:
    return Plan(lambda array: array.cast(target))


def _number(kind: pa.DataType) -> Plan | None:
    import pyarrow as pa

    if pa.types.is_float16(kind):
        return _casting(pa.float32())
    if pa.types.is_null(kind):
        return _casting(pa.large_string())
    if pa.types.is_decimal(kind):
        if pa.types.is_decimal256(kind) or kind.scale < 0:  # polars has neither
            return Plan(_digits)
        return _casting(pa.decimal128(kind.precision, kind.scale))
    return None


def _digits(array: pa.Array) -> pa.Array:
    """Return decimals as texts with all their places; Arrow's own may have an exponent."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = array.cast(pa.string())
    if not pc.any(pc.match_substring(found, "E")).as_py():
        return found
    written = [None if value is None else f"{value:f}" for value in array.to_pylist()]
    return pa.array(written, pa.string())


def _moment(kind: pa.DataType) -> Plan | None:
    import pyarrow as pa

    if pa.types.is_date64(kind):
        return plan(pa.date32()).after(lambda array: array.cast(pa.date32()))
    if pa.types.is_duration(kind):
        return Plan(to_text=lambda expression: expression.dt.to_string("iso"))
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        places = {"s": "", "ms": "%.3f", "us": "%.6f", "ns": "%.9f"}[kind.unit]
        return zoned(kind, f"%Y-%m-%dT%H:%M:%S{places}%:z")
    if pa.types.is_timestamp(kind) and kind.unit == "s":
        return Plan(to_text=lambda expression: expression.dt.to_string("%Y-%m-%dT%H:%M:%S"))
    return None


def zoned(kind: pa.DataType, pattern: str) -> Plan:
    """Return the plan for timestamps with a zone, in a pattern of strftime's signs."""
    offset = OFFSET.fullmatch(kind.tz)
    if offset is None:
        return Plan(to_text=lambda column: named(column, pattern))
    whole = told(pattern, offset)
    return Plan(lambda array: local(array, offset), lambda column: column.dt.to_string(whole))


def _bytes(kind: pa.DataType) -> Plan | None:
    import pyarrow as pa

    if pa.types.is_fixed_size_binary(kind):
        return Plan(_to_large_binary, _to_base64)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return Plan(to_text=_to_base64)
    return None


def _to_large_binary(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    return array.cast(pa.large_binary())


def _to_base64(expression: pl.Expr) -> pl.Expr:
    return expression.bin.encode("base64")

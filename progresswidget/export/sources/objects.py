"""Columns of Python objects: the one Arrow type that all the values of a column have."""

from __future__ import annotations

import datetime as dt
import decimal
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from progresswidget.errors import ColumnError

if TYPE_CHECKING:
    import pyarrow as pa

HINT = "Give the column one type first, for instance with astype(str)."


def object_type(name: str, values: Any) -> pa.DataType:
    """Return the Arrow type of a column of Python objects, without converting it.

    Arrow's own inference trusts the first value and stumbles later over the one that differs, so
    the Python types are compared first.

    Parameters
    ----------
    name
        The column, for the message.
    values
        One-dimensional numpy array of objects; None, NaN, NaT and NA are missing values.

    Raises
    ------
    ColumnError
        If values are of several kinds, or of one that Arrow does not know; it names the row.
    """
    import pyarrow as pa

    families = {kind: _family(kind) for kind in set(map(type, values))}
    if len(set(families.values()) - {"missing"}) > 1 or dt.datetime in _bases(families):
        _compare(name, values)
    try:
        return _precise(pa.infer_type(values, from_pandas=True), families, values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ColumnError(
            f"The column {name!r} holds Python objects that have no type in Arrow: {error}", HINT
        ) from error


def _precise(kind: pa.DataType, kinds: Collection[type], values: Any) -> pa.DataType:
    """Return a type that keeps nanoseconds, which Arrow's inference overlooks in pandas' own."""
    import pyarrow as pa

    pandas = sys.modules["pandas"]
    if not any(issubclass(each, (pandas.Timestamp, pandas.Timedelta)) for each in kinds):
        return kind
    if pa.types.is_timestamp(kind) and any(getattr(each, "nanosecond", 0) for each in values):
        return pa.timestamp("ns", kind.tz)
    if pa.types.is_duration(kind) and any(getattr(each, "nanoseconds", 0) for each in values):
        return pa.duration("ns")
    return kind


def first_failure(values: Any, kind: pa.DataType) -> int:
    """Return the position of the first of `values` that cannot become an Arrow value of `kind`."""
    import pyarrow as pa

    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            pa.array(values[low:middle], type=kind, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            high = middle
        else:
            low = middle
    return low


def _bases(kinds: Mapping[type, str]) -> set[type]:
    return {base for kind in kinds for base in kind.__mro__}


def _compare(name: str, values: Any) -> None:
    first: tuple[str, int] | None = None
    for row, value in enumerate(values):
        family = _family_of(value)
        if family == "missing":
            continue
        if first is None:
            first = family, row
        elif family != first[0]:
            raise ColumnError(
                f"The column {name!r} holds values of several kinds: {first[0]} in row {first[1]}, "
                f"{family} in row {row}.",
                HINT,
            )


def _family_of(value: object) -> str:
    family = _family(type(value))
    # NaN among texts is pandas' way of saying that one is missing.
    if family == "number" and value != value:  # noqa: PLR0124
        return "missing"
    if family == "time" and isinstance(value, dt.datetime) and value.tzinfo is not None:
        return "time with zone"
    return family


def _family(kind: type) -> str:
    pandas = sys.modules["pandas"]
    numpy = sys.modules["numpy"]
    rows: tuple[tuple[Any, str], ...] = (
        ((type(None), type(pandas.NaT), type(pandas.NA)), "missing"),
        ((bool, numpy.bool_), "boolean"),
        ((int, float, numpy.integer, numpy.floating), "number"),
        (decimal.Decimal, "decimal"),
        ((str, numpy.str_), "text"),
        ((bytes, bytearray, memoryview), "bytes"),
        ((dt.datetime, numpy.datetime64), "time"),
        (dt.date, "date"),
        (dt.time, "time of day"),
        ((dt.timedelta, numpy.timedelta64), "duration"),
        (Mapping, "mapping"),
        ((Sequence, numpy.ndarray, set, frozenset), "list"),
    )
    for kinds, family in rows:
        if issubclass(kind, kinds):
            return family
    return kind.__name__

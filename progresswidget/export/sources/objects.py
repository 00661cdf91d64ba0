"""Columns of Python objects: the one Arrow type that all the values of a column have."""

from __future__ import annotations

import datetime as dt
import decimal
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from progresswidget.errors import ColumnError
from progresswidget.export.sources import loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

Families: TypeAlias = tuple[tuple[tuple[type, ...], str], ...]

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

    families = {kind: family(kind) for kind in set(map(type, values))}
    if len(set(families.values()) - {"missing"}) > 1 or dt.datetime in _bases(families):
        _compare(name, values)
    try:
        return precise(pa.infer_type(values, from_pandas=True), families, values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ColumnError(
            f"The column {name!r} holds Python objects that have no type in Arrow: {error}", HINT
        ) from error


def precise(kind: pa.DataType, kinds: Collection[type], values: Any) -> pa.DataType:
    """Return a type that keeps nanoseconds, which Arrow's inference overlooks in pandas' own."""
    import pyarrow as pa

    pandas = loaded("pandas")
    if pandas is None:
        return kind
    if not any(issubclass(each, (pandas.Timestamp, pandas.Timedelta)) for each in kinds):
        return kind
    if pa.types.is_timestamp(kind) and any(getattr(each, "nanosecond", 0) for each in values):
        return pa.timestamp("ns", kind.tz)
    if pa.types.is_duration(kind) and any(getattr(each, "nanoseconds", 0) for each in values):
        return pa.duration("ns")
    return kind


def first_failure(values: Sequence[Any], convert: Callable[[Any], object]) -> int:
    """Return the position of the first of `values` that `convert` fails on, which fails on all."""
    import pyarrow as pa

    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(values[low:middle])
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
        found = family_of(value)
        if found == "missing":
            continue
        if first is None:
            first = found, row
        elif found != first[0]:
            raise ColumnError(
                f"The column {name!r} holds values of several kinds: {first[0]} in row {first[1]}, "
                f"{found} in row {row}.",
                HINT,
            )


def family_of(value: object) -> str:
    """Return what a value is called, where those of one name fit together in a column."""
    name = family(type(value))
    # NaN among texts is pandas' way of saying that one is missing.
    if name == "number" and value != value:  # noqa: PLR0124
        return "missing"
    if name == "time" and isinstance(value, dt.datetime) and value.tzinfo is not None:
        return "time with zone"
    return name


def family(kind: type) -> str:
    """Return what values of a Python type are called, so that those of one name fit together."""
    for kinds, name in _families(loaded("pandas") is not None, loaded("numpy") is not None):
        if issubclass(kind, kinds):
            return name
    return kind.__name__


@cache
def _families(pandas: bool, numpy: bool) -> Families:  # noqa: FBT001 - what is loaded
    np = sys.modules["numpy"] if numpy else None
    pd = sys.modules["pandas"] if pandas else None
    missing = () if pd is None else (type(getattr(pd, "NaT", None)), type(getattr(pd, "NA", None)))
    return (
        ((type(None), *missing), "missing"),
        ((bool, *(() if np is None else (np.bool_,))), "boolean"),
        (
            (dt.timedelta, *(() if np is None else (np.timedelta64,))),
            "duration",
        ),  # an integer of numpy's too
        ((int, float, *(() if np is None else (np.integer, np.floating))), "number"),
        ((decimal.Decimal,), "decimal"),
        ((str,), "text"),  # numpy's too
        ((bytes, bytearray, memoryview), "bytes"),
        ((dt.datetime, *(() if np is None else (np.datetime64,))), "time"),
        ((dt.date,), "date"),
        ((dt.time,), "time of day"),
        ((Mapping,), "mapping"),
        ((Sequence, set, frozenset, *(() if np is None else (np.ndarray,))), "list"),
    )

"""Nested and rare values as text: compact JSON (RFC 8259) whose leaves are written as in CSV.

Numbers and booleans stay themselves; ``NaN`` and the infinities, which JSON does not have, become
texts, and so do decimals, which a reader's binary floats would change. Dates, times, durations
and bytes are texts in the form they have in CSV. A struct is an object, a list an array, and a
map an object where its keys are texts, otherwise an array of pairs; a key that occurs twice is
refused, as every reader would lose a value. Of a union the value counts.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import math
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Convert: TypeAlias = Callable[[Any], Any]


def writer(kind: pa.DataType, end: Convert | None = None) -> Callable[[Any], str]:
    """Return the function from a Python value of an Arrow type to its text.

    Parameters
    ----------
    kind
        The type.
    end
        Makes a value that JSON holds of one that is not nested; by default `leaf`.
    """
    import pyarrow as pa

    convert = _converter(kind, end or leaf)
    if not pa.types.is_nested(kind):
        return lambda value: str(convert(value))
    return lambda value: json.dumps(
        convert(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )


def _converter(kind: pa.DataType, end: Convert) -> Convert:
    import pyarrow as pa

    if pa.types.is_map(kind):
        return _map(kind, end)
    if pa.types.is_struct(kind):
        fields = [(field.name, _converter(field.type, end)) for field in kind]
        return _optional(lambda value: {name: to(value[name]) for name, to in fields})
    if pa.types.is_union(kind):
        return end
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _converter(kind.value_type, end)
    if pa.types.is_nested(kind):
        item = _converter(kind.value_type, end)
        return _optional(lambda value: [item(each) for each in value])
    return end


def _optional(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _map(kind: pa.DataType, end: Convert) -> Convert:
    import pyarrow as pa

    key, item = _converter(kind.key_type, end), _converter(kind.item_type, end)
    if pa.types.is_string(kind.key_type) or pa.types.is_large_string(kind.key_type):
        return _optional(lambda value: _object((key(name), item(each)) for name, each in value))
    return _optional(lambda value: [[key(name), item(each)] for name, each in value])


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key!r} occurs twice")
        made[key] = value
    return made


def leaf(value: Any) -> Any:
    """Return a value as one that JSON holds."""
    for kinds, convert in _LEAVES:
        if isinstance(value, kinds):
            return convert(value)
    if hasattr(value, "months"):  # pyarrow's MonthDayNano, which is a tuple too
        return _interval(value)
    if isinstance(value, (list, tuple)):
        return [leaf(each) for each in value]
    return str(value)


def finite_leaf(value: Any) -> Any:
    """Return a value as one that JSON holds; the numbers that JSON has not are missing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): finite_leaf(each) for name, each in value.items()}
    if isinstance(value, list):
        return [finite_leaf(each) for each in value]
    return leaf(value)


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else str(value)


def _duration(value: dt.timedelta) -> str:
    microseconds = (value.days * 86_400 + value.seconds) * 10**6 + value.microseconds
    # Arrow hands out pandas' own class for nanoseconds, where pandas is there.
    return iso_duration(0, 0, microseconds * 1000 + getattr(value, "nanoseconds", 0))


def iso_duration(months: int, days: int, nanoseconds: int) -> str:
    """Return a span of time in the form of ISO 8601-1 section 5.5.2.

    A span whose parts have different signs has no form there; each part then keeps its own sign,
    as ISO 8601-2 section 4.4.1.9 allows.
    """
    sign = "-" if max(months, days, nanoseconds) <= 0 > min(months, days, nanoseconds) else ""
    if sign:
        months, days, nanoseconds = -months, -days, -nanoseconds
    minus = "-" if nanoseconds < 0 else ""
    whole, rest = divmod(abs(nanoseconds), 10**9)
    hours, whole = divmod(whole, 3600)
    minutes, seconds = divmod(whole, 60)
    if not months and not minus:
        more, hours = divmod(hours, 24)
        days += more
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    date = (f"{months}M" if months else "") + (f"{days}D" if days else "")
    time = "".join(
        f"{minus}{part}{unit}"
        for part, unit in ((hours, "H"), (minutes, "M"), (f"{seconds}{fraction}", "S"))
        if str(part) != "0"
    )
    if not date and not time:
        return "PT0S"
    return f"{sign}P{date}" + (f"T{time}" if time else "")


def _moment(value: dt.date | dt.time) -> str:
    return value.isoformat()


def _interval(value: Any) -> str:
    return iso_duration(value.months, value.days, value.nanoseconds)


def _binary(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _pairs(value: Any) -> Any:
    return {str(name): leaf(each) for name, each in value.items()}


def _same(value: Any) -> Any:
    return value


_LEAVES: tuple[tuple[Any, Convert], ...] = (
    ((type(None), bool, int, str), _same),
    (float, _float),
    (decimal.Decimal, "{:f}".format),
    ((dt.date, dt.time), _moment),  # a datetime is a date
    (dt.timedelta, _duration),
    ((bytes, bytearray, memoryview), _binary),
    (uuid.UUID, str),
    (dict, _pairs),
)

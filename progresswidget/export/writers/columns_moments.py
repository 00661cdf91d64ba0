"""Timestamps as ISO 8601 text, put together from tables of digits: a fifth of what polars needs.

A text like ``2013-01-01T05:15:00.000000`` has every digit at a known place. Day, minute, second and
fraction are each looked up in a table of texts and written to their place in all rows at once, as
words of eight bytes. A word may reach beyond its piece of the text, even into the next text: what
it spoils there is written after it.

Per value 20 ns, where polars takes 110 ns, which is a third of all that a usual frame needs. Years
that the tables do not hold are left to polars.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from progresswidget.export.size import VIEW
from progresswidget.export.writers.columns import Plan, plan
from progresswidget.export.writers.columns_bounds import bounded
from progresswidget.export.writers.columns_zones import OFFSET, told

if TYPE_CHECKING:
    import pyarrow as pa

DIGITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""Digits behind the seconds."""
YEARS: Final = ("1900-01-01", "2100-01-01")
"""The first day in the table, and the one after the last."""
SECONDS: Final = len("2013-01-01T05:15:00")
MINUTE: Final = 60
DAY_MINUTES: Final = 1_440
WORD: Final = 8
BLOCK: Final = 16_384
"""Texts that are made at a time: what lies between the steps stays in the processor's cache."""
LARGEST: Final = 2**31
"""Bytes that the places in views reach."""


def quick(kind: pa.DataType) -> Plan | None:
    """Return the plan for timestamps without a zone, in UTC or at an offset; None for others."""
    import pyarrow as pa

    if not pa.types.is_timestamp(kind):
        return None
    if kind.tz is None:
        return Plan(lambda array: text(array, kind.unit))
    if kind.tz == "UTC":
        return Plan(lambda array: text(array, kind.unit, "+00:00"))
    offset = OFFSET.fullmatch(kind.tz)
    if offset is None:
        return None
    to_local, zone = plan(kind).to_arrow, told("%:z", offset)
    return Plan(lambda array: text(to_local(array), kind.unit, zone))


def text(array: pa.TimestampArray, unit: str, zone: str = "") -> pa.Array:
    """Return moments as texts, in views: the batches of a unit must not differ in that.

    Parameters
    ----------
    array
        Moments; a time zone that they have is not looked at.
    unit
        Their unit, which tells how many digits are behind the seconds.
    zone
        What stands behind every text, at most eight ASCII characters.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(array):
        return pa.nulls(0, pa.string_view())
    ticks = array.cast(pa.int64())
    digits = DIGITS[unit]
    tables = _tables()
    day = DAY_MINUTES * MINUTE * 10**digits
    # Counted from the first day of the tables, what is before it is as far away as it can be.
    first = np.uint64(tables.first_day * day % 2**64)
    moments = _values(ticks) - first
    if moments.max() >= len(tables.years) * day and ticks.null_count:
        # What lies below a missing value may be anything.
        moments = _values(pc.fill_null(ticks, 0)) - first
    width = SECONDS + (1 + digits if digits else 0) + len(zone)
    if moments.max() >= len(tables.years) * day or len(moments) * width >= LARGEST:
        return _by_polars(array, unit, zone)
    content = np.empty(len(moments) * width + WORD, np.uint8)
    for start in range(0, len(moments), BLOCK):
        block = moments[start : start + BLOCK]
        _write(tables, block, digits, zone.encode(), content[start * width :])
    return _in_views(ticks, content, width)


def _values(ticks: pa.Int64Array) -> Any:
    import numpy as np

    return np.frombuffer(ticks.buffers()[1], np.uint64, len(ticks), ticks.offset * WORD)


def _write(tables: _Tables, moments: Any, digits: int, zone: bytes, content: Any) -> None:
    """Write the texts of some moments, one behind the other."""
    import numpy as np

    rows = len(moments)
    dot = SECONDS + (1 + digits if digits else 0)
    width = dot + len(zone)

    def put(place: int, kind: str, words: Any) -> None:
        np.ndarray((rows,), kind, content, place, (width,))[:] = words

    days, minutes, rest = _split(moments, MINUTE * 10**digits)
    seconds = rest
    if digits:
        seconds = rest // rest.dtype.type(10**digits)
        rest -= seconds * rest.dtype.type(10**digits)
    words = _take(tables.seconds, seconds)
    if digits == DIGITS["ms"]:
        words |= _take(tables.threes, rest) << np.uint64(32)
    elif digits:
        high = rest // rest.dtype.type(10 ** (digits - 4))
        rest -= high * rest.dtype.type(10 ** (digits - 4))
        words |= _take(tables.fours, high)
    put(len("2013-01-01T05:15"), "<u8", words)
    if digits == DIGITS["ns"]:
        high = rest // rest.dtype.type(1_000)
        rest -= high * rest.dtype.type(1_000)
        put(SECONDS + len(".000000"), "<u4", _take(tables.threes, rest).astype(np.uint32))
        put(SECONDS + len(".0000"), "<u2", _take(tables.twos, high))
    elif digits == DIGITS["us"]:
        put(SECONDS + len(".0000"), "<u2", _take(tables.twos, rest))
    if zone:
        put(dot, "<u8", np.frombuffer(zone.ljust(WORD, b"\0"), "<u8")[0])
    put(WORD, "<u8", _take(tables.minutes, minutes) | _take(tables.days, days))
    put(0, "<u8", _take(tables.years, days))


def _split(moments: Any, size: int) -> tuple[Any, Any, Any]:
    """Return days, minutes of the day, and ticks of the minute."""
    import numpy as np

    minutes = moments // np.uint64(size)
    rest = minutes * np.uint64(size)
    np.subtract(moments, rest, out=rest)
    if size < 2**32:
        rest = rest.astype(np.uint32)  # several times as fast; nanoseconds do not fit
    minutes = minutes.astype(np.uint32)
    days = minutes // np.uint32(DAY_MINUTES)
    minutes -= days * np.uint32(DAY_MINUTES)
    return days, minutes, rest


def _take(table: Any, places: Any) -> Any:
    import numpy as np

    return table.take(places.astype(np.intp))


def _in_views(ticks: pa.Array, content: Any, width: int) -> pa.Array:
    """Return texts of one length as views, which polars takes over as they are.

    Arrow's Columnar.rst, "Variable-size Binary View Layout": the length, the first four bytes, the
    number of the buffer and the place in it.
    """
    import numpy as np
    import pyarrow as pa

    rows, missing = len(ticks), ticks.null_count
    views = np.empty((rows, VIEW // WORD), "<u8")
    half = np.uint64(8 * WORD // 2)
    np.left_shift(np.ndarray((rows,), "<u8", content, 0, (width,)), half, out=views[:, 0])
    views[:, 0] |= np.uint64(width)
    views[:, 1] = np.arange(rows, dtype=np.uint64) * np.uint64(width << 32)
    valid = ticks.is_valid().buffers()[1] if missing else None
    buffers = [valid, pa.py_buffer(views), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string_view(), rows, buffers, missing)


def _by_polars(array: pa.Array, unit: str, zone: str) -> pa.Array:
    import polars as pl
    import pyarrow as pa

    check = bounded(pa.timestamp(unit))
    if check is not None:
        check(array)
    # polars has no seconds: it takes them as milliseconds.
    fraction = f"%.{DIGITS[unit]}f" if DIGITS[unit] else ""
    moments = pl.Series(array.cast(pa.timestamp(unit)))
    written = moments.dt.to_string(f"%Y-%m-%dT%H:%M:%S{fraction}{zone}")
    return written.to_arrow(compat_level=pl.CompatLevel.newest())


class _Tables(NamedTuple):
    """Pieces of texts as little-endian words: where each stands in its word is in its name's text.

    Parameters
    ----------
    first_day
        The day of the first entry of `years` and `days`, counted from 1970.
    years
        ``2013-01-`` of each day.
    days
        The day of the month, in the first two bytes.
    minutes
        ``T05:15`` behind two bytes of nothing, for each minute of a day.
    seconds
        ``:00.`` for each second of a minute.
    fours
        Four digits behind four bytes of nothing.
    threes, twos
        Three and two digits.
    """

    first_day: int
    years: Any
    days: Any
    minutes: Any
    seconds: Any
    fours: Any
    threes: Any
    twos: Any


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    import numpy as np

    days = np.arange(*YEARS, dtype="datetime64[D]")
    names = np.datetime_as_string(days).astype("S10")
    letters = names.view(np.uint8).reshape(-1, len("2013-01-01"))
    return _Tables(
        first_day=int(days[0].astype(np.int64)),
        years=np.ascontiguousarray(letters[:, :WORD]).view("<u8").ravel(),
        days=np.ascontiguousarray(letters[:, WORD:]).view("<u2").ravel(),
        minutes=_table(f"\0\0T{m // 60:02}:{m % 60:02}" for m in range(DAY_MINUTES)),
        seconds=_table(f":{second:02}." for second in range(MINUTE)),
        fours=_table(f"\0\0\0\0{number:04}" for number in range(10_000)),
        threes=_table(f"{number:03}" for number in range(1_000)),
        twos=_table(f"{number:02}" for number in range(100)).astype(np.uint16),
    )


def _table(texts: Any) -> Any:
    import numpy as np

    return np.array([text.encode() for text in texts], f"S{WORD}").view("<u8")

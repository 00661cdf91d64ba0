"""Timestamps as ISO 8601 text by looking digits up, in half the time that polars needs.

A text is put together from tables: of the days that occur, of the 86,400 seconds of a day, and of
the thousands of a fraction. Only years of four digits are done so; polars writes the others.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.writers.columns import Plan

if TYPE_CHECKING:
    import pyarrow as pa

GROUPS: Final = {"ms": 1, "us": 2, "ns": 3}
"""Groups of three digits behind the seconds."""
DAY: Final = 86_400
FIRST: Final = -719_162
"""0001-01-01, in days since 1970-01-01."""
LAST: Final = 2_932_896
"""9999-12-31."""
MOST_DAYS: Final = 200_000


def quick(kind: pa.DataType) -> Plan | None:
    """Return the plan for timestamps without a zone, or in UTC; None for other types.

    numpy is no requirement of ours: without it there is no such plan either.
    """
    import pyarrow as pa

    if not pa.types.is_timestamp(kind) or kind.tz not in {None, "UTC"} or kind.unit not in GROUPS:
        return None
    if sys.byteorder != "little" or find_spec("numpy") is None:
        return None
    zone = b"" if kind.tz is None else b"+00:00"
    return Plan(lambda array: _convert(array, kind.unit, zone))


def _convert(array: pa.Array, unit: str, zone: bytes) -> pa.Array:
    import polars as pl

    found = _look_up(array, GROUPS[unit], zone)
    if found is not None:
        return found
    pattern = f"%Y-%m-%dT%H:%M:%S%.{3 * GROUPS[unit]}f{zone.decode()}"
    series = pl.Series(array)
    return series.dt.replace_time_zone(None).dt.to_string(pattern).to_arrow()


def _look_up(array: pa.Array, groups: int, zone: bytes) -> pa.Array | None:
    import numpy as np
    import pyarrow as pa

    rows = len(array)
    validity, data = array.buffers()
    width = 20 + 3 * groups + len(zone)
    if not rows or data is None or rows * width >= 2**31:
        return None
    ticks = np.frombuffer(data, np.int64)[array.offset : array.offset + rows]
    if array.null_count:
        valid = array.is_valid()
        ticks = np.where(valid.to_numpy(zero_copy_only=False), ticks, 0)
        validity = valid.buffers()[1]
    else:
        validity = None
    seconds = ticks // 1000**groups
    fraction = ticks - seconds * 1000**groups
    days = seconds // DAY
    first, last = int(days.min()), int(days.max())
    if first < FIRST or last > LAST or last - first > MOST_DAYS:
        return None
    texts = np.empty(rows, _layout(groups, len(zone)))
    texts["date"] = _dates(first, last)[days - first]
    texts["time"] = _times()[(seconds - days * DAY).astype(np.int32)]
    for group in reversed(range(groups)):
        rest = fraction // 1000
        texts[f"digits{group}"] = _thousands()[fraction - rest * 1000]
        fraction = rest
    if zone:
        texts["zone"] = zone
    views = np.empty(rows, [("size", "<i4"), ("prefix", "S4"), ("buffer", "<i4"), ("at", "<i4")])
    views["size"], views["buffer"] = width, 0
    views["prefix"] = texts["date"].astype("S4")
    views["at"] = np.arange(0, rows * width, width, dtype=np.int32)
    # Arrow's Columnar.rst, "Variable-size Binary View Layout".
    buffers = [validity, pa.py_buffer(views), pa.py_buffer(texts)]
    return pa.Array.from_buffers(pa.string_view(), rows, buffers)


def _layout(groups: int, zone: int) -> list[tuple[str, str]]:
    digits = [(f"digits{group}", "S3") for group in range(groups)]
    return [("date", "S10"), ("time", "S10"), *digits, *([("zone", f"S{zone}")] if zone else [])]


def _dates(first: int, last: int) -> Any:
    import numpy as np

    return np.arange(first, last + 1).astype("M8[D]").astype("S10")


@cache
def _times() -> Any:
    import numpy as np

    moments = np.arange(DAY).astype("M8[s]").astype("S19")
    return np.array([b"T" + each[11:] + b"." for each in moments.tolist()], "S10")


@cache
def _thousands() -> Any:
    import numpy as np

    return np.array([b"%03d" % number for number in range(1000)], "S3")

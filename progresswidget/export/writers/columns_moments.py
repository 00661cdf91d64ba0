"""Timestamps as ISO 8601 text by pyarrow, in half the time that polars needs for a text column.

pyarrow separates date and time by a space; where all texts have one length, every separator has a
known place and becomes a ``T`` there. polars writes the others, of years that have no four digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from progresswidget.export.writers.columns import Plan

if TYPE_CHECKING:
    import pyarrow as pa

DIGITS: Final = {"ms": 3, "us": 6, "ns": 9}
"""Digits behind the seconds."""
DATE: Final = len("2013-01-01")


def quick(kind: pa.DataType) -> Plan | None:
    """Return the plan for timestamps without a zone, or in UTC; None for other types."""
    import pyarrow as pa

    if not pa.types.is_timestamp(kind) or kind.tz not in {None, "UTC"} or kind.unit not in DIGITS:
        return None
    zone = "" if kind.tz is None else "+00:00"
    return Plan(lambda array: _convert(array, kind.unit, zone))


def _convert(array: pa.Array, unit: str, zone: str) -> pa.Array:
    import polars as pl
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = array.cast(pa.timestamp(unit))
    found = _separated(plain.cast(pa.string()), DATE + len(" 05:15:00.") + DIGITS[unit])
    if found is None:
        pattern = f"%Y-%m-%dT%H:%M:%S%.{DIGITS[unit]}f{zone}"
        return pl.Series(plain).dt.to_string(pattern).to_arrow()
    return pc.binary_join_element_wise(found, zone, "") if zone else found


def _separated(texts: pa.Array, width: int) -> pa.Array | None:
    import pyarrow as pa

    validity, offsets, data = texts.buffers()
    written = len(texts) - texts.null_count
    if data is None or data.size < written * width:
        return None
    content = bytearray(memoryview(data)[: written * width])
    if len(texts) and memoryview(offsets).cast("B").cast("i")[len(texts)] != written * width:
        return None
    if content[DATE::width] != b" " * written:
        return None  # lengths differ, and only add up
    content[DATE::width] = b"T" * written
    return pa.Array.from_buffers(
        pa.string(), len(texts), [validity, offsets, pa.py_buffer(content)], texts.null_count
    )

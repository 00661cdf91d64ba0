"""Timestamps with a zone as text: the local time and how far it is from UTC, to the second.

Time was once that of the sun at some observatory: Shanghai was 8 h 5 min 43 s from UTC until 1901,
and Liberia 44 min 30 s until 1972. polars rounds this to minutes, which tells another moment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

# Arrow's Schema.fbs: a time zone is a name or "an absolute offset of the form +XX:XX or -XX:XX".
OFFSET: Final = re.compile(r"Z|(?P<sign>[+-])(?P<hours>\d\d)(:?(?P<minutes>\d\d))?")
WHOLE_MINUTES: Final = 63_676_800
"""8 January 1972, in seconds from 1970: since then all zones are whole minutes from UTC."""
_MARK: Final = re.compile(r"%%|%(?P<colon>:?)z")
_MINUTE: Final = 60_000
_TICKS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def named(moments: pl.Expr, pattern: str) -> pl.Expr:
    """Return moments of a named zone as texts.

    Parameters
    ----------
    moments
        A column of them.
    pattern
        In strftime's signs. Where the zone is not whole minutes from UTC, ``%:z`` and ``%z`` have
        seconds, as Python's ``%z`` has.
    """
    import polars as pl

    written = moments.dt.to_string(pattern)
    if not _MARK.search(pattern):
        return written
    # Python only looks whether there is anything to do: what takes time goes on side by side.
    both = [moments, written]
    return pl.map_batches(both, lambda two: _exact(two[0], two[1], pattern), return_dtype=pl.String)


def _exact(moments: pl.Series, written: pl.Series, pattern: str) -> pl.Series:
    seconds = moments.dt.epoch("s")
    if not len(seconds) - seconds.null_count() or cast("int", seconds.min()) >= WHOLE_MINUTES:
        return written
    ahead = moments.dt.base_utc_offset() + moments.dt.dst_offset()
    odd = (ahead.dt.total_milliseconds() % _MINUTE != 0).fill_null(value=False)
    exact = moments.filter(odd).dt.to_string(_MARK.sub(_with_seconds, pattern))
    return written.scatter(odd.arg_true(), exact) if len(exact) else written


def _with_seconds(mark: re.Match[str]) -> str:
    return mark[0] if mark["colon"] is None else "%::z"


def local(array: pa.TimestampArray, offset: re.Match[str]) -> pa.TimestampArray:
    """Return the local times of an offset: polars knows only zones with a name.

    Parameters
    ----------
    array
        Moments.
    offset
        Their zone, as `OFFSET` finds it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    minutes = int(offset["hours"] or 0) * 60 + int(offset["minutes"] or 0)
    ticks = minutes * 60 * _TICKS[array.type.unit] * (-1 if offset["sign"] == "-" else 1)
    moved = pc.add_checked(array.cast(pa.int64()), pa.scalar(ticks, pa.int64()))
    return moved.cast(pa.timestamp(array.type.unit))


def told(pattern: str, offset: re.Match[str]) -> str:
    """Return a pattern in which an offset stands in place of the signs for it."""
    sign, hours, minutes = offset["sign"] or "+", offset["hours"] or "00", offset["minutes"] or "00"
    marks = {"%%": "%%", "%:z": f"{sign}{hours}:{minutes}", "%z": f"{sign}{hours}{minutes}"}
    marks["%Z"] = marks["%:z"]
    return re.sub("|".join(marks), lambda mark: marks[mark[0]], pattern)

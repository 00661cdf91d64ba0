"""Columns as texts for people to read: what HTML, Markdown, PDF and DOCX show.

Values are as in CSV, but moments and spans of time, which are there as ISO 8601 has them:

- a moment is ``2013-01-01 05:15:00``; ``.250`` stands behind it where it has a fraction, three
  digits or six or nine, and the offset from UTC where it has a zone: ``2013-01-01 00:15:00-05:00``;
- a span is ``02:03:04``, ``1 day 02:03:04`` or, if less than nothing, ``-1 day -02:03:04``; one of
  months is ``1 year 2 months 3 days 00:00:00``.

Inside of lists, structs and maps, which are shown as JSON, they are as in JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from progresswidget.export.writers import texts
from progresswidget.export.writers.columns import Plan, in_python, plan
from progresswidget.export.writers.columns_frame import text_plan
from progresswidget.export.writers.csv_values import moment_plan, plain_kind

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

MOMENT: Final = "%Y-%m-%d %H:%M:%S%.f"
MIDNIGHT: Final = " 00:00:00"
TICKS: Final = {"s": 10**3, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Of a second, as polars counts: it takes seconds as milliseconds."""
DAY: Final = 86_400


def reading_plan(kind: pa.DataType) -> Plan:
    """Return the plan by which every value becomes a text for people."""
    import pyarrow as pa

    plain = plain_kind(kind)
    if pa.types.is_timestamp(plain):
        return moment_plan(kind, MOMENT if plain.tz is None else f"{MOMENT}%:z")
    if pa.types.is_duration(plain):
        return Plan(plan(kind).to_arrow, lambda column: _span(column, TICKS[plain.unit]))
    if pa.types.is_interval(plain):
        return in_python(texts.writer(kind, lambda value: interval(*value)))
    return text_plan(kind)


def _span(column: pl.Expr, second: int) -> pl.Expr:
    import polars as pl

    ticks = column.to_physical()
    negative = ticks < 0
    # The least integer has no counterpart above 0 among those with a sign.
    below = (-(ticks + 1)).cast(pl.UInt64, strict=False) + 1
    size = pl.when(negative).then(below).otherwise(ticks.cast(pl.UInt64, strict=False))
    days = size // (DAY * second)
    nanoseconds = (size % (DAY * second)).cast(pl.Int64) * (10**9 // second)
    clock = nanoseconds.cast(pl.Time).dt.to_string("%H:%M:%S%.f")
    sign = pl.when(negative).then(pl.lit("-")).otherwise(pl.lit(""))
    word = pl.when(days == 1).then(pl.lit(" day ")).otherwise(pl.lit(" days "))
    return (
        pl.when(days == 0)
        .then(pl.concat_str(sign, clock))
        .otherwise(pl.concat_str(sign, days, word, sign, clock))
        .name.keep()
    )


def interval(months: int, days: int, nanoseconds: int) -> str:
    """Return a span whose months and days have no length of their own.

    >>> interval(14, 3, 500_000_000)
    '1 year 2 months 3 days 00:00:00.500'
    >>> interval(-1, 2, 0)
    '-1 month 2 days 00:00:00'
    """
    years = abs(months) // 12 * (1 if months > 0 else -1)
    parts = [(years, "year"), (months - years * 12, "month"), (days, "day")]
    named = [f"{size} {word}{'s' * (abs(size) != 1)}" for size, word in parts if size]
    whole, rest = divmod(abs(nanoseconds), 10**9)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{rest:09}" if rest else ""
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    sign = "-" if nanoseconds < 0 else ""
    return " ".join([*named, f"{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}"])

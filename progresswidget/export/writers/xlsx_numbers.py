"""Which values a sheet holds as numbers: days, moments and truth values are some; others are texts.

A sheet has IEEE 754 doubles of 15 digits, and days since 1900 as numbers in a format of their own;
what they cannot hold is written as text instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.writers import xlsx_texts, xlsx_widths

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    import pyarrow as pa

EXACT_INTEGER: Final = 2**53
EXACT_DIGITS: Final = 15
EPOCH: Final = 25_569
"""The serial number of 1970-01-01 in the 1900 date system (ECMA-376 part 1, 18.17.4.1)."""
FIRST_SERIAL: Final = 61
"""1900-03-01: Excel counts a 29 February 1900 before it, and readers differ there."""
END_SERIAL: Final = 2_958_466
"""10000-01-01, which Excel does not have."""
DAY_TICKS: Final = {"ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
DURATION_FORMAT: Final = "[h]:mm:ss"
TIME_FORMAT: Final = "hh:mm:ss"
FLAG_FORMAT: Final = '"TRUE";"TRUE";"FALSE"'
"""What LibreOffice calls its format of truth values. Without it, it shows 0 and 1 where two columns
of them stand side by side; Excel shows them as such, whatever format they have."""
ALL_DIGITS: Final = "0"
GENERAL_DIGITS: Final = 11
"""Excel shows 12345678901 as it is, and 123456789012 as 1.23457E+11 (ECMA-376 part 1, 18.8.30)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the values of a column are written as numbers.

    Parameters
    ----------
    split
        Returns the contents of the cells with numbers, None for all others, and where a value
        has to be written as text instead; None if nowhere.
    whole
        Returns the contents where Arrow can write all of them, and None else. It is asked first: to
        hand the values over to polars takes Python as long as to write them.
    format
        The code of the number format, or None for the general one.
    type
        The value of ``t``, empty for numbers.
    width
        Characters that a value takes.
    shown
        Whether the contents are what Excel shows.
    large
        The code of the number format where contents have more than `GENERAL_DIGITS` digits.
    """

    split: Callable[[pl.Series], tuple[pl.Series, pl.Series | None]]
    whole: Callable[[list[pa.Array]], pa.LargeStringArray | None] = lambda _: None
    format: str | None = None
    type: str = ""
    width: float = 12.0
    shown: bool = False
    large: str | None = None


def kind_of(  # noqa: PLR0911 - a table of types
    dtype: pl.DataType, date_format: str, datetime_format: str
) -> Kind | None:
    """Return how the values of a type are written, or None if all of them are texts.

    Parameters
    ----------
    date_format, datetime_format
        Codes of number formats.
    """
    import polars as pl

    if dtype.is_integer():
        return Kind(_integers, _whole_integers, shown=True, large=ALL_DIGITS)
    if dtype.is_float():
        return Kind(_floats)
    if isinstance(dtype, pl.Decimal):
        places = f"0.{'0' * dtype.scale}" if dtype.scale else "0"
        split = _decimals if (dtype.precision or 38) > EXACT_DIGITS else _digits
        return Kind(split, format=places, shown=True)
    if isinstance(dtype, pl.Boolean):
        return Kind(_flags, _whole_flags, format=FLAG_FORMAT, type="b", width=8)
    if isinstance(dtype, pl.Date):
        return Kind(_dates, format=date_format, width=xlsx_widths.of_format(date_format, 12))
    if isinstance(dtype, pl.Datetime):
        width = xlsx_widths.of_format(datetime_format, 20)
        return Kind(_moments(dtype), format=datetime_format, width=width)
    if isinstance(dtype, pl.Time):
        return Kind(_times, format=TIME_FORMAT)
    if isinstance(dtype, pl.Duration):
        ticks = DAY_TICKS[dtype.time_unit]
        return Kind(
            lambda v: _serials(v.cast(pl.Int64) / ticks, 0, END_SERIAL),
            format=DURATION_FORMAT,
            width=14,
        )
    return None


def _digits(values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    import polars as pl

    return values.cast(pl.String), None


def _only(contents: pl.Series, good: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Split values into those that Excel holds as numbers and the exceptions."""
    import polars as pl

    good = good.fill_null(value=True)
    if good.all():
        return contents.cast(pl.String), None
    kept = contents.to_frame("x").select(pl.when(good).then(pl.col("x").cast(pl.String)))
    return kept.to_series(), ~good


def _integers(values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    import polars as pl

    low: Any = values.min()
    high: Any = values.max()
    if low is None or (low >= -EXACT_INTEGER and high <= EXACT_INTEGER):
        return values.cast(pl.String), None
    # Some beyond it are exact too, but among numbers that look alike none shall be of another kind.
    good = values <= EXACT_INTEGER
    if values.dtype.is_signed_integer():
        good &= values >= -EXACT_INTEGER
    return _only(values, good)


def _whole_integers(arrays: list[pa.Array]) -> pa.LargeStringArray | None:
    import pyarrow.compute as pc

    for array in arrays:
        low, high = pc.min_max(array).as_py().values()
        if low is not None and not -EXACT_INTEGER <= low <= high <= EXACT_INTEGER:
            return None
    return xlsx_texts.joined(arrays)


def _flags(values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    import polars as pl

    return values.cast(pl.UInt8).cast(pl.String), None


def _whole_flags(arrays: list[pa.Array]) -> pa.LargeStringArray:
    import pyarrow as pa

    return xlsx_texts.joined([array.cast(pa.uint8()) for array in arrays])


def _floats(values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    import polars as pl

    # A sum is finite only where all values are, and costs less than to ask each of them.
    if math.isfinite(values.sum()):
        return values.cast(pl.String), None
    return _only(values, values.is_finite())


def _decimals(values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    import polars as pl

    texts = values.cast(pl.String)
    digits = texts.str.replace_all(r"[-.]", "").str.strip_chars_start("0")
    return _only(texts, digits.str.len_bytes() <= EXACT_DIGITS)


def _serials(
    values: pl.Series, first: float = FIRST_SERIAL, end: float = END_SERIAL
) -> tuple[pl.Series, pl.Series | None]:
    import polars as pl

    low: Any = values.min()
    high: Any = values.max()
    if low is None or (low >= first and high < end):
        return values.cast(pl.String), None
    return _only(values, (values >= first) & (values < end))


def _dates(values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    import polars as pl

    return _serials(values.cast(pl.Int64) + EPOCH)


def _times(values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    import polars as pl

    return (values.cast(pl.Int64) / DAY_TICKS["ns"]).cast(pl.String), None


def _moments(dtype: pl.Datetime) -> Callable[[pl.Series], tuple[pl.Series, pl.Series | None]]:
    import polars as pl

    ticks = DAY_TICKS[dtype.time_unit]

    def split(values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
        local = values if dtype.time_zone is None else values.dt.replace_time_zone(None)
        return _serials(local.cast(pl.Int64) / ticks + EPOCH)

    return split

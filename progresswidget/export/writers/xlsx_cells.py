"""How a column of each Arrow type becomes the cells of a sheet; `xlsx` documents what comes out."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError
from progresswidget.export.workers import give_way
from progresswidget.export.writers import columns, xlsx_texts, xlsx_widths
from progresswidget.export.writers.blame import blame_a_row
from progresswidget.export.writers.storable import one_missing
from progresswidget.export.writers.xlsx_parts import WRAPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl
    import pyarrow as pa

MOST_UNITS: Final = 32_767  # UTF-16, in a cell (Excel specifications and limits)
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
class Form:
    """Cells of one kind.

    Parameters
    ----------
    before, contents, after
        What stands after the reference, the contents or None, and the end.
    text, lines, shown
        Whether they are texts, texts of several lines, and numbers that are shown as they are here.
    """

    before: str
    contents: pa.LargeStringArray
    after: str
    text: bool = False
    lines: bool = False
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """How the values of a column are written.

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


@dataclass(frozen=True, slots=True)
class Cells:
    """Writes the cells of one column, see `cells_of`."""

    name: str
    plan: columns.Plan
    _kind: Kind | None

    @property
    def formats(self) -> list[str]:
        """The codes of the number formats that the column may need."""
        codes = () if self._kind is None else (self._kind.format, self._kind.large)
        return [code for code in codes if code is not None]

    @property
    def width(self) -> float:
        """Characters that a value takes, as far as it is known without one."""
        return 16.0 if self._kind is None else self._kind.width

    def needs(self, forms: Sequence[Form]) -> float:
        """Return the characters that the values take of which these are the first."""
        return xlsx_widths.needed(forms, None if self._kind is None else self._kind.width)

    def forms(
        self, arrays: list[pa.Array], start: int, style: Mapping[str, int]
    ) -> tuple[Form, ...]:
        """Return the cells of some rows; each value is in at most one of the forms.

        Parameters
        ----------
        arrays
            The values.
        start
            The rows before them.
        style
            The index of the style for each number format.

        Raises
        ------
        ColumnError
            If a value cannot be written.
        """
        import polars as pl
        import pyarrow as pa

        give_way()
        plain = self._plain(arrays, start)
        if self._kind is None and all(xlsx_texts.is_plain(array.type) for array in plain):
            return self._text_forms(xlsx_texts.joined(plain), start)
        whole = None if self._kind is None else self._kind.whole(plain)
        if whole is not None:
            return (self._number_form(whole, style),)
        series = pl.Series("x", pa.chunked_array(plain))
        if self._kind is None:
            return self._text_forms(self._as_text(series), start)
        contents, exceptions = self._kind.split(series)
        form = self._number_form(xlsx_texts.to_arrow(contents), style)
        if exceptions is None:
            return (form,)
        others = series.to_frame("x").select(pl.when(exceptions).then(pl.col("x"))).to_series()
        return (form, *self._text_forms(self._as_text(others), start))

    def _number_form(self, contents: pa.LargeStringArray, style: Mapping[str, int]) -> Form:
        give_way()
        found = self._kind
        code = None if found is None else found.format
        if found is not None and found.large and xlsx_texts.longest(contents) > GENERAL_DIGITS:
            code = found.large
        index = "" if code is None else f' s="{style.get(code, 0)}"'
        kind = f' t="{found.type}"' if found is not None and found.type else ""
        shown = found is not None and found.shown
        return Form(f'"{index}{kind}><v>', contents, "</v></c>", shown=shown)

    def _plain(self, arrays: list[pa.Array], start: int) -> list[pa.Array]:
        import pyarrow as pa

        try:
            return [self.plan.to_arrow(array) for array in arrays]
        except (ValueError, TypeError, OverflowError, NotImplementedError):
            whole = pa.chunked_array(arrays)
            blame_a_row(self.name, start, len(whole), self._convert_some(whole))
            raise

    def _convert_some(self, whole: pa.ChunkedArray) -> Callable[[int, int], object]:
        return lambda at, size: [self.plan.to_arrow(each) for each in whole.slice(at, size).chunks]

    def _text_forms(self, texts: pa.LargeStringArray, start: int) -> tuple[Form, ...]:
        give_way()
        self._check_lengths(texts, start)
        # Unless told to wrap them, Excel shows lines as one, and LibreOffice on top of others.
        single, several = xlsx_texts.by_lines(texts)
        forms = [self._text_form(single)]
        if several is not None:
            forms.append(self._text_form(several, lines=True))
        return tuple(forms)

    @staticmethod
    def _text_form(texts: pa.LargeStringArray, *, lines: bool = False) -> Form:
        style = f' s="{WRAPPED}"' if lines else ""
        escaped = xlsx_texts.escaped(texts)
        space = "" if escaped is None else ' xml:space="preserve"'
        before = f'"{style} t="inlineStr"><is><t{space}>'
        contents = texts if escaped is None else escaped
        return Form(before, contents, "</t></is></c>", text=True, lines=lines)

    def _check_lengths(self, texts: pa.LargeStringArray, start: int) -> None:
        # A UTF-16 unit never takes less than a byte of UTF-8.
        for row in xlsx_texts.longer(texts, MOST_UNITS):
            units = len(texts[row].as_py().encode("utf-16-le")) // 2
            if units > MOST_UNITS:
                raise ColumnError(
                    f"The column {self.name!r} has a text of {units:,} characters in row "
                    f"{start + row:,}; a cell holds {MOST_UNITS:,}.",
                    "Shorten it, or export to CSV or Parquet.",
                )

    def _as_text(self, series: pl.Series) -> pa.LargeStringArray:
        import polars as pl

        if not isinstance(series.dtype, pl.String):
            series = series.to_frame("x").select(self.plan.to_text(pl.col("x"))).to_series()
        if isinstance(series.dtype, pl.Datetime):
            series = series.dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
        return xlsx_texts.to_arrow(series.cast(pl.String))


def cells_of(field: pa.Field, date_format: str, datetime_format: str) -> Cells:
    """Return what writes the cells of a column.

    Parameters
    ----------
    field
        The column.
    date_format, datetime_format
        Codes of number formats.

    Raises
    ------
    ColumnError
        If the column cannot be written.
    """
    # Extension types have no hash.
    tried = _tried if isinstance(field.type, Hashable) else _tried.__wrapped__
    try:
        return replace(tried(field.type, date_format, datetime_format), name=field.name)
    except Exception as error:
        raise ColumnError(
            f"The column {field.name!r} of type {field.type} cannot be written as XLSX.",
            "Change its type or leave it out.",
        ) from error


# An export makes three writers, one to check what it is given, and a workbook may have many sheets
# of the same columns: to try those of four sheets of ten took 9 ms for each of the three.
@lru_cache(maxsize=1_024)
def _tried(kind: pa.DataType, date_format: str, datetime_format: str) -> Cells:
    """Return what writes a type, after it has written a missing value."""
    import polars as pl
    import pyarrow as pa

    plan, missing = columns.plan(kind), one_missing(kind)
    sample = pl.Series(pa.chunked_array([plan.to_arrow(missing)]))
    cells = Cells("", plan, _kind(sample.dtype, date_format, datetime_format))
    cells.forms([missing], 0, {})
    return cells


def _kind(  # noqa: PLR0911 - a table of types
    dtype: pl.DataType, date_format: str, datetime_format: str
) -> Kind | None:
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

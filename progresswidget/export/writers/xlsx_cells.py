"""How a column of each Arrow type becomes the cells of a sheet; `xlsx` documents what comes out."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from progresswidget.errors import ColumnError
from progresswidget.export.workers import give_way
from progresswidget.export.writers import columns, xlsx_texts, xlsx_widths
from progresswidget.export.writers.blame import blame_a_row
from progresswidget.export.writers.storable import one_missing
from progresswidget.export.writers.xlsx_numbers import GENERAL_DIGITS, Kind, kind_of
from progresswidget.export.writers.xlsx_parts import WRAPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl
    import pyarrow as pa

MOST_UNITS: Final = 32_767  # UTF-16, in a cell (Excel specifications and limits)


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
    cells = Cells("", plan, kind_of(sample.dtype, date_format, datetime_format))
    cells.forms([missing], 0, {})
    return cells

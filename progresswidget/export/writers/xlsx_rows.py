"""The cells of the columns joined to rows, by Arrow: the result is one buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progresswidget.export import literals
from progresswidget.export.writers.xlsx_parts import letters

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    import pyarrow as pa

    from progresswidget.export.writers.xlsx_cells import Form


def join(forms: Sequence[Sequence[Form]], first: int, rows: int) -> memoryview:
    """Return rows as XML.

    Parameters
    ----------
    forms
        The cells of each column.
    first
        The number of the first row; the heading is row 1.
    rows
        How many there are.
    """
    import polars as pl
    import pyarrow.compute as pc

    numbers = _arrow(pl.int_range(first, first + rows, eager=True).cast(pl.String))
    line: list[Any] = ['<row r="', numbers, '">']
    for column, found in enumerate(forms):
        reference = f'<c r="{letters(column)}'
        for form in found:
            cell = [reference, numbers, form.before, _arrow(form.contents), form.after]
            if form.contents.null_count():
                # A part that is missing makes the whole cell missing.
                line.append(pc.binary_join_element_wise(*_scalars(cell), null_handling="emit_null"))
            else:
                line += cell
    line.append("</row>")
    joined = pc.binary_join_element_wise(*_scalars(line), null_handling="skip")
    return _content(joined)


def _arrow(series: pl.Series) -> pa.Array:
    import polars as pl
    import pyarrow as pa

    array = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    return array.cast(pa.large_string())


def _scalars(pieces: Sequence[Any]) -> list[Any]:
    """Merge constants that are neighbours, and add the separator, which is empty."""
    merged: list[Any] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return [literals.text(piece) if isinstance(piece, str) else piece for piece in [*merged, ""]]


def _content(array: pa.LargeStringArray) -> memoryview:
    _, offsets, data = array.buffers()
    ends = memoryview(offsets).cast("B").cast("q")
    return memoryview(data)[: ends[len(array)]]

"""The cells of the columns joined to rows, by Arrow: the result is one buffer."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from progresswidget.export import literals, memory
from progresswidget.export.workers import give_way
from progresswidget.export.writers.xlsx_parts import letters

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    numbers = _numbers(first, rows)
    line: list[Any] = ['<row r="', numbers, '">']
    for column, found in enumerate(forms):
        give_way()
        reference = f'<c r="{letters(column)}'
        for form in found:
            cell = [reference, numbers, form.before, form.contents, form.after]
            if form.contents.null_count:
                # A part that is missing makes the whole cell missing.
                line.append(_joined(cell, "emit_null"))
            else:
                line += cell
    line.append("</row>")
    return _content(_joined(line, "skip"))


def _numbers(first: int, rows: int) -> pa.LargeStringArray:
    import numpy as np
    import pyarrow as pa

    counted = pa.py_buffer(np.arange(first, first + rows, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), rows, [None, counted]).cast(pa.large_string())


def _joined(pieces: Sequence[Any], missing: str) -> pa.LargeStringArray:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(
        *_scalars(pieces), null_handling=missing, memory_pool=memory.pool()
    )


def _scalars(pieces: Sequence[Any]) -> list[Any]:
    """Merge constants that are neighbours, and add the separator, which is empty."""
    merged: list[Any] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return [_text(piece) if isinstance(piece, str) else piece for piece in [*merged, ""]]


# The same for each unit of a sheet; made anew they would be a third of what holds the GIL.
_text = lru_cache(maxsize=4_096)(literals.text)


def _content(array: pa.LargeStringArray) -> memoryview:
    _, offsets, data = array.buffers()
    ends = memoryview(offsets).cast("B").cast("q")
    return memoryview(data)[: ends[len(array)]]

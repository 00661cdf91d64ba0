"""The cells of the columns joined to rows: Arrow gathers the pieces of each row, one by one.

Rows are joined in steps. What comes out of one, some 2 MB, is deflated while the processor's cache
has it, and its memory is taken for the next: that of a whole unit was given back to the system and
got anew each time, which took a seventh of the processor. To let `take` gather all pieces out of
one array takes less than to let ``binary_join_element_wise`` look at each of them: 22 instead of 33
ms for 20,000 rows of ten columns, which are deflated in 16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.export import literals, memory
from progresswidget.export.workers import give_way
from progresswidget.export.writers import xlsx_texts
from progresswidget.export.writers.xlsx_parts import letters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from progresswidget.export.writers.xlsx_cells import Form

CELLS: Final = 40_960
"""Cells that are joined at a time."""
FEWEST: Final = 64
"""Rows that are, however many columns there are: Python goes from column to column each time."""


def join(forms: Sequence[Sequence[Form]], first: int, rows: int) -> Iterator[memoryview]:
    """Yield rows as XML, some at a time.

    Parameters
    ----------
    forms
        The cells of each column.
    first
        The number of the first row; the heading is row 1.
    rows
        How many there are.
    """
    pieces = _Pieces(forms)
    step = max(CELLS // max(len(forms), 1), FEWEST)
    for at in range(0, rows, step):
        yield pieces.join(at, min(step, rows - at), first + at)


class _Pieces:
    """What a row consists of: constants, its number, and the contents of its cells."""

    def __init__(self, forms: Sequence[Sequence[Form]]) -> None:
        import numpy as np

        self._arrays: list[pa.LargeStringArray] = []
        # Of each piece the array that it is taken from, or which of the constants it is.
        self._sources: list[int] = []
        self._constants: list[str] = []
        # Pieces that are not in all rows, and in which they are.
        self._holes: list[tuple[slice, Any]] = []
        self._put('<row r="', 0)
        text = '">'
        # LibreOffice does not find out how high a row has to be.
        lines = [form.contents for found in forms for form in found if form.lines]
        heights = xlsx_texts.heights(lines)
        if heights is not None:
            self._arrays.append(heights)
            self._put('"', len(self._arrays))
            text = ">"
        for column, found in enumerate(forms):
            reference = f'<c r="{letters(column)}'
            for form in found:
                give_way()
                self._arrays.append(form.contents)
                holes = form.contents.null_count > 0
                if holes:
                    self._put(text)
                    text = ""
                start = len(self._sources)
                self._put(text + reference, 0)
                self._put(form.before, len(self._arrays))
                text = form.after
                if holes:
                    self._put(text)
                    text = ""
                    self._holes.append((slice(start, len(self._sources)), _valid(form.contents)))
        self._put(text + "</row>")
        self._texts = literals.texts(self._constants)
        self._order = np.array(self._sources, np.int32)

    def join(self, at: int, rows: int, first: int) -> memoryview:
        """Return some of the rows, of which the first has the number `first`."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        give_way()
        arrays = [_numbers(first, rows), *(_filled(array, at, rows) for array in self._arrays)]
        whole = pa.concat_arrays([*arrays, self._texts], memory_pool=memory.pool())
        moving = self._order >= 0
        begins = np.where(moving, self._order * rows, len(arrays) * rows + ~self._order)
        order = np.arange(rows, dtype=np.int32)[:, None] * moving + begins
        if self._holes:
            there = np.ones(order.shape, np.bool_)
            for pieces, valid in self._holes:
                there[:, pieces] = valid[at : at + rows, None]
            order = order[there]
        indices = pa.Array.from_buffers(pa.int32(), order.size, [None, pa.py_buffer(order)])
        return _content(pc.take(whole, indices, boundscheck=False, memory_pool=memory.pool()))

    def _put(self, text: str, array: int | None = None) -> None:
        """Add a constant, if there is any, and a piece of an array; 0 are the numbers of rows."""
        if text:
            self._sources.append(~len(self._constants))
            self._constants.append(text)
        if array is not None:
            self._sources.append(array)


def _numbers(first: int, rows: int) -> pa.LargeStringArray:
    import numpy as np
    import pyarrow as pa

    counted = pa.py_buffer(np.arange(first, first + rows, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), rows, [None, counted]).cast(pa.large_string())


def _valid(array: pa.LargeStringArray) -> Any:
    """Return for each text whether it is not missing."""
    import numpy as np

    valid = array.is_valid()
    bits = np.frombuffer(valid.buffers()[1], np.uint8)
    flags = np.unpackbits(bits, bitorder="little", count=valid.offset + len(valid))
    return flags[valid.offset :].view(np.bool_)


def _filled(array: pa.LargeStringArray, at: int, rows: int) -> pa.LargeStringArray:
    """Return some of the texts as if none was missing: those that are, nobody takes."""
    import pyarrow as pa

    _, offsets, data = array.buffers()
    buffers = [None, offsets, pa.py_buffer(b"") if data is None else data]
    return pa.Array.from_buffers(array.type, rows, buffers, offset=array.offset + at)


def _content(array: pa.LargeStringArray) -> memoryview:
    _, offsets, data = array.buffers()
    ends = memoryview(offsets).cast("B").cast("q")
    return memoryview(data)[: ends[len(array)]]

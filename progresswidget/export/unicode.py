"""Texts that are no UTF-8, found while they are read: Arrow promises that there are none.

Nobody looks, though. Parquet files and other people's libraries do bring such texts, and most
writers would pass them on: to a CSV that no reader opens, or to a panic in the middle of a file.
So the texts of every batch are looked at, except those of polars, which has no others.

Texts that are ASCII are known by their least byte. Others are checked as one piece, whose cuts must
not lie within a character: 7 ns a text, half of what Arrow's own check of each takes.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError
from progresswidget.export import forks, memory
from progresswidget.export.workers import give_way

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

FIRST: Final = -64
"""The least signed byte that begins a character; those within are smaller (RFC 3629 section 3)."""
BEGINNING: Final = 16_384
"""Bytes that are looked at first, for most columns that are not ASCII show it there."""


class Texts:
    """Looks at the texts of a stream of batches.

    Parameters
    ----------
    schema
        The columns of every batch.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._places = [place for place, field in enumerate(schema) if _has_text(field.type)]
        self._row = 0
        self._known: dict[int, pa.Array] = {}

    def check(self, batch: pa.RecordBatch) -> None:
        """Look at the next batch.

        Raises
        ------
        ColumnError
            If there is a text that is no UTF-8; it names the column and the row.
        """
        for place in self._places:
            give_way()
            array = batch.column(place)
            if not self._is_good(place, array):
                row = _first(array)
                if row is not None:
                    raise ColumnError(
                        f"The column {batch.schema.names[place]!r} has a text in row "
                        f"{self._row + row} that is no valid UTF-8.",
                        "Repair it where it comes from, or cast the column to binary.",
                    )
        self._row += batch.num_rows

    def _is_good(self, place: int, array: pa.Array) -> bool:
        import pyarrow as pa

        if not pa.types.is_dictionary(array.type):
            return _is_good(array)
        # The batches of a frame share their dictionary, which may be longer than they are.
        words = array.dictionary
        if place in self._known and _same(self._known[place], words):
            return True
        good = _is_good(words)
        if good:
            self._known[place] = words
        return good


def _has_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _has_text(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _has_text(kind.value_type)
    if pa.types.is_nested(kind):
        return any(_has_text(kind.field(place).type) for place in range(kind.num_fields))
    return _is_plain(kind) or bool(pa.types.is_string_view(kind))


def _is_plain(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _same(first: pa.Array, second: pa.Array) -> bool:
    return (first.offset, len(first), _addresses(first)) == (
        second.offset,
        len(second),
        _addresses(second),
    )


def _addresses(array: pa.Array) -> list[int]:
    return [0 if buffer is None else buffer.address for buffer in array.buffers()]


def _is_good(array: pa.Array) -> bool:
    """Say whether all texts are UTF-8; where that is False it may be one below a missing value."""
    import pyarrow as pa

    kind = array.type
    if _is_plain(kind):
        return _is_good_block(array)
    if pa.types.is_string_view(kind):
        return _is_good_block(array.cast(pa.large_string(), memory_pool=memory.pool()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return not _has_text(kind.value_type) or _is_good(array.flatten())
    if pa.types.is_struct(kind):
        return all(_is_good(child) for child in array.flatten() if _has_text(child.type))
    return _is_valid(array)


def _is_good_block(array: pa.Array) -> bool:
    import numpy as np
    import pyarrow as pa

    _, ends, data = array.buffers()
    if not len(array) or data is None:
        return True
    kind = np.dtype(np.int64 if pa.types.is_large_string(array.type) else np.int32)
    offsets = np.frombuffer(ends, kind, len(array) + 1, array.offset * kind.itemsize)
    first, last = int(offsets[0]), int(offsets[-1])
    content = np.frombuffer(data, np.int8, last)
    if _is_ascii(content[first:]):
        return True
    if "polars" not in sys.modules or forks.lost():
        return _is_valid(array)
    begins = offsets[: np.searchsorted(offsets, kind.type(last))]  # else numpy converts them all
    # In this order: the bytes are in the core's cache then, where their cuts are looked for.
    good = _is_good_piece(data.slice(first, last - first))
    # Half as long as ``content[begins]``, of which numpy makes an iterator.
    return good and bool(content.take(begins).min(initial=0) >= FIRST)


def _is_ascii(content: np.ndarray[Any, np.dtype[np.int8]]) -> bool:
    if content[:BEGINNING].min(initial=0) < 0:
        return False  # as in most texts that are not: no need to look at all of them
    return bool(content[BEGINNING:].min(initial=0) >= 0)


def _is_good_piece(data: pa.Buffer) -> bool:
    """Say whether bytes are UTF-8, by polars, which looks at many of them at once."""
    import polars as pl
    import pyarrow as pa

    ends = pa.py_buffer(struct.pack("qq", 0, data.size))
    piece = pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, data])
    try:
        pl.Series(piece).cast(pl.String)
    except pl.exceptions.PolarsError:
        return False
    return True


def _is_valid(array: pa.Array) -> bool:
    import pyarrow as pa

    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _first(array: pa.Array) -> int | None:
    """Return the place of the first value with a text that is no UTF-8, or None."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        bad = [not _decodes(word) for word in array.dictionary]
        places = (place for place, index in enumerate(array.indices.to_pylist()) if _at(bad, index))
        return next(places, None)
    return next((place for place, value in enumerate(array) if not _decodes(value)), None)


def _at(bad: list[bool], index: int | None) -> bool:
    return index is not None and bad[index]


def _decodes(value: pa.Scalar) -> bool:
    try:
        value.as_py()
    except UnicodeDecodeError:
        return False
    except (ValueError, OverflowError):  # a moment that Python has no object for is no text
        return True
    return True

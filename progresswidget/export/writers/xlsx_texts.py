"""Texts of cells as Arrow has them: what XML does not take is looked for, and escaped where it is.

All that every text goes through is done by kernels of Arrow and numpy, which let go of the GIL and
run where they are called. Whatever polars does by an expression runs on its own threads: to hand
each small step over to them kept both cores busy with waiting, and the main thread of Python out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.export import literals, memory
from progresswidget.export.writers import xlsx_parts
from progresswidget.export.writers.columns import is_text

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa

# What stands in the way of writing a text as it is, and blanks that XML would not keep.
_SPECIAL: Final = r"[&<>\x00-\x08\x0B-\x1F\x{FFFE}\x{FFFF}]|_x[0-9A-Fa-f]{4}"
_CODE: Final = r"_(x[0-9A-Fa-f]{4})"
_BLANKS: Final = r"^[ \t\n]|[ \t\n]$"
_ODD: Final = f"{_SPECIAL}|{_BLANKS}"
_ESCAPES: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    **{
        chr(code): xlsx_parts.text(chr(code))
        for code in (*range(9), 0x0B, 0x0C, *range(0x0D, 0x20), 0xFFFE, 0xFFFF)
    },
}
LINE: Final = 15
MOST_LINES: Final = 27
"""Points of a line, and lines of a row: 409 points (Excel specifications and limits)."""
_SPACE: Final = 0x20
_BLANK: Final = (0x20, 0x09, 0x0A)
_MARKS: Final = b"&<>"
_LAST: Final = b"\xef\xbf"
"""What U+FFFE and U+FFFF begin with in UTF-8."""


def is_plain(kind: pa.DataType) -> bool:
    """Say whether a type is one of texts, or of dictionaries of texts."""
    import pyarrow as pa

    return is_text(kind.value_type if pa.types.is_dictionary(kind) else kind)


def joined(arrays: list[pa.Array]) -> pa.LargeStringArray:
    """Return what `as_text` takes as one array."""
    import pyarrow as pa

    wide = [as_text(array) for array in arrays]
    return wide[0] if len(wide) == 1 else pa.concat_arrays(wide, memory_pool=memory.pool())


def as_text(array: pa.Array) -> pa.LargeStringArray:
    """Return integers, texts, or a dictionary of texts, as texts."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        # Arrow decodes no dictionary of views.
        words = array.dictionary.cast(pa.large_string())
        array = pa.DictionaryArray.from_arrays(array.indices, words).dictionary_decode()
    return array.cast(pa.large_string(), memory_pool=memory.pool())


def to_arrow(series: pl.Series) -> pa.LargeStringArray:
    """Return texts of polars."""
    import polars as pl

    # As views they are handed over without a copy; polars would copy them under the GIL.
    return as_text(series.to_arrow(compat_level=pl.CompatLevel.newest()))


def sizes(texts: pa.LargeStringArray) -> Any:
    """Return how many bytes each text has; those of a missing one are anything."""
    starts, ends, _ = _layout(texts)
    return ends - starts


def longest(texts: pa.LargeStringArray) -> int:
    """Return how many bytes the longest text has, or one that is missing seems to have."""
    return int(sizes(texts).max()) if len(texts) else 0


def longer(texts: pa.LargeStringArray, most: int) -> list[int]:
    """Return the rows of texts of more than so many bytes."""
    import numpy as np

    lengths = sizes(texts)
    if not len(lengths) or int(lengths.max()) <= most:
        return []
    return [int(row) for row in np.flatnonzero(lengths > most) if texts[int(row)].is_valid]


def by_lines(
    texts: pa.LargeStringArray,
) -> tuple[pa.LargeStringArray, pa.LargeStringArray | None]:
    """Return the texts of one line and those of several, missing elsewhere; None if none has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    several = _lines(texts) > 1
    if not several.any():
        return texts, None
    mask, none = literals.flags(several), pa.nulls(1, texts.type)[0]
    return pc.if_else(mask, none, texts), pc.if_else(mask, texts, none)


def heights(columns: list[pa.LargeStringArray]) -> pa.LargeStringArray | None:
    """Return an attribute of each row that makes it as high as the texts in it, or nothing.

    Parameters
    ----------
    columns
        The texts that have several lines, missing elsewhere.
    """
    import numpy as np

    if not columns:
        return None
    lines = np.max([_lines(texts) for texts in columns], axis=0)
    known = ["", "", *(f' ht="{LINE * count}"' for count in range(2, MOST_LINES + 1))]
    return literals.texts(known).take(literals.places(np.minimum(lines, MOST_LINES)))


def _lines(texts: pa.LargeStringArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return how many lines each text has; 0 where it is missing."""
    import numpy as np

    starts, ends, data = _layout(texts)
    lines = np.ones(len(texts), np.int64)
    if len(texts):
        first = starts[0]
        breaks = np.flatnonzero(data[first : ends[-1]] == _BLANK[2])
        rows = np.searchsorted(ends - first, breaks, side="right")
        lines += np.bincount(rows, minlength=len(texts))
    if texts.null_count:
        lines *= literals.bits(texts.is_valid())
    return lines


def escaped(texts: pa.LargeStringArray) -> pa.LargeStringArray | None:
    """Return texts as XML has them, or None where all of them can be written as they are."""
    import polars as pl

    if not _may_be_odd(texts):
        return None
    series = pl.Series("x", texts)
    if not series.str.contains(_ODD).any():
        return None
    series = series.str.replace_all(_CODE, "_x005F_$1")
    replaced = pl.col("x").str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return to_arrow(series.to_frame("x").select(replaced).to_series())


def _may_be_odd(texts: pa.LargeStringArray) -> bool:
    """Say whether one of the texts may match `_ODD`; many times faster than to search for it."""
    starts, ends, data = _layout(texts)
    if not len(data):
        return False
    filled = ends > starts
    edges = data[starts[filled]], data[ends[filled] - 1]
    if any(bool((edge == blank).any()) for edge in edges for blank in _BLANK):
        return True
    data = data[starts[0] : ends[-1]]
    low = data < _SPACE
    if low.any() and bool((low & (data != _BLANK[1]) & (data != _BLANK[2])).any()):
        return True
    if any(bool((data == mark).any()) for mark in _MARKS):
        return True
    return _has_pair(data, b"_x") or _has_pair(data, _LAST)


def _has_pair(data: Any, pair: bytes) -> bool:
    return bool(((data[:-1] == pair[0]) & (data[1:] == pair[1])).any())


def _layout(texts: pa.LargeStringArray) -> tuple[Any, Any, Any]:
    """Return where each text begins and ends, and the bytes that it is in."""
    import numpy as np

    _, offsets, data = texts.buffers()
    if not len(texts) or offsets is None:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)
    places = np.frombuffer(offsets, np.int64, len(texts) + 1, texts.offset * 8)
    held = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return places[:-1], places[1:], held

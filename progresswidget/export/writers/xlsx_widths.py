"""How wide the columns of a sheet are: as its first rows need it.

The width stands before the rows, so those of later units cannot have a say. Of numbers all in the
first unit are measured, because Excel shows ``####`` where one does not fit; of texts the longest
among its first `SAMPLE` rows. Nothing is wider than `parts.WIDEST`.
"""

from __future__ import annotations

import html
import unicodedata
from typing import TYPE_CHECKING, Final

from progresswidget.export import literals
from progresswidget.export.writers import xlsx_parts as parts
from progresswidget.export.writers import xlsx_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from progresswidget.export.writers.xlsx_cells import Form

SAMPLE: Final = 4_096
MEASURED: Final = 32
"""Of the sample, so many of the longest texts are measured, and so many of the first."""
PADDING: Final = 2.0
NARROWEST: Final = 10.0
_LONGER_DAY: Final = 5
_LONGER_MONTH: Final = 5
_HALF_OF_DAY: Final = 3


def needed(forms: Sequence[Form], least: float | None) -> float:
    """Return the width, in characters, that the cells of a column need.

    Parameters
    ----------
    forms
        The cells of its first rows.
    least
        The width of values that all look alike; None for texts.
    """
    width = NARROWEST if least is None else least
    for form in forms:
        if form.text:
            longest = max(map(columns_of, _candidates(form.contents)), default=0)
        elif form.shown:
            longest = xlsx_texts.longest(form.contents)
        else:
            continue
        if longest:
            width = max(width, min(longest + PADDING, parts.WIDEST))
    return width


def columns_of(text: str) -> int:
    """Return how many narrow characters the longest line of a text is wide."""
    if "&" in text:
        text = html.unescape(text)
    if text.isascii():
        return max(map(len, text.splitlines()), default=0)
    return max(map(_wide, text.splitlines()), default=0)


def of_format(code: str, least: float) -> float:
    """Return the width that values shown by a number format of dates and times need."""
    low = code.lower()
    longer = _LONGER_DAY * ("dddd" in low) + _LONGER_MONTH * ("mmmm" in low)
    return max(least, len(code) + longer + _HALF_OF_DAY * ("am/pm" in low) + 1.0)


def _wide(line: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in line)
    bare = sum(unicodedata.combining(character) > 0 for character in line)
    return len(line) + wide - bare


def _candidates(texts: pa.LargeStringArray) -> list[str]:
    import numpy as np

    some = texts.slice(0, SAMPLE)
    sizes = xlsx_texts.sizes(some)
    rows = np.arange(min(len(sizes), MEASURED))
    if len(sizes) > MEASURED:
        rows = np.union1d(rows, np.argpartition(sizes, -MEASURED)[-MEASURED:])
    return [text for text in some.take(literals.places(rows)).to_pylist() if text is not None]

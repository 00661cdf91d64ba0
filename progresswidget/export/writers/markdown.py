"""Tables of GitHub Flavored Markdown (its specification, section 4.10), a row on each line.

Values have the text that `columns_reading` tells. Numbers are aligned to the right. Line breaks
become ``<br>``, and signs that would end a cell or begin markup are escaped, among them the dollar
that begins a formula on GitHub and in Jupyter; a missing value is empty.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError
from progresswidget.export.forks import refuse_polars
from progresswidget.export.writers import Encoded, Heading, Piece, Writer, columns, only_schema
from progresswidget.export.writers.columns_frame import (
    frame_of,
    refuse_types,
    text_bytes,
)
from progresswidget.export.writers.columns_reading import reading_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    import pyarrow as pa

ESCAPES: Final = {
    **{sign: f"\\{sign}" for sign in "\\|*`~[$_"},
    "&": "&amp;",
    "<": "&lt;",
    "\r\n": "<br>",
    "\n": "<br>",
    "\r": "<br>",
}

# Between letters and digits an underscore is none of emphasis (section 6.2), and snake_case common.
_INSIDE: Final = r"([\p{L}\p{N}])\\_([\p{L}\p{N}])"
_ESCAPED_INSIDE: Final = re.compile(r"(?<=[^\W_])\\_(?=[^\W_])")


def is_number(kind: pa.DataType) -> bool:
    """Say whether values of a type are aligned to the right."""
    import pyarrow as pa

    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def escape(text: str) -> str:
    """Return a text as a cell holds it."""
    text = text.replace("\r\n", "\n")
    escaped = "".join(ESCAPES.get(character, character) for character in text)
    return _ESCAPED_INSIDE.sub("_", escaped)


def _escaped(text: pl.Expr) -> pl.Expr:
    escaped = text.str.replace_many(ESCAPES, leftmost=True)
    for _ in range(2):  # a match takes the letter that the next one would begin with
        escaped = escaped.str.replace_all(_INSIDE, "${1}_${2}")
    return escaped


class MarkdownWriter(Writer):
    """Encode batches as rows of a Markdown table.

    Parameters
    ----------
    headings
        The one table; names of columns may repeat.
    options
        There are none.

    Raises
    ------
    ColumnError
        If a column cannot be written, or there is none.
    """

    workers = 3
    resumable = True

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        refuse_polars()
        self._schema = only_schema(headings, "Markdown")
        if not len(self._schema):
            raise ColumnError("A Markdown table needs a column.", "Add one to the frame.")
        for name in self._schema.names:
            columns.check_name(name)
        self._plans = [reading_plan(field.type) for field in self._schema]
        if any(plan.slow for plan in self._plans):
            self.unit_rows = 8_192
        refuse_types(self._schema, self._plans, "Markdown")

    def head(self) -> Sequence[Piece]:
        """Return the line of names and the line of alignments."""
        names = " | ".join(escape(name) for name in self._schema.names)
        lines = " | ".join("---:" if is_number(field.type) else "---" for field in self._schema)
        return [f"| {names} |\n| {lines} |\n".encode()]

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return the lines of some rows."""
        import polars as pl

        refuse_polars()
        frame = frame_of(batches, self._plans, start)
        cells = [
            _escaped(pl.col(name).fill_null(""))
            if not is_number(field.type)
            else pl.col(name).fill_null("")
            for name, field in zip(frame.columns, self._schema, strict=True)
        ]
        inside = pl.concat_str(cells, separator=" | ")
        line = pl.concat_str(pl.lit("| "), inside, pl.lit(" |\n")).alias("line")
        return Encoded([text_bytes(frame.select(line)["line"])])

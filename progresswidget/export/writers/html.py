"""An HTML document with one table, or only the table (HTML Living Standard, section 4.9).

Values have the text that `columns_reading` tells, with line breaks as they are. Numbers are aligned
to the right. Nothing is loaded from elsewhere. A missing value is an empty cell.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.forks import refuse_polars
from progresswidget.export.options import Option
from progresswidget.export.writers import (
    Encoded,
    Heading,
    Piece,
    Placed,
    Writer,
    columns,
    only_schema,
)
from progresswidget.export.writers.columns_frame import (
    frame_of,
    refuse_types,
    text_bytes,
)
from progresswidget.export.writers.columns_reading import reading_plan
from progresswidget.export.writers.markdown import is_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:14px/1.4 system-ui,sans-serif;margin:1rem}"
    "table{border-collapse:collapse}"
    "caption,th,td{unicode-bidi:plaintext}"
    "caption{font-weight:600;text-align:start;padding:.5em 0}"
    "th,td{border:1px solid color-mix(in srgb,currentColor 25%,transparent);padding:.25em .6em;"
    "text-align:start;vertical-align:top;white-space:pre-wrap}"
    "thead th{position:sticky;top:0;background:Canvas}"
    ".number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
)
ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def _check_unicode(value: str | None) -> str | None:
    if value is not None and any("\ud800" <= character <= "\udfff" for character in value):
        return "must be text that can be written as UTF-8"
    return None


class HtmlWriter(Writer):
    """Encode batches as rows of an HTML table.

    Parameters
    ----------
    headings
        The one table; names of columns may repeat.
    options
        Values of `OPTIONS`.

    Raises
    ------
    ColumnError
        If a column cannot be written.
    """

    OPTIONS = (
        Option(
            "title",
            (str, type(None)),
            None,
            "The title and caption; by default the name of the file.",
            check=_check_unicode,
        ),
        Option("fragment", (bool,), False, "Whether to write only the <table>."),  # noqa: FBT003
        Option("language", (str,), "en", "The language of the document.", check=_check_unicode),
    )

    workers = 3
    resumable = True

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        refuse_polars()
        self._schema = only_schema(headings, "HTML")
        title = headings[0].name if options["title"] is None else options["title"]
        self._title = escape(title.encode(errors="replace").decode())
        self._fragment: bool = options["fragment"]
        self._language = escape(options["language"])
        for name in self._schema.names:
            columns.check_name(name)
        self._plans = [reading_plan(field.type) for field in self._schema]
        if any(plan.slow for plan in self._plans):
            self.unit_rows = 8_192
        refuse_types(self._schema, self._plans, "HTML")

    def head(self) -> Sequence[Piece]:
        """Return everything before the rows."""
        cells = "".join(
            f'<th scope="col"{_class(field.type)}>{escape(field.name, quote=False)}</th>'
            for field in self._schema
        )
        document = (
            f'<!DOCTYPE html>\n<html lang="{self._language}">\n<head>\n<meta charset="utf-8">\n'
            f"<title>{self._title}</title>\n<style>{STYLE}{self._unbroken()}</style>\n</head>\n"
            "<body>\n"
        )
        table = (
            f"<table>\n<caption>{self._title}</caption>\n"
            f"<thead>\n<tr>{cells}</tr>\n</thead>\n<tbody>\n"
        )
        return [(table if self._fragment else document + table).encode()]

    def _unbroken(self) -> str:
        """Return the style of columns of moments, which browsers break at the hyphens."""
        import pyarrow as pa

        found = [
            f"td:nth-child({position})"
            for position, field in enumerate(self._schema, 1)
            if pa.types.is_temporal(field.type)
        ]
        return f"{','.join(found)}{{white-space:nowrap}}" if found else ""

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return some rows."""
        import polars as pl

        refuse_polars()
        if not self._plans:
            return Encoded([b"<tr></tr>\n" * sum(batch.num_rows for batch in batches)])
        frame = frame_of(batches, self._plans, start)
        pieces = [pl.lit("<tr>")]
        for name, field in zip(frame.columns, self._schema, strict=True):
            text = pl.col(name).fill_null("")
            plain = is_number(field.type)
            pieces += [
                pl.lit(f"<td{_class(field.type)}>"),
                text if plain else text.str.replace_many(ESCAPES),
                pl.lit("</td>"),
            ]
        line = pl.concat_str(*pieces, pl.lit("</tr>\n")).alias("line")
        return Encoded([text_bytes(frame.select(line)["line"])])

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return everything after the rows."""
        return [b"</tbody>\n</table>\n" + (b"" if self._fragment else b"</body>\n</html>\n")]


def _class(kind: pa.DataType) -> str:
    return ' class="number"' if is_number(kind) else ""

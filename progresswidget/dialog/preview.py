"""The first rows of what a person has chosen, and about how large the file will be."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ExportCancelledError
from progresswidget.export.formats import find_format
from progresswidget.export.options import resolve
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.reading import read_ahead
from progresswidget.export.sources import Source, find_kind, is_of
from progresswidget.export.sources.deferred import is_deferred
from progresswidget.export.sources.narrowed import narrow

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from progresswidget.dialog.wish import Wish
    from progresswidget.protocol import Json

SHOWN_ROWS: Final = 12
SHOWN_COLUMNS: Final = 60
SAMPLE_ROWS: Final = 5_000
"""Rows that are encoded to tell how large the file will be."""
_LONGEST: Final = 120
"""Characters of a value that are shown."""


class SupersededError(Exception):
    """Something else is wanted by now."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a frame before anything is read.

    Parameters
    ----------
    columns
        Names and types; None where only the export itself will know.
    total
        Rows, where that is known.
    once
        Whether it can be read once, and so not for a preview.
    """

    columns: list[tuple[str, str]] | None
    total: int | None
    once: bool


def look(frame: object) -> Known:
    """Return what is known of a frame.

    Raises
    ------
    UnsupportedSourceError
        If it is none.
    """
    if is_deferred(frame):
        return Known(None, None, once=True)
    source = _source(frame)
    columns = [(column.name, type_of(column)) for column in source.schema]
    return Known(columns, source.total, source.once)


def preview(frame: object, wish: Wish, wanted: Callable[[], bool]) -> Json:
    """Return the first rows, and the size, for JSON.

    Parameters
    ----------
    wanted
        Says whether the answer is still waited for.

    Raises
    ------
    SupersededError
        If it is not.
    ProgressWidgetError
        As the export itself would.
    """
    if not wish.where and is_of(frame, "polars", "LazyFrame"):
        frame = frame.head(SAMPLE_ROWS + 1)  # type: ignore[attr-defined]  # a plan of its own
        known = None
    else:
        known = look(frame).total
    source = _source(narrow(frame, wish.columns, wish.where))
    sample, complete = _head(source, wanted)
    size = _size(sample, wish, wanted)
    total = sample.num_rows if complete else (None if wish.where else known)
    about = size if complete else None
    if not complete and total and sample.num_rows:
        about = round(size * total / sample.num_rows)
    return {
        "columns": [[column.name, type_of(column)] for column in sample.schema][:SHOWN_COLUMNS],
        "more": max(0, sample.num_columns - SHOWN_COLUMNS),
        "rows": _cells(sample),
        "total": total,
        "bytes": about,
        "exact": complete,
    }


def type_of(column: pa.Field) -> str:
    """Return the type of a column as people call it: how long texts are kept is no news."""
    return str(column.type).replace("large_", "").replace("_view", "")


def _source(frame: object) -> Source:
    kind = find_kind(frame)
    return kind.read(frame, "columnar", resolve(kind.options, {}, owner=kind.name))


def _head(source: Source, wanted: Callable[[], bool]) -> tuple[pa.Table, bool]:
    """Return the first rows, and whether these are all."""
    import pyarrow as pa

    def checkpoint() -> None:
        if not wanted():
            raise SupersededError

    taken, rows = [], 0
    # On a thread of its own: SQL that looks at every row before its first one is interrupted.
    with closing(read_ahead(source.batches, checkpoint)) as batches:
        for batch in batches:
            checkpoint()
            if rows + batch.num_rows > SAMPLE_ROWS:
                taken.append(batch.slice(0, SAMPLE_ROWS - rows))
                return pa.Table.from_batches(taken, source.schema), False
            taken.append(batch)
            rows += batch.num_rows
    known = source.total is None or source.total <= rows
    return pa.Table.from_batches(taken, source.schema), known


def _size(sample: pa.Table, wish: Wish, wanted: Callable[[], bool]) -> int:
    def checkpoint() -> None:
        if not wanted():
            raise ExportCancelledError("Something else is wanted.")

    with tempfile.TemporaryDirectory(prefix="progresswidget-") as folder:
        name = Path(wish.path).name or "sample"
        work = Export(sample, Path(folder) / name, format=wish.format, options=wish.options)
        try:
            return work.run(Progress(checkpoint=checkpoint)).bytes
        except ExportCancelledError:
            raise SupersededError from None


def _cells(sample: pa.Table) -> list[list[str | None]]:
    shown = sample.slice(0, SHOWN_ROWS).select(range(min(sample.num_columns, SHOWN_COLUMNS)))
    columns = [[_text(value) for value in column.to_pylist()] for column in shown.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return text.encode(errors="replace").decode()


def usual_format(path: str) -> str | None:
    """Return the format that the ending of a path tells; None where it tells none."""
    from progresswidget.errors import ProgressWidgetError

    try:
        return find_format(Path(path).name).name
    except ProgressWidgetError:
        return None

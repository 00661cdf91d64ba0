"""Lists of rows, and a single one; the schema is learned from all of them, unless it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from progresswidget.errors import UnsupportedSourceError
from progresswidget.export.sources import BATCH_ROWS, Source
from progresswidget.export.sources.batches import Pace
from progresswidget.export.sources.inference import Columns
from progresswidget.export.sources.records import Reader, is_record, is_row

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import pyarrow as pa

    from progresswidget.export.formats import Flavour


def recognises(frame: object) -> bool:
    """Say whether `frame` is a list of rows, which may be empty, or a dataclass or named tuple."""
    if isinstance(frame, (list, tuple)) and not hasattr(frame, "_fields"):
        return not frame or is_row(frame[0])
    return is_record(frame)


def is_rows(frame: object) -> bool:
    """Say whether `frame` is one table, where a list may also be one of tables."""
    return recognises(frame) and not (isinstance(frame, (list, tuple)) and not frame)


def read(frame: object, flavour: Flavour, *, schema: pa.Schema | None) -> Source:  # noqa: ARG001
    """Return the source of rows. Rows added to the list later do not reach it.

    Columns are all that occur, as they occur first; a row that lacks one has no value there.

    Parameters
    ----------
    frame
        The rows.
    flavour
        Of no meaning here.
    schema
        The columns, if they shall not be learned.

    Raises
    ------
    ColumnError
        If values of a column are of several kinds; it names the rows.
    UnsupportedSourceError
        If something is no row, or if there are none to learn from.
    """
    several = isinstance(frame, (list, tuple)) and not is_record(frame)
    rows = list(cast("Sequence[Any]", frame)) if several else [frame]
    if not rows and schema is None:
        raise UnsupportedSourceError(
            "An empty list does not tell its columns.", "Give the option schema=, a pyarrow.Schema."
        )
    reader = Reader(() if schema is None else schema.names)
    columns = Columns(schema)
    if schema is None:
        for start in range(0, len(rows), BATCH_ROWS):
            some = enumerate(rows[start : start + BATCH_ROWS], start)
            columns.learn([reader.read(row, number) for number, row in some])
    return Source(
        columns.freeze(), len(rows), lambda: _batches(rows, reader, columns), at_hand=True
    )


def _batches(
    rows: list[Any], reader: Reader, columns: Columns
) -> Generator[pa.RecordBatch, None, None]:
    start, pace = 0, Pace()
    while start < len(rows):
        some = enumerate(rows[start : start + pace.rows], start)
        batch = columns.batch([reader.read(row, number) for number, row in some], start)
        yield batch
        pace.learn(batch)
        start += batch.num_rows

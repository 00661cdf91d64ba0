"""pyarrow's own tables, batches and readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from progresswidget.export.sources import SLICE_ROWS, Source, once
from progresswidget.export.sources.stream import cut, read_batches

if TYPE_CHECKING:
    from collections.abc import Generator

    import pyarrow as pa

    from progresswidget.export.formats import Flavour


def recognises(frame: object) -> bool:
    """Say whether `frame` is a Table, a RecordBatch or a RecordBatchReader."""
    import pyarrow as pa

    return isinstance(frame, (pa.Table, pa.RecordBatch, pa.RecordBatchReader))


def read(frame: object, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a pyarrow frame; a reader can be read once only.

    Raises
    ------
    SourceError
        If it is a reader that has been read.
    """
    import pyarrow as pa

    if isinstance(frame, pa.RecordBatchReader):
        reader = cast("pa.RecordBatchReader", frame)
        once.check(reader)
        return Source(reader.schema, None, lambda: read_batches(reader), once=True)
    if isinstance(frame, pa.RecordBatch):
        batch = cast("pa.RecordBatch", frame)
        return Source(
            batch.schema,
            batch.num_rows,
            lambda: cut(batch, SLICE_ROWS),
            steady=_steady(batch.schema),
            at_hand=True,
        )
    table = cast("pa.Table", frame)
    return Source(
        table.schema,
        table.num_rows,
        lambda: _slices(table),
        steady=_steady(table.schema),
        at_hand=True,
    )


def _steady(schema: pa.Schema) -> bool:
    """Say whether the rows are Arrow's own, which nobody changes.

    A table that was made of a frame of pandas may lie in its arrays, and those can be changed.
    """
    return b"pandas" not in (schema.metadata or {})


def _slices(table: pa.Table) -> Generator[pa.RecordBatch, None, None]:
    for batch in table.to_reader():
        yield from cut(batch, SLICE_ROWS)

"""DataFusion frames: the query runs while the file is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progresswidget.errors import SourceError
from progresswidget.export.sources import Source, is_of, reason
from progresswidget.export.sources.batches import fit
from progresswidget.export.sources.datafusion_files import files_of
from progresswidget.export.sources.marks import marked
from progresswidget.export.sources.stream import cut

if TYPE_CHECKING:
    from collections.abc import Generator

    import pyarrow as pa

    from progresswidget.export.formats import Flavour


def recognises(frame: object) -> bool:
    """Say whether `frame` is a DataFrame."""
    return is_of(frame, "datafusion", "DataFrame")


def read(frame: Any, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a DataFrame; its length is unknown until it ends.

    Raises
    ------
    SourceError
        If the query has no schema.
    """
    try:
        schema = frame.schema()
    except MemoryError:
        raise
    except Exception as error:
        raise SourceError(f"The query cannot run: {reason(error)}") from error
    return Source(schema, None, lambda: _stream(frame, schema))


def _stream(frame: Any, schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
    check_files = marked(files_of(frame))
    row = 0
    for whole in frame.execute_stream():
        for batch in cut(whole.to_pyarrow()):
            yield fit(batch, schema, row)
            row += batch.num_rows
    check_files()

"""Ibis tables and columns: the query runs in its backend while the file is written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from progresswidget.errors import SourceError
from progresswidget.export.sources import QUERY_ROWS, Source, duckdb, is_of, lazy, reason
from progresswidget.export.sources.batches import fit
from progresswidget.export.sources.stream import cut, read_batches

if TYPE_CHECKING:
    from collections.abc import Generator

    import pyarrow as pa

    from progresswidget.export.formats import Flavour


def recognises(frame: object) -> bool:
    """Say whether `frame` is a table or a column."""
    return is_of(frame, "ibis.expr.types", "Table", "Column")


def read(frame: Any, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a table; its length is unknown until it ends.

    Raises
    ------
    SourceError
        If no backend can run it.
    """
    table = frame.as_table()
    try:
        schema = table.schema().to_pyarrow()
        backend = table.get_backend()
    except MemoryError:
        raise
    except Exception as error:
        raise SourceError(f"The query cannot run: {reason(error)}") from error
    return Source(schema, None, lambda: _stream(table, backend, schema))


def _stream(table: Any, backend: Any, schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
    row = 0
    for whole in _batches(table, backend):
        for batch in cut(whole):
            yield fit(batch, schema, row)
            row += batch.num_rows


def _batches(table: Any, backend: Any) -> Generator[pa.RecordBatch, None, None]:
    # Ibis asks DuckDB for its batches by a name that DuckDB 2 does not have any more, so the
    # relation is taken that Ibis itself makes for its other results.
    relate = getattr(backend, "_to_duckdb_relation", None)
    if relate is not None and "duckdb" in sys.modules:
        yield from duckdb.read(relate(table), "columnar").batches()
    elif backend.name == "polars":  # which Ibis would let collect all rows
        yield from lazy.read(backend.compile(table), "columnar").batches()
    else:
        yield from read_batches(backend.to_pyarrow_batches(table, chunk_size=QUERY_ROWS))

"""polars LazyFrames: the query runs in polars' streaming engine while the file is written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, cast

from progresswidget.errors import SourceError
from progresswidget.export.forks import refuse_polars
from progresswidget.export.sources import Source, is_of, reason
from progresswidget.export.sources.lazy_files import files_of
from progresswidget.export.sources.marks import marked
from progresswidget.export.sources.nearby import reading_nearby
from progresswidget.export.sources.polars import batches_of, check, schema_of, set_apart
from progresswidget.export.sources.sliced import sliced
from progresswidget.export.sources.stream import joined

if TYPE_CHECKING:
    from collections.abc import Generator

    import polars as pl
    import pyarrow as pa

    from progresswidget.export.formats import Flavour

PLAN_ROWS: Final = 4_096
"""Rows that are asked for at a time, to be joined where they are narrow.

With rows of 1 kB twice as many need 20 to 40 MB more, and half as many more time to Parquet.
"""


def recognises(frame: object) -> bool:
    """Say whether `frame` is a LazyFrame."""
    return is_of(frame, "polars", "LazyFrame")


def read(frame: object, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a LazyFrame; its length is unknown until it ends.

    Raises
    ------
    ColumnError
        If a column has a type that only polars knows.
    SourceError
        If the query is wrong, or reads what is not there, or this process is a fork.
    """
    refuse_polars()
    query = cast("pl.LazyFrame", frame)
    try:
        columns = query.collect_schema()
    except MemoryError:
        raise
    except Exception as error:
        raise SourceError(f"The query cannot run: {reason(error)}") from error
    check(columns)
    polars = sys.modules["polars"]
    schema = schema_of(polars.DataFrame(schema=columns))
    return Source(schema, None, lambda: _stream(query), unicode=True)


def _stream(query: pl.LazyFrame) -> Generator[pa.RecordBatch, None, None]:
    refuse_polars()
    # The engine waits when nobody takes its batches, and ends when the iterator is dropped:
    # a paused or cancelled export stops the query too. The affinity to the in-memory engine that
    # a user may have set would collect the whole result, so the streaming engine is named.
    with reading_nearby(query) as local:
        slices = sliced(query) if local else None
        whole = [] if slices is not None or not local else files_of(query)
        check_files = marked(whole) if slices is None else slices.check
        if slices is None:
            yield from _run(query, PLAN_ROWS)
        else:
            for plan in slices.plans():
                yield from _run(plan, slices.rows or PLAN_ROWS, apart=slices.rows is not None)
        check_files()


def _run(
    plan: pl.LazyFrame, rows: int, *, apart: bool = False
) -> Generator[pa.RecordBatch, None, None]:
    # By itself, so that nothing of a slice is held any more when the next one is read.
    batches = plan.collect_batches(chunk_size=rows, lazy=True, engine="streaming")
    if apart:
        for frame in batches:
            yield from batches_of(set_apart(frame))
    else:
        yield from joined(batch for frame in batches for batch in batches_of(frame))

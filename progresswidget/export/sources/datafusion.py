"""DataFusion frames: the query runs while the file is written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import SourceError
from progresswidget.export.sources import Source, is_of, partitions, reason
from progresswidget.export.sources.batches import fit
from progresswidget.export.sources.datafusion_files import files_of
from progresswidget.export.sources.marks import marked
from progresswidget.export.sources.stream import small

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    import pyarrow as pa

    from progresswidget.export.formats import Flavour

APART: Final = frozenset(
    {
        "CoalesceBatchesExec",
        "CooperativeExec",
        "DataSourceExec",
        "FilterExec",
        "ProjectionExec",
        "UnionExec",
    }
)
"""Steps of a plan whose partitions do not wait for each other.

Others may: a repartition holds all rows of those that are not read yet, and of a join with dynamic
filters each partition waits until the others have begun.
"""


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
    for batch in _batches(frame):
        yield fit(batch, schema, row)
        row += batch.num_rows
        del batch
    check_files()


def _batches(frame: Any) -> Generator[pa.RecordBatch, None, None]:
    # DataFusion itself reads all partitions at once, each ahead of whoever takes its batches: a
    # gigabyte in rows of 1 kB took 150 MB more, and more of it on each further core.
    plan = frame.execution_plan()
    if plan.partition_count > 1 and APART.issuperset(_steps(plan)):
        streams = frame.execute_stream_partitioned()
        return partitions.read([partial(_cut, stream) for stream in streams])
    return _cut(frame.execute_stream())


def _cut(stream: Iterable[Any]) -> Generator[pa.RecordBatch, None, None]:
    for whole in stream:
        yield from small(whole.to_pyarrow())
        del whole  # nothing of it is held while the next one is made


def _steps(plan: Any) -> Iterator[str]:
    yield plan.display().partition(":")[0].strip()
    for child in plan.children():
        yield from _steps(child)

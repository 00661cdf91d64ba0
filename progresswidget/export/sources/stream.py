"""Whatever speaks the Arrow PyCapsule protocol (``__arrow_c_stream__``), read once.

https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.errors import SourceError
from progresswidget.export.sources import BATCH_ROWS, Source, once, reason

if TYPE_CHECKING:
    from collections.abc import Generator

    import pyarrow as pa

    from progresswidget.export.formats import Flavour


def recognises(frame: object) -> bool:
    """Say whether `frame` offers a stream; a class that does is no frame yet."""
    return not isinstance(frame, type) and hasattr(frame, "__arrow_c_stream__")


def read(frame: object, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a stream.

    The stream is opened here, because only then its columns are known. Its length never is. What
    can begin anew is opened again for a second reading.

    Raises
    ------
    SourceError
        If it cannot be opened, or has been read and cannot begin anew.
    """
    only_once = once.is_once(frame)
    if only_once:
        once.check(frame)
    reader = _open(frame)
    unread = [reader]
    return Source(
        reader.schema,
        None,
        lambda: read_batches(unread.pop() if unread else _open(frame)),
        once=only_once,
    )


def _open(frame: object) -> pa.RecordBatchReader:
    import pyarrow as pa

    try:
        return pa.RecordBatchReader.from_stream(frame)
    except MemoryError:
        raise
    except Exception as error:
        raise SourceError(f"The frame cannot be opened: {reason(error)}") from error


def read_batches(reader: pa.RecordBatchReader) -> Generator[pa.RecordBatch, None, None]:
    """Yield what a reader gives, cut to `BATCH_ROWS`, and close it in the end."""
    with reader:
        for batch in reader:
            yield from cut(batch)


def cut(batch: pa.RecordBatch, rows: int = BATCH_ROWS) -> Generator[pa.RecordBatch, None, None]:
    """Yield slices of a batch, without copying, of at most `rows` rows."""
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)

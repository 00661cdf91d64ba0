"""From batches to the frame that polars writes, and to the row where a value stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.errors import ColumnError
from progresswidget.export.workers import give_way
from progresswidget.export.writers.blame import blame_a_row
from progresswidget.export.writers.columns import Plan, as_it_is, plan
from progresswidget.export.writers.columns_moments import quick
from progresswidget.export.writers.storable import one_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    import pyarrow as pa

    from progresswidget.export.writers import Piece


class Parts:
    """The write end that polars sees: it keeps the pieces of a unit as they come."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep one piece."""
        self.pieces.append(bytes(data))  # no copy: polars gives bytes
        return len(data)


def fast_plan(kind: pa.DataType) -> Plan:
    """Return the fastest plan for a type; it may give other Arrow types than `columns.plan`."""
    return quick(kind) or plan(kind)


def text_plan(kind: pa.DataType) -> Plan:
    """Return the plan by which every value becomes the text that it has in CSV."""
    import polars as pl
    import pyarrow as pa

    base = fast_plan(kind)
    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    if quick(kind) is not None:
        return base  # texts already
    pattern = _pattern(kind)
    if pattern is None:
        return Plan(base.to_arrow, lambda column: base.to_text(column).cast(pl.String), base.slow)
    return Plan(base.to_arrow, lambda column: base.to_text(column).dt.to_string(pattern), base.slow)


def _pattern(kind: pa.DataType) -> str | None:
    import pyarrow as pa

    if pa.types.is_date(kind):
        return "%Y-%m-%d"
    return "%H:%M:%S%.f" if pa.types.is_time(kind) else None


def frame_of(batches: Sequence[pa.RecordBatch], plans: Sequence[Plan], start: int) -> pl.DataFrame:
    """Return the values of a unit, ready to be written; the columns are called 0, 1, 2, ...

    Names may repeat in Arrow, but not in polars.

    Raises
    ------
    ColumnError
        If a value cannot be written; it names the column and the row.
    """
    import polars as pl
    import pyarrow as pa

    names = [str(position) for position in range(len(plans))]
    plain = []
    row = start
    for batch in batches:
        plain.append(pa.RecordBatch.from_arrays(_arrays(batch, plans, row), names=names))
        row += batch.num_rows
    # polars takes over one batch sooner than a table, and needs no query where nothing is to do.
    frame = pl.DataFrame(plain[0] if len(plain) == 1 else pa.Table.from_batches(plain))
    if all(plan.to_text is as_it_is for plan in plans):
        return frame
    texts = [plan.to_text(pl.col(name)) for plan, name in zip(plans, names, strict=True)]
    try:
        return frame.select(texts)
    except pl.exceptions.PolarsError:
        for name, text in zip(batches[0].schema.names, texts, strict=True):
            blame_a_row(
                name,
                start,
                frame.height,
                lambda at, size: frame.slice(at, size).select(text),  # noqa: B023 - called at once
            )
        raise


def _arrays(batch: pa.RecordBatch, plans: Sequence[Plan], start: int) -> list[pa.Array]:
    arrays = []
    for name, array, each in zip(batch.schema.names, batch.columns, plans, strict=True):
        give_way()
        try:
            arrays.append(each.to_arrow(array))
        except (ValueError, TypeError, OverflowError, NotImplementedError):
            # pyarrow's own errors are of these kinds.
            blame_a_row(
                name,
                start,
                len(array),
                lambda at, size: each.to_arrow(array.slice(at, size)),  # noqa: B023 - called at once
            )
            raise
    return arrays


def refuse_types(schema: pa.Schema, plans: Sequence[Plan], format: str) -> None:
    """Try a column of each type with a missing value: a frame may have 100,000 of the same.

    Raises
    ------
    ColumnError
        If a column has a type that cannot be written.
    """
    import pyarrow as pa

    tried: list[pa.DataType] = []  # no set: an extension type need not have a hash
    for field, each in zip(schema, plans, strict=True):
        if field.type in tried:
            continue
        tried.append(field.type)
        try:
            missing = pa.RecordBatch.from_arrays([one_missing(field.type)], names=[field.name])
            frame_of([missing], [each], 0)
        except Exception as error:
            raise ColumnError(
                f"The column {field.name!r} of type {field.type} cannot be written as {format}.",
                "Change its type or leave it out.",
            ) from error


def text_bytes(column: pl.Series) -> Piece:
    """Return the texts of a column, one behind the other, as bytes."""
    import pyarrow as pa

    array = column.to_arrow().cast(pa.large_string())
    if not len(array):
        return b""
    _, offsets, data = array.buffers()
    ends = memoryview(offsets).cast("q")
    first, last = ends[array.offset], ends[array.offset + len(array)]
    return b"" if data is None else memoryview(data)[first:last]

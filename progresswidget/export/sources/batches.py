"""Batches of converted values: how many rows at a time, and how they are made to fit a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from progresswidget.errors import ColumnError
from progresswidget.export.sources import BATCH_ROWS
from progresswidget.export.sources.objects import first_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

FIRST_ROWS: Final = 1_024
BATCH_BYTES: Final = 16 * 2**20
"""Bytes of a converted batch that are aimed at: unlike Arrow's slices these are copies."""


class Pace:
    """How many rows to convert next, so that a batch has about `BATCH_BYTES`."""

    def __init__(self) -> None:
        self.rows = FIRST_ROWS

    def learn(self, batch: pa.RecordBatch) -> None:
        """Take into account how large the last batch has become."""
        wanted = batch.num_rows * BATCH_BYTES // max(batch.nbytes, 1)
        self.rows = max(1, min(wanted, self.rows * 4, BATCH_ROWS))


def make_batch(arrays: Sequence[pa.Array], schema: pa.Schema, rows: int) -> pa.RecordBatch:
    """Return a batch, which may have rows and no columns."""
    import pyarrow as pa

    if arrays:
        return pa.RecordBatch.from_arrays(list(arrays), schema=schema)
    # A struct array carries the length also where there are no columns.
    empty = pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
    return empty.replace_schema_metadata(schema.metadata)


def fit(batch: pa.RecordBatch, schema: pa.Schema, row: int) -> pa.RecordBatch:
    """Return a batch of `schema`: columns in its order, cast where nothing is lost.

    Parameters
    ----------
    batch
        It may lack columns, whose values are missing then.
    schema
        The columns wanted.
    row
        The number of the batch's first row, for messages.

    Raises
    ------
    ColumnError
        If there is a column too many, or a value cannot be cast.
    """
    import pyarrow as pa

    if batch.schema.equals(schema, check_metadata=True):
        return batch
    names, wanted = batch.schema.names, schema.names
    if names == wanted:
        found = dict(enumerate(batch.columns))
    else:
        for name in names:
            if name not in wanted:
                raise ColumnError(
                    f"The column {name!r} appears in row {row}, and the rows before do not have "
                    "it.",
                    "Give all frames the same columns.",
                )
        found = {wanted.index(name): batch.column(place) for place, name in enumerate(names)}
    arrays = [
        _cast(found[place], field, row) if place in found else pa.nulls(batch.num_rows, field.type)
        for place, field in enumerate(schema)
    ]
    return make_batch(arrays, schema, batch.num_rows)


def _cast(array: pa.Array, field: pa.Field, row: int) -> pa.Array:
    import pyarrow as pa

    if array.type == field.type:
        return array
    try:
        return array.cast(field.type)
    except pa.ArrowException as error:
        place = row + first_failure(array, lambda part: part.cast(field.type))
        raise ColumnError(
            f"The column {field.name!r} has a value in row {place} that does not fit the rows "
            f"before, which are of type {field.type}: {error}",
            "Give the column one type in all frames.",
        ) from error

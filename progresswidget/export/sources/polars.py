"""polars DataFrames and Series, taken over without copying."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, cast

from progresswidget.errors import ColumnError
from progresswidget.export.forks import refuse_polars
from progresswidget.export.sources import BATCH_ROWS, Source, is_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    import polars as pl
    import pyarrow as pa

    from progresswidget.export.formats import Flavour

LEAST_ROWS: Final = 16_384
"""Rows of a chunk, on average, below which joining chunks costs less than many small batches."""


def recognises(frame: object) -> bool:
    """Say whether `frame` is a DataFrame or a Series."""
    return is_of(frame, "polars", "DataFrame", "Series")


def read(frame: object, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a DataFrame, or of a Series as a column of its name or ``value``.

    Later changes in place of the caller's frame do not reach it.

    Raises
    ------
    ColumnError
        If a column has a type that only polars knows.
    SourceError
        If this process is a fork in which polars would hang.
    """
    refuse_polars()
    kept = _table(frame)
    check(kept.schema)
    chunks = _chunks(kept)
    return Source(
        schema_of(kept),
        kept.height,
        lambda: _slices(kept, chunks or [kept.height]),
        unicode=True,
        steady=bool(chunks),
        at_hand=True,
    )


def _chunks(frame: pl.DataFrame) -> list[int]:
    """Return the rows of the chunks of a frame; none where slices along them would not do.

    Of what crosses the end of a chunk polars makes a copy, which would be held with the slice.
    """
    found = {tuple(series.chunk_lengths()) for series in frame}
    chunks = list(found.pop()) if len(found) == 1 else []
    return chunks if frame.height >= LEAST_ROWS * (len(chunks) - 1) else []


def _table(frame: object) -> pl.DataFrame:
    if not is_of(frame, "polars", "Series"):
        return cast("pl.DataFrame", frame).clone()
    series = cast("pl.Series", frame)
    return series.clone().to_frame(series.name or "value")


def _slices(frame: pl.DataFrame, chunks: list[int]) -> Generator[pa.RecordBatch, None, None]:
    refuse_polars()
    # Not one stream over the whole frame: polars first copies what is not chunked alike.
    begun = 0
    for rows in chunks:
        for start in range(begun, begun + rows, BATCH_ROWS):
            yield from batches_of(frame.slice(start, min(BATCH_ROWS, begun + rows - start)))
        begun += rows


def batches_of(frame: pl.DataFrame) -> Iterable[pa.RecordBatch]:
    """Return a small frame as batches.

    They keep the layout of polars, and nothing is copied: writers that need another one make it
    on their own threads, where several units are at it side by side.
    """
    import pyarrow as pa

    return cast("Iterable[pa.RecordBatch]", pa.RecordBatchReader.from_stream(frame))


def set_apart(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a copy of a frame that holds nothing of the larger one that it was cut from.

    Texts inside of lists and structs are not copied.
    """
    polars = sys.modules["polars"]
    oldest = polars.CompatLevel.oldest()  # has no views, of which polars would copy no text
    columns = [
        polars.from_arrow(column.to_arrow(compat_level=oldest)).alias(column.name)
        if column.dtype in (polars.String, polars.Binary)
        else polars.concat([column.head(1), column.slice(1)], rechunk=True)
        for column in frame.iter_columns()
    ]
    copied: pl.DataFrame = polars.DataFrame(columns)
    return copied


def schema_of(frame: pl.DataFrame) -> pa.Schema:
    """Return the schema that `batches_of` will have, at no cost."""
    import pyarrow as pa

    return pa.RecordBatchReader.from_stream(frame.clear()).schema


def check(schema: Mapping[str, pl.DataType]) -> None:
    """Refuse the types that Arrow does not have, wherever they are nested.

    Raises
    ------
    ColumnError
        If there is one: Python objects would leave polars as bare addresses in memory.
    """
    for name, kind in schema.items():
        unknown = _unknown(kind)
        if unknown is not None:
            raise ColumnError(
                f"The column {name!r} has the type {unknown}, which Arrow does not have.",
                f"Cast it first, for instance pl.col({name!r}).cast(pl.String).",
            )


def _unknown(kind: Any) -> object:
    polars = sys.modules["polars"]
    if isinstance(kind, (polars.Object, polars.Int128, polars.UInt128)):
        return kind
    if isinstance(kind, polars.Struct):
        found = (_unknown(field.dtype) for field in kind.fields)
        return next((each for each in found if each is not None), None)
    inner = getattr(kind, "inner", None)  # of List and Array
    return None if inner is None else _unknown(inner)

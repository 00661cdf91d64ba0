"""polars DataFrames, taken over without copying."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

from progresswidget.errors import ColumnError
from progresswidget.export.sources import Source
from progresswidget.export.sources.stream import read_batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from progresswidget.export.formats import Flavour


def recognises(frame: object) -> bool:
    """Say whether `frame` is a DataFrame."""
    return isinstance(frame, sys.modules["polars"].DataFrame)


def read(frame: object, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a DataFrame.

    Later changes in place of the caller's frame do not reach it.

    Raises
    ------
    ColumnError
        If a column has a type that only polars knows.
    """
    import pyarrow as pa

    kept = cast("pl.DataFrame", frame).clone()
    check(kept.schema)
    schema = pa.RecordBatchReader.from_stream(kept.clear()).schema
    return Source(schema, kept.height, lambda: read_batches(pa.RecordBatchReader.from_stream(kept)))


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

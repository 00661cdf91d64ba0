"""pandas DataFrames and Series, converted slice by slice, with all types fixed beforehand.

The index follows pandas' own writers. As text (`to_csv`) it comes first, under its names, where an
index without a name has an empty heading. Where each value needs a name (JSON, SQLite) it has that
of `reset_index`, and a `RangeIndex` without a name, which only counts, is left out. With types
(`to_parquet`) a `RangeIndex` is only described in the metadata, any other is a column, and
`pandas.read_parquet` brings it back. The option ``index`` overrides this: True writes it as columns
always, False never.

Labels of columns become text; outside of files with types, days have no time of day. Those of a
`MultiIndex` are joined with ``_`` (empty levels are left out), so that every reader can name them.
A missing value of any kind (None, NaN, NaT, NA) is missing in the file. A column of Python objects
has the type of its values; where these differ in kind, it is refused.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from progresswidget.errors import ColumnError
from progresswidget.export.labels import noted
from progresswidget.export.sources import Source, is_of
from progresswidget.export.sources.batches import Pace, make_batch
from progresswidget.export.sources.objects import first_failure, object_type

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import pandas as pd
    import pyarrow as pa

    from progresswidget.export.formats import Flavour

Slice: TypeAlias = "Callable[[int, int], pa.Array]"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: its name and type, and what converts some of its rows."""

    name: str
    kind: pa.DataType
    slice: Slice


def recognises(frame: object) -> bool:
    """Say whether `frame` is a DataFrame or a Series."""
    return is_of(frame, "pandas", "DataFrame", "Series")


def read(frame: pd.DataFrame | pd.Series[Any], flavour: Flavour, *, index: bool | None) -> Source:
    """Return the source of a DataFrame, or of a Series as a column of its name or ``value``.

    With pandas 3, or with copy-on-write, later changes of the caller's frame do not reach it.

    Parameters
    ----------
    frame
        The DataFrame or Series.
    flavour
        Whether the index is written as `to_csv`, `reset_index` or `to_parquet` has it.
    index
        Whether it is written at all; None for the default of that writer.

    Raises
    ------
    ColumnError
        If a column has no type that Arrow knows, or values of several kinds.
    """
    import pyarrow as pa

    kept = _table(frame).copy(deep=False)
    text = flavour != "columnar"
    labels = [label(each) for each in (_dates_as_text(kept.columns) if text else kept.columns)]
    columns = [
        _column(name, kept.iloc[:, position], text=text) for position, name in enumerate(labels)
    ]
    if text:
        names = _index_names(kept.index, labels, flavour, wanted=index)
        if names:
            columns = _index_columns(kept.index, names, text=True) + columns
        metadata = noted(len(names) if flavour == "text" else 0)
    else:
        metadata, names = _metadata(kept, labels, columns, index=index)
        extra = _index_columns(kept.index, names, text=False) if names else []
        columns += extra
    schema = pa.schema([(column.name, column.kind) for column in columns], metadata=metadata)
    return Source(schema, len(kept), lambda: _batches(columns, schema, len(kept)), at_hand=True)


def _table(frame: pd.DataFrame | pd.Series[Any]) -> pd.DataFrame:
    if not is_of(frame, "pandas", "Series"):
        return cast("pd.DataFrame", frame)
    series = cast("pd.Series[Any]", frame)
    return series.to_frame("value" if series.name is None else series.name)


def _dates_as_text(labels: pd.Index) -> pd.Index:
    """Return labels in which days have no time of day, as pandas' writers of text have them."""
    if labels.nlevels == 1:
        return labels.astype(str) if labels.dtype.kind == "M" else labels
    levels = [_dates_as_text(labels.get_level_values(each)) for each in range(labels.nlevels)]
    return sys.modules["pandas"].MultiIndex.from_arrays(levels, names=labels.names)


def label(value: object) -> str:
    """Return the label of a column as text."""
    if isinstance(value, tuple):
        return "_".join(str(level) for level in value if str(level))
    return str(value)


def _batches(
    columns: list[Column], schema: pa.Schema, total: int
) -> Generator[pa.RecordBatch, None, None]:
    start, pace = 0, Pace()
    while start < total:
        stop = min(start + pace.rows, total)
        batch = make_batch([column.slice(start, stop) for column in columns], schema, stop - start)
        yield batch
        pace.learn(batch)
        start = stop


def _index_names(
    index: pd.Index, labels: list[str], flavour: Flavour, *, wanted: bool | None
) -> list[str]:
    """Return the names of the index columns of a file of text; none, if it is not written."""
    if wanted is False:
        return []
    if flavour == "text":
        return ["" if name is None else label(name) for name in index.names]
    is_plain = index.names == [None]
    if wanted is None and is_plain and isinstance(index, sys.modules["pandas"].RangeIndex):
        return []
    if is_plain and "index" not in labels:
        return ["index"]
    return [
        f"level_{level}" if name is None else label(name) for level, name in enumerate(index.names)
    ]


def _index_columns(index: pd.Index, names: list[str], *, text: bool) -> list[Column]:
    levels = range(index.nlevels)
    return [
        _values_column(
            name,
            index.get_level_values(level)[:0],
            _level(index, level),
            index.get_level_values(level) if _is_object(index, level) else None,
            text=text,
        )
        for level, name in zip(levels, names, strict=True)
    ]


def _level(index: pd.Index, level: int) -> Callable[[int, int], Any]:
    return lambda start, stop: index[start:stop].get_level_values(level)


def _is_object(index: pd.Index, level: int) -> bool:
    dtypes = index.dtypes.to_list() if index.nlevels > 1 else [index.dtype]
    return _holds_objects(dtypes[level])


def _holds_objects(dtype: Any) -> bool:
    """Say whether only the values tell the type of a column: also of a sparse one of texts."""
    return str(getattr(dtype, "subtype", dtype)) == "object"


def _column(name: str, series: pd.Series[Any], *, text: bool) -> Column:
    whole = series if _holds_objects(series.dtype) else None
    return _values_column(
        name, series.iloc[:0], lambda start, stop: series.iloc[start:stop], whole, text=text
    )


def _values_column(
    name: str,
    empty: Any,
    values: Callable[[int, int], Any],
    whole: Any | None,
    *,
    text: bool,
) -> Column:
    """Build a column from a function that gives some of its rows as a Series or an Index.

    Parameters
    ----------
    name
        Its name in the file.
    empty
        No rows of it, for the type.
    values
        Gives the rows from a first one on up to, but without, another one.
    whole
        All rows, for a column of Python objects, whose type only the values tell.
    text
        Whether the types that only pandas knows become text.
    """
    import pyarrow as pa

    pandas = sys.modules["pandas"]
    dtype = empty.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        return _categorical(name, dtype, values)
    prepare = _preparation(dtype, text=text)
    try:
        if whole is not None:
            kind = object_type(name, whole.to_numpy(dtype=object))
        else:
            kind = pa.array(prepare(empty), from_pandas=True).type
    except (pa.ArrowException, TypeError, ValueError) as error:
        if isinstance(error, ColumnError):
            raise
        raise ColumnError(
            f"The column {name!r} of type {dtype} has no type in Arrow: {error}",
            "Convert it first, for instance with astype(str).",
        ) from error
    return Column(
        name, kind, lambda start, stop: _array(name, kind, start, prepare(values(start, stop)))
    )


def _preparation(dtype: Any, *, text: bool) -> Callable[[Any], Any]:
    pandas = sys.modules["pandas"]
    if isinstance(dtype, pandas.SparseDtype):
        return lambda values: values.astype(dtype.subtype)
    if hasattr(dtype, "newbyteorder") and not dtype.isnative:
        return lambda values: values.astype(dtype.newbyteorder("="))
    if text and isinstance(dtype, (pandas.PeriodDtype, pandas.IntervalDtype)):
        return lambda values: values.astype(str).where(values.notna(), None)
    return lambda values: values


def _array(name: str, kind: pa.DataType, start: int, values: Any) -> pa.Array:
    import pyarrow as pa

    try:
        array = pa.array(values, type=kind, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        row = start + first_failure(
            values, lambda part: pa.array(part, type=kind, from_pandas=True)
        )
        raise ColumnError(
            f"The column {name!r} has a value in row {row} that does not fit the others, which "
            f"are of type {kind}: {error}",
            "Give the column one type first, for instance with astype(str).",
        ) from error
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _categorical(
    name: str, dtype: pd.CategoricalDtype, values: Callable[[int, int], Any]
) -> Column:
    import pyarrow as pa

    # The categories are converted once, and not again with every slice.
    categories = dtype.categories
    inner = _values_column(
        name,
        categories[:0],
        lambda start, stop: categories[start:stop],
        categories if str(categories.dtype) == "object" else None,
        text=True,
    )
    dictionary = inner.slice(0, len(categories))

    def convert(start: int, stop: int) -> pa.Array:
        part = values(start, stop)
        codes = part.codes if hasattr(part, "codes") else part.cat.codes.to_numpy()
        missing = codes < 0
        # Not -1 below what is missing: polars reads no file that has it.
        indices = pa.array(codes.clip(0) if missing.any() else codes, mask=missing)
        return pa.DictionaryArray.from_arrays(indices, dictionary, ordered=bool(dtype.ordered))

    return Column(name, convert(0, 0).type, convert)


def _metadata(
    frame: pd.DataFrame, labels: list[str], columns: list[Column], *, index: bool | None
) -> tuple[dict[bytes, bytes] | None, list[str]]:
    """Return what `pandas.read_parquet` needs, and the names of the index columns.

    pyarrow describes an empty slice, which costs nothing; what only the rows tell is put in here:
    the range of the index, and the types of columns of objects.
    """
    import pyarrow as pa
    from pyarrow.pandas_compat import get_logical_type

    pandas = sys.modules["pandas"]
    if frame.columns.has_duplicates or len(set(labels)) < len(labels):
        return None, []  # Parquet refuses these; let it name the column
    empty = frame.iloc[:0]
    empty = empty.astype(
        {
            name: dtype.subtype
            for name, dtype in frame.dtypes.items()
            if isinstance(dtype, pandas.SparseDtype)
        }
    )
    if isinstance(frame.columns, pandas.MultiIndex):
        empty = empty.set_axis(labels, axis=1)
    described = pa.Schema.from_pandas(empty, preserve_index=index)
    metadata = dict(described.metadata)
    record = json.loads(metadata[b"pandas"])
    names = [each for each in record["index_columns"] if isinstance(each, str)]
    for each in record["index_columns"]:
        if isinstance(each, dict):
            whole = frame.index
            each.update(start=whole.start, stop=whole.stop, step=whole.step)
    kinds = {column.name: column.kind for column in columns}
    for each in record["columns"]:
        if each["field_name"] in kinds and each["numpy_type"] == "object":
            each["pandas_type"] = get_logical_type(kinds[each["field_name"]])
    metadata[b"pandas"] = json.dumps(record).encode()
    return metadata, names

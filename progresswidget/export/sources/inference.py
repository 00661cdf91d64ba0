"""The schema of rows of Python objects, learned from their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError
from progresswidget.export.sources.batches import make_batch
from progresswidget.export.sources.objects import family, family_of, first_failure, precise
from progresswidget.export.sources.records import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    import pyarrow as pa

HINT: Final = "Give the values one type first, or the option schema=, a pyarrow.Schema."


class Columns:
    """Columns whose types grow with the rows that are added, or are given.

    Parameters
    ----------
    schema
        The columns, if they are given; values are cast to them where nothing is lost.
    """

    def __init__(self, schema: pa.Schema | None = None) -> None:
        self._given = schema
        self._columns: dict[Hashable, _Column] = {}
        for field in () if schema is None else schema:
            self._columns[field.name] = _Column(field.name, field.type)
        self._frozen: pa.Schema | None = schema
        self._rows = 0

    def freeze(self) -> pa.Schema:
        """Return the schema, which rows to come must fit."""
        import pyarrow as pa

        if self._frozen is None:
            self._frozen = pa.schema([(each.name, each.kind) for each in self._columns.values()])
        return self._frozen

    def learn(self, rows: Sequence[Mapping[Any, Any]]) -> None:
        """Let the columns hold more rows.

        Raises
        ------
        ColumnError
            If values of a column are of several kinds, or if it is too late for the columns to
            change; it names the column and the row.
        """
        self._learn_names(rows)
        for key, column in self._columns.items():
            values = plain([row.get(key) for row in rows])
            before = column.kind
            column.learn(values, self._rows)
            if self._frozen is not None and column.kind != before:
                column.kind = before
                fitting = first_failure(values, column.expect)
                raise _misfit(column, self._rows + fitting, f"it would be {_type_of(values)}")
        self._rows += len(rows)

    def _learn_names(self, rows: Sequence[Mapping[Any, Any]]) -> None:
        known = self._columns
        for number, row in enumerate(rows, self._rows):
            if row.keys() == known.keys():
                continue
            for key in row:
                if key in known:
                    continue
                if self._frozen is not None:
                    raise ColumnError(
                        f"The column {str(key)!r} appears in row {number}, and the columns were "
                        "settled before.",
                        "Give the option schema=, a pyarrow.Schema with all columns.",
                    )
                known[key] = _Column(str(key))

    def batch(self, rows: Sequence[Mapping[Any, Any]], start: int) -> pa.RecordBatch:
        """Return rows that have been learned from, or shall fit a given schema, as a batch.

        Parameters
        ----------
        rows
            Some rows.
        start
            The number of the first.

        Raises
        ------
        ColumnError
            If a value does not fit; it names the column and the row.
        """
        if self._given is not None:
            self._rows = start
            self._learn_names(rows)
        way = _direct if self._given is None else _through_own_type
        schema = self.freeze()
        arrays = [
            _convert(column, plain([row.get(key) for row in rows]), start, way)
            for key, column in self._columns.items()
        ]
        return make_batch(arrays, schema, len(rows))


class _Column:
    def __init__(self, name: str, kind: pa.DataType | None = None) -> None:
        import pyarrow as pa

        self.name = name
        self.kind: pa.DataType = pa.null() if kind is None else kind
        self._first: tuple[str, int] | None = None

    def learn(self, values: Sequence[Any], start: int) -> None:
        import pyarrow as pa

        found = {family(kind) for kind in set(map(type, values))} - {"missing"}
        if "time" in found or (found and (self._first is None or found != {self._first[0]})):
            self._compare(values, start, alike=len(found) == 1 and "time" not in found)
        try:
            self.kind = _merge(self.kind, _type_of(values))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            row = start + first_failure(values, lambda part: _merge(self.kind, _type_of(part)))
            raise ColumnError(
                f"The column {self.name!r} has a value in row {row} that has no type in Arrow "
                f"together with those before: {error}",
                HINT,
            ) from error

    def expect(self, values: Sequence[Any]) -> None:
        if _merge(self.kind, _type_of(values)) != self.kind:
            raise ValueError

    def _compare(self, values: Sequence[Any], start: int, *, alike: bool) -> None:
        for row, value in enumerate(values, start):
            found = family_of(value)
            if found == "missing":
                continue
            if self._first is None:
                self._first = found, row
                if alike:
                    return
            elif found != self._first[0]:
                raise ColumnError(
                    f"The column {self.name!r} holds values of several kinds: {self._first[0]} in "
                    f"row {self._first[1]}, {found} in row {row}.",
                    HINT,
                )


def _merge(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that holds values of two, as integers and floats have one."""
    import pyarrow as pa

    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    schemas = [pa.schema([("", each)]) for each in (one, other)]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def _type_of(values: Sequence[Any]) -> pa.DataType:
    import pyarrow as pa

    kind = pa.infer_type(values, from_pandas=_loose(values))
    return precise(kind, set(map(type, values)), values)


def _loose(values: Sequence[Any]) -> bool:
    """Say whether NaN is a missing value, as it is where pandas has put it among others."""
    found = {family(kind) for kind in set(map(type, values)) if kind is not type(None)}
    return found != {"number"} and not found <= {"list", "mapping"}


def _convert(
    column: _Column,
    values: Sequence[Any],
    start: int,
    way: Callable[[Sequence[Any], pa.DataType], pa.Array],
) -> pa.Array:
    import pyarrow as pa

    try:
        array = way(values, column.kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        row = start + first_failure(values, lambda part: way(part, column.kind))
        raise _misfit(column, row, str(error)) from error
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _misfit(column: _Column, row: int, why: str) -> ColumnError:
    return ColumnError(
        f"The column {column.name!r} has a value in row {row} that does not fit the type "
        f"{column.kind}: {why}",
        HINT,
    )


def _direct(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, type=kind, from_pandas=_loose(values))


def _through_own_type(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Convert by a cast, which loses nothing: the direct way makes 2 of 2.5 without a word."""
    import pyarrow as pa

    if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
        return _direct(values, kind)
    own = _type_of(values)
    array = _direct(values, own)
    return array if own == kind else array.cast(kind)

"""DuckDB database files (https://duckdb.org/docs/stable/internals/storage) by duckdb itself.

Every type becomes DuckDB's own:

==============================  ==============================================================
type                            in the file
==============================  ==============================================================
float16                         FLOAT
decimal32, decimal64, 128       DECIMAL
text, also as views             VARCHAR
binary of any kind              BLOB
timestamp                       TIMESTAMP_S, TIMESTAMP_MS, TIMESTAMP, TIMESTAMP_NS
timestamp with time zone        TIMESTAMPTZ: the moment in microseconds; the zone is lost
duration, interval              INTERVAL, in microseconds
list, list view                 LIST; of a fixed size ARRAY
struct, map, sparse union       STRUCT, MAP, UNION
dictionary, run-end encoded     their values
null                            VARCHAR without values
extension types                 UUID and JSON as these, bool8 as BOOLEAN, any other as its storage
decimal256, dense union         refused
==============================  ==============================================================
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError, MissingExtraError
from progresswidget.export.writers import Encoded, Heading, Placed, databases
from progresswidget.export.writers.blame import blame_a_row
from progresswidget.export.writers.storable import convert, no_rows, rebuilt, scaled, storable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from progresswidget.export.writers import Piece

INCOMING: Final = "progresswidget_incoming"
"""The name under which DuckDB sees the batches of a unit."""


class DuckdbWriter(databases.DatabaseWriter):
    """Insert batches into the tables of a DuckDB database.

    Parameters
    ----------
    headings
        The tables.
    options
        Values of all options of the format.

    Raises
    ------
    ColumnError
        If DuckDB cannot hold a column.
    MissingExtraError
        If duckdb is not installed.
    UnsupportedSourceError, OptionError
        If a table cannot have its name.
    """

    LEFTOVERS = (".wal", ".new")

    unit_rows = 131_072

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        self._duckdb = _library()
        super().__init__(headings, options)
        # The last is what DuckDB says of a map with one key twice.
        self._refusals = (
            self._duckdb.DataError,
            self._duckdb.NotSupportedError,
            self._duckdb.InvalidInputException,
        )
        self._schemas = [
            _duckdb_schema(schema) for schema in databases.table_schemas(headings, "DuckDB")
        ]
        self._check()

    def _open(self, path: Path) -> Any:
        _new_database(self._duckdb, path)
        return self._connect(str(path))

    def begin(self, section: int, offset: int) -> Sequence[Piece]:
        """Create a table."""
        nothing = no_rows(self._schemas[section])
        self._execute(f"CREATE TABLE {self._tables[section]} AS FROM {INCOMING}", nothing)
        return ()

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Insert some rows."""
        import pyarrow as pa

        schema = self._schemas[section]
        converted = []
        place = start
        for batch in batches:
            converted.append(_converted(batch, schema, place))
            place += batch.num_rows
        rows = pa.Table.from_batches(converted, schema)
        try:
            with self._lock:
                self._execute(f"INSERT INTO {self._tables[section]} FROM {INCOMING}", rows)
        except self._refusals as error:
            self._blame(rows, start)
            raise ColumnError(
                f"A value of the rows {start:,} to {start + rows.num_rows - 1:,} has no place in"
                f" DuckDB: {error}",
                "Change the type of its column or leave it out.",
            ) from error
        return Encoded(())

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Put everything into the one file and close it."""
        if self._database is not None:
            self._execute("CHECKPOINT")
        return super().tail(units, offset)

    def _connect(self, name: str) -> Any:
        return self._duckdb.connect(name, config={"autoinstall_known_extensions": "false"})

    def _execute(self, statement: str, incoming: pa.Table | None = None) -> None:
        if self._database is None:
            raise RuntimeError("the database is not open")
        try:
            if incoming is not None:
                self._database.register(INCOMING, incoming)
            self._database.execute(statement)
            if incoming is not None:
                self._database.unregister(INCOMING)
        except (self._duckdb.IOException, self._duckdb.OutOfMemoryException) as error:
            full = "space" in str(error)  # duckdb hands out no error numbers
            raise OSError(errno.ENOSPC if full else errno.EIO, f"DuckDB: {error}") from error

    def _blame(self, rows: pa.Table, start: int) -> None:
        """Raise an error that names the first value that DuckDB does not take by itself."""
        database = self._connect(":memory:")
        try:
            for name in rows.column_names:
                column = rows.select([name])
                blame_a_row(
                    name,
                    start,
                    rows.num_rows,
                    lambda at, size: _keep(database, column.slice(at, size)),  # noqa: B023 - at once
                    "be kept by DuckDB",
                )
        finally:
            database.close()

    def _check(self) -> None:
        database = self._connect(":memory:")
        try:
            for schema in self._schemas:
                for field in schema:
                    _check_column(database, field)
        finally:
            database.close()


def _check_column(database: Any, field: pa.Field) -> None:
    import pyarrow as pa

    try:
        _keep(database, pa.table([pa.nulls(1, field.type)], schema=pa.schema([field])))
    except Exception as error:
        raise ColumnError(
            f"DuckDB cannot hold the column {field.name!r} of type {field.type}.",
            "Change its type or leave it out.",
        ) from error


def _keep(database: Any, rows: pa.Table) -> None:
    database.register(INCOMING, rows)
    database.execute(f"CREATE OR REPLACE TEMP TABLE {INCOMING}_kept AS FROM {INCOMING}")


def _library() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError(
            "Writing .duckdb needs duckdb.", "pip install 'progresswidget[duckdb]'"
        ) from error
    return duckdb


def _new_database(duckdb: Any, path: Path) -> None:
    """Make a new database of the empty file, which DuckDB itself would refuse to open."""
    template = path.with_name(path.name + ".new")
    try:
        duckdb.connect(str(template)).close()
        path.write_bytes(template.read_bytes())  # in place: the pipeline has the file locked
    finally:
        template.unlink(missing_ok=True)


def _duckdb_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [field.with_type(scaled(_duckdb_type(_inside(field.type)))) for field in schema]
    )


def _inside(kind: pa.DataType) -> pa.DataType:
    """Return a type without run ends and views inside of it."""
    import pyarrow as pa

    return storable(kind) if pa.types.is_nested(kind) else kind


def _duckdb_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_null(kind):
        return pa.large_string()
    return rebuilt(kind, _duckdb_type)


def _converted(batch: pa.RecordBatch, schema: pa.Schema, start: int) -> pa.RecordBatch:
    import pyarrow as pa

    columns = zip(batch.columns, schema, strict=True)
    return pa.RecordBatch.from_arrays(
        [convert(array, field, start) for array, field in columns], schema=schema
    )

"""Databases that give Arrow batches: PostgreSQL and SQLite over ADBC, and DuckDB."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from progresswidget.errors import ColumnError, SourceError
from progresswidget.export.sources import FETCHED_ROWS, TOLD_ROWS
from progresswidget.export.sources.duckdb import readable
from progresswidget.export.sources.sql_columns import plain, plain_schema
from progresswidget.export.sources.sql_uri import URI
from progresswidget.export.sources.stream import joined

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa

    from progresswidget.export.sources.sql import Query

_TRANSACTION: Final = "adbc.postgresql.transaction_status"
"""The option that only PostgreSQL's driver has: libpq's word for the state of a transaction."""
_BATCH_BYTES: Final = 4 << 20
"""What a batch of PostgreSQL's driver weighs at most, which would be 16 MiB by itself."""


def postgresql_uri(query: Query) -> Generator[Any, None, None]:
    """Execute a query as one COPY, which is a snapshot, on a connection of its own."""
    from adbc_driver_postgresql import dbapi

    with closing(dbapi.connect(str(query.connection))) as connection:
        yield from _adbc(query, connection)


def sqlite_uri(query: Query) -> Generator[Any, None, None]:
    """Execute a query on a SQLite file, which is opened for reading only."""
    from adbc_driver_sqlite import dbapi

    path = _existing(query)
    with closing(dbapi.connect(f"{path.as_uri()}?mode=ro")) as connection:
        yield from _adbc(query, connection)


def duckdb_uri(query: Query) -> Generator[Any, None, None]:
    """Execute a query on a DuckDB file, which is opened for reading only, or in memory."""
    import duckdb as library

    memory = URI.parse(str(query.connection)).path == ":memory:"
    path = ":memory:" if memory else str(_existing(query))
    with closing(library.connect(path, read_only=not memory)) as connection:
        quiet(connection)
        yield from _duckdb(query, connection)


def adbc(query: Query) -> Generator[Any, None, None]:
    """Execute a query on the user's ADBC connection, whose transaction is left as it was found."""
    with _nested(query.connection):
        yield from _adbc(query, query.connection)


def duckdb(query: Query) -> Generator[Any, None, None]:
    """Execute a query on the user's DuckDB connection, which sees its temporary tables."""
    yield from _duckdb(query, query.connection)


def describe(query: Query) -> pa.Schema | None:
    """Return the columns of a query on the user's connection, or None if it must be executed."""
    connection = query.connection
    if not type(connection).__module__.startswith("adbc_"):
        with closing(_reader(_relation(query, connection).limit(0), 1)) as reader:
            return reader.schema
    with closing(connection.cursor()) as cursor:
        try:
            schema = cursor.adbc_execute_schema(query.query, _bound(query))
        except connection.NotSupportedError:
            return None
        return plain_schema(schema)


def _existing(query: Query) -> Path:
    path = Path(URI.parse(str(query.connection)).path).expanduser().absolute()
    if not path.is_file():
        raise SourceError(f"There is no database file {path}.", "Check the path.")
    return path


def _adbc(query: Query, connection: Any) -> Generator[Any, None, None]:
    with closing(_cursor(query, connection)) as cursor:
        yield cursor.adbc_cancel
        cursor.execute(query.query, _bound(query))
        reader = cursor.fetch_record_batch()
        # A statement that is closed while its reader is open waits for all the rows.
        with closing(reader):
            schema = plain_schema(reader.schema)
            yield schema
            rows = 0
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
                except OSError as error:
                    step = query.batch_rows or TOLD_ROWS
                    raise _mismatch(error, reader.schema, rows, step) from error
                yield plain(batch, schema, rows)
                rows += batch.num_rows


@contextmanager
def _nested(connection: Any) -> Iterator[None]:
    """Leave no transaction open that was not, and no lock in one that was: a savepoint ends it."""
    before = _option(connection, _TRANSACTION)
    if before is None or _option(connection, "adbc.connection.autocommit") == "true":
        yield
        return
    if before == "idle":  # the driver begins a transaction with any statement
        try:
            yield
        finally:
            connection.rollback()
        return
    name = f"progresswidget_{uuid4().hex}"
    _execute(connection, f"SAVEPOINT {name}")
    try:
        yield
    finally:
        # After an error the driver takes nothing but the rollback of all, which is the user's.
        if _option(connection, _TRANSACTION) != "inerror":
            _execute(connection, f"ROLLBACK TO SAVEPOINT {name}")
            _execute(connection, f"RELEASE SAVEPOINT {name}")


def _option(connection: Any, name: str) -> str | None:
    # Not `adbc_get_info`, which begins a transaction.
    try:
        return str(connection.adbc_connection.get_option(name))
    except connection.Error:
        return None  # an option of another driver


def _execute(connection: Any, statement: str) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement)


def _cursor(query: Query, connection: Any) -> Any:
    hint: dict[str, int] = {}
    if "sqlite" in type(connection).__module__:
        hint = {"adbc.sqlite.query.batch_rows": query.batch_rows or TOLD_ROWS}
    elif _option(connection, _TRANSACTION) is not None:
        hint = {"adbc.postgresql.batch_size_hint_bytes": _BATCH_BYTES}
    return connection.cursor(adbc_stmt_kwargs=hint)


def _bound(query: Query) -> Any:
    if not isinstance(query.params, Mapping):
        return query.params or None

    # To ADBC the sign is a part of a parameter's name.
    def named(name: str) -> str:
        found = re.search(rf"[:@$]{re.escape(name)}\b", query.query)
        return found[0] if found else name

    return {named(name): value for name, value in query.params.items()}


def _mismatch(error: OSError, schema: pa.Schema, rows: int, step: int) -> Exception:
    """Say in which column SQLite, which has types of values only, gave one of another type."""
    found = re.search(r"Type mismatch in column (\d+): expected (\S+) but got (\S+)", str(error))
    if found is None:
        return error
    name = schema.names[int(found[1])]
    return ColumnError(
        f"The column {name!r} holds values of several kinds: {found[2]} before row {rows}, and "
        f"{found[3]} in one of the rows {rows} to {rows + step - 1}.",
        f'Give it one type in the query: CAST("{name}" AS REAL), or AS TEXT.',
    )


def quiet(connection: Any) -> None:
    """Let a connection to DuckDB that nobody else has write no progress bar over our own."""
    connection.execute("SET enable_progress_bar = false")


def _duckdb(query: Query, connection: Any) -> Generator[Any, None, None]:
    yield connection.interrupt
    rows = query.batch_rows
    with closing(_reader(_relation(query, connection), rows or FETCHED_ROWS)) as reader:
        yield reader.schema
        yield from joined(reader) if rows is None else reader


def _relation(query: Query, connection: Any) -> Any:
    # Not execute(): its result holds all the rows in memory before the first one can be read
    # (457 MB against 123 MB for five million rows, DuckDB 2.0.1).
    relation = connection.sql(query.query, params=query.params)
    if relation is None:
        raise SourceError("The statement has no rows.", "Export a SELECT.")
    return readable(relation)


def _reader(relation: Any, rows: int) -> Any:
    name = "to_arrow_reader" if hasattr(relation, "to_arrow_reader") else "fetch_record_batch"
    return getattr(relation, name)(rows)

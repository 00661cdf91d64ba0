"""Databases that give rows of Python objects: sqlite3, SQLAlchemy, psycopg and other DBAPI."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from progresswidget.errors import SourceError
from progresswidget.export.sources import QUERY_ROWS, TOLD_ROWS
from progresswidget.export.sources.sql_values import Columns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from progresswidget.export.sources.sql import Query

_FETCH: Final = TOLD_ROWS
"""Rows at most that are Python objects at a time: they weigh ten times what Arrow makes of them.

Half as many after the first ones: with rows of 1 kB an export needs 120 MB less then.
"""


def sqlite(query: Query) -> Generator[Any, None, None]:
    """Execute a query on the user's sqlite3 connection."""
    if _belongs_to_a_thread(query.connection):
        raise SourceError(
            "This sqlite3 connection can be used only in the thread that made it, and an export "
            "runs in another.",
            "Open it with sqlite3.connect(path, check_same_thread=False), or give the path.",
        )
    yield from dbapi(query)


def dbapi(query: Query) -> Generator[Any, None, None]:
    """Execute a query on a connection of any DBAPI driver, fetching some rows at a time."""
    yield _stop(query.connection)
    with closing(query.connection.cursor()) as cursor:
        if query.params is None:
            cursor.execute(query.query)
        else:
            cursor.execute(query.query, query.params)
        yield from _rows(cursor.description, cursor.fetchmany, query, cursor)


def psycopg(query: Query) -> Generator[Any, None, None]:
    """Execute a query through a server-side cursor; the transaction is left as it was found."""
    connection = query.connection
    yield _stop(connection)
    name = f"progresswidget_{uuid4().hex}"
    # A cursor of the server needs a transaction; inside one of the user's this is a savepoint.
    with (
        connection.transaction(force_rollback=not connection.autocommit),
        closing(connection.cursor(name=name)) as cursor,
    ):
        cursor.execute(query.query, query.params)
        yield from _rows(cursor.description, cursor.fetchmany, query, cursor)


def sqlalchemy_uri(query: Query) -> Generator[Any, None, None]:
    """Execute a query on an engine of its own."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(str(query.connection), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield from _sqlalchemy(query, connection)
    finally:
        engine.dispose()


def sqlalchemy(query: Query) -> Generator[Any, None, None]:
    """Execute a query on the user's engine or connection."""
    given = query.connection
    if not hasattr(given, "in_transaction"):  # an engine
        with given.connect() as connection:
            yield from _sqlalchemy(query, connection)
        return
    began = not given.in_transaction()
    try:
        yield from _sqlalchemy(query, given)
    finally:
        if began and given.in_transaction():
            given.rollback()


def _sqlalchemy(query: Query, connection: Any) -> Generator[Any, None, None]:
    from sqlalchemy import text

    yield _stop(connection.connection.dbapi_connection)
    # https://docs.sqlalchemy.org/en/20/core/connections.html#engine-stream-results
    size = min(query.batch_rows or QUERY_ROWS, _FETCH)
    options = {"stream_results": True, "max_row_buffer": size}
    if not isinstance(query.query, str):
        result = connection.execute(query.query, query.params, execution_options=options)
    elif isinstance(query.params, Mapping):
        result = connection.execute(text(query.query), query.params, execution_options=options)
    else:
        bare = query.params is None
        bound = None if query.params is None else tuple(query.params)
        # Without parameters, a % or a :name in the text is no placeholder.
        result = connection.exec_driver_sql(
            query.query, bound, execution_options={**options, "no_parameters": bare}
        )
    with closing(result):
        if not result.returns_rows:
            raise SourceError("The statement has no rows.", "Export a SELECT.")
        yield from _rows(result.cursor.description, result.fetchmany, query, result.cursor)


def _stop(connection: Any) -> Callable[[], object]:
    """Return what interrupts a statement from another thread, where the driver can."""
    for name in ("interrupt", "cancel_safe", "cancel"):
        found = getattr(connection, name, None)
        if callable(found):
            return cast("Callable[[], object]", found)
    return lambda: None


def _rows(
    description: Sequence[Sequence[Any]] | None,
    fetch: Callable[[int], Sequence[Any]],
    query: Query,
    cursor: object,
) -> Generator[Any, None, None]:
    if description is None:
        raise SourceError("The statement has no rows.", "Export a SELECT.")
    rows = fetch(min(query.batch_rows or TOLD_ROWS, _FETCH))
    size = min(query.batch_rows or QUERY_ROWS, _FETCH)
    postgresql = type(cursor).__module__.startswith("psycopg")
    columns = Columns(description, rows, postgresql=postgresql)
    yield columns.schema
    start = 0
    while rows:
        yield columns.batch(rows, start)
        start += len(rows)
        rows = ()  # before the next ones are there
        rows = fetch(size)


def _belongs_to_a_thread(connection: Any) -> bool:
    import sqlite3

    refused: list[bool] = []

    def attempt() -> None:
        try:
            connection.cursor().close()
        except sqlite3.ProgrammingError as error:
            refused.append("thread" in str(error))

    thread = Thread(target=attempt)
    thread.start()
    thread.join()
    return any(refused)

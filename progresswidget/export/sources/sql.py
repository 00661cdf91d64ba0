"""SQL queries: executed when the export runs, and read in batches.

A driver is a generator function that executes a query: it yields what interrupts the statement from
another thread, then the schema, and then the batches. Closing it closes the cursor and whatever it
has opened itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from progresswidget.errors import (
    MissingExtraError,
    OptionError,
    ProgressWidgetError,
    SourceChangedError,
    SourceError,
    UnsupportedSourceError,
)
from progresswidget.export.reading import interruptible
from progresswidget.export.sources import Source, reason
from progresswidget.export.sources.sql_uri import URI, redact
from progresswidget.export.sources.stream import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import pyarrow as pa

    from progresswidget.export.formats import Flavour

HINT: Final = (
    "A connection is a URI such as postgresql://host/database, the path of a SQLite or DuckDB "
    "file, or an open connection of ADBC, DuckDB, sqlite3, SQLAlchemy or psycopg."
)
_EXTRAS: Final = {"duckdb": "duckdb"}


class Query:
    """A query that has not been executed; every reading executes it anew.

    It is no dataclass: those are rows.

    Parameters
    ----------
    query
        What is executed: text, or for SQLAlchemy also one of its statements.
    connection
        Where: a URI, a path, or an open connection.
    params
        Values that the driver binds.
    batch_rows
        Rows that are fetched at a time; None is what suits the driver.
    """

    deferred: Final = True
    """Columns are known only when the export runs."""

    def __init__(
        self,
        query: Any,
        connection: Any,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        batch_rows: Any = None,
    ) -> None:
        if batch_rows is not None and (not isinstance(batch_rows, int) or batch_rows < 1):
            raise OptionError("batch_rows must be a positive whole number.")
        if isinstance(params, (str, bytes)) or not isinstance(
            params, (Sequence, Mapping, type(None))
        ):
            raise OptionError(
                f"params must be a sequence or a mapping, not {type(params).__name__}.",
                "A single value is given as (value,).",
            )
        _driver(connection)
        self.query, self.connection = query, connection
        self.params, self.batch_rows = params, batch_rows

    def __repr__(self) -> str:
        if isinstance(self.connection, (str, os.PathLike)):
            where = repr(redact(os.fspath(self.connection)))
        else:
            where = f"<{type(self.connection).__module__}.{type(self.connection).__qualname__}>"
        return f"sql({redact(str(self.query))!r}, {where})"

    def open(self) -> tuple[pa.Schema, Generator[pa.RecordBatch, None, None]]:
        """Execute it and return its columns and a generator of its rows.

        Raises
        ------
        SourceError
            If the database refuses; the message is the driver's, without secrets.
        ColumnError
            If a column has no type that a file can hold.
        MissingExtraError
            If the driver is not installed.
        """
        with _blaming(self):
            running = _driver(self.connection)(self)
            stop = next(running)
            with interruptible(stop):
                schema = next(running)
        return cast("pa.Schema", schema), self._follow(running, stop)

    def _follow(
        self, running: Generator[Any, None, None], stop: Callable[[], object]
    ) -> Generator[pa.RecordBatch, None, None]:
        with closing(running), _blaming(self):
            while True:
                with interruptible(stop):
                    batch = next(running, None)
                if batch is None:
                    return
                yield from cut(batch)


def sql(
    query: Any,
    connection: Any,
    *,
    params: Sequence[Any] | Mapping[str, Any] | None = None,
    batch_rows: int | None = None,
) -> Query:
    """Return a query that can be exported like a frame; nothing is executed before that.

    Parameters
    ----------
    query
        The text of one statement that has rows.
    connection
        A URI (``postgresql://``, ``sqlite:///``, ``duckdb:///``, or any of SQLAlchemy's), the path
        of a SQLite or DuckDB file, or an open ADBC, DuckDB, sqlite3, SQLAlchemy or psycopg
        connection, which must not be used for anything else until the export is done.
    params
        Values that the driver binds, in its own notation: ``$1`` for PostgreSQL, ``?`` for SQLite
        and DuckDB, ``:name`` with a mapping for SQLAlchemy.
    batch_rows
        Rows that are fetched at a time; by default what suits the driver: of rows that it makes in
        Python 8,192, and 16,384 where the first of them tell the types of the columns.

    Raises
    ------
    UnsupportedSourceError
        If the connection is none.
    OptionError
        If `params` or `batch_rows` cannot be used.
    """
    return Query(query, connection, params, batch_rows)


def recognises(frame: object) -> bool:
    """Say whether `frame` is a query."""
    return isinstance(frame, Query)


def read(frame: object, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a query, which runs already if its columns cannot be known otherwise.

    Raises
    ------
    SourceError, ColumnError, MissingExtraError
        As `Query.open`.
    """
    query = cast("Query", frame)
    schema = _describe(query)
    running = []
    if schema is None:
        schema, batches = query.open()
        running.append(batches)
    return Source(schema, None, lambda: running.pop() if running else _again(query, schema))


def _again(query: Query, schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
    found, batches = query.open()
    with closing(batches):
        if not found.equals(schema):
            raise SourceChangedError(
                "The query has other columns now than before.", "Export it again."
            )
        yield from batches


def _describe(query: Query) -> pa.Schema | None:
    # On a connection that the user gave, several queries of one file take their turns.
    module = type(query.connection).__module__
    if module.startswith(("adbc_", "duckdb", "_duckdb")):
        with _blaming(query):
            return cast("pa.Schema | None", _function("sql_arrow", "describe")(query))
    return None


def _driver(connection: object) -> Callable[[Query], Generator[Any, None, None]]:
    """Return the generator function that executes a query on a connection of this kind."""
    if isinstance(connection, (str, os.PathLike)):
        kind = URI.parse(os.fspath(connection)).kind
        if kind is None:
            raise UnsupportedSourceError(
                f"{redact(os.fspath(connection))!r} names no database.", HINT
            )
        return _function("sql_rows" if kind == "sqlalchemy" else "sql_arrow", f"{kind}_uri")
    for base in type(connection).__mro__:
        for prefix, where, name in _CONNECTIONS:
            if base.__module__.partition(".")[0] == prefix:
                return _function(where, name)
    if callable(getattr(connection, "cursor", None)):
        return _function("sql_rows", "dbapi")
    name = type(connection).__qualname__
    raise UnsupportedSourceError(f"An object of type {name} is no connection.", HINT)


_CONNECTIONS: Final = (
    ("adbc_driver_manager", "sql_arrow", "adbc"),
    ("duckdb", "sql_arrow", "duckdb"),
    ("_duckdb", "sql_arrow", "duckdb"),
    ("sqlite3", "sql_rows", "sqlite"),
    ("sqlalchemy", "sql_rows", "sqlalchemy"),
    ("psycopg", "sql_rows", "psycopg"),
)


def _function(module: str, name: str) -> Callable[[Query], Any]:
    return cast(
        "Callable[[Query], Any]",
        getattr(import_module(f"progresswidget.export.sources.{module}"), name),
    )


@contextmanager
def _blaming(query: Query) -> Iterator[None]:
    """Turn what a driver raises into an error of ours, without secrets."""
    try:
        yield
    except (ProgressWidgetError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        missing = error.name or "the driver"
        extra = _EXTRAS.get(missing, "sql")
        raise MissingExtraError(
            f"This connection needs {missing}.", f"pip install 'progresswidget[{extra}]'"
        ) from None
    except Exception as error:  # noqa: BLE001 - told whole, but for secrets
        said = reason(error).partition("\n\nQuery was:")[0].strip()
        clean = _clean(query, said)
        # A chained error would be shown whole, with the secret in it.
        cause = error if clean == said and _clean(query, reason(error)) == reason(error) else None
        raise SourceError(f"The query failed: {clean}") from cause


def _clean(query: Query, text: str) -> str:
    if isinstance(query.connection, str):
        for secret in URI.parse(query.connection).secrets:
            text = text.replace(secret, "***")
    return redact(text)

"""Some of a frame: the columns that are named, and the rows that SQL chooses.

The frame itself is read as its own kind. Columns are picked batch by batch; for SQL the batches
stream through DuckDB, which knows the frame as the table ``data``.
"""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError, MissingExtraError, OptionError, ProgressWidgetError
from progresswidget.export.reading import interruptible
from progresswidget.export.sources import FETCHED_ROWS, Kind, Source, find_kind, once, reason
from progresswidget.export.sources.sql_arrow import quiet
from progresswidget.export.sources.stream import joined

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import pyarrow as pa

    from progresswidget.export.formats import Flavour

TABLE: Final = "data"
_QUERY: Final = re.compile(r"\s*(?:select|with|from)\b", re.IGNORECASE)
_CLAUSE: Final = re.compile(r"\s*(?:where|order\s+by|limit|group\s+by)\b", re.IGNORECASE)
_SAFE: Final[dict[str, str | bool | int | float | list[str]]] = {
    # What is chosen comes from the frame alone, and nothing is fetched for it.
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class Narrowed:
    """A frame, and what of it is wanted.

    Parameters
    ----------
    frame
        One frame of any kind.
    columns
        The names of the columns, in the order of the file; None is all.
    where
        A condition, a clause such as ``WHERE``, or a whole ``SELECT`` from ``data``; empty is all.

    Raises
    ------
    OptionError
        If one of them cannot be used.
    """

    def __init__(self, frame: object, columns: Sequence[str] | None, where: str | None) -> None:
        if where is not None and not isinstance(where, str):
            raise OptionError(f"where must be SQL as a text, not {type(where).__name__}.")
        self.frame = frame
        self.columns = None if columns is None else _checked(columns)
        self.where = (where or "").strip().rstrip(";")

    @property
    def kind(self) -> Kind:
        """How it is read: with the options of the frame's own kind."""
        own = find_kind(self.frame)
        return Kind(own.name, None, __name__, own.options)


def _checked(columns: object) -> tuple[str, ...]:
    if isinstance(columns, str) or not hasattr(columns, "__iter__"):
        raise OptionError("columns must be a list of names.", 'For one column: columns=["name"].')
    names = tuple(columns)
    if not names or not all(isinstance(name, str) for name in names):
        raise OptionError("columns must be a list of names, with at least one.")
    if len(set(names)) < len(names):
        raise OptionError("columns must name each column once.")
    return names


def narrow(frame: object, columns: Sequence[str] | None, where: str | None) -> object:
    """Return what is wanted of a frame; the frame itself where all of it is."""
    if columns is None and not where:
        return frame
    return Narrowed(frame, columns, where)


def query_of(where: str) -> str:
    """Return the whole query of a condition, a clause or a query."""
    if _QUERY.match(where):
        return where
    # The SQL is the person's own, of their own frame.
    return f"SELECT * FROM {TABLE} {where if _CLAUSE.match(where) else f'WHERE {where}'}"  # noqa: S608


def recognises(frame: object) -> bool:
    """Say whether `frame` is a part of one."""
    return isinstance(frame, Narrowed)


def read(frame: Narrowed, flavour: Flavour, **options: Any) -> Source:
    """Return the source of what is wanted.

    Raises
    ------
    ColumnError
        If a column is not there.
    OptionError
        If the SQL cannot be understood.
    MissingExtraError
        If there is SQL and DuckDB is not installed.
    """
    source = find_kind(frame.frame).read(frame.frame, flavour, options)
    if source.once:
        once.check(frame.frame)
    if frame.where:
        whole = _QUERY.match(frame.where) is not None
        source = _filtered(source, query_of(frame.where), frame.frame, renames=not whole)
    elif source.once:
        source = _begun(source, frame.frame)
    return source if frame.columns is None else _picked(source, frame.columns)


def _begun(source: Source, frame: object) -> Source:
    def batches() -> Generator[pa.RecordBatch, None, None]:
        with closing(source.batches()) as all_of_it:
            once.start(frame)
            yield from all_of_it

    return replace(source, batches=batches)


def _picked(source: Source, columns: tuple[str, ...]) -> Source:
    import pyarrow as pa

    for name in columns:
        found = source.schema.get_all_field_indices(name)
        if len(found) != 1:
            what = "no column" if not found else "several columns"
            known = ", ".join(map(repr, source.schema.names[:20]))
            raise ColumnError(f"The frame has {what} {name!r}.", f"There are: {known}.")
    schema = pa.schema([source.schema.field(name) for name in columns])

    def batches() -> Generator[pa.RecordBatch, None, None]:
        with closing(source.batches()) as all_of_it:
            for batch in all_of_it:
                yield batch.select(list(columns)).replace_schema_metadata(None)

    return replace(source, schema=schema, batches=batches)


def _filtered(source: Source, query: str, frame: object, *, renames: bool) -> Source:
    """Return the source of a query.

    Parameters
    ----------
    source
        What it is of.
    query
        The whole query.
    frame
        What is read.
    renames
        Whether the columns are those of the source: DuckDB gives others to those whose names
        differ in case alone, or not at all.
    """
    import pyarrow as pa

    plain = source.schema.remove_metadata()
    # The columns are told by a table without rows: the frame itself is not begun for them.
    with _explained(), _connected(plain.empty_table()) as connection:
        if len(connection.extract_statements(query)) != 1:
            raise OptionError(
                "where must be one statement of SQL.",
                'Give a condition such as "price > 10", or a SELECT from the table data.',
            )
        schema = connection.sql(query).limit(0).arrow().schema.remove_metadata()
    names = plain.names if renames and len(plain) == len(schema) else schema.names
    schema = pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])

    def batches() -> Generator[pa.RecordBatch, None, None]:
        with closing(source.batches()) as all_of_it:
            if source.once:
                once.start(frame)
            rows = (batch.replace_schema_metadata(None) for batch in all_of_it)
            reader = pa.RecordBatchReader.from_batches(plain, rows)
            with (
                _explained(),
                _connected(reader) as connection,
                interruptible(connection.interrupt),
            ):
                result = connection.sql(query)
                # DuckDB before 1.4 has the older name alone.
                begin = getattr(result, "to_arrow_reader", None) or result.fetch_arrow_reader
                for batch in joined(begin(FETCHED_ROWS)):
                    yield batch.rename_columns(names).cast(schema)

    return replace(source, schema=schema, total=None, batches=batches)


@contextmanager
def _connected(table: object) -> Iterator[Any]:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError(
            "Choosing rows by SQL needs duckdb.", "pip install 'progresswidget[duckdb]'"
        ) from error
    with duckdb.connect(config=_SAFE) as connection:
        quiet(connection)
        connection.register(TABLE, table)
        yield connection


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (ProgressWidgetError, GeneratorExit):
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"duckdb", "_duckdb"}:
            raise
        text = reason(error).strip()
        raise OptionError(
            f"The SQL cannot be used: {text}",
            'Give a condition such as "price > 10", or a SELECT from the table data.',
        ) from error

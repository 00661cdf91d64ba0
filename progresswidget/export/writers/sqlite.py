"""SQLite (https://sqlite.org/fileformat2.html) by Python's own sqlite3.

SQLite has four types of values. Dates and times are ISO 8601 texts, which its own date functions
take and which sort by time; whatever else it does not have is the text that CSV would hold:

==============================  =======  ======================================================
type                            declared  value
==============================  =======  ======================================================
bool                            INTEGER  0 or 1
integers                        INTEGER  as they are; a uint64 above 2**63 - 1 is refused
floats                          REAL     as they are; SQLite has no NaN, which becomes NULL
text, dictionary of text        TEXT     as it is
binary                          BLOB     as it is
null                            TEXT     NULL
any other                       TEXT     as in CSV, see `csv`: a decimal has all of its places
==============================  =======  ======================================================

Tables are ordinary and not STRICT ones, which SQLite before 3.37 cannot even open; every value has
the type of its column all the same.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError
from progresswidget.export.forks import refuse_polars
from progresswidget.export.writers import Encoded, Heading, columns, databases
from progresswidget.export.writers.blame import blame_a_row
from progresswidget.export.writers.storable import one_missing, without_dictionary, without_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl
    import pyarrow as pa

    from progresswidget.export.writers import Piece

MOST_COLUMNS: Final = 2000
"""https://sqlite.org/limits.html: SQLITE_MAX_COLUMN."""
LARGEST: Final = 2**63 - 1
# Whatever goes wrong, the file is thrown away: nothing needs to be undone in it.
PRAGMAS: Final = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE")


class SqliteWriter(databases.DatabaseWriter):
    """Insert batches into the tables of a SQLite database.

    Parameters
    ----------
    headings
        The tables.
    options
        Values of all options of the format.

    Raises
    ------
    ColumnError
        If SQLite cannot hold a column.
    UnsupportedSourceError, OptionError
        If a table cannot have its name.
    """

    LEFTOVERS = ("-journal", "-wal", "-shm")

    unit_rows = 32_768

    _database: sqlite3.Connection | None

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        refuse_polars()
        super().__init__(headings, options)
        schemas = databases.table_schemas(headings, "SQLite")
        self._columns = [[_Column(field) for field in schema] for schema in schemas]
        for schema, table in zip(schemas, self._columns, strict=True):
            if len(table) > MOST_COLUMNS:
                raise ColumnError(
                    f"SQLite holds {MOST_COLUMNS:,} columns, and not {len(table):,}.",
                    "Leave some out, or choose .parquet.",
                )
            for field, column in zip(schema, table, strict=True):
                column.check(field.type)

    def attach(self, path: Path) -> None:
        """Open the database."""
        super().attach(path)
        for pragma in PRAGMAS:
            self._execute(f"PRAGMA {pragma}")

    def _open(self, path: Path) -> sqlite3.Connection:
        # The pipeline has locked the file already; nobody else knows its name.
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?nolock=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )

    def begin(self, section: int, offset: int) -> Sequence[Piece]:
        """Create a table."""
        declared = ", ".join(
            f"{databases.quoted(column.name)} {column.declared}"
            for column in self._columns[section]
        )
        self._execute(f"CREATE TABLE {self._tables[section]} ({declared})")
        return ()

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Insert some rows in a transaction of their own."""
        refuse_polars()
        table = self._columns[section]
        marks = ", ".join("?" * len(table))
        insert = f"INSERT INTO {self._tables[section]} VALUES ({marks})"  # noqa: S608 - quoted
        with self._lock:
            self._execute("BEGIN")
            for batch in batches:
                self._execute(insert, _rows(batch, table, start))
                start += batch.num_rows
            self._execute("COMMIT")
        return Encoded(())

    def _execute(self, statement: str, rows: Iterable[tuple[Any, ...]] | None = None) -> None:
        if self._database is None:
            raise RuntimeError("the database is not open")
        try:
            if rows is None:
                self._database.execute(statement)
            else:
                self._database.executemany(statement, rows)
        except (sqlite3.DataError, OverflowError) as error:
            raise ColumnError(
                f"SQLite holds no value as large as one of this table: {error}.",
                "Leave the column out, or choose .parquet.",
            ) from error
        except sqlite3.OperationalError as error:
            full = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL
            raise OSError(errno.ENOSPC if full else errno.EIO, f"SQLite: {error}") from error


class _Column:
    """How one column becomes values of SQLite."""

    def __init__(self, field: pa.Field) -> None:
        self.name: str = field.name
        self._plan = columns.Plan()
        self.declared = self._declare(field.type)

    def _declare(self, kind: pa.DataType) -> str:  # noqa: PLR0911 - one row a kind
        import pyarrow as pa

        if isinstance(kind, pa.BaseExtensionType) and kind.extension_name != "arrow.uuid":
            return self._inside(kind.storage_type, lambda array: array.storage)
        if pa.types.is_dictionary(kind):
            return self._inside(kind.value_type, without_dictionary)
        if pa.types.is_run_end_encoded(kind):
            return self._inside(kind.value_type, without_runs)
        if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
            return "INTEGER"
        if pa.types.is_floating(kind):
            self._plan = columns.plan(kind)
            return "REAL"
        if _is_bytes(kind):
            self._plan = columns.Plan(lambda array: array.cast(pa.large_binary()))
            return "BLOB"
        self._plan = columns.plan(kind)
        return "TEXT"

    def _inside(self, kind: pa.DataType, step: columns.ToArrow) -> str:
        declared = self._declare(kind)
        self._plan = self._plan.after(step)
        return declared

    def check(self, kind: pa.DataType) -> None:
        """Refuse a type that would fail with its first value."""
        try:
            self.series(one_missing(kind))
        except Exception as error:
            raise ColumnError(
                f"The column {self.name!r} of type {kind} cannot be written as SQLite.",
                "Change its type or leave it out.",
            ) from error

    def values(self, array: pa.Array, start: int) -> list[Any]:
        """Return what sqlite3 shall bind.

        Raises
        ------
        ColumnError
            If a value has no place in SQLite.
        """
        try:
            series = self.series(array)
        except (ValueError, TypeError, OverflowError, NotImplementedError):
            blame_a_row(
                self.name,
                start,
                len(array),
                lambda at, size: self.series(array.slice(at, size)),
            )
            raise
        if str(series.dtype) == "UInt64":
            large = (series > LARGEST).arg_true()
            if len(large):
                raise ColumnError(
                    f"The column {self.name!r} has {series[large[0]]} in row"
                    f" {start + large[0]:,}, and SQLite holds integers up to {LARGEST}.",
                    "Cast the column to a decimal or to text.",
                )
        return series.to_list()

    def series(self, array: pa.Array) -> pl.Series:
        """Return a column of integers, floats, texts or bytes."""
        import polars as pl

        frame = pl.DataFrame([pl.Series("0", self._plan.to_arrow(array))])
        series = frame.select(self._plan.to_text(pl.col("0"))).to_series()
        if self.declared != "TEXT" or series.dtype == pl.String:
            return series
        if series.dtype == pl.Time:
            return series.dt.to_string("%H:%M:%S%.f")
        if series.dtype.is_temporal():
            return series.dt.to_string("iso:strict")
        return series.cast(pl.String)


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(test(kind) for test in tests)


def _rows(batch: pa.RecordBatch, table: Sequence[_Column], start: int) -> Iterator[tuple[Any, ...]]:
    lists = [
        column.values(array, start) for array, column in zip(batch.columns, table, strict=True)
    ]
    return zip(*lists, strict=True)

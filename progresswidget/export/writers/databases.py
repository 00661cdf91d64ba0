"""What SQLite and DuckDB have in common: a file that a library writes, and names that suit SQL."""

from __future__ import annotations

from abc import abstractmethod
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final

from progresswidget.errors import ColumnError, OptionError, UnsupportedSourceError
from progresswidget.export.options import Option
from progresswidget.export.writers import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from progresswidget.export.writers import Heading, Piece, Placed

TABLE: Final = Option(
    "table",
    (str, type(None)),
    None,
    "The name of the table of a single frame; by default the file's name without its ending.",
)


class DatabaseWriter(Writer):
    """A writer whose file is an open database, of which every section is a table.

    Parameters
    ----------
    headings
        The tables.
    options
        Values of all options of the format.

    Attributes
    ----------
    LEFTOVERS
        The endings of the files that the library may put next to its own.

    Raises
    ------
    UnsupportedSourceError, OptionError
        If a table cannot have its name.
    """

    OPTIONS = (TABLE,)
    LEFTOVERS: ClassVar[tuple[str, ...]] = ()
    writes_itself = True

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        self._tables = [quoted(name) for name in _table_names(headings, options["table"])]
        self._path: Path | None = None
        self._database: Any = None
        # A cancelled export closes the writer while a unit may still be encoded, and SQLite
        # crashes the process if its database is closed under a running statement.
        self._lock = Lock()

    def attach(self, path: Path) -> None:
        """Open the database."""
        self._path = path
        self._database = self._open(path)

    @abstractmethod
    def _open(self, path: Path) -> Any:
        """Return a connection to the database in the file, which is there and empty."""

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Close the database, which is complete then."""
        if self._database is not None:
            self._database.close()
        return ()

    def close(self) -> None:
        """Let go of the file, and remove what the library may have put next to it."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None
        if self._path is not None:
            for ending in self.LEFTOVERS:
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL (ISO 9075-2, delimited identifier)."""
    return '"' + name.replace('"', '""') + '"'


def _table_names(headings: Sequence[Heading], wanted: str | None) -> list[str]:
    """Return the name of the table of each section.

    Raises
    ------
    OptionError
        If one name is wanted for several tables.
    UnsupportedSourceError
        If a name cannot be one, or two of them are the same to SQL.
    """
    if wanted is not None and len(headings) != 1:
        raise OptionError(
            "The option table names the table of a single frame.",
            "The keys of the dict are the names of several.",
        )
    names = [heading.name if wanted is None else wanted for heading in headings]
    for name in names:
        if _refused(name) or name.lower().startswith("sqlite_"):
            raise UnsupportedSourceError(
                f"{name!r} cannot be the name of a table.", "Give another name."
            )
    twice = _twice(names)
    if twice is not None:
        raise UnsupportedSourceError(
            f"There are two tables with the name {twice!r}.",
            "To SQL, small letters and capitals are the same.",
        )
    return names


def table_schemas(headings: Sequence[Heading], format: str) -> list[pa.Schema]:
    """Return the schema of each section.

    Raises
    ------
    ColumnError
        If one is no table or has no columns, or a column has a name that cannot be one.
    """
    schemas = []
    for heading in headings:
        if heading.schema is None:
            raise ColumnError(f"{heading.name!r} is no table, which {format} needs.")
        if not heading.schema.names:
            raise ColumnError(
                f"{format} cannot hold the table {heading.name!r}, which has no columns.",
                "Add a column.",
            )
        _check_columns(heading.schema.names, format)
        schemas.append(heading.schema)
    return schemas


def _check_columns(names: Sequence[str], format: str) -> None:
    for name in names:
        if _refused(name):
            raise ColumnError(
                f"{format} cannot hold a column with the name {name!r}.", "Rename the column."
            )
    twice = _twice(names)
    if twice is not None:
        raise ColumnError(
            f"{format} cannot hold two columns with the name {twice!r}.",
            "Rename the columns; small letters and capitals are the same there.",
        )


def _refused(name: str) -> bool:
    surrogates = any("\ud800" <= character <= "\udfff" for character in name)
    return not name or "\0" in name or surrogates


def _twice(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return None

"""Sources: anything tabular to a stream of Arrow batches, one module per kind.

A library is never imported to find out whether a frame is its own: whoever has a frame has
imported its library already, so `sys.modules` knows.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import UnsupportedSourceError
from progresswidget.export.foreign import brought
from progresswidget.export.options import Option

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import pyarrow as pa

    from progresswidget.export.formats import Flavour

GROUP: Final = "progresswidget.sources"

BATCH_ROWS: Final = 65_536
"""Rows of a batch at most: small enough to stop between two, large enough to cost nothing."""
SLICE_ROWS: Final = 131_072
"""The same of slices of Arrow's tables: a unit, since what each costs adds up.

Not of polars' frames: to count and gather the views of so many rows does not fit a core's cache.
"""
QUERY_ROWS: Final = 8_192
"""Rows of a batch of a query: an engine holds several of them, and how wide they are is not known.
"""
FETCHED_ROWS: Final = 2_048
"""Rows that DuckDB is asked for at a time, which is what it works on, for `stream.joined`."""
TOLD_ROWS: Final = 16_384
"""Rows that tell the types of the columns where nothing but their values does."""


@dataclass(frozen=True, slots=True)
class Source:
    """A frame as Arrow sees it.

    Parameters
    ----------
    schema
        The columns of every batch.
    total
        Rows in all, or None if nobody knows before the end.
    batches
        Begins to read and yields batches of at most `BATCH_ROWS` rows, or `SLICE_ROWS`. Closing the
        iterator ends the reading.
    once
        Whether it can be read only once; then `once.start` is called for the frame.
    unicode
        Whether all text is known to be UTF-8, so that nobody has to look.
    check
        Called after the last row; raises `SourceChangedError` if the rows are not of one moment.
    steady
        Whether nobody can change the texts of a batch while it is held, and holding it takes no
        memory that the frame does not take: then a digest of them may be taken later.
    at_hand
        Whether all rows are in memory or in files that are only read: then no wait for one of them
        cuts a unit, and the same rows give the same bytes, however busy the machine is.
    passing
        Whether nobody else holds the rows, as of a query: then what is under way is all that they
        take, and units are smaller.
    """

    schema: pa.Schema
    total: int | None
    batches: Callable[[], Generator[pa.RecordBatch, None, None]]
    once: bool = False
    unicode: bool = False
    check: Callable[[], None] = lambda: None
    steady: bool = False
    at_hand: bool = False
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table of sources.

    Parameters
    ----------
    name
        What users call such a frame.
    library
        The module that is loaded if anyone has such a frame, or None for any object.
    module
        The module here that has ``recognises(frame)`` and ``read(frame, flavour, **options)``.
    options
        What a caller may set.
    """

    name: str
    library: str | None
    module: str
    options: tuple[Option, ...] = field(default=())

    def recognises(self, frame: object) -> bool:
        """Say whether `frame` is of this kind."""
        if self.library is not None and self.library not in sys.modules:
            return False
        return bool(import_module(self.module).recognises(frame))

    def read(self, frame: object, flavour: Flavour, options: Mapping[str, Any]) -> Source:
        """Return the source of a frame of this kind.

        Raises
        ------
        ColumnError
            If a column has no Arrow type.
        SourceError
            If the frame cannot even tell its columns.
        """
        source: Source = import_module(self.module).read(frame, flavour, **options)
        return source


def is_of(frame: object, library: str, *names: str) -> bool:
    """Say whether `frame` is an instance of one of the classes of a library that may be loaded.

    A library that is being imported, or only partly there, has no such class yet.
    """
    classes = (getattr(sys.modules.get(library), name, None) for name in names)
    return any(known is not None and isinstance(frame, known) for known in classes)


def loaded(library: str) -> Any | None:
    """Return a library that is loaded, or None.

    While another thread imports it, it is there in part; values of its types are not, yet.
    """
    module = sys.modules.get(library)
    return None if getattr(getattr(module, "__spec__", None), "_initializing", False) else module


def reason(error: BaseException) -> str:
    """Return what an error of the user's frame says, as text that can be shown anywhere.

    Nothing in it may raise again and so hide the error: not a broken ``__str__``, and not a lone
    surrogate, which cannot be encoded.
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the error itself is told as the cause
        text = ""
    return text.encode("utf-8", "backslashreplace").decode() or type(error).__name__


_INDEX: Final = Option(
    "index",
    (bool, type(None)),
    None,
    "Whether the index is written; by default as pandas' own writer of the format does.",
)

# The first row that recognises a frame reads it: a pandas frame has the Arrow stream protocol
# too, but its index and its object columns need to be known as pandas' own.
KINDS: Final = (
    Kind("pandas DataFrame or Series", "pandas", f"{__name__}.pandas", (_INDEX,)),
    Kind("polars LazyFrame", "polars", f"{__name__}.lazy"),
    Kind("polars DataFrame or Series", "polars", f"{__name__}.polars"),
    Kind("pyarrow Table, RecordBatch or RecordBatchReader", "pyarrow", f"{__name__}.arrow"),
    Kind("pyarrow Dataset or Scanner", "pyarrow.dataset", f"{__name__}.dataset"),
    Kind("DuckDB relation", "duckdb", f"{__name__}.duckdb"),
    Kind("Ibis table", "ibis", f"{__name__}.ibis"),
    Kind("DataFusion DataFrame", "datafusion", f"{__name__}.datafusion"),
    Kind("numpy array", "numpy", f"{__name__}.numpy"),
    Kind("SQL query", f"{__name__}.sql", f"{__name__}.sql"),
    Kind("path of a file, or a pattern of paths", None, f"{__name__}.files"),
)
"""The kinds that their library tells."""


@cache
def their_kinds() -> tuple[Kind, ...]:
    """Return the kinds of other packages.

    A package adds one by an entry point of the group ``progresswidget.sources`` whose object is a
    `Kind`.
    """
    return tuple(kind for _, kind in brought(GROUP))


@cache
def general_kinds() -> tuple[Kind, ...]:
    """Return the kinds that objects of any library may be of."""
    import pyarrow as pa

    schema = Option(
        "schema",
        (pa.Schema, type(None)),
        None,
        "The pyarrow.Schema of the rows; by default their values tell it.",
    )
    return (
        Kind("object with __arrow_c_stream__", None, f"{__name__}.stream"),
        Kind("list of dicts, dataclasses or tuples", None, f"{__name__}.rows", (schema,)),
        Kind("iterator of rows or of frames", None, f"{__name__}.iterators", (schema, _INDEX)),
    )


def recognise(frame: object) -> Kind | None:
    """Return the row of the table that can read `frame`, or None."""
    if is_of(frame, f"{__name__}.narrowed", "Narrowed"):
        kind: Kind = frame.kind  # type: ignore[attr-defined]
        return kind
    for kinds in (lambda: KINDS, their_kinds, general_kinds):
        for kind in kinds():
            if kind.recognises(frame):
                return kind
    return None


def find_kind(frame: object) -> Kind:
    """Return the row of the table that can read `frame`.

    Raises
    ------
    UnsupportedSourceError
        If there is none.
    """
    kind = recognise(frame)
    if kind is not None:
        return kind
    name = f"{type(frame).__module__}.{type(frame).__qualname__}".removeprefix("builtins.")
    if isinstance(frame, (Awaitable, AsyncIterator)):
        raise UnsupportedSourceError(
            f"An object of type {name} cannot be waited for here.",
            "Await it first, or collect its rows in a list with `async for`, and export these.",
        )
    known = ", ".join(kind.name for kind in (*KINDS, *their_kinds(), *general_kinds()))
    raise UnsupportedSourceError(
        f"An object of type {name} is no frame.",
        f"Frames are: {known}, and functions that return any of these.",
    )

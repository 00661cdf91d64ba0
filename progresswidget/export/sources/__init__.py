"""Sources: anything tabular to a stream of Arrow batches, one module per kind.

A library is never imported to find out whether a frame is its own: whoever has a frame has
imported its library already, so `sys.modules` knows.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import UnsupportedSourceError
from progresswidget.export.options import Option

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import pyarrow as pa

    from progresswidget.export.formats import Flavour

BATCH_ROWS: Final = 65_536
"""Rows of a batch at most: small enough to stop between two, large enough to cost nothing."""


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
        Begins to read and yields batches of at most `BATCH_ROWS` rows. Closing the iterator ends
        the reading.
    once
        Whether it can be read only once; then `once.start` is called for the frame.
    """

    schema: pa.Schema
    total: int | None
    batches: Callable[[], Generator[pa.RecordBatch, None, None]]
    once: bool = False


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
    Kind("pandas DataFrame", "pandas", f"{__name__}.pandas", (_INDEX,)),
    Kind("polars LazyFrame", "polars", f"{__name__}.lazy"),
    Kind("polars DataFrame", "polars", f"{__name__}.polars"),
    Kind("pyarrow Table, RecordBatch or RecordBatchReader", "pyarrow", f"{__name__}.arrow"),
    Kind("object with __arrow_c_stream__", None, f"{__name__}.stream"),
)


def find_kind(frame: object) -> Kind:
    """Return the row of the table that can read `frame`.

    Raises
    ------
    UnsupportedSourceError
        If there is none.
    """
    # A Series offers a stream too, but of one column that is no table.
    for library in ("pandas", "polars"):
        series = getattr(sys.modules.get(library), "Series", None)
        if series is not None and isinstance(frame, series):
            raise UnsupportedSourceError(
                f"A {library} Series is no frame.", "Make it one with .to_frame()."
            )
    for kind in KINDS:
        if kind.recognises(frame):
            return kind
    raise UnsupportedSourceError(
        f"An object of type {type(frame).__module__}.{type(frame).__qualname__} is no frame.",
        f"Frames are: {', '.join(kind.name for kind in KINDS)}.",
    )

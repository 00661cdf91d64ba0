"""Who is to blame for what other people's code raises: the user's frame, or a value in it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from progresswidget.errors import ColumnError, ProgressWidgetError, SourceError
from progresswidget.export.resume import Damaged, StartOver
from progresswidget.export.sources import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from progresswidget.export.progress import Progress


@contextmanager
def blaming_the_values(progress: Progress) -> Iterator[None]:
    """Turn what an engine raises for a value that was not foreseen into a `ColumnError`."""
    try:
        yield
    except (ProgressWidgetError, OSError, MemoryError, StartOver, Damaged, AssertionError):
        raise
    except BaseException as error:
        if not (isinstance(error, Exception) or _is_panic(error)):
            raise
        raise ColumnError(
            f"A value from row {progress.rows:,} on cannot be written: {reason(error)}",
            "Change the type of its column, or leave the column out.",
        ) from error


@contextmanager
def blaming_the_source() -> Iterator[None]:
    """Turn what the user's frame raises into a `SourceError`."""
    try:
        yield
    except (ProgressWidgetError, MemoryError):
        raise
    except Exception as error:
        raise SourceError(f"The frame failed while it was read: {reason(error)}") from error
    except BaseException as error:
        if not _is_panic(error):
            raise
        raise SourceError(f"The frame failed while it was read: {reason(error)}") from error


def _is_panic(error: BaseException) -> bool:
    """Say whether an error is a bug in polars, which surfaces as what is no `Exception`."""
    return type(error).__name__ == "PanicException"

"""Progress of the queries of DuckDB, on the connection of whoever runs them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from progresswidget.loops.bar import tqdm
from progresswidget.loops.hooks.shared import library, move_to

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

LOOK: Final = 0.1
"""Seconds between two looks at a query."""
SETTINGS: Final = ("enable_progress_bar", "enable_progress_bar_print")
WATCHED: Final = (True, False)
"""Without the first there is no progress to ask for; with the second DuckDB would print it, too."""

_owed: MutableMapping[Any, tuple[bool, bool]] = WeakKeyDictionary()
"""What the settings of a connection were before a block that could not put them back."""


@contextmanager
def duckdb_progress(
    connection: Any = None, desc: str | None = None, **options: Any
) -> Iterator[tqdm[Any]]:
    """Show how far the queries of a `with` block are, in percent.

    DuckDB tells it of queries that it runs by itself, and not while a result is fetched in pieces;
    one before version 2 only when they begin and end. Before the block begins, a result of
    `execute` that has not been fetched is given up, as it is by the next query.

    What DuckDB says of progress on the terminal is off within the block. It stays off after one
    whose last `execute` may have left rows to fetch, for whatever else is run on the connection
    throws them away; the next block puts the settings back, or
    ``connection.execute("SET enable_progress_bar_print = true")``.

    Parameters
    ----------
    connection
        Of DuckDB; by default the one of the module.
    desc, **options
        Those of `tqdm`.

    Raises
    ------
    MissingExtraError
        If DuckDB is not installed.
    """
    duckdb = library("duckdb", "progresswidget[duckdb]")
    queries = duckdb.default_connection() if connection is None else connection
    asked = ", ".join(f"current_setting('{name}')" for name in SETTINGS)
    found: Any = queries.execute(f"SELECT {asked}").fetchall()[0]
    owed = _owed.pop(queries, found)
    before = owed if found == WATCHED else found  # else somebody has set them since
    queries.execute(_sets(WATCHED))
    untouched = queries.description
    ended = threading.Event()
    with tqdm(desc=desc, total=100, **{"unit": "%", **options}) as bar:
        watcher = threading.Thread(
            name="duckdb_progress",
            target=_watch,
            args=(queries, bar, ended, duckdb.Error),
            daemon=True,
        )
        watcher.start()
        try:
            yield bar
            bar.n = 100
        finally:
            ended.set()
            watcher.join()
            if not _put_back(queries, before, untouched, duckdb.Error):
                _owed[queries] = before


def _put_back(queries: Any, before: tuple[bool, bool], untouched: Any, failure: Any) -> bool:
    # DuckDB 2 refuses what would harm a result that waits to be fetched. Before it nothing tells
    # whether one waits: only that there was none since ours, whose columns are seen then.
    refuses = hasattr(queries, "complete")
    try:
        if not refuses and queries.description not in (None, untouched):
            return False
        queries.sql(_sets(before))
    except failure:
        return False  # a result waits, its transaction has failed, or it is closed
    return True


def _sets(values: tuple[bool, bool]) -> str:
    return "; ".join(
        f"SET {name} = {str(value).lower()}" for name, value in zip(SETTINGS, values, strict=True)
    )


def _watch(queries: Any, bar: tqdm[Any], ended: threading.Event, failure: Any) -> None:
    while not ended.wait(LOOK):
        try:
            told = queries.query_progress()
        except (failure, AttributeError):
            return  # it was closed, or is of a DuckDB before 1.3, which does not tell
        # It is -1 between two queries.
        move_to(bar, round(max(told, 0.0)), 100)

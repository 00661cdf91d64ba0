"""How far polars reads ahead of whoever takes the rows of a plan.

By itself its streaming engine reads many row groups ahead, whoever takes them: plans over ten
gigabytes in files needed five to seven. One row group ahead is enough on a disk: it takes a fifth
of the memory, however large the files are, and less processor time (polars 2.1.0). Of Parquet
several row groups are in memory all the same, each decoded as a whole, and no setting changes that:
`sliced` is against it.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

LIMITS: Final = {
    "POLARS_ROW_GROUP_PREFETCH_SIZE": "1",
    "POLARS_RECORD_BATCH_PREFETCH_SIZE": "1",
    "POLARS_CSV_CHUNK_PREFETCH_LIMIT": "1",
    # Bytes of text that are parsed at a time; of the usual 16 MB several are at it side by side.
    "POLARS_CSV_CHUNK_SIZE": "1000000",
    "POLARS_LINES_CHUNK_PREFETCH_LIMIT": "1",
    "POLARS_NDJSON_CHUNK_PREFETCH_LIMIT": "1",
    "POLARS_MAX_CONCURRENT_SCANS": "1",
    "POLARS_NUM_READERS_PRE_INIT": "1",
    # Rows that go from one step of the plan to the next at a time; there are many steps.
    "POLARS_IDEAL_MORSEL_SIZE": "2048",
}
"""Variables of the environment that polars knows; a version that does not passes over them."""

_lock = threading.Lock()
_running = 0
_set: list[str] = []


@contextmanager
def reading_nearby(query: pl.LazyFrame) -> Iterator[bool]:
    """Let polars read little ahead for as long as a query of files on a disk runs.

    The engine looks at the variables whenever it opens a file, so they hold for everything that
    polars does meanwhile; what the user has set counts more. Forks of this process do not have
    them, other programs that it starts meanwhile do. From the net polars reads as far ahead as
    ever: there each row group is waited for.

    Parameters
    ----------
    query
        The plan.

    Yields
    ------
    Whether all its files are of this computer.
    """
    if "://" in query.explain(optimized=False):
        yield False
        return
    _enter()
    try:
        yield True
    finally:
        _leave()


def _enter() -> None:
    global _running  # noqa: PLW0603 - the environment is the process's, too
    with _lock:
        _running += 1
        if _running > 1:
            return
        for name, value in LIMITS.items():
            if name not in os.environ:
                os.environ[name] = value
                _set.append(name)
        _tell()


def _leave() -> None:
    global _running  # noqa: PLW0603
    with _lock:
        _running -= 1
        if _running:
            return
        _unset()
        _tell()


def _unset() -> None:
    for name in _set:
        if os.environ.get(name) == LIMITS[name]:  # else the user has set it meanwhile
            del os.environ[name]
    _set.clear()


def _tell() -> None:
    # Since its version 2 polars reads its environment when it is told to.
    reload = getattr(sys.modules["polars"].Config, "reload_env_vars", None)
    if reload is not None:
        reload()


# A fork has none of the threads that run queries; what it starts shall not read as we do.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unset)

"""Maps over threads, processes and interpreters with progress."""

from __future__ import annotations

import os
import warnings
from concurrent import futures
from typing import TYPE_CHECKING, Any, Final

from progresswidget.loops.bar import tqdm
from progresswidget.loops.errors import TqdmWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST_WORKERS: Final = 32
MANY: Final = 1000
"""Items from which on one at a time costs more than it shows."""


def thread_map(fn: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> list[Any]:
    """Return ``list(map(fn, *iterables))``, done by threads and with progress.

    Parameters
    ----------
    fn, *iterables
        As of `map`.
    **options
        ``max_workers`` and ``timeout`` (seconds) of the pool, ``tqdm_class``, and those of `tqdm`.
    """
    return _executor_map(futures.ThreadPoolExecutor, fn, *iterables, **options)


def process_map(fn: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> list[Any]:
    """Return ``list(map(fn, *iterables))``, done by processes and with progress.

    Parameters
    ----------
    fn, *iterables
        As of `map`; they must be picklable.
    **options
        ``max_workers`` and ``timeout`` (seconds) of the pool, ``chunksize`` (items that a process
        gets at once), ``lock_name``, ``tqdm_class``, and those of `tqdm`.
    """
    if "chunksize" not in options and _min_map_len(iterables) > MANY:
        warnings.warn(
            f"There are more than {MANY} items, and chunksize is 1: a larger one is faster.",
            TqdmWarning,
            stacklevel=2,
        )
    return _executor_map(futures.ProcessPoolExecutor, fn, *iterables, **options)


def interpreter_map(fn: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> list[Any]:
    """Return ``list(map(fn, *iterables))``, done by interpreters and with progress.

    Parameters
    ----------
    fn, *iterables, **options
        As of `process_map`.

    Raises
    ------
    ImportError
        Before Python 3.14, which has them.
    """
    pool = getattr(futures, "InterpreterPoolExecutor", None)
    if pool is None:
        raise ImportError("interpreters side by side need Python 3.14")
    return _executor_map(pool, fn, *iterables, **options)


def _executor_map(
    pool: Any,
    fn: Callable[..., Any],
    *iterables: Iterable[Any],
    max_workers: int | None = None,
    chunksize: int = 1,
    timeout: float | None = None,
    lock_name: str = "",  # noqa: ARG001 - one lock is enough
    tqdm_class: type[tqdm[Any]] = tqdm,
    **options: Any,
) -> list[Any]:
    options.setdefault("total", _min_map_len(iterables) or None)
    workers = max_workers or min(MOST_WORKERS, (os.cpu_count() or 1) + 4)
    shared: dict[str, Any] = {}
    if pool is not getattr(futures, "InterpreterPoolExecutor", None):
        # Bars of the workers write to the same terminal.
        shared = {"initializer": tqdm_class.set_lock, "initargs": (tqdm_class.get_lock(),)}
    with pool(max_workers=workers, **shared) as executor:
        answers = executor.map(fn, *iterables, timeout=timeout, chunksize=chunksize)
        return list(tqdm_class(answers, **options))


def _min_map_len(iterables: Iterable[Any]) -> int:
    """Return how many items `map` takes, or 0 where none of the iterables tells."""
    return min((len(each) for each in iterables if hasattr(each, "__len__")), default=0)

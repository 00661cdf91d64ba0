"""Maps over threads and processes with progress."""

from __future__ import annotations

from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from progresswidget.loops.bar import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def thread_map(function: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> Any:
    """Return ``list(map(function, *iterables))`` of a pool of threads."""
    return _mapped(ThreadPoolExecutor, function, *iterables, **options)


def process_map(function: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> Any:
    """Return ``list(map(function, *iterables))`` of a pool of processes."""
    return _mapped(ProcessPoolExecutor, function, *iterables, **options)


def _mapped(
    pool: Callable[..., Executor],
    function: Callable[..., Any],
    *iterables: Iterable[Any],
    **options: Any,
) -> list[Any]:
    with pool() as executor:
        return list(tqdm(executor.map(function, *iterables), **options))

"""`enumerate`, `zip`, `map` and functions of `itertools` with progress."""

from __future__ import annotations

import builtins
import functools
import itertools
import math
import sys
from typing import TYPE_CHECKING, Any

from progresswidget.loops.bar import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def tenumerate(
    iterable: Iterable[Any],
    start: int = 0,
    total: float | None = None,
    tqdm_class: type[tqdm[Any]] = tqdm,
    **options: Any,
) -> Iterator[tuple[Any, Any]]:
    """Return ``enumerate(iterable, start)`` with progress; of an array `numpy.ndenumerate`."""
    numpy: Any = sys.modules.get("numpy")
    # While another thread imports it, numpy has no arrays yet.
    if hasattr(numpy, "ndarray") and isinstance(iterable, numpy.ndarray):
        size = total or iterable.size
        return iter(tqdm_class(numpy.ndenumerate(iterable), total=size, **options))
    return enumerate(tqdm_class(iterable, total=total, **options), start)


def tzip(
    first: Iterable[Any],
    *others: Iterable[Any],
    tqdm_class: type[tqdm[Any]] = tqdm,
    **options: Any,
) -> Iterator[tuple[Any, ...]]:
    """Yield from ``zip(first, *others)`` with the progress of the first."""
    yield from builtins.zip(tqdm_class(first, **options), *others, strict=False)


def tmap(
    function: Callable[..., Any],
    *sequences: Iterable[Any],
    tqdm_class: type[tqdm[Any]] = tqdm,
    **options: Any,
) -> Iterator[Any]:
    """Yield from ``map(function, *sequences)`` with the progress of the first."""
    for items in tzip(*sequences, tqdm_class=tqdm_class, **options):
        yield function(*items)


def product(
    *iterables: Iterable[Any],
    repeat: int = 1,
    tqdm_class: type[tqdm[Any]] = tqdm,
    **options: Any,
) -> Iterator[Any]:
    """Return `itertools.product` with progress."""
    sizes = _lengths(iterables)
    total = None if sizes is None else math.prod(sizes) ** repeat
    return _shown(itertools.product(*iterables, repeat=repeat), total, tqdm_class, options)


def chain(
    *iterables: Iterable[Any], tqdm_class: type[tqdm[Any]] = tqdm, **options: Any
) -> Iterator[Any]:
    """Return `itertools.chain` with progress."""
    sizes = _lengths(iterables)
    total = None if sizes is None else sum(sizes)
    return _shown(itertools.chain(*iterables), total, tqdm_class, options)


def permutations(
    iterable: Iterable[Any],
    r: int | None = None,
    tqdm_class: type[tqdm[Any]] = tqdm,
    **options: Any,
) -> Iterator[Any]:
    """Return `itertools.permutations` with progress."""
    sizes = _lengths([iterable])
    total = None if sizes is None else math.perm(sizes[0], r)
    return _shown(itertools.permutations(iterable, r), total, tqdm_class, options)


def combinations(
    iterable: Iterable[Any], r: int, tqdm_class: type[tqdm[Any]] = tqdm, **options: Any
) -> Iterator[Any]:
    """Return `itertools.combinations` with progress."""
    sizes = _lengths([iterable])
    total = None if sizes is None else math.comb(sizes[0], r)
    return _shown(itertools.combinations(iterable, r), total, tqdm_class, options)


def combinations_with_replacement(
    iterable: Iterable[Any], r: int, tqdm_class: type[tqdm[Any]] = tqdm, **options: Any
) -> Iterator[Any]:
    """Return `itertools.combinations_with_replacement` with progress."""
    sizes = _lengths([iterable])
    # Of n things r with repetition are as many as of n + r - 1 things r without.
    total = None if sizes is None else math.comb(sizes[0] + r - 1, r) if sizes[0] else int(not r)
    chosen = itertools.combinations_with_replacement(iterable, r)
    return _shown(chosen, total, tqdm_class, options)


def batched(
    iterable: Iterable[Any],
    n: int,
    total: float | None = None,
    tqdm_class: type[tqdm[Any]] = tqdm,
    **options: Any,
) -> Iterator[tuple[Any, ...]]:
    """Yield from `itertools.batched` with the progress of the items, each batch for `n` of them.

    Parameters
    ----------
    iterable, n
        The items, and how many a batch has.
    total
        How many items there are, where the iterable does not tell.
    tqdm_class, **options
        The bar and its options.
    """
    sizes = _lengths([iterable])
    if total is None and sizes is not None:
        total = sizes[0] + -sizes[0] % n  # a last batch that is not full counts as one
    items = iter(iterable)
    with tqdm_class(total=total, **options) as bar:
        for batch in iter(functools.partial(_taken, items, n), ()):
            yield batch
            bar.update(n)


def _taken(items: Iterator[Any], n: int) -> tuple[Any, ...]:
    return tuple(itertools.islice(items, n))


def _lengths(iterables: Iterable[Any]) -> list[int] | None:
    try:
        return [len(iterable) for iterable in iterables]
    except TypeError:
        return None


def _shown(
    items: Iterable[Any], total: float | None, bar: type[tqdm[Any]], options: dict[str, Any]
) -> Iterator[Any]:
    options.setdefault("total", total)
    return iter(bar(items, **options))

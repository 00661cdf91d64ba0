"""How far an iterator is, read from outside: nothing of it is Python code that the loop runs."""

from __future__ import annotations

from itertools import compress, repeat
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

_MANY: Final = 2**62
"""Items after which a counter would end: no loop gets there."""
_SIZED: Final = (type(iter(range(1))), type(iter(range(2**70))), type(iter(())))
"""Iterators that say how many items are left, and whose items do not become more or fewer."""


def sampled(iterable: Iterable[T], start: int = 0) -> tuple[Iterator[T], Callable[[], int]]:
    """Return an iterator over the same items, and how many of them have been taken.

    Parameters
    ----------
    iterable
        What the loop runs over.
    start
        What the position begins with.

    Returns
    -------
    The iterator, and a function that tells its position and may be called from any thread.
    """
    iterator: Any = iter(iterable)
    if type(iterator) in _SIZED:
        hint: Callable[[], int] = iterator.__length_hint__
        first = start + hint()
        return iterator, lambda: first - hint()
    left: Any = repeat(1, _MANY)
    first = start + _MANY
    return compress(iterator, left), lambda: first - left.__length_hint__()

"""`track`: the progress of a loop, with few options."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from progresswidget.loops.bar import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


def track(
    iterable: Iterable[T], desc: str | None = None, total: float | None = None
) -> Iterator[T]:
    """Return an iterator over the same items whose progress is shown.

    Parameters
    ----------
    iterable
        What the loop runs over.
    desc
        What a person reads beside the bar.
    total
        How many items there are, where the iterable does not tell.
    """
    return iter(tqdm(iterable, desc, total))

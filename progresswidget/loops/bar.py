"""`tqdm`: progress of any loop, with the signature and the methods that people know by heart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from progresswidget.cell import running_kernel
from progresswidget.loops.job import LoopJob
from progresswidget.loops.sampling import sampled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from progresswidget.loops.sampling import Position

T = TypeVar("T")


class tqdm(Generic[T]):  # noqa: N801 - the name that people know
    """Progress of a loop.

    Parameters
    ----------
    iterable
        What the loop runs over; None where `update` is called instead.
    desc
        What the loop is called.
    total
        How many steps there are, where the iterable does not tell.
    """

    def __init__(
        self, iterable: Iterable[T] | None = None, desc: str | None = None, total: Any = None
    ) -> None:
        self.iterable = iterable
        self.desc = desc or ""
        self.total = total if total is not None else _length(iterable)
        self._counted: float = 0
        self._position: Position | None = None
        self.job: LoopJob | None = None
        if running_kernel() is not None:
            self.job = LoopJob(self.desc, lambda: self.n, total=self.total)
            self.job.begin()

    @property
    def n(self) -> float:
        """How many steps are done."""
        return self._counted if self._position is None else self._position()

    def __iter__(self) -> Iterator[T]:
        if self.iterable is None:
            raise TypeError("there is nothing to iterate over")
        iterator, self._position = sampled(self.iterable, ended=lambda _: self.close())
        return iterator

    def update(self, n: float = 1) -> None:
        """Count `n` steps more."""
        self._counted += n

    def close(self) -> None:
        """End the progress."""
        if self.job is not None:
            self.job.end()


def _length(iterable: object) -> int | None:
    try:
        return len(iterable)  # type: ignore[arg-type]
    except TypeError:
        return None


def trange(*args: int, **options: Any) -> tqdm[int]:
    """Return ``tqdm(range(*args), **options)``."""
    return tqdm(range(*args), **options)

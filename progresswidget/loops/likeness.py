"""A bar in place of what it runs over: its length, its truth, and its order among others."""

from __future__ import annotations

from typing import Any

from progresswidget.loops.told import Told


class AsIterable(Told):
    """What a bar answers for its iterable; a base of `progresswidget.loops.bar.tqdm`."""

    iterable: Any

    def __len__(self) -> int:
        known = length(self.iterable)
        if known is None and hasattr(self.iterable, "__length_hint__"):
            known = self.iterable.__length_hint__()
        # None becomes the TypeError that it is.
        return self.total if known is None else known  # type: ignore[return-value]

    def __bool__(self) -> bool:
        if self.total is not None:
            return self.total > 0
        if self.iterable is None:
            raise TypeError("nobody knows whether a bar without a total has something to do")
        return bool(self.iterable)

    def __contains__(self, item: object) -> bool:
        within: Any = self.iterable if hasattr(self.iterable, "__contains__") else iter(self)  # type: ignore[call-overload]
        return item in within

    @property
    def rank(self) -> int:
        """The row on the terminal; those without a row come last, as they were begun."""
        row: int | None = getattr(self, "pos", None)
        if row is not None:
            return abs(row)
        return (1 << 31) + (id(self) if self.job is None else self.job.number)

    def __lt__(self, other: AsIterable) -> bool:
        return self.rank < other.rank

    def __le__(self, other: AsIterable) -> bool:
        return self.rank <= other.rank

    def __gt__(self, other: AsIterable) -> bool:
        return self.rank > other.rank

    def __ge__(self, other: AsIterable) -> bool:
        return self.rank >= other.rank

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsIterable) and self.rank == other.rank

    def __hash__(self) -> int:
        return id(self)


def length(iterable: Any) -> int | None:
    """Return how many items there are, or the rows of an array; None where nobody knows."""
    shape = getattr(iterable, "shape", None)
    if shape:
        return int(shape[0])
    try:
        return len(iterable)
    except (TypeError, AttributeError):
        return None

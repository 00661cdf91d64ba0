"""What is counted while the server works, for whoever looks at it from outside: plain numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

LATENCIES: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds: from a frame that left at once to one that a slow page has kept waiting."""


class Histogram:
    """How many durations fell below each bound.

    Parameters
    ----------
    bounds
        Seconds, rising; what is longer than the last one is counted too.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = LATENCIES) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count a duration, as often as it was seen."""
        self.counts[bisect_left(self.bounds, seconds)] += times
        self.total += seconds * times

    def __add__(self, other: Histogram) -> Histogram:
        """Return both together, where they have the same bounds."""
        both = Histogram(self.bounds)
        both.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        both.total = self.total + other.total
        return both


@dataclass(slots=True)
class Tally:
    """What is counted where it happens; everything else is looked up when somebody asks.

    Parameters
    ----------
    reports
        Reports of kernels by what became of them: ``taken``, or the code of the error.
    errors
        Requests that were answered with an error, by its code.
    removed
        What the server has cleared away by itself: a ``job``, an ``upload``, a ``leftover`` of a
        dead export, or a ``file`` that was to expire.
    compensations
        Work of several steps that was put in order: an upload that was ``withdrawn`` by its sender
        or ``expired``, or a file that was ``published`` after a server had died over it.
    closes
        Live channels that the server closed, by its reason.
    """

    reports: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    compensations: Counter[str] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)

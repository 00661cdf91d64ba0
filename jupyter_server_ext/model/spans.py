"""Which bytes of a file have moved: disjoint spans in their order. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Span: TypeAlias = tuple[int, int]
"""Bytes from the first to before the second."""
Spans: TypeAlias = tuple[Span, ...]

MAX_SPANS: Final = 64
"""Spans of one file that are remembered: its clients choose how many there are."""


def merged(spans: Iterable[Span]) -> Spans:
    """Return the same bytes as disjoint spans in their order, empty ones left out.

    Where there are more than `MAX_SPANS`, the shortest are forgotten: what is said to have moved
    has always moved.
    """
    result: list[Span] = []
    for first, end in sorted(spans):
        if first >= end:
            continue
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((first, end))
    if len(result) > MAX_SPANS:
        longest = sorted(result, key=lambda span: span[1] - span[0], reverse=True)
        result = sorted(longest[:MAX_SPANS])
    return tuple(result)


def prefix(spans: Spans) -> int:
    """Return how many bytes from the first one on have moved without a gap."""
    return spans[0][1] if spans and spans[0][0] == 0 else 0


def total(spans: Spans) -> int:
    """Return how many bytes have moved."""
    return sum(end - first for first, end in spans)

"""How the columns of a table share the width of a page, and which go on below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Strip:
    """Columns that stand side by side.

    Parameters
    ----------
    columns
        Their positions in the table.
    widths
        How wide each is, in the unit of the widths given.
    """

    columns: tuple[int, ...]
    widths: tuple[float, ...]


def share(natural: Sequence[float], least: Sequence[float], room: float) -> list[float] | None:
    """Return the widths of columns in a room, or None if they do not go in.

    Wide columns give way first, none below its least width. Room that is left is spread, up to half
    of each column: a table of two short columns should not be torn over the page.

    Parameters
    ----------
    natural
        The widths at which nothing is wrapped.
    least
        The widths below which words are torn.
    room
        The width of the page.
    """
    if sum(natural) <= room:
        factor = min(1.5, room / sum(natural)) if sum(natural) else 1.0
        return [width * factor for width in natural]
    if sum(least) > room:
        return None
    low, high = 0.0, max(natural)
    for _ in range(50):  # halving finds the width that no column may exceed
        cap = (low + high) / 2
        if sum(_capped(natural, least, cap)) > room:
            high = cap
        else:
            low = cap
    return _capped(natural, least, low)


def _capped(natural: Sequence[float], least: Sequence[float], cap: float) -> list[float]:
    return [max(small, min(wide, cap)) for wide, small in zip(natural, least, strict=True)]


def strips(
    natural: Sequence[float], least: Sequence[float], room: float, most: int | None = None
) -> list[Strip]:
    """Split columns into as few strips as they need, each as wide as the room at most.

    Parameters
    ----------
    natural, least, room
        As for `share`.
    most
        How many columns a strip may have.
    """
    if (most is None or len(natural) <= most) and (
        whole := share(natural, least, room)
    ) is not None:
        return [Strip(tuple(range(len(natural))), tuple(whole))]
    found: list[Strip] = []
    begin = 0
    # Words that fit are not the aim any more: a strip takes what is comfortable to read.
    easy = [min(max(small, wide * 0.75), room) for wide, small in zip(natural, least, strict=True)]
    for end in range(1, len(natural) + 1):
        full = end - begin == most
        if end == len(natural) or full or sum(easy[begin : end + 1]) > room:
            own = share(natural[begin:end], [min(w, room) for w in least[begin:end]], room)
            widths = own or [room / (end - begin)] * (end - begin)
            found.append(Strip(tuple(range(begin, end)), tuple(widths)))
            begin = end
    return found


def named_strips(
    natural: Sequence[float],
    least: Sequence[float],
    room: float,
    labels: int,
    most: int | None = None,
) -> list[Strip]:
    """Split columns so that each strip begins with those that name the rows.

    None are returned where there are none that do, or where they leave less than half of the room.

    Parameters
    ----------
    natural, least, room, most
        As for `strips`.
    labels
        How many of the first columns name the rows.
    """
    if not 0 < labels < (len(natural) if most is None else min(most, len(natural))):
        return []
    widths: Sequence[float] | None = natural[:labels]
    if sum(natural[:labels]) > room / 2:
        widths = share(natural[:labels], least[:labels], room / 2)
    if widths is None:
        return []
    rest = None if most is None else most - labels
    found = strips(natural[labels:], least[labels:], room - sum(widths), rest)
    repeated = tuple(range(labels))
    return [
        Strip((*repeated, *(column + labels for column in strip.columns)), (*widths, *strip.widths))
        for strip in found
    ]


def span(strip: Strip, labels: int, of: int) -> str:
    """Say which columns of all a strip has, besides those that name the rows."""
    first, last = strip.columns[labels] + 1, strip.columns[-1] + 1
    which = f"Column {first}" if first == last else f"Columns {first} to {last}"
    return f"{which} of {of}"

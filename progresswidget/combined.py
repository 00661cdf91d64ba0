"""What a group of jobs is, by what its parts are: a pure function, without clock or thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from progresswidget.protocol import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from progresswidget.protocol import Status

NEARLY: Final = 99.9
"""Percent that a group which goes on shows at most: a hundred is kept for its end."""


@dataclass(frozen=True, slots=True)
class Member:
    """One part, as far as its group needs to know it.

    Parameters
    ----------
    status
        One of `progresswidget.protocol.STATUSES`.
    progress
        Percent, or None where nobody can know.
    bytes
        Bytes of its file so far.
    eta
        Seconds that are left, where that is known.
    files
        How many files it makes: one, or those of a group, where that is known.
    done
        How many of them are there; by default its one at its end.
    loops
        How many have begun in it that its group has not counted itself.
    open_loops
        How many loops of it, or itself as one, go on.
    """

    status: Status
    progress: float | None = None
    bytes: int = 0
    eta: float | None = None
    files: int | None = 1
    done: int | None = None
    loops: int = 0
    open_loops: int = 0

    @property
    def complete(self) -> int:
        """How many of its files are there."""
        return int(self.status == "done") if self.done is None else self.done


@dataclass(frozen=True, slots=True)
class Combined:
    """What a group is: fields of a report, of the same names."""

    status: Status
    progress: float | None
    rows: int
    total: int | None
    bytes: int
    eta: float | None
    loops: int | None = None
    """How many loops have begun, where `rows` and `total` count these; None where they do files."""


def combine(
    members: Sequence[Member],
    *,
    closed: bool,
    expected: int | None = None,
    held: bool = False,
    broken: Status | None = None,
    refused: bool = False,
    floor: float = 0.0,
    loops: int = 0,
) -> Combined:
    """Return the state of a group.

    A group that goes on is paused where none of its parts moves and one of them is paused. It ends
    when it is closed and all parts have ended: well if each of them did; else it has failed if one
    failed, or was interrupted if one was, or was cancelled. What did not come to its end counts for
    as far as it came, and every part for as much as any other.

    Parameters
    ----------
    members
        The parts so far.
    closed
        Whether there will be no others.
    expected
        How many there will be at least, where somebody has said so.
    held
        Whether a part that comes now would be paused.
    broken
        What became of the code that makes the parts, where it did not come to its end.
    refused
        Whether that was because one more part could not begin.
    floor
        The progress that was told last: a group never goes back, also if it grows.
    loops
        How many loops have begun, also those that are no parts: they count where nothing else does.
    """
    statuses: list[Status] = [member.status for member in members]
    known = len(members) + refused
    # Code that broke off may not have made all that was said.
    made = closed and not (broken and expected)
    count = _count(known, closed=made, expected=expected)
    active = [member for member in members if member.status in ACTIVE]
    over = closed and not active
    begun = loops + sum(member.loops for member in members)
    counts_loops = begun > 0 and all(member.files == 0 for member in members)
    status = _ended({*statuses, broken}) if over else _moving(statuses, held=held)
    return Combined(
        status=status,
        progress=_progress(members, count, status, floor),
        rows=(
            begun - sum(member.open_loops for member in members)
            if counts_loops
            else sum(member.complete for member in members)
        ),
        total=(
            _count(begun, closed=made, expected=expected)
            if counts_loops
            else _files(members, count)
        ),
        bytes=sum(member.bytes for member in members),
        eta=_eta(active) if closed else None,
        loops=begun if counts_loops else None,
    )


def _files(members: Sequence[Member], count: int | None) -> int | None:
    known = [member.files for member in members if member.files is not None]
    # Those that are still to come count as one each, as long as all so far are one each.
    to_come = None if count is None else count - len(members)
    if to_come is None or len(known) < len(members) or (to_come and set(known) - {1}):
        return None
    return sum(known) + to_come


def _count(count: int, *, closed: bool, expected: int | None) -> int | None:
    if closed:
        return count
    return None if expected is None else max(count, expected)


def _moving(statuses: Sequence[str], *, held: bool) -> Status:
    moves = "running" in statuses or ("queued" in statuses and not held)
    return "paused" if not moves and (held or "paused" in statuses) else "running"


def _ended(found: set[Status | None]) -> Status:
    worst: tuple[Status, ...] = ("failed", "interrupted", "cancelled")
    return next((status for status in worst if status in found), "done")


def _progress(
    members: Sequence[Member], count: int | None, status: Status, floor: float
) -> float | None:
    if status == "done":
        return 100.0
    # How far one is of nobody knows how many, nobody knows: also where all are done, but not that
    # which made them.
    finished = sum(one.status == "done" for one in members)
    if not count or (status not in ACTIVE and finished == count):
        return floor or None
    done = sum(100.0 if one.status == "done" else one.progress or 0.0 for one in members)
    return max(floor, min(round(done / count, 2), NEARLY))


def _eta(active: Sequence[Member]) -> float | None:
    # They run side by side: the last one decides.
    left = [member.eta for member in active]
    known = [eta for eta in left if eta is not None]
    return max(known) if known and len(known) == len(left) else None

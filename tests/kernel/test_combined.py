"""What a group is by its parts: never back, never more than they are, and one end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.combined import NEARLY, Combined, Member, combine
from progresswidget.protocol import ACTIVE, STATUSES, TERMINAL

if TYPE_CHECKING:
    from progresswidget.protocol import Status

percent = st.none() | st.floats(0, 100)
members = st.builds(
    Member,
    status=st.sampled_from(sorted(STATUSES)),
    progress=percent,
    bytes=st.integers(0, 10**12),
    eta=st.none() | st.floats(0, 1000),
)


def of(*statuses: Status, closed: bool = True, held: bool = False) -> str:
    return combine([Member(status) for status in statuses], closed=closed, held=held).status


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ((), "done"),
        (("done", "done"), "done"),
        (("done", "failed", "cancelled", "interrupted"), "failed"),
        (("done", "cancelled", "interrupted"), "interrupted"),
        (("done", "cancelled"), "cancelled"),
        (("done", "failed", "running"), "running"),
        (("failed", "paused"), "paused"),
        (("paused", "running"), "running"),
        (("paused", "queued"), "running"),
        (("queued",), "running"),
    ],
)
def test_the_state_of_a_closed_group(statuses: tuple[Status, ...], status: str) -> None:
    assert of(*statuses) == status


def test_a_group_that_is_open_goes_on() -> None:
    assert of(closed=False) == "running"
    assert of("done", "failed", closed=False) == "running"
    assert of("done", closed=False, held=True) == "paused"
    assert of("queued", closed=False, held=True) == "paused"


def test_what_breaks_the_block_breaks_the_group() -> None:
    assert combine([], closed=True, broken="failed").status == "failed"
    assert combine([Member("done")], closed=True, broken="interrupted").status == "interrupted"
    assert combine([Member("failed")], closed=True, broken="cancelled").status == "failed"


def test_what_could_not_begin_is_missing_from_the_files() -> None:
    five = [Member("done")] * 5
    broken = combine(five, closed=True, broken="failed", refused=True)
    assert (broken.progress, broken.rows, broken.total) == (83.33, 5, 6)


def test_what_a_broken_block_has_not_made_is_missing_where_it_was_said() -> None:
    broken = combine([Member("done")] * 3, closed=True, expected=6, broken="interrupted")
    assert (broken.progress, broken.rows, broken.total) == (50, 3, 6)


def test_how_far_a_block_came_that_broke_between_its_parts_nobody_knows() -> None:
    broken = combine([Member("done")] * 5, closed=True, broken="failed")
    assert (broken.progress, broken.rows) == (None, 5)


def test_how_far_it_is() -> None:
    parts = [Member("done", 100.0), Member("running", 50.0, 7, 3.0), Member("failed", 30.0, 5)]
    assert combine(parts, closed=True) == Combined("running", 60.0, 1, 3, 12, 3.0)
    # How many there will be nobody has said, or somebody has.
    assert combine(parts, closed=False) == Combined("running", None, 1, None, 12, None)
    assert combine(parts, closed=False, expected=6).progress == 30.0
    assert combine(parts, closed=False, expected=2).total == 3


def test_files_of_groups_in_groups_count_as_files() -> None:
    inner = Member("running", 50.0, files=3, done=1)
    found = combine([inner, Member("done", 100.0)], closed=True)
    assert (found.rows, found.total, found.progress) == (2, 4, 75.0)
    assert combine([inner], closed=False, expected=2).total is None
    assert combine([Member("running", files=None, done=2)], closed=True).total is None


def test_where_no_part_makes_files_loops_count() -> None:
    going = Member("running", 50.0, files=0, done=0, open_loops=1)
    over = Member("done", 50.0, files=0, done=0)
    found = combine([going, over], closed=False, loops=5)
    assert (found.rows, found.total, found.loops) == (4, None, 5)
    assert combine([going, over], closed=False, loops=5, expected=8).total == 8
    closed = combine([over], closed=True, loops=5)
    assert (closed.rows, closed.total) == (5, 5)
    # None of them lasted long enough to become a part.
    short = combine([], closed=True, loops=3)
    assert (short.rows, short.total, short.status) == (3, 3, "done")
    inner = Member("running", files=0, done=0, loops=4, open_loops=1)
    both = combine([inner, going], closed=True, loops=1)
    assert (both.rows, both.total, both.loops) == (3, 5, 5)


def test_where_a_part_makes_files_they_count_alone() -> None:
    loop = Member("done", files=0, done=0)
    mixed = combine([loop, Member("done")], closed=True, loops=3)
    assert (mixed.rows, mixed.total, mixed.loops) == (1, 1, None)
    assert combine([], closed=True).loops is None


def test_a_time_left_is_told_when_all_have_one() -> None:
    known = Member("running", 50.0, eta=3.0)
    assert combine([known, Member("running", eta=9.0)], closed=True).eta == 9.0
    assert combine([known, Member("running")], closed=True).eta is None
    assert combine([known, Member("done")], closed=True).eta == 3.0


@given(
    parts=st.lists(members, max_size=8),
    closed=st.booleans(),
    expected=st.none() | st.integers(1, 20),
    held=st.booleans(),
    floor=st.floats(0, NEARLY),
)
def test_any_group_is_whole(
    parts: list[Member], *, closed: bool, expected: int | None, held: bool, floor: float
) -> None:
    found = combine(parts, closed=closed, expected=expected, held=held, floor=floor)
    assert found.bytes == sum(part.bytes for part in parts)
    assert found.rows <= len(parts)
    over = closed and not any(part.status in ACTIVE for part in parts)
    assert (found.status in TERMINAL) == over
    if found.progress is not None:
        assert floor <= found.progress <= 100
        assert (found.progress == 100) == (found.status == "done")
    if found.total is not None:
        assert found.rows <= found.total


@given(
    steps=st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=6), min_size=1, max_size=8),
    expected=st.integers(1, 6),
)
def test_it_never_goes_back(steps: list[list[float]], expected: int) -> None:
    floor = 0.0
    for step in steps:
        parts = [Member("running", progress) for progress in step]
        found = combine(parts, closed=False, expected=expected, floor=floor)
        assert found.progress is None or found.progress >= floor
        floor = found.progress or floor

"""The remaining time that is shown settles, on traces of real exports.

Each file in `tests/data/traces` is one export of this package, looked at five times a second:
seconds since its start, rows in the file, and rows of these that an earlier run had written. The
sources were slow or fast in turn; the time is that of a machine with two busy cores.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progresswidget.meter import Meter

FOLDER = Path(__file__).parent.parent / "data" / "traces"
BOUNDS = {
    "bursts_csv": (0.35, 0.28),
    "frame_csv_gz": (0.08, 0.04),
    "lazy_csv_xz": (0.30, 0.30),
    "resumed_csv_gz": (0.06, 0.03),
    "resumed_csv_xz": (0.20, 0.20),
    "slowing_csv": (0.35, 0.12),
}
"""Errors allowed after a half and after three quarters, as shares of the time of writing.

A file of .xz has few and large steps, and a source that becomes slower cannot be foreseen.
"""
NAMES = sorted(BOUNDS)
RESUMED = [name for name in NAMES if name.startswith("resumed")]
SHORT = 2.0
"""Seconds: of a shorter remaining time not the share is of interest, but the difference."""


class Look(NamedTuple):
    """What an export says of itself at a moment."""

    now: float
    rows: int
    reused: int


class Shown(NamedTuple):
    """A remaining time on a screen."""

    now: float
    eta: float


def looks_of(name: str) -> list[Look]:
    content = json.loads((FOLDER / f"{name}.json").read_text())
    return [Look(*look) for look in content["looks"]]


def began(looks: list[Look]) -> int:
    """Return the look from which on rows are written and not only found."""
    return max(place for place, look in enumerate(looks) if look.rows == look.reused)


def replay(looks: list[Look]) -> list[Shown]:
    """Return what a meter shows before the end."""
    meter = Meter(looks[0].now, looks[-1].rows)
    shown = []
    for look in looks[:-1]:
        meter.feed(look.now, look.rows, look.reused)
        if meter.eta is not None:
            shown.append(Shown(look.now, meter.eta))
    return shown


def replay_newest_step_alone(looks: list[Look]) -> list[Shown]:
    """Return what division by the newest step would show, which forgives itself all waiting."""
    steps = [looks[began(looks)]]
    shown = []
    for look in looks[began(looks) : -1]:
        if look.rows > steps[-1].rows:
            steps.append(look)
        if len(steps) > 1:
            before, newest = steps[-2:]
            pace = (newest.rows - before.rows) / (newest.now - before.now)
            eta = (looks[-1].rows - newest.rows) / pace - (look.now - newest.now)
            shown.append(Shown(look.now, max(eta, 0.0)))
    return shown


def jumps(shown: list[Shown]) -> list[float]:
    """Return by which share the remaining time changes besides running down like a clock."""
    return [
        abs(after.eta - max(before.eta - (after.now - before.now), 0.0)) / max(before.eta, SHORT)
        for before, after in pairwise(shown)
    ]


def errors(shown: list[Shown], looks: list[Look], since: float) -> list[float]:
    """Return the error in seconds, as a share of the whole time, once a share of it is over."""
    start, end = looks[began(looks)].now, looks[-1].now
    return [
        abs(look.eta - (end - look.now)) / (end - start)
        for look in shown
        if look.now >= start + since * (end - start)
    ]


def test_there_is_a_trace_of_each_kind() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == NAMES
    for name in NAMES:
        looks = looks_of(name)
        assert looks[-1].now > 8
        assert all(a.now < b.now and a.rows <= b.rows for a, b in pairwise(looks))
        assert (looks[-1].reused > looks[-1].rows / 3) == (name in RESUMED)


@pytest.mark.parametrize("name", NAMES)
def test_the_remaining_time_settles_instead_of_jumping(name: str) -> None:
    looks = looks_of(name)
    shown = replay(looks)
    assert len(shown) > 20
    assert max(jumps(shown)) < 0.2
    assert max(jumps(replay_newest_step_alone(looks))) > 5 * max(jumps(shown))


@pytest.mark.parametrize("name", NAMES)
def test_it_becomes_right_before_the_end(name: str) -> None:
    looks = looks_of(name)
    shown = replay(looks)
    half, three_quarters = BOUNDS[name]
    assert max(errors(shown, looks, 0.5)) < half
    assert max(errors(shown, looks, 0.75)) < three_quarters


@pytest.mark.parametrize("name", NAMES)
def test_once_something_is_shown_it_stays(name: str) -> None:
    looks = looks_of(name)
    shown = replay(looks)
    assert [look.now for look in shown] == [look.now for look in looks[-len(shown) - 1 : -1]]
    assert shown[0].now < looks[began(looks)].now + (looks[-1].now - looks[began(looks)].now) * 0.7


@pytest.mark.parametrize("name", RESUMED)
def test_what_was_there_does_not_distort_the_rate(name: str) -> None:
    looks = looks_of(name)
    total, found = looks[-1].rows, looks[began(looks)].rows
    # From the look that saw the last of what was there, nothing but writing is left.
    first = next(place for place, look in enumerate(looks) if look.rows == found)
    resumed, unaware = Meter(0.0, total), Meter(0.0, total)
    for look in looks[: first + 1]:
        resumed.feed(look.now, look.rows, look.reused)
        unaware.feed(look.now, look.rows)
    assert not resumed.rate
    assert resumed.eta is None
    assert unaware.rate
    alone = Meter(looks[first].now, total - found)
    for look in looks[first + 1 :]:
        resumed.feed(look.now, look.rows, look.reused)
        alone.feed(look.now, look.rows - found)
        assert resumed.rate == pytest.approx(alone.rate)
        assert resumed.eta == (None if alone.eta is None else pytest.approx(alone.eta))
    assert resumed.elapsed == pytest.approx(looks[-1].now)


def test_what_turns_out_to_be_damaged_begins_anew() -> None:
    meter, straight = Meter(0.0, 10_000), Meter(4.0, 10_000)
    meter.feed(2.0, 3_000, 3_000)
    meter.feed(3.0, 6_000, 6_000)
    meter.feed(4.0, 0, 0)
    assert meter.rows == 0
    assert meter.eta is None
    for second in range(5, 9):
        meter.feed(float(second), 1_000 * (second - 4), 0)
        straight.feed(float(second), 1_000 * (second - 4))
    assert meter.rate == pytest.approx(straight.rate)
    assert meter.eta == pytest.approx(6.0)


def test_a_pause_while_rows_are_found_loses_none_of_them() -> None:
    meter = Meter(0.0, 10_000)
    meter.feed(1.0, 6_000, 6_000)
    meter.pause(1.5)
    meter.resume(60.0)
    for second in range(61, 64):
        meter.feed(second - 0.5, 6_000 + 1_000 * (second - 60), 6_000)
    assert meter.rows == 9_000
    assert meter.rate == pytest.approx(1_000)
    assert meter.eta == pytest.approx(1.0)


def test_rows_that_are_counted_a_moment_after_they_were_called_reused_are_not_written() -> None:
    meter = Meter(0.0, 10_000)
    meter.feed(1.0, 3_000, 6_000)
    meter.feed(2.0, 6_000, 6_000)
    assert meter.rows == 6_000
    assert not meter.rate
    meter.feed(3.0, 7_000, 6_000)
    assert meter.rate == pytest.approx(500)


@settings(deadline=None)  # the first example pays for imports
@given(
    looks=st.lists(
        st.tuples(st.floats(0, 1e6), st.integers(-5, 10**12), st.integers(0, 10**12)), max_size=40
    )
)
def test_whatever_is_reused_the_figures_stay_sane(looks: list[tuple[float, int, int]]) -> None:
    meter = Meter(0.0, 10**12)
    now = 0.0
    for seconds, rows, reused in looks:
        now += seconds
        meter.feed(now, rows, reused)
        assert meter.rows >= 0
        assert meter.rate is None or (math.isfinite(meter.rate) and meter.rate >= 0)
        assert meter.eta is None or (math.isfinite(meter.eta) and meter.eta >= 0)

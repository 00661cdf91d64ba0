from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progresswidget.meter import Meter, Throttle

# (seconds, rows) as an export of 5 million rows reported them: a slow start while the query warms
# up, a steady middle with the usual jitter, a stall of the disk, and the end.
TRACE = [
    (0.0, 0),
    (0.1, 0),
    (0.2, 0),
    (0.3, 65_536),
    (0.4, 131_072),
    (0.5, 262_144),
    *[
        (0.5 + 0.1 * step, 262_144 + 40_000 * step + (step * 7_919) % 23_000)
        for step in range(1, 60)
    ],
    *[(6.5 + 0.1 * step, 2_630_000) for step in range(10)],
    *[(7.5 + 0.1 * step, 2_630_000 + 40_000 * step) for step in range(1, 60)],
]


def test_a_steady_pace_is_told_exactly() -> None:
    meter = Meter(100.0, total=10_000)
    for second in range(1, 6):
        meter.feed(100.0 + second, 1_000 * second)
    assert meter.rate == pytest.approx(1_000)
    assert meter.eta == pytest.approx(5.0)
    assert meter.elapsed == pytest.approx(5.0)


def test_nothing_is_claimed_before_there_is_something_to_go_by() -> None:
    meter = Meter(0.0, total=100)
    assert meter.rate is None
    meter.feed(0.5, 10)
    assert meter.rate == pytest.approx(20)
    assert meter.eta is None
    meter.feed(1.0, 20)
    assert meter.eta == pytest.approx(4.0)


def test_without_a_total_there_is_a_rate_and_no_eta() -> None:
    meter = Meter(0.0)
    meter.feed(2.0, 10)
    assert meter.rate == pytest.approx(5)
    assert meter.eta is None


def test_the_end_is_the_end() -> None:
    meter = Meter(0.0, total=10)
    meter.feed(5.0, 10)
    assert meter.eta == 0.0


def test_pauses_count_nowhere() -> None:
    paused, straight = Meter(0.0, total=100), Meter(0.0, total=100)
    for second in range(1, 4):
        paused.feed(second, 10 * second)
        straight.feed(second, 10 * second)
    paused.pause(3.0)
    paused.feed(500.0, 30)
    paused.pause(600.0)
    paused.resume(1_000.0)
    paused.resume(1_000.0)
    for second in range(4, 6):
        paused.feed(997.0 + second, 10 * second)
        straight.feed(second, 10 * second)
    assert paused.elapsed == pytest.approx(straight.elapsed)
    assert paused.rate == pytest.approx(straight.rate)
    assert paused.eta == pytest.approx(straight.eta)


def test_the_eta_of_a_recorded_export_settles() -> None:
    meter = Meter(0.0, total=5_000_000)
    previous: tuple[float, float] | None = None
    raw_jump = shown_jump = 0.0
    last: tuple[float, int] = (0.0, 0)
    raw_before: float | None = None
    for now, rows in TRACE:
        meter.feed(now, rows)
        if meter.eta is not None:
            if previous is not None:
                drop = now - previous[0]
                shown_jump = max(shown_jump, abs(meter.eta - (previous[1] - drop)))
            previous = now, meter.eta
            # What dividing by the newest step alone would show.
            pace = max(rows - last[1], 1) / max(now - last[0], 1e-9)
            raw = (5_000_000 - rows) / pace
            if raw_before is not None:
                raw_jump = max(raw_jump, abs(raw - raw_before))
            raw_before = raw
        last = now, rows
    assert shown_jump < 0.5
    assert raw_jump > 100
    # The second half goes at 400,000 rows a second: 10,000 rows are left.
    assert meter.eta == pytest.approx((5_000_000 - TRACE[-1][1]) / 400_000, abs=1.0)


def test_a_new_pace_is_learnt_within_a_few_seconds() -> None:
    meter = Meter(0.0, total=1_000_000)
    rows = 0
    for step in range(1, 101):
        rows += 1_000
        meter.feed(step / 10, rows)
    for step in range(101, 251):
        rows += 100
        meter.feed(step / 10, rows)
    assert meter.rate == pytest.approx(1_000, rel=0.2)
    assert meter.eta == pytest.approx((1_000_000 - rows) / 1_000, rel=0.25)


steps = st.lists(
    st.tuples(
        st.floats(-1, 1e6, allow_nan=False),
        st.integers(-5, 10**12),
        st.sampled_from(["feed", "pause", "resume"]),
    ),
    max_size=40,
)


@settings(deadline=None)  # the first example pays for imports
@given(steps=steps, total=st.none() | st.integers(0, 10**12))
def test_whatever_is_fed_the_figures_stay_sane(
    steps: list[tuple[float, int, str]], total: int | None
) -> None:
    meter = Meter(0.0, total)
    now, rows, before = 0.0, 0, 0.0
    for seconds, gained, action in steps:
        now, rows = now + seconds, rows + gained
        if action == "feed":
            meter.feed(now, rows)
        elif action == "pause":
            meter.pause(now)
        else:
            meter.resume(now)
        assert meter.elapsed >= before
        before = meter.elapsed
        assert meter.rate is None or (math.isfinite(meter.rate) and meter.rate >= 0)
        assert meter.eta is None or (math.isfinite(meter.eta) and meter.eta >= 0)


@settings(deadline=None)  # the first example pays for imports
@given(
    pace=st.floats(1, 1e6),
    intervals=st.lists(st.floats(0.01, 2), min_size=5, max_size=50),
)
def test_the_rate_does_not_depend_on_how_often_it_is_fed(
    pace: float, intervals: list[float]
) -> None:
    meter = Meter(0.0, total=10**15)
    now = 0.0
    for interval in intervals:
        now += interval
        meter.feed(now, int(pace * now * 1000))
    assert meter.rate == pytest.approx(pace * 1000, rel=0.01)


def test_a_throttle_lets_the_first_through_and_then_waits() -> None:
    throttle = Throttle(0.5)
    assert throttle.remaining(10.0) == 0
    assert throttle.ready(10.0)
    assert not throttle.ready(10.2)
    assert throttle.remaining(10.2) == pytest.approx(0.3)
    assert throttle.ready(10.5)


def test_a_change_of_state_does_not_wait_and_starts_the_interval_anew() -> None:
    throttle = Throttle(0.5)
    assert throttle.ready(0.0)
    assert throttle.ready(0.1, force=True)
    assert not throttle.ready(0.5)
    assert throttle.ready(0.6)


@settings(deadline=None)  # the first example pays for imports
@given(times=st.lists(st.floats(0, 100), max_size=100), interval=st.floats(0.1, 10))
def test_a_throttle_never_lets_two_through_within_an_interval(
    times: list[float], interval: float
) -> None:
    throttle = Throttle(interval)
    passed = [now for now in sorted(times) if throttle.ready(now)]
    assert all(b >= a + interval for a, b in pairwise(passed))
    assert not times or passed[0] == min(times)


@pytest.mark.parametrize("done", [30, 95, 100])
def test_a_stall_for_longer_than_all_the_rest_should_take_leaves_it_unknown(done: int) -> None:
    meter = Meter(0.0, total=100)
    for step in range(1, done + 1):
        meter.feed(step / 50, step)
    told = []
    for wait in range(1, 100):
        meter.feed(done / 50 + wait / 10, done)
        told.append(meter.eta)
    left = (100 - done) / 50
    assert told[15 + int(left * 10) :] == [None] * (84 - int(left * 10))
    meter.feed(done / 50 + 10, done + 1)
    assert meter.eta is not None
    assert meter.eta > 0 or done >= 99


def test_a_step_that_is_due_later_than_the_end_is_no_stall() -> None:
    meter = Meter(0.0, total=100)
    for step in range(1, 10):
        meter.feed(step * 5, step * 10)
    for wait in range(1, 50):
        meter.feed(45 + wait / 10, 90)
        assert meter.eta is not None

"""Shaping on a clock of its own: rates are held, shares are equal, and nobody starves."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_server_ext.transfers.shaping import Rates, Shaper, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_server_ext.transfers.shaping import Gate

MEGA = 1e6
SLICE = 256 * 1024


@dataclass
class Stream:
    """A transfer that moves what it may, as fast as its reader takes it."""

    gate: Gate
    user: str
    speed: float | None = None
    slice: int = SLICE
    moved: list[tuple[float, int]] = field(default_factory=list)
    total: int = 0

    def between(self, start: float, end: float) -> int:
        return sum(count for at, count in self.moved if start <= at < end)


class Road:
    """Streams of one shaper, in the order in which an event loop would run them."""

    def __init__(self, rates: Rates) -> None:
        self.now = 1000.0
        self.shaper = Shaper(rates)
        self.streams: list[Stream] = []
        self._due: list[tuple[float, int, Stream]] = []
        self._asked = 0

    def add(self, user: str = "alice", *, speed: float | None = None, slice: int = SLICE) -> Stream:
        stream = Stream(self.shaper.open(user), user, speed, slice)
        self.streams.append(stream)
        self._later(0.0, stream)
        return stream

    def _later(self, wait: float, stream: Stream) -> None:
        self._asked += 1
        heapq.heappush(self._due, (self.now + wait, self._asked, stream))

    def drive(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, stream = heapq.heappop(self._due)
            count, wait = stream.gate.grant(stream.slice, self.now)
            assert 0 <= count <= stream.slice
            assert (count > 0) != (wait > 0)
            if count:
                stream.moved.append((self.now, count))
                stream.total += count
                wait = count / stream.speed if stream.speed else 0.0
            # A loop that does nothing but send is not infinitely fast.
            self._later(max(wait, 5e-5), stream)
        self.now = end

    def close(self, stream: Stream) -> None:
        stream.gate.close()
        self._due = [row for row in self._due if row[2] is not stream]
        heapq.heapify(self._due)

    def totals(self, seconds: float) -> list[float]:
        """Return how much each stream moves within some seconds, per second."""
        before = [stream.total for stream in self.streams]
        self.drive(seconds)
        return [
            (stream.total - start) / seconds
            for stream, start in zip(self.streams, before, strict=True)
        ]


def near(rate: float) -> object:
    return pytest.approx(rate, rel=0.05)


def test_without_limits_nobody_waits() -> None:
    gate = Shaper(Rates()).open("alice")
    assert gate.unlimited
    assert gate.grant(10**12, 5.0) == (10**12, 0.0)


@pytest.mark.parametrize(
    "rates", [Rates(transfer=3 * MEGA), Rates(user=3 * MEGA), Rates(server=3 * MEGA)]
)
def test_one_stream_gets_the_set_rate(rates: Rates) -> None:
    road = Road(rates)
    road.add()
    assert road.totals(10) == [near(3 * MEGA)]


@pytest.mark.parametrize("rate", [100.0, 10_000.0, 1e6, 1e9])
@pytest.mark.parametrize("count", [1, 8, 50])
def test_the_rate_is_held_whatever_it_is_and_for_however_many(rate: float, count: int) -> None:
    road = Road(Rates(server=rate))
    for _ in range(count):
        road.add()
    assert sum(road.totals(20)) == near(rate)


def test_the_slowest_rate_lets_something_through() -> None:
    road = Road(Rates(server=1))
    road.add()
    road.drive(100)
    assert 90 <= road.streams[0].total <= 102


def test_streams_of_a_user_share_equally_and_users_too() -> None:
    road = Road(Rates(server=8 * MEGA))
    for _ in range(7):
        road.add("alice")
    road.add("bob")
    *many, one = road.totals(10)
    assert one == near(4 * MEGA)
    assert many == [near(4 * MEGA / 7)] * 7


def test_the_limit_of_a_user_is_of_all_its_streams_and_of_nobody_elses() -> None:
    road = Road(Rates(user=4 * MEGA))
    for _ in range(4):
        road.add("alice")
    road.add("bob")
    assert road.totals(10) == [near(MEGA)] * 4 + [near(4 * MEGA)]


def test_the_tightest_limit_decides() -> None:
    road = Road(Rates(transfer=MEGA, user=2 * MEGA, server=3 * MEGA))
    road.add("alice")
    assert road.totals(10) == [near(MEGA)]
    for _ in range(3):
        road.add("alice")
    assert road.totals(10) == [near(MEGA / 2)] * 4
    road.add("bob")
    assert road.totals(10) == [near(MEGA / 2)] * 4 + [near(MEGA)]


def test_what_a_slow_reader_leaves_goes_to_the_others() -> None:
    road = Road(Rates(server=9 * MEGA))
    slow = road.add("alice", speed=MEGA)
    road.add("alice")
    road.add("bob")
    road.drive(2)
    assert road.totals(10) == [near(MEGA), near(3.5 * MEGA), near(4.5 * MEGA)]
    road.close(slow)
    assert road.totals(10)[1:] == [near(4.5 * MEGA)] * 2


def test_hundreds_that_have_stopped_hold_nobody_up() -> None:
    road = Road(Rates(server=5 * MEGA))
    for number in range(300):
        road.shaper.open(f"user {number % 30}")
    road.add()
    road.drive(1)
    assert road.totals(10) == [near(5 * MEGA)]


def test_who_comes_late_gets_its_share_at_once() -> None:
    road = Road(Rates(server=4 * MEGA))
    for _ in range(20):
        road.add("alice")
    road.drive(5)
    late = road.add("bob")
    assert road.totals(1)[-1] == near(2 * MEGA)
    waits = [later - earlier for (earlier, _), (later, _) in pairwise(late.moved)]
    assert max(waits) < 0.1


def test_coming_and_going_saves_nothing_up() -> None:
    road = Road(Rates(server=2 * MEGA))
    honest = road.add("bob")
    before = road.now
    for _ in range(100):
        hopper = road.add("alice")
        road.drive(0.1)
        road.close(hopper)
    assert honest.total / (road.now - before) >= 0.95 * MEGA


def test_other_limits_hold_within_a_second() -> None:
    road = Road(Rates(server=1))
    road.add()
    road.add()
    road.drive(10)
    road.shaper.rates = Rates(server=6 * MEGA)
    road.drive(1)
    assert road.totals(10) == [near(3 * MEGA)] * 2
    road.shaper.rates = Rates(transfer=MEGA)
    road.drive(1)
    assert road.totals(10) == [near(MEGA)] * 2
    road.shaper.rates = Rates()
    assert road.streams[0].gate.unlimited
    road.drive(0.01)
    road.shaper.rates = Rates(user=MEGA)
    road.drive(0.01)
    assert sum(road.totals(10)) == near(MEGA)


def test_a_closed_gate_is_closed_once_and_forgotten() -> None:
    shaper = Shaper(Rates(server=MEGA))
    first, second = shaper.open("alice"), shaper.open("alice")
    first.close()
    first.close()
    second.grant(1, 0.0)
    second.close()
    assert shaper._users == {}
    assert shaper._open == 0


@given(st.floats(0, 1e9), st.lists(st.floats(0, 1e9), max_size=20))
def test_splitting_is_equal_and_loses_nothing(amount: float, rooms: list[float]) -> None:
    parts = split(amount, rooms)
    assert sum(parts) == pytest.approx(min(amount, sum(rooms)), abs=1e-3)
    assert all(part <= room for part, room in zip(parts, rooms, strict=True))
    level = max(parts, default=0.0)
    for part, room in zip(parts, rooms, strict=True):
        # Whoever got less than the one who got most had no room for more.
        assert part == pytest.approx(min(room, level), abs=1e-3)


limits = st.sampled_from([0.0, 0.3 * MEGA, MEGA, 7 * MEGA])
plans = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob", "carol"]),
        st.sampled_from([None, 0.05 * MEGA, 0.4 * MEGA, 3 * MEGA]),
        st.sampled_from([16 * 1024, 64 * 1024, SLICE]),
    ),
    min_size=1,
    max_size=6,
)


def fair(rates: Rates, streams: Sequence[Stream]) -> list[float]:
    """Return the max-min fair rates, worked out level by level from what each can take."""
    users = sorted({stream.user for stream in streams})
    can = {
        user: [
            min(stream.speed or 1e12, rates.transfer or 1e12)
            for stream in streams
            if stream.user == user
        ]
        for user in users
    }
    rooms = [min(sum(can[user]), rates.user or 1e12) for user in users]
    parts = split(rates.server or 1e15, rooms)
    result = {user: iter(split(part, can[user])) for user, part in zip(users, parts, strict=True)}
    return [next(result[stream.user]) for stream in streams]


@settings(max_examples=50, deadline=None)
@given(limits, limits, limits, plans)
def test_everyone_gets_the_max_min_fair_share_and_no_limit_is_ever_passed(
    transfer: float, user: float, server: float, plan: list[tuple[str, float | None, int]]
) -> None:
    rates = Rates(transfer, user, server)
    if rates.unlimited:
        return
    road = Road(rates)
    for name, speed, size in plan:
        # What is in flight when the clock stops must be little.
        road.add(name, speed=speed, slice=min(size, int(speed / 50)) if speed else size)
    road.drive(1)
    found = road.totals(5)
    for got, due in zip(found, fair(rates, road.streams), strict=True):
        assert got >= 0.93 * due
    hold(rates.server, road.streams)
    for name in {stream.user for stream in road.streams}:
        hold(rates.user, [stream for stream in road.streams if stream.user == name])
    for stream in road.streams:
        hold(rates.transfer, [stream])


def hold(rate: float, streams: Sequence[Stream]) -> None:
    """No window of any length lets more through than its rate and one burst."""
    if not rate:
        return
    moved = sorted(entry for stream in streams for entry in stream.moved)
    # The worst window that ends at each move: a bucket that leaks at the rate must not run over.
    level, last = 0.0, 0.0
    for at, count in moved:
        level = max(0.0, level - rate * (at - last)) + count
        last = at
        assert level <= rate * Rates().burst + len(streams) + 1

"""The newest events of each task: always without a gap, and never too many."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jupyter_server_ext.hub.ring import Entry, Ring, Rings


def entry(first: int, seq: int, size: int = 10) -> Entry:
    return Entry(first, seq, 0, "running", b"x" * size)


def test_a_ring_knows_what_follows_an_event() -> None:
    rings, ring = Rings(events=3), Ring(4)
    assert ring.since(4) == []
    assert ring.since(3) is None
    for first, seq in [(5, 5), (6, 8), (9, 9)]:
        rings.append(ring, entry(first, seq))
    places = {seq: ring.since(seq) for seq in range(11)}
    assert [seq for seq, found in places.items() if found is None] == [0, 1, 2, 3, 10]
    assert [len(places[seq] or []) for seq in range(4, 10)] == [3, 2, 2, 2, 1, 0]
    rings.append(ring, entry(10, 10))
    assert ring.since(4) is None
    assert len(ring.since(5) or []) == 3


def test_the_task_that_was_quiet_for_longest_pays_for_all() -> None:
    rings = Rings(rings_bytes=100)
    first, second, third = Ring(0), Ring(0), Ring(0)
    for ring in (first, second, third):
        rings.append(ring, entry(1, 1, 40))
    assert first.since(0) is None
    assert second.since(0) is not None
    rings.append(second, entry(2, 2, 40))
    assert (third.since(0), len(second.since(0) or [])) == (None, 2)
    rings.drop(second)
    assert rings.size == 0


steps = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(0, 60)), max_size=80)


@given(steps)
def test_whatever_is_pushed_nothing_has_a_gap_and_all_is_bounded(
    plan: list[tuple[int, int, int]],
) -> None:
    rings = Rings(events=4, ring_bytes=100, rings_bytes=200)
    known = [Ring(0) for _ in range(4)]
    for which, events, size in plan:
        ring = known[which]
        rings.append(ring, entry(ring.last + 1, ring.last + events, size))
        assert len(ring.entries) <= 4
        assert ring.size == sum(len(kept.data) for kept in ring.entries) <= 100
        assert rings.size == sum(ring.size for ring in known) <= 200
        for seq in range(ring.last + 2):
            found = ring.since(seq)
            if found:
                assert found[0].first <= seq + 1 <= found[0].seq
                assert found[-1].seq == ring.last
                for before, after in pairwise(found):
                    assert after.first == before.seq + 1

"""Where a client was, and what it gets: all that it missed, or the whole state; never a part."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from frames import message as read_frame
from page_twin import Followed
from virtual_clock import Clock

from jupyter_server_ext.hub.hub import Hub
from jupyter_server_ext.hub.ring import Rings
from jupyter_server_ext.hub.subscriber import Subscriber
from progresswidget.protocol import MAX_FRAME, Position

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Server

    from progresswidget.protocol import Json

A = "a" * 32


def record(rows: int, status: str = "running", size: int = 0) -> Json:
    return {"taskId": A, "status": status, "notebook": None, "rows": rows, "filler": "x" * size}


class Past:
    """A hub with a history: six events, of which the ring holds the last four.

    Events 1 to 6 are rows 1 to 6. The first has no place in a ring: it is the beginning.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.hub = Hub(
            epoch="E",
            interval=0.5,
            clock=self.clock,
            timestamp=lambda: 0,
            rings=Rings(events=4, rings_bytes=100_000),
        )
        self.publish(*range(1, 7))

    def publish(self, *rows: int, urgent: bool = True, **more: Any) -> None:
        for number in rows:
            self.hub.publish(A, record(number, **more), urgent=urgent)


def nothing(past: Past) -> None:
    del past


def waits(past: Past) -> None:
    past.publish(7, 8, urgent=False)


def conflated(past: Past) -> None:
    past.publish(7, 8, 9, urgent=False)
    past.clock.advance(1)


def removed(past: Past) -> None:
    past.hub.remove(A)


def back(past: Past) -> None:
    past.hub.remove(A)
    past.publish(7)


def trimmed(past: Past) -> None:
    past.publish(*range(7, 20))


def quiet(past: Past) -> None:
    # Others push so much that this task, which does not, loses its ring.
    for number in range(120):
        task_id = f"{number // 2:032x}"
        past.hub.publish(task_id, record(number, size=2_000) | {"taskId": task_id}, urgent=True)


def large(past: Past) -> None:
    past.publish(7, 8, 9, size=MAX_FRAME // 3)


def restarted(past: Past) -> None:
    past.hub.rebase("F", {A: (1, record(6))})


def elsewhere(past: Past) -> None:
    past.hub.rebase("F", {A: (6, record(6))})


def gone_elsewhere(past: Past) -> None:
    past.hub.rebase("F", {})


def holed(past: Past) -> None:
    past.hub.rebase("E", {A: (9, record(9))})


def there_and_back(past: Past) -> None:
    past.hub.rebase("F", {A: (1, record(6))})
    past.hub.rebase("E", {A: (8, record(8))})


def counted(past: Past) -> None:
    past.hub.publish(A, record(9), urgent=True, seq=9, epoch="E")


def ended(past: Past) -> None:
    past.publish(7, urgent=False)
    past.publish(8, status="done")


@dataclass(frozen=True)
class Row:
    """One case: what happened, where the client was, and the events that it gets."""

    name: str
    happened: Callable[[Past], None]
    position: tuple[str | None, int]
    events: list[tuple[int, int]] | None = field(default=None)
    """From and to of each; None for the whole state."""
    known: bool = True


ROWS = [
    Row("up to date", nothing, ("E", 6), []),
    Row("one behind", nothing, ("E", 5), [(6, 6)]),
    Row("as far behind as the ring reaches", nothing, ("E", 2), [(3, 3), (4, 4), (5, 5), (6, 6)]),
    Row("one further behind", nothing, ("E", 1)),
    Row("never told, in this history", nothing, ("E", 0)),
    Row("never told at all", nothing, (None, 0)),
    Row("a number without a history", nothing, (None, 6)),
    Row("the same number in another history", nothing, ("F", 6)),
    Row("from the future", nothing, ("E", 7)),
    Row("from the far future", nothing, ("E", 2**53 - 1)),
    Row("what was not pushed yet is missing too", waits, ("E", 5), [(6, 6), (7, 8)]),
    Row("between what was pushed and what was not", waits, ("E", 6), [(7, 8)]),
    Row("within what was not pushed yet", waits, ("E", 7), [(8, 8)]),
    Row("up to date with what was not pushed yet", waits, ("E", 8), []),
    Row("within what was pushed at once", conflated, ("E", 8), [(9, 9)]),
    Row("before what was pushed at once", conflated, ("E", 5), [(6, 6), (7, 9)]),
    Row("the ring went on", trimmed, ("E", 6)),
    Row("the ring was given up", quiet, ("E", 5)),
    Row("the ring was given up, and nothing was missed", quiet, ("E", 6), []),
    Row("more than one answer holds", large, ("E", 6)),
    Row("of what is large, as much as one answer holds", large, ("E", 8), [(9, 9)]),
    Row("the end is not joined with what was before", ended, ("E", 6), [(7, 7), (8, 8)]),
    Row("the task was removed", removed, ("E", 6), known=False),
    Row("the task is back", back, ("E", 6)),
    Row("the server was restarted", restarted, ("E", 6)),
    Row("restarted, and the number is the same", elsewhere, ("E", 6)),
    Row("restarted, and the new history is known", elsewhere, ("F", 6), []),
    Row("restarted, and the task was lost", gone_elsewhere, ("E", 6), known=False),
    Row("the feed had a hole", holed, ("E", 6)),
    Row("the feed had a hole, and nothing was missed", holed, ("E", 9), []),
    Row("another history, and back", there_and_back, ("E", 6)),
    Row("from the history between", there_and_back, ("F", 1)),
    Row("somebody else counts, and joins events", counted, ("E", 6), [(7, 9)]),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_52_a_client_gets_what_it_missed_or_the_whole_state(row: Row) -> None:
    past = Past()
    row.happened(past)
    epoch, seq = row.position
    answer = past.hub.catch_up(Position(A, epoch, seq), 1)
    topic = past.hub.topic(A)
    if answer is None or topic is None:
        assert (answer, topic, row.known) == (None, None, False)
        return
    assert row.known
    assert len(answer) <= MAX_FRAME
    message = json.loads(answer)
    assert (message["epoch"], message["seq"]) == (topic.epoch, topic.seq)
    events = message["data"].get("events")
    if row.events is None:
        assert (message["data"]["recovered"], events) == (False, None)
        assert message["data"]["snapshot"] == topic.data
        return
    assert message["data"]["recovered"] is True
    assert [(event["from"], event["seq"]) for event in events] == row.events
    assert all(event["data"]["rows"] == event["seq"] for event in events)
    assert {event["epoch"] for event in events} <= {topic.epoch}


class Walk:
    """A page that asks while a task goes on, in one of many orders."""

    def __init__(self, chance: random.Random, *, eager: bool) -> None:
        self.chance = chance
        self.past = Past()
        self.rows = count(7)
        self.followed = Followed(A)
        self.page = Subscriber(self.past.hub, self._wake)
        self._eager = eager

    def happen(self) -> None:
        chance = self.chance
        for _ in range(chance.randrange(4)):
            status, urgent = chance.choice(["running", "running", "done"]), chance.random() < 0.5
            self.past.publish(next(self.rows), urgent=urgent, status=status)
            self.past.clock.advance(chance.choice([0, 0.1, 1]))

    def read(self, most: int) -> None:
        for _ in range(most):
            frame = self.page.take()
            if frame is not None:
                self.followed.apply(read_frame(frame))

    def ask(self) -> None:
        known = self.chance.choice([(None, 0), ("E", self.chance.randrange(1, 9))])
        self.followed.epoch, self.followed.seq = known
        self.page.answer(1, [Position(A, *known)])

    def _wake(self) -> None:
        if self._eager:
            self.read(9)


@pytest.mark.parametrize("eager", [False, True])
def test_row_53_nothing_falls_between_a_snapshot_and_what_follows(*, eager: bool) -> None:
    chance = random.Random(53)
    for _ in range(1_000):
        walk = Walk(chance, eager=eager)
        walk.happen()
        walk.ask()
        for _ in range(3):
            walk.happen()
            walk.read(chance.randrange(3))
        walk.past.clock.advance(1)
        walk.read(99)
        topic, followed = walk.past.hub.topic(A), walk.followed
        assert topic is not None
        # Who was up to date was told nothing.
        assert (followed.record or topic.data, followed.seq) == (topic.data, topic.seq)


@pytest.mark.parametrize("times", [50, pytest.param(1_000, marks=pytest.mark.faults)])
async def test_row_53_nothing_falls_between_them_on_a_real_socket(
    server: Server, report: Callable[..., Json], times: int
) -> None:
    body, registry = report(), server.services.registry
    await server.reported(body)
    page = await server.connect()
    await page.read_message()
    revision, ask = 1, {"tasks": [{"taskId": body["taskId"]}]}
    statuses = ("running", "paused")  # each change is pushed at once
    for _ in range(times):
        await page.write_message(json.dumps({"type": "subscribe", "id": 1, "data": ask}))
        last, followed = None, 0
        while followed < 2:
            revision += 1
            change = {"revision": revision, "rows": revision, "status": statuses[revision % 2]}
            await registry.report(body | change)
            frame = await page.read_message()
            message = json.loads(frame or "")
            if message["type"] == "subscribed":
                last = message["seq"]
            elif last is not None:
                assert message["from"] == last + 1
                last, followed = message["seq"], followed + 1
        await page.write_message(
            json.dumps({"type": "unsubscribe", "id": 2, "data": {"tasks": [body["taskId"]]}})
        )

"""The hub on a clock of its own: pushes, conflation, the end of jobs, and slow readers."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from frames import message as read
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_clock import Clock

from jupyter_server_ext.hub.hub import Hub
from jupyter_server_ext.hub.outbox import MAX_QUEUED
from jupyter_server_ext.hub.subscriber import MAX_TARGETS, MAX_TASKS, Subscriber
from progresswidget.protocol import ACTIVE, TERMINAL, MalformedError, Position, Target

if TYPE_CHECKING:
    from collections.abc import Callable

A, B = "a" * 32, "b" * 32


class Page:
    """A page: it reads when it is told to, and applies the client's rules of the protocol."""

    def __init__(self, hub: Hub, **more: Any) -> None:
        self.hub = hub
        self.woken = 0
        self.wakes: Callable[[], object] = lambda: None
        self.outbox = Subscriber(hub, self._wake, **more)
        self.frames: list[dict[str, Any]] = []
        self.state: dict[str, dict[str, Any]] = {}
        self.position: dict[str, tuple[str, int]] = {}

    def _wake(self) -> None:
        self.woken += 1
        self.wakes()

    def subscribe(self, *task_ids: str) -> None:
        self.outbox.answer(
            1, [Position(task, *self.position.get(task, (None, 0))) for task in task_ids]
        )

    def read(self, most: int = 10**9) -> list[dict[str, Any]]:
        new = []
        while len(new) < most and (frame := self.outbox.take()) is not None:
            message = read(frame)
            self._apply(message)
            new.append(message)
        self.frames += new
        return new

    def _apply(self, message: dict[str, Any]) -> None:
        task_id = message["data"].get("taskId", "")
        if message["type"] == "subscribed":
            if message["data"]["recovered"]:
                # It may have asked before it read what was on its way already.
                for event in message["data"]["events"]:
                    if event["seq"] > self.position[task_id][1]:
                        self._apply(event)
                assert self.position[task_id] == (message["epoch"], message["seq"])
            else:
                self.state[task_id] = message["data"]["snapshot"]
            self.position[task_id] = (message["epoch"], message["seq"])
        elif message["type"] in {"progress_update", "task_complete"}:
            epoch, last = self.position[task_id]
            assert message["epoch"] == epoch
            assert message["from"] == last + 1 <= message["seq"], "a gap or a repeat"
            assert (message["type"] == "task_complete") == (message["data"]["status"] in TERMINAL)
            self.state[task_id] = message["data"]
            self.position[task_id] = (epoch, message["seq"])
        elif message["type"] == "task_removed":
            self.state.pop(task_id, None)
            self.position.pop(task_id, None)


def make_hub() -> tuple[Hub, Clock]:
    clock = Clock()
    hub = Hub(epoch="E", interval=0.5, clock=clock, timestamp=lambda: int(clock.now * 1000))
    return hub, clock


def record(task_id: str = A, status: str = "running", **more: object) -> dict[str, Any]:
    return {"taskId": task_id, "status": status, **more}


def test_a_snapshot_first_and_then_what_is_newer() -> None:
    hub, clock = make_hub()
    hub.publish(A, record(rows=1), urgent=True)
    page = Page(hub)
    page.subscribe(A)
    hub.publish(A, record(rows=2), urgent=False)
    (answer,) = page.read()
    assert (answer["type"], answer["seq"], answer["re"]) == ("subscribed", 2, 1)
    assert answer["data"]["snapshot"]["rows"] == 2
    clock.advance(1)
    hub.publish(A, record(rows=3), urgent=False)
    assert [(event["from"], event["seq"]) for event in page.read()] == [(3, 3)]


def test_a_page_that_was_away_gets_what_it_missed() -> None:
    hub, clock = make_hub()
    hub.publish(A, record(rows=0), urgent=True)
    page = Page(hub)
    page.subscribe(A)
    page.read()
    page.outbox.close()
    for rows in (1, 2, 3):
        hub.publish(A, record(rows=rows), urgent=True)
    hub.publish(A, record(rows=4), urgent=False)
    hub.publish(A, record(rows=5), urgent=False)
    hub.publish(A, record(status="done", rows=6), urgent=True)
    hub.publish(A, record(rows=7), urgent=False)  # not pushed yet
    back = Page(hub)
    back.state, back.position = page.state, {A: ("E", 2)}
    back.subscribe(A)
    (answer,) = back.read()
    assert (answer["re"], answer["seq"], answer["data"]["recovered"]) == (1, 8, True)
    events = answer["data"]["events"]
    assert [(e["type"], e["from"], e["seq"], e["data"]["rows"]) for e in events] == [
        ("progress_update", 3, 3, 2),
        ("progress_update", 4, 4, 3),
        ("progress_update", 5, 6, 5),
        ("task_complete", 7, 7, 6),
        ("progress_update", 8, 8, 7),
    ]
    assert hub.replayed == 1
    clock.advance(1)
    assert back.read() == [], "the push finds it up to date"


def test_a_place_within_what_was_pushed_at_once_is_one_to_go_on_from() -> None:
    hub, clock = make_hub()
    for rows in range(4):
        hub.publish(A, record(rows=rows), urgent=False)
    clock.advance(1)
    answer = json.loads(hub.catch_up(Position(A, "E", 3), 7) or b"")
    (event,) = answer["data"]["events"]
    assert (event["from"], event["seq"], event["data"]["rows"]) == (4, 4, 3)


def test_another_history_begins_with_a_snapshot() -> None:
    hub, _ = make_hub()
    c = "c" * 32
    for task_id in (A, B):
        hub.publish(task_id, record(task_id, rows=1), urgent=True)
    page, late = Page(hub), Page(hub)
    page.subscribe(A, B)
    page.read()
    late.subscribe(A, c)
    hub.publish(A, record(rows=2), urgent=True)
    hub.rebase("F", {A: (70, record(rows=3)), c: (1, record(c))})
    messages = {message["data"]["taskId"]: message for message in page.read()}
    assert messages[B]["type"] == "task_removed"
    assert (messages[A]["re"], messages[A]["epoch"], messages[A]["seq"]) == (None, "F", 70)
    assert page.state == {A: record(rows=3)}
    assert [(message["re"], message["epoch"]) for message in late.read()] == [(1, "F"), (1, "F")]
    # Somebody else counts: what is known already, or of another history, changes nothing.
    for seq, epoch, told in [(70, "F", []), (71, "E", []), (71, "F", [71]), (75, "F", [75])]:
        hub.publish(A, record(rows=seq), urgent=True, seq=seq, epoch=epoch)
        assert [message["seq"] for message in page.read()] == told
    assert late.read()[-1]["seq"] == 75
    # And to the same one again, over a hole.
    hub.rebase("F", {A: (80, record(status="done"))})
    (message,) = page.read()
    assert (message["epoch"], message["seq"], message["re"]) == ("F", 80, None)
    assert [message["type"] for message in late.read()] == ["task_removed", "subscribed"]


def test_a_page_that_reads_on_while_the_history_changes_is_told_nothing_of_both() -> None:
    hub, _ = make_hub()
    for task_id in (A, B):
        hub.publish(task_id, record(task_id, rows=1), urgent=True)
    page = Page(hub)
    page.subscribe(A, B)
    page.read()
    for task_id in (B, A):
        hub.publish(task_id, record(task_id, rows=2), urgent=True)
    page.wakes = page.read  # from here on it takes whatever there is, as a socket does
    hub.rebase("F", {A: (5, record(A, rows=3)), B: (7, record(B, rows=3))})
    assert {message["type"] for message in page.frames[2:]} == {"subscribed"}
    assert page.position == {A: ("F", 5), B: ("F", 7)}


def test_who_has_lost_the_thread_begins_anew_whatever_it_has_asked() -> None:
    hub, _ = make_hub()
    hub.publish(A, record(rows=1), urgent=True)
    page = Page(hub)
    page.subscribe(A)
    page.read()
    hub.rebase("F", {A: (1, record(rows=2))})
    page.read()
    hub.rebase("E", {A: (1, record(rows=1))})
    # The question had left before the page learnt of the other history.
    page.outbox.answer(7, [Position(A, "E", 1)])
    (answer,) = page.read()
    assert (answer["re"], answer["data"]["recovered"]) == (7, False)


def test_a_feed_that_repeats_itself_changes_nothing() -> None:
    hub, _ = make_hub()
    states = {5: record(rows=5), 6: None, 7: record(rows=7), 8: None}

    def feed(seq: int) -> None:
        state = states[seq]
        if state is None:
            hub.remove(A, seq=seq, epoch="E")
        else:
            hub.publish(A, state, urgent=True, seq=seq, epoch="E")

    for seq, rest in ((5, []), (6, [5]), (7, [5, 6]), (8, [5, 6, 7])):
        feed(seq)
        topic = hub.topic(A)
        for again in [*rest, seq]:
            feed(again)
            assert hub.topic(A) is topic
    hub.remove(A, seq=9, epoch="of another history")
    hub.publish(A, record(rows=9), urgent=True, seq=9, epoch="E")
    assert hub.topic(A) is not None


def test_what_was_forgotten_is_never_taken_for_what_comes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jupyter_server_ext.hub.removed._REMEMBERED", 1)
    hub, _ = make_hub()
    for rows in range(5):
        hub.publish(A, record(rows=rows), urgent=True)
    for task_id in (A, B):
        hub.publish(task_id, record(task_id), urgent=True)
        hub.remove(task_id)
    hub.publish(A, record(rows=1), urgent=True)
    topic = hub.topic(A)
    assert topic is not None
    assert topic.seq > 6
    answer = json.loads(hub.catch_up(Position(A, "E", 6)) or b"")
    assert answer["data"]["recovered"] is False


def test_an_unknown_task_is_an_error_with_its_id() -> None:
    hub, _ = make_hub()
    page = Page(hub)
    page.subscribe(A)
    (answer,) = page.read()
    assert (answer["type"], answer["re"]) == ("error", 1)
    assert answer["data"]["code"] == "task-not-found"
    assert answer["data"]["taskId"] == A
    assert page.outbox.tasks == 0


def test_a_task_that_appears_before_the_answer_is_told_of() -> None:
    hub, clock = make_hub()
    page = Page(hub)
    page.subscribe(A)
    hub.publish(A, record(rows=1), urgent=True)
    assert page.read()[0]["type"] == "subscribed"
    clock.advance(1)
    hub.publish(A, record(rows=2), urgent=False)
    assert page.read()[0]["data"]["rows"] == 2


def test_progress_is_pushed_once_an_interval_at_its_end() -> None:
    hub, clock = make_hub()
    hub.publish(A, record(rows=0), urgent=True)
    page = Page(hub)
    page.subscribe(A)
    page.read()
    pushes = []
    for tick in range(1, 101):  # ten seconds, ten reports a second
        clock.advance(0.1)
        hub.publish(A, record(rows=tick), urgent=False)
        pushes += [(round(clock.now, 1), message) for message in page.read()]
    clock.advance(0.5)
    pushes += [(clock.now, message) for message in page.read()]
    times = [at for at, _ in pushes]
    assert all(later - earlier >= 0.5 - 1e-6 for earlier, later in pairwise(times))
    assert 19 <= len(pushes) <= 21
    assert page.state[A]["rows"] == 100, "the last one is not forgotten"


def test_urgent_news_do_not_wait_and_put_off_the_next_push() -> None:
    hub, clock = make_hub()
    hub.publish(A, record(), urgent=True)
    page = Page(hub)
    page.subscribe(A)
    page.read()
    clock.advance(0.1)
    hub.publish(A, record(rows=1), urgent=False)
    assert page.read() == []
    clock.advance(0.1)
    hub.publish(A, record(status="paused", rows=2), urgent=True)
    (event,) = page.read()
    assert (event["from"], event["seq"], event["data"]["rows"]) == (2, 3, 2)
    hub.publish(A, record(status="paused", rows=3), urgent=False)
    clock.advance(0.4)
    assert page.read() == []
    clock.advance(0.1)
    assert page.read()[0]["data"]["rows"] == 3


def test_the_end_is_never_conflated_with_what_came_before() -> None:
    hub, clock = make_hub()
    hub.publish(A, record(rows=0), urgent=True)
    page = Page(hub)
    page.subscribe(A)
    page.read()
    clock.advance(0.1)
    hub.publish(A, record(rows=1), urgent=False)
    hub.publish(A, record(rows=2), urgent=False)
    hub.publish(A, record(status="done", rows=3), urgent=True)
    # The reader was away meanwhile; the job even came back.
    hub.publish(A, record(status="running", rows=4), urgent=True)
    events = page.read()
    assert [(e["type"], e["from"], e["seq"], e["data"]["rows"]) for e in events] == [
        ("progress_update", 2, 3, 2),
        ("task_complete", 4, 4, 3),
        ("progress_update", 5, 5, 4),
    ]


def test_a_removed_task_is_told_and_then_unknown() -> None:
    hub, _ = make_hub()
    hub.publish(A, record(), urgent=True)
    page, late = Page(hub), Page(hub)
    page.subscribe(A)
    page.read()
    late.subscribe(A)
    hub.remove(A)
    assert [message["type"] for message in page.read()] == ["task_removed"]
    assert [message["type"] for message in late.read()] == ["error", "task_removed"]
    hub.publish(A, record(), urgent=True)
    assert page.read() == []


def test_silence_after_unsubscribing() -> None:
    hub, clock = make_hub()
    for task_id in (A, B):
        hub.publish(task_id, record(task_id), urgent=True)
    page = Page(hub)
    page.subscribe(A, B)
    page.outbox.forget([A])
    assert [message["data"]["taskId"] for message in page.read()] == [B]
    clock.advance(1)
    for task_id in (A, B):
        hub.publish(task_id, record(task_id, "done"), urgent=True)
    assert [message["data"]["taskId"] for message in page.read()] == [B]
    page.outbox.close()
    hub.publish(B, record(B, "failed"), urgent=True)
    assert page.read() == []
    assert all(hub.topic(task_id).listeners == set() for task_id in (A, B))  # type: ignore[union-attr]


def test_a_reader_that_does_not_read_costs_one_mark_a_task() -> None:
    hub, clock = make_hub()
    hub.publish(A, record(), urgent=True)
    page = Page(hub)
    page.subscribe(A)
    page.read()
    for tick in range(10_000):
        clock.advance(1)
        hub.publish(A, record(rows=tick, filler="x" * 1000), urgent=False)
    assert len(page.outbox._queue) == 0
    assert len(page.outbox._marked) == 1
    (event,) = page.read()
    assert (event["from"], event["seq"], event["data"]["rows"]) == (2, 10_001, 9_999)


def flood(hub: Hub, times: int, task_id: str = A) -> None:
    for tick in range(times):
        status = "running" if tick % 2 else "interrupted"
        hub.publish(task_id, record(task_id, status, rows=tick, filler="x" * 2000), urgent=True)


def test_ends_that_are_too_many_give_way_to_a_snapshot() -> None:
    hub, _ = make_hub()
    for task_id in (A, B):
        hub.publish(task_id, record(task_id), urgent=True)
    page = Page(hub)
    page.subscribe(A, B)
    page.read()
    hub.publish(B, record(B, "done"), urgent=True)
    flood(hub, 2_001)
    assert page.outbox._queue.size <= MAX_QUEUED
    assert (hub.overflows, page.outbox.overflowed) == (1, False)
    messages = page.read()
    snapshots = [message for message in messages if message["type"] == "subscribed"]
    assert all(message["re"] is None for message in snapshots)
    assert {message["data"]["taskId"] for message in snapshots} == {A, B}
    assert page.state[A] == hub.topic(A).data  # type: ignore[union-attr]
    assert page.state[B]["status"] == "done"
    # From there on it goes on as for everybody.
    hub.publish(A, record(rows=-1), urgent=True)
    assert [message["type"] for message in page.read()] == ["progress_update"]


def test_a_reader_that_is_stuck_is_given_up_after_a_while() -> None:
    hub, clock = make_hub()
    hub.publish(A, record(), urgent=True)
    stuck, slow = Page(hub), Page(hub)
    for page in (stuck, slow):
        page.subscribe(A)
        page.read()
    for tick in range(100):
        clock.advance(1)
        hub.publish(A, record(rows=tick), urgent=True)
        if tick % 20 == 0:
            slow.read(1)
        # From the second that it had to wait for on.
        assert stuck.outbox.overflowed == (tick - 1 > 30)
    assert not slow.outbox.overflowed


def test_what_was_taken_back_has_not_waited() -> None:
    hub, clock = make_hub()
    for task_id in (A, B):
        hub.publish(task_id, record(task_id), urgent=True)
    page = Page(hub)
    page.subscribe(A, B)  # two that wait
    page.outbox.forget([A, B])
    clock.advance(60)
    page.subscribe(A, B)
    assert not page.outbox.overflowed


def test_what_nothing_can_replace_has_an_end() -> None:
    hub, _ = make_hub()
    page = Page(hub)
    while not page.outbox.overflowed:
        page.outbox.send({"type": "pong", "re": 1, "data": {}})
    assert page.outbox._queue.size <= MAX_QUEUED + 100
    woken, queued = page.woken, page.outbox._queue.size
    page.outbox.send({"type": "pong", "re": 2, "data": {}})
    assert page.woken > woken, "whoever closes the connection is told again"
    assert page.outbox._queue.size == queued


def test_ten_thousand_subscriptions_stay_bounded() -> None:
    hub, _ = make_hub()
    names = [f"{number:032x}" for number in range(MAX_TASKS)]
    for name in names:
        hub.publish(name, record(name), urgent=True)
    page = Page(hub)
    page.subscribe(*names)
    assert len(page.read()) == MAX_TASKS
    for name in names:
        hub.publish(name, record(name, "done", filler="x" * 300), urgent=True)
    assert page.outbox._queue.size <= MAX_QUEUED
    assert not page.outbox.overflowed
    assert len(page.read()) == MAX_TASKS
    assert all(page.state[name]["status"] == "done" for name in names)
    for name in names:
        hub.remove(name)
    assert not page.outbox.overflowed
    assert len(page.read()) == MAX_TASKS
    assert page.state == {}


def test_the_answers_to_one_question_leave_together() -> None:
    hub, _ = make_hub()
    names = [f"{number:032x}" for number in range(10)]
    for name in names:
        hub.publish(name, record(name), urgent=True)
    page = Page(hub)
    page.subscribe(*names)
    assert page.woken == 1, "each time is a call of the system"
    assert len(page.read()) == 10


def test_readers_that_are_equally_far_share_one_frame() -> None:
    hub, clock = make_hub()
    hub.publish(A, record(), urgent=True)
    pages = [Page(hub) for _ in range(3)]
    for page in pages:
        page.subscribe(A)
        page.read()
    clock.advance(1)
    hub.publish(A, record(rows=1), urgent=False)
    frames = [page.outbox.take() for page in pages]
    assert frames[0] is frames[1] is frames[2]


def test_a_target_brings_what_belongs_to_it_now_and_later() -> None:
    hub, _ = make_hub()
    names = [f"{number:032x}" for number in range(5)]
    hub.publish(names[0], record(names[0], notebook="a.ipynb"), urgent=True)
    hub.publish(names[1], record(names[1], notebook="b.ipynb"), urgent=True)
    page = Page(hub)
    page.outbox.follow(4, Target(notebook="a.ipynb"))
    watching, answer = page.read()
    assert (watching["type"], watching["re"]) == ("watching", 4)
    assert watching["data"] == {"notebook": "a.ipynb", "tasks": 1}
    assert (answer["re"], answer["data"]["taskId"]) == (4, names[0])
    # One that begins later, one that is found to belong to it, and two that never do.
    hub.publish(names[2], record(names[2], notebook="a.ipynb"), urgent=True)
    hub.publish(names[3], record(names[3], notebook=None), urgent=True)
    hub.publish(names[4], record(names[4], notebook="b.ipynb"), urgent=True)
    hub.publish(names[3], record(names[3], notebook="a.ipynb"), urgent=False)
    told = page.read()
    assert [(message["type"], message["re"]) for message in told] == [("subscribed", None)] * 2
    assert [message["data"]["taskId"] for message in told] == names[2:4]
    hub.publish(names[3], record(names[3], "done", notebook="a.ipynb"), urgent=True)
    assert [message["type"] for message in page.read()] == ["task_complete"]
    # All of them: those that it has are not told again.
    page.outbox.follow(5, Target())
    assert page.read()[0]["data"] == {"all": True, "tasks": 2}
    page.outbox.unfollow(Target())
    for name in names:
        hub.publish(name, record(name, rows=1, notebook="a.ipynb"), urgent=True)
    page.read()
    assert page.outbox.tasks == 5
    page.outbox.unfollow(Target(notebook="a.ipynb"))
    assert page.outbox.tasks == 0
    hub.publish("f" * 32, record("f" * 32, notebook="a.ipynb"), urgent=True)
    assert page.read() == []


def test_the_parts_of_a_task_are_told_of_as_they_come() -> None:
    hub, _ = make_hub()
    group = "e" * 32
    hub.publish(A, record(A, parent=group), urgent=True)
    hub.publish(group, record(group, kind="group"), urgent=True)
    page = Page(hub)
    page.outbox.follow(1, Target(parent=group))
    assert page.read()[0]["data"] == {"parent": group, "tasks": 1}
    hub.publish(B, record(B, parent="d" * 32), urgent=True)
    hub.publish("c" * 32, record("c" * 32, parent=group), urgent=True)
    page.read()
    assert set(page.state) == {A, "c" * 32}
    page.outbox.unfollow(Target(parent=group))
    assert page.outbox.tasks == 0


def test_ones_own_tasks_are_those_of_nobody_else() -> None:
    hub, _ = make_hub()
    hub.publish(A, record(userId="bob"), urgent=True)
    hub.publish(B, record(B), urgent=True)
    for user, tasks in [("alice", {B}), ("bob", {A, B})]:
        page = Page(hub, user=user)
        page.outbox.follow(1, Target(own=True))
        page.read()
        assert set(page.state) == tasks


def test_targets_and_their_tasks_have_an_end() -> None:
    hub, _ = make_hub()
    page = Page(hub)
    for number in range(MAX_TARGETS):
        page.outbox.follow(number, Target(notebook=str(number)))
    with pytest.raises(MalformedError, match="at most") as caught:
        page.outbox.follow(1000, Target())
    assert (caught.value.code, caught.value.re) == ("too-many", 1000)
    names = [f"{number:032x}" for number in range(MAX_TASKS + 1)]
    for name in names:
        hub.publish(name, record(name, notebook="0"), urgent=True)
    last = page.read()[MAX_TARGETS]
    assert (last["type"], last["data"]["code"], last["data"]["taskId"]) == (
        "error",
        "too-many",
        names[-1],
    )
    assert page.outbox.tasks == MAX_TASKS
    with pytest.raises(MalformedError):
        Page(hub).outbox.follow(1, Target())


def test_what_may_not_be_seen_is_as_if_it_were_not_there() -> None:
    hub, _ = make_hub()
    mine, theirs = "mine.ipynb", "theirs.ipynb"
    for task_id, notebook in ((A, mine), (B, theirs)):
        hub.publish(task_id, record(task_id, notebook=notebook), urgent=True)
    page = Page(hub, sees=lambda record: record["notebook"] == mine)
    page.subscribe(A, B, "c" * 32)
    seen, *refused = page.read()
    assert seen["data"]["taskId"] == A
    for message in refused:
        message["data"].pop("taskId")
    assert refused[0] == refused[1]
    page.outbox.follow(2, Target())
    assert page.read()[0]["data"]["tasks"] == 0
    page.subscribe(B)
    for status in ("paused", "done"):
        hub.publish(B, record(B, status, notebook=theirs), urgent=True)
    hub.remove(B)
    assert [message["type"] for message in page.read()] == ["error"]
    # What moves away is gone, and what moves here is told.
    hub.publish(A, record(A, "done", notebook=theirs, secret=True), urgent=True)
    assert [message["type"] for message in page.read()] == ["task_removed"]
    hub.publish(A, record(A, "done", notebook=mine), urgent=True)
    assert [message["type"] for message in page.read()] == ["subscribed"]
    hub.rebase("F", {A: (1, record(A, notebook=theirs)), B: (1, record(B, notebook=mine))})
    assert [message["type"] for message in page.read()] == ["task_removed", "subscribed"]


def test_a_right_that_becomes_known_later_counts_from_then_on() -> None:
    hub, _ = make_hub()
    rights: set[str] = set()
    hub.publish(A, record(), urgent=True)
    page = Page(hub, sees=lambda record: record["taskId"] in rights)
    page.outbox.follow(1, Target())
    page.read()
    for known, told in (({A}, "subscribed"), (set[str](), "task_removed")):
        rights.clear()
        rights.update(known)
        page.outbox.reconsider(A)
        assert [message["type"] for message in page.read()] == [told]


steps = st.lists(
    st.tuples(
        st.just("publish"), st.sampled_from([A, B]), st.sampled_from(sorted(ACTIVE | TERMINAL))
    )
    | st.tuples(st.just("remove"), st.sampled_from([A, B]), st.none())
    | st.tuples(st.just("advance"), st.floats(0, 1), st.none())
    | st.tuples(st.just("read"), st.integers(0, 3), st.integers(1, 3))
    | st.tuples(st.just("subscribe"), st.integers(0, 3), st.sampled_from([A, B]))
    | st.tuples(st.just("forget"), st.integers(0, 3), st.sampled_from([A, B])),
    max_size=60,
)


def test_a_page_that_asked_twice_is_not_told_of_the_next_task_of_that_name() -> None:
    hub, _ = make_hub()
    hub.publish(A, record(), urgent=True)
    page = Page(hub)
    page.subscribe(A)
    page.subscribe(A)
    page.read(1)
    hub.remove(A)
    hub.publish(A, record(), urgent=True)
    assert [message["type"] for message in page.read()] == ["error", "task_removed"]
    assert page.outbox.tasks == 0


def test_a_task_that_comes_back_goes_on_counting() -> None:
    hub, _ = make_hub()
    hub.publish(A, record(rows=1), urgent=True)
    page = Page(hub)
    page.subscribe(A)
    page.read()
    hub.remove(A)
    hub.publish(A, record(rows=2), urgent=True)
    page.subscribe(A)  # with the position it had before it has read of the removal
    page.read()
    assert page.state[A]["rows"] == 2
    assert page.position[A] == ("E", 2)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_whatever_happens_every_page_ends_with_the_truth(plan: list[tuple[str, Any, Any]]) -> None:
    hub, clock = make_hub()
    pages = [Page(hub) for _ in range(4)]
    for page in pages:
        page.subscribe(A, B)
    status: dict[str, str] = {}
    for number, (step, first, second) in enumerate(plan):
        if step == "publish":
            urgent = status.get(first) != second
            status[first] = second
            hub.publish(first, record(first, second, rows=number), urgent=urgent)
        elif step == "remove":
            status.pop(first, None)
            hub.remove(first)
        elif step == "advance":
            clock.advance(first)
        elif step == "read":
            pages[first].read(second)
        elif step == "subscribe":
            pages[first].subscribe(second)
        else:
            pages[first].outbox.forget([second])
    clock.advance(10)
    for page in pages:
        page.read()
        told = [task for task in (A, B) if task in page.outbox._told]
        for task_id in told:
            topic = hub.topic(task_id)
            assert topic is not None
            assert page.state[task_id] == topic.data
            assert page.position[task_id] == ("E", topic.seq)

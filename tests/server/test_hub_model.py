"""The hub in a bad world: whatever happens, every page shows the truth, and nothing but it.

`hub_world` holds the rules that are checked at each step; here is what may happen.
"""

from __future__ import annotations

from typing import Any

import pytest
from hub_world import OWN, SHARED, TASKS, World
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

tasks = st.sampled_from(TASKS)
pages = st.integers(0, 4)
servers = st.integers(0, 1)
some = st.integers(1, 9)
statuses = st.sampled_from(["running", "running", "running", "paused", "done", "failed"])
notebooks = st.sampled_from([SHARED, SHARED, SHARED, OWN])
fillers = st.sampled_from([0, 0, 100, 400])
reports = st.lists(st.tuples(tasks, statuses, fillers), min_size=1, max_size=6)


class Model(RuleBasedStateMachine):
    """Two servers and a broker, five pages of two users, and everything that can go wrong."""

    @initialize(places=st.tuples(*[notebooks] * len(TASKS)))
    def begin(self, places: tuple[str, ...]) -> None:
        self.world = World()
        for task, place in zip(TASKS, places, strict=True):
            self.world.change(task, "running", place, urgent=True, filler=0)
        for number, page in enumerate(self.world.pages):
            self.world.connect(page, self.world.servers[number % 2], eager=number % 3 == 0)
        self.world.feed()
        self.world.deliver()

    # --- What is meant to happen ---

    @rule(reports=reports, urgent=st.booleans(), fed=st.booleans())
    def report(self, *, reports: list[tuple[str, str, int]], urgent: bool, fed: bool) -> None:
        for task, status, filler in reports:
            known = self.world.truth.get(task)
            place = SHARED if known is None else known["notebook"]
            self.world.change(task, status, place, urgent=urgent, filler=filler)
            if fed:
                self.world.feed(urgent=urgent)

    @rule(server=servers, most=some, urgent=st.booleans())
    def feed(self, *, server: int, most: int, urgent: bool) -> None:
        self.world.servers[server].feed(most, urgent=urgent)

    @rule(page=pages, heard=some, told=some, read=st.integers(0, 9))
    def move(self, page: int, heard: int, told: int, read: int) -> None:
        self.world.pages[page].move(heard, told, read)

    @rule()
    def flow(self) -> None:
        self.world.feed()
        self.world.deliver()

    @rule(seconds=st.sampled_from([0.1, 0.5, 3.0]))
    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(task=tasks, place=notebooks, wish=st.sampled_from(["move", "remove", "renew"]))
    def manage(self, task: str, place: str, wish: str) -> None:
        known = self.world.truth.get(task)
        if wish != "move":
            self.world.remove(task)
        if wish != "remove" and known is not None:
            self.world.change(task, known["status"], place, urgent=False, filler=0)

    @rule(page=pages, task=tasks, wish=st.sampled_from(["ask", "drop", "follow", "lie"]))
    def wish(self, page: int, task: str, wish: str) -> None:
        getattr(self.world.pages[page], wish)(task)

    # --- What is not ---

    @rule(page=pages, server=servers, eager=st.booleans())
    def connect(self, *, page: int, server: int, eager: bool) -> None:
        self.world.connect(self.world.pages[page], self.world.servers[server], eager=eager)

    @rule(page=pages, reports=reports, urgent=st.booleans(), eager=st.booleans())
    def blink(
        self, *, page: int, reports: list[tuple[str, str, int]], urgent: bool, eager: bool
    ) -> None:
        blinking = self.world.pages[page]
        connection = blinking.connection
        if connection is not None:
            blinking.cut()
            self.report(reports=reports, urgent=urgent, fed=True)
            self.world.connect(blinking, connection.server, eager=eager)
            blinking.move(9, 9, 9)

    @rule(page=pages, number=st.integers(0, 9), noticed=st.booleans())
    def cut(self, *, page: int, number: int, noticed: bool) -> None:
        self.world.pages[page].cut()
        lost = [connection for connection in self.world.connections if connection.is_lost]
        if noticed and number < len(lost):
            lost[number].leave()

    @rule(number=servers, trouble=st.sampled_from(["start", "lose_broker", "rejoin"]))
    def trouble(self, number: int, trouble: str) -> None:
        server = self.world.servers[number]
        if server.is_alone and trouble != "start":
            server.find_broker()
        else:
            getattr(server, trouble)()

    @rule(number=servers, entries=some, last=some, reset=st.sampled_from([False, False, True]))
    def repeat(self, *, number: int, entries: int, last: int, reset: bool) -> None:
        if reset:
            self.world.reset_broker()
        else:
            self.world.servers[number].repeat(entries, last)

    # --- What must hold ---

    @invariant()
    def is_bounded(self) -> None:
        self.world.sweep()

    @rule()
    def settle(self) -> None:
        self.world.settle()
        self.world.compare()

    def teardown(self) -> None:
        self.settle()


def run(model: type[Model] = Model, **more: Any) -> None:
    profile = settings(deadline=None, report_multiple_bugs=False, **more)
    run_state_machine_as_test(model, settings=profile)  # type: ignore[no-untyped-call]


def test_a_late_answer_is_none_to_who_asked_anew() -> None:
    model = Model()
    model.begin(places=(SHARED,) * len(TASKS))
    # More questions than the socket takes answers at once.
    for _ in range(10):
        model.wish(page=0, task=TASKS[0], wish="ask")
    model.wish(page=0, task=TASKS[0], wish="drop")
    model.wish(page=0, task=TASKS[0], wish="follow")
    model.teardown()


def test_every_page_shows_the_truth() -> None:
    run(max_examples=100, stateful_step_count=60)


# 5,000 walks in parts: each ends in minutes, and what has been walked is told as it goes on.
@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(50))
def test_every_page_shows_the_truth_for_long(part: int) -> None:
    run(seed(part)(type("Walks", (Model,), {})), max_examples=100, stateful_step_count=150)

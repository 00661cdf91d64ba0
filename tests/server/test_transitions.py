"""Every state and every event, written out a second time; and reports that go astray."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import make_report

from jupyter_server_ext.model import decisions, transitions
from jupyter_server_ext.model.job import Job, Placed
from jupyter_server_ext.model.transitions import (
    STATES,
    TABLE,
    UNKNOWN,
    ActiveError,
    EndedError,
    IllegalTransitionError,
    RefusedError,
    UnknownError,
)
from progresswidget.protocol import ACTIONS, ACTIVE, STATUSES, TERMINAL, Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Server

    from progresswidget.protocol import Json

    Report = Callable[..., Json]

TASK = "a" * 32
FILE = Placed("/data/a.csv", Fingerprint(1, 2, 3, 4, 5))

STATE: Final = {
    "u": "unknown",
    "q": "queued",
    "r": "running",
    "p": "paused",
    "i": "interrupted",
    "d": "done",
    "f": "failed",
    "c": "cancelled",
}
# Per event who causes it, and per state what follows: "=" the same state, "-" a refusal.
GRID: Final = """
                                 u q r p i d f c
reports queued           kernel  q = - - q - - -
reports running          kernel  r r = r r - - -
reports paused           kernel  p p p = p - - -
reports interrupted      kernel  i i i i = - - -
reports done             kernel  d d d d d = - -
reports failed           kernel  f f f f f - = -
reports cancelled        kernel  c c c c c - - =
runs again, queued       kernel  - = q q q q q q
runs again, running      kernel  - r = r r r r r
runs again, paused       kernel  - p p = p p p p
runs again, interrupted  kernel  - i i i = i i i
runs again, done         kernel  - d d d d = d d
runs again, failed       kernel  - f f f f f = f
runs again, cancelled    kernel  - c c c c c c =
lost                     server  - i i i = = = =
placed                   server  - = = = = = - -
located                  server  - = = = = = = =
expired                  server  - - - - u u u u
asks to pause            user    - = = = - - - -
asks to resume           user    - = = = - - - -
asks to cancel           user    - = = = - - - -
removed                  user    - - - - u u u u
"""


def rows() -> Iterator[tuple[str, str, list[str]]]:
    """Yield events, who causes them, and what follows."""
    for line in GRID.strip().splitlines()[1:]:
        words = line.split()
        yield " ".join(words[:-9]), words[-9], words[-8:]


def grid() -> dict[tuple[str, str], str | None]:
    """Return the grid as a table of its own: what follows, or None."""
    cells: dict[tuple[str, str], str | None] = {}
    for event, _, followers in rows():
        for state, follower in zip(STATE.values(), followers, strict=True):
            cells[state, event] = state if follower == "=" else STATE.get(follower)
    return cells


def test_the_grid_is_whole() -> None:
    assert set(grid()) == set(product(STATES, TABLE))
    assert {event: actor for event, actor, _ in rows()} == {
        event: row.by for event, row in TABLE.items()
    }
    assert set(STATE.values()) == STATES == STATUSES | {UNKNOWN}


@pytest.mark.parametrize(("state", "event"), sorted(product(STATES, TABLE)))
def test_every_event_in_every_state(state: str, event: str) -> None:
    follower = grid()[state, event]
    if follower is not None:
        assert transitions.after(state, event) == follower
        assert happened(state, event) == follower
        return
    with pytest.raises(RefusedError) as caught:
        transitions.after(state, event)
    error = caught.value
    assert (error.state, error.event) == (state, event)
    assert str(error)
    expected: type[RefusedError] = EndedError if state in TERMINAL else ActiveError
    if state == UNKNOWN:
        expected = UnknownError
    elif TABLE[event].by == "kernel":
        expected = IllegalTransitionError
    assert type(error) is expected
    if state != UNKNOWN and event not in {transitions.EXPIRED, transitions.REMOVED}:
        with pytest.raises(expected):
            happened(state, event)


def happened(state: str, event: str) -> str:
    """Let an event happen to a real record, and return the state that it has then."""
    job = None
    if state != UNKNOWN:
        job = Job(make_report(TASK, status=state, revision=5), updated=1)
    words = event.replace(",", "").split()
    if words[0] == "reports":
        return decisions.reported(job, make_report(TASK, status=words[1], revision=6), 2).status
    assert job is not None
    if words[0] == "runs":
        again = make_report(TASK, status=words[2], revision=1, generation=2)
        return decisions.reported(job, again, 2).status
    if words[0] == "asks":
        return decisions.asked(job, words[2], "c", 2).status  # type: ignore[arg-type]
    calls: dict[str, Callable[[], Job]] = {
        transitions.LOST: lambda: decisions.interrupted(job, "kernel-died", 2),
        transitions.PLACED: lambda: decisions.placed(job, FILE, 2),
        transitions.LOCATED: lambda: decisions.located(job, "b.ipynb", 2),
    }
    return calls[event]().status if event in calls else transitions.after(state, event)


def test_nothing_but_a_new_run_leads_out_of_an_end() -> None:
    for state in ("done", "failed", "cancelled"):
        for event, row in TABLE.items():
            if not event.startswith("runs again"):
                assert row.moves.get(state, state) in {state, UNKNOWN}, event


@pytest.mark.parametrize("status", sorted(ACTIVE))
async def test_only_who_may_cause_an_event_can(server: Server, report: Report, status: str) -> None:
    body = report(status=status)
    task = f"api/jobs/{body['taskId']}"
    await server.reported(body)
    secret = {"Authorization": f"Kernel {server.services.secret}"}
    # A user's token reports nothing, and a kernel's secret neither steers nor forgets.
    later = json.dumps(body | {"revision": 2, "status": "failed"})
    assert (await server.fetch(task, method="PUT", body=later)).code in {401, 403}
    for action in sorted(ACTIONS):
        wish = json.dumps({"action": action})
        answer = await server.fetch(task, token=False, headers=secret, method="POST", body=wish)
        assert answer.code == 403
        assert (await server.ask(body["taskId"], action)).code == 202
    answer = await server.fetch(task, token=False, headers=secret, method="DELETE")
    assert answer.code == 403
    assert (await server.fetch(task, method="DELETE")).code == 409
    assert (await server.job(body["taskId"]))["status"] == status


# --- Reports that are lost, repeated and reordered --------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[Json]:
    """Draw all that a job says of itself in its life: runs, each with at most one end."""
    said = []
    for generation in range(1, draw(st.integers(1, 3)) + 1):
        statuses = draw(st.lists(st.sampled_from(["running", "paused"]), max_size=5))
        if draw(st.booleans()):
            statuses.insert(0, "queued")
        end = draw(st.sampled_from([None, *sorted(TERMINAL)]))
        statuses += [end] if end else []
        for revision, status in enumerate(statuses, 1):
            rows = 1000 * generation + revision
            said.append(
                make_report(
                    TASK, status=status, generation=generation, revision=revision, rows=rows
                )
            )
    return said or [make_report(TASK)]


def order(report: Json) -> tuple[int, int]:
    return report["generation"], report["revision"]


@settings(deadline=None)
@given(st.data())
def test_the_record_is_the_newest_report_whatever_became_of_the_others(data: st.DataObject) -> None:
    said = data.draw(histories())
    arrived = data.draw(st.lists(st.sampled_from(said), min_size=1, max_size=30))
    job, ends, seen = None, [], (0, 0)
    for report in arrived:
        new = decisions.reported(job, report, 1)
        if order(report) <= seen:
            assert new is job, "what is old changes nothing, and nothing is told of it"
        else:
            seen = order(report)
            if not new.active:
                ends.append((new.report["generation"], new.status))
        job = new
    assert job is not None
    assert job.report == max(arrived, key=order)
    runs = [generation for generation, _ in ends]
    assert len(runs) == len(set(runs)), "no run ends twice"


@settings(deadline=None)
@given(st.data())
def test_a_guess_of_the_server_never_outlives_the_jobs_own_word(data: st.DataObject) -> None:
    said = [report for report in data.draw(histories()) if report["generation"] == 1]
    said = said or [make_report(TASK)]
    job = decisions.reported(None, said[0], 1)
    newest = said[0]
    for _ in range(data.draw(st.integers(0, 20))):
        step = data.draw(st.sampled_from(["report", "lost", "silent", "wish"]))
        if step == "report":
            report = data.draw(st.sampled_from(said))
            job = decisions.reported(job, report, 2)
            newest = max(newest, report, key=order)
        elif step == "wish" and job.active:
            job = decisions.asked(job, "pause", "c", 2)
        else:
            code = "kernel-silent" if step == "silent" else "kernel-died"
            job = decisions.interrupted(job, code, 3)
        assert job.status in {newest["status"], "interrupted"}
        assert order(job.report) == order(newest)
    # The end is sent until it is answered, so it comes in the end, and it stands.
    if newest["status"] not in TERMINAL:
        newest = newest | {"revision": 99, "status": "failed"}
    job = decisions.reported(replace(job, pending=None), newest, 4)
    assert job.status in {newest["status"], "interrupted"}
    if newest["revision"] == 99:
        assert (job.status, job.report) == ("failed", newest)


async def test_a_last_report_that_is_sent_again_is_told_once(
    server: Server, report: Report
) -> None:
    body = report()
    await server.reported(body)
    page = await server.connect()
    subscribe = {"type": "subscribe", "id": 1, "data": {"tasks": [{"taskId": body["taskId"]}]}}
    await page.write_message(json.dumps(subscribe))
    end = body | {"revision": 2, "status": "failed"}
    # Its answer was lost, and then some; an older one arrives late in between.
    for late in (end, end, body, end):
        await server.reported(late)
    await page.write_message(json.dumps({"type": "ping", "id": 2}))
    told: list[Any] = []
    while not told or told[-1]["type"] != "pong":
        text = await page.read_message()
        assert text is not None
        told.append(json.loads(text))
    ends = [message for message in told if message["type"] == "task_complete"]
    assert len(ends) == 1
    assert ends[0]["data"]["status"] == "failed"

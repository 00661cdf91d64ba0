"""The live channel of all jobs by plain HTTP: everything once, and then what has changed."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.auth import Authorizer

from jupyter_server_ext.http.access import JobResource
from jupyter_server_ext.hub.changes import Changes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from conftest import Server

    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]

A, B, C = "a" * 32, "b" * 32, "c" * 32


# --- The record of changes -------------------------------------------------------------------


def record(task_id: str) -> Json:
    return {"taskId": task_id}


steps = st.lists(
    st.tuples(
        st.sampled_from(["changed", "removed", "transfer", "restart", "ask"]), st.integers(0, 3)
    )
)


class Visitor:
    """Somebody who asks now and then, and what he knows."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.known: dict[str, int] = {}
        self.heard: dict[str, int] = {}
        self.place = -1

    def ask(self, truth: dict[str, int], moves: dict[str, int]) -> None:
        news = self.changes.since(self.place)
        self.place = self.changes.count
        if news is None:
            self.known, self.heard = dict(truth), dict(moves)
            return
        for gone in news.gone:
            if gone["taskId"] not in truth:
                self.known.pop(gone["taskId"], None)
        self.known.update({task_id: truth[task_id] for task_id in news.tasks})
        self.heard.update({state["name"]: state["at"] for _, state in news.transfers})


@given(steps)
def test_who_asks_again_and_again_knows_what_there_is(walk: list[tuple[str, int]]) -> None:
    changes = Changes(keep=2)
    truth: dict[str, int] = {}
    moves: dict[str, int] = {}
    visitor = Visitor(changes)
    for number, (what, which) in enumerate(walk):
        name = str(which)
        if what == "changed":
            truth[name] = number
            changes.changed(name)
        elif what == "removed" and name in truth:
            del truth[name]
            changes.removed(record(name))
        elif what == "transfer":
            moves[name] = number
            changes.transfer(("alice", name), {"name": name, "at": number})
        elif what == "restart":
            truth.pop(name, None)
            changes.restart()
        elif what == "ask":
            visitor.ask(truth, moves)
    visitor.ask(truth, moves)
    assert (visitor.known, visitor.heard) == (truth, moves)


def test_a_place_that_was_never_given_means_nothing() -> None:
    changes = Changes()
    assert changes.since(1) is None
    assert changes.since(0) is not None


# --- Over HTTP -------------------------------------------------------------------------------


async def ask(server: Server, cursor: str | None = None, token: str = "", **more: Any) -> Json:
    query = "&".join(
        f"{name}={value}" for name, value in {"cursor": cursor, **more}.items() if value
    )
    headers = {"Authorization": f"token {token}"} if token else {}
    response = await server.fetch(f"api/changes?{query}", headers=headers)
    assert response.code == 200, response.body
    assert response.headers["Cache-Control"] == "no-store"
    answer: Json = json.loads(response.body)
    return answer


def states(answer: Json) -> dict[str, str | None]:
    """Return the status of each task that is told of; None for one that is gone."""
    return {
        message["data"]["taskId"]: message["data"].get("snapshot", {}).get("status")
        for message in answer["messages"]
        if message["type"] != "transfer_update"
    }


async def test_a_page_hears_of_every_job_from_its_beginning_to_its_removal(
    server: Server, report: Report
) -> None:
    await server.reported(report(A))
    first = await ask(server)
    assert first["complete"] is True
    assert states(first) == {A: "running"}
    assert first["messages"][0]["data"]["snapshot"] == await server.job(A)
    asked = asyncio.ensure_future(ask(server, first["cursor"]))
    await server.reported(report(B))
    second = await asked
    assert (second["complete"], states(second)) == (False, {B: "running"})
    await server.reported(report(A, revision=2, status="failed"))
    await server.reported(report(B, revision=2, status="cancelled"))
    third = await ask(server, second["cursor"])
    assert states(third) == {A: "failed", B: "cancelled"}
    asked = asyncio.ensure_future(ask(server, third["cursor"]))
    await server.fetch(f"api/jobs/{A}", method="DELETE")
    fourth = await asked
    assert [message["type"] for message in fourth["messages"]] == ["task_removed"]
    assert states(fourth) == {A: None}
    fifth = await ask(server, fourth["cursor"], wait=0.01)
    assert fifth["messages"] == []


async def test_what_it_is_told_is_what_it_was_promised(server: Server, report: Report) -> None:
    document = json.loads((await server.fetch("api/openapi.json")).body)
    await server.reported(report(A))
    schema = {**document, "$ref": "#/components/schemas/Changes"}
    jsonschema.Draft202012Validator(schema).validate(await ask(server))


async def test_progress_is_no_news_before_it_is_pushed(server: Server, report: Report) -> None:
    await server.reported(report(A))
    place = (await ask(server))["cursor"]
    await server.reported(report(A, revision=2, rows=2000))
    assert states(await ask(server, place, wait=0.01)) == {}
    answer = await ask(server, place)
    assert answer["messages"][0]["data"]["snapshot"]["rows"] == 2000


async def test_a_place_of_another_server_gets_everything(server: Server, report: Report) -> None:
    await server.reported(report(A))
    place = (await ask(server))["cursor"]
    _, count, whole = place.split("-")
    for other in (f"{'0' * 32}-{count}-{whole}", f"{place.partition('-')[0]}-9999-{whole}"):
        answer = await ask(server, other)
        assert (answer["complete"], states(answer)) == (True, {A: "running"})


@pytest.mark.parametrize("query", ["cursor=x", "cursor=1-2-3", "mine=2", "wait=soon"])
async def test_a_question_that_cannot_be_read_is_refused(server: Server, query: str) -> None:
    response = await server.fetch(f"api/changes?{query}")
    assert (response.code, json.loads(response.body)["code"]) == (400, "malformed")


async def test_a_notebook_hears_of_its_own_jobs_and_of_those_that_leave_it(
    server: Server, report: Report
) -> None:
    registry = server.services.registry
    for task_id, path in ((A, "a.ipynb"), (B, "b.ipynb")):
        await server.reported(report(task_id))
        await registry.locate(task_id, path)
    first = await ask(server, notebook="a.ipynb")
    assert set(states(first)) == {A}
    await server.reported(report(B, revision=2, status="failed"))
    await registry.locate(A, "other.ipynb")
    second = await ask(server, first["cursor"], notebook="a.ipynb")
    assert second["messages"][0]["data"]["snapshot"]["notebook"] == "other.ipynb"
    assert set(states(second)) == {A}


async def test_downloads_are_told_of(server: Server, root: Path, eventually: Eventually) -> None:
    path = root / "a.csv"
    path.write_bytes(b"x" * 100)
    place = (await ask(server))["cursor"]
    found = await server.publish(path)
    await server.fetch(found["url"])

    async def told() -> bool:
        messages = (await ask(server, place, wait=1))["messages"]
        return any(
            message["type"] == "transfer_update" and message["data"]["complete"]
            for message in messages
        )

    await eventually(told)


class Watchful(Authorizer):
    """Lets see what lies in `shown`."""

    shown = ("mine.ipynb",)

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return not isinstance(resource, JobResource) or resource.notebook in type(self).shown


@pytest.mark.parametrize("settings", [{"access_recheck": 0.1}])
async def test_nobody_hears_of_what_he_may_not_see(
    server: Server, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.app.web_app.settings["authorizer"] = Watchful()
    registry = server.services.registry
    for task_id, path in ((A, "mine.ipynb"), (B, "theirs.ipynb")):
        await server.reported(report(task_id))
        await registry.locate(task_id, path)
    first = await ask(server)
    assert set(states(first)) == {A}
    # A hidden job says nothing by its change, its end or its removal.
    await server.reported(report(B, revision=2, status="failed"))
    await server.fetch(f"api/jobs/{B}", method="DELETE")
    await registry.remove(B)
    await registry.locate(A, "theirs.ipynb")
    second = await ask(server, first["cursor"], wait=0)
    assert states(second) in ({A: None}, {})  # everything anew, or what has changed
    assert second["complete"] or states(second)
    # Rights may change while no job does: soon everything is told anew.
    monkeypatch.setattr(Watchful, "shown", ("theirs.ipynb",))
    place = second["cursor"]
    while not (third := await ask(server, place, wait=0.2))["complete"]:
        place = third["cursor"]
    assert states(third) == {A: "running"}


@pytest.mark.parametrize("settings", [{"max_polls_per_user": 1}])
async def test_few_may_wait_and_the_end_of_the_server_ends_the_waiting(
    server: Server, eventually: Eventually
) -> None:
    place = (await ask(server))["cursor"]
    asked = asyncio.ensure_future(ask(server, place))
    await eventually(lambda: server.services.hub.changes.waiting == 1)
    response = await server.fetch("api/changes")
    assert (response.code, json.loads(response.body)["code"]) == (429, "too-many-polls")
    await server.extension.stop_extension()
    assert (await asked)["messages"] == []
    assert server.services.hub.changes.waiting == 0

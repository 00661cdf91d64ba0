"""Who may see which job: an authorizer decides, everywhere alike, and a refusal shows nothing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.auth import Authorizer, IdentityProvider, User

from jupyter_server_ext.http.access import Access, JobResource
from progresswidget.protocol import MalformedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Server
    from jupyter_server.base.handlers import JupyterHandler

    from progresswidget.protocol import Json

A, B = "a" * 32, "b" * 32


def record(task_id: str = A, notebook: str | None = None) -> Json:
    return {"taskId": task_id, "notebook": notebook, "kernelId": "k"}


class Asked:
    """An authorizer that notes what it is asked, and answers at once or when it is told to."""

    def __init__(self, *, slow: bool = False) -> None:
        self.slow = slow
        self.questions: list[JobResource] = []
        self.answers: list[asyncio.Future[bool]] = []
        self.changed: list[str] = []
        self.access = Access(self.ask, self.changed.append)

    def ask(self, resource: JobResource) -> bool | Awaitable[bool]:
        self.questions.append(resource)
        if not self.slow:
            return resource.notebook == "mine.ipynb"
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]


def test_a_job_is_asked_about_once_and_again_where_it_moves() -> None:
    asked = Asked()
    for _ in range(3):
        assert not asked.access.sees(record())
    assert asked.access.sees(record(notebook="mine.ipynb"))
    assert asked.access.sees(record(notebook="mine.ipynb"))
    assert asked.questions == [f"progresswidget:{A}"] * 2
    assert (asked.questions[1].task_id, asked.questions[1].kernel_id) == (A, "k")


async def test_of_many_answers_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_server_ext.http.access._REMEMBERED", 3)
    asked = Asked()
    for task_id in (A, B, "c" * 32):
        assert asked.access.sees(record(task_id, "mine.ipynb"))
    asked.access.renew([record(A, "mine.ipynb")])
    await asyncio.sleep(0)
    assert asked.access.sees(record("d" * 32, "mine.ipynb"))
    before = len(asked.questions)
    asked.slow = True
    for task_id in (A, "c" * 32):
        assert asked.access.sees(record(task_id, "mine.ipynb")), "a page that follows it goes on"
    assert len(asked.questions) == before
    assert not asked.access.sees(record(B, "mine.ipynb"))
    asked.answers[0].set_result(True)
    await asyncio.sleep(0)


async def test_while_an_authorizer_thinks_what_was_true_is_true() -> None:
    asked = Asked(slow=True)
    done: list[str] = []
    assert not asked.access.sees(record())
    asked.access.when_known([record(), record(B)], lambda: done.append("first"))
    asked.access.when_known([], lambda: done.append("second"))
    assert (len(asked.questions), done) == (2, [])
    asked.answers[1].set_result(False)
    asked.answers[0].set_result(True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == ["first", "second"]
    assert sorted(asked.changed) == [A, B]
    assert asked.access.sees(record())
    assert not asked.access.sees(record(B))
    # It moves: seen until it is known that it may not be.
    assert asked.access.sees(record(notebook="theirs.ipynb"))
    asked.answers[2].set_result(False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not asked.access.sees(record(notebook="theirs.ipynb"))


async def test_an_authorizer_that_thinks_for_ever_holds_up_only_so_much() -> None:
    asked = Asked(slow=True)
    asked.access.sees(record())
    for _ in range(100):
        asked.access.when_known([], lambda: None)
    with pytest.raises(MalformedError):
        asked.access.when_known([], lambda: None)
    await asyncio.sleep(0)
    asked.access.close()
    await asyncio.sleep(0)
    assert asked.answers[0].cancelled()


@pytest.mark.parametrize("slow", [False, True])
async def test_an_authorizer_that_fails_refuses(
    *, slow: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def later() -> bool:
        raise ValueError("broken")

    def ask(resource: JobResource) -> bool | Awaitable[bool]:
        if slow:
            return later()
        raise ValueError(resource)

    access = Access(ask, lambda _: None)
    assert not access.sees(record())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not access.sees(record())
    assert [line.task_id for line in caplog.records] == [A]  # type: ignore[attr-defined]


class People(IdentityProvider):
    """Knows who it is by the token, as a hub's identity provider does."""

    def get_user(self, handler: JupyterHandler) -> User | None:  # type: ignore[override]
        name = handler.request.headers.get("Authorization", "").removeprefix("token ")
        return User(username=name) if name in {"alice", "bob", "carol"} else None

    def is_token_authenticated(self, handler: JupyterHandler) -> bool:
        return True


class Colleagues(Authorizer):
    """Alice owns the server; Bob and Carol may see what is shared, and Carol may change it."""

    def is_authorized(
        self, handler: JupyterHandler, user: User, action: str, resource: str
    ) -> bool:
        if user.username == "alice" or not isinstance(resource, JobResource):
            return True
        shared = (resource.notebook or "").startswith("shared/")
        return shared and (action == "read" or user.username == "carol")


class Pondering(Colleagues):
    """The same, after a moment."""

    async def is_authorized(  # type: ignore[override]
        self, handler: JupyterHandler, user: User, action: str, resource: str
    ) -> bool:
        await asyncio.sleep(0.001)
        return super().is_authorized(handler, user, action, resource)


@pytest.fixture(params=[Colleagues, Pondering], ids=["at once", "later"])
def jp_server_config(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_server_ext": True},
            "identity_provider_class": People,
            "authorizer_class": request.param,
        },
    }


class Person:
    """Somebody with a page and with plain requests."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.headers = {"Authorization": f"token {name}"}

    async def connect(self) -> None:
        self.page = await self.server.connect(token=False, headers=dict(self.headers))
        assert (await self.read())["type"] == "hello"

    async def read(self) -> Json:
        frame = await asyncio.wait_for(self.page.read_message(), 30)
        assert isinstance(frame, str)
        message: Json = json.loads(frame)
        return message

    async def say(self, kind: str, **data: Any) -> None:
        await self.page.write_message(json.dumps({"type": kind, "id": 1, "data": data}))

    async def fetch(self, path: str, **more: Any) -> tuple[int, bytes]:
        response = await self.server.fetch(path, token=False, headers=dict(self.headers), **more)
        return response.code, response.body


async def test_two_tabs_and_a_second_person_see_the_same_and_a_third_sees_nothing(
    server: Server, report: Callable[..., Json]
) -> None:
    shared, private = report(), report()
    registry = server.services.registry
    for body, notebook in ((shared, "shared/a.ipynb"), (private, "alice/b.ipynb")):
        await server.reported(body)
        await registry.locate(body["taskId"], notebook)
    tab, other, bob = (Person(server, name) for name in ("alice", "alice", "bob"))
    for person in (tab, other, bob):
        await person.connect()
        await person.say("subscribe", tasks=[{"taskId": shared["taskId"]}])
    answers = [await person.read() for person in (tab, other, bob)]
    assert [answer["type"] for answer in answers] == ["subscribed"] * 3
    assert answers[0]["data"] == answers[1]["data"] == answers[2]["data"]
    await server.reported(shared | {"revision": 2, "status": "paused"})
    events = [await person.read() for person in (tab, other, bob)]
    assert events[0] == events[1] == events[2]

    # What Bob may not see is to him as if it were not there.
    refusals = []
    for task_id in (private["taskId"], "f" * 32):
        await bob.say("subscribe", tasks=[{"taskId": task_id}])
        message = await bob.read()
        refusals.append([message["type"], message["data"]["code"], message["data"]["message"]])
        for path, more in [
            (f"api/jobs/{task_id}", {}),
            (f"api/jobs/{task_id}?since=0&wait=0", {}),
            (f"api/jobs/{task_id}", {"method": "POST", "body": '{"action": "cancel"}'}),
            (f"api/jobs/{task_id}", {"method": "DELETE"}),
            (f"api/jobs/{task_id}/links", {}),
            (f"api/jobs/{task_id}/links", {"method": "POST", "body": "{}"}),
            (f"api/jobs/{task_id}/links", {"method": "DELETE"}),
            (f"files/{task_id}/1/{private['name']}", {}),
            (f"files/{task_id}/1/{private['name']}", {"method": "HEAD"}),
        ]:
            refusals[-1].append(await bob.fetch(path, **more))
    assert refusals[0] == refusals[1]
    assert {answer[0] for answer in refusals[0][3:]} == {404}
    body = (await bob.fetch("api/jobs"))[1]
    assert [record["taskId"] for record in json.loads(body)] == [shared["taskId"]]
    assert len(json.loads((await tab.fetch("api/jobs"))[1])) == 2

    # All that one may see, also what comes later; and what moves out of sight is gone.
    await bob.say("subscribe", all=True)
    assert (await bob.read())["data"] == {"all": True, "tasks": 0}
    await server.reported(private | {"revision": 2, "rows": 1})
    await registry.locate(private["taskId"], "shared/b.ipynb")
    message = await bob.read()
    assert (message["type"], message["re"]) == ("subscribed", None)
    assert message["data"]["taskId"] == private["taskId"]
    await registry.locate(private["taskId"], "alice/b.ipynb")
    message = await bob.read()
    assert (message["type"], message["data"]) == ("task_removed", {"taskId": private["taskId"]})
    assert (await bob.fetch(f"api/jobs/{private['taskId']}"))[0] == 404


async def test_who_may_look_may_not_always_act(server: Server, report: Callable[..., Json]) -> None:
    body = report()
    await server.reported(body)
    await server.services.registry.locate(body["taskId"], "shared/a.ipynb")
    path, wish = f"api/jobs/{body['taskId']}", {"method": "POST", "body": '{"action": "pause"}'}
    for name, expected in (("bob", 403), ("carol", 202)):
        person = Person(server, name)
        assert (await person.fetch(path))[0] == 200
        assert (await person.fetch(path, **wish))[0] == expected


async def test_ones_own_jobs_are_those_that_one_has_made(
    server: Server, report: Callable[..., Json]
) -> None:
    registry = server.services.registry
    carols, anyones = report(), report()
    await registry.report(carols, "carol")
    await registry.report(anyones)
    for body in (carols, anyones):
        await registry.locate(body["taskId"], "shared/a.ipynb")
    for name, tasks in (
        ("carol", {carols["taskId"], anyones["taskId"]}),
        ("bob", {anyones["taskId"]}),
    ):
        person = Person(server, name)
        await person.connect()
        await person.say("subscribe", user=True)
        count = (await person.read())["data"]["tasks"]
        assert {(await person.read())["data"]["taskId"] for _ in range(count)} == tasks
    alice = Person(server, "alice")
    ordered = {"name": "a.csv", "path": "/tmp/a.csv", "format": "csv", "mediaType": "text/csv"}
    code, answer = await alice.fetch("api/jobs", method="POST", body=json.dumps(ordered))
    assert (code, json.loads(answer).get("userId")) == (201, "alice")

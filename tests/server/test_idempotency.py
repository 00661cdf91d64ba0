"""`Idempotency-Key`: one job and one link, however often they are asked for."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.auth.identity import IdentityProvider, User

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.http.access import JobResource
from jupyter_server_ext.http.idempotency import PATTERN, Idempotency, Making, parse_key
from jupyter_server_ext.stores.local import LocalKeys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from conftest import Process, Server
    from tornado.httpclient import HTTPResponse

    from progresswidget.protocol import Json

ORDER = {"name": "a.csv", "path": "/elsewhere/a.csv", "format": "csv"}
KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}

# --- The header -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"k1"', "k1"),
        ("k1", "k1"),
        (' "k1"\t', "k1"),
        ('"with a space"', "with a space"),
        (r'"a \"b\" \\"', r'a "b" \ '.rstrip(" ")),
        ('"' + "x" * 128 + '"', "x" * 128),
    ],
)
def test_a_key_is_a_string_with_or_without_its_quotation_marks(header: str, key: str) -> None:
    assert parse_key({"Idempotency-Key": header}) == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        '""',
        '"a',
        'a"',
        '"a"b"',
        '"a\\b"',
        '"é"',
        "a b",
        "x" * 129,
        '"a", "b"',
        "a,b",
        '"a";p=1',
    ],
)
def test_anything_else_is_malformed(header: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_key({"Idempotency-Key": header})
    assert caught.value.code == "malformed"


def test_a_request_may_be_without_one() -> None:
    assert parse_key({}) is None


@given(st.from_regex(PATTERN, fullmatch=True))
def test_what_the_document_allows_is_taken(header: str) -> None:
    key = parse_key({"Idempotency-Key": header})
    assert key is not None
    assert 1 <= len(key) <= 128
    assert re.fullmatch(r"[\x20-\x7e]+", key)


# --- Once -----------------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Maker:
    """Makes things once, and remembers which."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.keys = LocalKeys(self.clock)
        self.idempotency = Idempotency(self.keys, 60)
        self.made: list[str] = []

    async def make(
        self,
        owner: str = "a",
        key: str | None = "k",
        request: object = 1,
        work: Callable[[], Awaitable[None]] | None = None,
    ) -> Making:
        async with self.idempotency.once(owner, key, {"request": request}) as making:
            if work is not None:
                await work()
            if not making.again:
                self.made.append(making.identity)
        return making


@pytest.fixture
def maker() -> Maker:
    return Maker()


async def refused(making: Awaitable[Making]) -> str:
    with pytest.raises(ApiError) as caught:
        await making
    return caught.value.code


async def test_the_same_request_makes_one_thing(maker: Maker) -> None:
    first, again = await maker.make(), await maker.make()
    assert (first.again, again.again) == (False, True)
    assert maker.made == [first.identity] == [again.identity]
    assert re.fullmatch("[0-9a-f]{32}", first.identity)


async def test_without_a_key_each_request_makes_one(maker: Maker) -> None:
    await maker.make(key=None)
    await maker.make(key=None)
    assert len(set(maker.made)) == 2


async def test_a_key_belongs_to_one_request_of_one_owner(maker: Maker) -> None:
    await maker.make()
    assert await refused(maker.make(request=2)) == "key-reused"
    await maker.make(owner="b", request=2)
    await maker.make(key="l", request=2)
    assert len(set(maker.made)) == 3


async def test_a_request_that_is_being_done_is_not_done_beside_it(maker: Maker) -> None:
    running, end = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        running.set()
        await end.wait()

    first = asyncio.create_task(maker.make(work=work))
    await running.wait()
    assert await refused(maker.make()) == "key-busy"
    assert await refused(maker.make(request=2)) == "key-reused"
    end.set()
    made = await first
    assert (await maker.make()).identity == made.identity
    assert maker.made == [made.identity]


async def test_a_request_that_was_refused_leaves_its_key_free(maker: Maker) -> None:
    async def refuse() -> None:
        raise ApiError("too-many-jobs", "Too many.")

    assert await refused(maker.make(work=refuse)) == "too-many-jobs"
    assert not (await maker.make(request=2)).again


async def test_what_was_cut_off_is_made_under_the_same_id(maker: Maker) -> None:
    running = asyncio.Event()

    async def work() -> None:
        running.set()
        await asyncio.Event().wait()

    cut = asyncio.create_task(maker.make(work=work))
    await running.wait()
    claim = await maker.keys.claim(json.dumps(["a", "k"]), "", "", 60)
    assert claim is not None
    cut.cancel()
    await asyncio.wait({cut})
    # Also by the server that comes after it: nothing but the store knows of it.
    maker.idempotency = Idempotency(maker.keys, 60)
    again = await maker.make()
    assert (again.identity, again.again) == (claim.result, False)
    assert (await maker.make()).again


async def test_keys_are_forgotten_in_time(maker: Maker) -> None:
    await maker.make()
    maker.clock.now += 59
    assert (await maker.make()).again
    maker.clock.now += 2
    assert not (await maker.make()).again


# --- Jobs -----------------------------------------------------------------------------------


async def order(server: Server, body: object = None, **more: Any) -> HTTPResponse:
    text = json.dumps(ORDER if body is None else body)
    return await server.fetch("api/jobs", method="POST", body=text, **more)


async def test_a_job_is_ordered_and_waits_for_its_reports(
    server: Server, report: Callable[..., Json]
) -> None:
    response = await order(server)
    assert response.code == 201, response.body
    record = json.loads(response.body)
    assert record | ORDER == record
    assert (record["status"], record["kind"], record["revision"]) == ("queued", "export", 0)
    location = response.headers["Location"]
    assert location.endswith(f"progresswidget/api/jobs/{record['taskId']}")
    assert record.pop("capability")
    assert json.loads((await server.fetch(location)).body) == record
    # Whatever is reported comes after it.
    await server.reported(report(record["taskId"], revision=1, rows=7))
    after = await server.job(record["taskId"])
    assert (after["status"], after["rows"]) == ("running", 7)


async def test_the_same_order_gets_the_same_job(server: Server) -> None:
    first, again = await order(server, headers=KEY), await order(server, headers=KEY)
    assert (first.code, again.code) == (201, 201)
    assert again.headers["Location"] == first.headers["Location"]
    assert json.loads(again.body) == json.loads(first.body)
    # White space and the order of the fields do not make it another one.
    text = json.dumps(dict(reversed(ORDER.items())), indent=1)
    third = await server.fetch("api/jobs", method="POST", body=text, headers=KEY)
    assert third.headers["Location"] == first.headers["Location"]
    assert len(json.loads((await server.fetch("api/jobs")).body)) == 1


async def test_who_may_see_the_job_no_more_is_not_given_it_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await order(server, headers=KEY)

    def decide(_handler: object, _user: object, _action: str, resource: str) -> bool:
        return not isinstance(resource, JobResource)

    monkeypatch.setattr(server.app.authorizer, "is_authorized", decide)
    again = await order(server, headers=KEY)
    assert (again.code, json.loads(again.body)["code"]) == (404, "task-not-found")
    assert json.loads(first.body)["capability"] not in again.body.decode()


async def test_a_job_of_a_kernel_is_made_by_who_may_run_code_and_write_the_notebook(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebooks: list[str | None] = []
    may_run = False

    def decide(_handler: object, _user: object, action: str, resource: str) -> bool:
        if isinstance(resource, JobResource):
            notebooks.append(resource.notebook)
            return resource.notebook != "theirs.ipynb"
        return may_run or (action, resource) != ("execute", "kernels")

    async def of(kernel: str | None) -> str | None:
        return None if kernel is None else f"{kernel}.ipynb"

    monkeypatch.setattr(server.app.authorizer, "is_authorized", decide)
    monkeypatch.setattr(server.services.notebooks, "of", of)
    assert (await order(server)).code == 201
    assert (await order(server, ORDER | {"kernelId": "mine"})).code == 403
    assert notebooks == [None]
    by_kernel = {"token": False, "headers": {"Authorization": f"Kernel {server.services.secret}"}}
    assert (await order(server, ORDER | {"kernelId": "theirs"}, **by_kernel)).code == 201
    may_run = True
    assert (await order(server, ORDER | {"kernelId": "mine"})).code == 201
    assert (await order(server, ORDER | {"kernelId": "theirs"})).code == 403
    assert notebooks == [None, "mine.ipynb", "theirs.ipynb"]


async def test_another_order_with_the_key_is_refused(server: Server) -> None:
    await order(server, headers=KEY)
    response = await order(server, ORDER | {"name": "b.csv"}, headers=KEY)
    assert response.code == 422
    assert json.loads(response.body)["code"] == "key-reused"


async def test_many_at_once_make_one_job(server: Server) -> None:
    answers = await asyncio.gather(*(order(server, headers=KEY) for _ in range(8)))
    made = {answer.headers["Location"] for answer in answers if answer.code == 201}
    assert len(made) == 1
    busy = {json.loads(answer.body)["code"] for answer in answers if answer.code != 201}
    assert busy <= {"key-busy"}
    assert len(json.loads((await server.fetch("api/jobs")).body)) == 1


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"name": "a.csv"},
        ORDER | {"name": "../a.csv"},
        ORDER | {"path": "relative.csv"},
        ORDER | {"total": -1},
    ],
    ids=str,
)
async def test_what_is_no_order_is_malformed(server: Server, body: object) -> None:
    text = json.dumps(body)
    response = await server.fetch("api/jobs", method="POST", body=text, headers=KEY)
    assert response.code == 400
    assert json.loads(response.body)["code"] == "malformed"
    # And has not used the key up.
    assert (await order(server, headers=KEY)).code == 201


async def test_a_key_that_is_none_is_malformed(server: Server) -> None:
    response = await order(server, headers={"Idempotency-Key": '"a'})
    assert (response.code, json.loads(response.body)["code"]) == (400, "malformed")


async def test_a_kernel_orders_by_the_secret_and_has_keys_of_its_own(server: Server) -> None:
    ours = await order(server, headers=KEY)
    headers = KEY | {"Authorization": f"Kernel {server.services.secret}"}
    theirs = await order(server, headers=headers, token=False)
    assert (ours.code, theirs.code) == (201, 201)
    assert ours.headers["Location"] != theirs.headers["Location"]
    # It may make jobs, and not look at those of others.
    assert (await server.fetch("api/jobs", headers=headers, token=False)).code == 403
    wrong = await order(server, headers={"Authorization": "Kernel wrong"}, token=False)
    assert (wrong.code, json.loads(wrong.body)["code"]) == (403, "kernel-secret-wrong")


class Everybody(IdentityProvider):
    """Knows people by what they say of themselves."""

    def get_user(self, handler: Any) -> User:
        return User(handler.request.headers["X-User"])


async def test_two_users_may_have_the_same_key(server: Server) -> None:
    server.app.web_app.settings["identity_provider"] = Everybody(parent=server.app)
    server.app.web_app.settings["disable_check_xsrf"] = True
    answers = [await order(server, headers=KEY | {"X-User": one}) for one in ("alice", "bob")]
    assert len({answer.headers["Location"] for answer in answers}) == 2


async def test_nobody_shares_keys_by_a_claim_to_be_a_kernel(server: Server, root: Path) -> None:
    server.app.web_app.settings["identity_provider"] = Everybody(parent=server.app)
    server.app.web_app.settings["disable_check_xsrf"] = True
    (root / "a.csv").write_text("a")
    links = []
    for user in ("alice", "bob"):
        headers = KEY | {"X-User": user, "Authorization": "Kernel of nobody"}
        answer = await server.fetch("api/links/a.csv", method="POST", body="{}", headers=headers)
        links.append(json.loads(answer.body)["url"])
    assert len(set(links)) == 2


async def test_a_job_that_was_removed_is_not_made_again(server: Server) -> None:
    made = await order(server, headers=KEY)
    task_id = json.loads(made.body)["taskId"]
    await server.services.registry.interrupt(task_id, "kernel-silent")
    assert (await server.fetch(f"api/jobs/{task_id}", method="DELETE")).code == 204
    response = await order(server, headers=KEY)
    assert (response.code, json.loads(response.body)["code"]) == (410, "made-gone")


@pytest.mark.parametrize("settings", [{"kernel_lease": 1.0, "kernel_poll_interval": 0.05}])
async def test_a_job_that_nobody_reports_to_ends_with_its_lease(
    server: Server, eventually: Callable[..., Awaitable[Any]], report: Callable[..., Json]
) -> None:
    task_id = json.loads((await order(server)).body)["taskId"]

    async def interrupted() -> bool:
        return bool((await server.job(task_id))["status"] == "interrupted")

    await eventually(interrupted)
    assert (await server.job(task_id))["error"]["code"] == "kernel-silent"
    # Who comes late is not too late.
    await server.reported(report(task_id))
    assert (await server.job(task_id))["status"] == "running"


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(signal.SIGTERM, id="SIGTERM", marks=pytest.mark.faults),
        pytest.param(signal.SIGKILL, id="SIGKILL"),
    ],
)
def test_a_key_outlives_the_server(start: Callable[..., Process], sign: signal.Signals) -> None:
    def ask(process: Process) -> requests.Response:
        headers = KEY | {"Authorization": f"token {process.token}"}
        return requests.post(f"{process.url}api/jobs", json=ORDER, headers=headers, timeout=30)

    first = start()
    made = ask(first)
    assert made.status_code == 201, made.text
    task_id = made.json()["taskId"]
    first.stop(sign)
    second = start("--ProgressExtension.kernel_lease=10000")
    assert [record["taskId"] for record in second.request("api/jobs")] == [task_id]
    again = ask(second)
    assert (again.status_code, again.json()["taskId"]) == (201, task_id)


# --- Links ----------------------------------------------------------------------------------


async def test_the_same_request_gets_the_same_link(server: Server, root: Path) -> None:
    (root / "a.csv").write_text("a")
    job = await server.publish(root / "a.csv")
    for path in (f"api/jobs/{job['taskId']}/links", "api/links/a.csv"):
        fields = {"Idempotency-Key": f'"{path}"'}

        async def ask(
            path: str = path, fields: dict[str, str] = fields, body: str = "{}"
        ) -> HTTPResponse:
            return await server.fetch(path, method="POST", body=body, headers=fields)

        first, again = await ask(), await ask()
        assert (first.code, again.code) == (201, 201), first.body
        link = json.loads(first.body)
        assert json.loads(again.body) == link
        assert (await server.fetch(link["url"], token=False)).body == b"a"
        other = await ask(body='{"expires": 7}')
        assert (other.code, json.loads(other.body)["code"]) == (422, "key-reused")
        assert (await server.fetch(path, method="DELETE")).code == 204
        gone = await ask()
        assert (gone.code, json.loads(gone.body)["code"]) == (410, "made-gone")

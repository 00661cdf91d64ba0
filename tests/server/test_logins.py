"""A WebSocket ends with its login, and tells no more than its user may still see."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyter_server.auth.security import passwd
from tornado.web import HTTPError

from jupyter_server_ext.http.access import JobResource
from progresswidget.protocol import CLOSE_FORBIDDEN, CLOSE_LOGIN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from conftest import Server
    from tornado.websocket import WebSocketClientConnection

    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[Any]]

A, B = "a" * 32, "b" * 32
SOON = {"access_recheck": 0.2}
SELDOM = {"access_recheck": 3600.0}


async def read(page: WebSocketClientConnection) -> Json | None:
    """Return the next message; None at the end."""
    async with asyncio.timeout(60):
        text = await page.read_message()
    message: Json | None = None if text is None else json.loads(str(text))
    return message


async def end_of(page: WebSocketClientConnection) -> int | None:
    """Read to the end, and return its code."""
    while await read(page) is not None:
        pass
    return page.close_code


async def subscribe(page: WebSocketClientConnection, data: Json, number: int = 1) -> None:
    await page.write_message(json.dumps({"type": "subscribe", "id": number, "data": data}))


# --- A password ------------------------------------------------------------------------------


class Browser:
    """Keeps the cookies of one person."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}

    @property
    def header(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    async def fetch(self, path: str, **more: Any) -> int:
        answer = await self.server.fetch(
            f"{self.server.app.base_url}{path}", token=False, headers=self.header, **more
        )
        for line in answer.headers.get_list("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.code

    async def log_in(self, password: str) -> None:
        await self.fetch("login")
        form = {"password": password, "_xsrf": self.cookies["_xsrf"]}
        assert await self.fetch("login", method="POST", body=urlencode(form)) == 302

    async def connect(self) -> WebSocketClientConnection:
        page = await self.server.connect(token=False, headers=self.header)
        hello = await read(page)
        assert hello is not None
        assert hello["type"] == "hello"
        return page


@pytest.fixture
def with_password(server: Server) -> Iterator[None]:
    provider = PasswordIdentityProvider(parent=server.app, token="")
    provider.hashed_password = passwd("open sesame", "sha1")
    settings = server.app.web_app.settings
    server.services.logins.unwatch()
    settings["identity_provider"] = provider
    server.services.logins.watch()
    yield
    server.services.logins.unwatch()


@pytest.mark.usefixtures("with_password")
@pytest.mark.parametrize("settings", [SELDOM])
async def test_who_logs_out_in_one_tab_is_logged_out_in_all_of_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = Browser(server), Browser(server)
    await here.log_in("open sesame")
    await elsewhere.log_in("open sesame")
    tabs = [await here.connect() for _ in range(2)]
    other = await elsewhere.connect()
    # Anybody may ask to be logged out: that must not cost a handler for each who is there.
    monkeypatch.setattr(server.services.logins, "revive", None)
    assert await here.fetch("logout") == 200
    assert [await end_of(tab) for tab in tabs] == [CLOSE_LOGIN] * 2
    # Another browser has another login.
    await other.write_message('{"type": "ping", "id": 1}')
    answer = await read(other)
    assert answer is not None
    assert answer["type"] == "pong"
    assert server.services.tally.closes["login"] == 2


@pytest.mark.usefixtures("with_password")
@pytest.mark.parametrize("settings", [SOON])
async def test_a_login_that_means_nothing_any_more_ends_by_itself(
    server: Server, eventually: Eventually
) -> None:
    here = Browser(server)
    await here.log_in("open sesame")
    tab = await here.connect()
    server.app.web_app.settings["cookie_secret"] = b"another"
    assert await end_of(tab) == CLOSE_LOGIN
    await eventually(lambda: server.services.logins.count == 0)


# --- Other ways to sign in -------------------------------------------------------------------


class People(IdentityProvider):
    """Knows people by a field of the request, as behind a proxy that signs them in."""

    known: dict[str, str]
    broken = False

    def get_user(self, handler: Any) -> User | None:
        if self.broken:
            raise HTTPError(502)
        name = self.known.get(handler.request.headers.get("X-Person", ""))
        return None if name is None else User(username=name)

    def is_token_authenticated(self, handler: Any) -> bool:
        del handler
        return True


class Rights(Authorizer):
    """Lets in whom it knows, and shows the notebooks that it has."""

    known: set[str]
    shown: set[str]

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        if isinstance(resource, JobResource):
            return resource.notebook in self.shown
        return user.username in self.known


@pytest.fixture
def people(server: Server) -> People:
    provider = People(parent=server.app)
    provider.known = {"1": "alice", "2": "bob"}
    server.app.web_app.settings["identity_provider"] = provider
    return provider


@pytest.fixture
def rights(server: Server) -> Rights:
    authorizer = Rights()
    authorizer.known, authorizer.shown = {"alice", "bob"}, {"a.ipynb"}
    server.app.web_app.settings["authorizer"] = authorizer
    return authorizer


async def connect(server: Server, person: str) -> WebSocketClientConnection:
    page = await server.connect(token=False, headers={"X-Person": person})
    assert await read(page)
    return page


@pytest.mark.parametrize("settings", [SOON])
async def test_each_is_asked_who_it_is_and_one_that_is_nobody_has_to_go(
    server: Server, people: People, eventually: Eventually
) -> None:
    pages = [await connect(server, person) for person in ("1", "1", "2")]
    assert server.services.logins.count == 2
    del people.known["1"]
    assert [await end_of(page) for page in pages[:2]] == [CLOSE_LOGIN] * 2
    # Nor is somebody else the same.
    people.known["2"] = "carol"
    assert await end_of(pages[2]) == CLOSE_LOGIN
    await eventually(lambda: not server.services.connections)
    assert server.services.logins.count == 0


@pytest.mark.parametrize("settings", [SOON])
async def test_nobody_has_to_go_because_who_knows_is_away(
    server: Server, people: People, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    page = await connect(server, "1")
    people.broken = True
    await eventually(lambda: "Cannot ask whether a login holds: HTTPError" in caplog.text)
    people.broken = False
    await page.write_message('{"type": "ping", "id": 1}')
    assert await read(page)


@pytest.mark.parametrize("settings", [SOON])
@pytest.mark.usefixtures("people")
async def test_who_may_not_be_here_any_more_is_told_so(server: Server, rights: Rights) -> None:
    page = await connect(server, "1")
    rights.known.remove("alice")
    assert await end_of(page) == CLOSE_FORBIDDEN


@pytest.mark.parametrize("settings", [SELDOM])
async def test_who_asks_for_more_is_asked_who_it_is(
    server: Server, report: Report, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.reported(report(A))
    page = await connect(server, "1")
    monkeypatch.setattr("jupyter_server_ext.channel.logins._FRESH", 0.0)
    await subscribe(page, {"tasks": [{"taskId": A}]})
    answer = await read(page)
    assert answer is not None
    assert answer["data"]["snapshot"]["taskId"] == A
    del people.known["1"]
    await subscribe(page, {"all": True}, 2)
    assert await read(page) is None
    assert page.close_code == CLOSE_LOGIN


@pytest.mark.parametrize("settings", [SOON])
@pytest.mark.usefixtures("people")
async def test_rights_that_change_are_seen_while_no_job_does(
    server: Server, report: Report, rights: Rights
) -> None:
    for task_id, path in ((A, "a.ipynb"), (B, "b.ipynb")):
        await server.reported(report(task_id))
        await server.services.registry.locate(task_id, path)
    page = await connect(server, "1")
    await subscribe(page, {"all": True})
    first = [await read(page) for _ in range(2)]
    assert [message and message["type"] for message in first] == ["watching", "subscribed"]
    rights.shown = {"b.ipynb"}
    news = {}
    for _ in range(2):
        message = await read(page)
        assert message is not None
        news[message["data"]["taskId"]] = message["type"]
    assert news == {A: "task_removed", B: "subscribed"}


@pytest.mark.parametrize("settings", [SELDOM])
@pytest.mark.usefixtures("people")
async def test_rights_are_asked_for_anew_by_each_subscription(
    server: Server, report: Report, rights: Rights
) -> None:
    await server.reported(report(A))
    await server.services.registry.locate(A, "a.ipynb")
    page = await connect(server, "1")
    for number, shown in enumerate(({"b.ipynb"}, {"a.ipynb"}, {"b.ipynb"})):
        rights.shown = shown
        await subscribe(page, {"tasks": [{"taskId": A}]}, number)
        answer = await read(page)
        while answer is not None and answer["type"] == "task_removed":
            answer = await read(page)
        assert answer is not None
        assert (answer["type"] == "subscribed") is (shown == {"a.ipynb"})


@pytest.mark.parametrize("settings", [SOON])
async def test_a_token_goes_on_as_long_as_the_server_has_it(
    server: Server, eventually: Eventually
) -> None:
    token = server.app.identity_provider.token
    pages = [await server.connect() for _ in range(2)]
    by_address = await server.connect(token=False, path=f"?token={token}")
    (login, *_) = server.services.logins.all
    before = login.checked
    await eventually(lambda: login.checked > before)
    for page in (*pages, by_address):
        assert await read(page)
        await page.write_message('{"type": "ping", "id": 1}')
        assert await read(page)
    assert server.services.logins.count == 2
    server.app.identity_provider.token = "another"
    assert [await end_of(page) for page in (*pages, by_address)] == [CLOSE_LOGIN] * 3

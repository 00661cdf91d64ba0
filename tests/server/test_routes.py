"""Who may do what, on every route there is: `route_table` enumerates them."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.auth import Authorizer
from route_table import EXAMPLES, KERNELS, TABLE, headers_for
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httputil import HTTPHeaders
from tornado.websocket import websocket_connect

from jupyter_server_ext.handlers.base import NotFoundHandler
from jupyter_server_ext.handlers.events import EventsHandler
from progresswidget.protocol import SUBPROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Server
    from tornado.httpclient import HTTPResponse
    from tornado.web import RequestHandler

    from progresswidget.protocol import Json

SAFE = {"GET", "HEAD"}


def resource(pattern: str) -> str:
    """Return what an authorizer is asked about; only the limits are apart from everything else."""
    return "progresswidget-limits" if pattern.endswith("/limits") else "progresswidget"


USERS = [row for row in TABLE if row[:2] not in KERNELS and row[1] != r"progresswidget/links/(.*)"]
UNSAFE = [row for row in USERS if row[0] not in SAFE]
WS = [row for row in TABLE if issubclass(row[2], EventsHandler)]


def name(value: Any) -> str:
    return value if isinstance(value, str) else value.__name__


every = pytest.mark.parametrize(("method", "pattern", "handler"), USERS, ids=name)
unsafe = pytest.mark.parametrize(("method", "pattern", "handler"), UNSAFE, ids=name)


def test_every_route_has_an_example() -> None:
    assert {pattern for _, pattern, _ in TABLE} == set(EXAMPLES)
    assert len(WS) == 1
    assert len(UNSAFE) >= 6


@pytest.mark.parametrize(("method", "pattern", "handler"), TABLE, ids=name)
def test_every_handler_is_for_our_resource(
    method: str, pattern: str, handler: type[RequestHandler]
) -> None:
    assert handler.auth_resource == resource(pattern), (method, pattern)


def assert_refused(response: HTTPResponse, *codes: int) -> None:
    assert response.code in codes, response.body
    assert "Location" not in response.headers
    assert response.headers["Content-Type"].startswith("application/json")
    if response.request.method != "HEAD":
        body = json.loads(response.body)
        assert set(body) == {"code", "message", "hint"}
        assert all(body.values())


@every
async def test_nobody_gets_in(
    server: Server, method: str, pattern: str, handler: type[RequestHandler]
) -> None:
    for headers in ({}, {"Authorization": "token wrong"}, {"Accept": "text/html"}):
        fields = headers_for(handler) | headers
        path = EXAMPLES[pattern]
        assert_refused(
            await server.fetch(path, token=False, method=method, headers=fields), 401, 403
        )


class Nobody(Authorizer):
    """Knows everyone and lets no one do anything."""

    asked: list[tuple[str, str]]

    def is_authorized(self, *question: Any) -> bool:
        _, _, action, resource = question
        self.asked.append((action, resource))
        return False


@every
async def test_who_is_not_authorised_gets_nothing(
    server: Server, method: str, pattern: str, handler: type[RequestHandler]
) -> None:
    authorizer = Nobody()
    authorizer.asked = []
    server.app.web_app.settings["authorizer"] = authorizer
    response = await server.fetch(EXAMPLES[pattern], method=method, headers=headers_for(handler))
    assert_refused(response, 403)
    reads = method in SAFE or handler is NotFoundHandler
    assert authorizer.asked == [("read" if reads else "write", resource(pattern))]


async def cookies(server: Server) -> dict[str, str]:
    """Sign in as a browser does, and return the cookies."""
    response = await server.fetch(
        f"/user/alice/tree?token={server.app.identity_provider.token}", token=False
    )
    found = {}
    for line in response.headers.get_list("Set-Cookie"):
        key, _, value = line.partition(";")[0].partition("=")
        found[key] = value
    response = await server.fetch("/user/alice/login", token=False, headers={"Cookie": join(found)})
    for line in response.headers.get_list("Set-Cookie"):
        key, _, value = line.partition(";")[0].partition("=")
        found[key] = value
    return found


def join(found: dict[str, str]) -> str:
    return "; ".join(f"{key}={value}" for key, value in found.items())


async def test_a_cookie_opens_what_it_should(server: Server) -> None:
    found = await cookies(server)
    same = {"Cookie": join(found), "Referer": server.url("/user/alice/lab")}
    assert (await server.fetch("api/jobs", token=False, headers=same)).code == 200
    xsrf = same | {"X-XSRFToken": found["_xsrf"]}
    response = await server.fetch(
        EXAMPLES[r"progresswidget/api/jobs/([^/]+)"], token=False, method="DELETE", headers=xsrf
    )
    assert response.code == 404, "it got through to the missing job"


@unsafe
async def test_a_cookie_without_xsrf_changes_nothing(
    server: Server, method: str, pattern: str, handler: type[RequestHandler]
) -> None:
    found = await cookies(server)
    without = {key: value for key, value in found.items() if key != "_xsrf"}
    for headers in (
        {"Cookie": join(found)},
        {"Cookie": join(without), "X-XSRFToken": "2|x|y|z"},
        {"Cookie": join(found), "X-XSRFToken": "wrong"},
    ):
        response = await server.fetch(
            EXAMPLES[pattern], token=False, method=method, headers=headers_for(handler) | headers
        )
        assert_refused(response, 403)


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
@pytest.mark.parametrize("credential", ["token", "cookie"])
@every
async def test_another_origin_gets_nothing(
    server: Server,
    method: str,
    pattern: str,
    handler: type[RequestHandler],
    credential: str,
    origin: str,
) -> None:
    headers = headers_for(handler) | {"Origin": origin}
    token = credential == "token"
    if not token:
        found = await cookies(server)
        headers |= {"Cookie": join(found), "X-XSRFToken": found["_xsrf"]}
    response = await server.fetch(EXAMPLES[pattern], token=token, method=method, headers=headers)
    assert_refused(response, 403, 404)
    if method != "HEAD":
        assert json.loads(response.body)["code"] == "origin-forbidden"
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_another_origin_reports_nothing(server: Server, report: Callable[..., Json]) -> None:
    body = report()
    headers = {
        "Authorization": f"Kernel {server.services.secret}",
        "Origin": "https://evil.example",
    }
    path, text = f"api/jobs/{body['taskId']}", json.dumps(body)
    response = await server.fetch(path, token=False, method="PUT", headers=headers, body=text)
    assert_refused(response, 403)


@pytest.mark.parametrize("setting", ["allow_origin", "allow_origin_pat"])
async def test_an_origin_that_the_server_allows_gets_in(server: Server, setting: str) -> None:
    headers = {"Origin": "https://good.example"}
    assert (await server.fetch("api/jobs", headers=headers)).code == 403
    server.app.web_app.settings[setting] = "https://good.example"
    assert (await server.fetch("api/jobs", headers=headers)).code == 200


async def test_the_own_origin_gets_in(server: Server) -> None:
    headers = {"Origin": f"http://127.0.0.1:{server.port}"}
    assert (await server.fetch("api/jobs", headers=headers)).code == 200
    missing = EXAMPLES[r"progresswidget/api/jobs/([^/]+)"]
    for fields in (headers, {}):
        response = await server.fetch(missing, method="DELETE", headers=fields)
        assert json.loads(response.body)["code"] == "task-not-found"


@pytest.mark.parametrize("size", [10, 100_000, 10_000_000])
async def test_strangers_are_told_nothing_of_sizes(server: Server, size: int) -> None:
    response = await server.fetch("api/jobs", token=False, method="POST", body="x" * size)
    assert_refused(response, 403)


def exchange(server: Server, *requests: bytes) -> list[HTTPHeaders]:
    """Send requests over one connection, and return the head of each answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.connect()
    socket = connection.sock
    heads = []
    for request in requests:
        socket.sendall(request)
        with http.client.HTTPResponse(socket, method="POST") as answer:
            answer.begin()
            answer.read()
            assert answer.status in {401, 403, 404, 405, 413}
            heads.append(HTTPHeaders(dict(answer.getheaders())))
    connection.close()
    return heads


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_refusal_keeps_the_connection(server: Server, method: str) -> None:
    path = f"/user/alice/progresswidget/api/jobs/{'a' * 32}"
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    request = (head + "Content-Length: 1000\r\n\r\n").encode() + b"x" * 1000
    heads = await asyncio.to_thread(exchange, server, request, request, request)
    assert all("Connection" not in head for head in heads)


async def test_a_refusal_that_ends_the_connection_says_so(server: Server) -> None:
    path = f"/user/alice/progresswidget/api/jobs/{'a' * 32}"
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    request = (head + "Content-Length: 400000000\r\n\r\n").encode()
    (answer,) = await asyncio.to_thread(exchange, server, request)
    assert answer["Connection"] == "close"


@pytest.mark.parametrize("token", [True, False], ids=["token", "cookie"])
async def test_another_origin_gets_no_socket_even_with_a_token(
    server: Server,
    token: bool,  # noqa: FBT001
) -> None:
    found = {} if token else {"Cookie": join(await cookies(server))}
    with pytest.raises(HTTPClientError) as caught:
        await server.connect(token=token, headers={"Origin": "http://evil.example"} | found)
    assert caught.value.code in {403, 404}
    assert json.loads(caught.value.response.body)["code"] in {"origin-forbidden", "not-found"}
    same = {"Origin": f"http://127.0.0.1:{server.port}"} | found
    (await server.connect(token=token, headers=same)).close()


async def test_a_socket_needs_the_subprotocol(server: Server) -> None:
    for offered in (None, ["v2.other"], ["v1.progress.kernel.websocket.jupyter.org"]):
        with pytest.raises(HTTPClientError) as caught:
            await server.connect(subprotocols=offered)
        assert caught.value.code == 400
        assert json.loads(caught.value.response.body)["code"] == "subprotocol-required"
    page = await server.connect(subprotocols=["other", SUBPROTOCOL])
    assert page.selected_subprotocol == SUBPROTOCOL
    page.close()


async def test_a_socket_is_no_page(server: Server) -> None:
    assert_refused(await server.fetch("ws"), 426)


async def test_a_socket_refuses_strangers_before_the_upgrade(server: Server) -> None:
    url = server.url("ws").replace("http", "ws", 1)
    with pytest.raises(HTTPClientError) as caught:
        await websocket_connect(HTTPRequest(url), subprotocols=[SUBPROTOCOL])
    assert caught.value.code == 403


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("", 401),
        ("Kernel", 401),
        ("Kernel ", 401),
        ("Kernel wrong", 403),
        ("Kernel \xe4\xf6", 403),
        ("token {token}", 401),
        ("Bearer {token}", 401),
        ("Kernel {token}", 403),
        ("Basic {secret}", 401),
        ("{secret}", 401),
    ],
)
async def test_reports_need_the_kernels_secret(
    server: Server,
    report: Callable[..., Json],
    authorization: str | None,
    status: int,
) -> None:
    headers = {}
    if authorization is not None:
        token, secret = server.app.identity_provider.token, server.services.secret
        headers["Authorization"] = authorization.format(token=token, secret=secret)
    body = report()
    response = await server.fetch(
        f"api/jobs/{body['taskId']}",
        token=False,
        method="PUT",
        headers=headers,
        body=json.dumps(body),
    )
    assert_refused(response, status)
    assert (response.headers.get("WWW-Authenticate") == "Kernel") is (status in {401, 403})
    assert server.services.registry.find() == []


async def test_neither_token_nor_cookie_reports(
    server: Server, report: Callable[..., Json]
) -> None:
    found = await cookies(server)
    body = report()
    for path, headers in [
        (f"api/jobs/{body['taskId']}?token={server.app.identity_provider.token}", {}),
        (
            f"api/jobs/{body['taskId']}",
            {"Cookie": join(found), "X-XSRFToken": found["_xsrf"]},
        ),
    ]:
        response = await server.fetch(
            path, token=False, method="PUT", headers=headers, body=json.dumps(body)
        )
        assert_refused(response, 401)
    assert server.services.registry.find() == []


async def test_the_secret_opens_nothing_else(server: Server, root: Path) -> None:
    path = root / "a.csv"
    path.write_text("a\n1\n")
    record = await server.publish(path)
    headers = {"Authorization": f"Kernel {server.services.secret}"}
    for address in ("api/jobs", f"api/jobs/{record['taskId']}", record["url"]):
        assert_refused(await server.fetch(address, token=False, headers=headers), 401, 403)


async def test_a_foreign_host_name_is_refused(server: Server, report: Callable[..., Json]) -> None:
    body = report()
    server.app.web_app.settings["allow_remote_access"] = False
    headers = {"Host": "evil.example", "Authorization": f"Kernel {server.services.secret}"}
    response = await server.fetch(
        f"api/jobs/{body['taskId']}",
        token=False,
        method="PUT",
        headers=headers,
        body=json.dumps(body),
    )
    assert_refused(response, 403)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/api", "/api/jobs/", "/files", "/files/a/b", "/files/a/b/c/d", "/ws/x", "/%00"],
)
async def test_other_addresses_are_not_found_in_json(server: Server, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        response = await server.fetch(f"/user/alice/progresswidget{path}", method=method)
        assert_refused(response, 404)


async def test_other_methods_are_refused_in_json(server: Server) -> None:
    for method, path in [("PUT", "api/jobs"), ("PATCH", "api/jobs/x"), ("PUT", "ws")]:
        assert_refused(await server.fetch(path, method=method), 405)


async def test_preflight_tells_nothing(server: Server, root: Path) -> None:
    path = root / "a.csv"
    path.write_text("a\n1\n")
    record = await server.publish(path)
    for address in ("api/jobs", record["url"]):
        response = await server.fetch(address, token=False, method="OPTIONS")
        assert response.code in {200, 204}
        assert response.body == b""
        assert "Etag" not in response.headers

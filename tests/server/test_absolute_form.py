"""Targets in absolute form (RFC 9112 section 3.2.2) are served as any other, and no better."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from test_hostile_input import ROOT, ROWS, TUS, furnish
from test_routes import cookies, join

from jupyter_server_ext.handlers.events import EventsHandler

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Server

    from progresswidget.protocol import Json

BYSTANDER = "/user/alice/api/status"
"""An address of jupyter_server's own."""


def absolute(server: Server, path: str, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.port}{path}"


async def test_every_route_answers_as_it_does_to_a_path(server: Server, root: Path) -> None:
    client = await furnish(server, root)
    found = set()
    for method, pattern, handler in ROWS:
        path = client.address(pattern)
        everybody: list[dict[str, str]] = [{}, {"Authorization": "token wrong"}]
        if method in {"GET", "HEAD"} and not issubclass(handler, EventsHandler):
            everybody.append(client.headers(method, pattern, handler))
        for headers in everybody:
            expected = await client.ask(method, path, headers)
            answer = await client.ask(method, absolute(server, path), headers)
            assert answer.status == expected.status, f"{method} {path} {headers}"
            if answer.status >= 400:
                assert answer.body == expected.body
            found.add(answer.status)
    assert {200, 403} <= found
    await client.assert_well()


async def test_what_it_writes_is_written(
    server: Server, root: Path, report: Callable[..., Json]
) -> None:
    client = await furnish(server, root)
    body = report()
    said = json.dumps(body).encode()
    address = absolute(server, f"{ROOT}api/jobs/{body['taskId']}?x=http://elsewhere/", "HTTP")
    assert (await client.ask("PUT", address, client.kernel, said)).status == 200
    assert (await server.job(body["taskId"]))["status"] == "running"
    upload = absolute(server, f"{ROOT}uploads/{client.upload_id}", "https")
    content = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    answer = await client.ask("PATCH", upload, client.user | TUS | content, b"12345")
    assert (answer.status, "Upload-Offset: 5" in answer.head) == (204, True)


async def test_it_opens_the_live_channel(server: Server, root: Path) -> None:
    client = await furnish(server, root)
    (row,) = [row for row in ROWS if issubclass(row[2], EventsHandler)]
    address = absolute(server, client.address(row[1]))
    assert (await client.ask("GET", address, client.headers(*row))).status == 101
    strange = {"Origin": "http://evil.example"}
    assert (await client.ask("GET", address, client.headers(*row) | strange)).status == 403


@pytest.mark.parametrize("form", [lambda _, path: path, absolute], ids=["path", "absolute"])
async def test_what_is_refused_of_a_path_is_refused_of_it(
    server: Server, root: Path, form: Callable[[Server, str], str]
) -> None:
    client = await furnish(server, root)
    signed_in = {"Cookie": join(await cookies(server))}
    body = json.dumps({"name": "a"}).encode()
    address = form(server, f"{ROOT}api/jobs")
    assert (await client.ask("POST", address, signed_in, body)).status == 403, "no XSRF token"
    origin = client.user | {"Origin": "http://evil.example"}
    assert (await client.ask("POST", address, origin, body)).status == 403
    other = client.user | {"Host": "evil.example"}
    address = f"{ROOT}api/jobs" if address.startswith("/") else f"http://evil.example{ROOT}api/jobs"
    assert (await client.ask("GET", address, other)).status == 403, "not a name of this server"


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example{path}",
        "http://user@127.0.0.1:{port}{path}",
        "http://127.0.0.1{path}",
        "ftp://127.0.0.1:{port}{path}",
        "http:{path}",
        "//127.0.0.1:{port}{path}",
        "http://127.0.0.1:{port}?{path}",
        "http://127.0.0.1:{port}/x{path}",
        "http://127.0.0.1:{port}http://127.0.0.1:{port}{path}",
    ],
)
async def test_what_is_not_for_us_is_left_as_it_is(
    server: Server, root: Path, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    caplog.set_level(logging.DEBUG)
    client = await furnish(server, root)
    address = target.format(port=server.port, path=f"{ROOT}api/jobs")
    assert (await client.ask("GET", address, client.user)).status == 404
    secret = "A" * 64
    if "evil" in target:
        address = target.format(port=server.port, path=f"{ROOT}links/{secret}/a.csv")
        assert (await client.ask("GET", address, {})).status == 404
        assert secret not in caplog.text


async def test_addresses_of_others_are_left_alone(server: Server, root: Path) -> None:
    client = await furnish(server, root)
    assert (await client.ask("GET", BYSTANDER, client.user)).status == 200
    for path in (BYSTANDER, "/user/alice/progresswidgets/api/jobs"):
        assert (await client.ask("GET", absolute(server, path), client.user)).status == 404

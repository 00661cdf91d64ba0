"""The live channel by plain HTTP: questions that wait for news of one job."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Server
    from tornado.httpclient import HTTPResponse

    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]

A = "a" * 32


async def ask(server: Server, since: int = 0, epoch: str | None = None, **more: Any) -> Json:
    """Ask for what came after a place, and return the message that is the answer."""
    response = await send(server, since, epoch, **more)
    assert response.code == 200, response.body
    message: Json = json.loads(response.body)
    assert message["type"] == "subscribed"
    assert message["re"] is None
    return message


async def send(
    server: Server, since: object = 0, epoch: str | None = None, wait: object = None
) -> HTTPResponse:
    query = f"since={since}" + (f"&epoch={epoch}" if epoch else "")
    if wait is not None:
        query += f"&wait={wait}"
    return await server.fetch(f"api/jobs/{A}?{query}")


def waiting(server: Server) -> int:
    topic = server.services.hub.topic(A)
    return 0 if topic is None else len(topic.listeners)


async def begin(server: Server, report: Report) -> tuple[int, str]:
    """Begin a job, and return where a page is that knows its newest state."""
    await server.reported(report(A))
    answer = await ask(server)
    return answer["seq"], answer["epoch"]


async def test_who_knows_nothing_gets_the_state_at_once(server: Server, report: Report) -> None:
    await server.reported(report(A, rows=7))
    answer = await ask(server)
    assert answer["data"]["snapshot"] == await server.job(A)
    for since, epoch in ((answer["seq"], "another"), (answer["seq"] + 9, answer["epoch"])):
        assert (await ask(server, since, epoch))["data"]["recovered"] is False


async def test_it_waits_for_news_and_gets_all_that_was_missed(
    server: Server, report: Report, eventually: Eventually
) -> None:
    seq, epoch = place = await begin(server, report)
    asked = asyncio.ensure_future(ask(server, *place))
    await eventually(lambda: waiting(server) == 1)
    await server.reported(report(A, revision=2, status="paused"))
    answer = await asked
    assert answer["data"]["recovered"] is True
    assert [event["data"]["status"] for event in answer["data"]["events"]] == ["paused"]
    await server.reported(report(A, revision=3))
    await server.reported(report(A, revision=4, status="cancelled"))
    # Who comes later gets everything since, without a gap.
    events = (await ask(server, seq, epoch))["data"]["events"]
    assert events[0]["from"] == seq + 1
    assert [event["from"] for event in events[1:]] == [event["seq"] + 1 for event in events[:-1]]
    assert events[-1]["type"] == "task_complete"
    assert waiting(server) == 0


@pytest.mark.parametrize("settings", [{"push_interval": 0.3}])
async def test_progress_is_no_news_before_it_is_pushed(server: Server, report: Report) -> None:
    loop = asyncio.get_running_loop()
    seq, epoch = await begin(server, report)
    start, answers, rows = loop.time(), 0, 0

    async def work() -> None:
        for revision in range(2, 60):
            await server.reported(report(A, revision=revision, rows=revision))

    working = asyncio.ensure_future(work())
    while rows < 59:
        answer = await ask(server, seq, epoch)
        seq, answers = answer["seq"], answers + 1
        for event in answer["data"]["events"]:
            rows = event["data"]["rows"]
    await working
    assert answers <= (loop.time() - start) / 0.3 + 2


@pytest.mark.parametrize("settings", [{"poll_wait": 0.2}])
async def test_it_waits_no_longer_than_the_server_or_the_page_wants(
    server: Server, report: Report
) -> None:
    place = await begin(server, report)
    for wait in (None, 0, 0.1, 3600):
        answer = await ask(server, *place, wait=wait)
        assert answer["data"] == {"taskId": A, "recovered": True, "events": []}


async def test_a_job_that_is_gone_is_not_found(
    server: Server, report: Report, eventually: Eventually
) -> None:
    place = await begin(server, report)
    await server.reported(report(A, revision=2, status="cancelled"))
    seq = (await ask(server, *place))["seq"]
    asked = asyncio.ensure_future(send(server, seq, place[1]))
    await eventually(lambda: waiting(server) == 1)
    await server.fetch(f"api/jobs/{A}", method="DELETE")
    for response in (await asked, await send(server)):
        assert response.code == 404
        assert json.loads(response.body)["code"] == "task-not-found"


@pytest.mark.parametrize(
    "query", ["since=x", "since=-1", "since=1.5", "since=", "since=%C2%B2", f"since={10**30}"]
)
async def test_a_place_that_cannot_be_read_is_refused(server: Server, query: str) -> None:
    for tail in (query, "since=1&wait=soon", "since=1&wait=-1", "since=1&wait=nan"):
        response = await server.fetch(f"api/jobs/{A}?{tail}")
        assert response.code == 400
        assert json.loads(response.body)["code"] == "malformed"
    assert (await server.fetch(f"api/jobs/{A}?since=1&epoch={'e' * 99}")).code == 400


@pytest.mark.parametrize("settings", [{"max_polls_per_user": 2}])
async def test_few_may_wait_and_who_leaves_gives_the_place_back(
    server: Server, report: Report, eventually: Eventually
) -> None:
    place = await begin(server, report)
    path = f"/user/alice/progresswidget/api/jobs/{A}?since={place[0]}&epoch={place[1]}"
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    request += "Authorization: token 5ECRETt0ken\r\n\r\n"
    writers = []
    for _ in range(2):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request.encode())
        writers.append(writer)
    await eventually(lambda: waiting(server) == 2)
    response = await send(server, *place)
    assert response.code == 429
    assert json.loads(response.body)["code"] == "too-many-polls"
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    await eventually(lambda: waiting(server) == 0)
    assert (await send(server, *place, wait=0)).code == 200


async def test_the_end_of_the_server_ends_the_waiting(
    server: Server, report: Report, eventually: Eventually
) -> None:
    place = await begin(server, report)
    asked = asyncio.ensure_future(ask(server, *place))
    await eventually(lambda: waiting(server) == 1)
    await server.extension.stop_extension()
    assert (await asked)["data"]["events"] == []


async def test_looking_on_is_no_use_of_the_server(server: Server, report: Report) -> None:
    place = await begin(server, report)
    settings = server.app.web_app.settings
    await server.fetch("api/jobs")
    before = settings["api_last_activity"]
    await ask(server, *place, wait=0)
    assert settings["api_last_activity"] == before

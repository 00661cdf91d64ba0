"""``ws``: the live channel over a real socket."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import socket
import time
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tornado.httpclient import HTTPClientError

from jupyter_server_ext.handlers.events import EventsHandler
from jupyter_server_ext.hub.outbox import MAX_QUEUED
from jupyter_server_ext.hub.subscriber import MAX_TASKS
from progresswidget.protocol import MAX_FRAME, SUBPROTOCOL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from conftest import Server
    from tornado.iostream import IOStream
    from tornado.websocket import WebSocketClientConnection

    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]


class Page:
    """A page's side of the connection."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection

    async def send(self, kind: str, identity: int | None = 1, **data: Any) -> None:
        message = {"type": kind, "id": identity, "data": data}
        await self.connection.write_message(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        frame = await asyncio.wait_for(self.connection.read_message(), 10)
        assert isinstance(frame, str), f"closed with {self.connection.close_code}"
        message: dict[str, Any] = json.loads(frame)
        return message

    async def subscribe(self, *tasks: Json) -> list[dict[str, Any]]:
        await self.send("subscribe", tasks=list(tasks))
        return [await self.receive() for _ in tasks]

    async def closed(self) -> int | None:
        while await asyncio.wait_for(self.connection.read_message(), 10) is not None:
            continue
        return self.connection.close_code


@pytest.fixture
def join(server: Server) -> Callable[[], Awaitable[Page]]:
    async def connect() -> Page:
        page = Page(await server.connect())
        assert (await page.receive())["type"] == "hello"
        return page

    return connect


Join = "Callable[[], Awaitable[Page]]"


async def test_hello_comes_first(server: Server) -> None:
    pages = [Page(await server.connect()) for _ in range(2)]
    hellos = [await page.receive() for page in pages]
    assert [hello["type"] for hello in hellos] == ["hello", "hello"]
    assert [hello["data"]["heartbeat"] for hello in hellos] == [30, 30]
    assert [hello["data"]["timeout"] for hello in hellos] == [60, 60]
    assert hellos[0]["data"]["session"] != hellos[1]["data"]["session"]
    assert pages[0].connection.selected_subprotocol == SUBPROTOCOL


async def test_an_export_from_start_to_end(server: Server, report: Report, join: Any) -> None:
    body = report()
    await server.reported(body)
    page = await join()
    (answer,) = await page.subscribe({"taskId": body["taskId"]})
    assert answer["data"]["recovered"] is False
    assert answer["data"]["snapshot"] == await server.job(body["taskId"])
    epoch = answer["epoch"]
    last = answer["seq"]

    await server.ask(body["taskId"], "pause")
    event = await page.receive()
    assert (event["type"], event["epoch"]) == ("progress_update", epoch)
    assert (event["from"], event["seq"]) == (last + 1, last + 1)
    assert event["data"]["pending"] == "pause"

    await server.reported(body | {"revision": 2, "rows": 5000})
    assert (await page.receive())["data"]["rows"] == 5000
    await server.reported(body | {"revision": 3, "status": "failed", "rows": 6000})
    event = await page.receive()
    assert event["type"] == "task_complete"
    assert event["from"] == event["seq"]
    assert event["data"] == await server.job(body["taskId"])

    # The same page again, after a broken connection: nothing was missed.
    again = await join()
    position = {"taskId": body["taskId"], "epoch": epoch, "seq": event["seq"]}
    (answer,) = await again.subscribe(position)
    assert answer["data"] == {"taskId": body["taskId"], "recovered": True, "events": []}
    (answer,) = await again.subscribe(position | {"seq": event["seq"] - 1})
    assert answer["data"]["recovered"] is True
    assert [missed["data"] for missed in answer["data"]["events"]] == [event["data"]]
    (answer,) = await again.subscribe(position | {"epoch": "another"})
    assert answer["data"]["recovered"] is False

    await server.fetch(f"api/jobs/{body['taskId']}", method="DELETE")
    for one in (page, again):
        assert (await one.receive())["type"] == "task_removed"


async def test_unknown_tasks_unsubscribing_and_pings(
    server: Server, report: Report, join: Any
) -> None:
    body = report()
    await server.reported(body)
    page = await join()
    first, second = await page.subscribe({"taskId": "f" * 32}, {"taskId": body["taskId"]})
    assert (first["type"], first["data"]["code"]) == ("error", "task-not-found")
    assert first["data"]["taskId"] == "f" * 32
    assert second["type"] == "subscribed"
    await page.send("unsubscribe", 2, tasks=[body["taskId"]])
    await page.send("ping", 7)
    pong = await page.receive()
    assert (pong["type"], pong["re"]) == ("pong", 7)
    await server.reported(body | {"revision": 2, "status": "failed"})
    await page.send("ping", 8)
    assert (await page.receive())["re"] == 8


@pytest.mark.parametrize(
    "frame", ["", "{", "[]", b"\x00", json.dumps({"type": "subscribe", "id": 1})], ids=repr
)
async def test_a_broken_client_is_told_and_sent_away(
    server: Server, join: Any, frame: str | bytes
) -> None:
    page = await join()
    await page.connection.write_message(frame, binary=isinstance(frame, bytes))
    answer = await page.receive()
    assert (answer["type"], answer["data"]["code"]) == ("error", "malformed")
    assert await page.closed() == 4500
    assert (await server.fetch("api/jobs")).code == 200


async def test_a_newer_client_is_told_and_stays(join: Any) -> None:
    page = await join()
    await page.send("publish", 3)
    answer = await page.receive()
    assert (answer["data"]["code"], answer["re"]) == ("unknown-type", 3)
    tasks = [{"taskId": uuid.uuid4().hex} for _ in range(1001)]
    await page.send("subscribe", 4, tasks=tasks)
    answer = await page.receive()
    assert (answer["data"]["code"], answer["re"]) == ("too-many", 4)
    await page.send("ping", 5)
    assert (await page.receive())["type"] == "pong"


async def test_subscriptions_have_an_end(server: Server, report: Report, join: Any) -> None:
    body = report()
    await server.reported(body)
    page = await join()
    codes = set()
    for number in range(11):
        known = [{"taskId": f"{1000 * number + index:032x}"} for index in range(1000)]
        answers = await page.subscribe(*known)
        codes |= {answer["data"]["code"] for answer in answers}
    assert codes == {"task-not-found"}, "what does not exist takes no place"
    (answer,) = await page.subscribe({"taskId": body["taskId"]})
    assert answer["type"] == "subscribed"


async def test_ten_thousand_jobs_are_followed_by_one_page_and_no_more(
    server: Server, report: Report, join: Any
) -> None:
    hub, made = server.services.hub, report()
    names = [f"{number:032x}" for number in range(MAX_TASKS + 1)]
    job = (await server.services.registry.report(made)).public("/f")
    for name in names:
        hub.publish(name, job | {"taskId": name}, urgent=True)
    page, other = await join(), await join()
    told: set[str] = set()
    for first in range(0, MAX_TASKS, 1000):
        await page.send("subscribe", first, tasks=[{"taskId": one} for one in names[first:][:1000]])
    for _ in names[:MAX_TASKS]:
        answer = await page.receive()
        assert answer["type"] == "subscribed", answer
        told.add(answer["data"]["taskId"])
        if len(told) % 1000 == 0:  # nobody waits for it
            await other.send("ping", len(told))
            assert (await other.receive())["re"] == len(told)
    assert told == set(names[:MAX_TASKS])
    assert hub.subscriptions() == MAX_TASKS
    for wish in ({"tasks": [{"taskId": names[-1]}]}, {"all": True}):
        await page.send("subscribe", 7, **wish)
        answer = await page.receive()
        assert (answer["type"], answer["data"]["code"], answer["re"]) == ("error", "too-many", 7)
    # Its ends are told, and the place of one that is given up is another's.
    for name in names[:500]:
        hub.publish(name, job | {"taskId": name, "status": "failed"}, urgent=True)
    ends = [await page.receive() for _ in names[:500]]
    assert {end["data"].get("snapshot", end["data"])["status"] for end in ends} == {"failed"}
    await page.send("unsubscribe", 8, tasks=names[:1])
    (answer,) = await page.subscribe({"taskId": names[-1]})
    assert answer["type"] == "subscribed"


async def test_an_oversized_frame_ends_the_connection(join: Any, server: Server) -> None:
    page = await join()
    await page.connection.write_message("x" * (MAX_FRAME + 1))
    assert await page.closed() == 1009
    assert (await server.fetch("api/jobs")).code == 200


async def test_nothing_of_the_request_is_kept_for_a_page(
    server: Server, join: Any, eventually: Eventually
) -> None:
    await join()
    await eventually(lambda: len(server.services.connections) == 1)

    def handlers() -> int:
        gc.collect()
        return sum(isinstance(each, EventsHandler) for each in gc.get_objects())

    # Its headers alone take more than the page.
    await eventually(lambda: handlers() == 0)


@pytest.mark.parametrize("settings", [{"max_connections_per_user": 2}])
async def test_connections_of_a_user_are_limited(
    server: Server, join: Any, eventually: Eventually
) -> None:
    pages = [await join(), await join()]
    with pytest.raises(HTTPClientError) as caught:
        await server.connect()
    assert caught.value.code == 429
    assert json.loads(caught.value.response.body)["code"] == "too-many-connections"
    pages[0].connection.close()
    await eventually(lambda: len(server.services.connections) == 1)
    await join()


@pytest.mark.parametrize("settings", [{"max_connections_per_user": 2}])
async def test_connections_count_from_the_check_and_are_given_back(
    server: Server, join: Any, eventually: Eventually
) -> None:
    joining = [asyncio.ensure_future(join()) for _ in range(5)]
    found = await asyncio.gather(*joining, return_exceptions=True)
    pages = [page for page in found if isinstance(page, Page)]
    refused = [error.code for error in found if isinstance(error, HTTPClientError)]
    assert len(pages) == 2
    assert refused == [429] * 3
    for page in pages:
        page.connection.close()
    await eventually(lambda: server.services.connected == {})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Sec-WebSocket-Version": "1"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ({"Sec-WebSocket-Key": "no base64"}, 400),
        ({"Sec-WebSocket-Protocol": "progress, v1, v1.progress.kernel"}, 400),
    ],
    ids=str,
)
async def test_what_is_no_handshake_gets_an_answer(
    server: Server, change: dict[str, str], code: int
) -> None:
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
    }
    response = await server.fetch("ws", headers=fields | change)
    assert response.code == code
    assert set(json.loads(response.body)) == {"code", "message", "hint"}
    if code == 426:
        assert response.headers["Sec-WebSocket-Version"] == "13"
    assert server.services.connected == {}


@pytest.mark.parametrize("name", ["v0.progress", "v2.progress"])
async def test_row_58_a_page_of_another_version_is_told_so_and_nothing_else(
    server: Server, eventually: Eventually, name: str
) -> None:
    page = Page(await server.connect(subprotocols=[name]))
    assert page.connection.selected_subprotocol == name
    assert await asyncio.wait_for(page.connection.read_message(), 10) is None
    assert page.connection.close_code == 4506
    await eventually(lambda: server.services.connected == {})
    # Who speaks both speaks ours.
    both = Page(await server.connect(subprotocols=[name, SUBPROTOCOL]))
    assert (await both.receive())["type"] == "hello"


async def test_a_stopping_server_says_so(server: Server, join: Any) -> None:
    pages = [await join() for _ in range(3)]
    closings = [asyncio.ensure_future(page.closed()) for page in pages]
    await server.extension.stop_extension()
    assert await asyncio.gather(*closings) == [4001] * 3
    assert server.services.connections == set()
    assert server.services.connected == {}


class RawPage:
    """A WebSocket peer that answers nothing unless it is told to."""

    def __init__(self, server: Server, *, buffer: int = 4096) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(("127.0.0.1", server.port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /user/alice/progresswidget/ws HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            f"Authorization: token {server.app.identity_provider.token}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
            "",
            "",
        ]
        self.socket.sendall("\r\n".join(lines).encode())
        self.socket.settimeout(0)
        self.data = bytearray()
        self.ended = False

    def send(self, text: str, opcode: int = 1) -> None:
        payload, mask = text.encode(), os.urandom(4)
        size = (
            bytes([0x80 | len(payload)])
            if len(payload) < 126
            else (b"\xfe" + len(payload).to_bytes(2, "big"))
        )
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.socket.sendall(bytes([0x80 | opcode]) + size + mask + masked)

    def read(self) -> bool:
        try:
            block = self.socket.recv(1 << 16)
        except BlockingIOError:
            return self.ended
        except ConnectionError:
            block = b""
        self.data += block
        self.ended = self.ended or not block
        return self.ended


@pytest.fixture
def left() -> Iterator[tuple[list[IOStream], ExitStack]]:
    """What a server has accepted, of which nothing is open after its end, and who outlives it."""
    accepted: list[IOStream] = []
    with ExitStack() as peers:
        yield accepted, peers
        assert [stream for stream in accepted if not stream.closed()] == []


async def test_a_page_that_answers_nothing_is_gone_with_the_server(
    left: tuple[list[IOStream], ExitStack],  # before the server: it ends after it
    server: Server,
    accepted: list[IOStream],
    eventually: Eventually,
) -> None:
    left[1].enter_context(RawPage(server).socket)
    await eventually(lambda: len(server.services.connections) == 1)
    left[0].extend(accepted)
    assert accepted


async def test_a_page_that_leaves_before_it_is_let_in_is_no_failure(
    server: Server, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    services = server.services
    services.started.clear()  # as while the server comes up
    raw = RawPage(server)
    handlers = {one for one in gc.get_objects() if isinstance(one, EventsHandler)}
    await eventually(
        lambda: {one for one in gc.get_objects() if isinstance(one, EventsHandler)} - handlers
    )
    raw.socket.close()
    services.started.set()
    assert (await Page(await server.connect()).receive())["type"] == "hello"
    assert "failure" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "least"),
    [({"heartbeat": 0.2}, 0.35), ({"heartbeat": 0.2, "heartbeat_timeout": 1.5}, 1.4)],
)
async def test_a_silent_peer_is_sent_away(
    server: Server, eventually: Eventually, least: float
) -> None:
    loop = asyncio.get_running_loop()
    page = RawPage(server)
    await eventually(lambda: len(server.services.connections) == 1)
    start = loop.time()
    close = b"\x88\x08" + (4012).to_bytes(2, "big") + b"silent"
    await eventually(lambda: page.read() or close in page.data)
    assert close in page.data
    assert loop.time() - start >= least
    assert b"\x89\x00" in page.data, "it was pinged before"
    page.socket.close()
    await eventually(lambda: len(server.services.connections) == 0)


@pytest.mark.parametrize("settings", [{"heartbeat": 0.2}])
async def test_a_loop_that_was_held_up_reads_before_it_judges(
    server: Server, eventually: Eventually
) -> None:
    page = RawPage(server)
    await eventually(lambda: page.read() or b"\x89\x00" in page.data)
    page.send('{"type":"ping","id":1}')
    time.sleep(1)  # noqa: ASYNC251 - another extension, written badly
    await eventually(lambda: page.read() or b'"pong"' in page.data)
    assert b"silent" not in page.data
    page.socket.close()


@pytest.mark.parametrize("settings", [{"heartbeat": 0.5}])
@pytest.mark.parametrize("sign", ["message", "pong"])
async def test_any_sign_of_life_counts(
    server: Server, join: Any, eventually: Eventually, sign: str
) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + 2.5  # more than twice what silence would be given
    if sign == "pong":  # the client library answers pings by itself
        page = await join()
        await eventually(lambda: loop.time() > end)
        await page.send("ping", 9)
        assert (await page.receive())["re"] == 9
        return
    raw = RawPage(server)
    await eventually(lambda: len(server.services.connections) == 1)
    next_sign = loop.time()

    def lives() -> bool:
        nonlocal next_sign
        if loop.time() >= next_sign:
            raw.send('{"type":"ping"}')
            next_sign = loop.time() + 0.1
        assert not raw.read()
        return loop.time() > end

    await eventually(lives)
    assert b'"pong"' in raw.data
    raw.socket.close()


@pytest.mark.parametrize("settings", [{"slow_timeout": 8.0}])
async def test_a_page_that_does_not_read_holds_little_and_is_given_up(
    server: Server, report: Report, eventually: Eventually
) -> None:
    body = report()
    filler = "x" * 1900
    await server.reported(body)
    raw = RawPage(server)
    await eventually(lambda: len(server.services.connections) == 1)
    raw.send(
        json.dumps({"type": "subscribe", "id": 1, "data": {"tasks": [{"taskId": body["taskId"]}]}})
    )
    (page,) = server.services.connections
    await eventually(lambda: body["taskId"] in page._subscriber._told)
    # Progress costs it nothing, however much there is.
    for revision in range(2, 300):
        error = {"code": "x", "message": filler, "hint": filler}
        change = {"revision": revision, "rows": revision, "error": error}
        await server.services.registry.report(body | change)
        server.services.hub._push(server.services.hub.topic(body["taskId"]))  # type: ignore[arg-type]
    assert page._subscriber._queue.size <= MAX_QUEUED
    assert len(page._subscriber._marked) <= 1
    assert not page._subscriber.overflowed
    # Ends are not dropped, but too many of them give way to a snapshot.
    revision = 300

    async def end_and_go_on() -> None:
        nonlocal revision
        for status in ("interrupted", "running"):
            revision += 1
            change = {"revision": revision, "status": status, "error": error}
            await server.services.registry.report(body | change)
            assert page._subscriber._queue.size <= MAX_QUEUED

    while server.services.hub.overflows == 0:
        await end_and_go_on()

    # And whoever takes nothing for too long is sent away.
    async def given_up() -> bool:
        await end_and_go_on()
        return page._subscriber.overflowed

    await eventually(given_up)
    await eventually(lambda: len(server.services.connections) == 0, within=15)
    close = b"\x88\x06" + (4008).to_bytes(2, "big") + b"slow"
    assert raw.read() or close not in raw.data
    raw.socket.close()


async def test_progress_is_pushed_at_most_twice_a_second(
    server: Server, report: Report, join: Any
) -> None:
    loop = asyncio.get_running_loop()
    body = report()
    await server.reported(body)
    page = await join()
    (answer,) = await page.subscribe({"taskId": body["taskId"]})
    last, events, start = answer["seq"], 0, loop.time()
    revision = 1
    receiving = asyncio.ensure_future(page.receive())
    while events < 4:
        revision += 1
        await server.reported(body | {"revision": revision, "rows": revision})
        if receiving.done():
            event = receiving.result()
            assert event["from"] == last + 1
            last = event["seq"]
            events += 1
            receiving = asyncio.ensure_future(page.receive())
    # However late this loop is: the fourth one cannot come before three intervals are over.
    assert loop.time() - start >= 3 * 0.5 - 0.1
    assert revision > 4
    assert (await receiving)["data"]["rows"] == revision

"""Events of jobs and transfers in the server's event log, for subscribers and for handlers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml
from reports import make_report
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect
from two_disks import download, until

import jupyter_server_ext
from jupyter_server_ext.events.eventlog import PERSONAL, schema_id
from jupyter_server_ext.events.life import JOB_EVENTS, KINDS, TRANSFER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Process, Server
    from redis_server import RedisServer

    from progresswidget.protocol import Json

PACKAGE = Path(jupyter_server_ext.__file__).parent
JOB, TRANSFER = schema_id("job"), schema_id("transfer")
TOKEN = "5ECRETt0ken"


def schema(name: str) -> Json:
    text = (PACKAGE / "event_schemas" / name / "v1.yaml").read_text()
    value: Json = yaml.safe_load(text)
    return value


def check(event: Json) -> None:
    """Hold an event against its schema, and nothing beside it."""
    name = event["schema_id"].split("/")[-2]
    data = {key: value for key, value in event.items() if key != "schema_id"}
    jsonschema.Draft7Validator(schema(name)).validate(data)


class Listener:
    """Whoever listens at ``/api/events/subscribe``."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self._connection = connection

    async def events(self, count: int) -> list[Json]:
        """Return the next events of ours."""
        found: list[Json] = []
        while len(found) < count:
            text = await asyncio.wait_for(self._connection.read_message(), 20)
            assert isinstance(text, str)
            event = json.loads(text)
            if event["schema_id"] in {JOB, TRANSFER}:
                check(event)
                found.append(event)
        return found

    async def actions(self, count: int) -> list[str]:
        return [event["action"] for event in await self.events(count)]


@pytest.fixture
def listener(server: Server, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Listener:
    async def listen() -> Listener:
        url = server.url("/user/alice/api/events/subscribe").replace("http", "ws", 1)
        request = HTTPRequest(url, headers={"Authorization": f"token {TOKEN}"})
        server.pages.append(await websocket_connect(request))
        return Listener(server.pages[-1])

    return jp_asyncio_loop.run_until_complete(listen())


def test_schemas_name_what_the_code_tells() -> None:
    job, transfer = schema("job"), schema("transfer")
    assert (job["$id"], transfer["$id"]) == (JOB, TRANSFER)
    assert tuple(job["properties"]["action"]["enum"]) == JOB_EVENTS
    assert set(job["properties"]["kind"]["enum"]) == KINDS | {"other"}
    assert tuple(transfer["properties"]["action"]["enum"]) == TRANSFER_EVENTS
    for one in (job, transfer):
        assert one["version"] == "1"
        assert one["personal-data"] is True
        assert one["additionalProperties"] is False
        for name, about in one["properties"].items():
            assert about["description"].strip().endswith("."), name
            assert ("Personal:" in about["description"]) == (name in PERSONAL), name


async def test_the_life_of_a_job_is_told_and_its_progress_is_not(
    server: Server, listener: Listener, tmp_path: Path
) -> None:
    report = make_report(status="queued", revision=1)
    task_id = report["taskId"]
    steps = ["queued", "running", "running", "paused", "running", "running", "failed"]
    for revision, status in enumerate(steps, start=1):
        error = {"code": "export-failed", "message": "postgres://me:5ECRET@host", "hint": ""}
        await server.reported(
            report
            | {"revision": revision, "status": status, "rows": revision * 100}
            | ({"error": error} if status == "failed" else {})
        )
    again = {"generation": 2, "revision": 20, "error": None}
    await server.reported(report | again | {"status": "running"})
    await server.reported(report | again | {"status": "cancelled", "revision": 21})
    assert (await server.fetch(f"api/jobs/{task_id}", method="DELETE")).code == 204
    told = await listener.events(8)
    expected = ["created", "started", "paused", "resumed", "failed"]
    assert [event["action"] for event in told] == [*expected, "started", "cancelled", "removed"]
    assert {event["task_id"] for event in told} == {task_id}
    assert told[4]["error"] == "export-failed"
    assert (told[4]["rows"], told[5]["generation"]) == (700, 2)
    for private in ("5ECRET", "flights.csv", "/nowhere"):
        assert private not in json.dumps(told)


async def test_a_process_that_is_gone_is_told(server: Server, listener: Listener) -> None:
    report = make_report()
    await server.reported(report)
    await server.services.registry.interrupt(report["taskId"], "kernel-died")
    await server.reported(report | {"revision": 2})
    (*_, interrupted, resumed) = await listener.events(4)
    assert (interrupted["action"], interrupted["error"]) == ("interrupted", "kernel-died")
    assert (resumed["action"], resumed["error"]) == ("resumed", None)


async def test_a_report_that_was_lost_makes_nothing_up(
    server: Server, listener: Listener, root: Path
) -> None:
    path = root / "a.csv"
    path.write_text("a\n1\n")
    await server.publish(path, kind="of a kind of its own")
    told = await listener.events(2)
    assert [event["action"] for event in told] == ["created", "done"]
    assert {event["kind"] for event in told} == {"other"}


async def test_a_transfer_is_told_once_however_many_pieces_it_comes_in(
    server: Server, listener: Listener, root: Path
) -> None:
    path = root / "a.csv"
    path.write_bytes(bytes(3000))
    record = await server.publish(path)
    assert await listener.actions(2) == ["created", "done"]
    for first in (0, 1000, 2000):
        fields = {"Range": f"bytes={first}-{first + 999}"}
        assert (await server.fetch(record["url"], headers=fields)).code == 206
    begun, completed = await listener.events(2)
    assert begun["action"] == "begun"
    assert completed["action"] == "completed"
    assert completed["bytes"] == completed["size"] == 3000
    assert completed["task_id"] == record["taskId"]
    assert completed["direction"] == "download"
    assert completed["name"] is completed["user"] is None
    for first in (0, 1000, 2000):
        fields = {"Range": f"bytes={first}-{first + 999}"}
        assert (await server.fetch(record["url"], headers=fields)).code == 206
    begun, completed = await listener.events(2)
    assert (begun["action"], completed["action"]) == ("begun", "completed"), "once more, and once"
    assert completed["bytes"] == 3000


async def test_a_cut_is_told_and_what_follows_it(
    server: Server, listener: Listener, root: Path
) -> None:
    path = root / "a.bin"
    path.write_bytes(bytes(64 << 20))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    target = "/user/alice/progresswidget/contents/a.bin"
    head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {TOKEN}\r\n\r\n"
    writer.write(head.encode())
    await reader.readexactly(100_000)
    writer.transport.abort()
    begun, cut = await listener.events(2)
    assert (begun["action"], cut["action"]) == ("begun", "cut")
    assert 100_000 <= cut["bytes"] < cut["size"] == 64 << 20
    assert cut["task_id"] is None
    assert (await server.fetch("contents/a.bin")).code == 200
    begun, completed = await listener.events(2)
    assert (begun["action"], completed["action"]) == ("begun", "completed")
    assert completed["bytes"] == 64 << 20


async def test_who_asks_for_events_as_they_are_gets_all(server: Server, root: Path) -> None:
    events: list[Json] = []

    async def listener(logger: object, schema_id: str, data: Json) -> None:
        events.append(data)

    logger = server.app.event_logger
    logger.add_listener(modified=False, schema_id=JOB, listener=listener)
    path = root / "a.csv"
    path.write_text("a\n1\n")
    await server.publish(path)
    await logger.gather_listeners()
    assert [event["path"] for event in events] == [str(path)] * 2


@pytest.mark.parametrize("settings", [{"redact_events": False}])
async def test_an_admin_may_want_to_know_more(
    server: Server, listener: Listener, root: Path
) -> None:
    path = root / "a.csv"
    path.write_text("a\n1\n")
    record = await server.publish(path)
    assert (await server.fetch(record["url"])).code == 200
    _, done, _, completed = await listener.events(4)
    assert done["path"] == str(path)
    assert (completed["name"], completed["user"]) == ("a.csv", "token")


async def test_what_others_make_of_an_event_harms_no_report(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(schema_id: str, data: Json) -> Json:
        raise RuntimeError("a modifier of somebody else")

    logger = server.app.event_logger

    async def listener(logger: object, schema_id: str, data: Json) -> None:
        raise AssertionError("nothing arrives")

    logger.add_listener(schema_id=JOB, listener=listener)
    logger.add_modifier(schema_id=JOB, modifier=broken)
    report = make_report()
    await server.reported(report)
    assert (await server.job(report["taskId"]))["status"] == "running"
    (first, *_) = [line for line in caplog.records if "could not be told" in line.getMessage()]
    assert first.__dict__["task_id"] == report["taskId"]


CONFIG = """
import logging
c.EventLogger.handlers = [logging.FileHandler({path!r})]
"""
EXPORT = """
import sys, pyarrow as pa, progresswidget as pw
print(pw.export(pa.table({"n": list(range(5000))}), sys.argv[1]).id)
"""


def test_a_handler_that_is_configured_gets_them(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    path = tmp_path / "events.ndjson"
    config = tmp_path / "home" / "config"
    config.mkdir()
    (config / "jupyter_server_config.py").write_text(CONFIG.format(path=str(path)))
    server = start()
    environment = os.environ | {
        "PROGRESSWIDGET_ENDPOINT_FILE": str(server.endpoint),
        "PYTHONPATH": str(PACKAGE.parent),
    }
    command = [sys.executable, "-c", EXPORT, str(tmp_path / "root" / "sales.csv")]
    task_id = subprocess.check_output(command, env=environment, text=True, timeout=60).split()[-1]
    content = download(server, task_id)

    def events() -> list[Json]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    until(lambda: [event for event in events() if event.get("action") == "completed"])
    for event in events():
        check(
            {"schema_id": event["__schema__"]}
            | {name: value for name, value in event.items() if not name.startswith("__")}
        )
    ours = [(event["__schema__"], event["action"]) for event in events()]
    assert ours[0] == (JOB, "created")
    assert ours[-3:] == [(JOB, "done"), (TRANSFER, "begun"), (TRANSFER, "completed")]
    done, _, completed = events()[-3:]
    assert done["rows"] == 5000
    assert done["bytes"] == completed["bytes"] == len(content)
    assert "sales" not in path.read_text()


@pytest.mark.faults
def test_of_two_servers_with_one_state_the_one_that_was_told_tells(
    start: Callable[..., Process], redis: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "events.ndjson"
    config = tmp_path / "home" / "config"
    config.mkdir()
    own = f"{path}.{{os.getpid()}}"
    text = CONFIG.format(path="").replace("''", f'f"{own}"')
    (config / "jupyter_server_config.py").write_text(f"import os\n{text}")
    one, other = (start(f"--ProgressExtension.store_url={redis.url}") for _ in range(2))
    report = make_report()
    one.report(report)
    until(lambda: other.request("api/jobs"))
    one.report(report | {"revision": 2, "status": "paused"})
    until(lambda: other.request(f"api/jobs/{report['taskId']}")["status"] == "paused")

    def actions(server: Process) -> list[str]:
        lines = Path(f"{path}.{server.pid}").read_text().splitlines()
        return [json.loads(line)["action"] for line in lines]

    assert actions(one) == ["created", "started", "paused"]
    assert actions(other) == []
    assert other.request("api/health")["jobs"] == {"paused": 1}
    assert one.request("api/health")["epoch"] == other.request("api/health")["epoch"]

"""``api/health``: what is well, what is not, and nothing that is nobody's business."""

from __future__ import annotations

import json
import sqlite3
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from jupyter_core.paths import jupyter_runtime_dir
from reports import make_report

from jupyter_server_ext.stores.health import StoreHealth

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Process, Server

    from progresswidget.protocol import Json


async def health(server: Server) -> Json:
    response = await server.fetch("api/health")
    assert response.code == 200, response.body
    assert response.headers["Cache-Control"] == "no-store"
    record: Json = json.loads(response.body)
    return record


async def test_a_server_that_is_well_says_so(server: Server) -> None:
    await server.reported(make_report())
    await server.reported(make_report(status="failed"))
    page = await server.connect()
    await page.read_message()
    record = await health(server)
    assert record["status"] == "ok"
    assert record["version"] == version("progresswidget")
    assert record["epoch"] == server.services.hub.epoch
    assert 0 < record["uptime"] < 600
    assert record["jobs"] == {"running": 1, "failed": 1}
    assert record["connections"] == 1
    assert record["subscriptions"] == record["links"] == 0
    assert record["uploads"] == {"unfinished": 0, "bytes": 0}
    assert record["stores"]["jobs"] == {
        "backend": "sqlite",
        "journalMode": "wal",
        "degraded": False,
        "failingSince": None,
        "lastError": None,
        "errors": 0,
    }


async def test_the_record_is_what_the_document_says(server: Server) -> None:
    document = json.loads((await server.fetch("api/openapi.json")).body)
    answer = document["paths"]["/api/health"]["get"]["responses"]["200"]
    (content,) = answer["content"].values()
    schema, record = content["schema"], await health(server)
    jsonschema.validate(record, schema)
    assert set(record) == set(schema["properties"])
    store = schema["properties"]["stores"]["additionalProperties"]
    assert set(record["stores"]["jobs"]) == set(store["properties"])


async def test_who_is_not_signed_in_learns_nothing(server: Server) -> None:
    response = await server.fetch("api/health", token=False)
    assert response.code == 403
    assert set(json.loads(response.body)) == {"code", "message", "hint"}


async def test_a_store_that_is_locked_out_is_told_until_it_is_back(
    server: Server, eventually: Callable[..., Awaitable[Any]]
) -> None:
    (path,) = Path(jupyter_runtime_dir()).glob("progresswidget/*/state.sqlite")
    before = time.time_ns() // 1_000_000
    report = make_report()
    await server.reported(report)
    locked = sqlite3.connect(path, isolation_level=None)
    # A table of another shape refuses every row, at once.
    locked.execute("ALTER TABLE jobs RENAME TO away")
    await server.reported(report | {"revision": 2, "status": "failed"})

    async def degraded() -> dict[str, Any] | None:
        found = await health(server)
        return found if found["status"] == "degraded" else None

    record = await eventually(degraded)  # the end is kept beside the database, which comes later
    jobs = record["stores"]["jobs"]
    assert jobs["degraded"] is True
    assert before <= jobs["failingSince"] <= time.time_ns() // 1_000_000
    assert jobs["lastError"] == "OperationalError"
    assert jobs["errors"] >= 1
    assert str(path.parent) not in json.dumps(record)
    assert record["stores"]["links"]["degraded"] is False

    locked.execute("ALTER TABLE away RENAME TO jobs")
    locked.close()

    async def well() -> bool:
        return bool((await health(server))["status"] == "ok")

    await eventually(well)
    jobs = (await health(server))["stores"]["jobs"]
    assert jobs["failingSince"] is None
    assert jobs["lastError"] == "OperationalError"


def test_a_server_that_found_no_place_for_its_state_is_degraded(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    server = start()
    directory = server.endpoint.parent
    server.stop()
    for path in directory.glob("state.sqlite*"):
        path.unlink()
    (directory / "state.sqlite").mkdir()
    server = start()
    record = server.request("api/health")
    assert record["status"] == "degraded"
    assert record["stores"]["jobs"]["backend"] == "memory"
    assert record["stores"]["jobs"]["failingSince"] is not None
    assert str(tmp_path) not in json.dumps(record)
    server.report(make_report())
    assert server.request("api/health")["jobs"] == {"running": 1}
    server.stop()


@pytest.mark.parametrize("settings", [{"store": "memory"}])
async def test_memory_that_was_asked_for_is_well(server: Server) -> None:
    record = await health(server)
    assert record["status"] == "ok"
    assert record["stores"]["jobs"]["backend"] == "memory"


def test_failures_and_returns_are_told_once() -> None:
    store = StoreHealth("sqlite")
    assert not store.worked()
    assert store.failed(OSError("/a/path"), 10)
    assert not store.failed(ValueError("/a/path"), 20)
    assert (store.failing_since, store.errors, store.error) == (10, 2, "ValueError")
    assert store.worked()
    assert not store.worked()
    assert not store.degraded

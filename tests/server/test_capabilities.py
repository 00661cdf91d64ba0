"""Who has ordered a job may report to it, from any process that has the reporter, and no more."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_server_ext.jobs.capabilities import capability, opens
from progresswidget import JobReporter
from progresswidget.client import Endpoint, ServerUnreachableError
from progresswidget.protocol import queued
from progresswidget.remote import OrderRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Process, Server
    from tornado.httpclient import HTTPResponse

    from progresswidget.protocol import Json

A, B = "a" * 32, "b" * 32
ORDER = {"name": "train", "path": "/data/train", "kind": "task", "total": 10}


def test_it_opens_one_job_of_one_key_for_one_deed() -> None:
    shown = capability(b"k" * 32, A, "report")
    assert opens(b"k" * 32, A, "report", shown)
    for key, task_id, deed, other in (
        (b"k" * 32, B, "report", shown),
        (b"l" * 32, A, "report", shown),
        (b"k" * 32, A, "count", shown),
        (b"k" * 32, A, "report", capability(b"k" * 32, A, "count")),
        (b"k" * 32, A, "report", ""),
        (b"k" * 32, A, "report", shown[:-1]),
        (b"k" * 32, A, "report", "\udc80"),
    ):
        assert not opens(key, task_id, deed, other)


async def order(server: Server, **headers: str) -> Json:
    response = await server.fetch(
        "api/jobs", method="POST", body=json.dumps(ORDER), headers=headers
    )
    assert response.code == 201, response.body
    assert response.headers["Cache-Control"] == "no-store"
    record: Json = json.loads(response.body)
    return record


def report_of(record: Json, **changes: Any) -> Json:
    full = {**ORDER, "format": "", "mediaType": "application/octet-stream", "columns": 0}
    report = queued(record["taskId"], full | {"kernelId": None, "cellId": None}, record["created"])
    return report | {"revision": 1, "status": "running", "phase": "writing"} | changes


async def put(server: Server, report: Json, authorization: str) -> HTTPResponse:
    return await server.fetch(
        f"api/jobs/{report['taskId']}",
        token=False,
        method="PUT",
        headers={"Authorization": authorization},
        body=json.dumps(report),
    )


async def test_who_has_ordered_reports(server: Server) -> None:
    record = await order(server)
    lets = f"Job {record['capability']}"
    response = await put(server, report_of(record, rows=5), lets)
    assert response.code == 200, response.body
    assert json.loads(response.body)["control"] is None
    assert (await server.job(record["taskId"]))["rows"] == 5
    await server.ask(record["taskId"], "cancel")
    response = await put(server, report_of(record, revision=2, rows=6), lets)
    assert json.loads(response.body)["control"]["action"] == "cancel"
    done = report_of(record, revision=3, status="done", ended=record["created"])
    for _ in range(2):  # the answer may be lost
        assert (await put(server, done, lets)).code == 200
    assert (await server.job(record["taskId"]))["status"] == "done"


async def test_the_same_order_gets_the_same(server: Server) -> None:
    first, again = [await order(server, **{"Idempotency-Key": '"k"'}) for _ in range(2)]
    assert first == again
    assert (await order(server))["capability"] != first["capability"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"path": "/etc/passwd", "name": "passwd"}, 403, "capability-exceeded"),
        ({"generation": 2}, 403, "capability-exceeded"),
        ({"kind": "export"}, 403, "capability-exceeded"),
        ({"kernelId": "k"}, 403, "capability-exceeded"),
        ({"cellId": "c"}, 403, "capability-exceeded"),
        ({"parent": B}, 403, "capability-exceeded"),
        ({"mediaType": "text/html"}, 403, "capability-exceeded"),
        ({"taskId": B}, 403, "capability-wrong"),
    ],
)
async def test_it_lets_do_nothing_else(
    server: Server, changes: Json, status: int, code: str
) -> None:
    record = await order(server)
    report = report_of(record, **changes)
    response = await put(server, report, f"Job {record['capability']}")
    assert (response.code, json.loads(response.body)["code"]) == (status, code)
    assert (await server.job(record["taskId"]))["revision"] == 0
    assert B not in server.services.registry.jobs


async def test_it_opens_no_other_address(server: Server) -> None:
    record = await order(server)
    headers = {"Authorization": f"Job {record['capability']}"}
    address = f"api/jobs/{record['taskId']}"
    for method, path in (
        ("GET", address),
        ("POST", address),
        ("DELETE", address),
        ("PUT", f"{address}/place"),
        ("PUT", f"{address}/counts/1-a"),
        ("GET", "api/jobs"),
        ("POST", "api/jobs"),
        ("POST", "uploads/"),
    ):
        body = "{}" if method in {"POST", "PUT"} else None
        response = await server.fetch(path, token=False, method=method, headers=headers, body=body)
        assert response.code in {401, 403}, (method, path)


async def test_it_means_nothing_once_the_job_is_forgotten(server: Server) -> None:
    record = await order(server)
    lets = f"Job {record['capability']}"
    await put(server, report_of(record, status="failed"), lets)
    await server.fetch(f"api/jobs/{record['taskId']}", method="DELETE")
    response = await put(server, report_of(record, revision=2), lets)
    assert (response.code, json.loads(response.body)["code"]) == (404, "task-not-found")
    assert not server.services.registry.jobs


async def test_it_is_told_once_and_logged_never(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    record = await order(server)
    secret = record["capability"]
    await put(server, report_of(record, generation=2), f"Job {secret}")
    await put(server, {**report_of(record), "rows": "many"}, f"Job {secret}")
    for path in ("api/jobs", f"api/jobs/{record['taskId']}", "api/changes", "api/health"):
        assert secret not in (await server.fetch(path)).body.decode()
    assert secret not in caplog.text
    assert secret not in repr(JobReporter(Endpoint("http://x/", secret), report_of(record)))
    assert secret not in repr(Endpoint("http://x/", secret))


# --- From other processes --------------------------------------------------------------------


def work(reporter: JobReporter, told: Any, *, ends: bool) -> None:
    """Do ten steps, as a worker does that was started afresh."""
    for step in range(1, 11):
        reporter.update(step)
    reporter._next = 0.0
    reporter.update(10)
    told.set()
    while not ends or reporter.wish != "cancel":
        time.sleep(0.05)
        reporter.update(10)
    reporter.finish("cancelled")


def wait_for(server: Process, task_id: str, **fields: Any) -> Json:
    end = time.monotonic() + 60
    while True:
        record: Json = server.request(f"api/jobs/{task_id}")
        if fields.items() <= record.items():
            return record
        assert time.monotonic() < end, record
        time.sleep(0.05)


def test_workers_report_to_their_jobs_and_one_that_is_killed_is_missed(
    start: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    base = server.url.removesuffix("progresswidget/")
    with pytest.raises(OrderRefusedError):
        JobReporter.order("x", server=base, token="wrong")
    with pytest.raises(OrderRefusedError):
        JobReporter.order("a/b", server=base, token=server.token)
    monkeypatch.delenv("PROGRESSWIDGET_ENDPOINT_FILE", raising=False)
    with pytest.raises(ServerUnreachableError):
        JobReporter.order("x")
    by_token = JobReporter.order("steps", total=10, server=base, token=server.token)
    monkeypatch.setenv("PROGRESSWIDGET_ENDPOINT_FILE", str(server.endpoint))
    by_kernel = JobReporter.order("more steps", total=10)
    spawn = multiprocessing.get_context("spawn")
    events = [spawn.Event(), spawn.Event()]
    workers = [
        spawn.Process(target=work, args=(one, event), kwargs={"ends": one is by_token})
        for one, event in zip((by_token, by_kernel), events, strict=True)
    ]
    for worker in workers:
        worker.start()
    assert all(event.wait(60) for event in events)
    record = wait_for(server, by_token.id, status="running", rows=10)
    assert (record["progress"], record["userId"]) == (100, None)
    os.kill(int(workers[1].pid or 0), signal.SIGKILL)
    assert wait_for(server, by_kernel.id, status="interrupted")["error"]["code"] == "process-died"
    server.request(f"api/jobs/{by_token.id}", method="POST", body={"action": "cancel"})
    for worker in workers:
        worker.join(60)
    assert wait_for(server, by_token.id, status="cancelled")["pending"] is None
    # The end of a job in this very process.
    own = pickle.loads(pickle.dumps(JobReporter.order("here")))
    assert own.update(1) is None
    own.finish()
    assert server.request(f"api/jobs/{own.id}")["status"] == "done"

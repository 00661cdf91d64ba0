"""``api/jobs`` by HTTP: reports, lists, wishes, and forgetting."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from progresswidget.protocol import MAX_REPORT, PRIVATE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from conftest import Server

    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]


async def test_a_report_is_answered_and_seen(server: Server, report: Report) -> None:
    body = report(steps=[{"name": "send", "status": "undone"}], name="f\u00fcr Alice & 5 %.csv")
    reply = await server.reported(body)
    quoted = "f%C3%BCr%20Alice%20%26%205%20%25.csv"
    url = f"/user/alice/progresswidget/files/{body['taskId']}/1/{quoted}"
    assert reply == {"control": None, "url": url, "notebook": None, "shared": None}
    record = await server.job(body["taskId"])
    assert record.pop("updated") > 0
    expected = {key: body[key] for key in body if key not in PRIVATE_FIELDS}
    assert record == expected | {
        "url": url,
        "notebook": None,
        "read": 0,
        "pending": None,
        "userId": None,
        "source": None,
        "contents": None,
    }


async def test_reports_are_idempotent_and_old_ones_change_nothing(
    server: Server, report: Report
) -> None:
    body = report(revision=5, rows=50)
    first = await server.reported(body)
    assert await server.reported(body) == first
    assert await server.reported(body | {"revision": 4, "rows": 4}) == first
    assert (await server.job(body["taskId"]))["rows"] == 50


async def test_a_contradiction_is_a_conflict(server: Server, report: Report) -> None:
    body = report(status="cancelled")
    await server.reported(body)
    response = await server.report(body | {"status": "running", "revision": 2})
    assert response.code == 409
    assert json.loads(response.body)["code"] == "illegal-transition"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"revision": 1}'])
async def test_a_malformed_report(server: Server, body: bytes) -> None:
    response = await server.fetch(
        "api/jobs/" + "a" * 32,
        token=False,
        method="PUT",
        headers={"Authorization": f"Kernel {server.services.secret}"},
        body=body,
    )
    assert response.code == 400
    assert json.loads(response.body)["code"] == "malformed"


async def test_a_malformed_id(server: Server, report: Report) -> None:
    assert (await server.report(report("x" * 32))).code == 400
    assert (await server.fetch("api/jobs/" + "x" * 32)).code == 404


async def test_a_report_too_large_is_refused(server: Server, report: Report) -> None:
    body = report()
    response = await server.report(body | {"filler": "x" * MAX_REPORT})
    assert response.code == 413
    assert json.loads(response.body)["code"] == "too-large"
    assert server.services.registry.find() == []


@pytest.mark.parametrize("secret", [True, False])
async def test_a_large_body_is_refused_before_it_is_sent(
    server: Server,
    secret: bool,  # noqa: FBT001
    eventually: Eventually,
) -> None:
    lines = [
        f"PUT /user/alice/progresswidget/api/jobs/{'a' * 32} HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Authorization: Kernel {server.services.secret if secret else 'wrong'}",
        "Content-Length: 400000000",
        "",
        "",
    ]
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall("\r\n".join(lines).encode())
        connection.settimeout(0)
        answer = bytearray()

        def answered() -> bool:
            with suppress(BlockingIOError):
                answer.extend(connection.recv(4096))
            return b"}" in answer

        await eventually(answered)
    assert answer.startswith(b"HTTP/1.1 413" if secret else b"HTTP/1.1 403")


async def test_a_body_of_unknown_length_is_bounded_too(
    server: Server, eventually: Eventually
) -> None:
    head = [
        f"PUT /user/alice/progresswidget/api/jobs/{'a' * 32} HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Authorization: Kernel {server.services.secret}",
        "Transfer-Encoding: chunked",
        "",
        "",
    ]
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall("\r\n".join(head).encode() + chunk * 2)
        connection.settimeout(0)
        answer = bytearray()

        def ended() -> bool:
            try:
                connection.send(chunk)
                block = connection.recv(4096)
            except BlockingIOError:
                return False
            except ConnectionError:
                return True
            answer.extend(block)
            return not block or b"}" in answer

        await eventually(ended)
    assert b"200 OK" not in answer
    assert server.services.registry.find() == []


async def test_the_list_is_newest_first_and_can_be_narrowed(server: Server, report: Report) -> None:
    old = report(created=1, status="done", kernelId="k1", sha256="a" * 64, fingerprint=_no_file())
    mid = report(created=2, status="paused", kernelId="k2")
    new = report(created=3, kernelId="k1")
    for body in (mid, new, old):
        await server.reported(body)

    async def ids(query: str = "") -> list[str]:
        response = await server.fetch(f"api/jobs{query}")
        assert response.code == 200
        return [record["taskId"] for record in json.loads(response.body)]

    everything = [new["taskId"], mid["taskId"], old["taskId"]]
    assert await ids() == everything
    assert await ids("?kernel=k1") == [new["taskId"], old["taskId"]]
    assert await ids("?status=paused,done") == [mid["taskId"], old["taskId"]]
    assert await ids("?status=running&kernel=k2") == []
    assert await ids("?notebook=a.ipynb") == []
    assert (await server.fetch("api/jobs?status=finished")).code == 400


async def test_wishes_travel_with_the_reply(server: Server, report: Report) -> None:
    body = report()
    await server.reported(body)
    response = await server.ask(body["taskId"], "pause")
    assert response.code == 202
    assert json.loads(response.body)["pending"] == "pause"
    control = (await server.reported(body))["control"]
    assert control["action"] == "pause"
    assert len(control["id"]) == 32
    # Told until it is taken up, and then no more.
    assert (await server.reported(body | {"revision": 2}))["control"] == control
    taken = body | {"revision": 3, "status": "paused", "control": control["id"]}
    assert (await server.reported(taken))["control"] is None
    assert (await server.job(body["taskId"]))["pending"] is None


async def test_nothing_replaces_a_cancel(server: Server, report: Report) -> None:
    body = report()
    await server.reported(body)
    for action in ("cancel", "resume", "pause"):
        response = await server.ask(body["taskId"], action)
        assert response.code == 202
        assert json.loads(response.body)["pending"] == "cancel"


@pytest.mark.parametrize("action", ["stop", "", None, 1, ["pause"], {}])
async def test_other_wishes_are_refused(server: Server, report: Report, action: object) -> None:
    body = report()
    await server.reported(body)
    assert (await server.ask(body["taskId"], action)).code == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"pause"', b"\xff"])
async def test_malformed_wishes(server: Server, report: Report, body: bytes) -> None:
    job = report()
    await server.reported(job)
    response = await server.fetch(f"api/jobs/{job['taskId']}", method="POST", body=body)
    assert response.code == 400


async def test_wishes_for_what_has_ended_or_never_was(server: Server, report: Report) -> None:
    body = report(status="failed")
    await server.reported(body)
    assert (await server.ask(body["taskId"], "cancel")).code == 409
    response = await server.ask("f" * 32, "cancel")
    assert response.code == 404
    assert json.loads(response.body)["code"] == "task-not-found"


async def test_forgetting_a_job_keeps_its_file(server: Server, root: Path) -> None:
    path = root / "a.csv"
    path.write_text("a\n1\n")
    record = await server.publish(path)
    address = f"api/jobs/{record['taskId']}"
    response = await server.fetch(address, method="DELETE")
    assert (response.code, response.body) == (204, b"")
    assert path.exists()
    for method in ("GET", "DELETE"):
        assert (await server.fetch(address, method=method)).code == 404
    assert (await server.fetch(record["url"])).code == 404


@pytest.mark.parametrize(
    ("changes", "remembered"),
    [
        ({}, True),
        ({"leave": False}, False),
        ({"leave": False, "status": "running"}, True),
        ({"leave": False, "status": "failed"}, True),
    ],
)
async def test_a_loop_that_is_to_leave_nothing_is_forgotten_when_it_is_done(
    server: Server, report: Report, changes: Json, *, remembered: bool
) -> None:
    body = report(kind="task", revision=1)
    await server.reported(body)
    await server.reported(body | {"status": "done", "revision": 2, **changes})
    found = json.loads((await server.fetch("api/jobs")).body)
    assert [record["taskId"] for record in found] == [body["taskId"]] * remembered


async def test_a_running_job_is_not_forgotten(server: Server, report: Report) -> None:
    body = report()
    await server.reported(body)
    response = await server.fetch(f"api/jobs/{body['taskId']}", method="DELETE")
    assert response.code == 409
    assert json.loads(response.body)["code"] == "task-active"


@pytest.mark.parametrize("settings", [{"max_jobs": 2}])
async def test_room_is_made_by_forgetting_the_finished(server: Server, report: Report) -> None:
    ended = report(status="failed")
    await server.reported(ended)
    await server.reported(report())
    await server.reported(report())
    assert (await server.fetch(f"api/jobs/{ended['taskId']}")).code == 404
    response = await server.report(report())
    assert response.code == 503
    assert json.loads(response.body)["code"] == "too-many-jobs"
    assert response.headers["Retry-After"] == "10"


@pytest.mark.parametrize("settings", [{"keep_finished": 0, "reap_interval": 3600}])
async def test_the_end_of_a_job_that_is_forgotten_at_once_is_taken(
    server: Server, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = server.services.registry
    save = registry._store.save_now

    async def save_slowly(job: Job) -> None:
        await save(job)
        await registry.reap()

    monkeypatch.setattr(registry._store, "save_now", save_slowly)
    body = report(status="failed")
    assert (await server.reported(body))["control"] is None
    assert not registry.jobs


@pytest.mark.parametrize("settings", [{"keep_finished": 1, "reap_interval": 0.05}])
async def test_finished_jobs_are_pruned(
    server: Server, report: Report, eventually: Eventually
) -> None:
    running = report()
    await server.reported(running)
    for _ in range(3):
        await server.reported(report(status="failed"))

    def pruned() -> bool:
        return sorted(job.status for job in server.services.registry.find()) == [
            "failed",
            "running",
        ]

    await eventually(pruned)


async def test_an_export_that_moves_bytes_counts_as_activity(
    server: Server, report: Report
) -> None:
    # A kernel that is busy is no activity for a hub; an export is.
    settings = server.app.web_app.settings
    body = report(bytes=10)
    await server.reported(body)
    first = settings["progresswidget_last_activity"]
    await server.reported(body | {"revision": 2})
    assert settings["progresswidget_last_activity"] == first
    await server.reported(body | {"revision": 3, "bytes": 20})
    assert settings["progresswidget_last_activity"] > first
    assert server.app.web_app.last_activity() >= first


async def test_nothing_is_answered_before_the_state_is_there(
    server: Server, report: Report
) -> None:
    server.services.started.clear()
    waiting = [
        asyncio.ensure_future(server.fetch("api/jobs")),
        asyncio.ensure_future(server.report(report())),
    ]
    # Both are in by the time an address of someone else has been answered.
    assert (await server.fetch("/user/alice/api/status")).code == 200
    assert not any(request.done() for request in waiting)
    server.services.started.set()
    assert [(await request).code for request in waiting] == [200, 200]
    server.services.stopping = True
    response = await server.fetch("api/jobs")
    assert (response.code, response.headers["Retry-After"]) == (503, "1")
    server.services.stopping = False


def _no_file() -> dict[str, str]:
    return dict.fromkeys(("device", "inode", "size", "mtimeNs", "ctimeNs"), "0")

"""Jobs that have lost their process: with real kernels, and leases on a clock of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.jobs.kernels import KernelWatcher
from jupyter_server_ext.model.job import Job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from conftest import Server

    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]


async def start_kernel(server: Server) -> tuple[str, int]:
    """Start a kernel as JupyterLab does; return its id and the id of its process."""
    body = json.dumps({"name": "python3"})
    response = await server.fetch("/user/alice/api/kernels", method="POST", body=body)
    assert response.code == 201, response.body
    kernel_id: str = json.loads(response.body)["id"]
    return kernel_id, server.app.kernel_manager.get_kernel(kernel_id).provisioner.pid


async def kill(server: Server, kernel_id: str, pid: int) -> None:
    assert server.app.kernel_manager.get_kernel(kernel_id).provisioner.pid == pid
    os.kill(pid, signal.SIGKILL)


async def restart(server: Server, kernel_id: str, pid: int) -> None:
    path = f"/user/alice/api/kernels/{kernel_id}/restart"
    assert (await server.fetch(path, method="POST", body="")).code == 200
    assert server.app.kernel_manager.get_kernel(kernel_id).provisioner.pid != pid


async def shut_down(server: Server, kernel_id: str, pid: int) -> None:
    path = f"/user/alice/api/kernels/{kernel_id}"
    assert (await server.fetch(path, method="DELETE")).code == 204, pid


@pytest.mark.parametrize(
    ("end", "code"),
    [(kill, "kernel-killed"), (restart, "kernel-restarted"), (shut_down, "kernel-stopped")],
)
async def test_the_end_of_a_kernel_interrupts_its_jobs_and_no_others(
    server: Server,
    report: Report,
    eventually: Eventually,
    end: Callable[[Server, str, int], Awaitable[None]],
    code: str,
) -> None:
    kernel_id, pid = await start_kernel(server)
    other, other_pid = await start_kernel(server)
    running, paused = (
        report(kernelId=kernel_id, pid=pid),
        report(kernelId=kernel_id, pid=pid, status="paused"),
    )
    done = report(kernelId=kernel_id, pid=pid, status="failed")
    elsewhere = report(kernelId=other, pid=other_pid)
    for body in (running, paused, done, elsewhere):
        await server.reported(body)
    # Several looks pass, and a living kernel keeps its jobs.
    for _ in range(3):
        await server.services.watcher.look(server.services.registry.active())
    assert len(server.services.registry.active()) == 3

    loop = asyncio.get_running_loop()
    ending = asyncio.ensure_future(end(server, kernel_id, pid))
    start = loop.time()
    status = server.services.registry.get
    await eventually(
        lambda: {status(body["taskId"]).status for body in (running, paused)} == {"interrupted"},
    )
    took = loop.time() - start
    await ending
    for body in (running, paused):
        record = await server.job(body["taskId"])
        assert record["error"]["code"] == code
        assert record["error"]["hint"].startswith("Run the cell again")
    assert status(elsewhere["taskId"]).status == "running"
    assert status(done["taskId"]).status == "failed"
    print(f"{code} after {took:.1f} s")

    # A report that was still on its way brings the job back for a moment only.
    await server.reported(running | {"revision": 2})
    await eventually(lambda: status(running["taskId"]).status == "interrupted")


@pytest.mark.parametrize("settings", [{"kernel_poll_interval": 10_000}])
@pytest.mark.parametrize(
    ("limit", "person", "code"),
    [(5, False, "kernel-killed"), (0, False, "kernel-killed"), (5, True, "kernel-restarted")],
    ids=["started anew", "given up", "restarted by a person meanwhile"],
)
async def test_what_a_kernel_died_of_is_known_though_nobody_looked_before_its_manager_did(
    server: Server,
    report: Report,
    eventually: Eventually,
    limit: int,
    person: bool,  # noqa: FBT001 - a parameter of the test
    code: str,
) -> None:
    kernel_id, pid = await start_kernel(server)
    body = report(kernelId=kernel_id, pid=pid)
    await server.reported(body)
    manager = server.app.kernel_manager.get_kernel(kernel_id)
    before = manager.provisioner.process
    manager._restarter.restart_limit = limit
    # A restarter that was looking when a person restarted the kernel finds it dead, too.
    manager.shutting_down = person
    await kill(server, kernel_id, pid)
    if limit:
        await eventually(lambda: manager.provisioner.process not in {before, None})
    else:
        await eventually(lambda: kernel_id not in server.app.kernel_manager)
    await server.services.watcher.look(server.services.registry.active())
    record = await server.job(body["taskId"])
    assert (record["status"], record["error"]["code"]) == ("interrupted", code)


STOPPED = {"code": "keyboard-interrupt", "message": "The export was stopped.", "hint": ""}


@pytest.mark.parametrize(
    ("end", "code"), [(restart, "kernel-restarted"), (shut_down, "kernel-stopped")]
)
async def test_the_interrupt_that_precedes_a_kernels_end_is_no_wish_of_the_user(
    server: Server,
    report: Report,
    eventually: Eventually,
    end: Callable[[Server, str, int], Awaitable[None]],
    code: str,
) -> None:
    kernel_id, pid = await start_kernel(server)
    body = report(kernelId=kernel_id, pid=pid)
    await server.reported(body)
    ending = asyncio.ensure_future(end(server, kernel_id, pid))
    manager = server.app.kernel_manager.get_kernel(kernel_id)
    await eventually(lambda: manager.shutting_down)
    await server.reported(body | {"revision": 2, "status": "cancelled", "error": STOPPED})
    registry = server.services.registry
    await eventually(lambda: registry.get(body["taskId"]).status == "interrupted")
    await ending
    assert (await server.job(body["taskId"]))["error"]["code"] == code


async def test_the_stop_button_cancels(server: Server, report: Report) -> None:
    kernel_id, pid = await start_kernel(server)
    body = report(kernelId=kernel_id, pid=pid)
    await server.reported(body)
    await server.reported(body | {"revision": 2, "status": "cancelled", "error": STOPPED})
    assert (await server.job(body["taskId"]))["status"] == "cancelled"


async def test_the_same_job_in_a_new_process_is_bound_to_it(
    server: Server, report: Report, eventually: Eventually
) -> None:
    kernel_id, pid = await start_kernel(server)
    body = report(kernelId=kernel_id, pid=pid)
    await server.reported(body)
    await restart(server, kernel_id, pid)
    status = server.services.registry.get
    await eventually(lambda: status(body["taskId"]).status == "interrupted")
    new = server.app.kernel_manager.get_kernel(kernel_id).provisioner.pid
    again = body | {"revision": 1, "generation": 2, "pid": new}
    await server.reported(again)
    for _ in range(3):
        await server.services.watcher.look(server.services.registry.active())
    assert status(body["taskId"]).status == "running"


@pytest.mark.parametrize("settings", [{"kernel_lease": 1.0, "kernel_poll_interval": 0.05}])
@pytest.mark.parametrize("kernel_id", [None, "a-kernel-of-another-server"])
async def test_silence_ends_a_lease(
    server: Server, report: Report, eventually: Eventually, kernel_id: str | None
) -> None:
    body = report(kernelId=kernel_id, status="paused")
    status = server.services.registry.get
    await server.reported(body)
    await eventually(lambda: status(body["taskId"]).status == "interrupted")
    assert (await server.job(body["taskId"]))["error"]["code"] == "kernel-silent"
    # It was only the laptop's lid: the very same report is a sign of life.
    await server.reported(body)
    assert status(body["taskId"]).status == "paused"


@pytest.mark.parametrize("kernel_id", [None, "unknown"])
async def test_leases_by_the_clock(report: Report, kernel_id: str | None) -> None:
    now = 1000.0
    gone: list[tuple[str, str]] = []

    async def interrupt(task_id: str, code: str) -> None:
        gone.append((task_id, code))

    watcher = KernelWatcher(
        kernels=AsyncMappingKernelManager(),
        interrupt=interrupt,
        lease=15,
        time=lambda: now,
        log=logging.getLogger("test_kernels"),
    )
    heard = Job(report(kernelId=kernel_id), updated=1)
    restored = Job(report(kernelId=kernel_id), updated=1)
    watcher.restored([restored])
    watcher.heard(heard)
    now += 14.9
    await watcher.look([heard, restored])
    assert gone == []
    watcher.heard(heard)
    now += 0.2
    await watcher.look([heard, restored])
    assert gone == [(restored.task_id, "kernel-silent")]
    now += 14.7
    await watcher.look([heard])
    assert len(gone) == 1
    now += 0.2
    await watcher.look([heard])
    assert gone[1] == (heard.task_id, "kernel-silent")
    watcher.forget(lambda _: False)
    assert watcher._watches == {}


async def test_a_job_belongs_to_the_notebook_of_its_kernel_and_follows_a_rename(
    server: Server, report: Report, jp_create_notebook: Callable[[str], object]
) -> None:
    jp_create_notebook("work/first.ipynb")
    session = {
        "path": "work/first.ipynb",
        "type": "notebook",
        "name": "",
        "kernel": {"name": "python3"},
    }
    sessions = "/user/alice/api/sessions"
    response = await server.fetch(sessions, method="POST", body=json.dumps(session))
    assert response.code == 201
    model = json.loads(response.body)
    body = report(kernelId=model["kernel"]["id"])
    assert (await server.reported(body))["notebook"] == "work/first.ipynb"

    renamed = json.dumps({"path": "work/second.ipynb"})
    response = await server.fetch(f"{sessions}/{model['id']}", method="PATCH", body=renamed)
    assert response.code == 200

    async def ids(notebook: str) -> list[str]:
        response = await server.fetch(f"api/jobs?notebook={notebook}")
        return [record["taskId"] for record in json.loads(response.body)]

    assert await ids("work/second.ipynb") == [body["taskId"]]
    assert await ids("work/first.ipynb") == []
    # The kernel goes, and with it the session: the job still knows where it was.
    await server.fetch(f"{sessions}/{model['id']}", method="DELETE")
    assert await ids("work/second.ipynb") == [body["taskId"]]
    assert (await server.reported(body))["notebook"] == "work/second.ipynb"


def sleeper() -> subprocess.Popen[bytes]:
    """Start a process that does nothing, in the place of an exporting script."""
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


@pytest.mark.parametrize("settings", [{"kernel_lease": 10_000}])
@pytest.mark.parametrize("kernel_id", [None, "a-kernel-of-another-server"])
async def test_a_killed_script_ends_its_jobs_without_a_lease(
    server: Server, report: Report, eventually: Eventually, kernel_id: str | None
) -> None:
    with sleeper() as process:
        body = report(kernelId=kernel_id, pid=process.pid)
        await server.reported(body)
        await server.services.watcher.look(server.services.registry.active())
        get = server.services.registry.get
        assert get(body["taskId"]).status == "running"
        process.kill()  # and nobody waits for it: a zombie is gone too
        await eventually(lambda: get(body["taskId"]).status == "interrupted")
    error = (await server.job(body["taskId"]))["error"]
    assert error["code"] == ("process-died" if kernel_id is None else "kernel-died")
    # Who reports after its death was another process than the one that was looked at.
    await server.reported(body | {"revision": 2})
    await server.services.watcher.look(server.services.registry.active())
    assert get(body["taskId"]).status == "running"


@pytest.mark.parametrize("settings", [{"kernel_lease": 10_000}])
async def test_a_process_that_was_never_seen_is_not_taken_for_gone(
    server: Server, report: Report
) -> None:
    with sleeper() as process:
        process.kill()
    # No such process: the number is another machine's. And a proxy speaks for anyone.
    away = report(pid=process.pid)
    await server.reported(away)
    with sleeper() as process:
        proxied = report(pid=process.pid)
        response = await server.fetch(
            f"api/jobs/{proxied['taskId']}",
            token=False,
            method="PUT",
            headers={
                "Authorization": f"Kernel {server.services.secret}",
                "X-Forwarded-For": "192.0.2.1",
            },
            body=json.dumps(proxied),
        )
        assert response.code == 200
        process.kill()
    for _ in range(3):
        await server.services.watcher.look(server.services.registry.active())
    assert len(server.services.registry.active()) == 2


@pytest.mark.parametrize("settings", [{"kernel_lease": 10_000}])
async def test_a_forked_child_of_a_kernel_lives_by_itself(
    server: Server, report: Report, eventually: Eventually
) -> None:
    kernel_id, _ = await start_kernel(server)
    get = server.services.registry.get
    with sleeper() as child:
        body = report(kernelId=kernel_id, pid=child.pid)
        await server.reported(body)
        manager = server.app.kernel_manager.get_kernel(kernel_id)
        await manager.shutdown_kernel(now=True)
        await server.services.watcher.look(server.services.registry.active())
        assert get(body["taskId"]).status == "running"
        child.kill()
        await eventually(lambda: get(body["taskId"]).status == "interrupted")
    assert (await server.job(body["taskId"]))["error"]["code"] == "kernel-died"


async def test_a_stopping_server_ends_the_jobs_of_its_kernels_for_good(
    server: Server, report: Report
) -> None:
    kernel_id, pid = await start_kernel(server)
    own = [report(kernelId=kernel_id, pid=pid, status=status) for status in ("running", "paused")]
    script = report()
    for body in (*own, script):
        await server.reported(body)
    await server.extension.stop_extension()
    registry = server.services.registry
    for body in own:
        job = registry.get(body["taskId"])
        assert (job.status, job.report["error"]["code"]) == ("interrupted", "kernel-stopped")
    assert registry.get(script["taskId"]).status == "running", "it goes on without us"
    # A report that was on its way in when the server began to stop comes too late.
    with pytest.raises(ApiError) as caught:
        await registry.report(own[0] | {"revision": 2})
    assert caught.value.code == "starting"
    assert registry.get(own[0]["taskId"]).status == "interrupted"


GROUP_LIMIT = 600 * 2**20
"""Bytes that a kernel gets: more than it takes to start."""


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A group of processes whose memory the system itself limits (cgroup v2, or v1)."""
    root, limit = Path("/sys/fs/cgroup"), "memory.max"
    if not (root / "cgroup.controllers").exists():
        root, limit = root / "memory", "memory.limit_in_bytes"
    group = root / f"progresswidget-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(GROUP_LIMIT))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"groups of processes cannot be made here: {error}")
    yield group
    group.rmdir()  # all of it have ended


@pytest.mark.faults
async def test_a_kernel_that_the_system_kills_for_want_of_memory_is_told_so(
    server: Server, report: Report, eventually: Eventually, small_group: Path
) -> None:
    kernel_id, pid = await start_kernel(server)
    client = server.app.kernel_manager.get_kernel(kernel_id).client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    (small_group / "cgroup.procs").write_text(str(pid))
    running = report(kernelId=kernel_id, pid=pid)
    await server.reported(running)
    await server.services.watcher.look(server.services.registry.active())
    client.execute("kept = [bytearray(2**24) for _ in range(1024)]")
    status = server.services.registry.get
    await eventually(lambda: status(running["taskId"]).status == "interrupted")
    client.stop_channels()
    error = (await server.job(running["taskId"]))["error"]
    assert error["code"] == "kernel-out-of-memory"
    assert (small_group / "cgroup.procs").read_text() == ""

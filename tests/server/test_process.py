"""The extension in processes of its own: enabled by its file, restarted, killed, side by side."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Process

    from progresswidget.protocol import Json

    Report = Callable[..., Json]


def test_a_restarted_server_knows_its_jobs(start: Callable[..., Process], report: Report) -> None:
    first = start("--ServerApp.base_url=/user/a/")
    assert first.url.startswith("http://127.0.0.1:")
    assert first.url.endswith("/user/a/progresswidget/")
    assert first.endpoint.stat().st_mode & 0o777 == 0o600
    assert first.endpoint.parent.stat().st_mode & 0o777 == 0o700
    running, ended = report(), report(status="failed")
    for body in (running, ended):
        first.report(body)
    records = {
        body["taskId"]: first.request(f"api/jobs/{body['taskId']}") for body in (running, ended)
    }
    first.stop()
    assert not first.endpoint.exists(), first.log.read_text()

    second = start("--ServerApp.base_url=/user/a/")
    assert second.endpoint == first.endpoint
    assert second.content["secret"] != first.content["secret"]
    for task_id, record in records.items():
        assert second.request(f"api/jobs/{task_id}") == record
    # The kernel has gone on meanwhile.
    second.report(running | {"revision": 2, "rows": 7777})
    assert second.request(f"api/jobs/{running['taskId']}")["rows"] == 7777


def test_a_killed_server_loses_no_end(start: Callable[..., Process], report: Report) -> None:
    first = start()
    ended = [report(status="failed") for _ in range(20)]
    for body in ended:
        first.report(body)
    first.stop(signal.SIGKILL)
    second = start()
    assert second.endpoint == first.endpoint
    known = {record["taskId"] for record in second.request("api/jobs")}
    assert known == {body["taskId"] for body in ended}


@pytest.mark.faults
def test_jobs_of_the_server_before_have_a_lease(
    start: Callable[..., Process], report: Report
) -> None:
    body = report(kernelId="gone")
    first = start()
    first.report(body)
    first.stop()
    second = start("--ProgressExtension.kernel_lease=0.5")
    end = time.monotonic() + 30
    while second.request(f"api/jobs/{body['taskId']}")["status"] != "interrupted":
        assert time.monotonic() < end
    assert second.request(f"api/jobs/{body['taskId']}")["error"]["code"] == "kernel-silent"


def wait_until_kept(process: Process, *task_ids: str) -> None:
    """Wait until the database holds the jobs: progress is written in batches."""
    end = time.monotonic() + 30
    with closing(sqlite3.connect(process.endpoint.parent / "state.sqlite")) as database:
        kept = ""
        while not all(task_id in kept for task_id in task_ids):
            assert time.monotonic() < end
            time.sleep(0.05)
            kept = str(database.execute("SELECT * FROM jobs").fetchall())


@pytest.mark.faults
def test_a_killed_servers_dead_jobs_end_at_the_next_start(
    start: Callable[..., Process], report: Report
) -> None:
    first = start()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as script:
        body, alive = report(pid=script.pid), report(pid=os.getpid())
        for one in (body, alive):
            first.report(one)
        wait_until_kept(first, body["taskId"], alive["taskId"])
        first.stop(signal.SIGKILL)
        script.kill()
    second = start("--ProgressExtension.kernel_lease=10000")
    end = time.monotonic() + 30
    while second.request(f"api/jobs/{body['taskId']}")["status"] != "interrupted":
        assert time.monotonic() < end
    assert second.request(f"api/jobs/{body['taskId']}")["error"]["code"] == "process-died"
    assert second.request(f"api/jobs/{alive['taskId']}")["status"] == "running"


@pytest.mark.faults
def test_a_second_server_takes_the_next_slot(start: Callable[..., Process], report: Report) -> None:
    first, second = start(), start()
    assert second.endpoint.parent.name == f"{first.endpoint.parent.name}-2"
    assert second.url != first.url
    body = report()
    first.report(body)
    with pytest.raises(urllib.error.HTTPError) as caught:
        second.request(f"api/jobs/{body['taskId']}")
    assert caught.value.code == 404
    caught.value.close()
    first.stop()
    assert start().endpoint == first.endpoint


def test_the_endpoint_has_the_true_port_after_a_retry(
    start: Callable[..., Process], report: Report
) -> None:
    first = start()
    port = first.url.split(":")[2].split("/")[0]
    second = start("--ServerApp.ip=0.0.0.0", port=port)
    assert f":{port}/" not in second.url
    assert second.url.startswith("http://127.0.0.1:")
    second.report(report())


def test_a_kernel_inherits_the_path_and_not_the_secret(start: Callable[..., Process]) -> None:
    process = start()
    base = process.url.removesuffix("progresswidget/")
    request = urllib.request.Request(
        f"{base}api/kernels",
        method="POST",
        headers={"Authorization": f"token {process.token}"},
        data=b'{"name": "python3"}',
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 201
    # Between fork and exec the child still has the server's own command line, and no environment
    # for a moment; other children come and go.
    environment: dict[str, str] = {}
    while not environment:
        for child in psutil.Process(process.pid).children():
            with contextlib.suppress(psutil.Error):
                if any("ipykernel" in part for part in child.cmdline()):
                    environment = child.environ()
    assert environment["PROGRESSWIDGET_ENDPOINT_FILE"] == str(process.endpoint)
    assert not any(process.content["secret"] in value for value in environment.values())
    process.stop()


def test_memory_stays_flat_for_a_large_file(
    start: Callable[..., Process], tmp_path: Path, report: Report
) -> None:
    size = 1 << 30
    path = tmp_path / "root" / "large.bin"
    with path.open("wb") as file:
        file.truncate(size)
    status = path.stat()
    process = start()
    body = report(
        status="done",
        name=path.name,
        path=str(path),
        sha256="0" * 64,
        fingerprint={
            "device": str(status.st_dev),
            "inode": str(status.st_ino),
            "size": str(status.st_size),
            "mtimeNs": str(status.st_mtime_ns),
            "ctimeNs": str(status.st_ctime_ns),
        },
    )
    address = f"{process.url}files/{body['taskId']}/1/{path.name}"
    process.report(body)
    memory = psutil.Process(process.pid).memory_info

    def download(limit: int) -> tuple[int, int]:
        request = urllib.request.Request(
            address, headers={"Authorization": f"token {process.token}"}
        )
        total = most = 0
        with urllib.request.urlopen(request, timeout=30) as response:
            while total < limit and (block := response.read(8 << 20)):
                total += len(block)
                most = max(most, memory().rss)
        return total, most

    download(64 << 20)  # what a first request allocates for good
    before = memory().rss
    total, most = download(size)
    assert total == size
    growth = most - before
    assert growth < 16 << 20, f"{growth / 2**20:.1f} MiB"

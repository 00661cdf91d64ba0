"""Kernels whose server goes away, or who go away themselves: one export, one file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import exporting
import pyarrow as pa
import pytest
from laboratory import PACKAGES, eventually, sha256
from proxy import Fault, FaultProxy

import progresswidget as pw
from progresswidget.protocol import ENDPOINT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from laboratory import Server

    from progresswidget.protocol import Json


class Kernel:
    """A process that exports, batch by batch."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def give(self, count: int = 1) -> None:
        """Let it have its next batches."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for _ in range(count):
            assert self.process.stdout.readline(), "it asks for a batch"
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def ended(self) -> str:
        """Wait for its end, and return what it says then."""
        out, _ = self.process.communicate(timeout=60)
        return out.strip()


@contextmanager
def kernel(path: Path, endpoint: Path) -> Iterator[Kernel]:
    """Run an export in a process of its own."""
    environment = {**os.environ, ENDPOINT_VARIABLE: str(endpoint), "PYTHONPATH": str(PACKAGES)}
    command = [sys.executable, exporting.__file__, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        try:
            yield Kernel(process)
        finally:
            process.kill()


@pytest.fixture
def undisturbed(tmp_path: Path) -> str:
    """The digest that the file has when nothing happens."""
    table = pa.Table.from_batches([exporting.batch(n) for n in range(exporting.BATCHES)])
    return pw.export(table, tmp_path / "undisturbed.csv").result().sha256


def jobs(server: Server, status: str) -> list[Json]:
    found: list[Json] = server.request("GET", f"api/jobs?status={status}").json
    return found


def test_row_2_a_kernel_that_died_before_its_last_word_makes_one_file(
    own: Callable[..., Server], undisturbed: str, tmp_path: Path
) -> None:
    server = own().start()
    target = server.root / "export.csv"
    content = json.loads((server.directory / "endpoint.json").read_text())
    with FaultProxy(server.port) as proxy:
        behind = tmp_path / "endpoint.json"
        url = server.url(server.base, proxy.port)
        behind.write_text(json.dumps(content | {"url": url}))
        with kernel(target, behind) as first:
            first.give(exporting.BATCHES - 1)
            eventually(lambda: jobs(server, "running"), what="the server knows the job")
            # From here on nothing is heard of it, and it is about to end.
            proxy.faults(Fault("hole", "up", 0))
            proxy.hole()
            first.give()
            eventually(target.exists, what="the file has its name")
            first.process.kill()
    eventually(lambda: jobs(server, "interrupted"), what="the server knows that it died")
    with kernel(target, server.directory / "endpoint.json") as second:
        second.give(exporting.BATCHES)
        assert second.ended() == undisturbed
    (done,) = jobs(server, "done")
    assert [path.name for path in server.root.iterdir()] == ["export.csv"]
    assert sha256(target) == undisturbed == done["sha256"]
    assert server.request("GET", done["url"]).body == target.read_bytes()
    assert jobs(server, "running") == []
    server.stop()


@pytest.mark.faults
def test_rows_12_and_13_a_kernel_finds_its_server_at_another_port_with_another_token(
    own: Callable[..., Server], undisturbed: str
) -> None:
    server = own(base_url="/user/a/").start()
    target, port = server.root / "export.csv", server.port
    with kernel(target, server.directory / "endpoint.json") as running:
        running.give(2)
        (job,) = eventually(lambda: jobs(server, "running"), what="the server knows the job")
        secret = server.secret
        server.kill()
        server.port, server.token = 0, "an0therT0ken"
        running.give()
        server.start()
        assert (server.port != port, server.secret != secret) == (True, True)
        running.give()
        assert running.ended() == undisturbed
    (done,) = eventually(lambda: jobs(server, "done"), what="the server was told of the end")
    assert done["taskId"] == job["taskId"]
    assert str(port) not in json.dumps(done)
    assert sha256(target) == undisturbed == done["sha256"]
    assert server.request("GET", done["url"]).body == target.read_bytes()
    server.stop()

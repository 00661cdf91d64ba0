"""One server for the tests that leave it whole, others for those that do not; nothing is left."""

from __future__ import annotations

import random
import shutil
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from laboratory import Baseline, Server, eventually, make_report
from proxy import FaultProxy

from progresswidget.protocol import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that all share who leave it as it was."""
    with Server(tmp_path_factory.mktemp("shared")) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_runs_on(shared: Server) -> Iterator[None]:
    """Assert that whatever a test starts has ended with it."""
    own = psutil.Process()
    before = set(own.children(recursive=True))
    yield
    assert set(own.children(recursive=True)) <= before


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    """The shared server; after the test it must hold nothing, and it is emptied."""
    baseline = Baseline(shared)
    yield shared
    baseline.assert_back()
    empty(shared)


def has_ended(server: Server, task_id: str) -> bool:
    """End a job, and say whether it has: one of a killed process the server ends by itself."""
    job = server.request("GET", f"api/jobs/{task_id}").json
    if job["status"] not in ACTIVE:
        return True
    order = {"generation": job["generation"], "revision": 1000}
    return server.tell(make_report(task_id, status="cancelled", **order)).status == HTTPStatus.OK


def empty(server: Server) -> None:
    """Forget all jobs and remove all files."""
    for job in server.request("GET", "api/jobs").json:
        eventually(lambda job=job: has_ended(server, job["taskId"]), what="nobody works on it")
        assert server.request("DELETE", f"api/jobs/{job['taskId']}").status == 204
    for path in server.root.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Make servers of the test's own, with settings of their own; not started yet."""
    made: list[Server] = []

    def make(**arguments: Any) -> Server:
        made.append(Server(tmp_path / f"server-{len(made)}", **arguments))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    """A proxy in front of the shared server."""
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance that is the same in each run of a test."""
    return random.Random(request.node.nodeid)


@pytest.fixture
def repetitions(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Say how often to repeat: few times in the ordinary run, many in the laboratory."""
    laboratory = request.config.option.markexpr != "not faults"
    return lambda few, many: many if laboratory else few

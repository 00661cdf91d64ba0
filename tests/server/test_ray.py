"""Ray's workers feed a bar and report to a job: from a Python that has Ray, to a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

import pytest
from beside import python_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Process

    from progresswidget.protocol import Json

pytestmark = pytest.mark.faults

SCRIPT = """
import io, json, os, signal, sys, time
import ray
import progresswidget as pw

url, token, folder = sys.argv[1:]

@ray.remote
def work(reporter, steps):
    for _ in range(steps):
        reporter.update()
    return os.getpid()

@ray.remote(max_retries=0)
def work_and_die(reporter):
    reporter.update(7)
    os.kill(os.getpid(), signal.SIGKILL)

@ray.remote
class Trainer:
    def __init__(self, job):
        self.job = job

    def train(self):
        for step in range(1, 21):
            self.job.update(step)
        while self.job.update(20) != "cancel":
            time.sleep(0.05)
        self.job.finish("cancelled")
        return os.getpid()

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
told = {"driver": os.getpid()}
bar = pw.tqdm(total=217, file=io.StringIO())
reporter = bar.reporter()
told["workers"] = sorted(set(ray.get([work.remote(reporter, n) for n in range(1, 21)])))
told["shared"] = bar.n
try:
    ray.get(work_and_die.remote(reporter))
except ray.exceptions.WorkerCrashedError:
    told["died"] = bar.n
bar.close()
told["closed"] = bar.n
with pw.tqdm(total=30, file=io.StringIO()) as other:
    ray.get([work.remote(other, 10) for _ in range(3)])
    told["pickled"] = other.n
job = pw.JobReporter.order("train", total=20, server=url, token=token)
print(json.dumps({"job": job.id}), flush=True)
told["trainer"] = ray.get(Trainer.remote(job).train.remote())
print(json.dumps(told), flush=True)
ray.shutdown()
"""


@pytest.fixture
def short() -> Iterator[str]:
    """Make a folder whose name leaves room for those of Ray's sockets."""
    folder = tempfile.mkdtemp(prefix="ray-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def wait_for(server: Process, job: str, status: str, rows: int) -> Json:
    deadline = time.monotonic() + 120
    while True:
        record: Json = server.request(f"api/jobs/{job}")
        if (record["status"], record["rows"]) == (status, rows):
            return record
        assert time.monotonic() < deadline, record
        time.sleep(0.05)


def test_workers_of_ray_feed_a_bar_and_report_to_a_job(
    start: Callable[..., Process], tmp_path: Path, short: str
) -> None:
    python = python_with("ray", "ray>=2.50,<3")
    server = start()
    (tmp_path / "with_ray.py").write_text(SCRIPT)
    base = server.url.removesuffix("progresswidget/")
    environment = {name: value for name, value in os.environ.items() if "PROGRESS" not in name}
    environment |= {"HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    errors = tmp_path / "errors"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [python, "with_ray.py", base, server.token, short],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            lines = (line for line in process.stdout if line.startswith("{"))
            first = next(lines, None)
            assert first is not None, errors.read_text()
            job = json.loads(first)["job"]
            assert wait_for(server, job, "running", 20)["progress"] == 100
            server.request(f"api/jobs/{job}", method="POST", body={"action": "cancel"})
            told = json.loads(next(lines))
            assert process.wait(120) == 0, errors.read_text()
        finally:
            process.kill()
    # Everything counts once, also what a worker did that was killed; and none of it was done here.
    assert (told["shared"], told["died"], told["closed"], told["pickled"]) == (210, 217, 217, 30)
    assert told["driver"] not in {*told["workers"], told["trainer"]}
    ended = server.request(f"api/jobs/{job}")
    assert (ended["status"], ended["rows"]) == ("cancelled", 20)

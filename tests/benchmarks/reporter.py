"""Measure what a progress report costs who sends it, and what it costs the user's own code.

Run ``python tests/benchmarks/reporter.py``. One thread reports to a real server: as the package
does, and with a bare `http.client` that keeps its connection, has its body made beforehand and
drops the answer; they take turns. The same reports then go to servers that keep their state in
memory, in SQLite and in a Redis that is started here, in turns, too; a change of the state, which
must be safe before it is answered, is told apart from progress. Then a busy main thread runs in
short turns, with a job being reported from the background and without one. How much it gets done is
told as a share of the turns before and after, which are alone: beside reports this is what they
cost, and alone it is the noise that such a cost has to stand out from.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("server", "kernel")]

from broadcasters import REPORT
from redis_server import RedisServer
from servers import Server, jupyter

from progresswidget import protocol
from progresswidget.client import Connection, Endpoint
from progresswidget.reporting import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.protocol import Json

BLOCK = 100
"""Reports in one turn."""


def new_report() -> Json:
    own = {"taskId": uuid.uuid4().hex, "pid": os.getpid(), "probe": None, "kernelId": None}
    return REPORT | own


def find_endpoint(folder: Path) -> Endpoint:
    """Return what the server leaves for its kernels when it is up, and let this be one of them."""
    end = time.monotonic() + 30
    while True:
        for file in folder.glob("runtime/progresswidget/*/endpoint.json"):
            os.environ[protocol.ENDPOINT_VARIABLE] = str(file)
            found = Endpoint.find()
            if found is not None:
                return found
        if time.monotonic() > end:
            raise TimeoutError("the server left no endpoint")
        time.sleep(0.05)


def turn(send: Callable[[Json], object], report: Json, begun: int) -> tuple[float, float]:
    """Send a block of reports, and return the seconds and the CPU seconds of each."""
    wall, cpu = time.perf_counter(), time.thread_time()
    for index in range(BLOCK):
        send(report | {"revision": begun + index, "rows": begun + index})
    return (time.perf_counter() - wall) / BLOCK, (time.thread_time() - cpu) / BLOCK


def compare(endpoint: Endpoint, server: Server, rounds: int) -> None:
    ours = Connection(endpoint)
    bare = http.client.HTTPConnection("127.0.0.1", server.port)
    report = new_report()
    path = f"/progresswidget/api/jobs/{report['taskId']}"
    fields = {
        "Authorization": f"{protocol.AUTHORIZATION_SCHEME} {endpoint.secret}",
        "Content-Type": "application/json",
    }
    made: dict[int, bytes] = {}

    def send_bare(each: Json) -> None:
        bare.request("PUT", path, made[each["revision"]], fields)
        response = bare.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(response.read().decode())
        response.read()

    found: dict[str, list[tuple[float, float]]] = {"progresswidget": [], "http.client": []}
    for number in range(1, 2 * rounds + 1, 2):
        first = number * BLOCK
        found["progresswidget"].append(turn(ours.report, report, first))
        first += BLOCK
        for index in range(first, first + BLOCK):
            made[index] = json.dumps(report | {"revision": index, "rows": index}).encode()
        found["http.client"].append(turn(send_bare, report, first))
    print(f"{'one report':26}{'µs':>8}{'µs of CPU':>11}")
    for name, turns in found.items():
        wall, cpu = (statistics.median(values) for values in zip(*turns, strict=True))
        print(f"{name:26}{1e6 * wall:8.0f}{1e6 * cpu:11.0f}")


class Store:
    """A server with one kind of store, and the times that its reports took."""

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self.name = name
        self._line = Connection(endpoint)
        self._report = new_report()
        self._count = 0
        self.progress: list[float] = []
        self.changes: list[float] = []

    def measure(self) -> None:
        """Send a block of progress, and then a block of jobs that begin and end."""
        for _ in range(BLOCK):
            self.progress.append(self._send(self._report))
        for _ in range(BLOCK // 5):
            job = new_report()
            self._send(job)
            self.changes.append(self._send(job | {"status": "cancelled"}))

    def _send(self, report: Json) -> float:
        self._count += 1
        own = report | {"revision": self._count, "rows": self._count}
        begun = time.perf_counter()
        self._line.report(own)
        return time.perf_counter() - begun


def compare_stores(folder: Path, rounds: int) -> None:
    with ExitStack() as stack:
        redis = RedisServer(folder / "redis")
        redis.start()
        stack.callback(redis.stop)
        stores = []
        for name, settings in (
            ("memory", {"store": "memory"}),
            ("SQLite", {}),
            ("Redis", {"store_url": redis.url}),
        ):
            own, root = folder / name, folder / f"{name}-root"
            own.mkdir()
            root.mkdir()
            stack.enter_context(jupyter(root, own, ours=True, settings=settings))
            stores.append(Store(name, find_endpoint(own)))
        for _ in range(rounds):
            for store in stores:
                store.measure()
    print(f"\n{'a report, µs':26}{'p50':>8}{'p99':>8}{'   the end of a job, µs':>24}")
    for store in stores:
        middle, late = quantiles(store.progress)
        row = f"{1e6 * middle:8.0f}{1e6 * late:8.0f}{1e6 * quantiles(store.changes)[0]:24.0f}"
        print(f"{store.name:26}{row}")


def quantiles(times: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


class Job:
    """A job that is further each time it is asked."""

    def __init__(self) -> None:
        self._report = new_report()
        self.id = str(self._report["taskId"])
        self.count = 0

    def report(self) -> Json:
        """Return the state."""
        self.count += 1
        return self._report | {"revision": self.count, "rows": self.count}

    def answered(self, reply: Json) -> None:
        """Take nothing of it."""

    def mirror(self, report: Json) -> None:
        """Show it nowhere else."""


def work(seconds: float) -> tuple[float, float]:
    """Compute, and return how many steps were made in a second and the longest of 1,000 pauses."""
    delays = []
    end = time.perf_counter() + seconds
    before = time.perf_counter()
    while before < end:
        sum(range(500))
        now = time.perf_counter()
        delays.append(now - before)
        before = now
    delays.sort()
    return len(delays) / seconds, delays[len(delays) * 999 // 1000]


@dataclass(slots=True)
class Turns:
    """What a busy main thread did in its turns of one kind, and as a share of the turns around."""

    steps: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def take(self, turn: tuple[float, float]) -> float:
        """Note a turn, and return its steps a second."""
        steps, pause = turn
        self.steps.append(steps)
        self.pauses.append(pause)
        return steps

    def row(self, name: str) -> str:
        """Return the medians, and the median share with the quartiles around it."""
        steps, pause = statistics.median(self.steps), statistics.median(self.pauses)
        low, middle, high = statistics.quantiles(self.shares, n=4)
        spread = f"{low:.3f} to {high:.3f}"
        return f"{name:26}{steps:10,.0f}{1e6 * pause:22.1f}{middle:10.3f}{spread:>20}"


def disturb(rounds: int, seconds: float) -> None:
    job, reporter = Job(), Reporter()
    alone, beside = Turns(), Turns()
    reports = 0
    work(seconds)  # the first turn finds nothing warm
    before = alone.take(work(seconds))
    for _ in range(rounds):
        reporter.announce(job)
        begun = job.count
        disturbed = work(seconds)
        reports += job.count - begun
        reporter._jobs.clear()  # a job that never ends
        first, middle, last = (alone.take(work(seconds)) for _ in range(3))
        # Each share is one of a turn between two alone: what else the machine does meanwhile
        # disturbs both alike.
        beside.take(disturbed)
        beside.shares.append(disturbed[0] / statistics.mean((before, first)))
        alone.shares.append(middle / statistics.mean((first, last)))
        before = last
    head = f"{'steps/s':>10}{'p99.9 of a step, µs':>22}{'share':>10}{'quartiles':>20}"
    print(f"\n{'a busy main thread':26}{head}")
    print(alone.row("alone, beside alone"))
    print(beside.row(f"{reports / (rounds * seconds):.0f} reports/s, beside alone"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root, folder = Path(name) / "root", Path(name) / "server"
        root.mkdir()
        folder.mkdir()
        with jupyter(root, folder, ours=True) as server:
            compare(find_endpoint(folder), server, given.rounds)
            disturb(given.rounds, given.seconds)
        compare_stores(Path(name), given.rounds)


if __name__ == "__main__":
    main()

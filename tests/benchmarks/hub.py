"""Measure what it costs to tell many pages how far jobs are, against the peers, interleaved.

Run ``python tests/benchmarks/hub.py``, or a part of it with ``--scenario``: on two cores each ends
within 200 s and tells every round as it goes. Every server is one process and publishes the same
records at the same moments from inside: ours with `Hub.publish`, in a jupyter_server with the
extension, and the peers with what they have for it. A record carries the moment at which it was
published, and lean clients, the same for all, note when it came; they stay connected from round to
round. CPU is the server's, less what it uses when idle, for each message that was delivered; what
a report costs is in reporter.py. Memory is that of an idle connection with one subscription. Only
the ratios carry over to another machine.
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from broadcasters import CONTROL, PEERS
from servers import Server, free_port, jupyter, running

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
VIEWERS = HERE / "viewers.py"
BROADCASTERS = HERE / "broadcasters.py"
OURS = "progresswidget"
SETTINGS = {
    # Nothing is held back: what is measured is the delivery, and not the wait for the interval.
    "push_interval": 0.02,
    "max_connections_per_user": 1_000_000,
    "store": "memory",
}
NAMES = {
    OURS: "progresswidget",
    "websockets": "websockets, broadcast",
    "aiohttp": "aiohttp, send_str",
    "tornado": "tornado, write_message",
}


@dataclass(frozen=True)
class Scenario:
    """Who follows what.

    Parameters
    ----------
    each
        Tasks that one viewer follows.
    rate
        Updates of one task in a second.
    """

    name: str
    viewers: int
    tasks: int
    each: int
    rate: float

    @property
    def deliveries(self) -> float:
        """Messages in a second."""
        return self.viewers * self.each * self.rate


SCENARIOS = {
    "one-task": Scenario("1,000 viewers of one task, 20 updates/s", 1_000, 1, 1, 20),
    "spread": Scenario("1,000 viewers of 10 of 100 tasks, 2 updates/s each", 1_000, 100, 10, 2),
    "all-tasks": Scenario("100 viewers of 100 tasks, 2 updates/s each", 100, 100, 100, 2),
}
IDLE = "idle"


class Broadcaster:
    """A running server and the way to let it publish."""

    def __init__(self, name: str, server: Server, control: int) -> None:
        self.name = name
        self.server = server
        end = time.monotonic() + 30
        while True:
            try:
                self._orders = socket.create_connection(("127.0.0.1", control))
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                break
        self._answers = self._orders.makefile()

    def publish(self, tasks: int, rate: float, seconds: float) -> int:
        """Publish, and return how many updates there were."""
        order = {"tasks": tasks, "rate": rate, "seconds": seconds}
        self._orders.sendall(json.dumps(order).encode() + b"\n")
        return int(self._answers.readline())

    def cpu(self) -> float:
        """Return the seconds of processor time used until now, to a microsecond: proc(5)."""
        found = 0
        for thread in Path(f"/proc/{self.server.pid}/task").iterdir():
            found += int((thread / "schedstat").read_text().split()[0])
        return found / 1e9

    def memory(self) -> int:
        """Return the bytes that are this process's own."""
        for line in Path(f"/proc/{self.server.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
        raise LookupError("Pss")


@contextmanager
def broadcaster(name: str, folder: Path) -> Iterator[Broadcaster]:
    """Run a server."""
    folder.mkdir()
    control = free_port()
    if name == OURS:
        options = {"jpserver_extensions": {"jupyter_server_ext": True, "broadcasters": True}}
        os.environ |= {CONTROL: str(control), "PYTHONPATH": str(HERE)}
        root = folder / "root"
        root.mkdir()
        with jupyter(root, folder, ours=True, settings=SETTINGS, server=options) as server:
            yield Broadcaster(name, server, control)
        return
    port = free_port()
    command = [sys.executable, str(BROADCASTERS), name, str(port), str(control)]
    with running(command, port, folder) as pid:
        yield Broadcaster(name, Server(name, pid, port, "", ""), control)


class Viewers:
    """The pages of one server, in a process of their own."""

    def __init__(self, process: subprocess.Popen[str], server: Broadcaster) -> None:
        self._process = process
        if self._line() != "ready\n":
            raise RuntimeError(f"the viewers of {server.name} could not connect")

    def ask(self) -> tuple[int, float, float]:
        """Return what came since the last time, and the p50 and p99 of its ms on the way."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        came, middle, late = json.loads(self._line())
        return came, middle, late

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def viewers(server: Broadcaster, count: int, tasks: int, each: int) -> Iterator[Viewers]:
    """Connect viewers, as long as this goes on."""
    numbers = map(str, (server.server.port, count, tasks, each))
    command = [sys.executable, "-S", str(VIEWERS), *numbers]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Viewers(process, server)
        finally:
            process.communicate()


@dataclass
class Figures:
    """What was measured of one server, one value each round."""

    middle: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    lost: int = 0

    def add(self, server: Broadcaster, pages: Viewers, scenario: Scenario, seconds: float) -> None:
        """Let the viewers watch for some seconds."""
        begun = time.monotonic(), server.cpu()
        time.sleep(1)
        idle = (server.cpu() - begun[1]) / (time.monotonic() - begun[0])
        pages.ask()
        begun = time.monotonic(), server.cpu()
        count = server.publish(scenario.tasks, scenario.rate, seconds)
        time.sleep(0.2)  # the last ones arrive
        took, used = time.monotonic() - begun[0], server.cpu() - begun[1]
        came, middle, late = pages.ask()
        expected = count * scenario.viewers * scenario.each // scenario.tasks
        self.lost += expected - came
        self.middle.append(middle)
        self.late.append(late)
        self.cost.append(1e6 * (used - idle * took) / came)
        print(f"  {NAMES[server.name]:24}{middle:8.2f}{late:8.2f}{self.cost[-1]:11.2f}", flush=True)


def compare(servers: list[Broadcaster], scenario: Scenario, rounds: int, seconds: float) -> None:
    print(f"\n{scenario.name}: {scenario.deliveries:,.0f} deliveries/s", flush=True)
    found = {server.name: Figures() for server in servers}
    with ExitStack() as stack:
        pages = {}
        for server in servers:
            server.publish(scenario.tasks, 100, 0.1)  # every task is there
            group = viewers(server, scenario.viewers, scenario.tasks, scenario.each)
            pages[server.name] = stack.enter_context(group)
        for number in range(rounds):
            print(f"round {number + 1}: p50 and p99 in ms, µs of CPU", flush=True)
            # Each is the first as often as the others: what one leaves behind is for the next.
            for index in range(len(servers)):
                server = servers[(index + number) % len(servers)]
                found[server.name].add(server, pages[server.name], scenario, seconds)
    print(f"{'medians':26}{'p50 ms':>8}{'p99 ms':>8}{'µs of CPU':>11}{'to ours':>9}{'lost':>6}")
    ours = found[servers[0].name].cost
    for name, figures in found.items():
        middle, late, cost = map(statistics.median, (figures.middle, figures.late, figures.cost))
        # Within each round: a machine that is slower for a while is so for all of them.
        share = statistics.median(map(operator.truediv, figures.cost, ours))
        row = f"{middle:8.2f}{late:8.2f}{cost:11.2f}{share:9.2f}{figures.lost:6}"
        print(f"{NAMES[name]:26}{row}", flush=True)


def idle(server: Broadcaster, count: int) -> float:
    """Return the bytes of memory that one more idle connection takes."""
    server.publish(1, 100, 0.01)
    with viewers(server, 500, 1, 1):
        time.sleep(1)
        before = server.memory()
        with viewers(server, count, 1, 1):
            time.sleep(2)
            return (server.memory() - before) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--idle", type=int, default=10_000, help="connections; 0 for none")
    parser.add_argument("--only", default="", help="part of a server's name")
    parser.add_argument(
        "--scenario", choices=[*SCENARIOS, IDLE], help="all, one after the other, if left out"
    )
    given = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    names = [name for name in (OURS, *PEERS) if given.only in name]
    chosen = [scenario for name, scenario in SCENARIOS.items() if given.scenario in {None, name}]
    with tempfile.TemporaryDirectory() as folder:
        with ExitStack() as stack:
            servers = [
                stack.enter_context(broadcaster(name, Path(folder) / name))
                for name in (names if chosen else ())
            ]
            for scenario in chosen:
                compare(servers, scenario, given.rounds, given.seconds)
        if not given.idle or given.scenario not in {None, IDLE}:
            return
        print(f"\n{given.idle:,} idle connections: KiB of memory for each", flush=True)
        for name in names:
            # Fresh ones: freed memory that is used again would not be seen.
            with broadcaster(name, Path(folder) / f"{name}-idle") as server:
                print(f"{NAMES[name]:26}{idle(server, given.idle) / 1024:8.1f}", flush=True)


if __name__ == "__main__":
    main()

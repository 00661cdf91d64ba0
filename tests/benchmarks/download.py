"""Measure our downloads against the servers that people use instead, interleaved.

Run ``python tests/benchmarks/download.py``. The file lies in memory (/dev/shm), every server has
one process, and every client is a process of its own that throws the bytes away. A small request
is sent every 10 ms while eight downloads run; their percentiles are of all rounds together. CPU is
the server's. Only the ratios carry over to another machine.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reader import connect, request
from servers import Server, jupyter, peers

GB = 1e9
STREAMS = 8
READER = Path(__file__).with_name("reader.py")
SLOW_READERS = 200
STALL = 3.0
"""Seconds after which ours cuts who stops reading, in the part about slow readers."""


def make_file(path: Path, size: int) -> None:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(block)
    # Old enough for its tag to be strong.
    os.utime(path, (1_700_000_000, 1_700_000_000))


def start(what: str, server: Server, path: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-S", str(READER), what, str(server.port), path, *more]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if what == "probe" and process.stdout is not None:
        process.stdout.readline()  # what is measured beside it must not end before it begins
    return process


def result(process: subprocess.Popen[str]) -> list[float]:
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a client failed: {process.args!r}")
    values: list[float] = json.loads(output)
    return values


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Figures:
    """What was measured of one server, one value each round, and of small requests all."""

    speed: dict[int, list[float]] = field(default_factory=lambda: {1: [], STREAMS: []})
    cpu: dict[int, list[float]] = field(default_factory=lambda: {1: [], STREAMS: []})
    spread: list[float] = field(default_factory=list)
    small: list[float] = field(default_factory=list)

    def add(self, server: Server, size: int) -> None:
        """Download once alone, and then eight times at once with small requests meanwhile."""
        path = f"{server.files}large.bin"
        for count in (1, STREAMS):
            probe = start("probe", server, server.small) if count > 1 else None
            before = server.cpu()
            seconds = result(start("stream", server, path, str(count)))
            gigabytes = size * count / GB
            self.cpu[count].append((server.cpu() - before) / gigabytes)
            self.speed[count].append(gigabytes / max(seconds))
            if probe is not None:
                self.small += result(probe)
                self.spread.append(max(seconds) / min(seconds))

    def row(self, name: str) -> str:
        """Return the medians as a line of the table."""
        middle = statistics.median
        return (
            f"{name:28}{middle(self.speed[1]):10.2f}{middle(self.cpu[1]):7.3f}"
            f"{middle(self.speed[STREAMS]):11.2f}{middle(self.cpu[STREAMS]):7.3f}"
            f"{middle(self.spread):12.2f}"
            f"{1000 * middle(self.small):9.1f} /{1000 * percentile(self.small, 0.99):6.1f}"
        )


def compare(root: Path, work: Path, size: int, rounds: int, only: str) -> None:
    make_file(root / "large.bin", size)
    found: dict[str, Figures] = {}
    with ExitStack() as stack:
        servers: list[Any] = [stack.enter_context(peer()) for peer in peers(root, work)]  # type: ignore[arg-type]
        servers = [server for server in servers if only in server.name]
        for _ in range(rounds):
            for server in servers:
                found.setdefault(server.name, Figures()).add(server, size)
    print(
        f"{'server':28}{'1 stream':>10}{'CPU':>7}{'8 streams':>11}{'CPU':>7}{'slowest to':>12}"
        f"{'small GET, ms':>17}"
    )
    print(f"{'':28}{'GB/s':>10}{'s/GB':>7}{'GB/s':>11}{'s/GB':>7}{'fastest':>12}{'p50 / p99':>17}")
    for name, figures in found.items():
        print(figures.row(name))
    (root / "large.bin").unlink()


def memory(server: Server, root: Path, size: int) -> None:
    path = root / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(size)
    result(start("stream", server, f"{server.files}sparse.bin", "1"))
    server.forget_peak()
    before = server.status("VmRSS")
    result(start("stream", server, f"{server.files}sparse.bin", "1"))
    grown = (server.status("VmHWM") - before) / 1024
    print(f"peak memory of a {size / 2**30:.0f} GiB file: {grown:+.1f} MiB")
    path.unlink()


def slow_readers(server: Server, root: Path) -> None:
    """Let many read 64 KiB twice a second, and then stop."""
    make_file(root / "slow.bin", 64 << 20)
    before = server.status("Threads"), server.status("VmRSS"), server.descriptors()
    connections = [connect(server.port) for _ in range(SLOW_READERS)]
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
        connection.sendall(request(f"{server.files}slow.bin"))
    probe = start("probe", server, server.small)
    threads = memory = 0
    for _ in range(int(4 * STALL)):
        for connection in connections:
            connection.recv(1 << 16)
        threads = max(threads, server.status("Threads"))
        memory = max(memory, server.status("VmRSS"))
        time.sleep(0.5)
    took = result(probe)
    stopped = time.monotonic()
    while server.descriptors() > before[2] and time.monotonic() < stopped + 10 * STALL:
        time.sleep(0.05)
    cut = time.monotonic() - stopped
    for connection in connections:
        connection.close()
    print(
        f"{SLOW_READERS} slow readers: {threads - before[0]:+d} threads, "
        f"{(memory - before[1]) / 1024:+.1f} MiB, small GET p99 {1000 * percentile(took, 0.99):.1f}"
        f" ms; all cut {cut:.1f} s after they stopped (time-out {STALL:.0f} s)"
    )
    (root / "slow.bin").unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=2048, help="of the file, MiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a server's name")
    parser.add_argument("--part", choices=["speed", "memory"], help="not both")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as shared,
        tempfile.TemporaryDirectory() as folder,
    ):
        root, work = Path(shared), Path(folder)
        if given.part != "memory":
            compare(root, work, given.size << 20, given.rounds, given.only)
        if given.part != "speed":
            place = work / "memory"
            place.mkdir()
            with jupyter(root, place, ours=True, settings={"stall_timeout": STALL}) as server:
                memory(server, root, 4 << 30)
                slow_readers(server, root)


if __name__ == "__main__":
    main()

"""Measure how long it takes from the start of an export to having the whole file.

Run ``python tests/benchmarks/follow.py``. Once the file is downloaded after the export, once while
it is written (``?follow=1``), by curl, over lines of several speeds. What can be reached is the
longer of the two alone. Everything lies in memory (/dev/shm). Only the ratios carry over to another
machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from servers import TOKEN, Server, jupyter

EXPORT = """
import json, sys, time
import polars as pl
import progresswidget as pw
rows, path = int(sys.argv[1]), sys.argv[2]
n = pl.int_range(rows, eager=True)
frame = pl.DataFrame({"n": n, "half": n / 2, "text": "row " + n.cast(pl.String)})
pw.export(frame.head(1000), path + ".warm.csv")
print(flush=True)
sys.stdin.readline()
begun, before = time.monotonic(), time.process_time()
job = pw.export(frame, path, background=True)
print(json.dumps([begun, job.url]), flush=True)
job.result()
cpu = time.process_time() - before
print(json.dumps([time.monotonic(), job.sha256, job.bytes, cpu]), flush=True)
"""


HEAD = (
    "line        export  download  after  while   while / longer  while / after   CPU, s"
    "   while / least"
)


@dataclass
class Run:
    """Seconds of one run."""

    export: float
    download: float
    whole: float
    spent: tuple[float, float, float]
    size: int

    @property
    def cpu(self) -> float:
        """Seconds of processor of all three: exporter, server and curl."""
        return sum(self.spent)


class Export:
    """A kernel's process that begins when it is told."""

    def __init__(self, rows: int, path: Path, endpoint: Path) -> None:
        command = [sys.executable, "-c", EXPORT, str(rows), str(path)]
        environment = {**os.environ, "PROGRESSWIDGET_ENDPOINT_FILE": str(endpoint)}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def begin(self) -> tuple[float, str]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        begun, url = json.loads(self._read())
        return begun, url

    def end(self) -> tuple[float, str, int, float]:
        ended, sha256, size, cpu = json.loads(self._read())
        return ended, sha256, size, cpu

    def leave(self) -> None:
        """Wait for the process to end, which is no part of the export."""
        if self._process.wait(30):
            raise RuntimeError("the export failed")

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the export failed")
        return line


class Curl:
    """A download, which is waited for from its start: it may end before the export does."""

    def __init__(self, server: Server, url: str, target: Path, rate: int | None) -> None:
        self._client = _curl(server, url, target, rate)
        self._ended: Future[tuple[float, float]] = Future()
        Thread(target=lambda: self._ended.set_result(_finished(self._client))).start()

    def end(self) -> tuple[float, float]:
        """Return when it ended, and its processor time."""
        ended = self._ended.result()
        if self._client.returncode:
            raise RuntimeError("the download failed")
        return ended


def _curl(server: Server, url: str, target: Path, rate: int | None) -> subprocess.Popen[bytes]:
    command = ["curl", "-q", "-sS", "-f", "-H", f"Authorization: token {TOKEN}"]
    command += [] if rate is None else ["--limit-rate", str(rate)]
    command += ["-o", str(target), f"http://127.0.0.1:{server.port}{url}"]
    return subprocess.Popen(command)


def _finished(client: subprocess.Popen[bytes]) -> tuple[float, float]:
    _, status, usage = os.wait4(client.pid, 0)
    ended = time.monotonic()
    client.returncode = os.waitstatus_to_exitcode(status)
    return ended, usage.ru_utime + usage.ru_stime


def require(target: Path, sha256: str) -> None:
    """Confirm what was downloaded."""
    with target.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise RuntimeError("what was downloaded is not what was exported")


def measure(
    server: Server, endpoint: Path, root: Path, rows: int, rate: int | None, *, follow: bool
) -> Run:
    path, target = root / "flights.csv", root / "downloaded.csv"
    for old in root.iterdir():
        old.unlink()
    export = Export(rows, path, endpoint)
    before = server.cpu()
    begun, url = export.begin()
    client = Curl(server, f"{url}?follow=1", target, rate) if follow else None
    ended, sha256, size, exporter = export.end()
    started = time.monotonic()
    if client is None:
        client = Curl(server, url, target, rate)
    whole, used = client.end()
    spent = (exporter, server.cpu() - before, used)
    export.leave()
    require(target, sha256)
    return Run(ended - begun, whole - started, whole - begun, spent, size)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    shm = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=shm) as name:
        folder = Path(name)
        root, config = folder / "root", folder / "config"
        root.mkdir()
        config.mkdir()
        with jupyter(root, config, ours=True) as server:
            (endpoint,) = _found(config)
            alone = measure(server, endpoint, root, options.rows, None, follow=False)
            print(f"{alone.size / 1e6:,.0f} MB of CSV, exported in {alone.export:.2f} s alone")
            print(HEAD)
            even = int(alone.size / alone.export)
            for line, rate in (("loopback", None), ("as fast", even), ("half", even // 2)):
                show(line, server, endpoint, root, options, rate)


def _found(config: Path) -> list[Path]:
    end = time.monotonic() + 30
    while not (paths := list(config.glob("runtime/progresswidget/*/endpoint.json"))):
        if time.monotonic() > end:
            raise RuntimeError("the extension did not start")
        time.sleep(0.05)
    return paths


def show(
    line: str,
    server: Server,
    endpoint: Path,
    root: Path,
    options: argparse.Namespace,
    rate: int | None,
) -> None:
    after, during = [], []
    for _ in range(options.rounds):
        after.append(measure(server, endpoint, root, options.rows, rate, follow=False))
        during.append(measure(server, endpoint, root, options.rows, rate, follow=True))
    export = statistics.median(run.export for run in after)
    download = statistics.median(run.download for run in after)
    sequence = statistics.median(run.whole for run in after)
    followed = statistics.median(run.whole for run in during)
    cpu = statistics.median(run.cpu for run in during)
    least = max(export, download, cpu / len(os.sched_getaffinity(0)))
    print(
        f"{line:<10}{export:7.2f} s{download:8.2f} s{sequence:6.2f}{followed:7.2f} s"
        f"{followed / max(export, download):14.2f}{followed / sequence:15.2f}"
        f"{cpu:12.2f}{followed / least:20.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()

"""Measure how usable Python stays while an export runs: the delay of a ticker of 1 kHz.

Run ``python tests/benchmarks/ticker.py``. The export runs on a thread, ours or the bare engine, and
the main thread sleeps for a millisecond again and again; what it sleeps too long is its delay.
Every measurement is a process of its own, and the engines take turns. A quick export has a few
hundred ticks, of which the 99th percentile is one of the longest three: so the ticks of all rounds
are taken together. Beside the first of the bare engines stand others that people use, and ours with
turns of the usual length, see `progresswidget.export.workers`. Another process sleeps as often, and
tells what whoever does not need the GIL waits for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread
from typing import Any

from export import ENGINES, ending, load, make_frame

from progresswidget.export import workers

PERIOD = 0.001
USUAL = ", usual turns"
BESIDE = f"""
import json, os, sys, time
delays = []
print(flush=True)
while os.getppid() == int(sys.argv[1]) and not os.path.exists(sys.argv[2]):
    before = time.perf_counter()
    time.sleep({PERIOD})
    delays.append(1e3 * (time.perf_counter() - before - {PERIOD}))
print(json.dumps(delays))
"""
PAIRS = {
    "csv": ("ours, polars", "polars"),
    "ndjson": ("ours, polars", "polars"),
    "parquet zstd": ("ours, arrow", f"ours, arrow{USUAL}", "pyarrow", "polars"),
    "arrows": ("ours, arrow", "pyarrow"),
    "feather": ("ours, arrow", "pyarrow"),
    "xlsx": ("ours, polars", "jetxl", "rustpy-xlsxwriter"),
}


def measure(engine: str, format: str, source: Path, path: Path) -> list[list[float]]:
    """Run one export and return the delays here and in another process, in milliseconds."""
    if engine.endswith(USUAL):
        engine = engine.removesuffix(USUAL)
        workers.take_long_turns = lambda: False
    run, kind, _, _ = ENGINES[engine]
    frame = load(source, kind)
    run(frame[:1_000], path, format)
    path.unlink()
    # A job runs ours on a thread of this kind; it is an ordinary one for the others.
    given: dict[str, Any] = {"target": run, "name": "job", "args": (frame, path, format)}
    ours = engine.startswith("ours")
    thread = workers.Worker(**given, beside=True) if ours else Thread(**given)
    end = path.with_name("end")
    end.unlink(missing_ok=True)
    command = [sys.executable, "-c", BESIDE, str(os.getpid()), str(end)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as beside:
        beside.stdout.readline()  # it ticks
        delays = []
        thread.start()
        while thread.is_alive():
            before = time.perf_counter()
            time.sleep(PERIOD)
            delays.append(1e3 * (time.perf_counter() - before - PERIOD))
        end.touch()
        return [delays, json.loads(beside.stdout.read())]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--formats", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        engine, kind, source, path = arguments.measure
        sys.stdout.write(json.dumps(measure(engine, kind, Path(source), Path(path))))
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        folder = Path(name)
        environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
        sys.stdout.write(
            f"{'':<16}{'':<28}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'beside':>9}{'ticks':>9}\n"
        )
        for kind in arguments.formats:
            engines = PAIRS[kind]
            rows = min(arguments.rows, 1_000_000) if kind == "xlsx" else arguments.rows
            source = folder / f"{rows}.arrow"
            if not source.exists():
                make_frame(rows).write_ipc(source)
            figures: dict[str, list[list[float]]] = {engine: [[], []] for engine in engines}
            for _ in range(arguments.rounds):
                for engine in engines:
                    path = folder / f"out.{ending(kind)}"
                    command = [sys.executable, __file__, "--measure", engine, kind]
                    done = subprocess.run(
                        [*command, str(source), str(path)],
                        check=True,
                        stdout=subprocess.PIPE,
                        env=environment,
                    )
                    for known, found in zip(figures[engine], json.loads(done.stdout), strict=True):
                        known.extend(found)
                    path.unlink(missing_ok=True)
            for engine, (delays, beside) in figures.items():
                delays.sort()
                beside.sort()
                shown = [delays[len(delays) * share // 100] for share in (50, 99)]
                shown += [delays[-1], beside[len(beside) * 99 // 100]]
                numbers = "".join(f"{each:>9.2f}" for each in shown)
                sys.stdout.write(f"{kind:<16}{engine:<28}{numbers}{len(delays):>9}\n")


if __name__ == "__main__":
    main()

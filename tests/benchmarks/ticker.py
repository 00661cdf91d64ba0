"""Measure how usable Python stays while an export runs: the delay of a ticker of 1 kHz.

Run ``python tests/benchmarks/ticker.py``. The export runs on a thread, ours or the bare engine, and
the main thread sleeps for a millisecond again and again; what it sleeps too long is its delay.
Every measurement is a process of its own, and the engines take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from export import ENGINES, ending, load, make_frame

PERIOD = 0.001
PAIRS = {
    "csv": ("ours, polars", "polars"),
    "ndjson": ("ours, polars", "polars"),
    "parquet zstd": ("ours, arrow", "pyarrow"),
    "feather": ("ours, arrow", "pyarrow"),
    "xlsx": ("ours, polars", "jetxl"),
}


def measure(engine: str, format: str, source: Path, path: Path) -> dict[str, float]:
    """Run one export and return the delays in milliseconds."""
    run, kind, _, _ = ENGINES[engine]
    frame = load(source, kind)
    run(frame[:1_000], path, format)
    path.unlink()
    thread = threading.Thread(target=run, args=(frame, path, format))
    delays = []
    thread.start()
    while thread.is_alive():
        before = time.perf_counter()
        time.sleep(PERIOD)
        delays.append(time.perf_counter() - before - PERIOD)
    delays.sort()
    return {
        "p50": 1e3 * delays[len(delays) // 2],
        "p99": 1e3 * delays[len(delays) * 99 // 100],
        "max": 1e3 * delays[-1],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        engine, kind, source, path = arguments.measure
        sys.stdout.write(json.dumps(measure(engine, kind, Path(source), Path(path))))
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        folder = Path(name)
        environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
        sys.stdout.write(f"{'':<16}{'':<14}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}\n")
        for kind, engines in PAIRS.items():
            rows = min(arguments.rows, 200_000) if kind == "xlsx" else arguments.rows
            source = folder / f"{rows}.arrow"
            if not source.exists():
                make_frame(rows).write_ipc(source)
            figures: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
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
                    figures[engine].append(json.loads(done.stdout))
                    path.unlink(missing_ok=True)
            for engine, runs in figures.items():
                middle = {key: statistics.median(each[key] for each in runs) for key in runs[0]}
                numbers = "".join(f"{middle[key]:>9.2f}" for key in ("p50", "p99", "max"))
                sys.stdout.write(f"{kind:<16}{engine:<14}{numbers}\n")


if __name__ == "__main__":
    main()

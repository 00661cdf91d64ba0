"""Measure our export against the engines of the field, interleaved, on the same frame.

Run ``python tests/benchmarks/export.py [--rows N] [--rounds K] [--folder DIR]``. Every measurement
is a process of its own, which reads the frame from an Arrow file into memory, warms the engine up
with a few rows, and then reports seconds and peak memory above the source. Peers neither hash
what they write nor wait for the disk; we do both, so "ours, bare" shows the same without. Only the
ratios carry over to another machine.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS = ("csv", "zstd", "snappy")


def make_frame(rows: int) -> Any:
    """Return the frame of the tables: ten columns of mixed types, 5 % of the values missing."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(2013)

    def pick(values: list[str]) -> pl.Series:
        return pl.Series(values).gather(random.integers(0, len(values), rows))

    def holes(series: pl.Series) -> pl.Series:
        return series.set(pl.Series(random.random(rows) < 0.05), None)

    comments = [
        "plain text",
        'she said "no", twice',
        "first line\nsecond line",
        "Größe, naïve, 日本語",
        "",
        "a longer comment, with a comma or two, of about the usual length",
    ]
    moments = np.datetime64("2020-01-01", "us") + random.integers(0, 3 * 10**13, rows)
    return pl.DataFrame(
        {
            "id": np.arange(rows),
            "count": holes(pl.Series(random.integers(0, 10**6, rows))),
            "price": holes(pl.Series(random.random(rows) * 1_000)),
            "ratio": holes(pl.Series(random.standard_normal(rows))),
            "name": holes(pick([f"Name {number} Müller" for number in range(2_000)])),
            "comment": holes(pick(comments)),
            "moment": holes(pl.Series(moments)),
            "grade": pick(list("ABCDE")).cast(pl.Categorical),
            "city": holes(pick(["Paris", "Berlin", "São Paulo", "Tokyo"])),
            "ok": holes(pl.Series(random.random(rows) < 0.5)),
        }
    )


def ours(frame: Any, path: Path, format: str) -> None:
    """Export as a user does."""
    from progresswidget.export.pipeline import Export, Progress

    options = {} if format == "csv" else {"compression": format}
    kind = "csv" if format == "csv" else "parquet"
    Export(frame, path, format=kind, options=options).run(Progress())


def ours_bare(frame: Any, path: Path, format: str) -> None:
    """Export without digest and without waiting for the disk, as the peers do."""
    from progresswidget.export import destination, sink

    class NoDigest:
        def update(self, data: object) -> None:
            """Forget it."""

        def hexdigest(self) -> str:
            return ""

    sink.hashlib.sha256 = NoDigest  # type: ignore[assignment]
    destination.os.fsync = lambda _: None
    ours(frame, path, format)


def polars(frame: Any, path: Path, format: str) -> None:
    """Write with polars' eager writer."""
    if format == "csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path, compression=format)


def polars_sink(frame: Any, path: Path, format: str) -> None:
    """Write with polars' streaming engine."""
    if format == "csv":
        frame.lazy().sink_csv(path)
    else:
        frame.lazy().sink_parquet(path, compression=format)


def pyarrow(frame: Any, path: Path, format: str) -> None:
    """Write with pyarrow, CSV batch by batch."""
    import pyarrow.csv
    import pyarrow.parquet

    if format != "csv":
        pyarrow.parquet.write_table(frame, path, compression=format)
        return
    with pyarrow.csv.CSVWriter(path, frame.schema) as writer:
        for batch in frame.to_batches(max_chunksize=65_536):
            writer.write_batch(batch)


def duckdb(frame: Any, path: Path, format: str) -> None:
    """Write with DuckDB's COPY."""
    import duckdb

    connection = duckdb.connect()
    connection.register("frame", frame)
    kind = "csv, header" if format == "csv" else f"parquet, compression {format}"
    connection.execute(f"copy frame to '{path}' (format {kind})")


def pandas(frame: Any, path: Path, format: str) -> None:
    """Write with pandas."""
    if format == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False, compression=format)


# name -> (what runs, the kind of frame it gets)
ENGINES: dict[str, tuple[Callable[[Any, Path, str], None], str]] = {
    "ours, polars": (ours, "polars"),
    "ours, bare": (ours_bare, "polars"),
    "ours, arrow": (ours, "arrow"),
    "ours, pandas": (ours, "pandas"),
    "polars": (polars, "polars"),
    "polars sink": (polars_sink, "polars"),
    "pyarrow": (pyarrow, "arrow"),
    "duckdb": (duckdb, "arrow"),
    "pandas": (pandas, "pandas"),
}


def load(source: Path, kind: str) -> Any:
    """Return the frame as an engine's own users have it, in memory."""
    import polars as pl

    frame = pl.read_ipc(io.BytesIO(source.read_bytes())).rechunk()
    if kind == "polars":
        return frame
    return frame.to_arrow() if kind == "arrow" else frame.to_pandas()


def status(field: str) -> int:
    """Return a line of the process's own status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def measure(engine: str, format: str, source: Path, path: Path) -> dict[str, float]:
    """Run one engine once, in this process."""
    run, kind = ENGINES[engine]
    frame = load(source, kind)
    run(frame[:1_000], path, format)
    path.unlink()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    started = time.perf_counter()
    run(frame, path, format)
    seconds = time.perf_counter() - started
    result = {
        "seconds": seconds,
        "peak": max(status("VmHWM") - before, 0),
        "size": path.stat().st_size,
    }
    path.unlink()
    return result


def measure_apart(engine: str, format: str, source: Path, path: Path) -> dict[str, float]:
    """Run one engine once, in a process of its own."""
    command = [sys.executable, __file__, "--measure", engine, format, str(source), str(path)]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": root},
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def table(format: str, rows: int, results: dict[str, list[dict[str, float]]]) -> str:
    """Return the medians of one format as text."""
    middle = {
        engine: {key: statistics.median(each[key] for each in runs) for key in runs[0]}
        for engine, runs in results.items()
    }
    peers = [name for name in middle if not name.startswith("ours")]
    best = min(middle[name]["seconds"] for name in peers)
    lines = [
        f"\n{format}: {rows:,} rows",
        f"{'engine':<14}{'s':>8}{'Mrows/s':>9}{'MB/s':>8}{'speed':>7}{'MB':>7}{'peak MB':>9}",
    ]
    for name, figures in sorted(middle.items(), key=lambda pair: pair[1]["seconds"]):
        seconds, size = figures["seconds"], figures["size"] / 1e6
        lines.append(
            f"{name:<14}{seconds:>8.2f}{rows / seconds / 1e6:>9.2f}{size / seconds:>8.0f}"
            f"{best / seconds:>7.2f}{size:>7.0f}{figures['peak'] / 1e6:>9.0f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    memory = Path("/dev/shm")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--skip", nargs="*", choices=list(ENGINES), default=[])
    parser.add_argument(
        "--folder",
        type=Path,
        default=memory if memory.is_dir() else Path(tempfile.gettempdir()),
        help="where the files go; by default memory, so that the disk is not what is measured",
    )
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        engine, kind, source, path = arguments.measure
        sys.stdout.write(json.dumps(measure(engine, kind, Path(source), Path(path))))
        return
    engines = [
        name
        for name, (_, frame) in ENGINES.items()
        if name not in arguments.skip
        and importlib.util.find_spec(
            name.split()[0] if "," not in name else frame.replace("arrow", "pyarrow")
        )
    ]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        source = Path(folder) / "source.arrow"
        make_frame(arguments.rows).write_ipc(source)
        for kind in arguments.formats:
            results: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
            for _ in range(arguments.rounds):
                for name in engines:
                    path = Path(folder) / "out"
                    results[name].append(measure_apart(name, kind, source, path))
            sys.stdout.write(table(kind, arguments.rows, results) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()

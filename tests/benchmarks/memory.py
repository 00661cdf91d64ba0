"""Measure the peak memory of exports, which must not grow with the rows.

Run ``python tests/benchmarks/memory.py``. Frames in memory count with what they need above
themselves, queries with all that the process needs. Every measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from export import FORMATS, ending, make_frame, status

GIGABYTES = 10
ROW_BYTES = 128
"""Bytes of a row of the queries, as text."""


def frame(rows: int) -> Any:
    """Return a frame in memory."""
    return make_frame(rows)


def lazy(rows: int) -> Any:
    """Return a plan of polars that makes its rows while it runs."""
    import polars as pl

    text = pl.concat_str(pl.lit("x" * 108), (pl.col("n") % 1_000_000_000).cast(pl.String))
    return pl.LazyFrame().select(n=pl.int_range(rows, dtype=pl.Int64)).with_columns(text=text)


def sql(rows: int) -> Any:
    """Return a query of DuckDB."""
    import duckdb

    from progresswidget.export.sources.sql import sql as query

    connection = duckdb.connect()
    connection.execute("SET memory_limit = '200MB'")
    text = "repeat('x', 108) || (n % 1000000000)"
    return query(f"SELECT n, {text} AS text FROM range({rows}) t(n)", connection)


MAKE = {"frame": frame, "lazy": lazy, "sql": sql}


def measure(kind: str, format: str, rows: int, folder: Path) -> dict[str, float]:
    """Export once and return the peak in megabytes."""
    from progresswidget.export.pipeline import Export, Progress

    path = folder / f"out.{ending(format)}"
    given = MAKE[kind](rows)
    before = status("VmRSS") if kind == "frame" else 0
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    result = Export(given, path, options=FORMATS[format]).run(Progress())
    seconds = time.perf_counter() - started
    size = path.stat().st_size
    path.unlink()
    return {"peak": (status("VmHWM") - before) / 1e6, "size": size / 1e6, "seconds": seconds} | {
        "rows": result.rows
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        kind, form, rows, folder = arguments.measure
        sys.stdout.write(json.dumps(measure(kind, form, int(rows), Path(folder))))
        return
    many = int(arguments.gigabytes * 1e9 / ROW_BYTES)
    plan = [("frame", form, rows) for form in ("csv", "parquet zstd", "csv.gz", "arrows")
            for rows in (1_000_000, 5_000_000, 20_000_000)]  # fmt: skip
    plan += [(kind, form, many) for kind in ("lazy", "sql") for form in ("csv", "parquet zstd")]
    memory = Path("/dev/shm")
    for kind, form, rows in plan:
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            command = [sys.executable, __file__, "--measure", kind, form, str(rows), folder]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            found = json.loads(done.stdout)
        above = "above the frame" if kind == "frame" else "in all"
        sys.stdout.write(
            f"{kind:<6}{form:<14}{found['rows']:>12,} rows {found['size']:>7.0f} MB "
            f"{found['seconds']:>7.1f} s   peak {found['peak']:>5.0f} MB {above}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()

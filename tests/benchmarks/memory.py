"""Measure the peak memory of exports, which must not grow with the rows.

Run ``python tests/benchmarks/memory.py``. Frames in memory count with what they need above
themselves; plans, which read a file of a tenth of their size ten times, and queries with all that
the process needs, that of a server of the database not included. Every measurement is a process of
its own.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).parents[1] / "kernel"))

import postgres
from export import FORMATS, ending, make_frame, status

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

GIGABYTES = 10
TEXT = 992
"""Bytes of the text in a row of plans and queries; eight more are a number."""
TIMES = 10
"""How often a plan reads its file."""


def frame(rows: int, _: Path) -> Any:
    """Return a frame in memory."""
    return make_frame(rows)


def varied(rows: int) -> Any:
    """Return texts that hardly shrink, as a series."""
    import numpy as np
    import polars as pl
    import pyarrow as pa

    letters = base64.b64encode(np.random.default_rng(rows).bytes(rows * TEXT * 3 // 4))
    cut = pa.Array.from_buffers(pa.binary(TEXT), rows, [None, pa.py_buffer(letters)])
    return pl.from_arrow(cut.cast(pa.binary()).cast(pa.string()))


def write_source(kind: str, rows: int, path: Path, *, shrinks: bool) -> None:
    """Write the file that a plan reads; no two rows of a row group are alike."""
    import polars as pl

    size = 100_000
    texts = pl.concat_str(pl.lit("x" * (TEXT - 9)), pl.col("n").cast(pl.String).str.zfill(9))
    numbers = pl.DataFrame({"n": range(size)})
    parts = [
        numbers.lazy().with_columns(n=pl.col("n") + start).with_columns(text=texts)
        for start in range(0, rows // TIMES, size)
    ]
    if not shrinks:
        text = varied(size)
        parts = [pl.LazyFrame({"n": range(start, start + size), "text": text.slice(at)
                               .append(text.head(at))})
                 for at, start in enumerate(range(0, rows // TIMES, size))]  # fmt: skip
    plan = pl.concat(parts)
    if kind == "scan_csv":
        plan.sink_csv(path)
    elif kind == "scan_ipc":
        plan.sink_ipc(path, compression="lz4")
    else:
        plan.sink_parquet(path, row_group_size=size)


def scan(kind: str, source: Path) -> Any:
    """Return a plan of polars over files, with expressions that change every row."""
    import polars as pl

    plan = getattr(pl, kind)([source] * TIMES)
    upper = pl.col("text").str.to_uppercase().alias("upper").str.slice(-9)
    return plan.with_columns(upper, (pl.col("n") * 2).alias("double")).filter(pl.col("n") >= 0)


def datafusion(_: int, source: Path) -> Any:
    """Return the same of DataFusion, as far as it can be said in its words."""
    from datafusion import SessionContext, col, functions, lit

    folder = source.with_name("several")
    folder.mkdir()
    for number in range(TIMES):
        (folder / f"{number}.parquet").hardlink_to(source)
    frame = SessionContext().read_parquet(str(folder))
    upper = functions.right(functions.upper(col("text")), lit(9)).alias("upper")
    return frame.with_columns(upper, (col("n") * 2).alias("double")).filter(col("n") >= lit(0))


def ibis(rows: int, _: Path) -> Any:
    """Return a table of Ibis whose backend is DuckDB."""
    import ibis as library

    connection = library.duckdb.connect(memory_limit="200MB")
    connection.raw_sql(f"CREATE VIEW t AS SELECT i AS n, repeat('x', {TEXT - 9}) || "
                       f"lpad(i::text, 9, '0') AS text FROM range({rows}) r(i)")  # fmt: skip
    return connection.table("t")


def duckdb(rows: int, _: Path) -> Any:
    """Return a query of DuckDB."""
    import duckdb as engine

    from progresswidget.export.sources.sql import sql

    connection = engine.connect()
    connection.execute("SET memory_limit = '200MB'")
    return sql(f"SELECT i AS n, repeat('x', {TEXT - 9}) || lpad(i::text, 9, '0') AS text "
               f"FROM range({rows}) t(i)", connection)  # fmt: skip


def sqlite(rows: int, _: Path) -> Any:
    """Return a query of SQLite, whose rows come through Python's own driver."""
    import sqlite3

    from progresswidget.export.sources.sql import sql

    connection = sqlite3.connect(":memory:", check_same_thread=False)
    text = f"'{'x' * (TEXT - 9)}' || printf('%09d', n)"
    return sql(
        f"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {rows}) "
        f"SELECT n, {text} AS text FROM t",
        connection,
    )


def postgresql(rows: int, source: Path) -> Any:
    """Return a query of PostgreSQL, by ADBC."""
    from progresswidget.export.sources.sql import sql

    return sql(postgres_query(rows), source.read_text())


def sqlalchemy(rows: int, source: Path) -> Any:
    """Return the same over a server-side cursor of SQLAlchemy."""
    import sqlalchemy as library

    from progresswidget.export.sources.sql import sql

    uri = source.read_text().replace("postgresql://", "postgresql+psycopg://")
    return sql(postgres_query(rows), library.create_engine(uri))


def postgres_query(rows: int) -> str:
    # In the list of columns, where the rows are made one by one and never held.
    return (
        f"SELECT n, repeat('x', {TEXT - 9}) || lpad(n::text, 9, '0') AS text "
        f"FROM (SELECT generate_series(1, {rows}) AS n) t"
    )


def database() -> AbstractContextManager[str]:
    """Run a PostgreSQL, and give its address."""
    programs = postgres.find()
    if programs is None:
        sys.exit("There is no PostgreSQL here: leave these kinds out.")
    return postgres.running(programs)


MAKE = {
    "frame": frame,
    "scan_parquet": lambda _, source: scan("scan_parquet", source),
    "scan_csv": lambda _, source: scan("scan_csv", source),
    "scan_ipc": lambda _, source: scan("scan_ipc", source),
    "datafusion": datafusion,
    "ibis": ibis,
    "duckdb": duckdb,
    "sqlite": sqlite,
    "postgresql": postgresql,
    "sqlalchemy": sqlalchemy,
}
SERVED = ("postgresql", "sqlalchemy")


def measure(kind: str, format: str, rows: int, folder: Path) -> dict[str, float]:
    """Export once and return the peak in megabytes."""
    from progresswidget.export.pipeline import Export
    from progresswidget.export.progress import Progress

    path = folder / f"out.{ending(format)}"
    given = MAKE[kind](rows, folder / "source")
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
    parser.add_argument("--kinds", nargs="+", choices=MAKE, default=list(MAKE))
    parser.add_argument("--formats", nargs="+", default=["csv", "parquet zstd", "csv.gz", "arrows"])
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--varied", action="store_true", help="files whose texts hardly shrink")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        kind, form, rows, folder = arguments.measure
        sys.stdout.write(json.dumps(measure(kind, form, int(rows), Path(folder))))
        return
    many = int(arguments.gigabytes * 1e9 / (TEXT + 8))
    plan = [(kind, form, rows) for kind in arguments.kinds for form in arguments.formats
            for rows in (arguments.rows if kind == "frame" else [many])]  # fmt: skip
    for kind, form, rows in plan:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, ExitStack() as stack:
            source = Path(folder) / "source"
            if kind.startswith(("scan", "datafusion")):
                write_source(kind, rows, source, shrinks=not arguments.varied)
            elif kind in SERVED:
                source.write_text(stack.enter_context(database()))
            command = [sys.executable, __file__, "--measure", kind, form, str(rows), folder]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            found = json.loads(done.stdout)
        above = "above the frame" if kind == "frame" else "in all"
        sys.stdout.write(
            f"{kind:<13}{form:<14}{found['rows']:>12,} rows {found['size']:>7.0f} MB "
            f"{found['seconds']:>7.1f} s   peak {found['peak']:>5.0f} MB {above}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Measure our export against the engines of the field, interleaved, on the same frame.

Run ``python tests/benchmarks/export.py``. Every measurement is a process of its own, which reads
the frame from an Arrow file into memory, warms the engine up with a few rows, and then reports
seconds and peak memory above the source. Ours keeps its journal and its progress, and flushes to
the disk; its SHA-256, which no peer takes, is awaited where the name says so. A name that ends with
"again" exports what is there already. Only the ratios carry over to another machine.

Beside the seconds stands the processor that they took, of all cores: on a machine that does other
things too it says more, and what an engine has less of the processor than its seconds times the
cores is time in which a core had nothing to do. "whole" is the processor until nothing is left to
do: of ours the digests are not done when the call returns (see `progresswidget.export.behind` and
`progresswidget.export.trail`), and each of them, the SHA-256 included, counts there.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# What is measured: the ending, the options of ours, and the peers' own words for it.
FORMATS: dict[str, dict[str, Any]] = {
    "csv": {},
    "csv.gz": {},
    "csv.zst": {},
    "ndjson": {},
    "parquet snappy": {"compression": "snappy"},
    "parquet zstd": {"compression": "zstd"},
    "arrows": {},
    "feather": {"compression": "lz4"},
    "xlsx": {},
    "xlsx, 4 sheets": {},
}
XLSX_ROWS = 200_000


def ending(format: str) -> str:
    return format.split(maxsplit=1)[0].rstrip(",")


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


def ours(frame: Any, path: Path, format: str) -> Any:
    """Export as a user does, with progress and journal; the file has its name when this ends.

    The result waits, when it is asked for its SHA-256, for all that is left to do.
    """
    from progresswidget.export.pipeline import Export
    from progresswidget.export.progress import Progress

    options = dict(FORMATS[format])
    if type(frame).__module__.startswith("pandas"):
        options["index"] = False
    given = sheets(frame) if "sheets" in format else frame
    return Export(given, path, format=ending(format), options=options).run(Progress())


def ours_digest(frame: Any, path: Path, format: str) -> None:
    """Export, and wait for the SHA-256 too, which no peer takes."""
    assert ours(frame, path, format).sha256


def ours_again(frame: Any, path: Path, format: str) -> Any:
    """Export what is there already: everything is compared and nothing is written."""
    result = ours(frame, path, format)
    assert result.reused
    return result


def sheets(frame: Any) -> dict[str, Any]:
    quarter = len(frame) // 4
    return {f"s{number}": frame[number * quarter : (number + 1) * quarter] for number in range(4)}


def polars(frame: Any, path: Path, format: str) -> None:
    """Write with polars' eager writer."""
    import polars as pl

    kind = ending(format)
    if kind == "xlsx":
        import xlsxwriter

        with xlsxwriter.Workbook(path) as book:
            for name, part in (sheets(frame) if "sheets" in format else {"s": frame}).items():
                part.write_excel(book, worksheet=name)
    elif kind.startswith("csv"):
        compression = {"csv.gz": "gzip", "csv.zst": "zstd"}.get(kind)
        options = {} if compression is None else {"compression": compression}
        frame.write_csv(path, **options)
    elif kind == "ndjson":
        frame.write_ndjson(path)
    elif kind == "parquet":
        frame.write_parquet(path, **FORMATS[format])
    elif kind == "arrows":
        frame.write_ipc_stream(path, compat_level=pl.CompatLevel.oldest())
    else:
        frame.write_ipc(path, compression="lz4", compat_level=pl.CompatLevel.oldest())


def polars_sink(frame: Any, path: Path, format: str) -> None:
    """Write with polars' streaming engine."""
    import polars as pl

    lazy = frame.lazy()
    kind = ending(format)
    if kind == "csv":
        lazy.sink_csv(path)
    elif kind == "ndjson":
        lazy.sink_ndjson(path)
    elif kind == "parquet":
        lazy.sink_parquet(path, **FORMATS[format])
    else:
        lazy.sink_ipc(path, compression="lz4", compat_level=pl.CompatLevel.oldest())


def polars_views(frame: Any, path: Path, format: str) -> None:
    """Write Arrow as polars does by itself: texts stay views, which is another file than ours."""
    if ending(format) == "arrows":
        frame.write_ipc_stream(path)
    else:
        frame.write_ipc(path, compression="lz4")


def polars_pyarrow(frame: Any, path: Path, format: str) -> None:
    """Write a frame of polars with pyarrow, conversion included."""
    import polars as pl

    pyarrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest()), path, format)


def pyarrow(frame: Any, path: Path, format: str) -> None:
    """Write with pyarrow, CSV and IPC batch by batch."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    kind = ending(format)
    if kind == "parquet":
        pa.parquet.write_table(frame, path, **FORMATS[format])
    elif kind == "feather":
        pa.feather.write_feather(frame, path, compression="lz4")
    elif kind == "arrows":
        with pa.ipc.new_stream(path, frame.schema) as writer:
            for batch in frame.to_batches(max_chunksize=65_536):
                writer.write_batch(batch)
    else:
        with pa.csv.CSVWriter(path, frame.schema) as writer:
            for batch in frame.to_batches(max_chunksize=65_536):
                writer.write_batch(batch)


def duckdb(frame: Any, path: Path, format: str) -> None:
    """Write with DuckDB's COPY."""
    import duckdb

    connection = duckdb.connect()
    connection.register("frame", frame)
    kind = {
        "csv": "csv, header",
        "csv.gz": "csv, header, compression gzip",
        "csv.zst": "csv, header, compression zstd",
        "ndjson": "json",
    }.get(format) or f"parquet, compression {FORMATS[format]['compression']}"
    connection.execute(f"copy frame to '{path}' (format {kind})")


def pandas(frame: Any, path: Path, format: str) -> None:
    """Write with pandas."""
    import gzip

    import pandas as pd

    kind = ending(format)
    if kind == "xlsx":
        with pd.ExcelWriter(path, engine="xlsxwriter") as book:
            for name, part in (sheets(frame) if "sheets" in format else {"s": frame}).items():
                part.to_excel(book, sheet_name=name, index=False)
    elif kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "csv.gz":
        with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
            frame.to_csv(file, index=False)
    elif kind == "ndjson":
        frame.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        frame.to_parquet(path, index=False, **FORMATS[format])
    else:
        frame.to_feather(path, compression="lz4")


def pandas_tqdm(frame: Any, path: Path, format: str) -> None:
    """Write as notebooks do that want a bar: in chunks, in a loop of tqdm."""
    from tqdm import tqdm

    with path.open("w", encoding="utf-8", newline="") as file:
        for start in tqdm(range(0, len(frame), 100_000), file=io.StringIO()):
            frame[start : start + 100_000].to_csv(file, index=False, header=not start)


def jetxl(frame: Any, path: Path, format: str) -> None:
    """Write a workbook with jetxl."""
    import jetxl as jet

    if "sheets" in format:
        parts = sheets(frame)
        jet.write_sheets_arrow(
            [{"data": part, "name": name} for name, part in parts.items()], str(path), 2
        )
    else:
        jet.write_sheet_arrow(frame, str(path))


def rustpy(frame: Any, path: Path, format: str) -> None:
    """Write a workbook with rustpy-xlsxwriter."""
    from rustpy_xlsxwriter import FastExcel

    book = FastExcel(str(path))
    for name, part in (sheets(frame) if "sheets" in format else {"s": frame}).items():
        book = book.sheet(name, part)
    book.save()


def xlsxwriter(frame: Any, path: Path, format: str) -> None:
    """Write a workbook row by row with constant memory."""
    import xlsxwriter as xw

    with xw.Workbook(path, {"constant_memory": True, "remove_timezone": True}) as book:
        date = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for name, part in (sheets(frame) if "sheets" in format else {"s": frame}).items():
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, part.columns)
            moments = [str(kind).startswith("Datetime") for kind in part.dtypes]
            for number, row in enumerate(part.iter_rows(), 1):
                for place, value in enumerate(row):
                    if value is not None:
                        sheet.write(number, place, value, date if moments[place] else None)


TABLES = {"csv", "ndjson", "parquet snappy", "parquet zstd"}
BOOKS = {"xlsx", "xlsx, 4 sheets"}
ARROW = {"arrows", "feather"}
PLAIN = set(FORMATS) - BOOKS

# name -> (what runs, the kind of frame it gets, the formats it has, the module it needs)
ENGINES: dict[str, tuple[Callable[[Any, Path, str], Any], str, set[str], str]] = {
    "ours, polars": (ours, "polars", set(FORMATS), "polars"),
    "ours, arrow": (ours, "arrow", PLAIN, "pyarrow"),
    "ours, pandas": (ours, "pandas", {"csv", "parquet zstd", "xlsx"}, "pandas"),
    "ours, with SHA-256": (ours_digest, "polars", set(FORMATS), "polars"),
    "ours, again": (ours_again, "polars", set(FORMATS), "polars"),
    "polars": (polars, "polars", set(FORMATS), "polars"),
    "polars sink": (polars_sink, "polars", TABLES | {"feather"}, "polars"),
    "polars, views": (polars_views, "polars", ARROW, "polars"),
    "polars by pyarrow": (polars_pyarrow, "polars", ARROW, "polars"),
    "pyarrow": (pyarrow, "arrow", {"csv", "parquet snappy", "parquet zstd"} | ARROW, "pyarrow"),
    "duckdb": (duckdb, "arrow", TABLES | {"csv.gz", "csv.zst"}, "duckdb"),
    "pandas": (pandas, "pandas", TABLES | BOOKS | {"csv.gz", "feather"}, "pandas"),
    "pandas, tqdm": (pandas_tqdm, "pandas", {"csv"}, "tqdm"),
    "jetxl": (jetxl, "arrow", BOOKS, "jetxl"),
    "rustpy-xlsxwriter": (rustpy, "arrow", BOOKS, "rustpy_xlsxwriter"),
    "xlsxwriter": (xlsxwriter, "polars", BOOKS, "xlsxwriter"),
}


def is_here(engine: str, format: str) -> bool:
    """Say whether an engine is installed, and knows a format."""
    _, _, known, module = ENGINES[engine]
    # polars and pandas write workbooks with xlsxwriter, and everything else without.
    needed = (
        [module, "xlsxwriter"] if format in BOOKS and engine in {"polars", "pandas"} else [module]
    )
    return format in known and all(importlib.util.find_spec(name) for name in needed)


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


def processor() -> float:
    """Return the seconds that this process has had of all cores, the system's work for it too."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(engine: str, format: str, source: Path, path: Path) -> dict[str, float]:
    """Run one engine once, in this process."""
    run, kind, _, _ = ENGINES[engine]
    frame = load(source, kind)
    if run is not ours_again:
        run(frame[:1_000], path, format)
        path.unlink()
    else:
        ours_digest(frame, path, format)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    started, before_all = time.perf_counter(), processor()
    result = run(frame, path, format)
    seconds, busy = time.perf_counter() - started, processor() - before_all
    if result is not None:
        assert result.sha256
    figures = {
        "seconds": seconds,
        "processor": busy,
        "whole": processor() - before_all,
        "peak": max(status("VmHWM") - before, 0),
        "size": path.stat().st_size,
    }
    path.unlink()
    return figures


def measure_apart(engine: str, format: str, source: Path, path: Path) -> dict[str, float]:
    """Run one engine once, in a process of its own."""
    command = [sys.executable, __file__, "--measure", engine, format, str(source), str(path)]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": root, "XDG_CACHE_HOME": str(path.parent / "cache")},
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def table(format: str, rows: int, results: dict[str, list[dict[str, float]]]) -> str:
    """Return the medians of one format as text."""
    middle = {
        engine: {key: statistics.median(each[key] for each in runs) for key in runs[0]}
        for engine, runs in results.items()
    }
    peers = [name for name in middle if not name.startswith("ours") and name != "polars, views"]
    best = min(middle[name]["seconds"] for name in peers)
    # "alike": to the fastest of those that get the same kind of frame, and make the same of it.
    alike = {
        kind: min(
            (middle[name]["seconds"] for name in peers if ENGINES[name][1] == kind), default=0
        )
        for kind in ("polars", "arrow", "pandas")
    }
    words = "s", "CPU s", "whole", "Mrows/s", "MB/s", "speed", "alike"
    columns = f"{''.join(f'{word:>8}' for word in words)}{'MB':>7}{'peak MB':>9}"
    lines = [f"\n{format}: {rows:,} rows", f"{'engine':<20}{columns}"]
    for name, figures in sorted(middle.items(), key=lambda pair: pair[1]["seconds"]):
        seconds, size = figures["seconds"], figures["size"] / 1e6
        lines.append(
            f"{name:<20}{seconds:>8.2f}{figures['processor']:>8.2f}{figures['whole']:>8.2f}"
            f"{rows / seconds / 1e6:>8.2f}{size / seconds:>8.0f}"
            f"{best / seconds:>8.2f}{alike[ENGINES[name][1]] / seconds:>8.2f}{size:>7.0f}"
            f"{figures['peak'] / 1e6:>9.0f}"
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
    parser.add_argument("--save", type=Path, help="a JSON file for every single figure")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        engine, kind, source, path = arguments.measure
        sys.stdout.write(json.dumps(measure(engine, kind, Path(source), Path(path))))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        saved: dict[str, Any] = {"rows": arguments.rows, "rounds": arguments.rounds}
        for kind in arguments.formats:
            rows = min(arguments.rows, XLSX_ROWS) if kind in BOOKS else arguments.rows
            source = Path(folder) / f"source-{rows}.arrow"
            if not source.exists():
                make_frame(rows).write_ipc(source)
            engines = [
                name for name in ENGINES if name not in arguments.skip and is_here(name, kind)
            ]
            results: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
            for _ in range(arguments.rounds):
                for name in engines:
                    path = Path(folder) / f"out.{ending(kind)}"
                    results[name].append(measure_apart(name, kind, source, path))
            saved[kind] = results
            sys.stdout.write(table(kind, rows, results) + "\n")
            sys.stdout.flush()
    if arguments.save:
        arguments.save.write_text(json.dumps(saved, indent=1))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()

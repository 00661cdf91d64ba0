"""Peak memory above the source does not grow with the rows. One process per measurement."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest
from pyarrow import parquet

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 200 * 2**20

MEASURED = """
import sys
from pathlib import Path
import polars as pl
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

kind, rows, path = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])

def status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024

query = pl.LazyFrame({"i": pl.int_range(0, rows, eager=True)}).with_columns(
    f=pl.col("i") * 0.37, t=pl.format("row {}" + 100 * "x", pl.col("i") % 1000)
)
if kind == "lazy":
    frame = query
elif kind == "polars":
    frame = query.collect()
elif kind == "pandas":
    frame = query.collect().to_pandas().astype({"t": object})
else:
    frame = query.collect().to_arrow()
# The libraries and their thread pools are no part of what rows cost.
Export(frame.head(10) if hasattr(frame, "head") else frame.slice(0, 10), path).run(Progress())
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
result = Export(frame, path).run(Progress())
assert result.rows == rows, result.rows
print(status("VmHWM") - before)
"""


def peak(kind: str, rows: int, path: Path) -> int:
    command = [sys.executable, "-c", MEASURED, kind, str(rows), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path.unlink()
    return int(done.stdout)


SLOW = pytest.mark.faults


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        pytest.param("polars", "csv", marks=SLOW),
        ("polars", "parquet"),
        ("lazy", "csv"),
        pytest.param("lazy", "parquet", marks=SLOW),
        pytest.param("pandas", "csv", marks=SLOW),
        ("pandas", "parquet"),
        ("arrow", "csv"),
        pytest.param("arrow", "parquet", marks=SLOW),
    ],
)
def test_memory_does_not_grow_with_the_rows(kind: str, suffix: str, tmp_path: Path) -> None:
    # Wide ones: a third of a gigabyte of them takes a quarter of the time that narrow ones take.
    assert peak(kind, 2_500_000, tmp_path / f"a.{suffix}") < LIMIT


IN_ALL = 500_000_000
"""Bytes of memory that a process takes at most, with all its libraries, for an export of what is
not in memory itself. That of `WIDE` took 560 to 780 million when more of it was under way."""

NEARER = 560_000_000
"""The same for DataFusion, which needs 420 to 470 million, and 630 to 650 when it reads ahead."""

WIDE = "SELECT i AS n, repeat('x', 3983) || lpad(i::text, 9, '0') AS t FROM range(120000) r(i)"
LESS_WIDE = WIDE.replace("3983", "983").replace("120000", "480000")
"""Of DataFusion, which makes batches of 8,192 rows, however wide they are."""
WIDE_ROWS = """
import sys
from pathlib import Path
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

kind, source, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])
if kind == "datafusion":
    from datafusion import SessionConfig, SessionContext
    from progresswidget.export.sources import partitions
    partitions.SLOW = 0  # on a busy machine it would be what is waited for
    frame = SessionContext(SessionConfig().with_target_partitions(4)).read_parquet(source)
elif kind == "query":
    import duckdb
    frame = duckdb.sql(source)
else:
    frame = Path(source)
Path("/proc/self/clear_refs").write_text("5")
Export(frame, path).run(Progress())
for line in Path("/proc/self/status").read_text().splitlines():
    if line.startswith("VmHWM:"):
        print(int(line.split()[1]) * 1024)
"""


@pytest.mark.parametrize(
    ("kind", "suffix"), [("query", "csv.gz"), ("file", "parquet"), ("datafusion", "csv")]
)
def test_wide_rows_that_nobody_holds_take_little_in_all(
    kind: str, suffix: str, tmp_path: Path
) -> None:
    source = WIDE
    if kind != "query":
        source = str(tmp_path / "source.parquet")
        rows = duckdb.sql(LESS_WIDE if kind == "datafusion" else WIDE).to_arrow_table()
        parquet.write_table(rows, source, row_group_size=len(rows) // 5)
    command = [sys.executable, "-c", WIDE_ROWS, kind, source, str(tmp_path / f"a.{suffix}")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    limit = NEARER if kind == "datafusion" else IN_ALL
    most = int(done.stdout.split()[-1])  # behind the bar that DuckDB draws on a slow machine
    assert most < limit

"""Plans of polars over files: it reads little ahead while they run, and as before afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from progresswidget.export.sources.lazy import read
from progresswidget.export.sources.nearby import LIMITS, reading_nearby

if TYPE_CHECKING:
    from pathlib import Path

NAME = "POLARS_ROW_GROUP_PREFETCH_SIZE"

MEASURED = """
import sys
from pathlib import Path
import polars as pl
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

kind, source, path = sys.argv[1], *map(Path, sys.argv[2:])
upper = pl.col("text").str.to_uppercase().alias("upper")
plan = getattr(pl, kind)([source] * 10).with_columns(upper)
Export(plan.select("n", pl.col("upper").str.slice(-9)), path).run(Progress())
status = Path("/proc/self/status").read_text().splitlines()
print(*(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.parquet"
    pl.DataFrame({"n": range(100_000)}).write_parquet(path, row_group_size=5_000)
    return path


def now() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in LIMITS}


def test_the_limits_hold_while_a_plan_is_read_and_no_longer(source: Path) -> None:
    before = now()
    batches = read(pl.scan_parquet(source), None).batches()  # type: ignore[arg-type]
    first = next(batches)
    assert now() == LIMITS
    assert first.num_rows + sum(batch.num_rows for batch in batches) == 100_000
    assert now() == before
    dropped = read(pl.scan_parquet(source), None).batches()  # type: ignore[arg-type]
    next(dropped)
    dropped.close()
    assert now() == before


def test_the_last_of_several_plans_takes_them_away(source: Path) -> None:
    before, plan = now(), pl.scan_parquet(source)
    first = reading_nearby(plan)
    with reading_nearby(plan), first:
        assert now() == LIMITS
    assert now() == before


def test_what_the_user_has_set_counts_more(monkeypatch: Any, source: Path) -> None:
    monkeypatch.setenv(NAME, "7")
    with reading_nearby(pl.scan_parquet(source)):
        assert now() == LIMITS | {NAME: "7"}
    assert os.environ[NAME] == "7"


def test_what_the_user_sets_meanwhile_stays(monkeypatch: Any, source: Path) -> None:
    monkeypatch.delenv(NAME, raising=False)
    with reading_nearby(pl.scan_parquet(source)):
        monkeypatch.setenv(NAME, "7")
    assert os.environ[NAME] == "7"


def test_where_an_address_is_named_polars_reads_as_far_ahead_as_ever(source: Path) -> None:
    before = now()
    with reading_nearby(pl.scan_parquet(source).with_columns(pl.lit("s3://bucket/a"))):
        assert now() == before


@pytest.mark.faults
@pytest.mark.parametrize(
    ("kind", "limit"),
    # Of five gigabytes; it was three and more, and 0.8 of Parquet that polars decoded as a whole.
    [("scan_parquet", 0.6e9), ("scan_csv", 0.6e9)],
)
def test_a_plan_over_ten_times_as_much_needs_little_more_than_what_it_reads_at_once(
    kind: str, limit: float, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    texts = pl.concat_str(pl.lit("x" * 990), pl.col("n").cast(pl.String).str.zfill(9))
    plan = pl.LazyFrame({"n": range(500_000)}).with_columns(text=texts)
    if kind == "scan_csv":
        plan.sink_csv(source)
    else:
        plan.sink_parquet(source, row_group_size=50_000)
    command = [sys.executable, "-c", MEASURED, kind, str(source), str(tmp_path / "out.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 1024 * int(done.stdout) < limit


def test_a_fork_does_not_have_the_limits(source: Path) -> None:
    before = now()
    with reading_nearby(pl.scan_parquet(source)):
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write_end, repr(now()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read_end, 10_000).decode() == repr(before)
        assert now() == LIMITS
    os.close(read_end)
    os.close(write_end)

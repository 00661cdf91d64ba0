"""polars does not survive a fork: what needs it is refused there, and what does not goes on."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FORK = """
import os, sys, warnings
import pandas as pd
import pyarrow as pa
from progresswidget.errors import SourceError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

warnings.simplefilter("ignore")
folder, parent, child = sys.argv[1:]
big = {"a": list(range(300_000)), "t": ["x"] * 300_000}
frames = {"arrow": lambda: pa.table(big), "pandas": lambda: pd.DataFrame(big)}
frames["views"] = lambda: pa.table({"t": pa.array(big["t"], pa.string_view())})


def polars():
    import polars as pl
    return pl.DataFrame(big)


frames["polars"] = polars
frames["lazy"] = lambda: polars().lazy()
name, suffix = child.split(".")
frame = frames[name]()
early = Export(pa.table({"a": [1]}), f"{folder}/early.csv") if parent == "csv" else None
if early is not None:
    Export(pa.table(big), f"{folder}/parent.csv").run(Progress())
pid = os.fork()
if pid == 0:
    status = 3
    try:
        print(Export(frame, f"{folder}/child.{suffix}").run(Progress()).rows, flush=True)
        status = 0
    except SourceError as error:
        print(error, flush=True)
        try:
            early.run(Progress())
        except SourceError:
            status = 4
    finally:
        os._exit(status)
print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def fork(tmp_path: Path, parent: str, child: str) -> str:
    command = [sys.executable, "-c", FORK, str(tmp_path), parent, child]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "child", ["arrow.csv", "pandas.csv", "polars.csv", "polars.parquet", "lazy.parquet"]
)
def test_a_fork_of_a_process_that_had_polars_is_told(child: str, tmp_path: Path) -> None:
    told = fork(tmp_path, "csv", child)
    assert "forked" in told
    assert '"spawn"' in told
    assert "status 4" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parent.csv"]


@pytest.mark.parametrize("child", ["arrow.parquet", "pandas.parquet", "views.parquet"])
def test_parquet_needs_no_polars_and_goes_on(child: str, tmp_path: Path) -> None:
    assert fork(tmp_path, "csv", child).split() == ["300000", "status", "0"]


def test_a_fork_that_loads_polars_itself_may_use_it(tmp_path: Path) -> None:
    assert fork(tmp_path, "nothing", "arrow.csv").split() == ["300000", "status", "0"]

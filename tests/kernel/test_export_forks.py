"""polars does not survive a fork: what needs it is refused there, and what does not goes on."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

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
folder, parent, *children = sys.argv[1:]
big = {"a": list(range(300_000)), "t": ["x"] * 300_000}
frames = {"arrow": lambda: pa.table(big), "pandas": lambda: pd.DataFrame(big)}
frames["views"] = lambda: pa.table({"t": pa.array(big["t"], pa.string_view())})


def polars():
    import polars as pl
    return pl.DataFrame(big)


frames["polars"] = polars
frames["lazy"] = lambda: polars().lazy()
early = Export(pa.table({"a": [1]}), f"{folder}/early.csv") if parent == "csv" else None
if early is not None:
    Export(pa.table(big), f"{folder}/parent.csv").run(Progress())
for child in children:
    name, suffix = child.split(".")
    frame = frames[name]()
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
    print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    print(sorted(each for each in os.listdir(folder) if each.startswith("child")), flush=True)
    for each in os.listdir(folder):
        if each.startswith("child"):
            os.remove(f"{folder}/{each}")
"""


def fork(tmp_path: Path, parent: str, *children: str) -> str:
    """Return what a process and its forked children say, one child after the other."""
    command = [sys.executable, "-c", FORK, str(tmp_path), parent, *children]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_fork_of_a_process_that_had_polars_is_told(tmp_path: Path) -> None:
    # Frames of polars last: before them only the parent's own export has loaded it.
    children = ["arrow.csv", "pandas.csv", "polars.csv", "polars.parquet", "lazy.parquet"]
    *told, rest = fork(tmp_path, "csv", *children).split("status 4\n[]\n")
    assert rest == ""
    assert len(told) == len(children)
    for each in told:
        assert "forked" in each
        assert '"spawn"' in each
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parent.csv"]


def test_parquet_needs_no_polars_and_goes_on(tmp_path: Path) -> None:
    children = ["arrow.parquet", "pandas.parquet", "views.parquet"]
    told = fork(tmp_path, "csv", *children).splitlines()
    assert told == ["300000", "status 0", "['child.parquet']"] * len(children)


def test_a_fork_that_loads_polars_itself_may_use_it(tmp_path: Path) -> None:
    told = fork(tmp_path, "nothing", "arrow.csv").splitlines()
    assert told == ["300000", "status 0", "['child.csv']"]


WAITING = """
import os, sys, threading
import pyarrow as pa
import progresswidget as pw

folder = sys.argv[1]
go = threading.Event()


def rows():
    yield pa.table({"n": [1]})
    go.wait(60)
    yield pa.table({"n": [2]})


job = pw.export(rows(), f"{folder}/a.arrows", background=True)
pid = os.fork()
if pid == 0:
    try:
        job.result()
    except pw.JobStateError as error:
        print(error, flush=True)
        os._exit(0)
    os._exit(1)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
go.set()
print(status, job.result().rows, flush=True)
"""


def test_a_fork_does_not_wait_for_the_job_of_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", WAITING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "is a fork of.\nWait for it there.\n0 2\n" in done.stdout, done.stderr


DIGEST = """
import hashlib, os, pathlib, sys
from progresswidget.export.result import Result
from progresswidget.export.trail import Trail

path = sys.argv[1]
with open(path, "rb") as file:
    trail = Trail(file.fileno())
result = Result(pathlib.Path(path), 1, 1, 1, 0.0, 0, os.stat(path), trail.hexdigest)
pid = os.fork()
if pid == 0:
    right = result.sha256 == hashlib.sha256(open(path, "rb").read()).hexdigest()
    os._exit(0 if right else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
trail.stop()
"""


def test_a_fork_takes_the_digest_itself_that_its_parent_has_not_yet(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n\n1\n")
    command = [sys.executable, "-W", "ignore", "-c", DIGEST, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "0\n", done.stderr

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import polars as pl
import pytest

import progresswidget
from progresswidget.job import Job

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = {
    "pandas": lambda: pd.DataFrame({"a": [1, 2]}),
    "polars": lambda: pl.DataFrame({"a": [1, 2]}),
    "lazy": lambda: pl.LazyFrame({"a": [1, 2]}),
}


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("kind", FRAMES)
def test_frames_export_themselves(kind: str, tmp_path: Path) -> None:
    options = {"index": False} if kind == "pandas" else {}
    job = FRAMES[kind]().pw.export(tmp_path / "a.csv", header=False, **options)
    assert isinstance(job, Job)
    assert (tmp_path / "a.csv").read_text() == "1\n2\n"


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("first", [True, False])
def test_whichever_is_imported_first(library: str, first: bool) -> None:  # noqa: FBT001
    lines = [f"import {library}", "import progresswidget"]
    code = "\n".join(lines if first else reversed(lines))
    code += f"\nassert hasattr({library}.DataFrame, 'pw')"
    code += f"\nimport importlib.resources, inspect; assert inspect.getsource({library})"
    code += f"\nassert importlib.resources.files({library!r}).joinpath('__init__.py').is_file()"
    code += f"\nassert type({library}.__loader__).__name__ == 'SourceFileLoader'"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_nothing_is_imported_for_it() -> None:
    code = (
        "import sys, progresswidget; assert not {'pandas', 'polars'} & set(sys.modules)\n"
        "import importlib.util\n"
        "assert importlib.util.find_spec('pandas').name == 'pandas'\n"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_installing_twice_changes_nothing() -> None:
    before = list(sys.meta_path)
    progresswidget.accessors.install()
    assert sys.meta_path == before

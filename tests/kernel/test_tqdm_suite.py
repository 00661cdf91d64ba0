"""tqdm's own tests, run against our `tqdm`: all but those that are named here with their reason.

The notebook beside them is not run: it looks at the boxes and bars of ipywidgets that tqdm's own
output in a notebook is made of.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import tqdm_source

CHARACTERS = "looks at the characters that rich draws on a terminal"
ELSEWHERE = "is run by test_keras.py, in a Python that has Keras"
TIMED = (
    "tests_asyncio::test_as_completed",
    "tests_perf::test_iter_basic_overhead",
    "tests_perf::test_manual_basic_overhead",
    "tests_perf::test_lock_args",
    "tests_perf::test_iter_overhead_hard",
    "tests_perf::test_manual_overhead_hard",
    "tests_perf::test_iter_overhead_simplebar_hard",
    "tests_perf::test_manual_overhead_simplebar_hard",
)
"""Those that compare times: they have a run of their own, where nothing else runs beside them."""
LEFT_OUT = {
    "tests_rich::test_rich_no_total": CHARACTERS,
    "tests_rich::test_rich_fraction_column_no_total": CHARACTERS,
    "tests_keras::test_keras": ELSEWHERE,
}
"""Tests of tqdm that are not run here, and why."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of each test of tqdm's: passed, skipped or failed; by its name."""
    left_out = [f"--deselect={node(name)}" for name in (*LEFT_OUT, *TIMED)]
    return run(tmp_path_factory.mktemp("tqdm"), *left_out, "tests", within=280)


def run(
    folder: Path, *chosen: str, within: float, python: Path | str = sys.executable
) -> dict[str, str]:
    """Run some of tqdm's tests, for `within` seconds at most, and return what became of each."""
    tqdm_source.write_shim(folder)
    shutil.copytree(tqdm_source.tests(), folder / "tests")
    report = folder / "report.xml"
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [
            *(python, "-m", "pytest", "-q", "--tb=short", "-rs", f"--junit-xml={report}"),
            *("-p", "tqdm_plugin", "-p", "no:cacheprovider", "-p", "no:jupyter_server"),
            *("-o", "python_files=tests_*.py", "-o", "log_level=INFO", "--timeout=120"),
            *chosen,
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), str(Path(__file__).parent)]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=within,
    )
    print(done.stdout[-20_000:], done.stderr[-5_000:])
    found = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {part.tag for part in case} & {"failure", "error", "skipped"}
        name = re.sub(r"\[.*", "", f"{case.get('classname')}::{case.get('name')}", flags=re.DOTALL)
        name = name.removeprefix("tests.").replace(".", "::")
        worst = "failed" if kinds & {"failure", "error"} else "skipped" if kinds else "passed"
        found[name] = worst if worst != "passed" else found.get(name, worst)
    return found


def node(name: str) -> str:
    """Return how pytest is told a test."""
    return f"tests/{name.replace('::', '.py::')}"


def test_tqdms_own_tests_pass(outcomes: dict[str, str]) -> None:
    counted = {
        outcome: sum(each == outcome for each in outcomes.values())
        for outcome in ("passed", "skipped", "failed")
    }
    print(f"tqdm {tqdm_source.VERSION}: {counted}, {len(LEFT_OUT)} left out")
    assert [name for name, outcome in outcomes.items() if outcome == "failed"] == []
    assert counted["passed"] >= 130


@pytest.mark.faults
def test_those_that_compare_times_pass_too(tmp_path: Path) -> None:
    # Their limits are a tenth more than a sleep: a busy machine keeps to them at one of some tries.
    left = sorted(TIMED)
    for number in range(5):
        (folder := tmp_path / str(number)).mkdir()
        found = run(folder, *map(node, left), within=600)
        assert sorted(found) == left
        left = sorted(name for name, outcome in found.items() if outcome != "passed")
        if not left:
            break
    assert left == []


def test_what_is_skipped_needs_a_newer_python(
    outcomes: dict[str, str],
) -> None:
    needs = {
        "tests_concurrent::test_concurrent_map": sys.version_info < (3, 14),
        "tests_concurrent::test_concurrent_map_unknown_len": sys.version_info < (3, 14),
        "tests_concurrent::test_interpreter_map_lock": sys.version_info < (3, 14),
        "tests_itertools::test_batched": sys.version_info < (3, 12),
    }
    skipped = {name for name, outcome in outcomes.items() if outcome == "skipped"}
    assert skipped <= {name for name, needed in needs.items() if needed}


def test_each_test_that_is_left_out_is_there_and_has_a_reason() -> None:
    folder = tqdm_source.tests()
    for name, reason in LEFT_OUT.items():
        file, test = name.split("::")
        text = (folder / f"{file}.py").read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE), name
        assert reason


def test_the_readme_counts_those_that_are_left_out() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    told = readme.partition("Of its own tests all but ")[2].partition("### ")[0]
    never = [name for name, reason in LEFT_OUT.items() if reason != ELSEWHERE]
    assert told.startswith({2: "two", 3: "three"}[len(never)] + " run")
    for word in ("rich", "Keras", "make test-faults"):
        assert word in told

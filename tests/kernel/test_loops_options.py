"""Options and methods of `pw.tqdm`: those of tqdm, and told to whoever shows the loop as a job."""

from __future__ import annotations

import inspect
import io
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import tqdm_source

import progresswidget as pw
from progresswidget.loops import concurrent

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ReportingServer

THEIRS = """
import inspect, io, json, warnings
from tqdm.asyncio import tqdm_asyncio
from tqdm.contrib import concurrent
from tqdm.std import tqdm

def parameters(function):
    return [
        [each.name, each.kind.name, repr(each.default)]
        for each in inspect.signature(function).parameters.values()
        if not each.kind.name.startswith("VAR")
    ]

names = [name for name in dir(tqdm) if not name.startswith("_")]
methods = {name: getattr(tqdm_asyncio, name) for name in names}
methods |= {name: getattr(tqdm_asyncio, name) for name in ("as_completed", "gather")}
methods = {name: each for name, each in methods.items() if inspect.isroutine(each)}
methods |= {"__init__": tqdm.__init__, "thread_map": concurrent.thread_map}
bar = tqdm(total=3, file=io.StringIO())
print(json.dumps({
    "methods": {name: parameters(each) for name, each in methods.items()},
    "attributes": [name for name in (*dir(tqdm), *vars(bar)) if not name.startswith("_")],
    "special": [name for name in dir(tqdm_asyncio) if name.startswith("__")],
    "format_dict": list(bar.format_dict),
    "variables": {name: repr(each) for name, each in vars(bar).items() if name in
                  ("leave", "unit", "unit_scale", "unit_divisor", "initial", "disable", "delay",
                   "mininterval", "maxinterval", "miniters", "smoothing", "lock_args", "n")},
}))
"""


@pytest.fixture(scope="module")
def theirs() -> Any:
    """What tqdm itself has, from its source distribution."""
    source = tqdm_source.tests().parent
    told = subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", THEIRS],
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    return json.loads(told)


def parameters(function: Callable[..., Any]) -> list[list[str]]:
    return [
        [each.name, each.kind.name, repr(each.default)]
        for each in inspect.signature(function).parameters.values()
        if not each.kind.name.startswith("VAR")
    ]


def test_each_method_takes_what_that_of_tqdm_takes(theirs: Any) -> None:
    assert len(theirs["methods"]) >= 25
    assert len(theirs["methods"]["__init__"]) >= 26
    for name, wanted in theirs["methods"].items():
        ours = concurrent.thread_map if name == "thread_map" else getattr(pw.tqdm, name)
        assert parameters(ours) == wanted, name


def test_a_bar_has_what_a_bar_of_tqdm_has(theirs: Any) -> None:
    with pw.tqdm(total=3, file=io.StringIO()) as bar:
        assert [name for name in theirs["attributes"] if not hasattr(bar, name)] == []
        assert [name for name in theirs["special"] if not hasattr(bar, name)] == []
        assert list(bar.format_dict) == theirs["format_dict"]
        found = {name: repr(getattr(bar, name)) for name in theirs["variables"]}
        assert found == theirs["variables"]


def test_what_is_said_at_first_is_told(reporting_server: ReportingServer) -> None:
    options: dict[str, Any] = {"unit": "iB", "unit_scale": True, "initial": 2, "leave": False}
    with pw.tqdm(total=10, desc="all", postfix={"loss": 0.5}, **options):
        told = reporting_server.wait_for("running")
    assert (told["title"], told["total"], told["rows"]) == ("all", 10, 2)
    assert (told["unit"], told["postfix"], told["leave"]) == ("B", "loss=0.5", False)


def test_what_is_said_later_is_told_too(reporting_server: ReportingServer) -> None:
    with pw.tqdm(total=10, desc="first", postfix="begun") as bar:
        assert reporting_server.wait_for("running")["postfix"] == "begun"
        bar.unit, bar.unit_scale, bar.leave, bar.postfix = "kg", 0.5, False, "nearly done"
        bar.update(10)
    told = reporting_server.wait_for("done")
    assert (told["unit"], told["rows"], told["total"]) == ("kg", 5, 5)
    assert (told["postfix"], told["leave"]) == ("nearly done", False)


def test_what_was_said_is_told_of_a_bar_that_begins_anew(
    reporting_server: ReportingServer,
) -> None:
    bar = pw.tqdm(total=2, unit="page", postfix="of the book")
    assert bar.job is not None
    bar.job.end()  # as with its cell
    bar.reset(total=3)
    with bar:
        told = reporting_server.wait_for("running", bar.job.id)
    assert (told["unit"], told["postfix"], told["total"]) == ("page", "of the book", 3)


def test_no_line_of_an_inner_loop_stays_where_only_the_topmost_is_to(
    reporting_server: ReportingServer,
) -> None:
    with pw.tqdm(total=2, leave=None) as outer, pw.tqdm(total=2, leave=None) as inner:
        told = reporting_server.wait_for("running")
        assert outer.job is not None
        assert inner.job is not None
        assert (outer.job.leave, inner.job.leave) == (True, False)
    assert told["leave"] is True


def test_a_bar_that_is_to_come_later_comes_later(reporting_server: ReportingServer) -> None:
    begun = time.monotonic()
    with pw.tqdm(total=2, desc="late", delay=1.0), pw.tqdm(total=2, desc="inner"):
        reporting_server.wait_for("running")
        assert time.monotonic() - begun >= 1.0

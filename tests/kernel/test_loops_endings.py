"""Bars that nobody keeps: the collector of garbage may find them anywhere, and only leaves word."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import progresswidget as pw
from progresswidget import protocol
from progresswidget.loops import endings
from progresswidget.loops.monitor import TMonitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ReportingServer

LIMIT = 60.0
"""Seconds for a state to come."""
_looked_at: set[int] = set()
"""Threads that must not do anything now."""
_done: list[str] = []
"""What they did all the same."""
FORBIDDEN = ("open", "os.", "shutil.", "socket.", "subprocess.", "tempfile.")


def _note(event: str, _args: object) -> None:
    if _looked_at and threading.get_ident() in _looked_at and event.startswith(FORBIDDEN):
        _done.append(event)


sys.addaudithook(_note)  # it stays, and notes nothing but what is looked at


class Out(io.StringIO):
    """A file that knows who writes to it."""

    def write(self, text: str) -> int:
        if threading.get_ident() in _looked_at:
            _done.append(f"write {text!r}")
        return super().write(text)


@pytest.fixture(autouse=True)
def _no_server_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (protocol.ENDPOINT_VARIABLE, protocol.KERNEL_URL_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def collect_what(make: Callable[[], Any]) -> None:
    """Have the collector find what is made, and see that it does nothing but leave word."""

    class Ring:
        """Garbage that only the collector can find."""

    def leave() -> None:
        ring: Any = Ring()
        ring.itself, ring.made = ring, make()

    gc.collect()
    gc.disable()  # it comes when it is called, and not before
    try:
        leave()
        _done.clear()
        _looked_at.add(threading.get_ident())
        gc.collect()
    finally:
        _looked_at.clear()
        gc.enable()
    assert _done == []


def wait_until(come: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not come():
        assert time.monotonic() < deadline
        os.sched_yield()


def fed(out: Out) -> Any:
    bar = pw.tqdm(total=5, file=out)
    bar.update(2)
    return bar


def half(**options: Any) -> Callable[[Out], Any]:
    def make(out: Out) -> Any:
        steps = iter(pw.tqdm(range(5), file=out, **options))
        assert [next(steps) for _ in "123"] == [0, 1, 2]
        return steps

    return make


@pytest.mark.parametrize("make", [fed, half(), half(mininterval=0.2)], ids=["fed", "half", "each"])
def test_a_bar_that_the_collector_finds_ends_on_another_thread(make: Any) -> None:
    out = Out()
    collect_what(lambda: make(out))
    wait_until(lambda: out.getvalue().endswith("\n"))
    assert "2/5" in out.getvalue().rpartition("\r")[2]


def test_what_workers_have_counted_is_told_when_the_collector_finds_their_bar() -> None:
    out = Out()
    folders: list[Path] = []

    def make() -> Any:
        bar = pw.tqdm(total=5, file=out)
        bar.reporter().update(3)
        folders.append(Path(bar.reporter()._folder))
        return bar

    collect_what(make)
    wait_until(lambda: out.getvalue().endswith("\n"))
    assert "3/5" in out.getvalue().rpartition("\r")[2]
    wait_until(lambda: not folders[0].exists())


def test_a_job_that_the_collector_finds_is_told_to_the_server(
    reporting_server: ReportingServer,
) -> None:
    begun: list[Any] = []

    def make() -> Any:
        bar = pw.tqdm(total=5, desc="rows")
        bar.update(2)
        begun.append(bar.job)
        reporting_server.wait_for("running")
        return bar

    collect_what(make)
    report = reporting_server.wait_for("done")
    assert (report["title"], report["rows"]) == ("rows", 2)
    assert begun[0].over


def test_a_bar_that_nobody_keeps_still_ends_at_once() -> None:
    out = Out()
    pw.tqdm(total=3, file=out).update(2)
    assert out.getvalue().endswith("\n")
    for number in pw.tqdm(range(5), file=out):
        if number == 2:
            break
    assert out.getvalue().endswith("\n")
    assert "2/5" in out.getvalue().rpartition("\r")[2]


def test_who_looks_after_a_bar_does_not_keep_it() -> None:
    out = Out()
    bar = pw.tqdm(total=5, file=out)
    monitor = TMonitor(pw.tqdm, 0.001)
    begun = monitor.woken
    wait_until(lambda: monitor.woken > begun)  # it has looked at the bar
    del bar
    wait_until(lambda: out.getvalue().endswith("\n"))
    monitor.exit()


def test_word_may_be_left_while_word_is_being_left() -> None:
    heard: list[int] = []
    endings.be_ready()

    class Ring:
        def __del__(self) -> None:
            endings.leave(lambda: heard.append(1))

    rings = 2000
    before = gc.get_threshold()
    gc.set_threshold(1)  # it interrupts whatever makes an object
    try:
        for _ in range(rings):
            ring: Any = Ring()
            ring.itself = ring
            endings.leave(lambda: None)
    finally:
        gc.set_threshold(*before)
    del ring
    gc.collect()
    wait_until(lambda: len(heard) == rings)


def test_what_was_left_to_the_end_of_a_script_ends_before_it() -> None:
    code = (
        "import gc, progresswidget as pw\n"
        "class Ring: pass\n"
        "ring = Ring(); ring.itself = ring; ring.bar = pw.tqdm(total=3); ring.bar.update(2)\n"
        "del ring; gc.collect()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "2/3" in done.stderr.rpartition("\r")[2]
    assert done.stderr.endswith("\n")


def test_a_bar_that_lives_to_the_very_end_ends() -> None:
    code = (
        "import progresswidget as pw\n"
        "class Ring: pass\n"
        "ring = Ring(); ring.itself = ring; ring.bar = pw.tqdm(total=3); ring.bar.update(2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "2/3" in done.stderr.rpartition("\r")[2]
    assert done.stderr.endswith("\n")

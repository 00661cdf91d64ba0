"""The threads that work for an export: how long their turns are, and when they give way."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from progresswidget.export import workers
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TURN = 50_000_000


def turn() -> int:
    """Return how long a turn the calling thread has asked for, in nanoseconds."""
    words = (ctypes.c_uint64 * 6)()  # struct sched_attr, whose fourth word is sched_runtime
    number = {"x86_64": 315, "aarch64": 275, "riscv64": 275}[platform.machine()]
    assert not ctypes.CDLL(None).syscall(number, 0, ctypes.byref(words), 48, 0)
    return words[3]


def in_worker(work: Callable[[], object]) -> object:
    """Return what some work returns on a thread of an export."""
    found: list[object] = []
    worker = workers.Worker(lambda: found.append(work()), "test")
    worker.start()
    worker.join()
    return found[0]


def tells_turns() -> bool:
    """Say whether the system tells how long turns are: Linux since 6.12."""
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64", "riscv64"}:
        return False
    return tuple(int(part) for part in platform.release().split(".")[:2]) >= (6, 12)


@pytest.mark.skipif(not tells_turns(), reason="Linux tells the length of turns since 6.12")
def test_its_turns_are_long_and_those_of_others_as_before() -> None:
    before = turn()
    assert in_worker(turn) == TURN
    assert turn() == before < TURN


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_its_priority_and_policy_stay_as_they_were() -> None:
    def ask() -> tuple[int, int]:
        return os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)

    def lowered() -> tuple[int, int]:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 7)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        workers.take_long_turns()
        return ask()

    assert in_worker(ask) == ask()
    assert in_worker(lowered) == (7, os.SCHED_BATCH)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system has such a class")
def test_a_thread_of_another_class_is_left_alone() -> None:
    def idle() -> bool:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return workers.take_long_turns()

    assert in_worker(idle) is False


def test_it_works_where_no_turns_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "i386")
    assert in_worker(workers.take_long_turns) is False
    monkeypatch.undo()
    monkeypatch.setattr(workers, "_library", Refusing)
    assert in_worker(workers.take_long_turns) is False


class Refusing:
    """A system that lets nobody ask, as containers may."""

    def syscall(self, *_: object) -> int:
        return -1


def test_it_does_not_keep_python_from_ending() -> None:
    assert workers.Worker(lambda: None, "test").daemon
    assert workers.Worker(lambda: None, "test").name == "progresswidget-test"


class Clock:
    """Seconds that pass when they are told to, and the sleeps of each thread."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[tuple[str, float]] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append((threading.current_thread().name, seconds))
        self.now += seconds

    @property
    def sleepers(self) -> set[str]:
        return {name.removeprefix("progresswidget-") for name, _ in self.slept}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(workers, "perf_counter", lambda: made.now)
    monkeypatch.setattr(workers, "sleep", made.sleep)
    return made


def test_a_thread_gives_way_once_in_each_stretch_of_python(clock: Clock) -> None:
    def work() -> list[int]:
        counts = []
        for _ in range(6):
            clock.now += 0.4 * workers.STRETCH
            workers.give_way()
            counts.append(len(clock.slept))
        return counts

    worker = workers.Worker(lambda: found.extend(work()), "test", beside=True)
    found: list[int] = []
    worker.start()
    worker.join()
    assert found == [1, 1, 1, 2, 2, 2]
    assert {seconds for _, seconds in clock.slept} == {workers.PAUSE}


def sleepers_of(clock: Clock, path: Path, **settings: bool) -> set[str]:
    """Return the threads that gave way while a thread or the caller has written a file."""
    table = pa.table({"word": ["one", "two"] * 60_000, "number": list(range(120_000))})

    def work() -> None:
        Export(table, path).run(Progress())

    clock.slept.clear()
    if settings:
        worker = workers.Worker(work, "job", **settings)
        worker.start()
        worker.join()
    else:
        work()
    assert path.stat().st_size
    return clock.sleepers


def test_an_export_gives_way_to_the_main_thread_and_not_where_that_runs_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workers, "STRETCH", 0.0)
    assert sleepers_of(clock, tmp_path / "a.parquet") == set()
    assert {"encode", "read"} <= sleepers_of(clock, tmp_path / "b.parquet", beside=True)
    assert sleepers_of(clock, tmp_path / "c.parquet", beside=False) == set()


@pytest.mark.parametrize("suffix", ["csv", "ndjson", "xlsx", "parquet", "arrow", "feather"])
def test_each_encoder_gives_way_between_columns(
    suffix: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workers, "STRETCH", 0.0)
    assert "encode" in sleepers_of(clock, tmp_path / f"a.{suffix}", beside=True)

"""A loop as a job: when it is told of, how inner loops share a line, and how it is obeyed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import progresswidget as pw
from progresswidget import protocol
from progresswidget.errors import LoopCancelledError
from progresswidget.loops.jobs import job as loop_job
from progresswidget.loops.jobs.departure import Departure
from progresswidget.loops.jobs.job import LoopJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import ReportingServer

    from progresswidget.protocol import Json

LIMIT = 60.0
"""Seconds for a state to come."""


class Counter:
    """What a loop has done so far."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> int:
        return self.n


@contextmanager
def opened(title: str = "loop", **options: Any) -> Iterator[tuple[LoopJob, Counter]]:
    counter = Counter()
    job = LoopJob(title, counter, **options)
    job.begin()
    try:
        yield job, counter
    except BaseException as error:
        job.end(error)
        raise
    job.end()


def heard(server: ReportingServer, is_it: Callable[[Json], bool]) -> Json:
    """Wait for a report."""

    def find() -> Json | None:
        return next((report for report in server.reports if is_it(report)), None)

    with server.arrived:
        assert server.arrived.wait_for(find, LIMIT)
        found = find()
    assert found is not None
    return found


def last_of(server: ReportingServer, task_id: str) -> Json:
    return [report for report in server.reports if report["taskId"] == task_id][-1]


def test_a_loop_is_told_of_when_it_has_lasted_for_a_moment(
    reporting_server: ReportingServer,
) -> None:
    with opened("train: ", total=10, unit="epoch") as (job, counter):
        first = heard(reporting_server, lambda report: report["taskId"] == job.id)
        assert first["elapsed"] >= loop_job.APPEARANCE / 2
        counter.n = 4
        job.postfix = "loss=0.3"
        told = heard(reporting_server, lambda report: report["rows"] == 4)
        assert told["progress"] == 40
    end = last_of(reporting_server, job.id)
    assert (end["kind"], end["title"], end["name"]) == ("task", "train", "train")
    assert (end["status"], end["progress"], end["rows"], end["total"]) == ("done", 40, 4, 10)
    assert (end["unit"], end["postfix"], end["obeys"], end["leave"]) == (
        "epoch",
        "loss=0.3",
        False,
        True,
    )
    assert end["rate"] is None


def test_a_short_loop_is_told_to_nobody(
    reporting_server: ReportingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_job, "APPEARANCE", 3600)
    for _ in range(1000):
        with opened() as (_, counter):
            counter.n += 1
    assert reporting_server.reports == []


def test_inner_loops_take_turns_at_one_line(
    reporting_server: ReportingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_job, "APPEARANCE", 0)
    with opened("outer", total=500) as (outer, epochs):
        heard(reporting_server, lambda report: report["taskId"] == outer.id)
        for number in range(500):
            with (
                opened(f"inner {number}", total=3) as (inner, steps),
                opened("innermost", leave=False) as (innermost, _),
            ):
                steps.n = 3
            epochs.n += 1
        # The line waits for the next one, and is not told to be over.
        assert inner.snapshot()["status"] == "running"
        told = heard(reporting_server, lambda report: report["rows"] == 500)
        assert told["progress"] == 99.9
    assert {report["taskId"] for report in reporting_server.reports} == {
        outer.id,
        inner.id,
        innermost.id,
    }
    end = last_of(reporting_server, inner.id)
    assert (end["parent"], end["title"], end["status"]) == (outer.id, "inner 499", "done")
    gone = last_of(reporting_server, innermost.id)
    assert (gone["parent"], gone["leave"], gone["status"]) == (outer.id, False, "done")
    assert last_of(reporting_server, outer.id)["parent"] is None
    assert [part["title"] for part in outer.snapshot()["parts"]] == ["inner 499", "innermost"]


def test_two_inner_loops_side_by_side_have_a_line_each(no_server: None) -> None:
    with opened("outer") as (outer, _), opened("a") as (a, _), opened("b") as (b, _):
        assert len({outer.id, a.id, b.id}) == 3
        assert (a.parent_id, b.parent_id) == (outer.id, outer.id)
    with opened("after") as (after, _):
        assert after.parent_id is None


def test_a_line_says_within_which_other_one_it_runs(no_server: None) -> None:
    with opened("outer") as (outer, _), opened("folds") as (folds, _):
        folds.held = True  # as of what loops, or stands in a `with`
        with opened("epochs") as (epochs, _):
            epochs.held = True
            with opened("batches"), opened("moved by hand beside them"):
                assert outer.report()["within"] is None
                parts = outer.snapshot()["parts"]
                within = [None, folds.id, epochs.id, epochs.id]
                assert [part["within"] for part in parts] == within
        with opened("next epochs") as (epochs, _):
            assert epochs.report()["within"] == folds.id


def test_what_was_left_has_no_pace_and_no_time_left(no_server: None) -> None:
    with opened("search", total=10) as (loop, steps):
        steps.n = 5
        deadline = time.monotonic() + LIMIT
        while loop.report()["rate"] is None:
            assert time.monotonic() < deadline
        loop.left = Departure(test_what_was_left_has_no_pace_and_no_time_left.__code__, 0)
        told = loop.report()
        assert (told["status"], told["rate"], told["eta"]) == ("running", None, None)
        loop.left = None


def test_the_lines_of_loops_that_begin_at_once_are_in_their_order(
    no_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = time.time()
    monkeypatch.setattr(time, "time", lambda: moment)
    with opened("outer") as (outer, _), opened("a"), opened("b"), opened("c"):
        parts = outer.snapshot()["parts"]
    created = {part["title"]: part["created"] for part in parts}
    assert sorted(created, key=lambda title: created[title]) == ["a", "b", "c"]
    assert len(set(created.values())) == 3


def test_threads_have_loops_of_their_own(no_server: None) -> None:
    parents: list[str | None] = []

    def run() -> None:
        with opened("of a thread") as (job, _):
            parents.append(job.parent_id)

    with opened("outer"):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert parents == [None]


def test_an_inner_loop_that_failed_and_was_caught_makes_way_for_the_next(
    reporting_server: ReportingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_job, "APPEARANCE", 0)
    with opened("outer") as (outer, _):
        heard(reporting_server, lambda report: report["taskId"] == outer.id)
        with pytest.raises(ValueError, match="page"), opened("inner") as (inner, _):
            raise ValueError("no such page")
        failed = heard(reporting_server, lambda report: report["status"] == "failed")
        assert failed["error"]["message"] == "ValueError: no such page"
        with opened("inner again") as (again, _):
            assert again.id == inner.id
            told = heard(reporting_server, lambda report: report["title"] == "inner again")
            assert (told["generation"], told["status"]) == (failed["generation"] + 1, "running")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ValueError("bad"), "failed", "failed"),
        (KeyboardInterrupt(), "interrupted", "keyboard-interrupt"),
        (LoopCancelledError("loop was cancelled."), "cancelled", None),
        (None, "done", None),
    ],
)
def test_how_a_loop_ended(
    reporting_server: ReportingServer,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | None,
    status: str,
    code: str | None,
) -> None:
    monkeypatch.setattr(loop_job, "APPEARANCE", 0)
    job = LoopJob("loop", Counter(), total=7)
    job.begin()
    heard(reporting_server, lambda report: report["taskId"] == job.id)
    job.end(error)
    job.end(RuntimeError("too late"))
    end = last_of(reporting_server, job.id)
    assert end["status"] == status
    assert (end["error"] or {}).get("code") == code


@pytest.mark.parametrize(("caught", "status"), [(False, "failed"), (True, "done")])
def test_a_loop_of_a_script_tells_what_ended_it(
    reporting_server: ReportingServer, *, caught: bool, status: str
) -> None:
    loop = f"for x in pw.tqdm(range(5), 'p'): time.sleep({2 * loop_job.APPEARANCE}); [].pop()"
    code = f"import contextlib, time, progresswidget as pw\nwith {{}}:\n    {loop}"
    way = "contextlib.suppress(IndexError)" if caught else "contextlib.nullcontext()"
    done = subprocess.run(
        [sys.executable, "-c", code.format(way)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "IndexError" in done.stderr) == ((0, False) if caught else (1, True))
    end = reporting_server.reports[-1]
    assert (end["title"], end["status"], end["rows"]) == ("p", status, 0)


def test_a_loop_needs_no_working_directory(
    reporting_server: ReportingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_job, "APPEARANCE", 0)
    folder = tmp_path / "removed"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with opened("loop") as (job, _):
        heard(reporting_server, lambda report: report["taskId"] == job.id)


def test_what_is_asked_of_a_loop_it_does_only_where_it_said_so(
    reporting_server: ReportingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_job, "APPEARANCE", 0)
    with opened("stubborn") as (job, _):
        heard(reporting_server, lambda report: report["taskId"] == job.id)
        reporting_server.control = {"id": "1" * 32, "action": "cancel"}
        told = heard(reporting_server, lambda report: report["control"] == "1" * 32)
        assert (told["obeys"], told["status"], job.asked) == (False, "running", False)


def test_a_loop_that_said_so_waits_goes_on_and_ends(
    reporting_server: ReportingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_job, "APPEARANCE", 0)
    stepped = threading.Event()

    def steps(job: LoopJob) -> None:
        while True:
            stepped.set()
            if job.asked:
                job.obey()

    def run(job: LoopJob) -> None:
        try:
            steps(job)
        except LoopCancelledError as error:
            job.end(error)

    job = LoopJob("obedient", Counter(), cancellable=True)
    job.begin()
    thread = threading.Thread(target=run, args=[job])
    thread.start()
    for number, (action, status) in enumerate(
        [("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")]
    ):
        control = str(number) * 32
        reporting_server.control = {"id": control, "action": action}
        told = heard(
            reporting_server,
            lambda report, control=control, status=status: (  # type: ignore[misc]
                report["control"] == control and report["status"] == status
            ),
        )
        assert told["obeys"]
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_a_loop_in_a_group_is_a_part_that_is_counted_as_a_loop(
    reporting_server: ReportingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_job, "APPEARANCE", 0)
    with pw.group("all") as group, opened("loop", total=2) as (job, counter):
        heard(reporting_server, lambda report: report["taskId"] == job.id)
        counter.n = 2
    assert (group.state, group.rows, [part.id for part in group.jobs]) == ("done", 1, [job.id])
    assert last_of(reporting_server, job.id)["parent"] == group.id


@pytest.mark.parametrize(
    ("title", "total", "position", "expected"),
    [
        ("", None, 3, ("Loop", None, None, 3)),
        ("a/b\n\ud800", 0, 0, ("a b ?", 0, None, 0)),
        ("..", float("inf"), 2.4, ("Loop", None, None, 2)),
        ("x" * 400, 10, 12, ("x" * 255, 10, 99.9, 12)),
        ("n", "many", float("nan"), ("n", None, None, 0)),
        ("n", 8.0, -1, ("n", 8, 0, 0)),
    ],
)
def test_whatever_is_said_is_told_as_the_contract_has_it(
    title: str, total: Any, position: float, expected: tuple[object, ...], no_server: None
) -> None:
    job = LoopJob(title, lambda: position, total=total, unit="é" * 99)
    job.postfix = "\n".join(["p"] * 500)
    job.begin()
    report = job.report()
    body = protocol.encode(report).encode()
    assert protocol.decode_report(job.id, body) == report
    assert (report["name"], report["total"], report["progress"], report["rows"]) == expected
    job.end()

"""A group: who belongs to it, what it tells the server, and how it is obeyed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest

import progresswidget as pw
from progresswidget import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import ReportingServer

SCHEMA = pa.schema([("n", pa.int64())])
FRAME = pd.DataFrame({"a": [1, 2, 3]})


class Held:
    """A source that waits for the test between two batches."""

    def __init__(self) -> None:
        self.asked, self.allowed = threading.Event(), threading.Event()

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(SCHEMA, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        batch = pa.record_batch([pa.array(range(10))], schema=SCHEMA)
        yield batch
        self.asked.set()
        assert self.allowed.wait(30)
        yield batch


def reports_of(server: ReportingServer, task_id: str) -> list[protocol.Json]:
    return [report for report in server.reports if report["taskId"] == task_id]


def test_what_begins_within_belongs_to_it(
    tmp_path: Path, reporting_server: ReportingServer
) -> None:
    with pw.group("Monthly/close", total=2) as group:
        one = pw.export(FRAME, tmp_path / "a.csv")
        assert group.state == "running"
        two = pw.export(FRAME, tmp_path / "b.parquet")
    outside = pw.export(FRAME, tmp_path / "c.csv")
    assert (group.state, group.rows, group.total) == ("done", 2, 2)
    assert group.jobs == (one, two)
    assert group.bytes == one.bytes + two.bytes
    last = {report["taskId"]: report for report in reporting_server.reports}
    assert [last[job.id]["parent"] for job in (one, two, outside)] == [group.id, group.id, None]
    told = last[group.id]
    assert (told["kind"], told["title"], told["name"]) == (
        "group",
        "Monthly/close",
        "Monthly close",
    )
    assert (told["status"], told["progress"], told["rows"]) == ("done", 100, 2)
    assert told["bytes"] == group.bytes
    shown = [report["progress"] for report in reports_of(reporting_server, group.id)]
    known = [progress for progress in shown if progress is not None]
    assert known == sorted(known)


def test_threads_name_their_group(tmp_path: Path, no_server: None) -> None:
    with pw.group("Threads") as group, ThreadPoolExecutor(4) as pool:
        for name in "dcba":
            pool.submit(pw.export, FRAME, tmp_path / f"{name}.csv", parent=group)
        stray = pool.submit(pw.export, FRAME, tmp_path / "stray.csv")
    assert stray.result() not in group.jobs
    assert group.rows == 4
    # What a receipt says does not depend on which thread was first.
    assert [job.path.name for job in group.receipts()] == ["a.csv", "b.csv", "c.csv", "d.csv"]


def test_groups_in_groups(tmp_path: Path, no_server: None) -> None:
    with pw.group("Year") as year:
        for month in ("January", "February"):
            with pw.group(month) as inner:
                pw.export(FRAME, tmp_path / f"{month}.csv")
                pw.export(FRAME, tmp_path / f"{month}.parquet")
            assert inner.snapshot()["parent"] == year.id
    assert (year.rows, year.total, year.state) == (4, 4, "done")
    assert [part["title"] for part in year.snapshot()["parts"]] == ["January", "February"]


def test_the_block_waits_for_what_runs_in_the_background(tmp_path: Path, no_server: None) -> None:
    held = Held()
    timer = threading.Timer(0.2, held.allowed.set)
    with pw.group("Both") as group:
        job = pw.export(held.reader(), tmp_path / "a.csv", background=True)
        timer.start()
    assert (job.state, group.state) == ("done", "done")


def test_a_group_in_the_background_ends_with_its_parts(
    tmp_path: Path, reporting_server: ReportingServer
) -> None:
    held = Held()
    with pw.group("Later", background=True) as group:
        job = pw.export(held.reader(), tmp_path / "a.csv", background=True)
    assert group.state == "running"
    held.allowed.set()
    job.result(30)
    told = reporting_server.wait_for("done", group.id)
    assert told["total"] == 1


def broken() -> Iterator[dict[str, int]]:
    yield {"a": 1}
    raise ValueError("no more")


def test_a_part_that_fails_is_raised_and_told(
    tmp_path: Path, reporting_server: ReportingServer
) -> None:
    group = pw.group("Broken")

    def run() -> None:
        with group:
            pw.export(FRAME, tmp_path / "a.csv")
            pw.export(broken(), tmp_path / "b.csv")

    with pytest.raises(pw.SourceError):
        run()
    assert (group.state, group.rows) == ("failed", 1)
    told = reporting_server.wait_for("failed", group.id)
    assert told["error"]["code"] == "parts-failed"
    assert told["progress"] < 100
    with pytest.raises(pw.SourceError), pw.group("In the background"):
        pw.export(broken(), tmp_path / "c.csv", background=True)


def test_what_is_refused_is_a_file_that_is_missing(tmp_path: Path, no_server: None) -> None:
    group = pw.group("Both")

    def make() -> None:
        with group:
            pw.export(FRAME, tmp_path / "a.csv")
            pw.export(FRAME, tmp_path / "b.unknown")

    with pytest.raises(pw.UnsupportedFormatError):
        make()
    assert (group.rows, group.total, group.snapshot()["progress"]) == (1, 2, 50)


def test_other_errors_of_the_block_are_the_groups_own(no_server: None) -> None:
    group = pw.group("Wrong")
    with pytest.raises(ZeroDivisionError), group:
        1 / 0  # noqa: B018
    assert group.state == "failed"
    assert group.snapshot()["error"]["message"] == "ZeroDivisionError: division by zero"


def test_buttons_are_for_all(tmp_path: Path, reporting_server: ReportingServer) -> None:
    held = [Held(), Held()]
    group = pw.group("All")
    jobs: list[pw.Job] = []

    def run() -> None:
        with group:
            for number, one in enumerate(held):
                job = pw.export(one.reader(), tmp_path / f"{number}.csv", background=True)
                jobs.append(job)
                assert one.asked.wait(30)
            # As the server answers a report after somebody has pressed the button.
            group.answered({"control": {"id": "1" * 32, "action": "pause"}})
            for one in held:
                one.allowed.set()
            assert reporting_server.wait_for("paused", group.id)["control"] == "1" * 32
            late = pw.export(FRAME, tmp_path / "late.csv", background=True)
            jobs.append(late)
            reporting_server.wait_for("paused", late.id)
            group.cancel()
            pw.export(FRAME, tmp_path / "later.csv")

    with pytest.raises(pw.ExportCancelledError, match="All was cancelled"):
        run()
    for job in jobs:
        with pytest.raises(pw.ExportCancelledError):
            job.result(30)
    assert group.state == "cancelled"
    assert not list(tmp_path.glob("*.csv"))


def test_what_a_group_refuses(tmp_path: Path, no_server: None) -> None:
    for wrong in ("", "  ", "x" * 256, 7):
        with pytest.raises(pw.OptionError, match="title"):
            pw.group(wrong)  # type: ignore[arg-type]
    with pytest.raises(pw.OptionError, match="total"):
        pw.group("a", total=0)
    with pytest.raises(pw.OptionError, match="background"):
        pw.group("a", background="no")  # type: ignore[arg-type]
    with pw.group("Over") as group:
        pass
    with pytest.raises(pw.JobStateError):
        pw.export(FRAME, tmp_path / "a.csv", parent=group)
    with pytest.raises(pw.JobStateError), group:
        pass
    assert group.state == "done"


def test_names_that_no_file_may_have(no_server: None) -> None:
    for title in ("..", "/", "a/b\\c", "\x00x", "关账 2024/03"):
        with pw.group(title) as group:
            report = group.report()
        assert group.title == title
        body = {**report, "kernelId": None}
        protocol.decode_report(group.id, protocol.encode(body).encode())


def test_a_receipt_is_the_same_in_each_run(tmp_path: Path, no_server: None) -> None:
    from progresswidget.display import receipt_text

    with pw.group("Monthly close") as group:
        pw.export(FRAME, tmp_path / "a.csv", index=False)
        pw.export(FRAME, tmp_path / "b.csv", index=False)
    assert receipt_text(group) == "Monthly close: 2 files"

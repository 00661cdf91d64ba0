"""The reporter: whole states, few of them, through restarts, and obedient to the reply."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from progresswidget import protocol, reporting

if TYPE_CHECKING:
    from conftest import ReportingServer


class Counter:
    """A job that only counts."""

    def __init__(self) -> None:
        self.id = "0" * 32
        self.revision = 0
        self.status = "running"
        self.replies: list[protocol.Json] = []
        self.mirrored: list[int] = []

    def report(self) -> protocol.Json:
        ended = self.status in protocol.TERMINAL
        return {
            "taskId": self.id,
            "kind": "export",
            "revision": self.revision,
            "status": self.status,
            "phase": "writing",
            "name": "a.csv",
            "path": "/tmp/a.csv",
            "format": "csv",
            "mediaType": "text/csv",
            "generation": 1,
            "progress": None,
            "rows": self.revision,
            "total": None,
            "columns": 1,
            "bytes": 0,
            "rate": None,
            "eta": None,
            "elapsed": 0.0,
            "created": 0,
            "ended": 0 if ended else None,
            "background": False,
            "sha256": None,
            "kernelId": None,
            "cellId": None,
            "pid": os.getpid(),
            "control": None,
            "error": None,
            "fingerprint": None,
        }

    def answered(self, reply: protocol.Json) -> None:
        self.replies.append(reply)

    def mirror(self, report: protocol.Json) -> None:
        self.mirrored.append(report["revision"])

    def change(self, status: str = "running") -> None:
        self.revision += 1
        self.status = status


@pytest.fixture
def reporter() -> reporting.Reporter:
    return reporting.Reporter()


def test_the_reporter_is_there_for_what_ends_while_it_is_asked_for() -> None:
    found: list[reporting.Reporter] = []

    def end_within() -> None:
        with reporting._reporter_lock:  # where the collector may come
            found.append(reporting.reporter())

    thread = threading.Thread(target=end_within, daemon=True)
    thread.start()
    thread.join(60)
    assert found == [reporting.reporter()]


def test_an_announced_job_is_known_at_once(
    reporting_server: ReportingServer, reporter: reporting.Reporter
) -> None:
    job = Counter()
    assert reporter.announce(job)
    assert reporting_server.reports[0]["taskId"] == job.id
    assert job.replies[0]["url"] == "/x/files/1/a.csv"
    job.change("cancelled")
    assert reporter.settle(job, 10)


def test_a_job_that_is_new_is_reported_of_sooner(
    no_server: None, reporter: reporting.Reporter
) -> None:
    before = time.monotonic()
    new, old = (reporting._Tracked(Counter(), before + since) for since in (60, -60))
    reporter._serve(old)
    assert old.next_report >= before + reporting.REPORT_INTERVAL
    reporter._serve(new)
    assert new.next_report <= time.monotonic() + reporting.FIRST_INTERVAL


def test_the_last_state_is_delivered_and_then_nothing_more(
    reporting_server: ReportingServer, reporter: reporting.Reporter
) -> None:
    job = Counter()
    reporter.announce(job)
    job.change("cancelled")
    assert reporter.settle(job, 10)
    count = len(reporting_server.reports)
    assert reporting_server.reports[-1]["status"] == "cancelled"
    other = Counter()
    other.id = "1" * 32
    reporter.announce(other)
    other.change("cancelled")
    assert reporter.settle(other, 10)
    assert all(report["taskId"] == other.id for report in reporting_server.reports[count:])


def test_a_job_is_followed_at_once_though_another_has_just_ended(
    reporting_server: ReportingServer, reporter: reporting.Reporter
) -> None:
    first = Counter()
    reporter.announce(first)
    first.change("cancelled")
    assert reporter.settle(first, 10)
    other = Counter()
    other.id = "1" * 32
    reporter.announce(other)
    other.change()
    with reporting_server.arrived:
        # Nobody wakes the thread, which waits half a minute for the next job.
        assert reporting_server.arrived.wait_for(
            lambda: reporting_server.reports[-1]["revision"] == 1, 10
        )
    other.change("cancelled")
    assert reporter.settle(other, 10)


def test_a_restarted_server_with_another_port_and_secret_is_found(
    reporting_server: ReportingServer, reporter: reporting.Reporter
) -> None:
    job = Counter()
    reporter.announce(job)
    reporting_server.stop()
    reporting_server.reports.clear()
    job.change()
    reporting_server.secret = "another"
    reporting_server.start()
    job.change("cancelled")
    assert reporting_server.wait_for("cancelled")
    assert reporter.settle(job, 30)


def test_an_overloaded_server_hears_the_end_when_it_is_well_again(
    reporting_server: ReportingServer, reporter: reporting.Reporter
) -> None:
    job = Counter()
    reporter.announce(job)
    reporting_server.status = 500
    job.change("cancelled")
    assert not reporter.settle(job, 0.5)
    reporting_server.status = 200
    assert reporting_server.wait_for("cancelled")
    assert reporter.settle(job, 30)


def test_a_refused_report_is_not_repeated_for_ever(
    reporting_server: ReportingServer,
    reporter: reporting.Reporter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reporting_server.status = 400
    job = Counter()
    assert not reporter.announce(job)
    job.change("cancelled")
    assert reporter.settle(job, 10)
    assert "refused" in caplog.text


def test_wishes_come_back_with_the_reply(
    reporting_server: ReportingServer, reporter: reporting.Reporter
) -> None:
    job = Counter()
    wish = {"id": "a" * 32, "action": "pause"}
    reporting_server.control = wish
    reporter.announce(job)
    assert job.replies[0]["control"] == wish
    job.change("cancelled")
    assert reporter.settle(job, 10)


def test_views_in_the_kernel_see_each_change_without_a_server(
    no_server: None, reporter: reporting.Reporter
) -> None:
    job = Counter()
    assert not reporter.announce(job)
    job.change("cancelled")
    reporter.wake()
    done = threading.Event()
    while not done.wait(0.01):
        if 1 in job.mirrored:
            done.set()
    assert job.mirrored[-1] == 1


def test_a_view_that_breaks_does_not_silence_the_reports(
    reporting_server: ReportingServer, reporter: reporting.Reporter
) -> None:
    class Broken(Counter):
        def mirror(self, report: protocol.Json) -> None:
            raise RuntimeError(report["status"])

    job = Broken()
    reporter.announce(job)
    job.change("cancelled")
    assert reporter.settle(job, 10)
    assert reporting_server.reports[-1]["status"] == "cancelled"


def test_an_answer_that_is_no_reply_is_no_server(
    reporting_server: ReportingServer, reporter: reporting.Reporter
) -> None:
    reporting_server.reply = b"<html>a proxy's own page</html>"
    job = Counter()
    assert not reporter.announce(job)
    reporting_server.reply = None
    job.change("cancelled")
    assert reporter.settle(job, 30)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_reporter_of_its_own(no_server: None) -> None:
    mine = reporting.reporter()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:  # pragma: no cover - in the child
        same = reporting.reporter() is mine
        os.write(write, json.dumps(same).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert json.loads(pipe.read()) is False
    assert reporting.reporter() is mine


def test_reports_follow_the_contract(
    reporting_server: ReportingServer, reporter: reporting.Reporter
) -> None:
    # ReportingServer decodes each one with protocol.decode_report; a bad one would not be listed.
    job = Counter()
    reporter.announce(job)
    job.change("cancelled")
    reporter.settle(job, 10)
    assert {report["status"] for report in reporting_server.reports} >= {"running", "cancelled"}

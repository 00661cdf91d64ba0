"""Reports, wishes and interruptions: what becomes of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_server_ext.model import decisions
from jupyter_server_ext.model.job import Job
from jupyter_server_ext.model.transitions import EndedError
from progresswidget.protocol import ACTIVE, PRIVATE_FIELDS, STATUSES, TERMINAL, Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.protocol import Json

    Report = Callable[..., Json]

TASK = "a" * 32


@pytest.mark.parametrize("old", sorted(STATUSES))
def test_a_new_generation_may_start_from_anywhere(report: Report, old: str) -> None:
    job = Job(report(TASK, status=old, revision=5), updated=1)
    again = report(TASK, status="queued", revision=1, generation=2)
    assert decisions.reported(job, again, 2).status == "queued"


def test_an_old_report_changes_nothing_at_all(report: Report) -> None:
    job = Job(report(TASK, revision=5), updated=1)
    assert decisions.reported(job, report(TASK, revision=5, rows=9), 2) is job
    assert decisions.reported(job, report(TASK, revision=4, rows=9), 2) is job


def test_a_wish_waits_until_the_kernel_repeats_its_id(report: Report) -> None:
    job = decisions.asked(Job(report(TASK), updated=1), "pause", "c1", 2)
    assert job.public("/u")["pending"] == "pause"
    job = decisions.reported(job, report(TASK, revision=2), 3)
    assert job.public("/u")["pending"] == "pause"
    job = decisions.reported(job, report(TASK, revision=3, status="paused", control="c1"), 4)
    assert job.public("/u")["pending"] is None


def test_a_newer_wish_replaces_the_one_before_and_nothing_replaces_a_cancel(report: Report) -> None:
    job = Job(report(TASK), updated=1)
    job = decisions.asked(job, "pause", "c1", 2)
    job = decisions.asked(job, "resume", "c2", 3)
    assert job.pending is not None
    assert job.pending.id == "c2"
    # The kernel took up the first one: the second is still to be done.
    job = decisions.reported(job, report(TASK, revision=2, control="c1"), 4)
    assert job.pending is not None
    job = decisions.asked(job, "cancel", "c3", 5)
    for action in ("pause", "resume", "cancel"):
        assert decisions.asked(job, action, "c4", 6) is job


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_ended_jobs_take_no_wishes(report: Report, status: str) -> None:
    with pytest.raises(EndedError):
        decisions.asked(Job(report(TASK, status=status), updated=1), "cancel", "c1", 2)


@pytest.mark.parametrize("status", sorted(ACTIVE))
@pytest.mark.parametrize("code", sorted(decisions.INTERRUPTIONS))
def test_interruption_and_return(report: Report, status: str, code: str) -> None:
    job = decisions.asked(Job(report(TASK, status=status, revision=3), updated=1), "pause", "c", 2)
    job = decisions.interrupted(job, code, 9)
    record = job.public("/u")
    assert (record["status"], record["error"]["code"]) == ("interrupted", code)
    assert record["error"]["hint"].startswith("Run the cell again")
    assert (record["pending"], record["rate"], record["eta"], record["ended"]) == (None,) * 3 + (9,)
    assert decisions.reported(job, report(TASK, revision=4), 10).status == "running"


def test_only_silence_is_revoked_by_the_report_that_is_known_already(report: Report) -> None:
    job = Job(report(TASK, status="paused", revision=3), updated=1)
    same = report(TASK, status="paused", revision=3)
    assert (
        decisions.reported(decisions.interrupted(job, "kernel-silent", 2), same, 3).status
        == "paused"
    )
    assert (
        decisions.reported(decisions.interrupted(job, "kernel-died", 2), same, 3).status
        == "interrupted"
    )


def test_what_a_worker_said_before_its_end_does_not_revive_its_conversion(report: Report) -> None:
    job = Job(report(TASK, revision=3), updated=1, conversion={"source": "a.parquet"})
    died = decisions.interrupted(job, "process-died", 2)
    assert decisions.reported(died, report(TASK, revision=9), 3) is died
    again = report(TASK, generation=2, revision=1)
    assert decisions.reported(died, again, 3).status == "running"
    # Of one that was only silent, and of its last word, the report stands.
    silent = decisions.interrupted(job, "kernel-silent", 2)
    assert decisions.reported(silent, report(TASK, revision=9), 3).status == "running"
    done = report(TASK, status="done", revision=9)
    assert decisions.reported(died, done, 3).status == "done"


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_what_has_ended_is_not_interrupted(report: Report, status: str) -> None:
    job = Job(report(TASK, status=status), updated=1)
    assert decisions.interrupted(job, "kernel-died", 2) is job


def test_the_public_record(report: Report) -> None:
    job = decisions.located(Job(report(TASK), updated=7), "work/a.ipynb", 8)
    record = job.public("/files/x")
    assert set(record) == set(report()) - PRIVATE_FIELDS | {
        "url",
        "notebook",
        "pending",
        "updated",
        "userId",
        "contents",
        "source",
    }
    assert (record["url"], record["notebook"], record["updated"]) == ("/files/x", "work/a.ipynb", 8)
    assert decisions.located(job, None, 9) is job


def test_a_job_survives_its_stored_form(report: Report) -> None:
    job = decisions.asked(Job(report(TASK), updated=1, notebook="a.ipynb"), "cancel", "c", 2)
    assert Job.from_json(job.to_json()) == job


def test_a_new_fingerprint_is_no_news_for_browsers(report: Report) -> None:
    job = Job(report(TASK), updated=1)
    marked = decisions.refingerprinted(job, Fingerprint(1, 2, 3, 4, 5))
    assert marked.fingerprint == Fingerprint(1, 2, 3, 4, 5)
    assert marked.public("/u") == job.public("/u")


@pytest.mark.parametrize(
    ("changes", "urgent"),
    [
        ({"rows": 2}, False),
        ({"status": "paused"}, True),
        ({"phase": "finishing"}, True),
        ({"generation": 2}, True),
    ],
)
def test_what_is_told_at_once(report: Report, changes: Json, urgent: bool) -> None:  # noqa: FBT001
    old = Job(report(TASK), updated=1)
    new = Job(report(TASK, revision=2, **changes), updated=2)
    assert decisions.is_urgent(old, new) is urgent
    assert decisions.is_urgent(None, new)
    assert decisions.is_urgent(old, decisions.asked(old, "pause", "c", 2))


def test_of_two_servers_the_newer_report_and_the_youngest_wish_stand(report: Report) -> None:
    known = decisions.asked(Job(report(TASK), updated=1), "pause", "c1", 2)
    # One server heard that the wish was taken up, and more; the other was asked again.
    here = decisions.reported(known, report(TASK, revision=9, control="c1"), 5)
    there = decisions.asked(known, "cancel", "c2", 1)  # by a clock that is late
    for both in (decisions.merged(here, there), decisions.merged(there, here)):
        assert both.report["revision"] == 9
        assert both.pending is not None
        assert (both.pending.id, both.asked) == ("c2", there.asked)
    # A wish that was taken up does not come back.
    assert decisions.merged(here, known) is here
    assert decisions.merged(known, here) is here
    ended = decisions.reported(known, report(TASK, revision=10, status="done"), 6)
    assert decisions.merged(ended, there).pending is None
    assert Job.from_json(there.to_json()) == there

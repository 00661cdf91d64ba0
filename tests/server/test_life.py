"""What has happened to a job between two states of it: nothing made up, nothing left out."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import make_report

from jupyter_server_ext.events.life import error_of, job_events, kind_of, undone_between
from jupyter_server_ext.model.job import Job
from progresswidget.protocol import STATUSES

if TYPE_CHECKING:
    from progresswidget.protocol import Json


def job(status: str, **changes: Json) -> Job:
    return Job(report=make_report("a" * 32, status=status, **changes), updated=0)


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        (None, "queued", ("created",)),
        (None, "running", ("created", "started")),
        (None, "done", ("created", "done")),
        ("queued", "queued", ()),
        ("queued", "running", ("started",)),
        ("queued", "done", ("done",)),
        ("running", "running", ()),
        ("running", "paused", ("paused",)),
        ("paused", "running", ("resumed",)),
        ("running", "interrupted", ("interrupted",)),
        ("interrupted", "running", ("resumed",)),
        ("interrupted", "done", ("done",)),
        ("running", "failed", ("failed",)),
        ("running", "cancelled", ("cancelled",)),
    ],
)
def test_each_move(before: str | None, after: str, events: tuple[str, ...]) -> None:
    assert job_events(None if before is None else job(before), job(after)) == events


def test_a_new_generation_starts_whatever_was_before() -> None:
    for status in STATUSES:
        assert job_events(job(status), job("running", generation=2)) == ("started",)


@given(st.lists(st.tuples(st.sampled_from(sorted(STATUSES)), st.integers(1, 3)), min_size=1))
def test_an_event_is_told_only_for_a_change_and_then_the_last_one_is_the_state(
    steps: list[tuple[str, int]],
) -> None:
    jobs = [None, *(job(status, generation=number) for status, number in steps)]
    for old, new in pairwise(jobs):
        assert new is not None
        events = job_events(old, new)
        same = old is not None and (old.status, old.report["generation"]) == (
            new.status,
            new.report["generation"],
        )
        assert not (same and events)
        assert events.count("created") == (old is None)
        if not same and new.status not in {"queued", "running"}:
            assert events[-1] == new.status
        if not same and new.status == "running":
            assert events[-1] in {"started", "resumed"}


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("kernel-died", "kernel-died"),
        ("out-of-memory-2", "out-of-memory-2"),
        ("two\nlines", "other"),
        ("postgres://me:5ECRET@host", "other"),
        ("", "other"),
        ("x" * 65, "other"),
    ],
)
def test_what_is_no_code_is_not_told(code: str, told: str) -> None:
    error = {"code": code, "message": "", "hint": ""}
    assert error_of(job("failed", error=error)) == told
    assert error_of(job("failed")) is None


def test_kinds_are_few() -> None:
    assert kind_of(job("running", kind="upload")) == "upload"
    assert kind_of(job("running", kind="x" * 32)) == "other"


def test_a_step_taken_back_counts_once_however_often_it_is_told() -> None:
    told = [1, 1, 3, 0]
    jobs = [job("running", undone=count) for count in told]
    assert undone_between(None, jobs[0]) == 1
    assert [undone_between(old, new) for old, new in pairwise(jobs)] == [0, 2, 0]
    again = job("running", undone=2, generation=2)
    assert undone_between(jobs[2], again) == 2
    older = job("running")
    del older.report["undone"]
    assert undone_between(older, jobs[0]) == 1

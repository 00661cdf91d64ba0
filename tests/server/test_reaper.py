"""Finished jobs are forgotten by number and age; running ones never."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_server_ext import reaper
from jupyter_server_ext.model import Job

DAY = 86_400_000

jobs = st.lists(
    st.builds(
        lambda index, status, updated: Job(
            {"taskId": f"{index:032x}", "status": status}, updated=updated
        ),
        st.integers(0, 10**6),
        st.sampled_from(["queued", "running", "paused", "done", "failed", "interrupted"]),
        st.integers(0, 100 * DAY),
    ),
    unique_by=lambda job: job.task_id,
    max_size=30,
)


@given(jobs, st.integers(0, 10), st.floats(0, 100))
def test_what_is_kept(known: list[Job], keep: int, days: float) -> None:
    gone = set(reaper.expired(known, now=100 * DAY, keep=keep, days=days))
    kept = [job for job in known if job.task_id not in gone]
    assert all(job in kept for job in known if job.active)
    finished = [job for job in kept if not job.active]
    assert len(finished) <= keep
    assert all(job.updated >= 100 * DAY - days * DAY for job in finished)
    # Nothing goes that both rules would keep.
    fresh = [job for job in known if not job.active and job.updated >= 100 * DAY - days * DAY]
    assert len(finished) == min(keep, len(fresh))
    if finished:
        newest_gone = max((job.updated for job in known if job.task_id in gone), default=0)
        assert min(job.updated for job in finished) >= newest_gone


@given(jobs, st.integers(0, 40))
def test_the_oldest_finished(known: list[Job], count: int) -> None:
    finished = sorted(job.updated for job in known if not job.active)
    updated = {job.task_id: job.updated for job in known}
    chosen = reaper.oldest_finished(known, count)
    assert [updated[task_id] for task_id in chosen] == finished[:count]

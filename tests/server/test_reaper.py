"""Finished jobs are forgotten by number and age, running ones never; some files are temporary."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from reports import make_report

from jupyter_server_ext.jobs import reaper
from jupyter_server_ext.jobs.reaper import JobLimits
from jupyter_server_ext.model.job import Job

DAY = 86_400_000
PRINT = dict.fromkeys(("device", "inode", "size", "mtimeNs", "ctimeNs"), "3")

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


@settings(deadline=None)
@given(jobs, st.integers(0, 10), st.floats(0, 100))
def test_what_is_kept(known: list[Job], keep: int, days: float) -> None:
    gone = set(reaper.expired(known, now=100 * DAY, limits=JobLimits(1_000, keep, days)))
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


@settings(deadline=None)
@given(jobs, st.integers(0, 40))
def test_the_oldest_finished(known: list[Job], count: int) -> None:
    finished = sorted(job.updated for job in known if not job.active)
    updated = {job.task_id: job.updated for job in known}
    chosen = reaper.oldest_finished(known, count)
    assert [updated[task_id] for task_id in chosen] == finished[:count]


@settings(deadline=None)
@given(jobs, st.data())
def test_what_is_spared_is_neither_forgotten_nor_counted(
    known: list[Job], data: st.DataObject
) -> None:
    ids = [job.task_id for job in known]
    limits = JobLimits(jobs=1_000, finished=2, finished_days=5)
    spare = set(data.draw(st.lists(st.sampled_from(ids)))) if ids else set()
    gone = reaper.expired(known, now=100 * DAY, limits=limits, spare=spare)
    others = [job for job in known if job.task_id not in spare]
    assert gone == reaper.expired(others, now=100 * DAY, limits=limits)


def test_only_files_of_exports_in_the_folders_are_temporary() -> None:
    def job(path: str, updated: int, **changes: object) -> Job:
        values = {"path": path, "status": "done", "fingerprint": PRINT, "kind": "export"}
        return Job(make_report(**(values | changes)), updated=updated)

    old = [job("/t/a.csv", 2), job("/t/deep/b.csv", 1)]
    others = [
        job("/t/new.csv", 10 * DAY),
        job("/tt/a.csv", 1),
        job("/t/failed.csv", 1, status="failed"),
        job("/t/running.csv", 1, status="running", fingerprint=None),
        job("/t/fetched.csv", 1, kind="download"),
    ]
    due = reaper.temporary([*others, *old], ["/x", "/t"], now=10 * DAY, days=5)
    assert [found for found, _ in due] == old[::-1]
    assert due[0][1].size == 3

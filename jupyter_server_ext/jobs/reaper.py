"""Which finished jobs are forgotten, and whose files are temporary. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Fingerprint

_MILLISECONDS_A_DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How many jobs are remembered, and for how long.

    Parameters
    ----------
    jobs
        All jobs.
    finished
        Finished jobs.
    finished_days
        Days after the end.
    """

    jobs: int
    finished: int
    finished_days: float


def expired(
    jobs: Iterable[Job], *, now: int, limits: JobLimits, spare: Collection[str] = ()
) -> list[str]:
    """Return the ids of finished jobs that are too many or too old.

    Parameters
    ----------
    now
        Milliseconds since 1970.
    limits
        Of finished jobs the newest are kept.
    spare
        Ids of those that are still needed.
    """
    ended = (job for job in jobs if not job.active and job.task_id not in spare)
    finished = sorted(ended, key=_ended, reverse=True)
    oldest = now - limits.finished_days * _MILLISECONDS_A_DAY
    return [
        job.task_id
        for rank, job in enumerate(finished)
        if rank >= limits.finished or _ended(job) < oldest
    ]


def oldest_finished(jobs: Iterable[Job], count: int) -> list[str]:
    """Return the ids of the `count` finished jobs that ended first, or of as many as there are."""
    finished = sorted((job for job in jobs if not job.active), key=_ended)
    return [job.task_id for job in finished[:count]]


def finished_below(jobs: Iterable[Job], folders: Sequence[str]) -> list[tuple[Job, Fingerprint]]:
    """Return the exports whose files were published below one of `folders`, and what they were."""
    return [
        (job, job.fingerprint)
        for job in jobs
        if job.status == "done"
        and job.report["kind"] == "export"
        and job.fingerprint is not None
        and any(PurePath(job.report["path"]).is_relative_to(folder) for folder in folders)
    ]


def temporary(
    jobs: Iterable[Job], folders: Sequence[str], *, now: int, days: float
) -> list[tuple[Job, Fingerprint]]:
    """Return those of them whose time is over, the oldest first.

    Parameters
    ----------
    folders
        Absolute paths.
    now
        Milliseconds since 1970.
    days
        For which files are kept.
    """
    oldest = now - days * _MILLISECONDS_A_DAY
    due = [each for each in finished_below(jobs, folders) if _ended(each[0]) < oldest]
    return sorted(due, key=lambda each: _ended(each[0]))


def _ended(job: Job) -> int:
    # By the server's clock: the kernel's may be wrong, or another machine's.
    return job.updated

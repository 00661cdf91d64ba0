"""Which finished jobs are forgotten. Pure; never a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jupyter_server_ext.model import Job

_MILLISECONDS_A_DAY: Final = 86_400_000


def expired(jobs: Iterable[Job], *, now: int, keep: int, days: float) -> list[str]:
    """Return the ids of finished jobs that are too many or too old.

    Parameters
    ----------
    now
        Milliseconds since 1970.
    keep
        Finished jobs to keep, the newest ones.
    days
        Age at which a finished job is forgotten in any case.
    """
    finished = sorted((job for job in jobs if not job.active), key=_ended, reverse=True)
    oldest = now - days * _MILLISECONDS_A_DAY
    return [
        job.task_id for rank, job in enumerate(finished) if rank >= keep or _ended(job) < oldest
    ]


def oldest_finished(jobs: Iterable[Job], count: int) -> list[str]:
    """Return the ids of the `count` finished jobs that ended first, or of as many as there are."""
    finished = sorted((job for job in jobs if not job.active), key=_ended)
    return [job.task_id for job in finished[:count]]


def _ended(job: Job) -> int:
    # By the server's clock: the kernel's may be wrong, or another machine's.
    return job.updated

"""Jobs on behalf of somebody other than the code of a cell: the notebook server, or a dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.job import Job
from progresswidget.reporting import reporter

if TYPE_CHECKING:
    from progresswidget.errors import ExportCancelledError
    from progresswidget.work import Work


def begin_for(work: Work, task_id: str, generation: int) -> Job:
    """Begin the work of a job that the server has made, and return it."""
    job = Job(work, background=True, task_id=task_id, generation=generation)
    job._start()  # noqa: SLF001 - as in `export`
    return job


def begin_unseen(work: Work) -> Job:
    """Begin the work of somebody who shows the job's bar in a place of their own."""
    job = Job(work, background=True, shown=False)
    job._start()  # noqa: SLF001 - as in `export`
    return job


def halt(job: Job, kind: type[ExportCancelledError]) -> None:
    """Stop a job for a reason of its own."""
    job._stop_kind = kind  # noqa: SLF001 - nobody in a notebook has such a reason
    job.cancel()


def silence() -> float:
    """Return the seconds since the server took a report of this process."""
    return reporter().silence

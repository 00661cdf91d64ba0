"""The jobs that this server knows: finding them, showing them, and waiting for one to change."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from jupyter_server_ext.errors import job_not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Json


class JobIndex:
    """All jobs, in memory; whoever inherits it changes them.

    Parameters
    ----------
    files_url
        Absolute path of the file addresses, with a slash at the end.
    contents
        From the absolute path of a file to the one by which the file browser shows it, if it does.
    """

    def __init__(self, files_url: str, contents: Callable[[str], str | None]) -> None:
        self._files_url = files_url
        self._contents = contents
        self._jobs: dict[str, Job] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}

    @property
    def jobs(self) -> Mapping[str, Job]:
        """All jobs as they are known now."""
        return self._jobs

    def url(self, job: Job) -> str:
        """Return the absolute path of the job's file on this server."""
        name = quote(str(job.report["name"]), safe="")
        return f"{self._files_url}{job.task_id}/{job.report['generation']}/{name}"

    def public(self, job: Job) -> Json:
        """Return the record that browsers see."""
        return job.public(self.url(job), self._contents(str(job.report["path"])))

    def get(self, task_id: str) -> Job:
        """Return a job.

        Raises
        ------
        ApiError
            ``task-not-found``.
        """
        job = self._jobs.get(task_id)
        if job is None:
            raise job_not_found()
        return job

    @contextmanager
    def watching(self, task_id: str) -> Iterator[asyncio.Event]:
        """Have an event set at each change of a job, and at its removal."""
        event = asyncio.Event()
        watchers = self._watchers.setdefault(task_id, set())
        watchers.add(event)
        try:
            yield event
        finally:
            watchers.discard(event)
            if not watchers:
                self._watchers.pop(task_id, None)

    def bytes_of(self, task_id: str) -> int | None:
        """Return how many bytes a job had written when it last reported, None if it never did."""
        job = self._jobs.get(task_id)
        return None if job is None else job.report["bytes"]

    def name_of(self, task_id: str) -> str | None:
        """Return the name of a job's file, None where there is no such job."""
        job = self._jobs.get(task_id)
        return None if job is None else str(job.report["name"])

    def find(
        self,
        *,
        notebook: str | None = None,
        kernel: str | None = None,
        statuses: Collection[str] | None = None,
    ) -> list[Job]:
        """Return the jobs that fit, newest first; None fits all."""
        found = [
            job
            for job in self._jobs.values()
            if (notebook is None or job.notebook == notebook)
            and (kernel is None or job.kernel_id == kernel)
            and (statuses is None or job.status in statuses)
        ]
        found.sort(key=lambda job: (job.report["created"], job.task_id), reverse=True)
        return found

    def active(self) -> list[Job]:
        """Return the jobs that have not ended."""
        return [job for job in self._jobs.values() if job.active]

    def _wake(self, task_id: str) -> None:
        for event in self._watchers.get(task_id, ()):
            event.set()

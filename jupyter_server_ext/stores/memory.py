"""Jobs in memory: for servers that have nowhere to write, and gone with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server_ext.model import Job


class MemoryJobStore:
    """A `JobStore` that forgets when the process ends."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    async def load(self) -> list[Job]:
        """Return every job."""
        return list(self._jobs.values())

    def save(self, job: Job) -> None:
        """Remember a job."""
        self._jobs[job.task_id] = job

    async def save_now(self, job: Job) -> None:
        """Remember a job."""
        self.save(job)

    async def delete(self, task_ids: list[str]) -> None:
        """Forget jobs."""
        for task_id in task_ids:
            self._jobs.pop(task_id, None)

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

"""Where jobs and files are kept: the port `JobStore`, and its backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jupyter_server_ext.model import Job


class JobStore(Protocol):
    """Remembers jobs beyond the life of a server process.

    All methods are called on the event loop and none may block it. What is saved, deleted and
    loaded takes effect in the order of the calls.
    """

    async def load(self) -> list[Job]:
        """Return every job, in no particular order."""

    def save(self, job: Job) -> None:
        """Remember a job soon; of several saves of one job only the last one counts."""

    async def save_now(self, job: Job) -> None:
        """Remember a job, and return when it would survive a loss of power."""

    async def delete(self, task_ids: list[str]) -> None:
        """Forget jobs; unknown ids are no error."""

    async def close(self) -> None:
        """Write what is still to be written, and release everything."""

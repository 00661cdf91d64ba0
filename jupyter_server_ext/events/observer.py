"""Who is told of what becomes of jobs and transfers on this server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server_ext.model.job import Job
    from jupyter_server_ext.model.transfer import Record


class Observer:
    """Sees nothing; others see what they override. All methods are called on the event loop.

    Of several servers with one state only the one is told where a change was made.
    """

    def job_changed(self, old: Job | None, new: Job) -> None:
        """Note a change of a job; there is no `old` one when it is new."""

    def job_removed(self, job: Job) -> None:
        """Note that a job was forgotten."""

    def transfer_begun(self, record: Record) -> None:
        """Note that a file begins to move, or goes on."""

    def transfer_ended(self, record: Record, moved: int, *, complete: bool) -> None:
        """Note that a file has moved whole, or that it was cut.

        Parameters
        ----------
        moved
            Bytes since it began or went on.
        """

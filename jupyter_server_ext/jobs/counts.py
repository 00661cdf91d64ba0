"""What workers on other machines have counted for a job, until its own process hears it. Pure.

It is not kept: a worker says its whole count each time, and says it again to the next server. Of a
job that is no longer at work nothing is known: should it go on, its workers say it again. One that
nobody has told of yet may still be: its workers may be quicker than the loop's bar is shown.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.protocol import Json

MOST_WORKERS: Final = 1000
"""Workers of one job."""
MOST_JOBS: Final = 1000
"""Jobs for which workers count at the same time; of more the one is forgotten that was silent for
longest."""
UNTOLD: Final = 60.0
"""Seconds without a word after which no report of an unknown job is expected any more."""


@dataclass(frozen=True, slots=True)
class Count:
    """What one worker has said.

    Parameters
    ----------
    steps
        How many it has done in all.
    used
        Whether it is at work.
    heard
        When it said so, in seconds.
    """

    steps: float
    used: bool
    heard: float


class Counts:
    """The newest count of each worker, by job."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, dict[str, Count]] = OrderedDict()

    def put(self, task_id: str, worker: str, count: Count) -> None:
        """Take what a worker says.

        Raises
        ------
        ApiError
            ``too-many-workers``.
        """
        workers = self._jobs.setdefault(task_id, {})
        if worker not in workers and len(workers) >= MOST_WORKERS:
            raise ApiError("too-many-workers", f"{MOST_WORKERS} workers count for the job.")
        workers[worker] = count
        self._jobs.move_to_end(task_id)
        if len(self._jobs) > MOST_JOBS:
            self._jobs.popitem(last=False)

    def of(self, task_id: str, now: float) -> list[Json]:
        """Return what is known of a job, with the seconds for which nothing came from each."""
        return [
            {
                "worker": worker,
                "steps": count.steps,
                "used": count.used,
                "silent": round(max(now - count.heard, 0.0), 3),
            }
            for worker, count in self._jobs.get(task_id, {}).items()
        ]

    def forget(self, task_id: str) -> None:
        """Forget a job: it has ended."""
        self._jobs.pop(task_id, None)

    def keep(self, is_at_work: Callable[[str], bool | None], now: float) -> None:
        """Forget the jobs that are not at work, however they have ended.

        Parameters
        ----------
        is_at_work
            Says it of a job; None for one that is not known.
        now
            The time in seconds.
        """
        for task_id, workers in list(self._jobs.items()):
            at_work = is_at_work(task_id)
            if at_work is None:
                at_work = now - max(count.heard for count in workers.values()) < UNTOLD
            if not at_work:
                del self._jobs[task_id]

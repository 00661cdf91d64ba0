"""How jobs change: settled with the broker, told to the hub, and kept by the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_server_ext.events.observer import Observer
from jupyter_server_ext.jobs.index import JobIndex
from jupyter_server_ext.model import decisions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jupyter_server_ext.hub.hub import Hub
    from jupyter_server_ext.model.job import Job
    from jupyter_server_ext.stores import Broker, Change, JobStore
    from jupyter_server_ext.stores.health import StoreHealth

    Decide = Callable[[Job | None], Job | None]
    """From the state that is known to the next one; the same object where nothing changes."""


class JobKeeper(JobIndex):
    """Takes changes of jobs, in memory; the store follows. Whoever inherits it says which.

    Parameters
    ----------
    files_url, contents
        As for `JobIndex`.
    store
        What outlives the process, of the jobs that this server speaks for.
    broker
        Who settles in which order jobs change.
    hub
        Who is told of changes.
    observer
        Who is told of changes that are made here.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        broker: Broker,
        hub: Hub,
        files_url: str,
        observer: Observer | None,
        contents: Callable[[str], str | None],
    ) -> None:
        super().__init__(files_url, contents)
        self._observer = observer or Observer()
        self._store = store
        self._broker = broker
        self._hub = hub
        self._deleting: set[asyncio.Task[None]] = set()  # the event loop holds tasks only weakly

    async def load(self) -> None:
        """Take up the jobs of the server before.

        Raises
        ------
        OSError, sqlite3.Error
            If the store cannot be opened.
        """
        self._jobs = {job.task_id: job for job in await self._store.load()}

    @property
    def store_health(self) -> StoreHealth:
        """How the store fares that is used now."""
        return self._store.health

    def save_all(self) -> None:
        """Save all that this server speaks for: the store has lost it."""
        for task_id, job in self._jobs.items():
            if self._broker.owns(task_id):
                self._store.save(job)

    def use(self, store: JobStore) -> None:
        """Remember jobs in another store from now on."""
        self._store = store

    async def close(self) -> None:
        """Write what is still to be written, and release the store."""
        await asyncio.gather(*self._deleting)
        await self._store.close()

    async def _change(self, task_id: str, decide: Decide, *, owns: bool = False) -> Job | None:
        """Change a job, and return it; it may be forgotten by then."""
        while True:
            old = self._jobs.get(task_id)
            new = decide(old)
            if new is None or new is old:
                return old
            if await self._broker.append(task_id, new, owns=owns):
                break
        # What another server speaks for is its business to keep.
        if self._broker.owns(task_id):
            if new.active:
                self._store.save(new)
            else:
                await self._store.save_now(new)
        return self._jobs.get(task_id, new)

    async def _forget(self, task_ids: list[str]) -> None:
        for task_id in task_ids:
            while task_id in self._jobs:
                await self._broker.append(task_id, None, owns=False)
        if task_ids:
            await self._store.delete(task_ids)

    # --- What is settled -----------------------------------------------------------------------

    def taken(self, change: Change) -> None:
        """Take a change that is settled, of this server or another one."""
        task_id, new = change.task_id, change.job
        old = self._jobs.get(task_id)
        if new is None:
            self._drop(task_id, change.seq)
            if old is not None and change.own:
                self._observer.job_removed(old)
            return
        self._jobs[task_id] = new
        self._wake(task_id)
        urgent = decisions.is_urgent(old, new)
        self._hub.publish(task_id, self.public(new), urgent=urgent, seq=change.seq)
        if change.own and new is not old:
            self._observer.job_changed(old, new)

    def rebased(self, epoch: str, jobs: Mapping[str, tuple[int, Job]]) -> None:
        """Take another history: these jobs, with their numbers, and no others."""
        gone = self._jobs.keys() - jobs.keys()
        self._jobs = {task_id: job for task_id, (_, job) in jobs.items()}
        topics = {task_id: (seq, self.public(job)) for task_id, (seq, job) in jobs.items()}
        self._hub.rebase(epoch, topics)
        for task_id in tuple(self._watchers):
            self._wake(task_id)
        self._delete_later(list(gone))

    def _drop(self, task_id: str, seq: int | None) -> None:
        if self._jobs.pop(task_id, None) is not None:
            self._wake(task_id)
            self._hub.remove(task_id, seq=seq)
            if not self._broker.owns(task_id):
                self._delete_later([task_id])

    def _delete_later(self, task_ids: list[str]) -> None:
        if task_ids:
            task = asyncio.get_running_loop().create_task(self._store.delete(task_ids))
            self._deleting.add(task)
            task.add_done_callback(self._deleting.discard)

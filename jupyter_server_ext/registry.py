"""The one owner of jobs: takes reports and wishes, remembers them, and tells the hub."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from jupyter_server_ext import model, reaper, transitions
from jupyter_server_ext.errors import ApiError, job_not_found
from jupyter_server_ext.observer import Observer
from progresswidget.protocol import MAX_FRAME, Action, Fingerprint, Json, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from jupyter_server_ext.hub import Hub
    from jupyter_server_ext.model import Job
    from jupyter_server_ext.processes import Process
    from jupyter_server_ext.stores import JobStore
    from jupyter_server_ext.stores.health import StoreHealth


@dataclass(frozen=True, slots=True)
class Limits:
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


class JobRegistry:
    """All jobs, in memory; the store follows.

    Parameters
    ----------
    store
        What outlives the process.
    hub
        Who is told of changes.
    files_url
        Absolute path of the file addresses, with a slash at the end.
    now
        Milliseconds since 1970.
    limits
        What is forgotten.
    observer
        Who is told of changes that are made here.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        hub: Hub,
        files_url: str,
        now: Callable[[], int],
        limits: Limits,
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer or Observer()
        self._store = store
        self._hub = hub
        self._files_url = files_url
        self._now = now
        self._limits = limits
        self._jobs: dict[str, Job] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._sealed = False

    async def load(self) -> None:
        """Take up the jobs of the server before.

        Raises
        ------
        OSError, sqlite3.Error
            If the store cannot be opened.
        """
        for job in await self._store.load():
            self._jobs[job.task_id] = job
            self._hub.publish(job.task_id, self.public(job), urgent=True)

    @property
    def store_health(self) -> StoreHealth:
        """How the store fares that is used now."""
        return self._store.health

    def use(self, store: JobStore) -> None:
        """Remember jobs in another store from now on."""
        self._store = store

    async def close(self) -> None:
        """Write what is still to be written, and release the store."""
        await self._store.close()

    def seal(self) -> None:
        """Take no reports any more: what the server says of its jobs at its end stays said."""
        self._sealed = True

    def url(self, job: Job) -> str:
        """Return the absolute path of the job's file on this server."""
        name = quote(str(job.report["name"]), safe="")
        return f"{self._files_url}{job.task_id}/{job.report['generation']}/{name}"

    def public(self, job: Job) -> Json:
        """Return the record that browsers see."""
        return job.public(self.url(job))

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

    def jobs(self) -> list[Job]:
        """Return all jobs, in no particular order."""
        return list(self._jobs.values())

    def active(self) -> list[Job]:
        """Return the jobs that have not ended."""
        return [job for job in self._jobs.values() if job.active]

    async def report(self, report: Json) -> Job:
        """Take what a kernel says of a job.

        Returns when a terminal state is safe on the disk: the kernel will not say it again.

        Raises
        ------
        ApiError
            ``illegal-transition``, ``too-large``, ``too-many-jobs`` or ``starting``.
        """
        old = self._jobs.get(report["taskId"])
        if old is None:
            await self._make_room()
        # From here to the change nothing is awaited: no report slips in behind the seal.
        if self._sealed:
            raise ApiError("starting", "The server is stopping.", retry_after=1)
        try:
            new = model.reported(old, report, self._now())
        except transitions.IllegalTransitionError as error:
            raise ApiError("illegal-transition", str(error)) from None
        # An event must fit into a frame with its envelope; only absurd names come near.
        if len(encode(self.public(new)).encode()) > MAX_FRAME - 512:
            raise ApiError("too-large", "The record does not fit into one message.")
        await self._change(old, new)
        return new

    async def ask(self, task_id: str, action: Action) -> Job:
        """Take what a user wants of a job.

        Raises
        ------
        ApiError
            ``task-not-found`` or ``task-ended``.
        """
        old = self.get(task_id)
        try:
            new = model.asked(old, action, uuid.uuid4().hex, self._now())
        except transitions.EndedError as error:
            raise ApiError("task-ended", str(error)) from None
        await self._change(old, new)
        return new

    async def interrupt(self, task_id: str, code: str) -> None:
        """Note that the process of a job is gone; `code` is a key of `model.INTERRUPTIONS`."""
        old = self._jobs.get(task_id)
        if old is not None:
            await self._change(old, model.interrupted(old, code, self._now()))

    async def locate(self, task_id: str, notebook: str | None) -> None:
        """Note to which notebook a job belongs."""
        old = self._jobs.get(task_id)
        if old is not None:
            await self._change(old, model.located(old, notebook, self._now()))

    async def place(self, task_id: str, path: str, fingerprint: Fingerprint) -> None:
        """Note where the file of a kernel with another disk is here.

        Raises
        ------
        ApiError
            ``task-ended``, if the job has failed or was cancelled meanwhile.
        """
        old = self._jobs.get(task_id)
        if old is not None:
            file = model.Placed(path, fingerprint)
            try:
                new = model.placed(old, file, self._now())
            except transitions.EndedError as error:
                raise ApiError("task-ended", str(error)) from None
            await self._change(old, new)

    def bind(self, task_id: str, process: Process | None) -> None:
        """Note which process reports, for the server after this one."""
        job = self._jobs.get(task_id)
        if job is not None and job.active and job.process != process:
            new = self._jobs[task_id] = replace(job, process=process)
            self._store.save(new)

    async def refingerprint(self, task_id: str, fingerprint: Fingerprint) -> None:
        """Note a new fingerprint for bytes that were found to be the same."""
        old = self._jobs.get(task_id)
        if old is not None:
            new = model.refingerprinted(old, fingerprint)
            self._jobs[task_id] = new
            await self._store.save_now(new)

    async def remove(self, task_id: str) -> None:
        """Forget a job; its file stays.

        Raises
        ------
        ApiError
            ``task-not-found`` or ``task-active``.
        """
        try:
            transitions.after(self.get(task_id).status, transitions.REMOVED)
        except transitions.ActiveError:
            raise ApiError("task-active", "The job has not ended.") from None
        await self._forget([task_id])

    async def reap(self, spare: Collection[str] = ()) -> int:
        """Forget finished jobs beyond the limits, but those to `spare`, and return how many."""
        expired = reaper.expired(
            self._jobs.values(),
            now=self._now(),
            keep=self._limits.finished,
            days=self._limits.finished_days,
            spare=spare,
        )
        await self._forget(expired)
        return len(expired)

    async def _make_room(self) -> None:
        if len(self._jobs) < self._limits.jobs:
            return
        room = len(self._jobs) - self._limits.jobs + 1
        oldest = reaper.oldest_finished(self._jobs.values(), room)
        if len(oldest) < room:
            raise ApiError("too-many-jobs", "Too many jobs are running.", retry_after=10)
        await self._forget(oldest)

    async def _change(self, old: Job | None, new: Job) -> None:
        if new is old:
            return
        self._jobs[new.task_id] = new
        self._wake(new.task_id)
        self._hub.publish(new.task_id, self.public(new), urgent=model.is_urgent(old, new))
        self._observer.job_changed(old, new)
        if new.active:
            self._store.save(new)
        else:
            await self._store.save_now(new)

    async def _forget(self, task_ids: list[str]) -> None:
        if not task_ids:
            return
        for task_id in task_ids:
            job = self._jobs.pop(task_id)
            self._wake(task_id)
            self._hub.remove(task_id)
            self._observer.job_removed(job)
        await self._store.delete(task_ids)

    def _wake(self, task_id: str) -> None:
        for event in self._watchers.get(task_id, ()):
            event.set()

"""The one owner of jobs: takes reports and wishes, remembers them, and tells the hub.

Whatever changes a job is decided by `decisions` on the state that is known, and is true when the
broker has settled it. If somebody else was first, it is decided again on what they made of the job.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.jobs import reaper
from jupyter_server_ext.jobs.keeper import JobKeeper
from jupyter_server_ext.model import decisions, transitions
from jupyter_server_ext.model.job import Placed
from progresswidget.protocol import MAX_FRAME, Action, Fingerprint, Json, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from jupyter_server_ext.events.observer import Observer
    from jupyter_server_ext.hub.hub import Hub
    from jupyter_server_ext.jobs.reaper import JobLimits
    from jupyter_server_ext.model.job import Job
    from jupyter_server_ext.processes import Process
    from jupyter_server_ext.stores import Broker, JobStore


class JobRegistry(JobKeeper):
    """Takes what kernels, users and the server itself say of jobs.

    Parameters
    ----------
    store, broker, hub, files_url, observer, contents
        As for `JobKeeper`.
    now
        Milliseconds since 1970.
    limits
        What is forgotten.
    user
        Whose the server is, and with it the jobs that begin here; None where nobody knows.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        broker: Broker,
        hub: Hub,
        files_url: str,
        now: Callable[[], int],
        limits: JobLimits,
        observer: Observer | None = None,
        user: str | None = None,
        contents: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        super().__init__(
            store=store,
            broker=broker,
            hub=hub,
            files_url=files_url,
            observer=observer,
            contents=contents,
        )
        self._now = now
        self._limits = limits
        self._user = user
        self._sealed = False

    def seal(self) -> None:
        """Take no reports any more: what the server says of its jobs at its end stays said."""
        self._sealed = True

    def own(self) -> list[Job]:
        """Return those of them whose process reports to this server, and to no other one."""
        return [job for job in self.active() if self._broker.owns(job.task_id)]

    def speaks_for(self, task_id: str) -> bool:
        """Say whether the process of a job reports to this server."""
        return self._broker.owns(task_id)

    async def report(
        self, report: Json, user: str | None = None, conversion: Json | None = None
    ) -> Job:
        """Take what a kernel says of a job.

        Returns when a terminal state is safe on the disk: the kernel will not say it again.

        Parameters
        ----------
        user
            Whose job a new one is, where it is another's than the server.
        conversion
            What is converted by a new one.

        Raises
        ------
        ApiError
            ``illegal-transition``, ``task-taken``, ``too-large``, ``too-many-jobs`` or
            ``starting``.
        """
        if report["taskId"] not in self._jobs:
            await self._make_room()

        owns = self._broker.owns

        def decide(old: Job | None) -> Job:
            # From here to the change nothing is awaited: no report slips in behind the seal.
            if self._sealed:
                raise ApiError("starting", "The server is stopping.", retry_after=1)
            try:
                new = decisions.reported(old, report, self._now(), user or self._user, conversion)
            except transitions.IllegalTransitionError as error:
                raise ApiError("illegal-transition", str(error)) from None
            except decisions.TakenError as error:
                raise ApiError("task-taken", str(error)) from None
            # An event must fit into a frame with its envelope; only absurd names come near.
            if len(encode(self.public(new)).encode()) > MAX_FRAME - 512:
                raise ApiError("too-large", "The record does not fit into one message.")
            if new is old and decisions.says_the_same(new, report) and not owns(new.task_id):
                # Nothing new, but now the process reports here: it is a change of the owner.
                return replace(new)
            return new

        # One that ended may be forgotten already, and was taken all the same.
        job = await self._change(report["taskId"], decide, owns=True)
        return job or self.get(report["taskId"])

    async def order(self, report: Json, user: str | None, conversion: Json | None = None) -> Job:
        """Make a job that nobody has reported to yet.

        Returns when it is safe on the disk: nobody else knows of it.

        Parameters
        ----------
        user
            Who wants it, where that is known.
        conversion
            What is to be converted.

        Raises
        ------
        ApiError
            As `report`.
        """
        job = await self.report(report, user, conversion)
        if self._broker.owns(job.task_id):
            await self._store.save_now(job)
        return job

    async def ask(self, task_id: str, action: Action) -> Job:
        """Take what a user wants of a job.

        Raises
        ------
        ApiError
            ``task-not-found`` or ``task-ended``.
        """
        identity = uuid.uuid4().hex

        def decide(old: Job | None) -> Job:
            try:
                return decisions.asked(old or self.get(task_id), action, identity, self._now())
            except transitions.EndedError as error:
                raise ApiError("task-ended", str(error)) from None

        await self._change(task_id, decide)
        return self.get(task_id)

    async def interrupt(self, task_id: str, code: str) -> None:
        """Note that the process of a job is gone; `code` is a key of `decisions.INTERRUPTIONS`."""

        def decide(old: Job | None) -> Job | None:
            # A process that has gone to another server meanwhile is not this one's to judge.
            if old is None or not self._broker.owns(task_id):
                return old
            return decisions.interrupted(old, code, self._now())

        await self._change(task_id, decide, owns=True)

    async def locate(self, task_id: str, notebook: str | None) -> None:
        """Note to which notebook a job belongs."""

        def decide(old: Job | None) -> Job | None:
            return old and decisions.located(old, notebook, self._now())

        await self._change(task_id, decide)

    async def place(self, task_id: str, path: str, fingerprint: Fingerprint) -> None:
        """Note where the file of a kernel with another disk is here.

        Raises
        ------
        ApiError
            ``task-ended``, if the job has failed or was cancelled meanwhile.
        """
        file = Placed(path, fingerprint)

        def decide(old: Job | None) -> Job | None:
            try:
                return old and decisions.placed(old, file, self._now())
            except transitions.EndedError as error:
                raise ApiError("task-ended", str(error)) from None

        await self._change(task_id, decide)

    def bind(self, task_id: str, process: Process | None) -> None:
        """Note which process reports, for the server after this one."""
        job = self._jobs.get(task_id)
        if job is not None and job.active and job.process != process:
            new = self._jobs[task_id] = replace(job, process=process)
            self._store.save(new)

    async def bind_now(self, task_id: str, process: Process | None) -> None:
        """Note which process will report; returns when it is safe on the disk."""
        self.bind(task_id, process)
        job = self._jobs.get(task_id)
        if job is not None and self._broker.owns(task_id):
            await self._store.save_now(job)

    async def refingerprint(self, task_id: str, fingerprint: Fingerprint) -> None:
        """Note a new fingerprint for bytes that were found to be the same."""

        def decide(old: Job | None) -> Job | None:
            return old and decisions.refingerprinted(old, fingerprint)

        await self._change(task_id, decide)

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

    async def clear(self, task_ids: Collection[str]) -> list[str]:
        """Forget those of the jobs that have ended, and return which; their files stay."""
        ended = [
            task_id
            for task_id in task_ids
            if (job := self._jobs.get(task_id)) is not None and not job.active
        ]
        await self._forget(ended)
        return ended

    async def reap(self, spare: Collection[str] = ()) -> int:
        """Forget finished jobs beyond the limits, but those to `spare`, and return how many."""
        expired = reaper.expired(
            self._jobs.values(),
            now=self._now(),
            limits=self._limits,
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

    async def orphaned(self, task_id: str) -> None:
        """Take over an active job whose server has died: its process was not heard since."""

        def decide(old: Job | None) -> Job | None:
            return old and decisions.interrupted(old, "kernel-silent", self._now())

        await self._change(task_id, decide, owns=True)

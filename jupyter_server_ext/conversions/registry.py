"""Conversions of files: who waits, who is at work, and what becomes of a worker that is gone.

A conversion is a job like any other, but that the server makes it and starts the process that
reports. What was asked for is kept with the job, so that it can be run again, and so that a server
which follows one that was killed starts what was waiting. What was at work goes on meanwhile: the
worker reports to whichever server there is.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from jupyter_server_ext import processes
from jupyter_server_ext.conversions.line import Line
from jupyter_server_ext.ending import end
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.logs import about
from progresswidget.protocol import Json, ordered, queued

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager
    from logging import Logger

    from jupyter_server_ext.conversions.line import ConversionLimits
    from jupyter_server_ext.conversions.workers import Worker, Workers
    from jupyter_server_ext.jobs.registry import JobRegistry
    from jupyter_server_ext.model.job import Job

_PATIENCE: Final = 10.0
"""Seconds for which a worker may go on after it was told to end, or be silent after a restart."""
_LOOK: Final = 0.1
"""Seconds between two looks at a worker of the server before."""
_SUFFICES: Final = 3.0
"""The same where the server itself ends."""
_NO_WORKER: Final = {
    "code": "worker-failed",
    "message": "The server could not start a process for it.",
    "hint": "The server's log says more.",
}


class Conversions:
    """All conversions of this server.

    Parameters
    ----------
    registry
        Has their jobs.
    workers
        Do the work.
    limits
        How many.
    now
        Milliseconds since 1970.
    log
        Told of workers that end without a word.
    """

    def __init__(
        self,
        registry: JobRegistry,
        workers: Workers,
        limits: ConversionLimits,
        now: Callable[[], int],
        log: Logger,
    ) -> None:
        self._registry, self._workers = registry, workers
        self._line = Line(limits, self._user_of)
        self._now, self._log = now, log
        self._all: set[asyncio.Task[None]] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._at_work: dict[str, Worker] = {}
        self._stopping = False

    @property
    def allowed(self) -> bool:
        """Whether files are converted here at all."""
        return self._line.is_open

    @property
    def counts(self) -> Json:
        """How many wait and run."""
        return self._line.counts

    async def offers(self) -> Json:
        """Return what files can be converted to."""
        return {"allowed": self.allowed, **await self._workers.offers()}

    def path_of(self, path: str) -> str:
        """Return the absolute path of one below the root."""
        return self._workers.path_of(path)

    def sees_to(self, task_id: str) -> bool:
        """Say whether a job waits here or has a worker of ours: then we know when it is lost."""
        return task_id in self._tasks

    async def idle(self) -> None:
        """Return when nothing waits and nothing is at work."""
        while self._all:
            await asyncio.wait(tuple(self._all))

    def room(self, user: str | None) -> AbstractContextManager[None]:
        """Keep a place for one more conversion of a user, until it is begun or given up.

        Raises
        ------
        ApiError
            ``conversions-off`` or ``too-many-conversions``.
        """
        return self._line.room(user, self._tasks)

    def begin(self, job: Job) -> None:
        """See a job through that is in the state queued."""
        if job.task_id not in self._tasks:
            self._tasks[job.task_id] = self._spawn(self._through(job.task_id))

    async def again(self, job: Job) -> Job:
        """Run an ended conversion again: it goes on where the format allows it.

        Raises
        ------
        ApiError
            ``not-a-conversion``, ``task-active``, or as `room`.
        """
        if job.conversion is None:
            raise ApiError("not-a-conversion", "The data of this job is not a file of the server.")
        if job.active:
            raise ApiError("task-active", "The job has not ended.")
        with self.room(job.user):
            row = {name: job.report[name] for name in ("name", "path", "format", "mediaType")}
            report = queued(job.task_id, ordered(row), self._now())
            generation = job.report["generation"] + 1
            new = await self._registry.order({**report, "generation": generation}, job.user)
            self.begin(new)
        return new

    def restored(self) -> None:
        """Take up the conversions of the server before: what waits, and what is at work."""
        for job in self._registry.own():
            if job.conversion is None:
                continue
            if job.status == "queued":
                self._tasks[job.task_id] = self._spawn(self._take_up(job.task_id))
            else:
                self._line.let_in(job.task_id)
                self._spawn(self._look_on(job.task_id))

    async def stop(self) -> None:
        """End all of them, so that they can be gone on with."""
        self._stopping = True
        self._line.close()
        for worker in self._at_work.values():
            worker.stop()
        for task in self._all - {self._tasks[task_id] for task_id in self._at_work}:
            task.cancel()
        if self._all:
            await asyncio.wait(tuple(self._all), timeout=_SUFFICES)
        await end(tuple(self._all), _SUFFICES)  # which kills the workers

    async def interrupt_all(self) -> None:
        """Say of those that were stopped with the server what they were stopped by."""
        for job in self._registry.own():
            if job.conversion is not None:
                await self._registry.interrupt(job.task_id, "server-stopped")

    # --- one of them ----------------------------------------------------------------------------

    async def _through(self, task_id: str) -> None:
        try:
            if await self._turn(task_id):
                await self._work(task_id)
        finally:
            self._left(task_id)

    async def _turn(self, task_id: str) -> bool:
        """Wait until there is room; False for a job that was cancelled meanwhile."""
        go = self._line.join(task_id)
        with self._registry.watching(task_id) as changed:
            while not go.is_set():
                if await self._gave_up(task_id):
                    return False
                await _either(go, changed)
                changed.clear()
        return True

    async def _gave_up(self, task_id: str) -> bool:
        job = self._registry.jobs.get(task_id)
        if job is None or not job.active:
            return True
        if job.pending is None or job.pending.action != "cancel":
            return False
        await self._end(job, "cancelled", None)
        return True

    async def _work(self, task_id: str) -> None:
        job = self._registry.get(task_id)
        try:
            worker = await self._workers.start()
        except OSError as error:
            extra = about("worker-failed", task_id)
            self._log.error("No worker can be started: %s", error, extra=extra)
            await self._end(job, "failed", _NO_WORKER)
            return
        self._at_work[task_id] = worker
        # Before it has its order: a server that follows must not start a second one.
        await self._registry.bind_now(task_id, processes.find(worker.pid))
        watch = asyncio.create_task(self._end_when_cancelled(task_id, worker))
        try:
            code = await worker.run(self._workers.order(job.report, job.conversion or {}))
        finally:
            watch.cancel()
            worker.kill()
            del self._at_work[task_id]
        await self._ended(task_id, code, worker.said)

    async def _end_when_cancelled(self, task_id: str, worker: Worker) -> None:
        """Kill a worker that does not hear that it is to end."""
        with self._registry.watching(task_id) as changed:
            while not self._is_cancelled(task_id):
                await changed.wait()
                changed.clear()
        await asyncio.sleep(_PATIENCE)
        worker.kill()

    def _is_cancelled(self, task_id: str) -> bool:
        job = self._registry.jobs.get(task_id)
        return job is None or (job.pending is not None and job.pending.action == "cancel")

    async def _ended(self, task_id: str, code: int, said: str) -> None:
        job = self._registry.jobs.get(task_id)
        if job is None or not job.active or self._stopping:
            return
        if self._is_cancelled(task_id):
            await self._end(job, "cancelled", None)
            return
        extra = about("worker-died", task_id, code=code)
        self._log.warning("A worker ended with %d", code, extra=extra)
        # It may quote the data, and hold what looks like lines of a log.
        self._log.debug("Its last words: %r", said[-2000:], extra=extra)
        await self._registry.interrupt(task_id, "process-died")

    async def _take_up(self, task_id: str) -> None:
        """See a job through that waited, unless it has a worker that has its order."""
        if await self._is_left(task_id):
            await self._through(task_id)
            return
        del self._tasks[task_id]
        self._line.let_in(task_id)
        await self._look_on(task_id)

    async def _is_left(self, task_id: str) -> bool:
        """Find out whether a job has no worker, or one that ends without a word.

        A server that is killed when it has noted its worker, and not yet told it what to do, leaves
        one that ends in a moment. Of a worker on another machine nothing can be seen: it is left to
        the lease, as it is when it takes its time.
        """
        loop = asyncio.get_running_loop()
        last = loop.time() + _PATIENCE
        with self._registry.watching(task_id) as changed:
            while (job := self._registry.jobs.get(task_id)) is not None and job.status == "queued":
                if job.process is None or job.process.gone:
                    return True
                if loop.time() >= last:
                    return False
                # Not `wait_for`: before Python 3.12 it may swallow that the server is stopping.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK):
                        await changed.wait()
                changed.clear()
        return False

    async def _look_on(self, task_id: str) -> None:
        """Wait for the end of a worker that another server has started."""
        try:
            with self._registry.watching(task_id) as changed:
                while (job := self._registry.jobs.get(task_id)) is not None and job.active:
                    await changed.wait()
                    changed.clear()
        finally:
            self._line.leave(task_id)

    async def _end(self, job: Job, status: str, error: Json | None) -> None:
        """Say of a job what no process can say."""
        last = {"status": status, "error": error, "ended": self._now(), "rate": None, "eta": None}
        revision = job.report["revision"] + 1
        await self._registry.report({**job.report, **last, "revision": revision})

    def _left(self, task_id: str) -> None:
        self._tasks.pop(task_id, None)
        self._line.leave(task_id)

    def _user_of(self, task_id: str) -> str | None:
        job = self._registry.jobs.get(task_id)
        return None if job is None else job.user

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._all.add(task)  # the event loop holds tasks only weakly
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._all.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error, extra = task.exception(), about("task-failed")
            self._log.error("A conversion was not seen through", exc_info=error, extra=extra)


async def _either(*events: asyncio.Event) -> None:
    """Return when one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()

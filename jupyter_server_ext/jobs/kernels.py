"""Which jobs have lost their process: the server knows its kernels and looks at them.

A kernel that this server runs is asked every half second, while it has active jobs, whether it
lives and whether it is still the process that it was. Everything else has a lease: plain Python
processes, what a kernel forks, kernels of another server, and the jobs of the server before; and
where their process was seen alive on this host, its end is seen too. The restart callbacks of
jupyter_client come up to three seconds late, and never for a shutdown; but they alone tell a
kernel that was started anew because it had died from one that a person has restarted.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakSet

from jupyter_server_ext import processes
from jupyter_server_ext.jobs.oom import Kills
from jupyter_server_ext.logs import about

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from logging import Logger

    from jupyter_server_ext.model.job import Job
    from jupyter_server_ext.processes import Process
    from progresswidget.protocol import Json

_SETTLE: Final = 1.5
"""Seconds to wait for what a kernel that was asked to end does next: restart, or stay away."""
_ANSWER: Final = 1.0
"""Seconds that a kernel manager may take to say whether its kernel lives."""


class KernelManagers(Protocol):
    """What is used of jupyter_server's mapping kernel manager."""

    def __contains__(self, kernel_id: str) -> bool: ...

    def get_kernel(self, kernel_id: str) -> Any:
        """Return the manager of one kernel."""


@dataclass(slots=True)
class _Watch:
    """What is known of the process of one job."""

    heard: float
    """Monotonic seconds of the last report, or of the server's start."""
    run: tuple[int, int] | None = None
    """Generation and process id of the last report."""
    process: object | None = None
    """The kernel's process at the first report; None where this server does not run it."""
    seen: Process | None = None
    """The reporting process, where it was seen alive on this host at the first report."""
    dying: float | None = None
    """Since when the kernel is dead and its manager busy with it."""
    fell: str | None = None
    """Of what the kernel died, where its manager was the first to see it."""
    kills: Kills | None = None
    """Who counts what the system kills for want of memory."""
    counted: deque[int | None] = field(default_factory=lambda: deque(maxlen=2))
    """The counts of the last two looks: the count may rise before the process is gone."""


class KernelWatcher:
    """Finds the active jobs whose process is gone.

    Parameters
    ----------
    kernels
        The server's kernels.
    interrupt
        Called with a task id and a code for each job found.
    lease
        Seconds without a report for a process that cannot be looked at.
    time
        Monotonic seconds.
    log
        Where a kernel manager that fails is told.
    """

    def __init__(
        self,
        *,
        kernels: KernelManagers,
        interrupt: Callable[[str, str], Any],
        lease: float,
        time: Callable[[], float],
        log: Logger,
    ) -> None:
        self._kernels = kernels
        self._interrupt = interrupt
        self._lease = lease
        self._time = time
        self._log = log
        self._watches: dict[str, _Watch] = {}
        self._managers: WeakSet[Any] = WeakSet()
        self._busy = asyncio.Event()

    def restored(self, jobs: Iterable[Job]) -> None:
        """Give the active jobs of the server before a lease from now on."""
        for job in jobs:
            self._watches[job.task_id] = _Watch(heard=self._time(), seen=job.process)
            self._busy.set()

    def heard(self, job: Job, *, local: bool = False) -> Process | None:
        """Note a report; the first one binds the job to the process that reports.

        Parameters
        ----------
        job
            The job after the report.
        local
            Whether the report certainly came from this machine.

        Returns
        -------
        The process, where it is known to be one of this host.
        """
        watch = self._watches.get(job.task_id)
        if not job.active:
            # The watch stays with an interrupted job: its old process must not bring it back.
            if watch is not None and job.status != "interrupted":
                del self._watches[job.task_id]
            return None
        run = (job.report["generation"], job.report["pid"])
        if watch is None or watch.run != run:
            # The pid of a report is a number that its sender chose. It is this host's process if
            # the report came from this host and such a process of this user was alive then. What
            # is left is a kernel in a container that shares our network: its number may be another
            # process's here, and then its next report takes the verdict back (see `_verdict`).
            seen = processes.find(job.report["pid"]) if local else None
            process = self._process(job)
            watch = _Watch(heard=0.0, run=run, process=process, seen=seen)
            if process is not None and job.kernel_id is not None:
                self._attend(self._kernels.get_kernel(job.kernel_id))
                watch.kills = Kills(job.report["pid"])
                watch.counted.append(watch.kills.count())
            self._watches[job.task_id] = watch
        watch.heard = self._time()
        self._busy.set()
        return watch.seen

    def own(self, jobs: Iterable[Job]) -> list[Job]:
        """Return those of `jobs` whose process is a kernel that this server runs."""
        return [
            job
            for job in jobs
            if (watch := self._watches.get(job.task_id)) is not None and watch.process is not None
        ]

    def ends_with_kernel(self, report: Json) -> bool:
        """Say whether a job was stopped only because its kernel is being restarted or shut down.

        jupyter_client interrupts a kernel before it ends it, and from inside that looks as if the
        user had pressed the stop button. What really happened the next looks will tell.
        """
        kernel_id, error = report["kernelId"], report["error"]
        # A loop that was interrupted says so; an export that was has been given up.
        if report["status"] not in {"cancelled", "interrupted"} or error is None:
            return False
        if error["code"] != "keyboard-interrupt" or kernel_id not in self._kernels:
            return False
        return bool(getattr(self._kernels.get_kernel(kernel_id), "shutting_down", False))

    def forget(self, known: Callable[[str], bool]) -> None:
        """Drop the watches of jobs that are no longer known."""
        for task_id in [task_id for task_id in self._watches if not known(task_id)]:
            del self._watches[task_id]

    async def run(self, active: Callable[[], list[Job]], interval: float) -> None:
        """Look at the active jobs every `interval` seconds; sleep while there are none."""
        while True:
            await self._busy.wait()
            jobs = active()
            if not jobs:
                self._busy.clear()
                continue
            await self.look(jobs)
            await asyncio.sleep(interval)

    async def look(self, jobs: Iterable[Job]) -> None:
        """Interrupt those of `jobs` whose process is gone."""
        for job in jobs:
            code = await self._verdict(job)
            if code is not None:
                await self._interrupt(job.task_id, code)

    async def _verdict(self, job: Job) -> str | None:
        watch = self._watches.setdefault(job.task_id, _Watch(heard=self._time()))
        if watch.process is None or job.kernel_id is None:
            if watch.seen is not None and watch.seen.gone:
                # Once only: should the same run report again, the process was not the reporter.
                watch.seen = None
                return "process-died" if job.kernel_id is None else "kernel-died"
            silent = self._time() - watch.heard
            return "kernel-silent" if silent >= self._lease else None
        if watch.fell is not None or job.kernel_id not in self._kernels:
            return watch.fell or "kernel-stopped"
        manager = self._kernels.get_kernel(job.kernel_id)
        process = _identity(manager)
        if process is not None and process is not watch.process:
            return "kernel-restarted"
        if process is not None and await self._is_alive(manager):
            watch.dying = None
            if watch.kills is not None:
                watch.counted.append(watch.kills.count())
            return None
        return self._death(manager, watch)

    def _death(self, manager: Any, watch: _Watch) -> str | None:
        # A kernel that ends because it was told to is either restarted or removed in a moment, and
        # the words differ; one that ends by itself has died.
        if not getattr(manager, "shutting_down", False) and watch.dying is None:
            return _cause(watch)
        watch.dying = self._time() if watch.dying is None else watch.dying
        return "kernel-stopped" if self._time() - watch.dying >= _SETTLE else None

    def _attend(self, manager: Any) -> None:
        # Once for each manager: it keeps its callbacks through all restarts of its kernel.
        if manager not in self._managers:
            self._managers.add(manager)
            for event in ("restart", "dead"):
                manager.add_restart_callback(partial(self._fallen, manager), event)

    def _fallen(self, manager: Any) -> None:
        """Note of what a kernel died, before its manager starts it anew or gives it up."""
        if getattr(manager, "shutting_down", False):
            return  # a person ends it, and the one who looks after it has not been told
        process = _identity(manager)
        for watch in self._watches.values():
            if watch.process is not None and watch.process is process:
                watch.fell = _cause(watch)

    async def _is_alive(self, manager: Any) -> bool:
        try:
            alive = manager.is_alive()
            if asyncio.iscoroutine(alive) or asyncio.isfuture(alive):
                # Not `wait_for`: before Python 3.12 it may swallow that the server is stopping.
                async with asyncio.timeout(_ANSWER):
                    alive = await alive
        except Exception as error:  # noqa: BLE001 - a gateway may raise whatever it likes
            # Not knowing is not death: the next look asks again.
            extra = about("kernel-unknown")
            self._log.warning("Cannot tell whether a kernel is alive: %r", error, extra=extra)
            return True
        return bool(alive)

    def _process(self, job: Job) -> object | None:
        if job.kernel_id is None or job.kernel_id not in self._kernels:
            return None
        manager = self._kernels.get_kernel(job.kernel_id)
        # A child that the kernel forked inherits the kernel's id and lives and dies by itself. A
        # provisioner that has no pid (a gateway's, a cluster's) cannot tell the two apart.
        pid = getattr(manager.provisioner, "pid", None)
        if isinstance(pid, int) and pid != job.report["pid"]:
            return None
        return _identity(manager)


def _cause(watch: _Watch) -> str:
    """Return of what a kernel died by itself, as far as can be known."""
    # A process of subprocess, as jupyter_client's own provisioner has it; others say nothing.
    if getattr(watch.process, "returncode", None) != -signal.SIGKILL:
        return "kernel-died"
    now = None if watch.kills is None else watch.kills.count()
    before = watch.counted[0] if watch.counted else None
    if now is not None and before is not None and now > before:
        return "kernel-out-of-memory"
    return "kernel-killed"


def _identity(manager: Any) -> object | None:
    """Return an object that is another one after a restart, or None while there is no process.

    The object is compared by identity and kept, so that its id cannot be given away again.
    """
    if not manager.has_kernel:
        return None
    provisioner = manager.provisioner
    process: object | None = getattr(provisioner, "process", None)
    # A provisioner without a process of its own, or a gateway's kernel: at least its owner.
    return process or provisioner or manager

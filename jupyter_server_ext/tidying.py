"""What a running server looks after by itself: forgets what is old, and removes what is of no use.

One round follows the other, and each does a bounded amount of work: files are looked at in a
thread, as many as a round may, and the next round goes on from there.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from jupyter_server_ext.cleanup.expiry import remove_expired
from jupyter_server_ext.cleanup.sweep import Busy, Sweep
from jupyter_server_ext.jobs import reaper
from jupyter_server_ext.logs import about

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from jupyter_server_ext.services import Services

T = TypeVar("T")

DAY: Final = 86_400.0
FILES: Final = 500
"""Expired files that are looked at in one round."""
FOLLOW: Final = 2.0
"""Seconds between two looks at the names of the notebooks whose jobs run."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """For how long what is kept.

    Parameters
    ----------
    leftovers_days
        Days for which the rest of a dead export is kept; 0 keeps it for ever.
    folders
        Where exported files are temporary.
    files_days
        Days after which they are removed.
    """

    leftovers_days: float
    folders: tuple[str, ...]
    files_days: float

    @property
    def temporary(self) -> tuple[str, ...]:
        """Return the folders without a link in their paths."""
        return tuple(os.path.realpath(Path(folder).expanduser()) for folder in self.folders)


class Tidying:
    """Tidies up, round by round.

    Parameters
    ----------
    services
        What there is.
    keeping
        For how long.
    log
        Where it is told what was removed.
    """

    def __init__(self, services: Services, keeping: Keeping, log: Logger) -> None:
        self._services, self._keeping, self._log = services, keeping, log
        self._sweep = self._new_sweep()
        self.folders = tuple(
            folder
            for folder in keeping.temporary
            if any(_is_below(folder, os.path.realpath(root)) for root in services.roots)
        )
        for folder in set(keeping.temporary) - set(self.folders):
            extra = about("expiring-folder-outside")
            log.warning("%s is below no root: no file expires in it.", folder, extra=extra)

    def _new_sweep(self) -> Sweep:
        keep = self._keeping.leftovers_days * DAY
        return Sweep(self._services.roots, keep, now=time.time, time=time.monotonic)

    async def run(self, interval: float) -> None:
        """Tidy up every `interval` seconds."""
        while True:
            try:
                await self.round()
            except Exception:  # noqa: BLE001 - it is logged whole
                # The next round may go better, and nothing else forgets what is old.
                extra = about("reaper-failed")
                self._log.exception("Could not forget all that is old", extra=extra)
            await asyncio.sleep(interval)

    async def follow(self) -> None:
        """Keep to the names of notebooks, also while no kernel reports: one may be paused."""
        while True:
            await asyncio.sleep(FOLLOW)
            if self._services.registry.active():
                await self.locate()

    async def locate(self) -> None:
        """Note where the notebooks of running jobs are now."""
        registry = self._services.registry
        paths = await self._services.notebooks.refresh()
        for job in registry.active():
            if job.kernel_id in paths:
                await registry.locate(job.task_id, paths[job.kernel_id])

    async def round(self) -> None:
        """Do one round."""
        services = self._services
        known = {job.task_id for job in services.registry.find()}
        services.watcher.forget(known.__contains__)
        services.counts.keep(services.at_work, time.monotonic())
        await services.transfers.reap()
        await services.links.reap()
        removed = services.tally.removed
        count = await services.uploads.expire()
        removed["upload"] += count
        services.tally.compensations["expired"] += count
        if count:
            self._log.debug("Removed %d uploads", count, extra=about("uploads-expired"))
        # Of several servers one does it for all.
        if not await services.state.may_reap():
            return
        await self._expire_files()
        count = await services.registry.reap(spare=self._awaited())
        removed["job"] += count
        if count:
            self._log.debug("Forgot %d finished jobs", count, extra=about("jobs-expired"))
        await self._remove_leftovers()

    async def _remove_leftovers(self) -> None:
        if not self._keeping.leftovers_days:
            return
        services = self._services
        paths = {str(job.report["path"]) for job in services.registry.active()}
        busy = Busy(frozenset(paths), services.uploads.ids())
        for path in await self._in_thread(partial(self._sweep.round, busy)):
            services.tally.removed["leftover"] += 1
            extra = about("leftover-removed")
            self._log.info("Removed what a dead export has left: %s", path, extra=extra)

    async def _expire_files(self) -> None:
        if not self.folders:
            return
        now = time.time()
        due = reaper.temporary(
            self._services.registry.find(),
            self.folders,
            now=int(now * 1000),
            days=self._keeping.files_days,
        )
        before = int((now - self._keeping.files_days * DAY) * 1e9)
        for job, published in due[:FILES]:
            path = str(job.report["path"])
            call = partial(remove_expired, path, published, self.folders, before)
            try:
                removed = await self._in_thread(call)
            except OSError as error:
                extra = about("file-kept", job.task_id)
                self._log.warning("Cannot remove an expired file: %s", error, extra=extra)
                continue
            if removed:
                self._services.tally.removed["file"] += 1
                extra = about("file-expired", job.task_id)
                self._log.info("Removed an expired file: %s", path, extra=extra)

    def _awaited(self) -> frozenset[str]:
        """Return the jobs whose files are still to expire: without them nobody knows which."""
        if not self.folders:
            return frozenset()
        jobs = reaper.finished_below(self._services.registry.find(), self.folders)
        oldest = time.time() * 1000 - self._keeping.files_days * DAY * 1000 - DAY * 1000
        return frozenset(job.task_id for job, _ in jobs if job.updated > oldest)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._services.readers, call)


def _is_below(folder: str, root: str) -> bool:
    return os.path.commonpath([folder, root]) == root

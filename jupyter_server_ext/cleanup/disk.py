"""What jobs and the server itself take of the disk, and what of it is given back."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from jupyter_server_ext.cleanup.expiry import remove_expired
from jupyter_server_ext.cleanup.leftovers import remove_leftovers, size_below, size_of_leftovers
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.opening import check_place
from jupyter_server_ext.files.published import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from concurrent.futures import Executor

    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Fingerprint, Json

T = TypeVar("T")
_FRESH: Final = 5.0
"""Seconds for which a look at the disk is good enough."""
_WHENEVER: Final = sys.maxsize


class Disk:
    """The disk as far as it is ours.

    Parameters
    ----------
    roots
        Folders below which files may be served.
    folder
        The server's own.
    threads
        Where it is looked at.
    allow_hidden
        Whether a file may be hidden.
    time
        Monotonic seconds.
    """

    def __init__(
        self,
        *,
        roots: Sequence[str],
        folder: Path,
        threads: Executor,
        allow_hidden: bool,
        time: Callable[[], float],
    ) -> None:
        self._roots = tuple(os.path.realpath(root) for root in roots)
        self._folder, self._threads, self._time = folder, threads, time
        self._allow_hidden = allow_hidden
        self._known: Json = {}
        self._until = float("-inf")

    async def use(self, jobs: Collection[Job], *, uploads: int) -> Json:
        """Return the bytes of what there is, looked at a moment ago at most.

        Parameters
        ----------
        jobs
            Those whose files count.
        uploads
            The bytes of unfinished uploads.
        """
        if self._time() >= self._until:
            self._known = await self._run(partial(self._look, tuple(jobs)))
            self._until = self._time() + _FRESH
        return {**self._known, "uploads": uploads}

    async def places(self, jobs: Collection[Job]) -> set[str]:
        """Return where the files of jobs lie: two paths may lead to one place."""
        return await self._run(lambda: {_place(job) for job in jobs})

    async def clear(self, job: Job, *, published: bool) -> int:
        """Remove what is left of an unfinished export, and return how many bytes that were.

        Parameters
        ----------
        published
            Whether the file of a finished one goes, too: only if it is to the last bit of its
            `stat` the one that was exported.

        Raises
        ------
        OSError
            If the system refuses.
        """
        self._until = float("-inf")
        if job.status != "done":
            return await self._run(lambda: remove_leftovers(_place(job), self._roots))
        published_as = job.fingerprint if published else None
        if published_as is None:
            return 0
        return await self._run(partial(self._remove, job, published_as))

    def _look(self, jobs: Sequence[Job]) -> Json:
        files = {
            _place(job): job.fingerprint
            for job in jobs
            if job.status == "done" and job.fingerprint is not None
        }
        unfinished = {_place(job) for job in jobs if job.status != "done"}
        return {
            "files": sum(_size(path, published) for path, published in files.items()),
            "leftovers": size_of_leftovers(unfinished, self._roots),
            "state": size_below(self._folder),
        }

    def _remove(self, job: Job, published: Fingerprint) -> int:
        path = _place(job)
        try:
            check_place(path, self._roots, allow_hidden=self._allow_hidden)
        except ApiError:
            return 0
        gone = remove_expired(path, published, self._roots, _WHENEVER)
        return published.size if gone else 0

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _place(job: Job) -> str:
    # Kernels see their working directory with the symlinks above it resolved, or not.
    path = Path(job.report["path"])
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - as reported


def _size(path: str, published: Fingerprint) -> int:
    try:
        found = fingerprint_of(os.stat(path, follow_symlinks=False))  # noqa: PTH116 - as above
    except OSError:
        return 0
    same = (found.device, found.inode) == (published.device, published.inode)
    return found.size if same else 0

"""``files``: the exported file, whole or a range of it, and never anything else.

An address serves one byte string for ever. So a resumed transfer that validates nothing, as
curl's and wget's, still ends with the right bytes or with an error.

With ``?follow=1`` a file that is still being written is sent as it grows, see `following`.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.opening import open_published
from jupyter_server_ext.files.published import FileChangedError, PublishedFile
from jupyter_server_ext.handlers.files import FileHandler, Representation
from jupyter_server_ext.handlers.following import Follower

if TYPE_CHECKING:
    from jupyter_server_ext.model.job import Job

_GENERATION: Final = re.compile(r"0|[1-9][0-9]{0,15}")


class DownloadHandler(FileHandler):
    """One generation of one exported file."""

    @web.authenticated
    @authorized
    async def get(self, task_id: str, generation: str, name: str) -> None:
        """Send the file, or ranges of it."""
        await self.visible(task_id)
        await self._answer(task_id, generation, name)

    @web.authenticated
    @authorized
    async def head(self, task_id: str, generation: str, name: str) -> None:
        """Send what GET would say of the whole file, without the file."""
        await self.visible(task_id)
        await self._answer(task_id, generation, name)

    async def _answer(self, task_id: str, generation: str, name: str) -> None:
        job = self._find(task_id, generation, name)
        if job.active and self.get_query_argument("follow", None) == "1":
            await Follower(self, job).answer()
            return
        self._require_done(job)
        report = job.report
        with await self._open(job) as file:
            about = Representation(
                name=report["name"],
                media_type=report["mediaType"],
                etag=f'"sha256-{report["sha256"]}"',
                sha256=report["sha256"],
                file_id=f"{task_id}/{generation}",
                task_id=task_id,
            )
            await self.answer(file, about)

    def _find(self, task_id: str, generation: str, name: str) -> Job:
        job = self.services.registry.get(task_id)
        newest = job.report["generation"]
        # "01" is another address than "1", and has no file.
        if name != job.report["name"] or _GENERATION.fullmatch(generation) is None:
            raise ApiError("not-found", "The job has no file of this name.")
        if int(generation) < newest:
            raise ApiError("generation-replaced", "A newer export replaced this file.")
        if int(generation) > newest:
            raise ApiError("not-found", "The job has no such generation yet.")
        return job

    def _require_done(self, job: Job) -> None:
        if job.active:
            raise ApiError("not-ready", "The file is still being written.", retry_after=1)
        if job.status != "done":
            raise ApiError("export-ended", f"The export is {job.status}: there is no file.")

    async def _open(self, job: Job) -> PublishedFile:
        services, expected = self.services, job.fingerprint
        if expected is None:  # the decoder refuses such a report; a store may still hold one
            raise ApiError("file-missing", "The file's fingerprint is not known.")
        path = str(job.report["path"])
        opening = partial(
            open_published, path, expected, services.roots, allow_hidden=services.allow_hidden
        )
        file = await self.in_thread(opening)
        try:
            await self._verify(job, file)
        except BaseException:
            file.close()
            raise
        return file

    async def _verify(self, job: Job, file: PublishedFile) -> None:
        if file.changed:
            raise ApiError("file-changed", "The file was written to after the export.")
        if not file.touched:
            return
        # Only the change time differs: a chmod, a rename, or bytes changed and the times put back.
        # Only the digest can tell, and once is enough for everyone who asks meanwhile.
        services = self.services
        lock = services.verifying.get(job.task_id) or asyncio.Lock()
        services.verifying[job.task_id] = lock
        async with lock:
            if services.registry.get(job.task_id).fingerprint == file.fingerprint:
                return
            try:
                digest = await self.in_thread(file.sha256)
            except FileChangedError:
                raise ApiError("file-changed", "The file was written to just now.") from None
            if digest != job.report["sha256"]:
                raise ApiError("file-damaged", "The file's content is not what was exported.")
            await services.registry.refingerprint(job.task_id, file.fingerprint)

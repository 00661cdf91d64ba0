"""``files/…?follow=1``: the file while it is still being written.

Chunked and without a length, for nobody knows it yet. The last chunk is sent when the file has its
name and what was sent has its digest; in any other case the connection is cut, which curl, wget,
aria2 and browsers take for the failure that it is (RFC 9112 section 8).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from jupyter_server_ext.downloads.following import (
    Pace,
    algorithm_of,
    file_of,
    is_growing,
    next_step,
)
from jupyter_server_ext.downloads.growing import GrowingFile, open_growing
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.opening import check_place
from jupyter_server_ext.files.published import FileChangedError
from jupyter_server_ext.http.ranges import content_disposition, content_type
from jupyter_server_ext.streaming.clients import release
from jupyter_server_ext.streaming.pagecache import PageCache
from progresswidget.protocol import Fingerprint

if TYPE_CHECKING:
    from jupyter_server_ext.downloads.following import Source, Step
    from jupyter_server_ext.handlers.downloads import DownloadHandler
    from jupyter_server_ext.model.job import Job
    from jupyter_server_ext.streaming.sending import Body
    from jupyter_server_ext.transfers.moving import Transfer


class Follower:
    """One client that reads along.

    Parameters
    ----------
    handler
        The request.
    job
        As it was when the request came.
    """

    def __init__(self, handler: DownloadHandler, job: Job) -> None:
        self._handler, self._services = handler, handler.services
        self._task_id, self._generation = job.task_id, job.report["generation"]
        self._file: GrowingFile | None = None
        self._source: Source | None = None
        self._is_near = False  # whether the file tells at once how long it is
        self._told = 0
        self._pace = Pace()
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()

    async def answer(self) -> None:
        """Answer the request.

        Raises
        ------
        ApiError
            Before anything is sent, where the file cannot be followed.
        """
        job = self._services.registry.get(self._task_id)
        self._require(job)
        await self._require_place(job)
        try:
            # Opened before the answer begins where that can be: a refusal still has a status.
            if job.part is not None:
                await self._open(job)
            if self._handler.answered_unnamed():
                return
            self._describe(job)
            if self._handler.request.method == "HEAD":
                await self._handler.flush()  # before the end: else it would have a length of 0
                self._handler.finish()
            else:
                await self._handler.sent(self._follow, self._transfer(job))
        finally:
            if self._file is not None:
                self._file.close()

    def _require(self, job: Job) -> None:
        # RFC 9112 section 6.1: HTTP/1.0 knows no chunks, and there the end of the connection is the
        # end of the file; nobody could tell a whole one from a part.
        if self._handler.request.version != "HTTP/1.1":
            raise ApiError("http-version", "A growing file cannot be sent by HTTP/1.0.")
        if not job.report.get("appendOnly"):
            message = f"A {job.report['format']} file changes until it is complete."
            raise ApiError("not-ready", message, retry_after=1)

    async def _require_place(self, job: Job) -> None:
        # In a thread: the links above the roots are looked up, and they may lie on a network.
        services, path = self._services, str(job.report["path"])
        looking = partial(check_place, path, services.roots, allow_hidden=services.allow_hidden)
        await self._handler.in_thread(looking)

    def _describe(self, job: Job) -> None:
        handler = self._handler
        # Neither a length nor a tag nor a digest: what is not complete has none. And no ranges:
        # who comes again starts again.
        handler.set_header("Accept-Ranges", "none")
        handler.set_header("Cache-Control", "no-store")
        handler.set_header("Content-Disposition", content_disposition(job.report["name"]))
        handler.set_header("Cross-Origin-Resource-Policy", "same-origin")
        handler.set_header("Content-Type", content_type(job.report["mediaType"]))

    def _transfer(self, job: Job) -> Transfer:
        return self._services.transfers.begin(
            user=self._handler.user_id,
            file_id=f"{self._task_id}/{self._generation}",
            version="growing",
            name=job.report["name"],
            size=None,
            offset=0,
            direction="download",
            task_id=self._task_id,
        )

    async def _follow(self, body: Body) -> None:
        with self._services.registry.watching(self._task_id) as news, body.unfinished():
            await body.start()  # the headers: the client sees that there is something
            while True:
                news.clear()
                job = self._job()
                step = self._next_step(job)
                if job is None or step.kind == "cut":
                    raise FileChangedError(step.reason)
                if step.kind == "open":
                    await self._open_late(job)
                elif step.kind == "send" and self._file is not None:
                    await body.send_growth(self._file, step.end)
                    self._heard = self._loop.time()
                elif step.kind == "wait":
                    await self._wait(body, news)
                else:
                    await self._check(job)
                    return

    def _next_step(self, job: Job | None) -> Step:
        sent = there = 0
        if self._file is not None:
            sent = self._file.offset
            there = self._file.size if self._is_near else 0
        told = self._told
        if job is not None and job.part is not None and is_growing(job):
            self._told = max(told, job.part.size)
        return next_step(job, self._generation, self._source, sent, told=told, there=there)

    def _job(self) -> Job | None:
        try:
            return self._services.registry.get(self._task_id)
        except ApiError:
            return None

    async def _open(self, job: Job) -> None:
        named = file_of(job)
        if named is None:
            return
        source = (named.device, named.inode)
        services = self._services

        def open_file() -> tuple[GrowingFile, bool]:
            file = open_growing(
                str(job.report["path"]),
                job.part,
                source,
                algorithm_of(job),
                services.roots,
                allow_hidden=services.allow_hidden,
            )
            return file, PageCache(file.descriptor).tells

        self._file, self._is_near = await self._handler.in_thread(open_file)
        self._source = source

    async def _open_late(self, job: Job) -> None:
        try:
            await self._open(job)
        except ApiError as error:
            raise FileChangedError(error.message) from None

    async def _wait(self, body: Body, news: asyncio.Event) -> None:
        # A plain future: the end of the connection is told by setting its exception.
        waiter = self._loop.create_future()
        waiting = asyncio.ensure_future(news.wait())
        waiting.add_done_callback(lambda _: release(waiter))
        look = None
        if self._file is not None and self._is_near:
            look = self._loop.call_later(self._pace.next(self._file.offset), release, waiter)
        try:
            async with asyncio.timeout_at(self._heard + self._services.follow_patience):
                await body.wait(waiter)
        except TimeoutError:
            raise TimeoutError("nothing was heard of the export for too long") from None
        finally:
            waiting.cancel()
            if look is not None:
                look.cancel()
        if news.is_set():
            self._heard = self._loop.time()

    async def _check(self, job: Job) -> None:
        file, published, written = self._file, file_of(job), job.written
        if file is None or not isinstance(published, Fingerprint):
            raise FileChangedError("there is no file")
        sha256 = job.report["sha256"]
        await self._handler.in_thread(partial(file.confirm, published, sha256, written))

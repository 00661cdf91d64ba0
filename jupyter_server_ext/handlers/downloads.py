"""``files``: the exported file, whole or a range of it, and never anything else.

An address serves one byte string for ever. So a resumed transfer that validates nothing, as
curl's and wget's, still ends with the right bytes or with an error.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.iostream import StreamClosedError

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.ranges import (
    ByteRange,
    Validators,
    content_disposition,
    content_type,
    decide,
    http_date,
)
from jupyter_server_ext.stores.files import (
    BLOCK,
    FileChangedError,
    PublishedFile,
    open_published,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.model import Job

T = TypeVar("T")

_GENERATION: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_PIECE: Final = 64 * 1024
"""Bytes written at once: who takes so little within the stall time-out still gets the file."""


class DownloadHandler(Handler):
    """One generation of one exported file."""

    @property
    def content_security_policy(self) -> str:
        """Nothing in an exported file may run as a page of this server."""
        return f"{super().content_security_policy}; sandbox"

    def compute_etag(self) -> None:
        """Leave the entity tag to us: tornado would hash the body."""

    def check_etag_header(self) -> bool:
        """Leave the preconditions to `ranges.decide`."""
        return False

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate, and note the end of the connection."""
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A server may be set to compress; that would change the bytes, the length and the tag.
        self._transforms = []
        await super().prepare()

    def on_connection_close(self) -> None:
        """Stop sending: tornado leaves a write waiting for ever when the client has gone."""
        if not self._gone.done():
            self._gone.set_result(None)
        super().on_connection_close()

    @web.authenticated
    @authorized
    async def get(self, task_id: str, generation: str, name: str) -> None:
        """Send the file, or a range of it."""
        await self._answer(task_id, generation, name)

    @web.authenticated
    @authorized
    async def head(self, task_id: str, generation: str, name: str) -> None:
        """Send what GET would say of the whole file, without the file."""
        await self._answer(task_id, generation, name)

    async def _answer(self, task_id: str, generation: str, name: str) -> None:
        job = self._find(task_id, generation, name)
        with await self._open(job) as file:
            size, now = file.fingerprint.size, time.time()
            # RFC 9110 section 8.8.2.1: never a modification date in the future.
            modified = min(file.fingerprint.mtime_ns // 1_000_000_000, int(now))
            validators = Validators(f'"sha256-{job.report["sha256"]}"', modified, now)
            is_head = self.request.method == "HEAD"
            decision = decide(self.request.headers, size, validators, head=is_head)
            if decision.outcome == "failed":
                raise ApiError("precondition-failed", "A precondition of the request is false.")
            if decision.outcome == "unsatisfiable":
                fields = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
                message = f"The file has {size} bytes."
                raise ApiError("range-not-satisfiable", message, headers=fields)
            self._describe(job, validators)
            if decision.outcome == "not-modified":
                self.set_status(HTTPStatus.NOT_MODIFIED)
                self.finish()
            else:
                wanted = decision.range or ByteRange(0, size - 1)
                await self._send(job, file, wanted, partial=decision.range is not None)

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
        if job.active:
            raise ApiError("not-ready", "The file is still being written.", retry_after=1)
        if job.status != "done":
            raise ApiError("export-ended", f"The export is {job.status}: there is no file.")
        return job

    async def _open(self, job: Job) -> PublishedFile:
        services, expected = self.services, job.fingerprint
        if expected is None:  # the decoder refuses such a report; a store may still hold one
            raise ApiError("file-missing", "The file's fingerprint is not known.")
        path = str(job.report["path"])
        opening = partial(
            open_published, path, expected, services.roots, allow_hidden=services.allow_hidden
        )
        file = await self._in_thread(opening)
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
                digest = await self._in_thread(file.sha256)
            except FileChangedError:
                raise ApiError("file-changed", "The file was written to just now.") from None
            if digest != job.report["sha256"]:
                raise ApiError("file-damaged", "The file's content is not what was exported.")
            await services.registry.refingerprint(job.task_id, file.fingerprint)

    def _describe(self, job: Job, validators: Validators) -> None:
        digest = base64.b64encode(bytes.fromhex(job.report["sha256"])).decode()
        self.set_header("ETag", validators.etag)
        self.set_header("Last-Modified", http_date(validators.modified))
        self.set_header("Accept-Ranges", "bytes")
        # RFC 9530 section 3: of the whole representation, also in a 206.
        self.set_header("Repr-Digest", f"sha-256=:{digest}:")
        # The bytes never change, but the right to see them may: a browser may keep the file, no
        # proxy may, and each use is asked about again, which costs a 304.
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Content-Disposition", content_disposition(job.report["name"]))
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Content-Type", content_type(job.report["mediaType"]))

    async def _send(
        self, job: Job, file: PublishedFile, wanted: ByteRange, *, partial: bool
    ) -> None:
        self.set_header("Content-Length", str(wanted.length))
        if partial:
            self.set_status(HTTPStatus.PARTIAL_CONTENT)
            self.set_header("Content-Range", wanted.content_range(file.fingerprint.size))
        if self.request.method == "HEAD" or wanted.length == 0:
            self.finish(set_content_type=content_type(job.report["mediaType"]))
            return
        try:
            await self._pump(file, wanted)
            self.finish()
        except StreamClosedError:
            self.log.debug("The client left a download of job %s", job.task_id)
        except FileChangedError:
            self._cut(f"the file of job {job.task_id} changed while it was sent")
        except TimeoutError:
            self._cut(f"the client of a download of job {job.task_id} takes no bytes")

    async def _pump(self, file: PublishedFile, wanted: ByteRange) -> None:
        offset = wanted.first
        while offset <= wanted.last:
            length = min(BLOCK, wanted.last + 1 - offset)
            block = await self._in_thread(partial(file.read, offset, length))
            offset += len(block)
            for start in range(0, len(block), _PIECE):
                self.write(block[start : start + _PIECE])
                await self._drain()
            self.services.note_activity()

    async def _drain(self) -> None:
        written = asyncio.ensure_future(self.flush())
        if not written.done():
            await asyncio.wait(
                {written, self._gone},
                timeout=self.services.stall_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
        if self._gone.done():
            raise StreamClosedError
        if not written.done():
            raise TimeoutError
        written.result()

    def _cut(self, reason: str) -> None:
        # The length was announced: a client that gets less knows that it has no file.
        self.log.warning("A download was cut: %s", reason)
        self.detach().close()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        loop: Any = asyncio.get_running_loop()
        result: T = await loop.run_in_executor(self.services.readers, call)
        return result

"""Bytes into an upload that a request holds, and the file under its name when all are there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.uploads.capacity import CapacityLimiter
from jupyter_server_ext.uploads.intake import Intake
from jupyter_server_ext.uploads.staged import RunningDigest, StagedFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from jupyter_server_ext.streaming.activity import Activity
    from jupyter_server_ext.streaming.body import Body
    from jupyter_server_ext.streaming.sending import Gate, Transfer
    from jupyter_server_ext.uploads.files import UploadFiles
    from jupyter_server_ext.uploads.live import Live
    from jupyter_server_ext.uploads.records import UploadRecords
    from jupyter_server_ext.uploads.tus import Append

T = TypeVar("T")


class Appender:
    """Takes the bodies of requests. Its methods are called while the upload is held.

    Parameters
    ----------
    records
        What is known of uploads.
    files
        Where the bytes lie.
    threads
        Where they are written.
    time
        Monotonic seconds.
    expiry
        Seconds without a request after which an upload is removed.
    room
        Says how many bytes an upload of a user may have in all.
    activity
        Called when bytes have come.
    """

    def __init__(
        self,
        *,
        records: UploadRecords,
        files: UploadFiles,
        threads: Executor,
        time: Callable[[], float],
        expiry: float,
        room: Callable[[str, Live], int],
        activity: Activity,
    ) -> None:
        self._records = records
        self._files = files
        self._threads = threads
        self._limiter = CapacityLimiter(threads)
        self._time = time
        self._expiry = expiry
        self._room = room
        self._activity = activity

    async def append(
        self,
        live: Live,
        append: Append,
        body: Body,
        gate: Gate,
        transfer: Transfer,
    ) -> None:
        """Take the body of a request, and publish the file when it is complete.

        Whatever happens, `live.offset` tells afterwards what is there.

        Parameters
        ----------
        gate
            How fast the bytes may come.
        transfer
            Who is told how far it is.

        Raises
        ------
        ApiError
            ``checksum-mismatch``, or as `receive`, `UploadFiles.open` and `publish`.
        StreamClosedError
            If the client has gone.
        """
        try:
            self._claim(live, append, body, append.offset + (body.length or 0))
            await self._settle(live, append)
            await self._receive(live, append, body, gate, transfer)
        finally:
            live.claimed = 0
        await self.publish(live)

    async def _receive(
        self, live: Live, append: Append, body: Body, gate: Gate, transfer: Transfer
    ) -> None:
        with await self._run(self._files.open, live.upload) as file:
            if file.offset > append.offset:
                await self._run(file.cut, append.offset)
            if file.offset < append.offset:
                live.cut(file.offset)
                raise ApiError("offset-conflict", f"The upload is at byte {file.offset}.")
            try:
                await self._take(live, append, file, body, gate, transfer)
            finally:
                live.offset = file.offset
                live.deadline = self._time() + self._expiry

    def _claim(self, live: Live, append: Append, body: Body, offset: int) -> None:
        # Requests of one user may run side by side, and where no length is told each could take
        # what is left of the quota: so every block looks again at what the others have.
        live.claimed = offset
        body.limit = append.limit
        if append.length is None:
            room = self._room(live.upload.owner, live)
            body.limit = min(append.limit, max(0, room - append.offset))

    async def _take(
        self,
        live: Live,
        append: Append,
        file: StagedFile,
        body: Body,
        gate: Gate,
        transfer: Transfer,
    ) -> None:
        active = self._activity.begin()

        def moved(offset: int) -> None:
            active()
            self._claim(live, append, body, max(live.claimed, file.offset))
            transfer.moved(offset)

        intake = Intake(
            file=file, digest=live.digest, append=append, limiter=self._limiter, moved=moved
        )
        try:
            await intake.take(body, gate)
        finally:
            live.digest = intake.digest
        if append.checksum is not None:
            await self._run(file.sync)
            # Where this cannot be written, a server that starts again trusts less than it could.
            upload = replace(live.upload, verified=file.offset)
            live.upload = await self._run(self._records.save, upload)
            transfer.moved(file.offset)

    async def _settle(self, live: Live, append: Append) -> None:
        # Before the first byte: a server that starts again must know what to trust. It trusts all
        # that is there if nothing else is written.
        upload = live.upload
        verified = None if append.checksum is None else append.offset
        if (upload.length, upload.verified) != (append.length, verified):
            upload = replace(upload, length=append.length, verified=verified)
            save = partial(self._records.save, surely=verified is not None)
            live.upload = await self._run(save, upload)

    async def publish(self, live: Live) -> None:
        """Check the digest of a complete upload, and give the file its name.

        Raises
        ------
        ApiError
            ``checksum-mismatch``, after which the upload begins again at byte 0; or as
            `UploadFiles.publish`.
        """
        if live.done or not live.complete:
            return
        expected = live.upload.creation.sha256
        with await self._run(self._files.open, live.upload) as file:
            sha256 = await self._run(file.sha256, live.digest)
            if expected is not None and sha256 != expected:
                await self._run(file.cut, 0)
                live.offset, live.digest = 0, RunningDigest()
                live.attempt += 1
                raise ApiError("checksum-mismatch", "The file is not what its sha256 promises.")
            live.upload = await self._run(self._files.publish, live.upload, file, sha256)
        live.deadline = self._time() + self._expiry

    def close(self) -> None:
        """Write nothing more."""
        self._limiter.close()

    async def _run(self, call: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)

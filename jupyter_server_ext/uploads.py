"""The one owner of uploads: who may do what with them now, and what becomes of them."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakValueDictionary

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.intake import Intake
from jupyter_server_ext.live import TAKE_OVER, Live
from jupyter_server_ext.stores.staged import RunningDigest, StagedFile
from jupyter_server_ext.stores.uploads import Upload

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from logging import Logger

    from jupyter_server_ext.activity import Activity
    from jupyter_server_ext.body import Body
    from jupyter_server_ext.sending import Gate, Transfer
    from jupyter_server_ext.stores.uploads import UploadStore
    from jupyter_server_ext.tus import Append, Creation

T = TypeVar("T")

_REMEMBERED: Final = 1_000
"""Finished uploads that are remembered for a client whose last answer was lost."""
_GONE: Final = 10_000
"""Uploads that were removed, for which the answer is 410 and not 404."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What users may upload.

    Parameters
    ----------
    size
        Bytes of one upload.
    quota
        Bytes of all unfinished uploads of one user.
    count
        Unfinished uploads of one user.
    expiry
        Seconds without a request after which an upload is removed.
    """

    size: int
    quota: int
    count: int
    expiry: float


class Uploads:
    """All uploads.

    Parameters
    ----------
    store
        Where bytes and sidecars lie.
    threads
        Where they are written.
    time
        Monotonic seconds: a clock that is put right must not end an upload.
    now
        Milliseconds since 1970.
    limits
        What is refused.
    activity
        Called when bytes have come.
    log
        Where failures of the disk are told.
    """

    def __init__(
        self,
        *,
        store: UploadStore,
        threads: Executor,
        time: Callable[[], float],
        now: Callable[[], int],
        limits: UploadLimits,
        activity: Activity,
        log: Logger,
    ) -> None:
        self.limits = limits
        self._store = store
        self._threads = threads
        self._time = time
        self._now = now
        self._activity = activity
        self._log = log
        self._live: dict[str, Live] = {}
        self._gone: OrderedDict[str, str] = OrderedDict()
        self._creating: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._stopping: ApiError | None = None

    async def load(self) -> None:
        """Take up the uploads of the server before."""
        try:
            found = await self._run(self._store.load)
        except OSError as error:
            self._log.error("Uploads of an earlier server are lost: %s", error)
            return
        for upload, offset in found:
            left = min(self.limits.expiry, (upload.expires - self._now()) / 1000)
            self._live[upload.id] = Live(upload, offset, self._time() + max(0.0, left))

    async def finish_interrupted(self) -> None:
        """Publish what was complete when the server before ended."""
        for live in list(self._live.values()):
            if live.complete and not live.done:
                with suppress(ApiError):
                    async with live.hold():
                        await self.publish(live)

    async def stop(self) -> None:
        """End every running request; what has come is kept."""
        self._stopping = ApiError("starting", "The server is stopping.", retry_after=1)
        for live in self._live.values():
            if live.interrupt is not None:
                live.interrupt(self._stopping)
        for live in list(self._live.values()):
            with suppress(TimeoutError):
                await asyncio.wait_for(live.lock.acquire(), TAKE_OVER)

    # --- Finding and making --------------------------------------------------------------------

    def find(self, upload_id: str, owner: str) -> Live:
        """Return an upload of its owner.

        Raises
        ------
        ApiError
            ``upload-not-found``, also for those of others, or ``upload-gone``.
        """
        live = self._live.get(upload_id)
        if live is not None and live.upload.owner == owner:
            return live
        if self._gone.get(upload_id) == owner:
            raise ApiError("upload-gone", "The upload has expired or was removed.")
        raise ApiError("upload-not-found", "There is no such upload.")

    def room(self, owner: str, own: Live | None = None) -> int:
        """Return the bytes that one more upload of a user, or `own`, may have in all."""
        others = sum(
            live.size
            for live in self._live.values()
            if live is not own and live.upload.owner == owner and not live.done
        )
        return max(0, min(self.limits.size, self.limits.quota - others))

    async def create(self, owner: str, creation: Creation, key: str | None) -> tuple[Live, bool]:
        """Make an upload, or find the one that was made with the same key.

        Returns
        -------
        The upload, and whether it is new.

        Raises
        ------
        ApiError
            ``key-reused``, ``too-many-uploads``, ``quota-exceeded``, or as `UploadStore.create`.
        """
        lock = self._creating.get(owner) or asyncio.Lock()
        self._creating[owner] = lock
        async with lock:
            request = hashlib.sha256(repr(creation).encode()).hexdigest()
            known = None if key is None else self._keyed(owner, key)
            if known is not None:
                if known.upload.request != request:
                    raise ApiError("key-reused", "The key belongs to another upload.")
                if not known.done or await self._run(self._store.stands, known.upload):
                    return known, False
                await self.remove(known)
            self._require_room(owner, creation)
            now = self._now()
            upload = Upload(
                id=uuid.uuid4().hex,
                owner=owner,
                creation=creation,
                length=creation.length,
                created=now,
                expires=now + int(self.limits.expiry * 1000),
                key=key,
                request=request,
            )
            await self._run(self._store.create, upload)
            live = Live(upload, 0, self._time() + self.limits.expiry)
            self._live[upload.id] = live
            return live, True

    def _keyed(self, owner: str, key: str) -> Live | None:
        for live in self._live.values():
            if live.upload.key == key and live.upload.owner == owner:
                return live
        return None

    def _require_room(self, owner: str, creation: Creation) -> None:
        if self._stopping is not None:
            raise self._stopping
        mine = [one for one in self._live.values() if one.upload.owner == owner and not one.done]
        if len(mine) >= self.limits.count:
            message = f"At most {self.limits.count} uploads may be unfinished."
            raise ApiError("too-many-uploads", message, retry_after=60)
        if (creation.length or 0) > self.room(owner):
            raise ApiError("quota-exceeded", "All unfinished uploads together would be too large.")

    # --- While it is held -----------------------------------------------------------------------

    async def look(self, live: Live) -> None:
        """Make sure of what is on the disk, and publish what is complete.

        Raises
        ------
        ApiError
            ``upload-gone``, if the file was removed or changed since; or as `publish`.
        """
        if not live.done:
            self._lost(live, await self._run(self._store.size, live.upload))
            await self.publish(live)
        elif not await self._run(self._store.stands, live.upload):
            await self.remove(live)
            raise ApiError("upload-gone", "The file is not any more what was uploaded.")

    def _lost(self, live: Live, size: int) -> None:
        # Somebody else has cut the file: what was hashed may not be what will come.
        if size < live.offset:
            live.offset, live.digest = size, RunningDigest()
            live.attempt += 1

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
            ``checksum-mismatch``, or as `receive`, `UploadStore.open` and `publish`.
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
        with await self._run(self._store.open, live.upload) as file:
            if file.offset > append.offset:
                await self._run(file.cut, append.offset)
            if file.offset < append.offset:
                self._lost(live, file.offset)
                raise ApiError("offset-conflict", f"The upload is at byte {file.offset}.")
            try:
                await self._take(live, append, file, body, gate, transfer)
            finally:
                live.offset = file.offset
                live.deadline = self._time() + self.limits.expiry

    def _claim(self, live: Live, append: Append, body: Body, offset: int) -> None:
        # Requests of one user may run side by side, and where no length is told each could take
        # what is left of the quota: so every block looks again at what the others have.
        live.claimed = offset
        body.limit = append.limit
        if append.length is None:
            room = self.room(live.upload.owner, live)
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
            file=file, digest=live.digest, append=append, threads=self._threads, moved=moved
        )
        try:
            await intake.take(body, gate)
        finally:
            live.digest = intake.digest
        if append.checksum is not None:
            await self._run(file.sync)
            live.upload = replace(live.upload, verified=file.offset)
            await self._run(self._store.save, live.upload)
            transfer.moved(file.offset)

    async def _settle(self, live: Live, append: Append) -> None:
        # Before the first byte: a server that starts again must know what to trust.
        upload = live.upload
        verified = None if append.checksum is None else append.offset
        if (upload.length, upload.verified) != (append.length, verified):
            live.upload = replace(upload, length=append.length, verified=verified)
            await self._run(self._store.save, live.upload)

    async def publish(self, live: Live) -> None:
        """Check the digest of a complete upload, and give the file its name.

        Raises
        ------
        ApiError
            ``checksum-mismatch``, after which the upload begins again at byte 0; or as
            `UploadStore.publish`.
        """
        if live.done or not live.complete:
            return
        expected = live.upload.creation.sha256
        with await self._run(self._store.open, live.upload) as file:
            sha256 = await self._run(file.sha256, live.digest)
            if expected is not None and sha256 != expected:
                await self._run(file.cut, 0)
                live.offset, live.digest = 0, RunningDigest()
                live.attempt += 1
                raise ApiError("checksum-mismatch", "The file is not what its sha256 promises.")
            live.upload = await self._run(self._store.publish, live.upload, file, sha256)
        live.deadline = self._time() + self.limits.expiry

    # --- Ends ------------------------------------------------------------------------------------

    async def remove(self, live: Live) -> None:
        """Forget an upload and the bytes of an unfinished one; to be called while it is held.

        Raises
        ------
        ApiError
            If the disk refuses; the upload is then known as before.
        """
        upload = live.upload
        if live.done:
            await self._run(self._store.forget, upload.id)
        else:
            await self._run(self._store.remove, upload)
        live.gone = True
        del self._live[upload.id]
        self._gone[upload.id] = upload.owner
        if len(self._gone) > _GONE:
            self._gone.popitem(last=False)

    async def expire(self) -> int:
        """Remove the uploads whose time is over, and return how many."""
        now, count = self._time(), 0
        done = [live for live in self._live.values() if live.done]
        surplus = sorted(done, key=lambda live: live.deadline)[: max(0, len(done) - _REMEMBERED)]
        late = [live for live in self._live.values() if live.deadline <= now]
        for live in {id(live): live for live in (*surplus, *late)}.values():
            # One that is being written to is alive, whatever its deadline says.
            if live.lock.locked():
                continue
            with suppress(ApiError):
                async with live.hold():
                    await self.remove(live)
                    count += 1
        return count

    def expires(self, live: Live) -> int:
        """Return when an upload expires, in seconds since 1970."""
        return int(self._now() / 1000 + live.deadline - self._time())

    async def _run(self, call: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)

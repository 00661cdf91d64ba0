"""The one owner of uploads: whose they are, how many there may be, and when they end."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakValueDictionary

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.logs import about
from jupyter_server_ext.model.upload import Upload
from jupyter_server_ext.uploads.appender import Appender
from jupyter_server_ext.uploads.known import Known
from jupyter_server_ext.uploads.live import TAKE_OVER, Live
from jupyter_server_ext.uploads.quota import UploadQuota
from jupyter_server_ext.uploads.staged import RunningDigest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Executor
    from logging import Logger

    from jupyter_server_ext.model.upload import Creation
    from jupyter_server_ext.stores import UploadStore
    from jupyter_server_ext.stores.health import StoreHealth
    from jupyter_server_ext.streaming.activity import Activity
    from jupyter_server_ext.uploads.files import UploadFiles
    from jupyter_server_ext.uploads.quota import Unfinished, UploadLimits
    from jupyter_server_ext.uploads.records import UploadRecords
    from jupyter_server_ext.uploads.sharing import UploadSharing

T = TypeVar("T")

_NOTHING_LEFT: Final = frozenset({"upload-gone", "folder-missing"})
"""What is said of an upload whose bytes are not there any more."""


class Uploads:
    """All uploads.

    Parameters
    ----------
    records
        What outlives the process.
    files
        Where the bytes lie.
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
    sharing
        What other servers have to do with it, where there are some.
    """

    def __init__(
        self,
        *,
        records: UploadRecords,
        files: UploadFiles,
        threads: Executor,
        time: Callable[[], float],
        now: Callable[[], int],
        limits: UploadLimits,
        activity: Activity,
        log: Logger,
        sharing: UploadSharing | None = None,
    ) -> None:
        self.limits = limits
        self._known = Known()
        self._quota = UploadQuota(limits, self._known.live)
        self.appender = Appender(
            records=records,
            files=files,
            threads=threads,
            time=time,
            expiry=limits.expiry,
            room=self._quota.room,
            activity=activity,
        )
        self._records = records
        self._files = files
        self._threads = threads
        self._time = time
        self._now = now
        self._log = log
        self._sharing = sharing
        self._creating: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._stopping: ApiError | None = None
        self._before: list[Upload] = []

    async def load(self) -> None:
        """Read what the server before knew; `recover` takes it up.

        Raises
        ------
        OSError, sqlite3.Error
            If the store cannot be opened.
        """
        self._before = await self._records.load()

    @property
    def store_health(self) -> StoreHealth:
        """How the store fares that is used now."""
        return self._records.health

    def save_all(self) -> None:
        """Save all of them: the store has lost them."""
        here = (live.upload for live in self._known.live.values())
        self._records.save_again((*self._before, *here))

    def use(self, store: UploadStore) -> None:
        """Remember uploads in another store from now on."""
        self._records.use(store)

    async def close(self) -> None:
        """Write what is still to be written, and release the store."""
        await self._records.close()

    def share(self) -> None:
        """Follow what other servers do, before they are heard for the first time."""
        if self._sharing is not None:
            self._sharing.wanted = self._let_go
            self._sharing.start(self._heard)

    async def recover(self) -> None:
        """Take up the uploads of the server before, but for those that others may be busy with."""
        known = frozenset() if self._sharing is None else await self._sharing.known()
        before, self._before = self._before, []
        for upload in before:
            if upload.id in known:
                continue
            try:
                recovered, offset = await self._run(self._files.recover, upload)
            except (ApiError, OSError) as error:
                if isinstance(error, ApiError) and error.code in _NOTHING_LEFT:
                    await self._run(self._records.forget, upload.id)
                    continue
                # A folder that cannot be reached now may be there at the next start.
                self._log.warning(
                    "An upload of an earlier server is left alone until the next start: %s",
                    error,
                    extra=about("upload-left-alone", upload.creation.task_id),
                )
                continue
            self._take_up(recovered, offset)
            if self._sharing is not None:
                await self._sharing.put(recovered)

    def _take_up(self, upload: Upload, offset: int) -> None:
        # The clock may have been put right since: nobody gets more time than a new one.
        left = min(self.limits.expiry, (upload.expires - self._now()) / 1000)
        self._known.add(Live(upload, offset, self._time() + max(0.0, left)))

    async def finish_interrupted(self, note: Callable[[], None]) -> None:
        """Publish what was complete when the server before ended, and note each."""
        for live in list(self._known.live.values()):
            if live.complete and not live.done:
                with suppress(ApiError):
                    async with self.hold(live, politely=True):
                        await self.appender.publish(live)
                        note()

    async def stop(self) -> None:
        """End every running request; what has come is kept."""
        self._stopping = ApiError("starting", "The server is stopping.", retry_after=1)
        every = self._known.live.values()
        for live in every:
            if live.interrupt is not None:
                live.interrupt(self._stopping)
        # None waits for another: all together they get the time that one would.
        with suppress(TimeoutError):
            async with asyncio.timeout(TAKE_OVER):
                await asyncio.gather(*(live.lock.acquire() for live in every))

    # --- Finding and making --------------------------------------------------------------------

    async def find(self, upload_id: str, owner: str) -> Live:
        """Return an upload of its owner.

        Raises
        ------
        ApiError
            ``upload-not-found``, also for those of others, or ``upload-gone``.
        """
        if upload_id not in self._known.live and self._sharing is not None:
            # Another server may have made it a moment ago.
            self._heard(upload_id, await self._sharing.find(upload_id))
        return self._known.find(upload_id, owner)

    def ids(self) -> frozenset[str]:
        """Return the ids of all uploads."""
        return frozenset(self._known.live)

    def room(self, owner: str, own: Live | None = None) -> int:
        """Return the bytes that one more upload of a user, or `own`, may have in all."""
        return self._quota.room(owner, own)

    def unfinished(self) -> Unfinished:
        """Return how many uploads wait for more, and the bytes that they have on the disk."""
        return self._quota.unfinished()

    async def create(self, owner: str, creation: Creation, key: str | None) -> tuple[Live, bool]:
        """Make an upload, or find the one that was made with the same key.

        Returns
        -------
        The upload, and whether it is new.

        Raises
        ------
        ApiError
            ``key-reused``, ``too-many-uploads``, ``quota-exceeded``, or as `UploadFiles.create`.
        """
        lock = self._creating.get(owner) or asyncio.Lock()
        self._creating[owner] = lock
        async with lock:
            request = hashlib.sha256(repr(creation).encode()).hexdigest()
            known = None if key is None else self._known.keyed(owner, key)
            if known is not None:
                if known.upload.request != request:
                    raise ApiError("key-reused", "The key belongs to another upload.")
                if not known.done or await self._run(self._files.stands, known.upload):
                    return known, False
                await self.remove(known)
            if self._stopping is not None:
                raise self._stopping
            self._quota.require(owner, creation)
            now = self._now()
            upload = Upload(
                id=uuid.uuid4().hex,
                owner=owner,
                creation=creation,
                length=creation.length,
                created=now,
                expires=now + int(self.limits.expiry * 1000),
                idempotency_key=key,
                request=request,
            )
            upload = await self._run(self._files.create, upload)
            live = Live(upload, 0, self._time() + self.limits.expiry)
            self._known.add(live)
            return live, True

    async def look(self, live: Live) -> None:
        """Make sure of what is on the disk, and publish what is complete.

        Raises
        ------
        ApiError
            ``upload-gone``, if the file was removed or changed since; or as `Appender.publish`.
        """
        if not live.done:
            live.cut(await self._run(self._files.size, live.upload))
            await self.appender.publish(live)
        elif not await self._run(self._files.stands, live.upload):
            await self.remove(live)
            raise ApiError("upload-gone", "The file is not any more what was uploaded.")

    # --- Several servers -------------------------------------------------------------------------

    @asynccontextmanager
    async def hold(
        self,
        live: Live,
        interrupt: Callable[[ApiError], None] | None = None,
        *,
        politely: bool = False,
    ) -> AsyncIterator[None]:
        """Have an upload for oneself, as `Live.hold`, among all servers.

        Parameters
        ----------
        politely
            Whether another server that has it is left alone.

        Raises
        ------
        ApiError
            As `Live.hold`.
        """
        async with live.hold(interrupt):
            if self._sharing is None:
                yield
                return
            async with self._sharing.hold(live, politely=politely) as disturbed:
                if disturbed:
                    await self._look_again(self._sharing, live)
                yield

    async def _look_again(self, sharing: UploadSharing, live: Live) -> None:
        # Somebody else had it: nothing that was known of it is certain.
        before, losses, alone = live.offset, sharing.losses, sharing.alone
        upload = await sharing.find(live.upload.id)
        if upload is None:
            self._known.drop(live)
            raise ApiError("upload-gone", "The upload has expired or was removed.")
        try:
            live.upload, live.offset = await self._run(self._files.recover, upload)
        except ApiError as error:
            if error.code == "upload-gone" and (alone or sharing.losses != losses):
                # Another server may have finished it, and could not be asked.
                message = "What other servers have done with this upload is not known now."
                raise ApiError("upload-locked", message, retry_after=1) from error
            raise
        live.digest = RunningDigest()
        if live.offset != before:
            live.deadline = self._time() + self.limits.expiry

    def _heard(self, upload_id: str, upload: Upload | None) -> None:
        live = self._known.live.get(upload_id)
        if live is None and upload is not None:
            self._take_up(upload, upload.length or 0 if upload.state == "done" else 0)
        elif live is not None and not live.lock.locked():
            if upload is None:
                self._known.drop(live)
            else:
                live.upload = upload

    def _let_go(self, upload_id: str) -> None:
        live = self._known.live.get(upload_id)
        if live is not None and live.interrupt is not None:
            live.interrupt(
                ApiError("upload-taken-over", "Another server goes on with this upload.")
            )

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
            await self._run(self._records.forget, upload.id)
        else:
            await self._run(self._files.remove, upload)
        self._known.drop(live)

    async def expire(self) -> int:
        """Remove the uploads whose time is over, and return how many."""
        count = 0
        for live in self._known.over(self._time()):
            # One that is being written to is alive, whatever its deadline says.
            if live.lock.locked():
                continue
            with suppress(ApiError):
                async with self.hold(live, politely=True):
                    if live.deadline <= self._time() or live.done:
                        await self.remove(live)
                        count += 1
        return count

    def expires(self, live: Live) -> int:
        """Return when an upload expires, in seconds since 1970."""
        return int(self._now() / 1000 + live.deadline - self._time())

    async def _run(self, call: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)

"""Uploads that any of several servers may take bytes for, one at a time.

The servers share the file tree, so the bytes and with them the offset are the same for all. What is
shared beside is the record, in Redis: each server keeps what it writes in its own store too, from
which it starts again. Who writes to an upload holds a lease on it; another server that wants it
says so, and the one that has it ends its request, as it does for a newer request of its own.

A server that is stopped in the middle of a write loses the lease and may, when it goes on, still
write the one block that it had in hand: bytes of the same upload at their own place.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.uploads.live import TAKE_OVER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from jupyter_server_ext.model.upload import Upload
    from jupyter_server_ext.stores import Lease, Locker
    from jupyter_server_ext.stores.redis_news import News
    from jupyter_server_ext.stores.redis_session import RedisSession
    from jupyter_server_ext.stores.redis_store import RedisStore
    from jupyter_server_ext.uploads.live import Live

_WANTED: Final = "upload-wanted"
_LEASE: Final = 5.0
"""Seconds after which the upload of a server that does not say anything is free."""
_LOOK: Final = 0.02
"""Seconds between two looks whether the other server has let go."""


class UploadSharing:
    """What the uploads of one server have in common with those of the others.

    Parameters
    ----------
    store
        The records of all servers.
    locker
        Who gives leases.
    session
        The server's life with Redis.
    """

    def __init__(self, store: RedisStore[Upload], locker: Locker, session: RedisSession) -> None:
        self.wanted: Callable[[str], None] = lambda _: None
        """Called with the id of an upload that another server wants."""
        self._store = store
        self._locker = locker
        self._session = session
        session.join(_WANTED, self)

    def start(self, changed: Callable[[str, Upload | None], None]) -> None:
        """Follow the others; `changed` is called with what they have made of an upload."""
        self._store.changed = changed

    @property
    def alone(self) -> bool:
        """Whether nobody can be asked what the others have done."""
        return not self._session.attached

    @property
    def losses(self) -> int:
        """How often the others were lost so far."""
        return self._session.losses

    async def find(self, upload_id: str) -> Upload | None:
        """Return an upload of any server as it is now."""
        return await self._store.fetch(upload_id)

    async def known(self) -> frozenset[str]:
        """Return the ids of all uploads that servers have told of."""
        return frozenset(upload.id for upload in await self._store.load())

    async def put(self, upload: Upload) -> None:
        """Tell the others of an upload."""
        await self._store.save_now(upload)

    async def drop(self, upload_id: str) -> None:
        """Tell the others that an upload is forgotten."""
        await self._store.delete([upload_id])

    async def close(self) -> None:
        """Tell the others what they were not told yet."""
        await self._store.close()

    @asynccontextmanager
    async def hold(self, live: Live, *, politely: bool = False) -> AsyncIterator[bool]:
        """Have an upload among all servers.

        Parameters
        ----------
        politely
            Whether another server that has it is left alone.

        Yields
        ------
        Whether another server may have had it since this one did.

        Raises
        ------
        ApiError
            ``upload-locked``, if another server does not let go of it in time.
        """
        lease = await self._acquire(live.upload.id, politely=politely)
        # What a server that is alone cannot ask for it looks at each time.
        disturbed = not lease.epoch or live.turn != (lease.epoch, lease.token - 1)
        live.turn = lease.epoch, lease.token
        renewing = asyncio.get_running_loop().create_task(self._renew(lease, live))
        try:
            yield disturbed
        finally:
            renewing.cancel()
            await self._locker.release(lease)

    async def _acquire(self, upload_id: str, *, politely: bool) -> Lease:
        name, holder = f"upload {upload_id}", self._session.id
        loop = asyncio.get_running_loop()
        end = loop.time() + TAKE_OVER
        asked = False
        while True:
            lease = await self._locker.acquire(name, holder, _LEASE)
            if lease is not None:
                return lease
            if politely or loop.time() > end:
                message = "Another server is busy with this upload."
                raise ApiError("upload-locked", message, retry_after=1)
            if not asked:
                await self._session.send(_WANTED, upload_id)
                asked = True
            await asyncio.sleep(_LOOK)

    async def _renew(self, lease: Lease, live: Live) -> None:
        while True:
            await asyncio.sleep(_LEASE / 3)
            if not await self._locker.renew(lease, _LEASE) and self._session.attached:
                if live.interrupt is not None:
                    live.interrupt(ApiError("upload-taken-over", "Another server has it now."))
                return

    # --- What others say -----------------------------------------------------------------------

    async def attach(self, *, emptied: bool) -> None:
        """Do nothing: the store reads the records."""

    def attached(self) -> None:
        """Do nothing: nobody wants anything yet."""

    def heard(self, news: News) -> None:
        """Let go of an upload that another server wants."""
        if news.author != self._session.id:
            self.wanted(news.key)

    def lost(self) -> None:
        """Do nothing: leases are this server's own now."""

    def lasting(self) -> list[str]:
        """Return nothing: all that it keeps is in the store."""
        return []

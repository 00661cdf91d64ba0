"""The records of uploads, for the threads that have their files; the store lives on the event loop.

A thread waits here until its record is kept, since what it does next must not come before. Where a
store cannot write, it keeps the record in memory and tries again, and so most steps go on: a server
that is killed meanwhile knows an older record, or none, and then the client sends again what nobody
vouches for. Only what an older record would be wrong about must be written before it is done.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from jupyter_server_ext.model.upload import Upload
    from jupyter_server_ext.stores import UploadStore
    from jupyter_server_ext.stores.health import StoreHealth
    from jupyter_server_ext.uploads.sharing import UploadSharing

T = TypeVar("T")

_PATIENCE: Final = 15.0
"""Seconds that a thread waits for the store: longer than a database waits for another process."""
_MIRROR: Final = 2.0
"""Seconds that it waits for the other servers, who are told of what is kept here before."""
_FORGETTING: Final = 1.0
"""Seconds that it waits until a record is forgotten: the file that it told of is gone before."""


class UploadRecords:
    """What is known of every upload, kept by this server's store and told to the others.

    Parameters
    ----------
    store
        Of this server, from which it starts again.
    now
        Milliseconds since 1970.
    sharing
        Who is told, where several servers share uploads.
    """

    def __init__(
        self, store: UploadStore, now: Callable[[], int], sharing: UploadSharing | None = None
    ) -> None:
        self._store = store
        self._now = now
        self._sharing = sharing
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._latest = 0

    # --- On the event loop -------------------------------------------------------------------

    @property
    def health(self) -> StoreHealth:
        """How the store fares that is used now."""
        return self._store.health

    async def load(self) -> list[Upload]:
        """Return what the server before knew.

        Raises
        ------
        OSError, sqlite3.Error
            If the store cannot be opened.
        """
        self._loop = asyncio.get_running_loop()
        found = await self._store.load()
        self._latest = max((upload.updated for upload in found), default=0)
        return found

    def use(self, store: UploadStore) -> None:
        """Keep records in another store from now on."""
        self._store, self._closed = store, False

    def save_again(self, uploads: Iterable[Upload]) -> None:
        """Save what the store has lost."""
        for upload in uploads:
            self._store.save(upload)

    async def close(self) -> None:
        """Write what waits, and release the store; threads that come later are refused."""
        self._closed = True
        await self._store.close()
        if self._sharing is not None:
            await self._sharing.close()

    # --- In threads --------------------------------------------------------------------------

    def save(self, upload: Upload, *, surely: bool = False) -> Upload:
        """Keep a record, and return it as it is kept.

        Parameters
        ----------
        surely
            Whether it is refused where it would not outlive the process: what it tells of must not
            be done then.

        Raises
        ------
        ApiError
            ``disk-failed``, or ``starting`` once the server stops.
        """
        upload, kept = self._on_loop(self._keep(upload), _PATIENCE) or (upload, False)
        if surely and self._closed:
            raise ApiError("starting", "The server is stopping.", retry_after=1)
        if surely and not kept:
            message = "The server cannot write down what it must know before it goes on."
            raise ApiError("disk-failed", message, retry_after=1)
        self._tell(upload)
        return upload

    def save_soon(self, upload: Upload) -> Upload:
        """Keep a record that the one before it stands for, should the process end before."""
        upload = self._on_loop(self._keep_soon(upload), _PATIENCE) or upload
        self._tell(upload)
        return upload

    def forget(self, upload_id: str) -> None:
        """Forget a record, if there is one."""
        self._on_loop(self._drop(upload_id), _FORGETTING)
        if self._sharing is not None:
            self._on_loop(self._sharing.drop(upload_id), _MIRROR)

    def _tell(self, upload: Upload) -> None:
        # A client that has its answer may come to another server next: so this one waits.
        if self._sharing is not None:
            self._on_loop(self._sharing.put(upload), _MIRROR)

    async def _keep(self, upload: Upload) -> tuple[Upload, bool]:
        upload = self._stamped(upload)
        return upload, not self._closed and await self._store.save_now(upload)

    async def _keep_soon(self, upload: Upload) -> Upload:
        upload = self._stamped(upload)
        if not self._closed:
            self._store.save(upload)
        return upload

    def _stamped(self, upload: Upload) -> Upload:
        # Of two records the later one counts, also where the clock was put back between them.
        self._latest = max(self._now(), self._latest + 1, upload.updated + 1)
        return replace(upload, updated=self._latest)

    async def _drop(self, upload_id: str) -> None:
        if not self._closed:
            await self._store.delete([upload_id])

    def _on_loop(self, work: Coroutine[Any, Any, T], limit: float) -> T | None:
        """Return what a coroutine returns; None if it takes longer, and then it goes on alone."""
        loop = self._loop
        try:
            begun = None if loop is None else asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:  # it is closed: the server has ended while a thread was at work
            begun = None
        if begun is None:
            work.close()
            return None
        with suppress(TimeoutError, CancelledError):
            return begun.result(limit)
        return None

"""An upload while the server runs: how far it is, and which request has it now."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.uploads.staged import RunningDigest
from jupyter_server_ext.uploads.tus import Standing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from jupyter_server_ext.model.upload import Upload

TAKE_OVER: Final = 5.0
"""Seconds that a request waits for the one before it to let go of the upload."""


@dataclass(slots=True, weakref_slot=True)
class Live:
    """An upload and what the running server knows of it.

    Parameters
    ----------
    deadline
        Monotonic seconds at which it expires.
    attempt
        How often it had to begin again, because the whole was not what it should be.
    claimed
        The offset that the request which runs has reached, or says that it will: for the quota.
    """

    upload: Upload
    offset: int
    deadline: float
    attempt: int = 0
    claimed: int = 0
    digest: RunningDigest = field(default_factory=RunningDigest)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    newest: int = 0
    interrupt: Callable[[ApiError], None] | None = None
    gone: bool = False
    turn: tuple[str, int] = ("", 0)
    """The last lease that this server had on it, where several share it."""

    @property
    def done(self) -> bool:
        """Whether the file has its name."""
        return self.upload.state == "done"

    @property
    def standing(self) -> Standing:
        """How far it is."""
        return Standing(self.offset, self.upload.length)

    @property
    def size(self) -> int:
        """The bytes that it takes of its owner's quota."""
        length = self.upload.length
        return max(self.offset, self.claimed) if length is None else length

    @property
    def complete(self) -> bool:
        """Whether all bytes are there."""
        return self.offset == self.upload.length

    def cut(self, size: int) -> None:
        """Note that somebody else has cut the file, if it has fewer bytes than were received.

        What was hashed may then not be what will come.
        """
        if size < self.offset:
            self.offset, self.digest = size, RunningDigest()
            self.attempt += 1

    @asynccontextmanager
    async def hold(
        self, interrupt: Callable[[ApiError], None] | None = None
    ) -> AsyncIterator[None]:
        """Have the upload for oneself: the newest request ends the one that runs.

        Parameters
        ----------
        interrupt
            Ends this request when a newer one comes; None for one that is short.

        Raises
        ------
        ApiError
            ``upload-locked``, if the other does not end in time; ``upload-taken-over``, if a newer
            one came already; ``upload-gone``.
        """
        self.newest += 1
        ticket = self.newest
        taken = ApiError("upload-taken-over", "A newer request goes on with this upload.")
        if self.interrupt is not None:
            self.interrupt(taken)
        try:
            async with asyncio.timeout(TAKE_OVER):
                await self.lock.acquire()
        except TimeoutError:
            message = "Another request is busy with this upload."
            raise ApiError("upload-locked", message, retry_after=1) from None
        try:
            if interrupt is not None and ticket != self.newest:
                raise taken
            if self.gone:
                raise ApiError("upload-gone", "The upload was removed.")
            self.interrupt = interrupt
            yield
        finally:
            self.interrupt = None
            self.lock.release()

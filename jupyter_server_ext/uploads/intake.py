"""One body on its way into one file: written and hashed at the same time, and judged at its end."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Final

import xxhash

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.streaming.receiving import receive
from jupyter_server_ext.uploads.staged import RunningDigest
from jupyter_server_ext.uploads.tusheaders import XXH128

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.streaming.body import Body
    from jupyter_server_ext.streaming.sending import Gate
    from jupyter_server_ext.uploads.capacity import CapacityLimiter
    from jupyter_server_ext.uploads.staged import StagedFile
    from jupyter_server_ext.uploads.tus import Append

_LARGE: Final = 256 * 1024
"""Bytes that are worth a second trip to a thread."""


class Intake:
    """Takes one body.

    Parameters
    ----------
    file
        Where it goes; its offset is that of `append`.
    digest
        Of the bytes before.
    append
        What was decided about it.
    limiter
        Runs what writes and hashes blocks.
    moved
        Called with each offset from which an interrupted upload would go on.
    """

    def __init__(
        self,
        *,
        file: StagedFile,
        digest: RunningDigest,
        append: Append,
        limiter: CapacityLimiter,
        moved: Callable[[int], None],
    ) -> None:
        self.digest = digest
        self._file = file
        self._append = append
        self._limiter = limiter
        self._moved = moved
        checksum = append.checksum
        self._checksum = None if checksum is None else _begin(checksum.algorithm)

    async def take(self, body: Body, gate: Gate) -> None:
        """Take the body; afterwards `file.offset` and `digest` are true, however it ended.

        Raises
        ------
        ApiError
            ``checksum-mismatch``, or as `receive` and `StagedFile.write`.
        StreamClosedError
            If the client has gone.
        """
        before = self.digest.copy()
        try:
            await receive(body, self._write, gate)
            self._compare()
        except BaseException as error:
            # With a checksum a body counts whole or not at all, and so does one that is too long.
            if self._checksum is not None or getattr(error, "code", "") == "too-large":
                self.digest = before
                await self._limiter.run(self._file.cut, self._append.offset)
            raise

    def _compare(self) -> None:
        wanted = self._append.checksum
        if wanted is None or self._checksum is None:
            return
        if self._checksum.digest() != wanted.digest:
            raise ApiError("checksum-mismatch", "The body is not what its checksum promises.")

    async def _write(self, data: memoryview) -> None:
        offset = self._file.offset
        if len(data) < _LARGE:
            await self._limiter.run(self._both, offset, data)
        else:
            calls = (
                self._limiter.run(self._file.write, data),
                self._limiter.run(self._hash, offset, data),
            )
            # Both end before the buffer is used again, whatever becomes of one of them.
            for result in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(result, BaseException):
                    # What was hashed may not be what is there: read it again at the end.
                    self.digest = RunningDigest()
                    raise result
        # With a checksum nothing of it is certain before its end.
        self._moved(self._append.offset if self._checksum is not None else self._file.offset)

    def _both(self, offset: int, data: memoryview) -> None:
        self._file.write(data)
        self._hash(offset, data)

    def _hash(self, offset: int, data: memoryview) -> None:
        # What a server before this one has taken is hashed beside what comes, so that whoever sends
        # the last byte does not have to wait for all of the file.
        self._file.catch_up(self.digest, offset)
        self.digest.feed(offset, data)
        if self._checksum is not None:
            self._checksum.update(data)


def _begin(algorithm: str) -> Any:
    return xxhash.xxh3_128() if algorithm == XXH128 else hashlib.new(algorithm)

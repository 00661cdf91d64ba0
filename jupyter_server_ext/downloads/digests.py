"""Digests of files: what a client asks for, and what was computed already."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from jupyter_server_ext.files.published import PublishedFile
    from progresswidget.protocol import Fingerprint

_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]*)=([0-9]{1,15})")
_REMEMBERED: Final = 4096
_AT_ONCE: Final = 2
"""Files that are read for their digest at a time: the other threads are for downloads."""


def weight(header: str | None) -> int | None:
    """Return how much a client wants the SHA-256: 1 to 10, 0 for not at all, None if unsaid.

    Parameters
    ----------
    header
        The field `Want-Repr-Digest` (RFC 9530 section 4), or None.
    """
    found = None
    for part in (header or "").split(","):
        member = _MEMBER.fullmatch(part.strip(" \t"))
        # RFC 9651 section 4.2: what cannot be read as a dictionary is ignored as a whole. A weight
        # above ten is outside the field's definition, and so is the field then.
        if member is None or int(member[2]) > 10:  # noqa: PLR2004 - RFC 9530 section 4
            return None
        if member[1] == "sha-256":
            found = int(member[2])
    return found


class Digests:
    """The digests of files by their fingerprints; each file is read once for all who ask.

    Parameters
    ----------
    readers
        Threads that read files.
    """

    def __init__(self, readers: Executor) -> None:
        self._readers = readers
        self._known: OrderedDict[Fingerprint, str] = OrderedDict()
        self._locks: WeakValueDictionary[Fingerprint, asyncio.Lock] = WeakValueDictionary()
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def sha256(self, file: PublishedFile, *, remember: bool) -> str:
        """Return the digest in hexadecimal.

        Parameters
        ----------
        remember
            Whether an equal fingerprint will mean equal bytes.

        Raises
        ------
        FileChangedError
            If the file was written to meanwhile.
        """
        key = file.fingerprint
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            found = self._known.get(key)
            if found is None or not remember:
                found = await self._compute(file)
            if remember:
                self._known[key] = found
                self._known.move_to_end(key)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found

    async def _compute(self, file: PublishedFile) -> str:
        loop: Any = asyncio.get_running_loop()
        async with self._turn:
            digest: str = await loop.run_in_executor(self._readers, file.sha256)
        return digest

"""``contents``: any regular file below the server's root, as it is now."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_server_ext.digests import weight
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.files import FileHandler, Representation
from jupyter_server_ext.mediatypes import media_type
from jupyter_server_ext.stores.files import FileChangedError, PublishedFile, open_below

if TYPE_CHECKING:
    from progresswidget.protocol import Fingerprint

_SETTLED: Final = 2.0
"""Seconds after which a modification time stands for the bytes: two writes may share one before."""


class ContentsHandler(FileHandler):
    """One file. Whoever may not read the server's contents elsewhere may not do it here."""

    @web.authenticated
    @authorized
    @authorized(resource="contents")  # type: ignore[untyped-decorator]
    async def get(self, path: str) -> None:
        """Send the file, or ranges of it."""
        await self._answer(path)

    @web.authenticated
    @authorized
    @authorized(resource="contents")  # type: ignore[untyped-decorator]
    async def head(self, path: str) -> None:
        """Send what GET would say of the whole file, without the file."""
        await self._answer(path)

    async def _answer(self, path: str) -> None:
        services = self.services
        opening = partial(open_below, services.root, path, allow_hidden=services.allow_hidden)
        with await self.in_thread(opening) as file:
            name = path.rpartition("/")[2]
            about = Representation(
                name,
                media_type(name),
                entity_tag(file.fingerprint, time.time()),
                file_id=f"contents/{path}",
            )
            await self.answer(file, about)

    async def sha256(self, file: PublishedFile, about: Representation) -> str | None:
        """Read the file for its digest, if the client asks for it (RFC 9530 section 4)."""
        if not weight(self.request.headers.get("Want-Repr-Digest")):
            return None
        try:
            return await self.services.digests.sha256(file, remember=about.is_strong)
        except FileChangedError:
            raise ApiError("not-ready", "The file is being written to.", retry_after=1) from None


def entity_tag(fingerprint: Fingerprint, now: float) -> str:
    """Return the tag of a file that was not exported, and whose digest nobody knows.

    Parameters
    ----------
    now
        Seconds since 1970. The tag is weak while the file is too young for its times to tell two
        writes apart (RFC 9110 section 8.8.1).
    """
    numbers = (
        fingerprint.inode,
        fingerprint.size,
        fingerprint.mtime_ns,
        fingerprint.ctime_ns,
    )
    tag = '"' + "-".join(f"{number:x}" for number in numbers) + '"'
    return tag if now - fingerprint.mtime_ns / 1e9 >= _SETTLED else f"W/{tag}"

"""``contents``: any regular file below the server's root, as it is now."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_server_ext.files.opening import open_below
from jupyter_server_ext.handlers.files import FileHandler, Representation
from jupyter_server_ext.http.mediatypes import media_type

if TYPE_CHECKING:
    from jupyter_server_ext.files.published import PublishedFile
    from jupyter_server_ext.services import Services
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
        with await open_contents(self.services, path) as file:
            await self.answer(file, represent(path, file))


async def open_contents(services: Services, path: str) -> PublishedFile:
    """Open a file below the server's root.

    Raises
    ------
    ApiError
        As `open_below`.
    """
    opening = partial(open_below, services.root, path, allow_hidden=services.allow_hidden)
    return await asyncio.get_running_loop().run_in_executor(services.readers, opening)


def represent(path: str, file: PublishedFile) -> Representation:
    """Say of an open file what its headers do."""
    name = path.rpartition("/")[2]
    tag = entity_tag(file.fingerprint, time.time())
    return Representation(name, media_type(name), tag, file_id=f"contents/{path}")


def strong(tag: str) -> str:
    """Return the tag that a file has when it is no longer young."""
    return tag.removeprefix("W/")


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

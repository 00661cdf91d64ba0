"""``api/conversions``: a file below the root written as another format, by a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_server_ext.conversions.offered import require_offered
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.names import check_path
from jupyter_server_ext.files.opening import open_below, open_folder_below
from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.handlers.owners import made, once
from jupyter_server_ext.http.mediatypes import media_type
from jupyter_server_ext.model.transfer import TOKEN_USER
from progresswidget.protocol import decode_conversion, is_readable, ordered, queued

if TYPE_CHECKING:
    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Json

MAX_BODY: Final = 64 * 1024


class ConversionHandler(Handler):
    """One conversion, to be run again."""

    max_body: ClassVar[int] = 1024

    @web.authenticated
    @authorized
    @authorized(action="read", resource="contents")  # type: ignore[untyped-decorator]
    @authorized(action="write", resource="contents")  # type: ignore[untyped-decorator]
    async def post(self, task_id: str) -> None:
        """Run it again, after it was interrupted or failed; the same job, as a new generation."""
        conversions, job = self.services.conversions, await self.visible(task_id)
        if job.conversion is not None and not job.active:
            wanted = job.conversion | {"overwrite": True}  # it may be our own file that is there
            await asyncio.to_thread(self.look, wanted)
        self._created(await conversions.again(job))

    def _created(self, job: Job) -> None:
        self.set_status(HTTPStatus.CREATED)
        self.set_header("Location", f"{self.base_url}progresswidget/api/jobs/{job.task_id}")
        self.finish(json.dumps(self.services.registry.public(job)))

    def look(self, order: Json) -> None:
        """Look whether the file can be read and the other one written; to be called in a thread.

        Raises
        ------
        ApiError
            As `open_below` and `open_folder_below`; ``name-refused``, ``not-readable-data``,
            ``not-writable``, ``target-exists`` or ``malformed``.
        """
        root, hidden = os.path.realpath(self.services.root), self.services.allow_hidden
        if not is_readable(order["source"]):
            raise ApiError("not-readable-data", "The file is of no kind that is read as a table.")
        with open_below(root, order["source"], allow_hidden=hidden) as source:
            read = os.fstat(source.descriptor)
        parts = order["target"].split("/")
        check_path(parts, hidden=hidden)
        folder = open_folder_below(root, "/".join(parts[:-1]), allow_hidden=hidden)
        try:
            _require_place(folder, parts[-1], read, overwrite=order["overwrite"])
        finally:
            os.close(folder)


def _require_place(folder: int, name: str, read: os.stat_result, *, overwrite: bool) -> None:
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder):
        raise ApiError("not-writable", "The server may not write there.")
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        # The engine would follow a link.
        raise ApiError("not-a-file", "Something that is no regular file has this name.")
    if os.path.samestat(found, read):
        raise ApiError("malformed", "A file cannot be converted into itself.")
    if not overwrite:
        raise ApiError("target-exists", "There is a file of this name already.")


class ConversionsHandler(ConversionHandler):
    """All conversions: what there can be, and a new one."""

    max_body: ClassVar[int] = MAX_BODY

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the formats, with what is installed of them."""
        self.finish(json.dumps(await self.services.conversions.offers()))

    @web.authenticated
    @authorized
    @authorized(action="read", resource="contents")  # type: ignore[untyped-decorator]
    @authorized(action="write", resource="contents")  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        """Make a job for it, which begins when it is its turn."""
        services, order = self.services, decode_conversion(self.body)
        async with once(self, {"conversions": order}) as making:
            if not making.again:
                await asyncio.to_thread(self.look, order)
                user = None if self.user_id == TOKEN_USER else self.user_id
                with services.conversions.room(user):
                    offered = require_offered(order, await services.conversions.offers())
                    await self._make(making.identity, offered, user)
        job = await made(partial(services.registry.get, making.identity))
        if making.again:
            # Whoever made it may see it no more.
            job = await self.visible(job.task_id)
        self._created(job)

    async def _make(self, task_id: str, order: Json, user: str | None) -> None:
        services, name = self.services, order["target"].rpartition("/")[2]
        row = {
            "name": name,
            "path": services.conversions.path_of(order["target"]),
            "format": order["format"],
            "mediaType": media_type(name),
        }
        report = queued(task_id, ordered(row), services.hub.timestamp())
        if not await self.may("write", {**report, "notebook": None, "userId": user}):
            raise ApiError("forbidden", "You may not make this job.")
        services.conversions.begin(await services.registry.order(report, user, order))

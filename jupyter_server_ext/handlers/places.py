"""``api/jobs/<id>/place``: where a kernel without our disk is to send its file, and that it has.

The bytes themselves come through ``uploads``, as any upload. Before, the kernel asks for the place;
afterwards it says what must be there, and from then on the job's file is the one that is here.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from jupyter_server.auth.decorator import allow_unauthenticated

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.opening import open_below
from jupyter_server_ext.files.published import FileChangedError
from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.logs import about_request
from jupyter_server_ext.uploads import places
from jupyter_server_ext.uploads.folders import make_folders
from progresswidget.protocol import MAX_PATH, Place, decode_place

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.protocol import Fingerprint

T = TypeVar("T")

_MOST: Final = 8 * MAX_PATH
"""Bytes of a request: two paths, each of whose characters JSON may write in six."""


class PlaceHandler(Handler):
    """The place of one job's file on this server. For kernels only."""

    max_body: ClassVar[int] = _MOST

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate by the kernels' secret."""
        await self.admit(self.prepare_kernel())

    def check_xsrf_cookie(self) -> None:
        """Check nothing: what no cookie opens none can forge."""

    @allow_unauthenticated  # by jupyter_server's means: prepare() has seen the secret
    async def put(self, task_id: str) -> None:
        """Say where the file goes and whether it is there."""
        services = self.services
        job = services.registry.get(task_id)
        wanted = decode_place(self.body)
        if wanted.path is None:
            notebook = await services.notebooks.of(job.kernel_id) or job.notebook
            parts = places.place(notebook, wanted.relative, hidden=services.allow_hidden)
            await self._in_thread(partial(make_folders, services.roots[0], parts[:-1]))
            path = "/".join(parts)
        else:
            path = wanted.path
        found = None if wanted.sha256 is None else await self._find(path, wanted)
        if found is not None:
            root = services.roots[0].rstrip("/")
            await services.registry.place(task_id, f"{root}/{path}", found)
        self.finish(json.dumps({"path": path, "there": found is not None}))

    async def _find(self, path: str, wanted: Place) -> Fingerprint | None:
        try:
            return await self._in_thread(partial(self._look, path, wanted))
        except (ApiError, FileChangedError) as error:
            extra = about_request("file-awaited", self.request.path)
            self.log.debug("The file of a kernel is not there yet: %s", error, extra=extra)
            return None

    def _look(self, path: str, wanted: Place) -> Fingerprint | None:
        services = self.services
        with open_below(services.roots[0], path, allow_hidden=services.allow_hidden) as file:
            same = file.fingerprint.size == wanted.size and file.sha256() == wanted.sha256
            return file.fingerprint if same else None

    async def _in_thread(self, call: Callable[[], T]) -> T:
        loop: Any = asyncio.get_running_loop()
        result: T = await loop.run_in_executor(self.services.readers, call)
        return result

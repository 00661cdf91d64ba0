"""``api/jobs/<id>/counts``: what workers without our disk have counted for a loop of a kernel.

The kernel asks for what lets them say so, and for nothing else of this job or another one; it hears
what they have said in the reply to its own reports.
"""

from __future__ import annotations

import json
from typing import ClassVar, Final

from jupyter_server.auth.decorator import allow_unauthenticated

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.jobs.capabilities import capability
from progresswidget.protocol import decode_count, is_task_id

_MOST: Final = 1024
"""Bytes of a request."""
_NO_TASK_ID: Final = "A task id is 32 lower-case hexadecimal digits."


class CountsHandler(Handler):
    """What lets count for a job. For kernels only."""

    max_body: ClassVar[int] = _MOST

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate by the kernels' secret."""
        await self.admit(self.prepare_kernel())

    def check_xsrf_cookie(self) -> None:
        """Check nothing: what no cookie opens none can forge."""

    @allow_unauthenticated  # by jupyter_server's means: prepare() has seen the secret
    async def post(self, task_id: str) -> None:
        """Return it, also of a job that is still to be told of."""
        if not is_task_id(task_id):
            raise ApiError("malformed", _NO_TASK_ID)
        self.set_header("Cache-Control", "no-store")
        lets = capability(self.services.links.read_key(), task_id, "count")
        self.finish(json.dumps({"capability": lets}))


class CountHandler(Handler):
    """What one worker has counted."""

    max_body: ClassVar[int] = _MOST

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate by what lets count for this job, or as a kernel."""
        task_id, _ = self.path_args
        own = self.is_reporter
        counter = self.prepare_reporter(task_id, "count") if own else self.prepare_kernel()
        await self.admit(counter)

    def check_xsrf_cookie(self) -> None:
        """Check nothing: what no cookie opens none can forge."""

    @allow_unauthenticated  # by jupyter_server's means: prepare() has seen the secret
    async def put(self, task_id: str, worker: str) -> None:
        """Take the whole count of a worker; it may come twice, and before the job is told of."""
        if not is_task_id(task_id):
            raise ApiError("malformed", _NO_TASK_ID)
        if self.services.at_work(task_id) is False:
            raise ApiError("task-ended", "The job has ended: nothing is counted for it any more.")
        steps, used = decode_count(worker, self.body)
        await self.services.count(task_id, worker, steps, used=used)
        self.set_status(204)
        self.finish()

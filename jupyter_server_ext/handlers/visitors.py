"""Who asks, and what they may see and do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from jupyter_core.utils import ensure_async
from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION

from jupyter_server_ext.errors import ApiError, job_not_found
from jupyter_server_ext.handlers.errors import ErrorsMixin
from jupyter_server_ext.http.access import JobResource, is_invented
from jupyter_server_ext.model.transfer import TOKEN_USER

if TYPE_CHECKING:
    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Json

_START: Final = 10.0
"""Seconds that a request waits for the server to come up."""


class VisitorMixin(ErrorsMixin):
    """The person behind a request, and the jobs that are theirs to see."""

    @property
    def user_id(self) -> str:
        """Whose request it is: the user's name, or `TOKEN_USER`.

        jupyter_server invents a person for whoever brings nothing but a token or a password: all of
        them are one and the same for us. The identity provider of a hub knows who it is.
        """
        user = self.current_user
        return TOKEN_USER if is_invented(user) else str(user.username)

    async def visible(self, task_id: str) -> Job:
        """Return a job, if the user may do with it what the request is for.

        Raises
        ------
        ApiError
            ``task-not-found``, also for a job that the user may not see; ``forbidden``.
        """
        job = self.services.registry.get(task_id)
        if not await self.may("read", self.services.registry.public(job)):
            raise job_not_found()
        action = HTTP_METHOD_TO_AUTH_ACTION[str(self.request.method)]
        if action != "read" and not await self.may(action, self.services.registry.public(job)):
            raise ApiError("forbidden", "You may only look at this job.")
        return job

    async def may(self, action: str, record: Json) -> bool:
        """Say whether the user may do something with a job, by its public record."""
        asked = self.authorizer.is_authorized(self, self.current_user, action, JobResource(record))
        return bool(await ensure_async(asked))

    async def may_hear(self, transfer: Json) -> bool:
        """Say whether the user may be told of a transfer, which may be one of a job's file."""
        topic = self.services.hub.topic(transfer.get("taskId") or "")
        return topic is None or await self.may("read", topic.data)

    def check_origin(self, *origin: str) -> bool:
        """Say whether the page that asks is one of this server's, or of those that are allowed."""
        try:
            return super().check_origin(*origin)
        except ValueError:  # no address: ``http://[::1``
            return False

    def skip_check_origin(self) -> bool:
        """Never, and not for a token either: a page of another origin may hold one too."""
        return False

    async def wait_until_started(self) -> None:
        """Wait for the jobs to be loaded.

        Raises
        ------
        ApiError
            ``starting``, if that takes too long or the server is about to end.
        """
        if not self.services.started.is_set():
            try:
                async with asyncio.timeout(_START):
                    await self.services.started.wait()
            except TimeoutError:
                raise ApiError("starting", "Not up yet.", retry_after=1) from None
        if self.services.stopping:
            raise ApiError("starting", "The server is stopping.", retry_after=1)

"""For users, and for the kernels of this server: both may make what is theirs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from jupyter_core.utils import ensure_async
from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from tornado import web

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.http.idempotency import parse_key
from jupyter_server_ext.model.transfer import TOKEN_USER

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from jupyter_server_ext.http.idempotency import Making
    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Json

T = TypeVar("T")


class OwnerHandler(Handler):
    """Lets in whoever has signed in and may do it, or brings the kernels' secret."""

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate and authorise, by the kernels' secret or as a user."""
        await self.admit(self.prepare_kernel() if self.is_kernel else self._prepare_owner())

    async def _prepare_owner(self) -> None:
        await self._prepare_user()
        user, action = self.current_user, HTTP_METHOD_TO_AUTH_ACTION[str(self.request.method)]
        if user is None or not await ensure_async(
            self.authorizer.is_authorized(self, user, action, self.auth_resource)
        ):
            raise web.HTTPError(403)

    def check_xsrf_cookie(self) -> None:
        """Check as jupyter_server does, but for kernels: what no cookie opens none can forge."""
        if not self.is_kernel:
            super().check_xsrf_cookie()

    async def visible(self, task_id: str) -> Job:
        """Return a job that the user may see; a kernel has shown that it belongs here."""
        if self.is_kernel:
            return self.services.registry.get(task_id)
        return await super().visible(task_id)

    @property
    def user_id(self) -> str:
        """Who asks; a kernel is one of the server's own people."""
        return TOKEN_USER if self.is_kernel else super().user_id


_LATE: Final = 1.0
"""Seconds within which one server hears of what another has made."""
_LOOK: Final = 0.02


def once(handler: Handler, request: Json) -> AbstractAsyncContextManager[Making]:
    """Make what a request asks for, or find what it has made before under the same key.

    Parameters
    ----------
    request
        What makes it another request: the address belongs to it.

    Raises
    ------
    ApiError
        As `idempotency.parse_key` and `Idempotency.once`.
    """
    # Not by what the request says of itself: a user's may claim to come from a kernel, too.
    owner = "kernel" if handler.current_user is None else f"user {handler.user_id}"
    key = parse_key(handler.request.headers)
    return handler.services.idempotency.once(owner, key, request)


async def made(look: Callable[[], T]) -> T:
    """Return what was made before, maybe by another server just now.

    Parameters
    ----------
    look
        Returns it, or raises `ApiError`.

    Raises
    ------
    ApiError
        ``made-gone``.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + _LATE
    while True:
        try:
            return look()
        except ApiError:
            if loop.time() >= end:
                raise ApiError("made-gone", "What was made has been removed.") from None
        await asyncio.sleep(_LOOK)

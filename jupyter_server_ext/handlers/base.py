"""What all handlers share: who is let in, and how much of a body is taken."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.visitors import VisitorMixin
from jupyter_server_ext.http.access import AUTH_RESOURCE
from jupyter_server_ext.jobs.capabilities import opens
from progresswidget.protocol import AUTHORIZATION_SCHEME, JOB_SCHEME

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tornado.httputil import HTTPServerRequest

    from jupyter_server_ext.jobs.capabilities import Deed
    from jupyter_server_ext.services import Services

_LINK: Final = re.compile(r"[A-Za-z0-9_%~.-]{60,}")
"""What a signed link could be, also one that somebody has spoilt."""
_DROP: Final = 1024 * 1024
"""Bytes of a refused body that are read and dropped, so that the connection can be kept."""
_DROP_WITHIN: Final = 5.0
"""Seconds that a client gets to send them."""


def hide_link(request: HTTPServerRequest) -> None:
    """Take what may be a signed link out of a request, before anybody can log it.

    jupyter_server logs the address of every request, and of a failed one some headers too.
    """
    request.uri = _LINK.sub("[secret]", request.uri or "")
    request.path = _LINK.sub("[secret]", request.path)
    request.headers.pop("Referer", None)


@web.stream_request_body
class Handler(VisitorMixin, APIHandler):
    """A handler for a signed-in user.

    Bodies are taken as a stream, so that a request is refused before its body is read, and no more
    than `max_body` bytes of it are ever held.
    """

    auth_resource: ClassVar[str] = AUTH_RESOURCE
    max_body: ClassVar[int] = 0

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate as jupyter_server does, and refuse what is too large."""
        await self.admit(self._prepare_user())

    async def _prepare_user(self) -> None:
        await super().prepare()
        self.check_length()
        await self.wait_until_started()

    @property
    def is_kernel(self) -> bool:
        """Whether the request claims to come from a kernel, by the secret of the endpoint file."""
        return self._has_scheme(AUTHORIZATION_SCHEME)

    @property
    def is_reporter(self) -> bool:
        """Whether the request claims to come from who has a capability of one job only."""
        return self._has_scheme(JOB_SCHEME)

    def _has_scheme(self, scheme: str) -> bool:
        found = self.request.headers.get("Authorization", "").partition(" ")[0]
        return found.lower() == scheme.lower()

    async def prepare_kernel(self) -> None:
        """Check the kernels' secret in the place of a user.

        Raises
        ------
        ApiError
            ``kernel-secret-required``, ``kernel-secret-wrong``, ``forbidden``, or as
            `check_length` and `wait_until_started`.
        """
        self._refuse_users()
        secret = self.shown_secret
        if not self.is_kernel or not secret:
            raise ApiError("kernel-secret-required", "Only kernels are served here.")
        if not self.services.is_secret(secret):
            raise ApiError("kernel-secret-wrong", "This is not the secret of this server.")
        self.check_origin()
        self.check_length()
        await self.wait_until_started()

    async def prepare_reporter(self, task_id: str, deed: Deed) -> None:
        """Check the capability of one job for a deed in the place of a user.

        Raises
        ------
        ApiError
            ``capability-wrong``, ``forbidden``, or as `check_length` and `wait_until_started`.
        """
        self._refuse_users()
        await self.wait_until_started()  # the key is read meanwhile
        if not opens(self.services.links.read_key(), task_id, deed, self.shown_secret):
            raise ApiError("capability-wrong", f"This does not let {deed} for this job.")
        self.check_origin()
        self.check_length()

    def _refuse_users(self) -> None:
        # No user: neither cookie nor token counts here, and so there is no XSRF to guard against.
        self.current_user = self._jupyter_current_user = None
        if not self.check_host():
            raise ApiError("forbidden", "This host name is not served.")

    @property
    def shown_secret(self) -> str:
        """What follows the scheme of ``Authorization``."""
        return self.request.headers.get("Authorization", "").partition(" ")[2].strip()

    async def admit(self, checks: Awaitable[None]) -> None:
        """Do the checks that come before the body; if one refuses, get the body out of the way."""
        self._body = bytearray()
        self._refused = False
        connection: Any = self.request.connection
        # One byte more than is allowed: the refusal is ours, in JSON, and not a cut connection.
        connection.set_max_body_size(self.max_body + 1)
        try:
            await checks
        except Exception:
            self._refused = True
            await self._drop_body()
            raise

    def check_origin(self, *origin: str) -> bool:
        """Refuse pages of other origins, unless the server's settings allow them.

        Raises
        ------
        ApiError
            ``origin-forbidden``.
        """
        if not super().check_origin(*origin):
            raise ApiError("origin-forbidden", "Pages of other origins are not served.")
        return True

    def check_length(self) -> None:
        """Refuse a body that is announced to be too large."""
        if self._length > self.max_body:
            raise ApiError("too-large", f"A body of at most {self.max_body} bytes is taken.")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the error as JSON, and say so if the connection ends with it."""
        # RFC 9112 section 9.6: tornado cuts a connection whose request was not read to its end.
        if not self._body_future.done():
            self.set_header("Connection", "close")
        super().write_error(status_code, **kwargs)

    @property
    def _length(self) -> int:
        length = self.request.headers.get("Content-Length", "0")
        return int(length) if length.isdigit() else 0

    @property
    def _body_future(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self.request._body_future  # noqa: SLF001 - no other way
        return future

    async def _drop_body(self) -> None:
        headers = self.request.headers
        if self._length > _DROP or "Transfer-Encoding" in headers or "Expect" in headers:
            return
        connection: Any = self.request.connection
        connection.set_max_body_size(_DROP)
        # As tornado does after `prepare`: this lets the body come.
        prepared: Any = self._prepared_future
        if not prepared.done():
            prepared.set_result(None)
        await asyncio.wait({self._body_future}, timeout=_DROP_WITHIN)
        if self._body_future.done():
            with suppress(StreamClosedError):
                self._body_future.result()

    def data_received(self, chunk: bytes) -> None:
        """Collect the body."""
        if not self._refused:
            self._body += chunk

    @property
    def body(self) -> bytes:
        """The body of the request.

        Raises
        ------
        ApiError
            ``too-large``, for a body that did not tell its length beforehand.
        """
        if len(self._body) > self.max_body:
            raise ApiError("too-large", f"A body of at most {self.max_body} bytes is taken.")
        return bytes(self._body)


class NotFoundHandler(Handler):
    """Any other address below ours."""

    def initialize(self, services: Services) -> None:
        """Forget what may have been meant for a signed link."""
        super().initialize(services)
        hide_link(self.request)

    # `authorized` without an action remembers the first method it sees, and would be wrong for the
    # others: looking for what is not there is reading, whatever the verb.
    @web.authenticated
    @authorized(action="read")  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Say that there is nothing here."""
        raise ApiError("not-found", "There is nothing at this address.")

    head = post = put = patch = delete = get

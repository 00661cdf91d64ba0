"""What all addresses of tus share: who is let in, the body, and refusals that reach their sender.

Bodies are received while a request is prepared (see `receiving`); by then everything is checked
that can be: who asks, what for, and whether there is room.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from tornado import web
from tornado.iostream import StreamClosedError

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.http.ranges import http_date
from jupyter_server_ext.logs import about
from jupyter_server_ext.model.transfer import TOKEN_USER
from jupyter_server_ext.streaming.body import Body
from jupyter_server_ext.uploads import tus, tusheaders

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from jupyter_server_ext.transfers.moving import Transfer
    from jupyter_server_ext.uploads.live import Live

_LINGER: Final = 5.0
"""Seconds that a client gets to notice a refusal while it is still sending."""
_LINGER_BYTES: Final = 256 * 1024 * 1024
_DROP: Final = 256 * 1024
"""Bytes of a refused body that are read first, so that the connection can be kept."""


class TusHandler(Handler):
    """What all addresses of uploads share. A user or a kernel: each sees its own uploads only."""

    _reader: Body | None = None
    _live: Live | None = None
    _user: str = TOKEN_USER
    """Who is told of the transfer, and whose share of the traffic it takes."""
    _owner: str = ""
    """Whose upload it is."""

    def set_default_headers(self) -> None:
        """Name the protocol in every answer, refusals too."""
        super().set_default_headers()
        self.set_header("Tus-Resumable", tusheaders.VERSION)
        self.set_header("Cache-Control", "no-store")

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate, check everything that comes before the body, and take the body."""
        if self.is_kernel:
            await self.admit(self._prepare_kernel())
        else:
            await self.admit(self._prepare_owner())

    async def _prepare_kernel(self) -> None:
        await self.prepare_kernel()
        # A kernel is one of the server's own people, but what others upload is not its business.
        self._user, self._owner = TOKEN_USER, "kernel"
        await self._begin()

    async def _prepare_owner(self) -> None:
        await self._prepare_user()
        user = self.current_user
        if user is None:
            raise web.HTTPError(403)
        # `authorized` would ask when the body has been read.
        action = HTTP_METHOD_TO_AUTH_ACTION[str(self.request.method)]
        # Whoever may not write the server's contents elsewhere may not do it here.
        for resource in (self.auth_resource, "contents"):
            asked = self.authorizer.is_authorized(self, user, action, resource)
            if not await ensure_async(asked):
                raise web.HTTPError(403)
        self._user = self.user_id
        self._owner = f"user {self._user}"
        await self._begin()

    async def _begin(self) -> None:
        self._reader = Body(self.request, idle=self.services.upload_idle_timeout)
        if self.request.method != "OPTIONS":
            tusheaders.require_version(self.request.headers)
        await self.receive()
        # What was not asked for is got out of the way.
        await self._drop(self._reader)
        if not self._reader.ended:
            raise ApiError("too-large", "No body is expected here.")
        self._reader.close()

    async def receive(self) -> None:
        """Take the body of the request."""

    def check_length(self) -> None:
        """Leave it to `receive`: every address has a limit of its own."""

    async def admit(self, checks: Awaitable[None]) -> None:
        """Do the checks and take the body; a refusal reaches also who is still sending."""
        try:
            await checks
        except StreamClosedError:
            task_id = None if self._live is None else self._live.upload.creation.task_id
            self.log.debug("The client left an upload", extra=about("upload-left", task_id))
            self.set_status(499, "Client Closed Request")
            self._give_up(self._reader)
            self.finish()
        except Exception as error:  # noqa: BLE001 - raised again, or told to the client
            self._complete(error)
            if self._reader is None:
                # Nobody who may be here: no more of it is read than of any other request.
                await super().admit(_raise(error))
            await self._refuse(self._reader, error)

    def _complete(self, error: Exception) -> None:
        # Whatever is refused, a client learns where it may go on.
        if self._live is not None and isinstance(error, ApiError):
            error.headers.setdefault("Upload-Offset", str(self._live.offset))
            if self.request.method == "POST":
                error.headers.setdefault("Location", self._live.upload.id)

    async def _refuse(self, body: Body | None, error: Exception) -> None:
        if body is None:
            return
        await self._drop(body)
        if body.ended:
            # The connection can be kept if tornado is told that the request was read to its end.
            body.close()
            await self._drop_body()
            raise error
        self.log_exception(type(error), error, error.__traceback__)
        self.clear()
        status = error.status_code if isinstance(error, web.HTTPError) else 500
        await self._finish_early(body, self.error_text(status, error))

    async def _drop(self, body: Body) -> None:
        if body.length is not None and body.length <= _DROP and not body.awaited:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LINGER):
                    await body.discard(_DROP)

    async def _finish_early(self, body: Body, text: str = "") -> None:
        # RFC 9112 section 9.6: closing while the client sends may reset the connection before it
        # has read the answer. So the answer goes first, and then a while is spent on listening.
        self.set_header("Connection", "close")
        self.set_header("Content-Length", str(len(text.encode())))
        self.write(text)
        with suppress(StreamClosedError, TimeoutError):
            await self.flush()
            if body.usable and not body.awaited:
                async with asyncio.timeout(_LINGER):
                    await body.discard(_LINGER_BYTES)
        self._give_up(body)
        self.finish()

    def _give_up(self, body: Body | None) -> None:
        # `finish` before the end of `prepare` makes tornado close the connection: what is left of
        # the body is never taken for another request.
        if body is not None:
            body.close()

    def describe(self, live: Live) -> None:
        """Tell how far an upload is, and where the file is when it is done."""
        self.set_header("Upload-Offset", str(live.offset))
        # RFC 9110 section 5.6.7
        self.set_header("Upload-Expires", http_date(self.services.uploads.expires(live)))
        if live.done and live.upload.sha256 is not None:
            digest = base64.b64encode(bytes.fromhex(live.upload.sha256)).decode()
            path = quote(live.upload.path, safe="/")
            self.set_header("Content-Location", f"{self.base_url}progresswidget/contents/{path}")
            self.set_header("Repr-Digest", f"sha-256=:{digest}:")

    async def take(self, live: Live, append: tus.Append, body: Body) -> None:
        """Receive a body into an upload that is held."""
        services, attempt = self.services, live.attempt
        gate = services.shaper.open(self._user)
        transfer = self._transfer(live, append.length, append.offset)
        cut = True
        try:
            await services.uploads.appender.append(live, append, body, gate, transfer)
            cut = False
        finally:
            gate.close()
            transfer.end(complete=live.done, cut=cut)
            if live.attempt != attempt:
                self._transfer(live, append.length, 0).end(complete=False, cut=False)

    def _transfer(self, live: Live, size: int | None, offset: int) -> Transfer:
        upload = live.upload
        transfer = self.services.transfers.begin(
            user=self._user,
            file_id=upload.id,
            name=upload.name,
            size=size,
            # Of an upload the server knows what there is, whatever it was told before.
            offset=0,
            direction="upload",
            task_id=upload.creation.task_id,
            version=str(live.attempt),
        )
        transfer.stands(offset)
        return transfer

    @allow_unauthenticated  # by jupyter_server's means: `prepare` has seen who it is
    def options(self, *_: Any, **__: Any) -> None:
        """Tell what this server can do."""
        self.set_header("Tus-Version", tusheaders.VERSION)
        self.set_header("Tus-Extension", ",".join(tus.EXTENSIONS))
        self.set_header("Tus-Max-Size", str(self.services.uploads.limits.size))
        self.set_header("Tus-Checksum-Algorithm", ",".join(tusheaders.ALGORITHMS))
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()


async def _raise(error: Exception) -> None:
    raise error

"""``uploads``: tus 1.0.0, so that an upload goes on where it was, whatever cut it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web
from tornado.iostream import StreamClosedError

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.tus import TusHandler
from jupyter_server_ext.http.idempotency import parse_key
from jupyter_server_ext.model.upload import is_upload_id
from jupyter_server_ext.uploads import tus, tusheaders

if TYPE_CHECKING:
    from jupyter_server_ext.streaming.body import Body
    from jupyter_server_ext.uploads.live import Live


class UploadsHandler(TusHandler):
    """All uploads: a new one is created here."""

    async def receive(self) -> None:
        """Create an upload, and take its first bytes if they came along."""
        if self.request.method != "POST" or self._reader is None:
            return
        services, headers, body = self.services, self.request.headers, self._reader
        uploads = services.uploads
        room = uploads.room(self._owner)
        creation = tusheaders.parse_creation(
            headers, max_size=uploads.limits.size, hidden=services.allow_hidden
        )
        key = parse_key(headers)
        first = None
        if not body.ended:
            first = tus.decide_first(headers, creation.length, body=body.length, max_size=room)
        live, new = await uploads.create(self._owner, creation, key)
        self._live = live
        async with uploads.hold(live, body.interrupt):
            if first is not None and live.offset == 0 and not live.done:
                await self._take_first(live, first, body)
            else:
                await uploads.appender.publish(live)
        self._location(live)
        if not new:
            await self._drop(body)
        if not body.ended:
            # The same request again: its first bytes are here already.
            await self._finish_early(body)

    async def _take_first(self, live: Live, first: tus.Append, body: Body) -> None:
        try:
            await self.take(live, first, body)
        except StreamClosedError:
            # Who has left without its address, and has no key either, will never find it again.
            if live.upload.idempotency_key is None:
                await self.services.uploads.remove(live)
            raise

    def _location(self, live: Live) -> None:
        # Relative: the server may be known by another name or port on the way, or tomorrow.
        self.set_status(HTTPStatus.CREATED)
        self.set_header("Location", live.upload.id)
        self.describe(live)

    @allow_unauthenticated  # by jupyter_server's means: `prepare` has seen who it is
    async def post(self) -> None:
        """Answer: `receive` has done it."""
        self.finish()


class UploadHandler(TusHandler):
    """One upload."""

    @property
    def verb(self) -> str:
        """The method that is meant: some clients can send no other than POST."""
        method = str(self.request.method)
        meant = self.request.headers.get("X-HTTP-Method-Override", "")
        return meant if method == "POST" and meant in {"PATCH", "DELETE"} else method

    async def receive(self) -> None:
        """Take more bytes, if that is what is asked."""
        if self.verb != "PATCH" or self._reader is None:
            return
        uploads, body = self.services.uploads, self._reader
        live = self._live = await self._find()
        async with uploads.hold(live, body.interrupt):
            append = tus.decide_append(
                self.request.headers,
                live.standing,
                body=body.length,
                max_size=uploads.room(self._owner, live) if not live.done else live.offset,
            )
            if not live.done:
                await self.take(live, append, body)

    async def _find(self) -> Live:
        (upload_id,) = self.path_args
        if not is_upload_id(upload_id):
            raise ApiError("upload-not-found", "There is no such upload.")
        return await self.services.uploads.find(upload_id, self._owner)

    @allow_unauthenticated  # by jupyter_server's means: `prepare` has seen who it is
    async def head(self, _: str) -> None:
        """Tell how far the upload is; a PATCH that runs ends with that."""
        live, uploads = await self._find(), self.services.uploads
        async with uploads.hold(live):
            await uploads.look(live)
        upload = live.upload
        if upload.length is None:
            self.set_header("Upload-Defer-Length", "1")
        else:
            self.set_header("Upload-Length", str(upload.length))
        if upload.creation.metadata:
            self.set_header("Upload-Metadata", upload.creation.metadata)
        self.describe(live)
        self.finish()

    @allow_unauthenticated  # by jupyter_server's means: `prepare` has seen who it is
    async def patch(self, _: str) -> None:
        """Answer: `receive` has done it."""
        self.set_status(HTTPStatus.NO_CONTENT)
        self.describe(await self._find())
        self.finish()

    @allow_unauthenticated  # by jupyter_server's means: `prepare` has seen who it is
    async def delete(self, _: str) -> None:
        """End an upload and drop its bytes; a finished file stays."""
        live, uploads = await self._find(), self.services.uploads
        async with uploads.hold(live):
            await uploads.remove(live)
        self.services.tally.compensations["withdrawn"] += 1
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()

    @allow_unauthenticated  # by jupyter_server's means: `prepare` has seen who it is
    async def post(self, upload_id: str) -> None:
        """Do what `X-HTTP-Method-Override` says."""
        verbs: dict[str, Any] = {"PATCH": self.patch, "DELETE": self.delete}
        if self.verb not in verbs:
            raise web.HTTPError(405)
        await verbs[self.verb](upload_id)

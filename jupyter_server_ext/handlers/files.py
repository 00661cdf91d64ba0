"""What every address of a file has in common: conditions, ranges, headers, and the sending."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.iostream import StreamClosedError

from jupyter_server_ext.downloads.digests import weight
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.published import FileChangedError, PublishedFile
from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.http.conditions import Validators, judge_unnamed
from jupyter_server_ext.http.ranges import (
    ByteRange,
    Multipart,
    content_disposition,
    content_type,
    decide,
    http_date,
)
from jupyter_server_ext.logs import about_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.streaming.sending import Body
    from jupyter_server_ext.transfers.moving import Transfer
    from jupyter_server_ext.transfers.shaping import Gate

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Representation:
    """What the headers say of a file.

    Parameters
    ----------
    name
        Under which it is saved.
    media_type
        Of its bytes; what is no media type becomes the unknown one.
    etag
        With its quotes, weak if it begins with ``W/``.
    sha256
        In hexadecimal, where it is known.
    file_id
        What its transfers are known by, None if nobody follows them; see `Transfers.begin`.
    task_id
        The job whose file it is.
    """

    name: str
    media_type: str
    etag: str
    sha256: str | None = None
    file_id: str | None = None
    task_id: str | None = None

    @property
    def is_strong(self) -> bool:
        """Whether equal tags mean equal bytes."""
        return not self.etag.startswith("W/")


class FileHandler(Handler):
    """Sends one open file: the handlers below it say which."""

    _outgoing: Body | None = None

    @property
    def content_security_policy(self) -> str:
        """Nothing in a file may run as a page of this server."""
        return f"{super().content_security_policy}; sandbox"

    def compute_etag(self) -> None:
        """Leave the entity tag to us: tornado would hash the body."""

    def check_etag_header(self) -> bool:
        """Leave the preconditions to `ranges.decide`."""
        return False

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate, and leave the bytes as they are."""
        # A server may be set to compress; that would change the bytes, the length and the tag.
        self._transforms = []
        await super().prepare()

    def on_connection_close(self) -> None:
        """Stop sending."""
        if self._outgoing is not None:
            self._outgoing.gone()
        super().on_connection_close()

    @allow_unauthenticated
    def options(self, *arguments: str, **more: str) -> None:
        """Say what can be done here, to a browser that asks before it signs in, too.

        RFC 9110 section 9.3.7; no file is looked at.
        """
        super().options(*arguments, **more)
        self.set_status(HTTPStatus.NO_CONTENT)
        self.set_header("Allow", ", ".join(self.methods()))
        self.set_header("Accept-Ranges", "bytes")

    async def answer(self, file: PublishedFile, about: Representation) -> None:
        """Send the file, a part of it, or why not."""
        size, now = file.fingerprint.size, time.time()
        # RFC 9110 section 8.8.2.1: never a modification date in the future.
        modified = min(file.fingerprint.mtime_ns // 1_000_000_000, int(now))
        validators = Validators(about.etag, modified, now)
        is_head = self.request.method == "HEAD"
        decision = decide(self.request.headers, size, validators, head=is_head)
        if decision.outcome == "failed":
            raise _failed()
        if decision.outcome == "unsatisfiable":
            fields = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
            message = f"The file has {size} bytes."
            raise ApiError("range-not-satisfiable", message, headers=fields)
        self._describe(about, validators)
        if decision.outcome != "not-modified":
            await self._describe_digest(file, about)
        if decision.outcome == "not-modified":
            self.set_status(HTTPStatus.NOT_MODIFIED)
            self.finish()
        elif len(decision.ranges) > 1:
            media_type = content_type(about.media_type)
            parts = Multipart(decision.ranges, size, media_type, secrets.token_hex(16))
            await self._send_parts(file, about, parts)
        else:
            await self._send_range(file, about, decision.ranges)

    def answered_unnamed(self) -> bool:
        """Answer where no body is wanted of what has neither a tag nor a date; say whether so.

        Raises
        ------
        ApiError
            ``precondition-failed``.
        """
        verdict = judge_unnamed(self.request.headers)
        if verdict == "failed":
            raise _failed()
        if verdict == "not-modified":
            self.set_status(HTTPStatus.NOT_MODIFIED)
            self.set_header("Cache-Control", "no-store")
            self.finish()
        return verdict == "not-modified"

    def _describe(self, about: Representation, validators: Validators) -> None:
        self.set_header("ETag", validators.etag)
        self.set_header("Last-Modified", http_date(validators.modified))
        self.set_header("Accept-Ranges", "bytes")
        # The right to see the bytes may change: a browser may keep the file, no proxy may, and each
        # use is asked about again, which costs a 304.
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Content-Disposition", content_disposition(about.name))
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    async def _describe_digest(self, file: PublishedFile, about: Representation) -> None:
        sha256 = await self.sha256(file, about)
        if sha256 is not None:
            digest = base64.b64encode(bytes.fromhex(sha256)).decode()
            # RFC 9530 section 3: of the whole representation, also in a 206.
            self.set_header("Repr-Digest", f"sha-256=:{digest}:")

    async def sha256(self, file: PublishedFile, about: Representation) -> str | None:
        """Return the digest to be told: one that is known, unless it is not wanted.

        For any other the file has to be read, which is done if the client asks for it (RFC 9530
        section 4).
        """
        wanted = weight(self.request.headers.get("Want-Repr-Digest"))
        if about.sha256 is not None:
            return None if wanted == 0 else about.sha256
        if not wanted:
            return None
        try:
            return await self.services.digests.sha256(file, remember=about.is_strong)
        except FileChangedError:
            raise ApiError("not-ready", "The file is being written to.", retry_after=1) from None

    async def _send_range(
        self, file: PublishedFile, about: Representation, ranges: list[ByteRange]
    ) -> None:
        size = file.fingerprint.size
        wanted = ranges[0] if ranges else ByteRange(0, size - 1)
        media_type = content_type(about.media_type)
        self.set_header("Content-Type", media_type)
        self.set_header("Content-Length", str(wanted.length))
        if ranges:
            self.set_status(HTTPStatus.PARTIAL_CONTENT)
            self.set_header("Content-Range", wanted.content_range(size))
        if self.request.method == "HEAD" or wanted.length == 0:
            # jupyter_server's APIHandler would say that it is JSON.
            self.finish(set_content_type=media_type)
            return
        transfer = self._follow(about, size, wanted.first)
        await self.sent(lambda body: body.send_file(file, wanted), transfer)

    async def _send_parts(
        self, file: PublishedFile, about: Representation, parts: Multipart
    ) -> None:
        self.set_status(HTTPStatus.PARTIAL_CONTENT)
        self.set_header("Content-Type", parts.content_type)
        self.set_header("Content-Length", str(parts.length))

        async def send(body: Body) -> None:
            for number, wanted in enumerate(parts.ranges):
                await body.write(parts.head(number))
                await body.send_file(file, wanted)
            await body.write(parts.end)

        first = parts.ranges[0].first
        await self.sent(send, self._follow(about, file.fingerprint.size, first))

    def _follow(self, about: Representation, size: int, offset: int) -> Transfer | None:
        if about.file_id is None:
            return None
        return self.services.transfers.begin(
            user=self.user_id,
            file_id=about.file_id,
            version=about.etag,
            name=about.name,
            size=size,
            offset=offset,
            direction="download",
            task_id=about.task_id,
        )

    async def sent(self, send: Callable[[Body], Any], transfer: Transfer | None) -> None:
        """Send the body, within the limits; `transfer` is told how far it is, and of the end."""
        gate = self.services.shaper.open(self.user_id)
        complete = False
        try:
            complete = await self._sent(send, gate, transfer)
        finally:
            gate.close()
            if transfer is not None:
                transfer.end(complete=complete)

    async def _sent(
        self, send: Callable[[Body], Any], gate: Gate, transfer: Transfer | None
    ) -> bool:
        # A query may carry a token: only the path goes to the log.
        body = self._outgoing = self.services.sending.body(self, gate=gate, transfer=transfer)
        try:
            await send(body)
        except StreamClosedError:
            path = self.request.path
            extra = about_request("download-left", path)
            self.log.debug("The client left the download of %s", path, extra=extra)
            body.cut()
        except FileChangedError as error:
            self._cut(body, str(error) or "the file changed while it was sent")
        except TimeoutError as error:
            self._cut(body, str(error))
        else:
            self.finish()
            return True
        return False

    def _cut(self, body: Body, reason: str) -> None:
        path = self.request.path
        extra = about_request("download-cut", path)
        self.log.warning("The download of %s was cut: %s", path, reason, extra=extra)
        body.cut()

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Do what waits for the disk."""
        loop: Any = asyncio.get_running_loop()
        result: T = await loop.run_in_executor(self.services.readers, call)
        return result


def _failed() -> ApiError:
    return ApiError("precondition-failed", "A precondition of the request is false.")

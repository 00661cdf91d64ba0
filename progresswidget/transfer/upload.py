"""One upload: by tus where the server speaks it, so that it goes on where it was, else by PUT."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import time
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urljoin

import httpx

from progresswidget.errors import (
    ExportCancelledError,
    OptionError,
    SourceChangedError,
    SourceError,
    TransferError,
    TransferRefusedError,
)
from progresswidget.export.destination import locate
from progresswidget.transfer import address, remembered, tus
from progresswidget.transfer.outcome import FileKind, Transferred
from progresswidget.transfer.representation import of_response
from progresswidget.transfer.retry import Clock, Tries, retry_after
from progresswidget.transfer.session import (
    TRANSIENT,
    Session,
    attended,
    insist,
    no_server,
    refusal,
    unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from progresswidget.export.pipeline import Progress
    from progresswidget.transfer.remembered import Begun
    from progresswidget.transfer.session import Server

UPLOADS: Final = "uploads/"
CONTENTS: Final = "contents/"
"""Of the notebook server: where uploads are made, and where files are then."""
BLOCK: Final = 2**18
ANEW: Final = 3
"""Times that a server may lose an upload before this is no accident."""
_LOST: Final = frozenset({403, 404, 410})
_MISMATCH: Final = 460
_BUSY: Final = 423


class Upload:
    """A file that can be sent, checked as far as that goes without sending it.

    Parameters
    ----------
    path
        The file.
    url
        Where uploads are made, or the address that the file gets by PUT; or a path on the notebook
        server, such as ``contents/data/a.csv``.
    name
        What the file is called there; by default as here.
    overwrite
        Whether a file of that name may be replaced, if the server asks.
    headers
        Sent along to the origin of the address and nowhere else.
    timeout
        Seconds without a byte after which a connection counts as dead.
    find_server
        Finds the notebook server.
    clock
        For waiting.

    Raises
    ------
    OptionError, SourceError
        If one of these stands in the way.
    """

    kind: Final = "upload"
    columns: Final = 0
    once: Final = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        url: str = UPLOADS,
        *,
        name: str | None = None,
        overwrite: bool = True,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        find_server: Callable[[], Server | None] = no_server,
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(overwrite, bool):
            raise OptionError("overwrite must be True or False.")
        self.path = locate(path)
        self.overwrite, self._headers, self._timeout = overwrite, headers, timeout
        self.find_server = find_server
        self.clock = Clock() if clock is None else clock
        self.format = FileKind.of(self.path)
        try:
            self._stat = self.path.stat()
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error.strerror}.") from error
        if not self.path.is_file():
            raise SourceError(f"{self.path} is no file.", "Export it as a .zip, and send that.")
        self.total: int | None = self._stat.st_size
        self.url, self.folder, self.name = self._aim(url, name)

    def _aim(self, url: str, name: str | None) -> tuple[str, str, str]:
        """Return where to create the upload, the folder there, and the name."""
        with contextlib.closing(self.session()) as session:
            where = session.resolve(url)
        server = self.find_server()
        if server is None or not address.is_below(where, server.url):
            return url, "", name or self.path.name
        below = unquote(where[len(server.url) :])
        if below.startswith(CONTENTS):
            folder, _, last = below.removeprefix(CONTENTS).rpartition("/")
            return UPLOADS, folder, name or last or self.path.name
        return url, "", name or self.path.name

    def run(self, progress: Progress) -> Transferred:
        """Send the file.

        Parameters
        ----------
        progress
            Raised while it runs, in bytes, and asked for pause and cancel.

        Raises
        ------
        ExportCancelledError
            If `progress.checkpoint` says so.
        TransferError
            If it cannot be sent.
        SourceError
            If it cannot be read.
        """
        started = time.monotonic()
        progress.total = self._stat.st_size
        with contextlib.closing(self.session()) as session:
            try:
                with self.path.open("rb", buffering=0) as file:
                    self._stat = os.fstat(file.fileno())
                    begun = self._begun(progress)
                    sending = _Sending(self, session, file.fileno(), begun, progress)
                    url = attended(sending.send, session, progress.checkpoint)
            except OSError as error:
                if isinstance(error, TransferError):
                    raise
                raise SourceError(f"{self.path} cannot be read: {error.strerror}.") from error
        size = self._stat.st_size
        progress.rows = progress.bytes = size
        return Transferred(
            path=self.path,
            rows=size,
            columns=0,
            bytes=size,
            seconds=time.monotonic() - started,
            reused=progress.reused,
            stat=self._stat,
            _digest=lambda: begun.sha256,
            url=address.shown(url),
        )

    def session(self) -> Session:
        """Return a new session with what was asked for."""
        return Session(find_server=self.find_server, headers=self._headers, timeout=self._timeout)

    @property
    def target(self) -> str:
        """What the upload is remembered by."""
        return f"{address.identity(self.url)} {self.folder}/{self.name}"

    def _begun(self, progress: Progress) -> Begun:
        """Return the upload that was begun, or how one will be."""
        known = remembered.recall(self.path, self.target)
        if known is not None:
            return known
        progress.phase = "hashing"
        digest, buffer = hashlib.sha256(), memoryview(bytearray(4 * BLOCK))
        look = remembered.look_at(self.path)
        with self.path.open("rb", buffering=0) as file:
            while size := file.readinto(buffer):
                digest.update(buffer[:size])
                progress.checkpoint()
        return replace(look, sha256=digest.hexdigest(), key=secrets.token_hex(16))


class _Sending:
    """One run of an upload, in a thread of its own."""

    def __init__(
        self,
        upload: Upload,
        session: Session,
        descriptor: int,
        begun: Begun,
        progress: Progress,
    ) -> None:
        self._upload, self._session, self._descriptor = upload, session, descriptor
        self._begun, self._progress = begun, progress
        self._url, self._size = upload.url, begun.size
        self._clock, self._tries, self._chunk = upload.clock, Tries(), tus.Chunk()
        self._abilities: tus.Abilities | None = None
        self._place = ""

    def send(self) -> str:
        """Send the file and return its address."""
        self._progress.phase = "connecting"
        response = self._insist("OPTIONS", self._url, {"Tus-Resumable": tus.VERSION})
        self._abilities = tus.abilities(response.headers)
        response.close()
        if self._abilities is None:
            return self._put()
        return self._send_by_tus(self._abilities)

    # --- tus ----------------------------------------------------------------------------------

    def _send_by_tus(self, able: tus.Abilities) -> str:
        if able.max_size is not None and self._size > able.max_size:
            raise TransferRefusedError(
                f"The server takes files of at most {able.max_size:,} bytes, and "
                f"{self._upload.path.name} has {self._size:,}.",
            )
        there = self._there()
        if there:
            return there
        try:
            for _ in range(ANEW):
                location, offset = self._open()
                done = self._append(location, offset)
                if done:
                    remembered.forget(self._upload.path, self._upload.target)
                    return done
                self._forget()
        except ExportCancelledError as error:
            if error.final:
                self._forget()
            raise
        raise TransferError(
            f"{address.shown(self._url)} loses the upload again and again.",
            "Ask its owner how long unfinished uploads are kept.",
        )

    def _there(self) -> str:
        """Return the address of the file if the notebook server has it already."""
        server = self._upload.find_server()
        own = server is not None and address.is_below(self._session.resolve(self._url), server.url)
        if not own or not self._upload.overwrite:
            return ""
        folder = f"{self._upload.folder}/" if self._upload.folder else ""
        url = f"{CONTENTS}{quote(folder + self._upload.name)}"
        return url if self._has_it(url) else ""

    def _has_it(self, url: str) -> bool:
        # RFC 9530 section 4: the digest is told to whom asks for it.
        response = self._insist("HEAD", url, {"Want-Repr-Digest": "sha-256=10"})
        response.close()
        same = response.status_code == HTTPStatus.OK and (
            of_response(200, response.headers).sha256 == self._begun.sha256
        )
        if same:
            self._progress.reused = self._size
        return same

    def _open(self) -> tuple[str, int]:
        """Return the upload's address and how much of it the server has."""
        if self._begun.location:
            offset = self._offset(self._begun.location)
            if offset is not None:
                self._progress.reused = offset
                return self._begun.location, offset
            self._forget()
        return self._create()

    def _create(self) -> tuple[str, int]:
        upload = self._upload
        remembered.remember(upload.path, upload.target, self._begun)
        pairs = {
            "filename": upload.name,
            "filetype": upload.format.media_type,
            "path": upload.folder,
            "sha256": self._begun.sha256,
            "overwrite": "true" if upload.overwrite else "",
        }
        headers = {
            "Tus-Resumable": tus.VERSION,
            "Upload-Length": str(self._size),
            "Upload-Metadata": tus.metadata(pairs),
            "Idempotency-Key": f'"{self._begun.key}"',
            "Content-Length": "0",
        }
        response = self._insist("POST", self._url, headers)
        if response.status_code != HTTPStatus.CREATED or "Location" not in response.headers:
            raise refusal(response, self._url)
        response.close()
        self._note(response)
        location = self._relative(
            urljoin(self._session.resolve(self._url), response.headers["Location"])
        )
        self._begun = replace(self._begun, location=location)
        remembered.remember(upload.path, upload.target, self._begun)
        return location, min(tus.number(response.headers, "Upload-Offset") or 0, self._size)

    def _relative(self, location: str) -> str:
        # The notebook server may have another port the next time.
        server = self._upload.find_server()
        if server is not None and address.is_below(location, server.url):
            return location[len(server.url) :]
        return location

    def _forget(self) -> None:
        """End the upload on the server, as far as it can be, and begin anew the next time."""
        remembered.forget(self._upload.path, self._upload.target)
        location, self._begun = (
            self._begun.location,
            replace(self._begun, location="", key=secrets.token_hex(16)),
        )
        if location and self._abilities is not None and self._abilities.termination:
            # In a session of its own: after a cancel the other one is closed.
            with (
                contextlib.suppress(httpx.TransportError, TransferError),
                contextlib.closing(self._upload.session()) as session,
            ):
                headers = {"Tus-Resumable": tus.VERSION}
                session.send("DELETE", location, headers).close()

    def _offset(self, location: str) -> int | None:
        """Ask how much of an upload there is; None if there is none any more."""
        response = self._insist("HEAD", location, {"Tus-Resumable": tus.VERSION})
        response.close()
        if response.status_code in _LOST:
            return None
        offset = tus.number(response.headers, "Upload-Offset")
        if not response.is_success or offset is None or offset > self._size:
            raise refusal(response, location)
        self._note(response)
        return offset

    def _append(self, location: str, offset: int) -> str:
        """Send from an offset to the end; return the file's address, or nothing if it was lost."""
        first = True
        while offset < self._size or (first and not self._place and not self._size):
            first = False
            self._progress.phase = "sending"
            self._progress.rows = self._progress.bytes = offset
            size = min(self._chunk.size, self._size - offset)
            try:
                response = self._patch(location, offset, size)
            except httpx.TransportError as error:
                self._pause(unreachable(error, self._url), None)
                found = self._offset(location)
            else:
                found = self._answered(response, location, offset, size)
            if found is None:
                return ""
            if found > offset:
                self._tries.progressed()
            offset = found
        return self._place or location

    def _answered(
        self, response: httpx.Response, location: str, offset: int, size: int
    ) -> int | None:
        """Return where to go on after an answer to a PATCH."""
        status = response.status_code
        if response.is_success:
            response.close()
            self._note(response)
            found = tus.number(response.headers, "Upload-Offset")
            return offset + size if found is None else found
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and self._chunk.refused(size):
            response.close()
            return self._offset(location)
        if status in _LOST and status != HTTPStatus.FORBIDDEN:
            response.close()
            return None
        again = status in TRANSIENT or status in {HTTPStatus.CONFLICT, _MISMATCH, _BUSY}
        problem = refusal(response, self._url)
        if not again:
            raise problem
        asked = response.headers.get("Retry-After", "")
        self._pause(problem, retry_after(asked, self._clock.now()))
        return self._offset(location)

    def _note(self, response: httpx.Response) -> None:
        place = response.headers.get("Content-Location", "")
        if place:
            self._place = urljoin(self._session.resolve(self._url), place)

    def _patch(self, location: str, offset: int, size: int) -> httpx.Response:
        able = self._abilities
        headers = {
            "Tus-Resumable": tus.VERSION,
            "Content-Type": tus.CONTENT_TYPE,
            "Upload-Offset": str(offset),
            "Content-Length": str(size),
        }
        if able is not None and able.checksum and size:
            digest = hashlib.new(able.checksum)
            for block in self._blocks(offset, size):
                digest.update(block)
            headers["Upload-Checksum"] = tus.checksum(able.checksum, digest.digest())
        started = time.monotonic()
        response = self._session.send("PATCH", location, headers, self._counted(offset, size))
        if response.is_success and size == self._chunk.size:
            self._chunk.took(time.monotonic() - started)
        return response

    # --- PUT ----------------------------------------------------------------------------------

    def _put(self) -> str:
        url = self._url
        if self._session.resolve(url).endswith("/"):
            url = self._session.resolve(url) + quote(self._upload.name)
        headers = {
            "Content-Type": self._upload.format.media_type,
            "Content-Length": str(self._size),
        }
        digest = bytes.fromhex(self._begun.sha256)
        headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(digest).decode()}:"
        while True:
            self._progress.phase = "sending"
            self._progress.rows = self._progress.bytes = 0
            try:
                response = self._session.send("PUT", url, headers, self._counted(0, self._size))
            except httpx.TransportError as error:
                self._pause(unreachable(error, url), None)
                continue
            if response.is_success:
                response.close()
                return self._session.resolve(url)
            problem = refusal(response, url)
            if response.status_code not in TRANSIENT:
                raise problem
            asked = response.headers.get("Retry-After", "")
            self._pause(problem, retry_after(asked, self._clock.now()))

    # --- for both -----------------------------------------------------------------------------

    def _insist(self, method: str, url: str, headers: Mapping[str, str]) -> httpx.Response:
        return insist(
            lambda: self._session.send(method, url, headers),
            url,
            self._tries,
            self._clock,
            self._progress.checkpoint,
            self._waiting,
        )

    def _pause(self, problem: TransferError, asked: float | None) -> None:
        self._progress.checkpoint()
        wait = self._tries.failure(asked)
        if wait is None:
            raise problem
        self._waiting(True)  # noqa: FBT003
        self._clock.wait(wait, self._progress.checkpoint)
        self._waiting(False)  # noqa: FBT003

    def _waiting(self, now: bool) -> None:  # noqa: FBT001
        self._progress.phase = "waiting" if now else "connecting"

    def _counted(self, offset: int, size: int) -> Iterator[bytes]:
        for block in self._blocks(offset, size):
            yield block
            offset += len(block)
            self._progress.rows = self._progress.bytes = offset

    def _blocks(self, offset: int, size: int) -> Iterator[bytes]:
        end = offset + size
        while offset < end:
            self._progress.checkpoint()
            block = os.pread(self._descriptor, min(BLOCK, end - offset), offset)
            self._check(block)
            yield block
            offset += len(block)

    def _check(self, block: bytes) -> None:
        now = os.fstat(self._descriptor)
        if not block or (now.st_size, now.st_mtime_ns) != (self._size, self._begun.mtime_ns):
            raise SourceChangedError(
                f"{self._upload.path} was changed while it was sent.",
                "Run it again when it is complete.",
            )

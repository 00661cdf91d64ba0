"""One upload: by tus where the server speaks it, so that it goes on where it was, else by PUT."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx

from progresswidget.errors import (
    ExportCancelledError,
    SourceChangedError,
    SourceError,
    TransferError,
    TransferRefusedError,
)
from progresswidget.export.destination import locate
from progresswidget.export.options import require_flag
from progresswidget.export.trail import CLOSE, Trail
from progresswidget.transfer import address, remembered, tus
from progresswidget.transfer.aim import UPLOADS, take_aim
from progresswidget.transfer.answers import is_transient, refusal, unreachable
from progresswidget.transfer.outcome import FileKind, Transferred
from progresswidget.transfer.persistence import Persistence
from progresswidget.transfer.retry import Clock, Tries
from progresswidget.transfer.sender import TusSender, blocks
from progresswidget.transfer.session import Session, attended, no_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from progresswidget.export.progress import Progress
    from progresswidget.transfer.session import Server

ANEW: Final = 3
"""Times that a server may lose an upload before this is no accident."""


def _nobody(_: memoryview) -> None:
    """Take no block back: each is read into memory of its own."""


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
    schema: Final = ()
    settings: Final = ()

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
        require_flag("overwrite", overwrite)
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
        with contextlib.closing(self.session()) as session:
            self._aim = take_aim(url, name or "", self.path.name, session, self.find_server())
        self.url, self.folder, self.name = self._aim.url, self._aim.folder, self._aim.name

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
                    sending = _Sending(self, session, file.fileno(), progress)
                    url, sha256 = attended(sending.send, session, progress.checkpoint)
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
            _digest=lambda: sha256,
            url=address.shown(url),
        )

    def session(self) -> Session:
        """Return a new session with what was asked for."""
        return Session(find_server=self.find_server, headers=self._headers, timeout=self._timeout)

    @property
    def target(self) -> str:
        """What the upload is remembered by."""
        return self._aim.identity


class _Sending:
    """One run of an upload, in a thread of its own."""

    def __init__(
        self, upload: Upload, session: Session, descriptor: int, progress: Progress
    ) -> None:
        self._upload, self._session, self._descriptor = upload, session, descriptor
        known = remembered.recall(upload.path, upload.target)
        self._begun = known or remembered.look_at(upload.path)
        self._progress, self._size = progress, self._begun.size
        self._url = upload.url
        self._persistence = Persistence(Tries(), upload.clock, progress.checkpoint, self._waiting)

    def send(self) -> tuple[str, str]:
        """Send the file, and return its address and its SHA-256."""
        self._progress.phase = "connecting"
        headers = {"Tus-Resumable": tus.VERSION}
        response = self._persistence.insist(
            lambda: self._session.send("OPTIONS", self._url, headers), self._url
        )
        able = tus.abilities(response.headers)
        response.close()
        if able is None:
            return self._put()
        if able.max_size is not None and self._size > able.max_size:
            raise TransferRefusedError(
                f"The server takes files of at most {able.max_size:,} bytes, and "
                f"{self._upload.path.name} has {self._size:,}.",
            )
        sender = self._sender(able)
        with contextlib.closing(sender):
            return self._send_by_tus(sender)

    # --- tus ----------------------------------------------------------------------------------

    def _sender(self, able: tus.Abilities) -> TusSender:
        return TusSender(
            self._session,
            self._url,
            self._descriptor,
            able,
            self._persistence,
            moved=self._moved,
            check=self._check,
        )

    def _send_by_tus(self, sender: TusSender) -> tuple[str, str]:
        try:
            for _ in range(ANEW):
                self._open(sender)
                if self._append(sender):
                    return self._done(sender)
                self._forget(sender)
        except ExportCancelledError as error:
            if error.final:
                self._forget(sender)
            raise
        raise TransferError(
            f"{address.shown(self._url)} loses the upload again and again.",
            "Ask its owner how long unfinished uploads are kept.",
        )

    def _open(self, sender: TusSender) -> None:
        """Go on with what was begun, which may be complete already, or begin."""
        location = self._begun.location
        if location and sender.resume(location) and sender.offset <= self._size:
            self._progress.reused = sender.offset
            return
        if location:
            self._forget(sender)
        self._begun = replace(self._begun, key=self._begun.key or secrets.token_hex(16))
        self._remember()  # with the key the upload is found again, should its address be lost
        sender.create(self._metadata(), self._begun.key, self._size)
        self._begun = replace(self._begun, location=sender.location)
        self._remember()

    def _metadata(self) -> dict[str, str]:
        upload = self._upload
        return {
            "filename": upload.name,
            "filetype": upload.format.media_type,
            "path": upload.folder,
            "overwrite": "true" if upload.overwrite else "",
        }

    def _append(self, sender: TusSender) -> bool:
        """Send from where the server is to the end; False if it has lost the upload."""
        self._progress.phase = "sending"
        if not self._size and not sender.place:
            return sender.send(0)  # of an empty file the end must be told too
        while sender.offset < self._size:
            if not sender.send(self._size):
                return False
        return True

    def _done(self, sender: TusSender) -> tuple[str, str]:
        # Every part has come with its own digest, so the server's word for the whole is good.
        digest = sender.sha256 or self._begun.sha256 or self._hashed()
        self._begun = replace(self._begun, sha256=digest)
        self._remember()
        return sender.place or self._session.resolve(sender.location), digest

    def _hashed(self) -> str:
        self._progress.phase = "verifying"
        trail = Trail(self._descriptor, CLOSE)
        trail.end(self._size, lambda _: None)
        return trail.hexdigest()

    def _forget(self, sender: TusSender) -> None:
        """End the upload on the server, as far as it can be, and begin anew the next time."""
        remembered.forget(self._upload.path, self._upload.target)
        self._begun = replace(self._begun, location="", key="", sha256="")
        with contextlib.closing(self._upload.session()) as session:
            sender.end(session)

    def _remember(self) -> None:
        remembered.remember(self._upload.path, self._upload.target, self._begun)

    # --- PUT ----------------------------------------------------------------------------------

    def _put(self) -> tuple[str, str]:
        url = self._url
        if self._session.resolve(url).endswith("/"):
            url = self._session.resolve(url) + quote(self._upload.name)
        trail = Trail(self._descriptor, CLOSE)
        try:
            self._put_to(url, trail)
            self._progress.phase = "verifying"
            trail.end(self._size, lambda _: None)
            return self._session.resolve(url), trail.hexdigest()
        finally:
            trail.stop()

    def _put_to(self, url: str, trail: Trail) -> None:
        headers = {
            "Content-Type": self._upload.format.media_type,
            "Content-Length": str(self._size),
        }
        while True:
            self._progress.phase = "sending"
            self._moved(0)
            try:
                response = self._session.send("PUT", url, headers, self._counted(trail))
            except httpx.TransportError as error:
                self._persistence.pause(unreachable(error, url))
                continue
            if response.is_success:
                response.close()
                return
            if not is_transient(response):
                raise refusal(response, url)
            self._persistence.pause_after(response, url)

    def _counted(self, trail: Trail) -> Iterator[bytes]:
        offset = 0
        for block in blocks(self._descriptor, 0, self._size):
            self._progress.checkpoint()
            self._check(block)
            trail.lend(offset, memoryview(block), _nobody)
            yield block
            offset += len(block)
            self._moved(offset)
            trail.advance(offset)

    # --- for both -----------------------------------------------------------------------------

    def _waiting(self, now: bool) -> None:  # noqa: FBT001
        self._progress.phase = "waiting" if now else "sending"

    def _moved(self, offset: int) -> None:
        self._progress.rows = self._progress.bytes = offset

    def _check(self, block: bytes) -> None:
        now = os.fstat(self._descriptor)
        if not block or (now.st_size, now.st_mtime_ns) != (self._size, self._begun.mtime_ns):
            raise SourceChangedError(
                f"{self._upload.path} was changed while it was sent.",
                "Run it again when it is complete.",
            )

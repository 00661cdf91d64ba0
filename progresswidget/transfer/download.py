"""One download: what is there and certainly of the same version is kept, the rest is fetched."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Final

from progresswidget.errors import (
    DestinationExistsError,
    OptionError,
    ProgressWidgetError,
    TransferError,
)
from progresswidget.export import finished
from progresswidget.export.destination import check, explain, locate
from progresswidget.export.lease import holding
from progresswidget.export.options import require_flag
from progresswidget.export.parts import journal_path
from progresswidget.transfer import address, fetched, journal
from progresswidget.transfer.asking import (
    CONDITIONAL,
    NOT_MODIFIED,
    Attempt,
    accept,
    conditions,
    file_name,
    nothing_is_left,
)
from progresswidget.transfer.connection import StartOver
from progresswidget.transfer.fetching import Fetch, Wanted
from progresswidget.transfer.outcome import FileKind, Transferred
from progresswidget.transfer.persistence import Persistence
from progresswidget.transfer.retry import Clock, Tries
from progresswidget.transfer.session import Session, attended, no_server
from progresswidget.transfer.target import choose

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from progresswidget.export.lease import Lease
    from progresswidget.export.progress import Progress
    from progresswidget.transfer.session import Server

MOST_CONNECTIONS: Final = 16
RESTARTS: Final = 5
"""Versions of a file that may come and go during one download."""


class Download:
    """A file that can be fetched, checked as far as that goes without asking for it.

    Parameters
    ----------
    url
        Its address, or a path on the notebook server.
    path
        The file, or a folder; by default the present one. In a folder it is called as the server
        says, or else by the end of the address.
    connections
        Connections at most; a server without ranges gets one.
    sha256
        What the digest of the file must be.
    overwrite
        Whether a file that is there may be replaced.
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
    OptionError, DestinationError
        If one of these stands in the way.
    """

    kind: Final = "download"
    columns: Final = 0
    once: Final = False
    schema: Final = ()
    settings: Final = ()

    def __init__(
        self,
        url: str,
        path: str | os.PathLike[str] | None = None,
        *,
        connections: int = 4,
        sha256: str | None = None,
        overwrite: bool = True,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        find_server: Callable[[], Server | None] = no_server,
        clock: Clock | None = None,
    ) -> None:
        if type(connections) is not int or not 1 <= connections <= MOST_CONNECTIONS:
            raise OptionError(f"connections must be from 1 to {MOST_CONNECTIONS}.")
        require_flag("overwrite", overwrite)
        self._url, self._connections, self._overwrite = url, connections, overwrite
        self._expected = _checked_digest(sha256)
        self._headers, self._timeout, self._find_server = headers, timeout, find_server
        self._clock = Clock() if clock is None else clock
        with contextlib.closing(self._session()) as session:
            where = session.resolve(url)  # refuses what is no address
        self._folder, self.path = choose(path, where)
        self.format = FileKind.of(self.path)
        self.total: int | None = None
        check(self.path, overwrite=overwrite or self._folder is not None)
        self._ranges = True

    def run(self, progress: Progress) -> Transferred:
        """Fetch the file.

        Parameters
        ----------
        progress
            Raised while it runs, in bytes, and asked for pause and cancel.

        Raises
        ------
        ExportCancelledError
            If `progress.checkpoint` says so.
        TransferError
            If it cannot be had.
        DestinationError
            If it cannot be written.
        """
        started = time.monotonic()
        progress.phase = "connecting"
        try:
            return self._run(progress, started)
        except ProgressWidgetError:
            raise
        except OSError as error:
            raise explain(error, self.path) from error

    def _run(self, progress: Progress, started: float) -> Transferred:
        unchanged = self._present(progress, started)
        if unchanged is not None:
            return unchanged

        def waiting(now: bool) -> None:  # noqa: FBT001
            progress.phase = "waiting" if now else "connecting"

        tries = Persistence(Tries(), self._clock, progress.checkpoint, waiting)
        attempt = self._begin(progress, tries)
        if attempt is None:
            return self._unchanged(progress, started)
        try:
            self._settle(attempt)
            with holding(journal_path(self.path), _owner) as lease:
                return self._persist(lease, attempt, progress, tries, started)
        finally:
            attempt.close()

    # --- what is there already ----------------------------------------------------------------

    def _present(self, progress: Progress, started: float) -> Transferred | None:
        """Return the file that is there, if it has the digest that was asked for."""
        if not self._expected or not self.path.is_file():
            return None
        known = finished.recall(self.path)
        digest = known.sha256 if known is not None else ""
        if not digest:
            progress.phase = "hashing"
            digest = fetched.sha256_of(self.path, progress.checkpoint)
        if digest != self._expected:
            progress.phase = "connecting"
            return None
        if not self._overwrite:
            raise DestinationExistsError(f"{self.path} is there already.")
        return self._result(
            self.path.stat(), started, lambda: digest, reused=True, progress=progress
        )

    def _unchanged(self, progress: Progress, started: float) -> Transferred:
        known = fetched.recall(self.path, self._url)
        if known is None or not known[0].sha256:
            digest = fetched.sha256_of(self.path, progress.checkpoint)
        else:
            digest = known[0].sha256
        return self._result(
            self.path.stat(), started, lambda: digest, reused=True, progress=progress
        )

    # --- asking -------------------------------------------------------------------------------

    def _session(self) -> Session:
        return Session(find_server=self._find_server, headers=self._headers, timeout=self._timeout)

    def _begin(
        self, progress: Progress, tries: Persistence, *, fresh: bool = False
    ) -> Attempt | None:
        """Ask for the file, or for the rest of it; None if what is there is it."""
        headers: dict[str, str] = {}
        if not fresh:
            headers = conditions(
                self._url, self.path, overwrite=self._overwrite, ranges=self._ranges
            )
        session = self._session()
        try:
            response = attended(
                lambda: tries.insist(lambda: session.get(self._url, headers), self._url),
                session,
                progress.checkpoint,
            )
            conditional = response.status_code in CONDITIONAL
            if not headers or not conditional or nothing_is_left(response, headers):
                return accept(session, response, headers, self._url)
            response.close()
            session.close()
            # What does not fit is asked for as if nothing were there.
            unchanged = response.status_code == NOT_MODIFIED and "Range" not in headers
            return None if unchanged else self._begin(progress, tries, fresh=True)
        except BaseException:
            session.close()
            raise

    def _settle(self, attempt: Attempt) -> None:
        """Settle the name, which in a folder the server may choose."""
        if self._folder is not None and attempt.incoming.response.status_code == 200:  # noqa: PLR2004
            self.path = locate(self._folder / file_name(attempt.incoming.response))
            self.format = FileKind.of(self.path)
        check(self.path, overwrite=self._overwrite)

    # --- fetching -----------------------------------------------------------------------------

    def _persist(
        self,
        lease: Lease,
        attempt: Attempt,
        progress: Progress,
        tries: Persistence,
        started: float,
    ) -> Transferred:
        furthest = restarts = 0
        while True:
            try:
                return self._fetch(lease, attempt, progress, started)
            except StartOver as again:
                restarts += 1
                self._ranges = self._ranges and again.ranges
                if progress.rows > furthest:
                    furthest = progress.rows
                    tries.progressed()
                self._pause_before(again, tries, restarts)
            attempt.close()
            begun = self._begin(progress, tries, fresh=True)
            if begun is None:
                raise AssertionError  # nothing was asked that could be answered so
            attempt.session, attempt.incoming = begun.session, begun.incoming
            attempt.version = begun.version

    def _pause_before(self, again: StartOver, tries: Persistence, restarts: int) -> None:
        if again.cause is not None:
            tries.pause(again.cause)
        elif restarts > RESTARTS:
            raise TransferError(
                f"{address.shown(self._url)} keeps changing while it is fetched.",
                "Run it again when the file is complete.",
            )

    def _fetch(
        self, lease: Lease, attempt: Attempt, progress: Progress, started: float
    ) -> Transferred:
        self.total = attempt.version.size
        wanted = Wanted(
            self.path, self._url, self._connections, self._expected, self._overwrite, self._ranges
        )
        published, digest = Fetch(wanted, lease, attempt, progress, self._clock).run()
        return self._result(published, started, digest, progress=progress)

    def _result(
        self,
        stat: os.stat_result,
        started: float,
        digest: Callable[[], str],
        *,
        progress: Progress,
        reused: bool = False,
    ) -> Transferred:
        size = stat.st_size
        self.total = progress.total = size
        if reused:
            progress.reused = size
        progress.rows = progress.bytes = size
        return Transferred(
            path=self.path,
            rows=size,
            columns=0,
            bytes=size,
            seconds=time.monotonic() - started,
            reused=progress.reused,
            stat=stat,
            _digest=digest,
            url=address.shown(self._url),
        )


def _checked_digest(sha256: str | None) -> str:
    if sha256 is None:
        return ""
    digest = str(sha256).strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise OptionError("sha256 must be 64 hexadecimal digits.")
    return digest


def _owner(descriptor: int) -> str:
    begun = journal.read(descriptor)
    return f", {begun.owner}" if begun is not None else ""

"""Bytes into a part: several connections, a lock, and one thread that looks after them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

import httpx

from progresswidget.errors import TransferError
from progresswidget.transfer import journal
from progresswidget.transfer.answers import refusal, unreachable
from progresswidget.transfer.buffers import Buffers
from progresswidget.transfer.incoming import Incoming
from progresswidget.transfer.persistence import Persistence
from progresswidget.transfer.representation import UNSATISFIED, content_range, of_response
from progresswidget.transfer.retry import Clock, Tries
from progresswidget.transfer.wire import Stride, body_of, timed

if TYPE_CHECKING:
    from progresswidget.export.parts import Part
    from progresswidget.export.progress import Progress
    from progresswidget.export.trail import Trail
    from progresswidget.transfer.pieces import Claim, Pieces
    from progresswidget.transfer.representation import Representation
    from progresswidget.transfer.session import Session

UNIT: Final = 8 * 2**20
"""Bytes after which the journal is told: so many are lost of each connection by a kill."""
GLANCE: Final = 0.05
"""Seconds between two looks at the connections."""


class StartOver(Exception):  # noqa: N818 - never seen outside
    """What is there cannot be gone on with.

    Parameters
    ----------
    cause
        Why, if it was a failure and not a new version.
    ranges
        Whether the server gives parts.
    """

    def __init__(self, cause: TransferError | None = None, *, ranges: bool = True) -> None:
        super().__init__()
        self.cause, self.ranges = cause, ranges


class _Stopped(Exception):  # noqa: N818 - never seen outside
    """Another thread has ended it all."""


class Receiver:
    """Fetch what is missing of a file.

    Parameters
    ----------
    session
        For requests; it is aborted when the transfer ends early.
    url
        The address, as the user wrote it.
    version
        The version that is fetched; an answer of another one ends it.
    part
        Where the bytes go.
    journal_
        The descriptor of the journal, or -1 if nothing can be gone on with.
    pieces
        What is there.
    progress
        Raised meanwhile, and asked for pause and cancel.
    trail
        The digest that follows.
    clock
        For waiting.
    unsafe
        Whether the bytes are checked by a digest in the end, so that answers without a validator
        may be joined too.
    """

    def __init__(
        self,
        session: Session,
        url: str,
        version: Representation,
        part: Part,
        journal_: int,
        pieces: Pieces,
        progress: Progress,
        trail: Trail,
        clock: Clock,
        *,
        unsafe: bool,
    ) -> None:
        self._session, self._url, self._version = session, url, version
        self._descriptor, self._journal = part.descriptor, journal_
        self._pieces, self._progress, self._trail = pieces, progress, trail
        self._clock, self._unsafe = clock, unsafe
        self._changed = threading.Condition()
        self._living = 0
        self._waiting = 0
        self._failure: BaseException | None = None
        self._stop = threading.Event()

    def run(self, first: Incoming, connections: int) -> None:
        """Fetch it all.

        Parameters
        ----------
        first
            The response that the first connection reads already.
        connections
            Connections at most.

        Raises
        ------
        StartOver
            If the file must be fetched from its beginning.
        TransferError
            If it cannot be had.
        OSError
            If it cannot be written.
        """
        # Before another connection can take what this one has an answer for.
        claim = self._pieces.claim(first.at)
        threads = [
            threading.Thread(
                target=self._live,
                args=(first, claim) if number == 0 else (None, None),
                name=f"progresswidget-connection-{number}",
                daemon=True,
            )
            for number in range(connections)
        ]
        self._living = len(threads)
        try:
            for thread in threads:
                thread.start()
            self._watch()
        finally:
            self._stop.set()
            if self._living:
                self._session.abort()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._tell()
        if self._failure is not None:
            raise self._failure

    # --- the thread that looks after the others -----------------------------------------------

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._over, GLANCE)
                if self._over():
                    return
            self._tell()
            self._progress.checkpoint()

    def _over(self) -> bool:
        return self._living == 0 or self._failure is not None

    def _tell(self) -> None:
        with self._changed:
            received = self._pieces.received
            idle = self._living > 0 and self._waiting >= self._living
            self._progress.total = self._pieces.size
        self._progress.rows = self._progress.bytes = received
        self._progress.phase = "waiting" if idle else "receiving"

    # --- the connections ----------------------------------------------------------------------

    def _live(self, incoming: Incoming | None, claim: Claim | None) -> None:
        failure: BaseException | None = None
        try:
            self._work(incoming, claim)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by the thread that looks after us
            failure = error
        with self._changed:
            self._living -= 1
            # A server may allow fewer connections than we open: then the others do the rest.
            spared = isinstance(failure, TransferError) and self._living > 0
            if failure is not None and not spared and self._failure is None:
                self._failure = failure
            self._changed.notify_all()

    def _work(self, incoming: Incoming | None, claim: Claim | None) -> None:
        tries = Persistence(Tries(), self._clock, self._look, self._set_waiting)
        buffers, stride = Buffers(self._look), Stride()
        try:
            while True:
                if claim is None and incoming is not None:
                    claim = self._claim(incoming.at)
                    if claim is None:
                        incoming.close()
                        incoming = None
                if claim is None:
                    claim = self._claim()
                if claim is None:
                    return
                incoming = self._fetch(claim, incoming, tries, buffers, stride)
                claim = None
        finally:
            if incoming is not None:
                incoming.close()

    def _claim(self, at: int | None = None) -> Claim | None:
        with self._changed:
            return self._pieces.claim(at)

    def _fetch(
        self,
        claim: Claim,
        incoming: Incoming | None,
        tries: Persistence,
        buffers: Buffers,
        stride: Stride,
    ) -> Incoming | None:
        """Fetch the bytes of a claim; return the response if more of it is to come."""
        try:
            while True:
                if incoming is None:
                    incoming = self._ask(claim, tries)
                before = claim.at
                try:
                    self._copy(claim, incoming, buffers, stride)
                except httpx.TransportError as error:
                    incoming.close()
                    incoming = None
                    self._look()
                    if claim.at > before:
                        tries.progressed()
                    self._recover(claim, error, tries)
                else:
                    tries.progressed()
                    if claim.complete:
                        break
                    incoming.close()
                    incoming = None
        except BaseException:
            if incoming is not None:
                incoming.close()
            raise
        finally:
            with self._changed:
                self._pieces.release(claim)
        if incoming.end is not None and incoming.at >= incoming.end:
            incoming.close()
            return None
        return incoming

    def _recover(self, claim: Claim, error: httpx.TransportError, tries: Persistence) -> None:
        problem = unreachable(error, self._url)
        if claim.at and not self._can_go_on:
            raise StartOver(problem) from error
        tries.pause(problem)

    @property
    def _can_go_on(self) -> bool:
        offered = self._version.ranges is not False and not self._version.coding
        return offered and (bool(self._version.validator) or self._unsafe)

    def _ask(self, claim: Claim, tries: Persistence) -> Incoming:
        headers = {}
        end = claim.end  # of which another connection may take a part meanwhile
        if claim.at or (end is not None and end != self._pieces.size):
            headers["Range"] = f"bytes={claim.at}-{'' if end is None else end - 1}"
            if self._version.validator:
                headers["If-Range"] = self._version.validator
        response = tries.insist(lambda: self._session.get(self._url, headers), self._url)
        try:
            return self._accept(response, claim, end)
        except BaseException:
            response.close()
            raise

    def _accept(self, response: httpx.Response, claim: Claim, end: int | None) -> Incoming:
        status, at = response.status_code, claim.at
        version = of_response(status, response.headers)
        if status == UNSATISFIED and self._is_whole(claim, version):
            return self._nothing_more(response, claim)
        if status in {412, UNSATISFIED}:
            raise StartOver
        if status not in {200, 206}:
            raise refusal(response, self._url)
        if not self._version.same(version):
            unproven = not version.validator and not self._version.validator
            if not (self._unsafe and unproven):
                raise StartOver(ranges=bool(version.validator))
        if status == 200:  # noqa: PLR2004
            if at:
                raise StartOver(ranges=False)  # the same version, but no part of it is given
            incoming = Incoming.of(response, version)
        else:
            found = content_range(response.headers)
            if found is None or found[0] != at or (end and found[1] >= end):
                raise StartOver(ranges=False)
            incoming = Incoming(response, body_of(response), found[0], found[1] + 1)
        with self._changed:
            if self._pieces.size is None and version.size is not None:
                self._pieces.size = claim.end = version.size  # the first answer did not tell
        return incoming

    def _is_whole(self, claim: Claim, version: Representation) -> bool:
        # A body that does not tell its length may be cut at its very end.
        return claim.end is None and claim.at == version.size and self._version.same(version)

    def _nothing_more(self, response: httpx.Response, claim: Claim) -> Incoming:
        with self._changed:
            self._pieces.size = claim.end = claim.at
        return Incoming(response, body_of(response), claim.at, claim.at)

    def _copy(self, claim: Claim, incoming: Incoming, buffers: Buffers, stride: Stride) -> None:
        import xxhash

        digest = xxhash.xxh3_128()
        try:
            while not claim.complete:
                piece = self._read(claim, incoming, buffers.own(), stride)
                size = len(piece)
                if not size:
                    self._end(claim, incoming)
                    break
                self._write(piece, claim.at)
                if self._trail.lend(claim.at, piece, buffers.give_back):
                    buffers.lent()
                digest.update(piece)
                incoming.at += size
                with self._changed:
                    claim.at += size
                    follows = claim.first <= self._pieces.prefix
                if follows:
                    self._trail.advance(claim.at)
                if claim.at - claim.first >= UNIT:
                    self._commit(claim, digest.digest())
                    digest.reset()
        finally:
            self._commit(claim, digest.digest())

    def _read(
        self, claim: Claim, incoming: Incoming, buffer: memoryview, stride: Stride
    ) -> memoryview:
        self._look()
        with self._changed:
            most = claim.reserve(min(len(buffer), UNIT - (claim.at - claim.first)))
        return buffer[: timed(stride, incoming.body, buffer[:most])]

    def _end(self, claim: Claim, incoming: Incoming) -> None:
        """Take the end of a body for the end of the file, if that is what it can be."""
        if incoming.end is not None and incoming.at >= incoming.end:
            # RFC 9110 section 15.3.7: a server may send less than was asked for. What is behind it
            # is asked for next, where it is known that there is something.
            if claim.end is None:
                raise StartOver(ranges=False)
        elif incoming.end is not None or claim.end is not None:
            raise httpx.RemoteProtocolError("The connection was cut.")
        else:
            with self._changed:
                self._pieces.size = claim.end = incoming.end = claim.at

    def _write(self, view: memoryview, at: int) -> None:
        while view:
            written = os.pwrite(self._descriptor, view, at)
            view, at = view[written:], at + written

    def _commit(self, claim: Claim, digest: bytes) -> None:
        if claim.at == claim.first:
            return
        with self._changed:
            if self._journal >= 0:
                unit = journal.Unit(claim.first, claim.at - claim.first, digest)
                journal.record(self._journal, unit)
            self._pieces.commit(claim)
            prefix = self._pieces.prefix
        self._trail.advance(prefix)

    def _look(self) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._progress.checkpoint()

    def _set_waiting(self, waiting: bool) -> None:  # noqa: FBT001
        with self._changed:
            self._waiting += 1 if waiting else -1

"""One of the connections that fetch a file: it asks for share after share, until none is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from progresswidget.transfer.answers import refusal, unreachable
from progresswidget.transfer.arrivals import UNIT
from progresswidget.transfer.buffers import Buffers
from progresswidget.transfer.incoming import Incoming
from progresswidget.transfer.representation import UNSATISFIED, content_range, of_response
from progresswidget.transfer.wire import Stride, body_of, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.errors import TransferError
    from progresswidget.transfer.arrivals import Arrivals
    from progresswidget.transfer.persistence import Persistence
    from progresswidget.transfer.pieces import Claim
    from progresswidget.transfer.representation import Representation
    from progresswidget.transfer.session import Session


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


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file comes from.

    Parameters
    ----------
    session
        For requests.
    url
        The address, as the user wrote it.
    version
        The version that is fetched; an answer of another one ends it.
    unsafe
        Whether the bytes are checked by a digest in the end, so that answers without a validator
        may be joined too.
    """

    session: Session
    url: str
    version: Representation
    unsafe: bool


class Connection:
    """Fetches share after share.

    Parameters
    ----------
    source
        Where the file comes from.
    arrivals
        Takes what comes.
    tries
        How often something is tried again.
    look
        Called often; it raises to end it all.
    """

    def __init__(
        self, source: Source, arrivals: Arrivals, tries: Persistence, look: Callable[[], None]
    ) -> None:
        self._source, self._arrivals = source, arrivals
        self._url, self._version = source.url, source.version
        self._tries, self._look = tries, look
        self._buffers, self._stride = Buffers(look), Stride()

    def work(self, incoming: Incoming | None, claim: Claim | None) -> None:
        """Fetch until nothing is left that is worth it.

        Parameters
        ----------
        incoming, claim
            A response that can be read already, and what it is the answer for.

        Raises
        ------
        StartOver
            If the file must be fetched from its beginning.
        TransferError
            If it cannot be had.
        OSError
            If it cannot be written.
        """
        try:
            while True:
                if claim is None and incoming is not None:
                    claim = self._arrivals.claim(incoming.at)
                    if claim is None:
                        incoming.close()
                        incoming = None
                if claim is None:
                    claim = self._arrivals.claim()
                if claim is None:
                    return
                incoming = self._fetch(claim, incoming)
                claim = None
        finally:
            if incoming is not None:
                incoming.close()

    def _fetch(self, claim: Claim, incoming: Incoming | None) -> Incoming | None:
        """Fetch the bytes of a claim; return the response if more of it is to come."""
        try:
            while True:
                if incoming is None:
                    incoming = self._ask(claim)
                before = claim.at
                try:
                    self._copy(claim, incoming)
                except httpx.TransportError as error:
                    incoming.close()
                    incoming = None
                    self._look()
                    if claim.at > before:
                        self._tries.progressed()
                    self._recover(claim, error)
                else:
                    self._tries.progressed()
                    if claim.complete:
                        break
                    incoming.close()
                    incoming = None
        except BaseException:
            if incoming is not None:
                incoming.close()
            raise
        finally:
            self._arrivals.release(claim)
        if incoming.end is not None and incoming.at >= incoming.end:
            incoming.close()
            return None
        return incoming

    def _recover(self, claim: Claim, error: httpx.TransportError) -> None:
        problem = unreachable(error, self._url)
        if claim.at and not self._can_go_on:
            raise StartOver(problem) from error
        self._tries.pause(problem)

    @property
    def _can_go_on(self) -> bool:
        offered = self._version.ranges is not False and not self._version.coding
        return offered and (bool(self._version.validator) or self._source.unsafe)

    def _ask(self, claim: Claim) -> Incoming:
        headers = {}
        end = claim.end  # of which another connection may take a part meanwhile
        if claim.at or (end is not None and end != self._arrivals.size):
            headers["Range"] = f"bytes={claim.at}-{'' if end is None else end - 1}"
            if self._version.validator:
                headers["If-Range"] = self._version.validator
        response = self._tries.insist(
            lambda: self._source.session.get(self._url, headers), self._url
        )
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
            if not (self._source.unsafe and unproven):
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
        if self._arrivals.size is None and version.size is not None:
            self._arrivals.learn(claim, version.size)  # the first answer did not tell
        return incoming

    def _is_whole(self, claim: Claim, version: Representation) -> bool:
        # A body that does not tell its length may be cut at its very end.
        return claim.end is None and claim.at == version.size and self._version.same(version)

    def _nothing_more(self, response: httpx.Response, claim: Claim) -> Incoming:
        self._arrivals.learn(claim, claim.at)
        return Incoming(response, body_of(response), claim.at, claim.at)

    def _copy(self, claim: Claim, incoming: Incoming) -> None:
        import xxhash

        digest, arrivals = xxhash.xxh3_128(), self._arrivals
        try:
            while not claim.complete:
                piece = self._read(claim, incoming)
                if not piece:
                    self._end(claim, incoming)
                    break
                arrivals.write(claim, piece, self._buffers)
                digest.update(piece)
                incoming.at += len(piece)
                arrivals.advance(claim, len(piece))
                if claim.at - claim.first >= UNIT:
                    arrivals.enter(claim, digest.digest())
                    digest.reset()
        finally:
            arrivals.enter(claim, digest.digest())

    def _read(self, claim: Claim, incoming: Incoming) -> memoryview:
        self._look()
        buffer = self._buffers.own()
        most = self._arrivals.room(claim, len(buffer))
        return buffer[: timed(self._stride, incoming.body, buffer[:most])]

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
            incoming.end = claim.at
            self._arrivals.learn(claim, claim.at)

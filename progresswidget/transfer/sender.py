"""One upload by tus 1.0.0: request after request, until the server has what there is to send.

Everybody who sends goes through here: `upload`, which sends a file that is complete, and
`progresswidget.sending`, which follows one that is still being written. How long a failure is put
up with is theirs to say, by the `Tries` that they bring.
"""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

import httpx

from progresswidget.errors import TransferError
from progresswidget.transfer import tus
from progresswidget.transfer.answers import is_transient, refusal, unreachable
from progresswidget.transfer.representation import of_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from progresswidget.transfer.persistence import Persistence
    from progresswidget.transfer.session import Session

BLOCK: Final = 2**18
# Section "HEAD" of the protocol: 403, 404 or 410 where there is no such upload.
_LOST: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


def _nothing(_: object = None) -> None:
    pass


class TusSender:
    """An upload on a server, and how much of it is there.

    Parameters
    ----------
    session
        For requests.
    url
        Where uploads are made.
    descriptor
        The open file.
    able
        What the server can do.
    persistence
        How often something is tried.
    moved
        Told the offset of the byte that is sent next.
    check
        Called for every block; it raises if the file is not any more what it was.
    most
        Bytes of one request at most.

    Attributes
    ----------
    location
        The address of the upload, relative where it is the notebook server's, which may have
        another port the next time; empty as long as there is none.
    offset
        The bytes that the server has.
    told
        Whether it knows how many there are in all.
    place
        The address of the file, once it is complete and the server has said so.
    sha256
        The digest that the server has found then, or an empty text.
    """

    def __init__(
        self,
        session: Session,
        url: str,
        descriptor: int,
        able: tus.Abilities,
        persistence: Persistence,
        *,
        moved: Callable[[int], None] = _nothing,
        check: Callable[[bytes], None] = _nothing,
        most: int = tus.MOST,
    ) -> None:
        self._session, self._url, self._descriptor, self._able = session, url, descriptor, able
        self._persistence, self._moved, self._check = persistence, moved, check
        self._chunk, self._ahead = tus.Chunk(most), _Ahead(descriptor, able.checksum, check)
        self.location, self.offset, self.told = "", 0, False
        self.place, self.sha256 = "", ""

    def create(self, pairs: Mapping[str, str], key: str, length: int | None) -> None:
        """Make the upload, or find the one that was made with the same key.

        Raises
        ------
        TransferError
            If the server does not want it, or does not answer.
        """
        response = self._insist("POST", self._url, tus.creation(pairs, length=length, key=key))
        if response.status_code != HTTPStatus.CREATED or "Location" not in response.headers:
            raise refusal(response, self._url)
        response.close()
        address = urljoin(self._session.resolve(self._url), response.headers["Location"])
        self.location = self._session.relative(address)
        self.told = length is not None
        self._note(response, tus.number(response.headers, "Upload-Offset") or 0)

    def resume(self, location: str) -> bool:
        """Go on with an upload; False if there is none any more.

        Raises
        ------
        TransferError
            If the server does not answer, or nothing that makes sense.
        """
        response = self._insist("HEAD", location, {"Tus-Resumable": tus.VERSION})
        response.close()
        if response.status_code in _LOST:
            return False
        offset = tus.number(response.headers, "Upload-Offset")
        if not response.is_success or offset is None:
            raise refusal(response, location)
        self.location = location
        self.told = "Upload-Length" in response.headers
        self._note(response, offset)
        return True

    def send(self, limit: int, *, whole: bool = True) -> bool:
        """Send the next bytes in one request; False if the server has lost the upload.

        Parameters
        ----------
        limit
            The bytes of the file that may be sent now.
        whole
            Whether these are all.

        Raises
        ------
        TransferError
            If the server refuses, or nothing went through for too long.
        """
        before, size = self.offset, min(self._chunk.size, limit - self.offset)
        last = whole and self.offset + size == limit
        length = limit if last and not self.told else None
        try:
            response = self._patch(size, length, limit)
        except httpx.TransportError as error:
            self._persistence.pause(unreachable(error, self._url))
            there = self.resume(self.location)
        else:
            there = self._answered(response, size, length)
        if there and self.offset > before:
            self._persistence.progressed()
        return there

    def end(self, session: Session) -> None:
        """Drop the upload on the server, as far as it can be.

        Parameters
        ----------
        session
            Another one: after a cancel nothing goes through the own.
        """
        location, self.location, self.offset, self.told = self.location, "", 0, False
        if location and self._able.termination:
            with contextlib.suppress(httpx.TransportError, TransferError):
                session.send("DELETE", location, {"Tus-Resumable": tus.VERSION}).close()

    def close(self) -> None:
        """Give up what was prepared."""
        self._ahead.close()

    def _answered(self, response: httpx.Response, size: int, length: int | None) -> bool:
        verdict = tus.judge(response.status_code, response.headers, self._persistence.clock.now())
        if verdict.kind == "taken":
            response.close()
            self.told = self.told or length is not None
            self._note(response, self.offset + size if verdict.offset is None else verdict.offset)
            return True
        if verdict.kind == "gone":
            response.close()
            return False
        if verdict.kind == "smaller" and self._chunk.refused(size):
            response.close()
            return self.resume(self.location)
        again = verdict.kind == "again" or is_transient(response)
        problem = refusal(response, self._url)
        if not again:
            raise problem
        self._persistence.pause(problem, verdict.wait)
        return self.resume(self.location)

    def _note(self, response: httpx.Response, offset: int) -> None:
        self.offset = offset
        self._moved(offset)
        place = response.headers.get("Content-Location", "")
        if place:
            self.place = urljoin(self._session.resolve(self._url), place)
            self.sha256 = of_response(HTTPStatus.OK, response.headers).sha256

    def _patch(self, size: int, length: int | None, limit: int) -> httpx.Response:
        offset = self.offset
        checksum = self._ahead.checksum(offset, size)
        self._ahead.prepare(offset + size, min(self._chunk.size, limit - offset - size))
        headers = tus.append(offset, size, checksum=checksum, length=length)
        started = time.monotonic()
        response = self._session.send("PATCH", self.location, headers, self._blocks(offset, size))
        if response.is_success and size == self._chunk.size:
            self._chunk.took(time.monotonic() - started)
        return response

    def _blocks(self, offset: int, size: int) -> Iterator[bytes]:
        for block in blocks(self._descriptor, offset, size):
            self._persistence.look()
            self._check(block)
            yield block
            offset += len(block)
            self._moved(offset)

    def _insist(self, method: str, url: str, headers: Mapping[str, str]) -> httpx.Response:
        return self._persistence.insist(lambda: self._session.send(method, url, headers), url)


class _Ahead:
    """Checksums, of which the next is taken while the bytes before are on their way.

    A checksum goes ahead of its bytes, so taking it when it is needed would double the time.
    """

    def __init__(self, descriptor: int, algorithm: str, check: Callable[[bytes], None]) -> None:
        self._descriptor, self._algorithm, self._check = descriptor, algorithm, check
        self._thread: ThreadPoolExecutor | None = None
        self._next: Future[str] | None = None
        self._span = (0, 0)

    def checksum(self, offset: int, size: int) -> str:
        """Return the value of ``Upload-Checksum``, or an empty text where nobody wants it."""
        if not self._algorithm or not size:
            return ""
        ready, self._next = self._next, None
        if ready is not None and self._span == (offset, size):
            return ready.result()
        return self._take(offset, size)

    def prepare(self, offset: int, size: int) -> None:
        """Begin with the next."""
        if not self._algorithm or size <= 0:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "progresswidget-checksum")
        self._span = (offset, size)
        self._next = self._thread.submit(self._take, offset, size)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _take(self, offset: int, size: int) -> str:
        digest = tus.hasher(self._algorithm)
        for block in blocks(self._descriptor, offset, size):
            self._check(block)
            digest.update(block)
        return tus.checksum(self._algorithm, digest.digest())


def blocks(descriptor: int, offset: int, size: int) -> Iterator[bytes]:
    """Yield bytes of a file; an empty block, the last, tells that it is shorter."""
    end = offset + size
    while offset < end:
        block = os.pread(descriptor, min(BLOCK, end - offset), offset)
        yield block
        if not block:
            return
        offset += len(block)

"""A kernel that does not share the server's disk sends its file, while it is being written.

A thread follows the export at the distance of a unit: only what a later run would go on from is
sent, so what the server has need not be taken back, and an export that was killed goes on sending
where it stopped. The server finds the same upload again by a key that follows from the path. What
it has then is taken for the beginning of this file as far as this run goes on with an earlier one;
that it was, the digest of the whole file shows in the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import threading
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

import httpx

from progresswidget.client import Endpoint
from progresswidget.errors import SendingError, TransferError
from progresswidget.protocol import Place, encode
from progresswidget.transfer import tus
from progresswidget.transfer.answers import refusal
from progresswidget.transfer.persistence import Persistence
from progresswidget.transfer.retry import Clock, Tries
from progresswidget.transfer.sender import TusSender
from progresswidget.transfer.session import Server, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.export.progress import Progress
    from progresswidget.export.result import Result

CHUNK: Final = 4 * 2**20
"""Bytes of one request: what a broken connection makes us send again, at most."""
TICK: Final = 0.1
"""Seconds between two looks at how far the export is."""
TIMEOUT: Final = 30.0
"""Seconds that the server may take for a chunk, or for the digest of the whole file."""
GIVE_UP: Final = 600.0
"""Seconds without a byte that went through, after which a finished export counts as not sent."""
RETRY_CAP: Final = 5.0
UPLOADS: Final = "uploads/"
ABLE: Final = tus.Abilities(
    creation=True, termination=True, checksum=tus.CHECKSUMS[0], max_size=None
)
"""What our own server can do, without asking it."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What there is to send now: the first `limit` bytes of a file, which are all if `whole`.

    The first `start` bytes an earlier run may have sent.
    """

    path: Path
    identity: tuple[int, int]
    start: int
    limit: int
    whole: bool


class Sender:
    """Sends the file of one job.

    Parameters
    ----------
    task_id
        The job.
    path
        The absolute path of its file on this machine.
    progress
        Of the export.
    overwrite
        Whether a file may be replaced on the server too.
    """

    def __init__(self, task_id: str, path: Path, progress: Progress, *, overwrite: bool) -> None:
        self._task_id, self._path, self._progress = task_id, path, progress
        self._relative = relative(path, Path.cwd())
        self._overwrite = overwrite
        self._session: Session | None = None
        self._target: str | None = None
        self._file: _File | None = None
        self._result: Result | None = None
        self._attempt = 0
        self._stopped = self._abandoned = False
        self._failure: BaseException | None = None
        tries = Patience(lambda: self._result is not None)
        self._persistence = Persistence(tries, Clock(), self._look)
        self._news = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"progresswidget-send-{path.name}", daemon=True
        )

    def start(self) -> None:
        """Begin to send what is there."""
        self._thread.start()

    def finish(self, result: Result, checkpoint: Callable[[], None]) -> None:
        """Wait until the server has the whole file.

        Parameters
        ----------
        result
            Of the export.
        checkpoint
            Called every tenth of a second; it may raise.

        Raises
        ------
        SendingError
            If the server refuses the file, or cannot be reached for too long.
        """
        self._persistence.progressed()
        self._result = result
        self._news.set()
        while not self._ended.wait(TICK):
            checkpoint()
        if self._failure is not None:
            raise self._failure

    def stop(self, *, abandon: bool) -> None:
        """End the thread.

        Parameters
        ----------
        abandon
            Whether the server can forget what it got; otherwise a later run goes on from there.
        """
        self._abandoned, self._stopped = abandon, True
        self._news.set()
        if self._session is not None:
            self._session.abort()
        self._ended.wait(TIMEOUT)

    # --- The thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        self._session = _new_session()
        try:
            self._send_all()
        except _Stopped:
            pass
        except TransferError as error:
            self._failure = _not_sent(self._path.name, error.message)
        except BaseException as error:  # noqa: BLE001 - raised where the end is waited for
            self._failure = error
        finally:
            self._forget(abandon=self._abandoned)
            self._session.close()
            self._ended.set()

    def _look(self) -> None:
        if self._stopped:
            raise _Stopped

    def _send_all(self) -> None:
        while True:
            self._look()
            moved = self._step()
            if moved is None:
                return
            if moved:
                self._persistence.progressed()
            else:
                self._news.wait(TICK)
                self._news.clear()

    def _step(self) -> bool | None:
        """Do one thing; return whether something went through, or None when all is there."""
        source = self._source()
        if source is None:
            return False
        if self._target is None:
            return self._find_place()
        file = self._opened(source)
        sender = file.sender
        if not sender.location:
            self._create(file, source)
            return True
        if sender.offset > source.limit:
            self._drop(file)  # it has got what this file does not begin with
            return True
        if sender.offset < source.limit or (source.whole and not sender.told):
            if not sender.send(source.limit, whole=source.whole):
                self._drop(file)
            return True
        return self._confirm() if source.whole else False

    def _source(self) -> _Source | None:
        result, part = self._result, self._progress.part
        if result is not None:
            identity = (result.stat.st_dev, result.stat.st_ino)
            size = result.bytes
            return _Source(self._path, identity, start=size, limit=size, whole=True)
        if part is None:
            return None
        limit = part.size if part.committed is None else part.committed
        path, identity = self._path.with_name(part.name), (part.device, part.inode)
        return _Source(path, identity, part.start, limit, whole=False)

    def _find_place(self) -> bool | None:
        place = self._place(None)
        self._target = str(place["path"])
        return None if place.get("there") else True

    def _confirm(self) -> bool | None:
        if self._place(self._target).get("there"):
            return None
        # What the server has is not what was exported: an earlier run may have sent other data
        # under the same key. Once more, from the beginning.
        self._attempt += 1
        if self._attempt > 1:
            raise _not_sent(self._path.name, "what has arrived is not what was sent")
        self._forget(abandon=True)
        return True

    def _place(self, path: str | None) -> dict[str, Any]:
        result = self._result
        place = Place(self._relative, path)
        if result is not None:
            place = replace(place, sha256=result.sha256, size=result.bytes)
        body = encode(place.to_json()).encode()
        address = f"api/jobs/{self._task_id}/place"
        while True:
            response = self._persistence.insist(
                lambda: self._own_session.send("PUT", address, {}, body), address
            )
            if response.is_success:
                named: dict[str, Any] = json.loads(response.read())
                return named
            problem = refusal(response, address)
            if response.status_code != HTTPStatus.NOT_FOUND:
                raise problem
            self._persistence.pause(problem)  # the server does not know the job yet

    # --- The upload -----------------------------------------------------------------------------

    @property
    def _own_session(self) -> Session:
        if self._session is None:
            raise AssertionError  # the thread makes it before anything else
        return self._session

    def _opened(self, source: _Source) -> _File:
        if self._file is not None and self._file.identity == source.identity:
            return self._file
        self._forget(abandon=True)
        try:
            descriptor = os.open(source.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            # It got its name this very moment.
            descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._file = _File(descriptor, source.identity, self._sender(descriptor))
        return self._file

    def _sender(self, descriptor: int) -> TusSender:
        return TusSender(
            self._own_session,
            UPLOADS,
            descriptor,
            ABLE,
            self._persistence,
            most=CHUNK,
        )

    @property
    def _key(self) -> str:
        """What the server finds the upload by, also for the kernel after this one."""
        named = (platform.node(), str(self._path), self._target, self._overwrite)
        return hashlib.sha256(repr(named).encode(errors="replace")).hexdigest()[:32]

    def _create(self, file: _File, source: _Source) -> None:
        folder, _, name = (self._target or "").rpartition("/")
        overwrite = "true" if self._overwrite else ""
        metadata = {"filename": name, "path": folder, "overwrite": overwrite}
        sender = file.sender
        sender.create(metadata, self._key, None)
        if file.known:
            sender.told = bool(sender.place)
        elif sender.place or sender.offset > source.start:
            # An upload of an earlier file, or of data that is not what it was.
            self._drop(file)
        else:
            file.known = True

    def _drop(self, file: _File) -> None:
        with contextlib.closing(_new_session()) as session:
            file.sender.end(session)

    def _forget(self, *, abandon: bool) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        file.sender.close()
        os.close(file.descriptor)
        if abandon:
            self._drop(file)


@dataclass(slots=True)
class _File:
    """The file that is sent, and how far the server has it."""

    descriptor: int
    identity: tuple[int, int]
    sender: TusSender
    known: bool = False
    """Whether what the server has is ours for certain."""


class Patience(Tries):
    """Go on for as long as the export runs, and then until nothing went through for too long.

    Parameters
    ----------
    complete
        Says whether the export is over.
    """

    def __init__(self, complete: Callable[[], bool]) -> None:
        super().__init__()
        self._complete, self._moved = complete, time.monotonic()

    def progressed(self) -> None:
        """Start anew: bytes have gone through."""
        super().progressed()
        self._moved = time.monotonic()

    def failure(self, asked: float | None = None) -> float | None:
        """Note a failure, and return the seconds to wait, or None if it was the last."""
        if self._complete() and time.monotonic() - self._moved > GIVE_UP:
            return None
        # Its doublings end with the tries of others; here they begin again.
        wait = super().failure(None if asked is None else min(asked, RETRY_CAP))
        if wait is None:
            super().progressed()
            return RETRY_CAP
        return min(wait, RETRY_CAP)


class _Stopped(Exception):  # noqa: N818 - never seen outside
    """The export has ended it all."""


def _new_session() -> Session:
    return Session(find_server=_server, timeout=TIMEOUT)


def _server() -> Server:
    endpoint = Endpoint.find()
    if endpoint is None:
        # It may be about to start again, and write the file that tells where.
        raise httpx.ConnectError("the server is away")
    return Server(endpoint.url, endpoint.secret, endpoint.certfile)


def relative(path: PurePath, folder: PurePath) -> str:
    """Return a path as seen from a folder, with slashes; its name alone if it lies elsewhere."""
    inside = path.relative_to(folder) if path.is_relative_to(folder) else PurePath(path.name)
    return inside.as_posix()


def _not_sent(name: str, reason: str) -> SendingError:
    return SendingError(
        f"{name} is complete where the kernel runs, but the server did not take it: {reason}",
        "Run the cell again: only what is missing is sent.",
    )

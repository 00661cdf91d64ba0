"""A kernel that does not share the server's disk sends its file, while it is being written.

A thread follows the export at the distance of a unit: only what a later run would go on from is
sent, so what the server has need not be taken back, and an export that was killed goes on sending
where it stopped. The server finds the same upload again by a key that follows from the path. What
it has then is taken for the beginning of this file as far as this run goes on with an earlier one;
that it was, the digest of the whole file shows in the end.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from progresswidget import tus
from progresswidget.client import Connection, Endpoint, ServerUnreachableError
from progresswidget.errors import SendingError
from progresswidget.protocol import Place, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.client import Answer
    from progresswidget.export.pipeline import Progress, Result

_log = logging.getLogger("progresswidget")

CHUNK: Final = 4 * 2**20
"""Bytes of one request: what a broken connection makes us send again, at most."""
TICK: Final = 0.1
"""Seconds between two looks at how far the export is."""
TIMEOUT: Final = 30.0
"""Seconds that the server may take for a chunk, or for the digest of the whole file."""
RETRY_FIRST: Final = 0.2
RETRY_CAP: Final = 5.0
GIVE_UP: Final = 600.0
"""Seconds without a byte that went through, after which a finished export counts as not sent."""


@dataclass(slots=True)
class _File:
    """The file that is sent, and how far the server has it."""

    descriptor: int
    identity: tuple[int, int]
    known: bool = False
    """Whether what the server has is ours for certain."""
    location: str | None = None
    offset: int = 0
    told: bool = False
    """Whether the server knows the length."""


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
        self._connection: Connection | None = None
        self._target: str | None = None
        self._file: _File | None = None
        self._result: Result | None = None
        self._attempt = 0
        self._stopped = self._abandoned = False
        self._failure: BaseException | None = None
        self._moved = time.monotonic()
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
        self._moved = time.monotonic()
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
        self._ended.wait(TIMEOUT)

    # --- The thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._send_all()
        except BaseException as error:  # noqa: BLE001 - raised where the end is waited for
            self._failure = error
        finally:
            self._forget()
            self._ended.set()

    def _send_all(self) -> None:
        delay = RETRY_FIRST
        while not self._stopped:
            try:
                moved = self._step()
            except ServerUnreachableError as error:
                _log.debug("the file cannot be sent now: %s", error)
                self._disconnect()
                self._give_up_in_time(error)
                self._pause(delay)
                delay = min(2 * delay, RETRY_CAP)
                continue
            delay = RETRY_FIRST
            if moved is None:
                return
            if moved:
                self._moved = time.monotonic()
            else:
                self._pause(TICK)

    def _give_up_in_time(self, error: Exception) -> None:
        if self._result is not None and time.monotonic() - self._moved > GIVE_UP:
            raise _not_sent(self._path.name, str(error)) from error

    def _pause(self, seconds: float) -> None:
        self._news.wait(seconds)
        self._news.clear()

    def _step(self) -> bool | None:
        """Do one thing; return whether something went through, or None when all is there."""
        source = self._source()
        if source is None:
            return False
        if self._target is None:
            return self._find_place()
        file = self._opened(source)
        if file.location is None:
            self._create(file, source)
            return True
        if file.offset < source.limit or (source.whole and not file.told):
            self._append(file, source)
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
        body = encode(place.to_json())
        answer = self._request("PUT", f"api/jobs/{self._task_id}/place", {}, body.encode())
        if tus.judge(answer.status, answer.headers).kind == "gone":
            raise ServerUnreachableError("the server does not know the job yet")
        self._require(answer)
        named: dict[str, Any] = json.loads(answer.body)
        return named

    # --- The upload -----------------------------------------------------------------------------

    def _opened(self, source: _Source) -> _File:
        if self._file is not None and self._file.identity == source.identity:
            return self._file
        self._forget(abandon=True)
        try:
            descriptor = os.open(source.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            # It got its name this very moment.
            descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._file = _File(descriptor, source.identity)
        return self._file

    @property
    def _key(self) -> str:
        """What the server finds the upload by, also for the kernel after this one."""
        named = (platform.node(), str(self._path), self._target, self._overwrite)
        return hashlib.sha256(repr(named).encode(errors="replace")).hexdigest()[:32]

    def _create(self, file: _File, source: _Source) -> None:
        folder, _, name = (self._target or "").rpartition("/")
        metadata = {"filename": name, "path": folder}
        if self._overwrite:
            metadata["overwrite"] = "true"
        answer = self._request("POST", "uploads/", tus.creation(metadata, key=self._key))
        self._require(answer)
        file.location = f"uploads/{answer.headers.get('Location', '').rsplit('/', 1)[-1]}"
        file.offset = tus.judge(answer.status, answer.headers).offset or 0
        done = answer.headers.get("Content-Location") is not None
        if file.known:
            file.told = done
        elif done or file.offset > source.start:
            # An upload of an earlier file, or of data that is not what it was.
            self._delete(file)
        else:
            file.known = True

    def _append(self, file: _File, source: _Source) -> None:
        size = min(CHUNK, source.limit - file.offset)
        data = os.pread(file.descriptor, size, file.offset)
        length = source.limit if source.whole and file.offset + size == source.limit else None
        headers = tus.append(file.offset, data, length=length)
        answer = self._request("PATCH", str(file.location), headers, data)
        verdict = tus.judge(answer.status, answer.headers)
        if verdict.kind == "gone":
            file.location, file.offset, file.told = None, 0, False
        elif verdict.kind == "elsewhere" and verdict.offset is not None:
            file.offset = verdict.offset
            if file.offset > source.limit:
                self._delete(file)
        else:
            self._require(answer)
            file.offset = verdict.offset if verdict.offset is not None else file.offset + len(data)
            file.told = length is not None

    def _delete(self, file: _File) -> None:
        location, file.location, file.offset, file.told = file.location, None, 0, False
        if location is not None:
            self._request("DELETE", location, {"Tus-Resumable": tus.VERSION})

    def _forget(self, *, abandon: bool = False) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        os.close(file.descriptor)
        if abandon or self._abandoned:
            try:
                self._delete(file)
            except ServerUnreachableError as error:
                _log.debug("an upload is left to expire: %s", error)

    # --- The connection -------------------------------------------------------------------------

    def _request(
        self, method: str, address: str, headers: dict[str, str], body: bytes = b""
    ) -> Answer:
        if self._connection is None:
            endpoint = Endpoint.find()
            if endpoint is None:
                raise ServerUnreachableError("the server is away")
            self._connection = Connection(endpoint, timeout=TIMEOUT)
        return self._connection.request(method, address, headers, body)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._file is not None:
            self._file.location = None  # the same key tells how far the upload is

    def _require(self, answer: Answer) -> None:
        verdict = tus.judge(answer.status, answer.headers)
        if verdict.kind == "taken":
            return
        reason = answer.reason
        if verdict.kind == "again" or answer.code.startswith("kernel-secret"):
            if verdict.wait:
                self._pause(min(verdict.wait, RETRY_CAP))
            raise ServerUnreachableError(reason)
        raise _not_sent(self._path.name, reason)


def relative(path: PurePath, folder: PurePath) -> str:
    """Return a path as seen from a folder, with slashes; its name alone if it lies elsewhere."""
    inside = path.relative_to(folder) if path.is_relative_to(folder) else PurePath(path.name)
    return inside.as_posix()


def _not_sent(name: str, reason: str) -> SendingError:
    return SendingError(
        f"{name} is complete where the kernel runs, but the server did not take it: {reason}",
        "Run the cell again: only what is missing is sent.",
    )

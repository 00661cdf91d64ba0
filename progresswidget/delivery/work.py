"""A delivery as a job has it: its steps, and what is done about an error of one."""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from progresswidget.delivery.execution import Execution
from progresswidget.delivery.ledger import Ledger
from progresswidget.delivery.receiver import Parcel
from progresswidget.delivery.staging import Staging
from progresswidget.errors import (
    DestinationError,
    DestinationExistsError,
    DigestMismatchError,
    ExportCancelledError,
    LeaseLostError,
    ProgressWidgetError,
    SourceError,
    TransferError,
    TransferRefusedError,
)
from progresswidget.export.destination import explain, locate
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.transfer.outcome import FileKind, Transferred
from progresswidget.transfer.retry import TRANSIENT, Clock, Tries

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from progresswidget.delivery.execution import Entry, Verdict
    from progresswidget.delivery.receiver import Receiver
    from progresswidget.export.result import Result

_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Delivery:
    """A frame that can be delivered, checked as far as that goes without writing.

    Parameters
    ----------
    frame, format, encrypt_to, options
        As `Export` has them.
    path
        The name of the file, whose ending chooses the format; it is prepared beside this path.
    receiver
        Where it goes.
    clock
        For waiting.

    Raises
    ------
    UnsupportedSourceError, UnsupportedFormatError, OptionError, ColumnError, DestinationError
        If one of these stands in the way.
    """

    kind: Final = "upload"
    columns: Final = 0
    total: int | None = None

    def __init__(
        self,
        frame: object,
        path: str | os.PathLike[str],
        receiver: Receiver,
        *,
        format: str | None = None,
        encrypt_to: object = None,
        options: Mapping[str, Any],
        clock: Clock | None = None,
    ) -> None:
        self.path = locate(path)
        self.format = FileKind.of(self.path)
        self._receiver = receiver
        self._clock = Clock() if clock is None else clock
        self._staging = Staging(self.path, receiver.target)
        self._staging.make()
        try:
            self._export = Export(
                frame, self._staging.file, format=format, encrypt_to=encrypt_to, options=options
            )
        except BaseException:
            self._staging.leave()
            raise

    @property
    def schema(self) -> Iterable[tuple[str, str]]:
        """The columns and their types, as far as they are known."""
        return self._export.schema

    @property
    def settings(self) -> Iterable[tuple[str, str]]:
        """The options that were chosen and may be told, and their values."""
        return self._export.settings

    @property
    def once(self) -> bool:
        """Whether it cannot be done again after it has begun."""
        return self._export.once

    def run(self, progress: Progress) -> Transferred:
        """Write the file, send it, and publish it, or leave nothing of it anywhere.

        Parameters
        ----------
        progress
            Raised while it runs, in bytes, and asked for pause and cancel.

        Raises
        ------
        ExportCancelledError
            If `progress.checkpoint` says so.
        ProgressWidgetError
            If it cannot be delivered. What may be different the next time leaves what there is for
            the next run; anything else undoes it.
        """
        try:
            return self._run(progress)
        except ProgressWidgetError:
            raise
        except OSError as error:
            raise explain(error, self.path) from error

    def _run(self, progress: Progress) -> Transferred:
        started = time.monotonic()

        def tell(name: str, status: str) -> None:
            progress.steps = {**progress.steps, name: status}
            if status == "undoing":
                progress.phase = "finishing"

        with self._staging.held() as lease:
            ledger = Ledger(lease)
            write = _Write(self._export, self._staging, progress)
            execution = Execution(
                ledger,
                [
                    write,
                    _Send(self._receiver, self._staging, progress),
                    _Publish(self._receiver, self._staging, progress),
                ],
                judge=judge,
                tries=Tries,
                clock=self._clock,
                look=progress.checkpoint,
                undone=progress.took_back,
                tell=tell,
            )
            try:
                notes = execution.run()
            finally:
                if ledger.over and lease.ours:
                    self._staging.clear()
                    lease.remove()
        return self._transferred(notes, write, progress, time.monotonic() - started)

    def _transferred(
        self,
        notes: Mapping[str, Mapping[str, Any]],
        write: _Write,
        progress: Progress,
        seconds: float,
    ) -> Transferred:
        written = write.result
        if written is None:
            raise AssertionError  # it is looked at in every run
        size, sha256 = notes["write"]["size"], notes["write"]["sha256"]
        progress.rows = progress.bytes = size
        return Transferred(
            path=self.path,
            rows=size,
            columns=0,
            bytes=size,
            seconds=seconds,
            reused=progress.reused,
            stat=written.stat,
            _digest=lambda: sha256,
            url=notes["publish"]["url"],
        )


# What kind of error, and what is done about it; the first row that fits counts.
_JUDGEMENTS: Final[tuple[tuple[tuple[type[BaseException], ...], Verdict], ...]] = (
    # The export goes on where it was; a lease is somebody else's now.
    ((SourceError, LeaseLostError), "later"),
    ((DigestMismatchError, DestinationExistsError), "never"),
    ((TransferError,), "again"),
    ((ProgressWidgetError,), "never"),
    ((BaseException,), "later"),
)


def judge(error: BaseException) -> Verdict:
    """Say whether an error of a step passes now, may have passed at the next run, or stays."""
    if isinstance(error, ExportCancelledError):
        return "never" if error.final else "later"
    if isinstance(error, TransferRefusedError):
        return _judge_status(error.status)
    cause = error.__cause__
    if isinstance(error, DestinationError) and isinstance(cause, OSError) and cause.errno in _ROOM:
        return "later"
    return next(verdict for kinds, verdict in _JUDGEMENTS if isinstance(error, kinds))


def _judge_status(status: int | None) -> Verdict:
    if status is None:
        return "never"
    if status in TRANSIENT:
        return "again"
    # The next run may find room, or a server that is well.
    return "later" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "never"


@dataclass(slots=True)
class _Write:
    """The file is written; an unchanged one is found, and one that was killed goes on."""

    export: Export
    staging: Staging
    progress: Progress
    result: Result | None = None
    name: str = "write"

    def do(self, entry: Entry) -> dict[str, Any]:
        inner = Progress()
        inner.checkpoint = lambda: self._pass_on(inner)
        self.result = self.export.run(inner)
        return {"sha256": self.result.sha256, "size": self.result.bytes}

    def undo(self, entry: Entry) -> None:
        self.staging.clear()

    def stands(self, entry: Entry) -> None:
        return None

    def _pass_on(self, inner: Progress) -> None:
        # Rows of a frame are no bytes of a file: only these are told, and how many there will be
        # nobody knows.
        self.progress.phase, self.progress.bytes = inner.phase, inner.bytes
        self.progress.checkpoint()


@dataclass(slots=True)
class _Stage:
    """What a step needs that has to do with the receiver."""

    receiver: Receiver
    staging: Staging
    progress: Progress

    def parcel(self, entry: Entry) -> Parcel:
        written = entry.before["write"]
        return Parcel(self.staging.file, written["size"], written["sha256"])


@dataclass(slots=True)
class _Send(_Stage):
    """The file is brought there, and nobody sees it yet."""

    name: str = "send"

    def do(self, entry: Entry) -> dict[str, Any]:
        parcel = self.parcel(entry)
        self.progress.phase, self.progress.bytes = "connecting", parcel.size
        self.progress.total = parcel.size
        return self.receiver.send(parcel, entry, self.progress)

    def undo(self, entry: Entry) -> None:
        self.receiver.drop(self.parcel(entry), entry)

    def stands(self, entry: Entry) -> None:
        return None


@dataclass(slots=True)
class _Publish(_Stage):
    """It gets its name there: from here on it stands."""

    name: str = "publish"

    def do(self, entry: Entry) -> dict[str, Any]:
        self.progress.checkpoint()
        return self.receiver.publish(self.parcel(entry), entry, self.progress)

    def undo(self, entry: Entry) -> None:
        """Do nothing: it does not stand, and what was sent is dropped by the step before."""

    def stands(self, entry: Entry) -> dict[str, Any] | None:
        return self.receiver.stands(self.parcel(entry), entry)

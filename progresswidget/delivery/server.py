"""A server as a receiver: by tus 1.0.0, whose uploads are seen by nobody before they are complete.

What goes ahead of the last byte is *sent*, and that byte *publishes*: servers that stage an upload
give the file its name then. With the key of its step an upload is found again whose address was
lost, where the server takes an ``Idempotency-Key``; any other server forgets such a one by itself.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from progresswidget.delivery.execution import LostError
from progresswidget.errors import DigestMismatchError, SourceChangedError, TransferRefusedError
from progresswidget.export.progress import Progress
from progresswidget.transfer import address, tus
from progresswidget.transfer.answers import refusal
from progresswidget.transfer.persistence import Persistence
from progresswidget.transfer.retry import Tries
from progresswidget.transfer.sender import TusSender
from progresswidget.transfer.session import Session, attended

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from progresswidget.delivery.execution import Entry
    from progresswidget.delivery.receiver import Parcel
    from progresswidget.transfer.aim import Aim
    from progresswidget.transfer.retry import Clock

T = TypeVar("T")

LOCATION: Final = "location"
_NOTHING_LEFT: Final = frozenset(
    {
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.GONE,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""Answers to the end of an upload: it is gone, or this server forgets uploads only by itself."""


@dataclass(frozen=True, slots=True)
class ServerReceiver:
    """A place on a server.

    Parameters
    ----------
    aim
        Where uploads are made, and what the file is called there.
    media_type
        What it is.
    overwrite
        Whether a file of that name may be replaced, if the server asks.
    open_session
        Makes a new session.
    clock
        For waiting.
    """

    aim: Aim
    media_type: str
    overwrite: bool
    open_session: Callable[[], Session]
    clock: Clock

    @property
    def target(self) -> str:
        """What a delivery to it is known by."""
        return f"{self.aim.identity} {'replace' if self.overwrite else ''}"

    def send(self, parcel: Parcel, entry: Entry, progress: Progress) -> dict[str, Any]:
        """Send all but the last byte; see `Receiver`."""
        if not parcel.size:
            return {}  # an upload of nothing is complete from its beginning

        def work(sender: TusSender) -> dict[str, Any]:
            if not self._open(sender, str(entry.note.get(LOCATION, ""))):
                self._create(sender, parcel, entry)
            while sender.offset < parcel.size - 1:
                if not sender.send(parcel.size - 1, whole=False):
                    raise self._lost()
            return {LOCATION: sender.location}

        return self._with_sender(parcel.path, progress, work)

    def publish(self, parcel: Parcel, entry: Entry, progress: Progress) -> dict[str, Any]:
        """Send the last byte, which gives the file its name; see `Receiver`."""
        location = _location(entry)

        def work(sender: TusSender) -> dict[str, Any]:
            if not self._open(sender, location):
                if parcel.size:
                    raise self._lost()
                self._create(sender, parcel, entry)
            if not parcel.size and not sender.place and not sender.send(0):
                raise self._lost()
            while sender.offset < parcel.size:
                if not sender.send(parcel.size):
                    raise self._lost()
            return self._seen(sender, parcel)

        return self._with_sender(parcel.path, progress, work)

    def stands(self, parcel: Parcel, entry: Entry) -> dict[str, Any] | None:
        """Ask whether it is complete; see `Receiver`."""
        location = _location(entry)

        def work(sender: TusSender) -> dict[str, Any] | None:
            if not self._open(sender, location) or sender.offset < parcel.size:
                return None
            return self._seen(sender, parcel)

        return self._with_sender(parcel.path, Progress(), work)

    def drop(self, parcel: Parcel, entry: Entry) -> None:
        """End the upload; see `Receiver`."""
        with contextlib.closing(self.open_session()) as session:
            persistence = Persistence(Tries(), self.clock, _nothing)
            location = str(
                entry.note.get(LOCATION) or self._find(session, persistence, parcel, entry)
            )
            if not location:
                return
            response = self._delete(session, persistence, location)
            response.close()
            if not response.is_success and response.status_code not in _NOTHING_LEFT:
                raise refusal(response, self.aim.url)

    def _delete(self, session: Session, persistence: Persistence, location: str) -> httpx.Response:
        headers = {"Tus-Resumable": tus.VERSION}
        while True:
            response = persistence.insist(
                lambda: session.send("DELETE", location, headers), self.aim.url
            )
            if response.status_code != HTTPStatus.LOCKED:
                return response
            # The request of a process that has died may hold it for some seconds more.
            persistence.pause_after(response, self.aim.url)

    def _find(
        self, session: Session, persistence: Persistence, parcel: Parcel, entry: Entry
    ) -> str:
        """Return the address of an upload that may have been made all the same, by its key."""
        while True:
            try:
                able = self._ask(session, persistence)
                sender = TusSender(session, self.aim.url, -1, able, persistence)
                sender.create(self._metadata(), entry.key, parcel.size)
            except TransferRefusedError as error:
                if error.status != HTTPStatus.LOCKED:
                    return ""  # what is refused now was refused before
                persistence.pause(error)
            else:
                return sender.location

    # --- The line ---------------------------------------------------------------------------------

    def _with_sender(self, path: Path, progress: Progress, work: Callable[[TusSender], T]) -> T:
        def waiting(now: bool) -> None:  # noqa: FBT001
            progress.phase = "waiting" if now else "sending"

        def moved(offset: int) -> None:
            progress.rows = offset

        with (
            contextlib.closing(self.open_session()) as session,
            path.open("rb", buffering=0) as file,
        ):

            def run() -> T:
                persistence = Persistence(Tries(), self.clock, progress.checkpoint, waiting)
                sender = TusSender(
                    session,
                    self.aim.url,
                    file.fileno(),
                    self._ask(session, persistence),
                    persistence,
                    moved=moved,
                    check=self._check,
                )
                progress.phase = "sending"
                with contextlib.closing(sender):
                    return work(sender)

            return attended(run, session, progress.checkpoint)

    def _ask(self, session: Session, persistence: Persistence) -> tus.Abilities:
        headers = {"Tus-Resumable": tus.VERSION}
        response = persistence.insist(
            lambda: session.send("OPTIONS", self.aim.url, headers), self.aim.url
        )
        able = tus.abilities(response.headers)
        response.close()
        if able is None or not able.creation:
            raise TransferRefusedError(
                f"{address.shown(self.aim.url)} does not speak tus 1.0.0, so what is half there "
                "could be seen.",
                "Export the file, and upload that: upload() sends it by PUT.",
            )
        return able

    def _open(self, sender: TusSender, location: str) -> bool:
        return bool(location) and sender.resume(location)

    def _create(self, sender: TusSender, parcel: Parcel, entry: Entry) -> None:
        sender.create(self._metadata(), entry.key, parcel.size)
        entry.keep({LOCATION: sender.location})

    def _metadata(self) -> dict[str, str]:
        return {
            "filename": self.aim.name,
            "filetype": self.media_type,
            "path": self.aim.folder,
            "overwrite": "true" if self.overwrite else "",
        }

    def _seen(self, sender: TusSender, parcel: Parcel) -> dict[str, Any]:
        if sender.sha256 and sender.sha256 != parcel.sha256:
            raise DigestMismatchError(
                f"{self.aim.name} is there, but it is not what was sent.",
                "Look at what the server stores; every part had its checksum.",
            )
        return {"url": sender.place or sender.location}

    def _lost(self) -> LostError:
        return LostError(
            f"{address.shown(self.aim.url)} has lost the upload.",
            "Ask its owner how long unfinished uploads are kept.",
        )

    def _check(self, block: bytes) -> None:
        if not block:
            raise SourceChangedError(f"What was written of {self.aim.name} became shorter.")


def _location(entry: Entry) -> str:
    """Return the address of the upload; one of nothing is made only when it is published."""
    return str(entry.before["send"].get(LOCATION) or entry.note.get(LOCATION, ""))


def _nothing() -> None:
    pass

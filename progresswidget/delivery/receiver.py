"""What receives a delivery: the port, of which each kind of place is one implementation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.delivery.execution import Entry
    from progresswidget.export.progress import Progress


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be delivered.

    Parameters
    ----------
    path
        The file here.
    size
        Its bytes.
    sha256
        Its digest, 64 hexadecimal digits.
    """

    path: Path
    size: int
    sha256: str


class Receiver(Protocol):
    """A place that takes files. Each method finds out by itself what is there already."""

    @property
    def target(self) -> str:
        """What a delivery to it is known by."""

    def send(self, parcel: Parcel, entry: Entry, progress: Progress) -> dict[str, Any]:
        """Bring the file there, so that nobody sees it yet; return what to note.

        Raises
        ------
        TransferError, DestinationError
            If it cannot be brought there.
        """

    def publish(self, parcel: Parcel, entry: Entry, progress: Progress) -> dict[str, Any]:
        """Give it its name, in one moment; return its address as ``url``.

        Raises
        ------
        LostError
            If what was sent is not there any more.
        TransferError, DestinationError
            If it cannot have the name.
        """

    def stands(self, parcel: Parcel, entry: Entry) -> dict[str, Any] | None:
        """Return what `publish` would, if the file has its name; or else None."""

    def drop(self, parcel: Parcel, entry: Entry) -> None:
        """Remove what was sent, where it has no name yet. All of it may be gone."""

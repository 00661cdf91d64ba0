"""What an upload aims at: where it is made, and what it is called there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from progresswidget.transfer import address

if TYPE_CHECKING:
    from progresswidget.transfer.session import Server, Session

UPLOADS: Final = "uploads/"
CONTENTS: Final = "contents/"
"""Of the notebook server: where uploads are made, and where files are then."""


@dataclass(frozen=True, slots=True)
class Aim:
    """Where an upload is to go.

    Parameters
    ----------
    url
        Where it is made.
    folder, name
        What the server is told, as far as it asks.
    """

    url: str
    folder: str
    name: str

    @property
    def identity(self) -> str:
        """What it is remembered by; it tells no address."""
        return f"{address.identity(self.url)} {self.folder}/{self.name}"


def take_aim(url: str, name: str, usual: str, session: Session, server: Server | None) -> Aim:
    """Return what is aimed at.

    Parameters
    ----------
    url
        As a user wrote it: an address, or a path on the notebook server.
    name
        What the file is to be called there, or an empty text.
    usual
        What it is called otherwise.

    Raises
    ------
    OptionError
        If it is no address.
    """
    where = session.resolve(url)
    if server is None or not address.is_below(where, server.url):
        return Aim(url, "", name or usual)
    below = unquote(where[len(server.url) :])
    if below.startswith(CONTENTS):
        folder, _, last = below.removeprefix(CONTENTS).rpartition("/")
        return Aim(UPLOADS, folder, name or last or usual)
    return Aim(url, "", name or usual)

"""Does the server see what is written here? A file of random bytes tells; nothing is guessed."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from typing import TYPE_CHECKING, Self

from progresswidget import protocol
from progresswidget.client import Endpoint
from progresswidget.export.parts import create_probe

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.export.parts import Part


class Probe:
    """A file beside an export, until the server has said whether it sees it.

    Parameters
    ----------
    part
        The open file.
    sha256
        The digest of what is in it.
    """

    def __init__(self, part: Part, sha256: str) -> None:
        self._part, self._sha256 = part, sha256

    @classmethod
    def create(cls, destination: Path) -> Self | None:
        """Make one, if there is a server to ask."""
        if Endpoint.find() is None:
            return None
        nonce = secrets.token_bytes(32)
        with contextlib.suppress(OSError):  # the export itself says what is wrong with the folder
            return cls(create_probe(destination, nonce), hashlib.sha256(nonce).hexdigest())
        return None

    def remove(self) -> None:
        """Remove the file; a second call changes nothing."""
        self._part.remove()

    def to_json(self) -> protocol.Json:
        """Return what a report says of it."""
        return protocol.Probe(self._part.path.name, self._sha256).to_json()

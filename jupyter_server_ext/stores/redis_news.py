"""What servers hear of each other by Redis, and who follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class News:
    """One entry of the stream.

    Parameters
    ----------
    state
        What there is now, as JSON; empty where it is gone.
    author
        The server that wrote it.
    fields
        What else its kind needs.
    """

    kind: str
    key: str
    state: str
    author: str
    fields: dict[str, str]


class Part(Protocol):
    """Who keeps something in Redis."""

    async def attach(self, *, emptied: bool) -> None:
        """Read the state and settle what happened meanwhile, before anything is followed.

        Parameters
        ----------
        emptied
            Whether Redis may have lost some of what it was told, or all of it.

        Raises
        ------
        LostError
            If Redis is lost again.
        """

    def attached(self) -> None:
        """Go on with what was read. Nothing is awaited between this and the first news."""

    def heard(self, news: News) -> None:
        """Take what a server did, this one included."""

    def lost(self) -> None:
        """Go on alone."""

    def lasting(self) -> list[str]:
        """Return the keys that are to live for as long as there is a server."""

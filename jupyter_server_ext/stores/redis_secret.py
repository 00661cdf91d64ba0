"""The key that signed links are made with, the same on all servers of one Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server_ext.stores import redis_scripts as scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.stores.redis_news import News
    from jupyter_server_ext.stores.redis_session import RedisSession


class RedisSecret:
    """A secret that the first server to come has chosen for all.

    Who can read Redis can sign links, and who can write there can do more than that: Redis must
    be open to the servers only.

    Parameters
    ----------
    name
        What the secret is for.
    session
        The server's life with Redis.
    """

    def __init__(self, name: str, session: RedisSession) -> None:
        self.own: Callable[[], bytes] = bytes
        """Returns the secret that this server would use."""
        self.chosen: Callable[[bytes], None] = lambda _: None
        """Called with the secret that all use."""
        self._name = name
        self._session = session
        self._found = ""
        session.join(f"{name} secret", self)

    async def attach(self, *, emptied: bool) -> None:
        """Offer the own secret, and see which one was first."""
        arguments: list[str | int] = [self._name, self.own().hex()]
        answer = await self._session.run(scripts.OFFER, self.lasting(), arguments)
        self._found = answer[1]

    def attached(self) -> None:
        """Use it."""
        self.chosen(bytes.fromhex(self._found))

    def heard(self, news: News) -> None:
        """Do nothing: it stays as it is."""

    def lost(self) -> None:
        """Go on with it."""

    def lasting(self) -> list[str]:
        """Return the key of all secrets."""
        return [self._session.redis.key("secrets")]

"""Counts of workers, told to the server that the process of their job reports to.

A balancer sends a worker to any server; only the one that answers the kernel can tell it. A count
is a word that nobody keeps: the worker says the whole of it again when it has moved.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.stores.redis_news import News
    from jupyter_server_ext.stores.redis_session import RedisSession

_KIND: Final = "count"


class RedisCounts:
    """Passes counts on among all servers of one Redis.

    Parameters
    ----------
    session
        The server's life with Redis.
    """

    def __init__(self, session: RedisSession) -> None:
        self.counted: Callable[[str, str, float, bool], None] = lambda *_: None
        """Called with what came to another server: job, worker, steps, whether it is at work."""
        self._session = session
        session.join(_KIND, self)

    async def tell(self, task_id: str, worker: str, steps: float, *, used: bool) -> None:
        """Tell the others what a worker of a job has done in all; nobody hears it without Redis."""
        await self._session.send(_KIND, json.dumps([task_id, worker, steps, used]))

    async def attach(self, *, emptied: bool) -> None:
        """Do nothing: there is nothing to read."""

    def attached(self) -> None:
        """Do nothing: workers say it again."""

    def heard(self, news: News) -> None:
        """Take what came to another server."""
        if news.author != self._session.id:
            task_id, worker, steps, used = json.loads(news.key)
            self.counted(task_id, worker, steps, used)

    def lost(self) -> None:
        """Do nothing: what comes here is known here."""

    def lasting(self) -> list[str]:
        """Return nothing: nothing is kept."""
        return []

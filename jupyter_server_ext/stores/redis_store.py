"""Transfers, links and uploads in Redis: of two writers the later counts, and all servers follow.

Each is a hash of its own, with the fields that other programs may want to read beside the whole
record, and a time to live. Everything is in memory too, so that a server goes on while Redis is
away; what it wrote meanwhile follows when it is back.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from jupyter_server_ext.logs import about
from jupyter_server_ext.stores import Kept, Kind
from jupyter_server_ext.stores import redis_scripts as scripts
from jupyter_server_ext.stores.redis import LostError
from jupyter_server_ext.stores.redis_session import STREAM

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from jupyter_server_ext.stores.redis_news import News
    from jupyter_server_ext.stores.redis_session import RedisSession, Script

T = TypeVar("T", bound=Kept)

_REMOVED: Final = 10_000
"""Removed items that are remembered."""


class RedisStore(Generic[T]):
    """A `Store` that all servers of one Redis share.

    Parameters
    ----------
    kind
        What it keeps.
    session
        The server's life with Redis.
    interval
        Seconds between two batches.
    fields
        What others may read of an item, by name.
    life
        Milliseconds until an item is forgotten by itself, from the moment that it is written.
    log
        Where an unreadable record is told.
    """

    def __init__(
        self,
        kind: Kind[T],
        session: RedisSession,
        *,
        interval: float,
        fields: Callable[[T], dict[str, str | int]],
        life: Callable[[T], int],
        log: Logger,
    ) -> None:
        self.changed: Callable[[str, T | None], None] = lambda _key, _item: None
        """Called with what another server has written or, None, forgotten."""
        self.emptied: Callable[[], None] = lambda: None
        """Never called: what a Redis has lost this store itself tells it again."""
        self.health = session.health
        self._kind = kind
        self._session = session
        self._interval = interval
        self._fields = fields
        self._life = life
        self._log = log
        self._items: dict[str, T] = {}
        self._found: dict[str, T] = {}
        self._waiting: dict[str, T | None] = {}
        self._removed: dict[str, int] = {}
        """When what was removed had last changed: a Redis that was restored may still have it."""
        self._timer: asyncio.TimerHandle | None = None
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop holds tasks only weakly
        session.join(kind.name, self)

    # --- The store -----------------------------------------------------------------------------

    async def load(self) -> list[T]:
        """Return everything that is known."""
        return list(self._items.values())

    async def fetch(self, key: str) -> T | None:
        """Return an item as it is now, also where this server was not told of it yet."""
        redis, known = self._session.redis, self._items.get(key)
        if key in self._waiting or not self._session.attached:
            return known
        try:
            state = await redis.command("HGET", redis.key(self._kind.name, key), "state")
        except LostError as error:
            self._session.lose(error)
            return known
        return self._decode(key, state or "")

    def save(self, item: T) -> None:
        """Write an item with the next batch."""
        self._keep(item)
        self._waiting[item.key] = item
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval, self._flush_later)

    async def save_now(self, item: T) -> bool:
        """Write an item; how safe it is then Redis has been told by its own configuration."""
        self._keep(item)
        self._waiting[item.key] = item
        await self._flush()
        return self._waiting.get(item.key) is not item

    async def delete(self, keys: list[str]) -> None:
        """Forget items."""
        for key in keys:
            self._drop(key)
            self._waiting[key] = None
        await self._flush()

    async def close(self) -> None:
        """Write the last batch."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._tasks)
        await self._flush()

    def _flush_later(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self._flush())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self) -> None:
        # One batch at a time: of two writes of one item the later one must be the last.
        async with self._writing:
            while self._waiting and self._session.attached:
                key = next(iter(self._waiting))
                item = self._waiting[key]
                if await self._session.change(*self._write(key, item)) is None:
                    break
                if self._waiting.get(key, self) is item:
                    del self._waiting[key]

    def _write(self, key: str, item: T | None) -> Script:
        redis, name = self._session.redis, self._kind.name
        state, life = "", 0
        fields: list[str | int] = []
        if item is not None:
            state = json.dumps(item.to_json(), separators=(",", ":"))
            life = max(1, self._life(item))
            fields = [part for pair in self._fields(item).items() for part in pair]
        keys = [redis.key("changes"), redis.key(name), redis.key(name, key)]
        return scripts.PUT, keys, [STREAM, name, key, self._session.id, state, life, *fields]

    # --- What others do ------------------------------------------------------------------------

    async def attach(self, *, emptied: bool) -> None:
        """Read everything, and write what Redis does not know."""
        redis, name = self._session.redis, self._kind.name
        members = await redis.command("SMEMBERS", redis.key(name))
        keys = sorted({*members, *self._items} if emptied else members)
        rows = await redis.hashes([redis.key(name, key) for key in keys], ["state", "removed"])
        self._found, removed = {}, set()
        for key, (state, gone) in zip(keys, rows, strict=True):
            item = self._decode(key, state or "")
            if item is not None:
                self._found[key] = item
            if gone is not None:
                removed.add(key)
        if ended := [key for key, (state, _) in zip(keys, rows, strict=True) if state is None]:
            await redis.command("SREM", redis.key(name), *ended)
        if emptied:
            ahead = {key: item for key, item in self._items.items() if self._is_ahead(key, item)}
            again = {key: None for key, item in self._found.items() if self._was_removed(key, item)}
            ahead = {key: ahead[key] for key in ahead.keys() - removed}
            self._waiting = again | ahead | self._waiting
        for key, item in tuple(self._waiting.items()):
            await self._session.run(*self._write(key, item))
            if self._waiting.get(key, self) is item:
                del self._waiting[key]
            if item is None:
                self._found.pop(key, None)
            else:
                self._found[key] = item

    def attached(self) -> None:
        """Go on with what was found, and with what came meanwhile."""
        before, found, self._found = dict(self._items), self._found, {}
        for key, item in self._waiting.items():
            if item is None:
                found.pop(key, None)
            else:
                found[key] = item
        for key in before.keys() - found.keys():
            self._drop(key)
        for item in found.values():
            self._keep(item)
        for key in before.keys() | self._items.keys():
            if before.get(key) != self._items.get(key):
                self.changed(key, self._items.get(key))
        if self._waiting:
            self._flush_later()

    def heard(self, news: News) -> None:
        """Take what another server has written, unless this one has something newer to write."""
        if news.author == self._session.id or news.key in self._waiting:
            return
        item = self._decode(news.key, news.state)
        if item is None:
            self._drop(news.key)
        else:
            self._keep(item)
        self.changed(news.key, item)

    def lost(self) -> None:
        """Go on from memory: what is written waits."""

    def lasting(self) -> list[str]:
        """Return the key of the index: the items have ends of their own."""
        return [self._session.redis.key(self._kind.name)]

    # --- What is known here --------------------------------------------------------------------

    def _keep(self, item: T) -> None:
        self._items[item.key] = item
        self._removed.pop(item.key, None)

    def _drop(self, key: str) -> None:
        item = self._items.pop(key, None)
        if item is not None:
            self._removed[key] = item.updated
            if len(self._removed) > _REMOVED:
                del self._removed[next(iter(self._removed))]

    def _was_removed(self, key: str, item: T) -> bool:
        # What was written since under the same key is another one.
        return key in self._removed and item.updated <= self._removed[key]

    def _is_ahead(self, key: str, item: T) -> bool:
        found = self._found.get(key)
        return found is None or item.updated > found.updated

    def _decode(self, key: str, state: str) -> T | None:
        if not state:
            return None
        try:
            return self._kind.read(json.loads(state))
        except (ValueError, KeyError, TypeError) as error:
            self._log.warning(
                "Skipping the unreadable record of %s %s: %s",
                self._kind.noun,
                key,
                error,
                extra=about("record-unreadable", store="redis"),
            )
            return None

"""Being with Redis or without it: a server finds it, follows what others do, loses it, comes back.

There is one stream for all that changes, numbered without a gap, and every server reads it from
where it has read the state. While Redis is away a server goes on alone; whoever keeps something
hears of the loss, and settles what has happened meanwhile before the server follows again.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Final, TypeAlias

from jupyter_server_ext.ending import end
from jupyter_server_ext.logs import about
from jupyter_server_ext.stores import redis_scripts as scripts
from jupyter_server_ext.stores.health import StoreHealth
from jupyter_server_ext.stores.redis import LostError
from jupyter_server_ext.stores.redis_news import News

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from logging import Logger

    from jupyter_server_ext.stores.redis import Redis
    from jupyter_server_ext.stores.redis_news import Part

STREAM: Final = 10_000
"""Changes that the stream holds: whoever was away for longer reads the whole state again."""
_RETRY: Final = 0.5
"""Seconds between two tries to find Redis again."""
_SETTLE: Final = 5.0
"""Seconds that settling may take; reports wait for it."""
_PATIENCE: Final = 0.1
"""Seconds that a task may take to end."""
LIFE: Final = 37 * 86_400.0
"""Seconds for which a place is remembered that none of its servers has been heard of."""
_LOOKS: Final = 4
"""How often in that time a server says that it lives on."""
_AT_ONCE: Final = 500
"""Keys of which that is said in one step, which others wait for."""
_BEAT: Final = 1.0
"""Seconds between two signs of life, at most; a Redis that was emptied is noticed by them."""


Arguments: TypeAlias = "list[str | int]"
Script: TypeAlias = "tuple[str, list[str], Arguments]"
"""A script, its keys and its arguments, but for the key, the epoch and the life that come first."""


class RedisSession:
    """A server's life with Redis.

    Parameters
    ----------
    redis
        Where everything is kept.
    identity
        Names this server among the others; a server that was restarted has the one of before.
    lease
        Seconds after its last sign of life for which a server counts as alive.
    life
        Seconds for which the place is remembered after its last server was heard of.
    log
        Where loss and return are told.
    pause
        Waits for so many seconds between two tries to find Redis again.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        identity: str,
        lease: float,
        life: float = LIFE,
        log: Logger,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.redis = redis
        self.id = identity
        self.epoch = ""
        self.attached = False
        self.losses = 0
        self.health = StoreHealth("redis")
        self.owners: Callable[[], Iterable[str]] = tuple
        """Says on which servers something depends."""
        self.bereaved: Callable[[set[str]], Awaitable[None]] | None = None
        """Called with the servers that have died."""
        self._lease = lease
        self._life = life
        self._keep_at = 0.0
        self._log = log
        self._pause = pause
        self._parts: dict[str, Part] = {}
        self._history = ""
        self._run = ""
        self._since = 0.0
        self._position = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self._away = False
        self._tasks: list[asyncio.Task[None]] = []

    def join(self, kind: str, part: Part) -> None:
        """Have a part follow the news of a kind.

        Raises
        ------
        ValueError
            If another part does already.
        """
        if kind in self._parts:
            raise ValueError(f"two parts follow {kind}")
        self._parts[kind] = part

    async def start(self) -> None:
        """Find Redis, or begin without it; from then on look after it."""
        await self._attach()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._stay()), loop.create_task(self._live())]

    async def close(self) -> None:
        """Leave. The lease ends by itself: until then a server that is restarted keeps its jobs."""
        tasks, self._tasks = self._tasks, []
        await end(tasks, _PATIENCE)
        self.attached = False
        await self.redis.close()

    async def settled(self) -> bool:
        """Wait while what happened in the absence of Redis is being settled.

        Returns
        -------
        Whether it was settled already: if not, what was known before may be known better now.
        """
        if self._settled.is_set():
            return True
        await self._settled.wait()
        return False

    async def change(self, script: str, keys: list[str], arguments: Arguments) -> list[str] | None:
        """Run one of the scripts that change shared state.

        Returns
        -------
        Its answer; None where Redis was lost, or another history began, before it came.
        """
        epoch, begun = self.epoch, time.monotonic()
        try:
            answer = await self.run(script, keys, arguments)
        except LostError as error:
            if epoch == self.epoch:
                self.lose(error)
            return None
        self.health.writes.observe(time.monotonic() - begun)
        return answer if self.attached and epoch == self.epoch else None

    async def begin_anew(self) -> None:
        """Have all servers settle what they know: Redis has forgotten a part of what it was told.

        That happens where it may drop keys for want of memory.
        """
        epoch = self.epoch
        await self.change(scripts.END, [], [])
        if epoch == self.epoch:
            self.lose(LostError("it has forgotten a part of its state"))

    async def run(self, script: str, keys: list[str], arguments: Arguments) -> list[str]:
        """Run one of them, and leave a loss to the caller: while settling it is nobody's yet.

        Raises
        ------
        LostError
            If Redis cannot be had, or another history has begun.
        """
        shared = [self.redis.key("meta"), *keys]
        arguments = [self.epoch, self._milliseconds, *arguments]
        answer: list[str] = await self.redis.script(script, shared, arguments)
        if answer[0] == "epoch":
            raise LostError("it has lost its state")
        return answer

    async def send(self, kind: str, key: str) -> None:
        """Tell all servers a word that nobody keeps."""
        if self.attached:
            stream = self.redis.key("changes")
            await self.change(scripts.SEND, [stream], [STREAM, kind, key, self.id])

    def lose(self, error: LostError) -> None:
        """Go on alone until Redis is found again."""
        if not self.attached:
            return
        self.attached = False
        self.epoch = ""
        self.losses += 1
        self._tell_away(error)
        self.redis.drop()
        for part in self._parts.values():
            part.lost()

    def _tell_away(self, error: LostError) -> None:
        self.health.failed(error, time.time_ns() // 1_000_000)
        if not self._away:
            self._away = True
            self._log.warning(
                "Redis at %s is gone (%s): this server goes on alone until it is back",
                self.redis.address,
                error,
                extra=about("store-lost", store="redis"),
            )

    async def _stay(self) -> None:
        while True:
            if not self.attached and not await self._attach():
                await self._pause(_RETRY)
                continue
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001 - whoever stops here hears of nothing again
                self.lose(self._lost(error))

    def _lost(self, error: Exception) -> LostError:
        """Return what a failure means; one that nobody expects is logged whole, but once."""
        if isinstance(error, LostError):
            return error
        if isinstance(error, TimeoutError):
            return LostError("it is slow")
        if not self._away:
            self._log.error(
                "What Redis at %s says cannot be understood",
                self.redis.address,
                exc_info=error,
                extra=about("store-unreadable", store="redis"),
            )
        return LostError("it cannot be understood")

    async def _attach(self) -> bool:
        try:
            run = await self.redis.begin()
            async with asyncio.timeout(_SETTLE):
                self._settled.clear()
                await self._settle(run)
        except Exception as error:  # noqa: BLE001 - as above
            lost = self._lost(error)
            self.lose(lost)  # some part may follow already
            self._tell_away(lost)
            self.epoch = ""
            self.redis.drop()
            return False
        finally:
            self._settled.set()
        self.health.worked()
        if self._away:
            self._log.info(
                "Redis at %s is back",
                self.redis.address,
                extra=about("store-found", store="redis"),
            )
        self._away = False
        return True

    async def _settle(self, run: str) -> None:
        keys = [self.redis.key("meta"), self.redis.key("changes")]
        fresh = uuid.uuid4().hex, uuid.uuid4().hex
        arguments: Arguments = [run, *fresh, self._milliseconds]
        epoch, position, history = await self.redis.script(scripts.ATTACH, keys, arguments)
        self.epoch, self._position = epoch, int(position)
        await self._beat()
        # One that was started again has what it had saved, which may be less.
        emptied = self._history not in {"", history} or self._run not in {"", run}
        for part in self._parts.values():
            await part.attach(emptied=emptied)
        # Nothing is awaited from here on: all switch to the new history at one moment.
        self._history, self._run, self.attached = history, run, True
        self._since = time.monotonic()
        self._keep_at = 0.0
        for part in self._parts.values():
            part.attached()

    async def _follow(self) -> None:
        stream = self.redis.key("changes")
        while self.attached:
            await self._hear(await self.redis.news(stream, self._position))

    async def _hear(self, entries: list[tuple[int, dict[str, str]]]) -> None:
        for number, fields in entries:
            if not self.attached:
                break
            if number != self._position + 1:
                await self._catch_up()
                break
            self._position = number
            news = News(fields["kind"], fields["key"], fields["state"], fields["author"], fields)
            part = self._parts.get(news.kind)
            if part is not None:
                part.heard(news)

    async def _catch_up(self) -> None:
        # This server slept for longer than the stream remembers.
        self._log.info(
            "Reading the state again: the changes since the last are gone",
            extra=about("store-read-again", store="redis"),
        )
        self.attached = False
        self._settled.clear()
        try:
            async with asyncio.timeout(_SETTLE):
                await self._settle(await self.redis.begin())
        except Exception as error:
            self.attached = True
            raise self._lost(error) from error
        finally:
            self._settled.set()

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(min(_BEAT, self._lease / 3))
            if not self.attached:
                continue
            try:
                dead = await self._beat()
                if time.monotonic() >= self._keep_at:
                    await self._keep()
                # While Redis is away all leases end: whoever finds it again a moment later than
                # this server is not dead.
                known = time.monotonic() - self._since >= self._lease
                if dead and known and self.bereaved is not None:
                    await self.bereaved(dead)
            except Exception as error:  # noqa: BLE001 - a server that says nothing counts as dead
                self.lose(self._lost(error))

    async def _beat(self) -> set[str]:
        others = sorted({owner for owner in self.owners() if owner not in {"", self.id}})
        keys = [self._lease_key(server) for server in (self.id, *others)]
        answer = await self.run(scripts.BEAT, keys, [int(self._lease * 1000)])
        return {other for other, alive in zip(others, answer[1:], strict=True) if not alive}

    async def _keep(self) -> None:
        # What is written is given a life with it: this is for what nobody has written for long.
        names = [name for part in self._parts.values() for name in part.lasting()]
        names.append(self.redis.key("changes"))
        for first in range(0, len(names), _AT_ONCE):
            await self.run(scripts.KEEP, names[first : first + _AT_ONCE], [])
        self._keep_at = time.monotonic() + self._life / _LOOKS

    @property
    def _milliseconds(self) -> int:
        return int(self._life * 1000)

    def _lease_key(self, server: str) -> str:
        return self.redis.key("server", server)

"""Leases and idempotency keys in Redis, valid for all servers; while it is away, for this one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jupyter_server_ext.stores import Claim, Lease
from jupyter_server_ext.stores import redis_scripts as scripts
from jupyter_server_ext.stores.redis import LostError

if TYPE_CHECKING:
    from jupyter_server_ext.stores import KeyStore, Locker
    from jupyter_server_ext.stores.redis_session import RedisSession


class RedisLocker:
    """A `Locker` for all servers of one Redis.

    Redis counts the tokens. They grow as long as it keeps its data: a lease is good only for the
    epoch in which it was taken, and a holder that renews it in another one is told that it is lost.

    Parameters
    ----------
    session
        The server's life with Redis.
    alone
        Who gives leases while Redis is away.
    """

    def __init__(self, session: RedisSession, alone: Locker) -> None:
        self._session = session
        self._alone = alone

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease | None:
        """Take a lease."""
        key, epoch = self._session.redis.key, self._session.epoch
        keys = [key("lease", name), key("tokens", name)]
        token = await _ask(self._session, scripts.ACQUIRE, keys, holder, _milliseconds(ttl))
        if token is None:
            return await self._alone.acquire(name, holder, ttl)
        return Lease(name, holder, int(token), epoch) if token else None

    async def renew(self, lease: Lease, ttl: float) -> bool:
        """Hold a lease for longer."""
        if lease.epoch != self._session.epoch:
            return False
        if not lease.epoch:
            return await self._alone.renew(lease, ttl)
        return bool(await self._renew(lease, _milliseconds(ttl)))

    async def release(self, lease: Lease) -> None:
        """End a lease."""
        if lease.epoch:
            await self._renew(lease, 0)
        else:
            await self._alone.release(lease)

    async def _renew(self, lease: Lease, milliseconds: int) -> Any:
        keys = [self._session.redis.key("lease", lease.name)]
        return await _ask(self._session, scripts.RENEW, keys, lease.token, milliseconds)


class RedisKeys:
    """A `KeyStore` for all servers of one Redis.

    Parameters
    ----------
    session
        The server's life with Redis.
    alone
        Who remembers keys while Redis is away.
    """

    def __init__(self, session: RedisSession, alone: KeyStore) -> None:
        self._session = session
        self._alone = alone

    async def claim(self, key: str, request: str, result: str, ttl: float) -> Claim | None:
        """Take a key."""
        begun = time.monotonic()
        keys = [self._session.redis.key("key", key)]
        arguments = (request, result, _milliseconds(ttl))
        found = await _ask(self._session, scripts.CLAIM, keys, *arguments)
        if found is None:
            return await self._alone.claim(key, request, result, ttl)
        if found:
            return Claim(found[0], found[1], settled=found[2] == "1")
        # What was claimed while Redis was away counts; and should it go away, this is known too,
        # but not for longer than there: or what has ended would be taken for something from then.
        left = max(ttl - (time.monotonic() - begun), 0.0)
        claim = await self._alone.claim(key, request, result, left)
        if claim is not None:
            settled = "1" if claim.settled else "0"
            await _ask(self._session, scripts.CORRECT, keys, claim.request, claim.result, settled)
        return claim

    async def settle(self, key: str) -> None:
        """Note that it is done."""
        await self._alone.settle(key)
        await _ask(self._session, scripts.SETTLE, [self._session.redis.key("key", key)])

    async def forget(self, key: str) -> None:
        """Give a key free."""
        await self._alone.forget(key)
        await _ask(self._session, scripts.FORGET, [self._session.redis.key("key", key)])


async def _ask(
    session: RedisSession, script: str, keys: list[str], *arguments: str | int
) -> Any | None:
    """Run a script; None where Redis is away."""
    if not session.attached:
        return None
    try:
        return await session.redis.script(script, keys, arguments)
    except LostError as error:
        session.lose(error)
        return None


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))

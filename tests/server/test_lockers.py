"""One contract for leases, one for idempotency keys: memory, SQLite, Redis, and Redis away."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_server_ext.stores import Claim, redis_locker
from jupyter_server_ext.stores.local import LocalKeys, LocalLocker
from jupyter_server_ext.stores.redis import Redis
from jupyter_server_ext.stores.redis_locker import RedisKeys, RedisLocker
from jupyter_server_ext.stores.redis_session import RedisSession
from jupyter_server_ext.stores.sqlite_locker import SqliteLocker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from redis_server import RedisServer

    Eventually = Callable[..., Awaitable[object]]

LOG = logging.getLogger("test_lockers")
SHORT = 0.05
"""Seconds of a lease whose end is waited for."""
LONG = 60.0


class Backends:
    """One locker and one store of keys of each kind."""

    def __init__(self, path: Path, redis: RedisServer) -> None:
        self.path = path
        self.redis = redis
        self.opened: list[Any] = []

    async def make(self, name: str, *, most: int = 10_000) -> Any:
        if name.startswith("sqlite"):
            # The second one, as on a network file system, cannot do write-ahead logging.
            vfs = "unix-dotfile" if name == "sqlite-dotfile" else None
            self.opened.append(sqlite_locker(self.path / "keys.sqlite", most=most, vfs=vfs))
            return self.opened[-1]
        alone = LocalLocker(time.monotonic), LocalKeys(time.monotonic, most=most)
        if name == "memory":
            return Both(*alone)
        redis = Redis(self.redis.url, self.path.name)
        session = RedisSession(redis, identity=str(len(self.opened)), lease=LONG, log=LOG)
        self.opened.append(session)
        if name == "redis":
            await session.start()
            assert session.attached
        return Both(RedisLocker(session, alone[0]), RedisKeys(session, alone[1]))


def sqlite_locker(path: Path, *, most: int = 10_000, vfs: str | None = None) -> SqliteLocker:
    alone = LocalKeys(time.monotonic)
    return SqliteLocker(path, now=time.time, log=LOG, alone=alone, most=most, vfs=vfs)


class Both:
    """A locker and a store of keys under one name."""

    def __init__(self, locker: Any, keys: Any) -> None:
        self.acquire, self.renew, self.release = locker.acquire, locker.renew, locker.release
        self.claim, self.settle, self.forget = keys.claim, keys.settle, keys.forget


@pytest.fixture
def backends(
    tmp_path: Path, redis: RedisServer, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Backends]:
    made = Backends(tmp_path, redis)
    yield made
    for one in made.opened:
        jp_asyncio_loop.run_until_complete(one.close())


@pytest.fixture(params=["memory", "sqlite", "sqlite-dotfile", "redis", "redis-away"])
def one(
    request: pytest.FixtureRequest,
    backends: Backends,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> Any:
    return jp_asyncio_loop.run_until_complete(backends.make(request.param))


async def test_one_holder_at_a_time(one: Any) -> None:
    first = await one.acquire("reaper", "a", LONG)
    assert first is not None
    assert (first.name, first.holder) == ("reaper", "a")
    assert await one.acquire("reaper", "b", LONG) is None
    assert await one.acquire("reaper", "a", LONG) is None
    assert await one.acquire("another", "b", LONG) is not None
    await one.release(first)
    second = await one.acquire("reaper", "b", LONG)
    assert second is not None
    assert second.token > first.token


async def test_who_does_not_renew_loses_it(one: Any, eventually: Eventually) -> None:
    first = await one.acquire("reaper", "a", SHORT)
    second = await eventually(lambda: one.acquire("reaper", "b", LONG))
    assert second.token > first.token
    assert not await one.renew(first, LONG)
    await one.release(first)
    assert await one.renew(second, LONG), "the first one cannot end it"
    assert await one.acquire("reaper", "c", LONG) is None


async def test_who_renews_keeps_it(one: Any) -> None:
    # On a busy machine a short lease may end before it can be renewed: then a longer one is tried.
    for seconds in (SHORT, 10 * SHORT, 100 * SHORT):
        lease = await one.acquire("reaper", "a", seconds)
        if await one.renew(lease, LONG):
            break
    await asyncio.sleep(2 * seconds)
    assert await one.acquire("reaper", "b", LONG) is None
    assert await one.renew(lease, LONG)


async def test_tokens_grow_strictly(one: Any) -> None:
    tokens = []
    for turn in range(20):
        lease = await one.acquire("reaper", str(turn), LONG)
        tokens.append(lease.token)
        await one.release(lease)
    assert tokens == sorted(set(tokens))


async def test_of_many_one_gets_it(one: Any) -> None:
    leases = await asyncio.gather(*(one.acquire("reaper", str(n), LONG) for n in range(20)))
    assert sum(lease is not None for lease in leases) == 1


async def test_a_key_belongs_to_its_first_request(one: Any) -> None:
    assert await one.claim("key", "digest", "job", LONG) is None
    assert await one.claim("key", "digest", "another", LONG) == Claim("digest", "job")
    assert await one.claim("key", "other", "another", LONG) == Claim("digest", "job")
    assert await one.claim("日本\n", "other", "another", LONG) is None
    await one.settle("key")
    assert await one.claim("key", "digest", "x", LONG) == Claim("digest", "job", settled=True)
    await one.settle("unknown")
    assert await one.claim("unknown", "digest", "x", LONG) is None
    await one.forget("key")
    assert await one.claim("key", "other", "x", LONG) is None


async def test_a_key_is_forgotten(one: Any, eventually: Eventually) -> None:
    assert await one.claim("key", "digest", "job", SHORT) is None

    async def is_free() -> bool:
        # A claim whose answer was lost on the way to Redis is ours all the same.
        claim = await one.claim("key", "other", "another", LONG)
        return claim in (None, Claim("other", "another"))

    await eventually(is_free)


async def test_a_key_that_redis_has_forgotten_is_not_brought_back(
    backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await backends.make("redis")
    ask = redis_locker._ask

    async def ask_and_wait(*arguments: Any) -> Any:
        answer = await ask(*arguments)
        await asyncio.sleep(2 * SHORT)  # a busy server: Redis has forgotten it by now
        return answer

    monkeypatch.setattr(redis_locker, "_ask", ask_and_wait)
    assert await one.claim("key", "digest", "job", SHORT) is None
    monkeypatch.undo()
    assert await one.claim("key", "other", "another", LONG) is None


async def test_of_many_one_claims_the_key(one: Any) -> None:
    claims = await asyncio.gather(*(one.claim("key", "d", str(n), LONG) for n in range(20)))
    winners = [number for number, claim in enumerate(claims) if claim is None]
    assert len(winners) == 1
    assert {claim for claim in claims if claim is not None} == {Claim("d", str(winners[0]))}


@pytest.mark.parametrize("name", ["memory", "sqlite"])
async def test_keys_are_bounded(backends: Backends, name: str) -> None:
    one = await backends.make(name, most=3)
    for number in range(5):
        assert await one.claim(str(number), "d", "x", LONG + number) is None
    assert await one.claim("4", "d", "x", LONG) is not None
    assert await one.claim("0", "d", "x", LONG) is None


@pytest.mark.parametrize("name", ["sqlite", "redis"])
async def test_several_servers_share_leases_and_keys(backends: Backends, name: str) -> None:
    one, other = await backends.make(name), await backends.make(name)
    first = await one.acquire("reaper", "a", LONG)
    assert await other.acquire("reaper", "b", LONG) is None
    await one.release(first)
    second = await other.acquire("reaper", "b", LONG)
    assert second.token > first.token
    assert not await one.renew(first, LONG)
    assert await one.claim("key", "digest", "job", LONG) is None
    assert await other.claim("key", "digest", "another", LONG) == Claim("digest", "job")


async def test_a_damaged_database_of_keys_is_moved_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.sqlite"
    path.write_bytes(b"not a database" * 1000)
    keys = sqlite_locker(path)
    assert await keys.claim("key", "digest", "job", LONG) is None
    assert await keys.claim("key", "digest", "x", LONG) == Claim("digest", "job")
    (aside,) = tmp_path.glob("keys.sqlite.damaged-*")
    assert str(aside) in caplog.text
    await keys.close()


async def test_keys_are_remembered_without_a_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = sqlite_locker(tmp_path / "missing" / "keys.sqlite")
    assert await keys.claim("key", "digest", "job", LONG) is None
    await keys.settle("key")
    assert await keys.claim("key", "digest", "x", LONG) == Claim("digest", "job", settled=True)
    await keys.forget("key")
    assert await keys.claim("key", "other", "x", LONG) is None
    assert caplog.text.count("kept in memory") == 1
    await keys.close()


async def test_a_key_is_known_before_and_after_redis_goes_and_comes(
    own_redis: RedisServer, eventually: Eventually
) -> None:
    own_redis.start()
    session = RedisSession(Redis(own_redis.url, "n"), identity="a", lease=LONG, log=LOG)
    await session.start()
    keys = RedisKeys(session, LocalKeys(time.monotonic))
    assert await keys.claim("before", "digest", "job", LONG) is None
    await keys.settle("before")
    own_redis.stop()
    await eventually(lambda: not session.attached)
    before = Claim("digest", "job", settled=True)
    assert await keys.claim("before", "digest", "x", LONG) == before
    assert await keys.claim("alone", "digest", "other", LONG) is None
    own_redis.start()
    await eventually(lambda: session.attached)
    for _ in range(2):
        assert await keys.claim("before", "digest", "x", LONG) == before
        assert await keys.claim("alone", "digest", "x", LONG) == Claim("digest", "other")
    await keys.forget("alone")
    assert await keys.claim("alone", "digest", "x", LONG) is None
    await session.close()


async def test_a_lease_of_redis_is_lost_with_it(
    tmp_path: Path, own_redis: RedisServer, eventually: Eventually
) -> None:
    own_redis.start()
    session = RedisSession(Redis(own_redis.url, "n"), identity="a", lease=LONG, log=LOG)
    await session.start()
    locker = RedisLocker(session, LocalLocker(time.monotonic))
    lease = await locker.acquire("reaper", "a", LONG)
    assert lease is not None
    own_redis.stop()
    await eventually(lambda: not session.attached)
    assert not await locker.renew(lease, LONG), "somebody else may have it now"
    alone = await locker.acquire("reaper", "a", LONG)
    assert alone is not None
    own_redis.start()
    await eventually(lambda: session.attached)
    assert not await locker.renew(alone, LONG), "the others know nothing of it"
    await locker.release(alone)
    await session.close()

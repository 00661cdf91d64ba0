"""One Redis: its address, its connections, and the keys that servers of one place share.

A connection belongs to one run of Redis. One that was started again may have forgotten what it
was told last, so a connection that finds another run fails, and whoever uses it begins anew.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMES: Final = frozenset({"redis", "rediss", "unix"})
SENTINELS: Final = frozenset({"redis+sentinel", "rediss+sentinel", "sentinel"})
"""How some libraries write the address of a Sentinel."""
TIMEOUT: Final = 2.0
"""Seconds that an answer may take: longer, and the server goes on without Redis."""
BLOCK: Final = 1.0
"""Seconds that the feed waits for news in one call."""
_UNFIT: Final = {
    "sentinel": (
        "it is a Sentinel, which only knows where Redis is: give the address of the Redis itself, "
        "or of a proxy that follows the Sentinel (HAProxy)"
    ),
    "cluster": (
        "it is a node of a Redis Cluster, and the state has to be on one node: give the address of "
        "a Redis that is no cluster; one is enough for thousands of jobs"
    ),
}
"""By what `INFO` calls it: why it will not do, and what will."""
_AT_ONCE: Final = 500
"""Hashes that are asked for with one trip: others have their turn between two."""
_CONNECTIONS: Final = 32


class LostError(Exception):
    """Redis cannot be used now: it is away, full, starting, or another one than before."""


class UnfitError(LostError):
    """What answers is a Redis of a kind that cannot hold the state; the message says what to do."""


class MissingExtraError(ImportError):
    """The client library is not installed."""


def address(url: str) -> str:
    """Return the part of a URL that may be logged: no name, password or option."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


class Redis:
    """Connections to one Redis.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` or ``unix://``, with what the client library takes: for TLS
        ``?ssl_ca_certs=`` names the certificates that are trusted.
    namespace
        Names the servers that share their state; others on the same Redis are not seen.
    timeout
        Seconds that an answer may take.

    Raises
    ------
    MissingExtraError
        If the client library is not installed; it names the extra.
    """

    def __init__(self, url: str, namespace: str, *, timeout: float = TIMEOUT) -> None:
        try:
            from redis import asyncio as client
            from redis import exceptions
        except ImportError:
            raise MissingExtraError(
                "c.ProgressExtension.store_url needs a client for Redis: "
                "pip install 'progresswidget[redis]'"
            ) from None
        self.address = address(url)
        self._client = client
        self._failures = (exceptions.RedisError, OSError, TimeoutError)
        self._no_script = exceptions.NoScriptError
        self._url = url
        self._timeout = timeout
        # Braces: a cluster keeps all keys with the same tag on one node, as scripts need them.
        self._prefix = f"progresswidget:{{{namespace}}}:"
        self._line: _Line = _Line()
        self._commands: Any = None
        self._feed: Any = None
        self._closing: set[asyncio.Task[None]] = set()

    def key(self, *parts: str) -> str:
        """Return the name of a key."""
        return self._prefix + ":".join(parts)

    async def begin(self) -> str:
        """Make new connections, and return the id of the run of Redis that they belong to.

        Raises
        ------
        LostError
            If it cannot be had now; so do all methods below.
        """
        self.drop()
        line = self._line = _Line()
        # A retry would answer a report late; the next one says the same and more.
        retry = self._client.retry.Retry(_no_backoff(), 0)
        options = {
            "decode_responses": True,
            "socket_connect_timeout": self._timeout,
            "redis_connect_func": line.greet,
            "retry": retry,
            "protocol": 2,
        }
        pool = self._client.BlockingConnectionPool
        self._commands = self._client.Redis.from_pool(
            pool.from_url(
                self._url,
                max_connections=_CONNECTIONS,
                timeout=self._timeout,
                socket_timeout=self._timeout,
                **options,
            )
        )
        self._feed = self._client.Redis.from_pool(
            pool.from_url(
                self._url, max_connections=1, socket_timeout=BLOCK + self._timeout, **options
            )
        )
        information = await self.command("INFO", "server")
        _require_single(str(information.get("redis_mode", "")))
        line.run = str(information["run_id"])
        return line.run

    @property
    def _open(self) -> Any:
        # Between two trips of one call the connections may have been cut.
        if self._commands is None:
            raise LostError("it is away")
        return self._commands

    async def script(self, text: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """Run a script and return its answer."""
        sha = _sha(text)
        try:
            return await self._open.evalsha(sha, len(keys), *keys, *arguments)
        except self._no_script:
            return await self.command("EVAL", text, len(keys), *keys, *arguments)
        except self._failures as error:
            raise LostError(_reason(error)) from error

    async def command(self, *arguments: str | int) -> Any:
        """Run one command and return its answer."""
        try:
            return await self._open.execute_command(*arguments)
        except self._failures as error:
            raise LostError(_reason(error)) from error

    async def hashes(self, keys: Sequence[str], fields: Sequence[str]) -> list[list[str | None]]:
        """Return some fields of many hashes, with few trips."""
        found: list[list[str | None]] = []
        try:
            for first in range(0, len(keys), _AT_ONCE):
                async with self._open.pipeline(transaction=False) as pipeline:
                    for key in keys[first : first + _AT_ONCE]:
                        pipeline.hmget(key, *fields)
                    found += await pipeline.execute()
        except self._failures as error:
            raise LostError(_reason(error)) from error
        return found

    async def news(self, stream: str, position: int) -> list[tuple[int, dict[str, str]]]:
        """Wait for entries of a stream after a position; none come where nothing happens."""
        try:
            answer = await self._feed.xread(
                {stream: f"{position}-0"}, count=500, block=int(BLOCK * 1000)
            )
        except self._failures as error:
            raise LostError(_reason(error)) from error
        entries = answer[0][1] if answer else []
        return [(int(number.split("-")[0]), fields) for number, fields in entries]

    def drop(self) -> None:
        """Cut all connections: whoever waits for an answer learns at once that none comes."""
        self._line.dropped = True
        for client in (self._commands, self._feed):
            if client is not None:
                task = asyncio.get_running_loop().create_task(_close(client))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        self._commands = self._feed = None

    async def close(self) -> None:
        """Cut all connections and wait until they are."""
        self.drop()
        await asyncio.gather(*self._closing)


class _Line:
    """What all connections have in common that were made together."""

    run: str | None = None
    """The run of Redis that they belong to, once it is known."""
    dropped = False

    async def greet(self, connection: Any) -> None:
        """Log in, and make sure that it is still the same Redis."""
        try:
            await connection.on_connect()
            await self._check(connection)
        except BaseException:
            # The library would leave the connection open.
            await connection.disconnect(nowait=True)
            raise

    async def _check(self, connection: Any) -> None:
        if self.run is not None:
            await connection.send_command("INFO", "server")
            if f"run_id:{self.run}" not in _text(await connection.read_response()):
                raise ConnectionError("it was started again")
        if self.dropped:
            raise ConnectionError("it is not wanted any more")


def _require_single(mode: str) -> None:
    if mode in _UNFIT:
        raise UnfitError(_UNFIT[mode])


async def _close(client: Any) -> None:
    await client.connection_pool.disconnect(inuse_connections=True)
    await asyncio.sleep(0)  # the event loop closes a socket in its next turn


def _no_backoff() -> Any:
    from redis.backoff import NoBackoff

    return NoBackoff()


def _sha(text: str) -> str:
    # What Redis names a script by (EVALSHA); nothing is kept secret with it.
    found = _SHAS.get(text)
    if found is None:
        found = _SHAS[text] = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return found


_SHAS: Final[dict[str, str]] = {}


def _text(answer: Any) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__

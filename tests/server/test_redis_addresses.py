"""Redis as it may be reached: with a password, over TLS, by a UNIX socket; and as it may not."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from ports import free_port
from redis_server import RedisServer
from reports import make_report
from traitlets import TraitError

from jupyter_server_ext.config import Settings
from jupyter_server_ext.stores.redis import LostError, Redis, UnfitError, address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from conftest import Server

    Eventually = Callable[..., Awaitable[Any]]


class Reachable:
    """One Redis that listens on a port, on a port with TLS, and on a UNIX socket."""

    def __init__(self, folder: Path) -> None:
        self.certificate, key = folder / "own.crt", folder / "own.key"
        self.other, other_key = folder / "other.crt", folder / "other.key"
        for certificate, its_key in ((self.certificate, key), (self.other, other_key)):
            subprocess.run(
                [
                    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                    *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
                    *("-keyout", its_key, "-out", certificate),
                ],
                check=True,
                capture_output=True,
            )
        self.socket, self.tls_port = folder / "redis.sock", free_port()
        self.server = RedisServer(
            folder / "redis",
            *("--tls-port", str(self.tls_port), "--tls-auth-clients", "no"),
            *("--tls-cert-file", str(self.certificate), "--tls-key-file", str(key)),
            *("--unixsocket", str(self.socket)),
        )
        self.server.start()

    def url(self, way: str, password: str = RedisServer.password) -> str:
        if way == "unix":
            return f"unix://:{password}@{self.socket}?db=0"
        trusted = self.other if way == "untrusted" else self.certificate
        host = "127.0.0.1" if way == "misnamed" else "localhost"
        return f"rediss://:{password}@{host}:{self.tls_port}/0?ssl_ca_certs={trusted}"

    def connections(self) -> list[Any]:
        """Return the connections of this process to the port with TLS."""
        all_ = psutil.Process().net_connections("tcp")
        return [one for one in all_ if one.raddr and one.raddr.port == self.tls_port]


@pytest.fixture(scope="module")
def reachable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reachable]:
    # The path of a UNIX socket has 107 bytes at most.
    found = Reachable(tmp_path_factory.mktemp("r"))
    yield found
    found.server.stop()


@pytest.fixture
def settings(request: pytest.FixtureRequest, reachable: Reachable) -> dict[str, Any]:
    return {"store_url": reachable.url(request.param)}


@pytest.mark.parametrize("way", ["tls", "unix"])
async def test_it_is_reached(reachable: Reachable, way: str) -> None:
    redis = Redis(reachable.url(way), "space")
    try:
        run = await redis.begin()
        assert len(run) == 40
        await redis.command("SET", redis.key("a"), "1")
        assert await redis.script("return redis.call('GET', KEYS[1])", [redis.key("a")], []) == "1"
        assert RedisServer.password not in redis.address
        assert redis.address.startswith(("rediss://localhost:", f"unix://{reachable.socket}"))
    finally:
        await redis.close()


@pytest.mark.parametrize("way", ["untrusted", "misnamed", "tls", "unix"])
async def test_nobody_else_is_trusted_and_nobody_else_let_in(
    reachable: Reachable, way: str, eventually: Eventually
) -> None:
    password = "wrong" if way in {"tls", "unix"} else RedisServer.password
    redis = Redis(reachable.url(way, password), "space")
    try:
        with pytest.raises(LostError) as raised:
            await redis.begin()
        assert password not in str(raised.value)
    finally:
        await redis.close()
        # Where the login fails redis-py does not wait for the end of TLS, and no loop is left then.
        await eventually(lambda: not reachable.connections())


@pytest.mark.parametrize("settings", ["tls", "unix"], indirect=True)
async def test_a_server_keeps_its_jobs_there(server: Server, eventually: Eventually) -> None:
    session = server.services.state.session
    assert session is not None
    await eventually(lambda: session.attached)
    await server.reported(make_report("a" * 32))
    assert await session.redis.command("EXISTS", session.redis.key("job", "a" * 32)) == 1
    assert not server.services.stores["redis"].degraded


@pytest.mark.parametrize("mode", ["sentinel", "cluster"])
async def test_what_cannot_hold_the_state_says_so(tmp_path: Path, mode: str) -> None:
    sentinel = mode == "sentinel"
    options = () if sentinel else ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    redis = RedisServer(tmp_path / "redis", *options, sentinel=sentinel)
    redis.start()
    found = Redis(redis.url, "space")
    try:
        with pytest.raises(UnfitError, match="address of") as raised:
            await found.begin()
        assert mode in str(raised.value).lower()
    finally:
        await found.close()
        redis.stop()


@pytest.mark.parametrize("scheme", ["sentinel", "redis+sentinel"])
def test_the_address_of_a_sentinel_is_refused_at_once(scheme: str) -> None:
    with pytest.raises(TraitError, match="follows its Sentinel"):
        Settings(store_url=f"{scheme}://host:26379/mymaster")


def test_an_address_for_the_log_holds_no_secret() -> None:
    assert address("rediss://me:5ecret@host:1/2?password=5ecret") == "rediss://host:1/2"
    assert address("unix://:5ecret@/run/redis.sock?db=1") == "unix:///run/redis.sock"
    assert json.dumps(address("redis://h")) == '"redis://h"'

"""Who is waited for, and who is given up."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, cast

import pytest
from tornado.iostream import IOStream, StreamClosedError

from jupyter_server_ext.streaming.clients import Client, Clients, release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tornado.web import RequestHandler


class Connection:
    """As much of a request as a client needs: a stream, whose other end is ours."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.stream: Any = IOStream(ours)
        self.peer = theirs
        self.connection = self.request = self

    def detach(self) -> Any:
        return self.stream

    @property
    def lingers(self) -> tuple[int, ...]:
        value = self.stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        return struct.unpack("ii", value)

    def close(self) -> None:
        self.stream.close()
        self.peer.close()


@pytest.fixture
def connection(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Connection]:
    async def make() -> Connection:
        return Connection()

    connection = jp_asyncio_loop.run_until_complete(make())
    yield connection
    connection.close()


def client_of(connection: Connection, *, stall_timeout: float = 60.0) -> Client:
    return Client(Clients(stall_timeout), cast("RequestHandler", connection))


async def test_who_waits_goes_on_when_it_came(connection: Connection) -> None:
    client = client_of(connection)
    waiter = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(release, waiter)
    await client.wait(waiter)
    release(waiter)  # once more does nothing
    await client.sleep(0.0)


async def test_who_has_gone_is_not_waited_for_now_or_later(connection: Connection) -> None:
    client = client_of(connection)
    loop = asyncio.get_running_loop()
    loop.call_soon(client.gone)
    with pytest.raises(StreamClosedError):
        await client.wait(loop.create_future())
    client.end(TimeoutError("what came first counts"))
    for _ in range(2):
        with pytest.raises(StreamClosedError):
            await client.sleep(60.0)


async def test_who_takes_nothing_is_given_up(connection: Connection) -> None:
    client = client_of(connection, stall_timeout=0.05)
    with pytest.raises(TimeoutError, match="takes no bytes"):
        await client.wait(asyncio.get_running_loop().create_future())


async def test_a_wait_that_is_not_for_the_client_is_no_stall(connection: Connection) -> None:
    client = client_of(connection, stall_timeout=0.01)
    await client.sleep(0.1)
    await client.sleep(0.0)


async def test_what_is_killed_in_the_middle_resets_and_what_has_ended_does_not(
    connection: Connection,
) -> None:
    client = client_of(connection)
    with client.unfinished():
        assert connection.lingers == (1, 0)
    assert connection.lingers == (0, 0)
    with client.unfinished():
        client.cut()
    assert connection.stream.closed()

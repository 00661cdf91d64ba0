"""A WebSocket over real sockets, plain and by TLS, with a client of another implementation."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import subprocess
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from tornado.tcpserver import TCPServer
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.streams import StreamReader
from websockets.uri import parse_uri

from jupyter_server_ext.channel.connection import Connection
from jupyter_server_ext.hub.framing import text_frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tornado.iostream import IOStream

    Eventually = Callable[..., Awaitable[object]]

LIMIT = 64 * 1024


class Owner:
    """Says what it has to say when it is asked, and remembers what it hears."""

    def __init__(self, stream: IOStream) -> None:
        self.outbox: deque[bytes] = deque()
        self.messages: list[str | bytes] = []
        self.lives = self.ends = self.waits = 0
        self.end = asyncio.Event()
        self.connection = Connection(stream, self, LIMIT)
        self.connection.start()

    def say(self, *texts: str) -> None:
        self.outbox += (text_frame(text.encode()) for text in texts)
        self.connection.wake()

    def heard(self) -> None:
        self.lives += 1

    def received(self, message: str | bytes) -> None:
        if message == "fail":
            raise RuntimeError("it was asked to")
        self.messages.append(message)

    def next_frame(self) -> bytes | None:
        return self.outbox.popleft() if self.outbox else None

    def held_up(self) -> None:
        self.waits += 1

    def goes_on(self) -> None:
        self.waits = 0

    def ended(self) -> None:
        self.ends += 1
        self.end.set()


class Client:
    """The other end: a socket, and a state machine of `websockets` that is open already."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.protocol = ClientProtocol(parse_uri("ws://localhost/"), max_size=None, state=OPEN)
        # Its parser waits for the answer to a handshake, which there is none of here.
        self.protocol.reader = StreamReader()
        self.protocol.parser = self.protocol.parse()
        next(self.protocol.parser)
        self.frames: list[Frame] = []
        self.ended = False

    def read(self, most: int = 1 << 16) -> bool:
        """Read what is there, answer as the protocol has it, and return whether it is over."""
        if self.ended:
            return True
        try:
            data = self.socket.recv(most)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except ConnectionError:
            data = b""
        if data:
            self.protocol.receive_data(data)
        else:
            self.ended = True
            self.protocol.receive_eof()
        self.frames += self.protocol.events_received()  # type: ignore[arg-type]
        self.flush()
        return self.ended

    def flush(self) -> None:
        with suppress(BlockingIOError, ssl.SSLWantWriteError, OSError):
            for data in self.protocol.data_to_send():
                self.socket.sendall(data)

    @property
    def pongs(self) -> list[int]:
        return [int(frame.data) for frame in self.frames if frame.opcode is Opcode.PONG]

    @property
    def texts(self) -> list[str]:
        return [frame.data.decode() for frame in self.frames if frame.opcode is Opcode.TEXT]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    files = {"certfile": str(folder / "cert.pem"), "keyfile": str(folder / "key.pem")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-out", files["certfile"], "-keyout", files["keyfile"]],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return files


async def make_pair(options: dict[str, Any] | None) -> tuple[Owner, Client, TCPServer]:
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[IOStream] = loop.create_future()

    class Server(TCPServer):
        def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
            arrived.set_result(stream)

    server = Server(ssl_options=options)
    server.listen(0, "127.0.0.1")
    (listener,) = server._sockets.values()

    def connect() -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        connection.connect(listener.getsockname())
        if options is not None:
            context = ssl.create_default_context(cafile=options["certfile"])
            connection = context.wrap_socket(connection, server_hostname="localhost")
        connection.settimeout(0)
        return connection

    client = Client(await loop.run_in_executor(None, connect))
    return Owner(await arrived), client, server


@pytest.fixture(params=["plain", "tls"])
def pair(
    request: pytest.FixtureRequest,
    certificate: dict[str, str],
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> Iterator[tuple[Owner, Client]]:
    options = certificate if request.param == "tls" else None
    owner, client, server = jp_asyncio_loop.run_until_complete(make_pair(options))
    yield owner, client

    client.socket.close()
    server.stop()
    jp_asyncio_loop.run_until_complete(asyncio.wait_for(owner.end.wait(), 30))
    assert owner.ends == 1


async def test_frames_arrive_whole_and_in_order_whatever_the_socket_takes(
    pair: tuple[Owner, Client], eventually: Eventually
) -> None:
    owner, client = pair
    chance = random.Random(5)
    sent: list[str] = []

    def more() -> bool:
        if len(sent) < 400:
            texts = [f"{len(sent) + index}:" + "x" * chance.choice([1, 200, 20_000]) for index in
                     range(chance.randint(1, 5))]  # fmt: skip
            sent.extend(texts)
            owner.say(*texts)
            # What comes between goes between frames, and not into one.
            client.protocol.send_ping(str(len(sent)).encode())
            client.protocol.send_text(str(len(sent)).encode())
            client.flush()
        for _ in range(chance.randint(0, 20)):
            client.read()
        # The last ping is always answered, whatever became of those before it.
        return len(client.texts) >= len(sent) >= 400 and client.pongs[-1:] == [len(sent)]

    await eventually(more)
    assert client.texts == sent
    assert client.pongs == sorted(client.pongs)
    assert owner.messages[-1] == str(len(sent))
    assert not client.ended


async def test_what_a_peer_does_not_read_stays_with_the_owner(
    pair: tuple[Owner, Client], eventually: Eventually
) -> None:
    owner, client = pair
    text = "x" * 30_000
    for _ in range(200):
        owner.say(text)
    kept = len(owner.outbox)
    assert kept > 180, "the socket takes what it takes, and the stream one piece"
    owner.say("the newest")
    assert owner.connection.send(text_frame(b"now")) is False
    assert len(owner.outbox) == kept + 1
    assert owner.waits
    await eventually(lambda: client.read() or "the newest" in client.texts)
    assert len(client.texts) == 201
    assert not owner.waits


async def test_the_server_says_goodbye(pair: tuple[Owner, Client], eventually: Eventually) -> None:
    owner, client = pair
    owner.say("a")
    assert owner.connection.close(4001, "restart", text_frame(b"last"))
    assert not owner.connection.close(4008, "slow"), "it was said"
    owner.say("not any more")
    await eventually(lambda: client.read() and owner.ends)
    assert client.texts == ["a", "last"]
    assert (client.protocol.close_code, client.protocol.close_reason) == (4001, "restart")
    assert owner.ends == 1


async def test_the_client_says_goodbye(pair: tuple[Owner, Client], eventually: Eventually) -> None:
    owner, client = pair
    client.protocol.send_text(b"before")
    client.protocol.send_close(1000, "enough")
    client.flush()
    await eventually(lambda: client.read() and owner.ends)
    assert owner.messages == ["before"]
    assert client.protocol.close_rcvd is not None
    assert client.protocol.close_rcvd.code == 1000
    assert client.protocol.close_rcvd_then_sent is False


async def test_a_goodbye_waits_for_what_was_said_before(
    pair: tuple[Owner, Client], eventually: Eventually
) -> None:
    owner, client = pair
    for _ in range(200):
        owner.say("x" * 60_000)
    taken = 200 - len(owner.outbox)
    owner.connection.close(4008, "slow")
    await eventually(lambda: client.read() and owner.ends)
    assert len(client.texts) == taken, "what was begun is brought to its end, and no more"
    assert client.protocol.close_code == 4008


@pytest.mark.parametrize("code", [1002, 1007, 1009])
async def test_a_broken_peer_learns_why_while_it_goes_on(
    pair: tuple[Owner, Client], eventually: Eventually, code: int
) -> None:
    owner, client = pair
    broken = {
        1002: b"\xff\x80",
        1007: Frame(Opcode.TEXT, b"\xff").serialize(mask=True),
        1009: b"\x81\xff" + (1 << 26).to_bytes(8, "big"),
    }[code]
    flood = memoryview(broken + os.urandom(1 << 21))
    sent = 0

    def go_on() -> bool:
        nonlocal sent
        if sent < len(flood):
            with suppress(BlockingIOError, ssl.SSLWantWriteError):
                sent += client.socket.send(flood[sent : sent + 16_000])
        client.read()
        return sent == len(flood) and client.protocol.close_rcvd is not None

    await eventually(go_on)
    assert client.protocol.close_rcvd is not None
    assert client.protocol.close_rcvd.code == code
    client.socket.close()
    await eventually(lambda: owner.ends)
    assert owner.messages == []


async def test_what_fails_is_logged_and_ends_this_connection_alone(
    pair: tuple[Owner, Client], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    owner, client = pair
    client.protocol.send_text(b"fail")
    client.flush()
    await eventually(lambda: client.read() and owner.ends)
    assert client.protocol.close_code == 1011
    assert "it was asked to" in caplog.text


async def test_a_peer_that_vanishes_is_the_end(
    pair: tuple[Owner, Client], eventually: Eventually
) -> None:
    owner, client = pair
    client.socket.close()
    await eventually(lambda: owner.ends)
    owner.say("to nobody")
    owner.connection.ping()
    assert owner.ends == 1


async def test_a_page_that_is_level_gets_what_all_get_at_once(
    pair: tuple[Owner, Client], eventually: Eventually
) -> None:
    owner, client = pair
    # What TLS makes of a frame is the stream's own business: there it is asked for as ever.
    assert owner.connection.send(text_frame(b"at once")) is (owner.connection._send is not None)
    owner.say("and then")
    await eventually(lambda: client.read() or "and then" in client.texts)

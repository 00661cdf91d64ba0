"""The fault proxy does what it says: nothing else in the laboratory would be worth anything."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from proxy import Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE = random.Random(1).randbytes(300_000)


class Peer:
    """A server of one port: it notes what comes in, and answers each connection with `MESSAGE`."""

    def __init__(self, answer: bytes = MESSAGE) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.answer = answer
        self.received: list[bytearray] = []
        self.endings: list[str] = []
        self.ended = threading.Condition()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            received = bytearray()
            self.received.append(received)
            arguments = (connection, received)
            self._threads.append(threading.Thread(target=self._serve, args=arguments))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket, received: bytearray) -> None:
        ending = "end"
        with connection:
            try:
                received += connection.recv(65536)
                connection.sendall(self.answer)
                if self.answer:
                    connection.shutdown(socket.SHUT_WR)
                while block := connection.recv(65536):
                    received += block
            except OSError:
                ending = "reset"
        with self.ended:
            self.endings.append(ending)
            self.ended.notify_all()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def wait_for_endings(self, count: int) -> list[str]:
        with self.ended:
            assert self.ended.wait_for(lambda: len(self.endings) >= count, 30)
            return self.endings


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def proxy(peer: Peer) -> Iterator[FaultProxy]:
    with FaultProxy(peer.port) as proxy:
        yield proxy


@contextmanager
def connected(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        yield client


def talk(proxy: FaultProxy, request: bytes = b"x") -> tuple[bytes, str]:
    """Send, read to the end, and return what came and how it ended."""
    received = bytearray()
    with connected(proxy) as client:
        try:
            client.sendall(request)
            while block := client.recv(65536):
                received += block
        except ConnectionError:
            return bytes(received), "reset"
    return bytes(received), "end"


def test_without_faults_it_changes_nothing(peer: Peer, proxy: FaultProxy) -> None:
    assert talk(proxy, b"request") == (MESSAGE, "end")
    peer.answer = b""
    with connected(proxy) as client:
        client.sendall(MESSAGE)
    assert peer.wait_for_endings(2) == ["end"] * 2
    assert peer.received == [b"request", MESSAGE]
    assert proxy.passed == {"up": len(MESSAGE) + 7, "down": len(MESSAGE)}


@pytest.mark.parametrize("after", [0, 1, 65_535, 65_536, 65_537, len(MESSAGE) - 1])
def test_a_cut_on_the_way_down_lets_exactly_so_many_bytes_through(
    peer: Peer, proxy: FaultProxy, after: int
) -> None:
    proxy.once(Fault("cut", "down", after))
    assert talk(proxy) == (MESSAGE[:after], "end")
    assert peer.wait_for_endings(1) == ["end"]
    assert talk(proxy) == (MESSAGE, "end"), "the next connection is whole"
    assert len(proxy.struck) == 1


@pytest.mark.parametrize("kind", ["cut", "reset"])
@pytest.mark.parametrize("after", [1, 65_536, 200_001])
def test_a_break_on_the_way_up_lets_exactly_so_many_bytes_through(
    peer: Peer, proxy: FaultProxy, kind: str, after: int
) -> None:
    peer.answer = b""
    proxy.once(Fault(kind, "up", after))  # type: ignore[arg-type]
    talk(proxy, MESSAGE)
    assert peer.wait_for_endings(1) == ["end" if kind == "cut" else "reset"]
    # What a reset finds in the receiver's buffer is lost, as it is on a real line.
    assert MESSAGE.startswith(bytes(peer.received[0]))
    assert len(peer.received[0]) == after if kind == "cut" else len(peer.received[0]) <= after


def test_a_reset_is_a_reset_on_both_sides(peer: Peer, proxy: FaultProxy) -> None:
    proxy.once(Fault("reset", "down", 100_000))
    received, ending = talk(proxy)
    assert ending == "reset"
    assert MESSAGE.startswith(received)
    assert len(received) <= 100_000
    assert peer.wait_for_endings(1) == ["reset"]


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_hole_is_silent_and_hides_the_end(peer: Peer, proxy: FaultProxy, way: str) -> None:
    proxy.once(Fault("hole", way, 1))  # type: ignore[arg-type]
    with connected(proxy) as client:
        client.sendall(b"xy")
        client.settimeout(0.2)
        assert drained(client) == "silence"
    assert talk(proxy) == (MESSAGE, "end"), "other connections are not concerned"
    assert peer.wait_for_endings(1) == ["end"], "the first is still open to the server"
    assert len(peer.received) == 2


def test_it_refuses_and_admits_again_at_the_same_port(proxy: FaultProxy) -> None:
    port = proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        talk(proxy)
    proxy.admit()
    assert proxy.port == port
    assert talk(proxy) == (MESSAGE, "end")


def test_it_delays_and_throttles(proxy: FaultProxy) -> None:
    start = time.monotonic()
    proxy.once(Fault("delay", "down", 1000, amount=0.3))
    assert talk(proxy) == (MESSAGE, "end")
    assert time.monotonic() - start >= 0.3
    start = time.monotonic()
    proxy.once(Fault("throttle", "down", 0, amount=len(MESSAGE) * 2))
    assert talk(proxy) == (MESSAGE, "end")
    assert time.monotonic() - start >= 0.45


def test_it_flips_one_bit(peer: Peer, proxy: FaultProxy) -> None:
    proxy.once(Fault("flip", "up", 3), Fault("flip", "down", 70_000))
    received, _ = talk(proxy, b"abcdef")
    assert peer.wait_for_endings(1)
    assert peer.received == [b"abceef"]
    differences = [place for place in range(len(MESSAGE)) if received[place] != MESSAGE[place]]
    assert differences == [70_000]
    assert received[70_000] ^ MESSAGE[70_000] == 1


def test_faults_follow_each_other_on_one_connection(proxy: FaultProxy) -> None:
    proxy.once(Fault("cut", "down", 20), Fault("flip", "down", 5), Fault("flip", "down", 7))
    received, _ = talk(proxy)
    assert len(received) == 20
    assert [place for place in range(20) if received[place] != MESSAGE[place]] == [5, 7]


def test_it_counts_faults_and_tells_of_each(proxy: FaultProxy) -> None:
    told = []
    proxy.most = 2
    proxy.struck_now = lambda: told.append(proxy.connections)
    proxy.faults(Fault("cut", "down", 10))
    assert [len(talk(proxy)[0]) for _ in range(4)] == [10, 10, len(MESSAGE), len(MESSAGE)]
    assert told == [1, 2]


def test_it_switches_its_target(proxy: FaultProxy) -> None:
    other = Peer(answer=b"another server")
    proxy.target = other.port
    assert talk(proxy) == (b"another server", "end")
    other.close()


@pytest.mark.parametrize(("how", "ending"), [("cut", "end"), ("reset", "reset")])
def test_it_ends_all_connections_at_a_word(
    peer: Peer, proxy: FaultProxy, how: str, ending: str
) -> None:
    peer.answer = MESSAGE * 100  # more than all buffers on the way hold
    with connected(proxy) as one, connected(proxy) as two:
        for client in (one, two):
            client.sendall(b"x")
            assert client.recv(1) == MESSAGE[:1]
        getattr(proxy, how)()
        for client in (one, two):
            assert drained(client) == ending
    assert peer.wait_for_endings(2) == [ending] * 2


def test_it_leaves_nothing_behind_that_waits_for_a_farewell(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        with FaultProxy(peer.port) as proxy:
            client = stack.enter_context(connected(proxy))
            client.sendall(b"x")
            assert client.recv(1) == MESSAGE[:1]
            proxy.cut()
            assert drained(client) == "end"
            # It waits until this side has ended as well, and is closed before that.
        assert asyncio.all_tasks(proxy._loop) == set()
        del proxy
        gc.collect()
    assert caplog.text == "", "no task is destroyed while it is pending"


def drained(client: socket.socket) -> str:
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "silence"
    return "end"


def test_a_server_that_is_away_is_an_end(proxy: FaultProxy) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        proxy.target = free.getsockname()[1]
    assert talk(proxy)[0] == b""

"""The engine: which way bytes leave, what may happen on the way, and what is left behind."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.web import Application, GZipContentEncoding, RequestHandler

from jupyter_server_ext.files.opening import open_below
from jupyter_server_ext.files.published import FileChangedError
from jupyter_server_ext.http.ranges import ByteRange
from jupyter_server_ext.streaming import pagecache
from jupyter_server_ext.streaming import slices as slicing
from jupyter_server_ext.streaming.activity import Activity
from jupyter_server_ext.streaming.pagecache import PageCache
from jupyter_server_ext.streaming.sending import Body, Sending
from jupyter_server_ext.streaming.slices import Slices, Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Eventually = Callable[..., Awaitable[object]]

MIB = 1 << 20
SIZE = 24 * MIB
TAIL = 2 * MIB
QUIET = Activity(lambda: None, time=time.monotonic, most=3600)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with other bytes in every block."""
    path = tmp_path / "large.bin"
    path.write_bytes(b"".join(bytes([number]) * MIB for number in range(SIZE // MIB)))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


class Engine:
    """A plain tornado server whose one address is a file, sent by the engine."""

    def __init__(self, path: Path, *, stall_timeout: float = 60.0) -> None:
        self.path = path
        self.readers = ThreadPoolExecutor(2, thread_name_prefix="reader")
        self.moves = 0
        self.sending = Sending(
            self.readers, stall_timeout, Activity(self._moved, time=time.monotonic, most=3600)
        )
        self.sending.tail = TAIL
        self.gate: Any = None
        self.transfer: Any = None
        self.started = 0
        self.ends: list[str] = []
        self.port = 0

    def _moved(self) -> None:
        self.moves += 1

    def listen(self, **options: Any) -> HTTPServer:
        application = Application([(r"/(.*)", Handler, {"engine": self})])
        server = HTTPServer(application, **options)
        server.listen(0, "127.0.0.1")
        (listener,) = server._sockets.values()
        self.port = listener.getsockname()[1]
        return server


class Handler(RequestHandler):
    body: Body | None = None

    def initialize(self, engine: Engine) -> None:
        self.engine = engine

    def on_connection_close(self) -> None:
        if self.body is not None:
            self.body.gone()

    def compute_etag(self) -> None:
        return None

    async def get(self, wanted: str) -> None:
        if wanted == "small":
            self.finish(b"small")
            return
        engine = self.engine
        engine.started += 1
        if wanted == "transformed":
            self._transforms = [GZipContentEncoding(self.request)]
        path = engine.path
        with open_below(str(path.parent), path.name, allow_hidden=False) as file:
            first, _, last = wanted.partition("-")
            size = file.fingerprint.size
            part = ByteRange(int(first), int(last)) if last else ByteRange(0, size - 1)
            self.set_header("Content-Length", str(part.length))
            self.body = engine.sending.body(self, gate=engine.gate, transfer=engine.transfer)
            try:
                await self.body.send_file(file, part)
            except (StreamClosedError, FileChangedError, TimeoutError) as error:
                engine.ends.append(type(error).__name__)
                self.body.cut()
                return
        engine.ends.append("whole")
        self.finish()


@pytest.fixture
def stall_timeout() -> float:
    return 60.0


@pytest.fixture
def options() -> dict[str, Any]:
    return {}


@pytest.fixture
def engine(
    path: Path,
    stall_timeout: float,
    options: dict[str, Any],
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> Iterator[Engine]:
    engine = Engine(path, stall_timeout=stall_timeout)

    async def start() -> HTTPServer:
        return engine.listen(**options)

    async def stop(server: HTTPServer) -> None:
        server.stop()
        await server.close_all_connections()

    server = jp_asyncio_loop.run_until_complete(start())
    yield engine
    jp_asyncio_loop.run_until_complete(stop(server))
    engine.readers.shutdown()


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return what `os.sendfile` sent, slice by slice."""
    sent = []
    original = os.sendfile

    def counted(*arguments: Any) -> int:
        count = original(*arguments)
        sent.append(count)
        return count

    monkeypatch.setattr(os, "sendfile", counted)
    return sent


def request(path: str = "", version: str = "1.1") -> bytes:
    return f"GET /{path} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [
        int(line.split(b":")[1])
        for line in head.splitlines()
        if line.lower().startswith(b"content-length")
    ]
    return await reader.readexactly(length)


async def fetch(engine: Engine, *requests: bytes, **more: Any) -> list[bytes]:
    """Send requests at once over one connection, and return the bodies."""
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port, **more)
    writer.write(b"".join(requests))
    try:
        return [await asyncio.wait_for(read_answer(reader), 60) for _ in requests]
    finally:
        writer.close()
        # A TLS peer may be gone before it has said goodbye.
        with suppress(OSError):
            await writer.wait_closed()


async def test_a_file_leaves_by_sendfile_and_its_end_as_a_copy(
    engine: Engine, slices: list[int]
) -> None:
    (body,) = await fetch(engine, request())
    assert body == engine.path.read_bytes()
    assert sum(slices) == SIZE - TAIL
    assert engine.moves > len(slices)


@pytest.mark.parametrize("size", [1, 128 * 1024, 128 * 1024 + 1, TAIL])
async def test_a_short_file_is_a_copy(engine: Engine, slices: list[int], size: int) -> None:
    content = os.urandom(size)
    engine.path.write_bytes(content)
    assert await fetch(engine, request()) == [content]
    assert slices == []


async def test_what_is_in_memory_needs_no_thread(engine: Engine) -> None:
    threads = threading.active_count()
    assert await fetch(engine, request()) == [engine.path.read_bytes()]
    assert threading.active_count() == threads


async def test_a_connection_is_good_for_more(engine: Engine, slices: list[int]) -> None:
    content = engine.path.read_bytes()
    asked = [request(), request("small"), request(f"5-{SIZE - 9}"), request("0-9"), request()]
    assert await fetch(engine, *asked) == [
        content,
        b"small",
        content[5 : SIZE - 8],
        content[:10],
        content,
    ]
    assert sum(slices) == 2 * (SIZE - TAIL) + SIZE - 13 - TAIL


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    place = tmp_path / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", place, "-out", tmp_path / "certificate.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    place.write_text(place.read_text() + (tmp_path / "certificate.pem").read_text())
    return place


class TestOverTls:
    @pytest.fixture
    def options(self, certificate: Path) -> dict[str, Any]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return {"ssl_options": context}

    async def test_an_encrypted_file_is_read_in_threads(
        self, engine: Engine, slices: list[int], certificate: Path
    ) -> None:
        context = ssl.create_default_context(cafile=certificate)
        bodies = await fetch(
            engine, request(), request("small"), ssl=context, server_hostname="localhost"
        )
        assert bodies == [engine.path.read_bytes(), b"small"]
        assert slices == []


async def test_an_old_client_is_sent_copies(engine: Engine, slices: list[int]) -> None:
    assert await fetch(engine, request(version="1.0")) == [engine.path.read_bytes()]
    assert slices == []


async def test_what_is_to_be_transformed_is_sent_through_tornado(
    engine: Engine, slices: list[int]
) -> None:
    assert await fetch(engine, request("transformed")) == [engine.path.read_bytes()]
    assert slices == []


async def test_a_file_system_that_tells_nothing_is_read_in_threads(
    engine: Engine, slices: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagecache, "_NOWAIT", 0)
    monkeypatch.setattr(pagecache, "_has_no_disk", lambda _: False)
    assert await fetch(engine, request()) == [engine.path.read_bytes()]
    assert slices == []


def test_what_is_in_memory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        cache = PageCache(descriptor)
        assert cache.tells
        assert cache.holds(0, SIZE)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        in_memory = pagecache._has_no_disk(os.fstat(descriptor).st_dev)
        assert cache.holds(0, MIB) == in_memory
        buffer = memoryview(bytearray(MIB))
        assert cache.read(buffer, 3 * MIB) == (MIB if in_memory else None)
        cache.load(4 * MIB, 2 * MIB)
        assert cache.holds(4 * MIB, 2 * MIB)
        assert cache.read(buffer, 4 * MIB) == MIB
        assert buffer == bytes([4]) * MIB
        assert cache.read(buffer, SIZE) == 0
        cache.load(SIZE - 10, MIB)
        assert cache.holds(SIZE - 10, 10)
    finally:
        os.close(descriptor)


def test_a_file_system_in_memory_is_known() -> None:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in mounts if " - tmpfs " in line]
    assert all(pagecache._has_no_disk(Path(place).stat().st_dev) for place in places)
    assert not pagecache._has_no_disk(os.makedev(4095, 77))


async def test_what_is_not_in_memory_is_loaded_in_a_thread(
    engine: Engine, slices: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: set[int] = set()
    threads = set()
    load, reading = PageCache.load, PageCache.read

    def holds(_: PageCache, offset: int, length: int) -> bool:
        return (offset + length - 1) // MIB in loaded

    def read(cache: PageCache, buffer: memoryview, offset: int) -> int | None:
        return reading(cache, buffer, offset) if offset // MIB in loaded else None

    def loading(cache: PageCache, offset: int, length: int) -> None:
        threads.add(threading.current_thread().name)
        load(cache, offset, length)
        loaded.update(range(offset // MIB, (offset + length) // MIB + 1))

    monkeypatch.setattr(PageCache, "holds", holds)
    monkeypatch.setattr(PageCache, "read", read)
    monkeypatch.setattr(PageCache, "load", loading)
    assert await fetch(engine, request()) == [engine.path.read_bytes()]
    assert sum(slices) == SIZE - TAIL
    assert loaded >= set(range(SIZE // MIB))
    assert threads
    assert all(name.startswith("reader") for name in threads)


class Client:
    """A client that reads when it is told to."""

    def __init__(self, engine: Engine, path: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", engine.port))
        self._socket.sendall(request(path))
        self._socket.settimeout(0)
        self.data = bytearray()
        self.ended = False

    def read(self, most: int = 1 << 16) -> bool:
        """Take what is there, and say whether the connection has ended."""
        try:
            block = self._socket.recv(most)
        except BlockingIOError:
            return self.ended
        except ConnectionError:
            block = b""
        self.data += block
        self.ended = self.ended or not block
        return self.ended

    @property
    def body(self) -> bytes:
        return bytes(self.data.partition(b"\r\n\r\n")[2])

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def clients(engine: Engine) -> Iterator[Callable[..., Client]]:
    opened = []

    def connect(path: str = "") -> Client:
        opened.append(Client(engine, path))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


def open_files(path: Path) -> int:
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += str(entry.readlink()) == str(path)
    return found


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("place", [0, MIB, -MIB, -1])
@pytest.mark.parametrize("fits", [True, False], ids=["all in flight", "some in flight"])
async def test_bytes_written_over_on_their_way_never_make_a_whole_file(
    engine: Engine,
    clients: Callable[..., Client],
    eventually: Eventually,
    place: int,
    fits: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    # A slice waits in the socket as a reference to the file's own pages: what is written to them is
    # what a client on this machine reads. It must then not get the rest.
    engine.sending.tail = Sending(engine.readers, 60.0, QUIET).tail
    size = 3 * MIB if fits else engine.sending.tail + SIZE
    engine.path.write_bytes(bytes(size))
    os.utime(engine.path, (1_700_000_000, 1_700_000_000))
    client = clients()
    moves = 0

    def is_full() -> bool:
        nonlocal moves
        before, moves = moves, engine.moves
        return moves > 0 and before == moves

    await eventually(is_full)
    with engine.path.open("r+b") as file:
        file.seek(place % size)
        file.write(b"\xff")
    await eventually(lambda: client.read(MIB) or len(client.body) == size)
    if len(client.body) == size:
        assert client.body == bytes(size)
        assert engine.ends == ["whole"]
    else:
        assert engine.ends == ["FileChangedError"]


async def test_clients_that_leave_free_everything(
    engine: Engine, clients: Callable[..., Client], eventually: Eventually
) -> None:
    before = descriptors()
    for _ in range(3):
        some = [clients() for _ in range(10)]
        await eventually(lambda: open_files(engine.path) == 10)
        for number, client in enumerate(some):
            for _ in range(number):
                client.read()
            client.close()
        await eventually(lambda: descriptors() <= before)
    assert engine.ends == ["StreamClosedError"] * 30
    assert await fetch(engine, request("small")) == [b"small"]


@pytest.mark.parametrize("stall_timeout", [0.4])
async def test_two_hundred_who_stop_reading_cost_no_threads_and_are_cut(
    engine: Engine, clients: Callable[..., Client], eventually: Eventually
) -> None:
    threads, before = threading.active_count(), descriptors()
    some: list[Client] = []
    for wanted in (50, 100, 150, 200):
        some += [clients() for _ in range(50)]
        # The queue of a listening socket is short.
        await eventually(lambda wanted=wanted: engine.started == wanted)
    await eventually(lambda: len(engine.ends) == 200)
    assert threading.active_count() == threads
    assert engine.ends == ["TimeoutError"] * 200
    # The clients' own ends are in this process too.
    await eventually(lambda: descriptors() <= before + 200)
    assert all(len(client.body) < SIZE for client in some)


@pytest.mark.parametrize("stall_timeout", [0.4])
async def test_who_reads_slowly_is_not_cut(
    engine: Engine, clients: Callable[..., Client], eventually: Eventually
) -> None:
    client = clients()
    loop = asyncio.get_running_loop()
    end = loop.time() + 2.0

    def trickle() -> bool:
        client.read(1 << 14)
        return loop.time() > end

    await eventually(trickle)
    assert not client.ended
    assert engine.ends == []


class Grants:
    """A gate that lets little pass at a time."""

    unlimited = False

    def __init__(self) -> None:
        self.granted: list[int] = []
        self._open = False

    def grant(self, want: int, now: float) -> tuple[int, float]:
        self._open = not self._open
        if self._open:
            return 0, 0.0001
        self.granted.append(min(want, 100_000))
        return self.granted[-1], 0.0


async def test_no_more_leaves_than_is_granted(engine: Engine, slices: list[int]) -> None:
    engine.gate = Grants()
    assert await fetch(engine, request()) == [engine.path.read_bytes()]
    assert sum(engine.gate.granted) == SIZE
    assert max(slices) <= 100_000


class Offsets:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def moved(self, offset: int) -> None:
        self.seen.append(offset)

    def seek(self, offset: int) -> None:
        assert self.seen == []
        self.seen.append(offset)


async def test_offsets_are_those_of_the_file(engine: Engine) -> None:
    engine.transfer = Offsets()
    await fetch(engine, request(f"7-{SIZE - 2}"))
    seen = engine.transfer.seen
    assert (seen[0], seen[-1]) == (7, SIZE - 1)
    assert seen == sorted(set(seen))
    assert len(seen) > 4


class Sender:
    """One who always has something to send, and takes a while for it."""

    def __init__(self, turns: Turns, most: int) -> None:
        self.turns = turns
        self.most = most
        self.lengths: list[int] = []

    def send(self, length: int) -> None:
        self.lengths.append(length)
        if len(self.lengths) < self.most:
            self.turns.join(self)  # type: ignore[arg-type]


async def test_all_get_the_same_and_one_sends_in_each_turn_of_the_loop(
    eventually: Eventually,
) -> None:
    turns = Turns()
    senders = [Sender(turns, 50) for _ in range(3)]
    loop = asyncio.get_running_loop()
    between: list[list[int]] = []

    def look() -> None:
        between.append([len(sender.lengths) for sender in senders])
        if between[-1] != [50, 50, 50]:
            loop.call_soon(look)

    for sender in senders:
        turns.join(sender)  # type: ignore[arg-type]
    look()
    await eventually(lambda: between[-1] == [50, 50, 50])
    assert all(sum(after) - sum(before) <= 1 for before, after in pairwise(between))
    assert all(max(counts) - min(counts) <= 1 for counts in between)


class Counted:
    """A file and its body, for slices: nothing is checked, and what went is counted."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.noted = [0]

    def check(self) -> None:
        pass

    def note(self, offset: int) -> None:
        self.noted.append(offset)


async def test_a_turn_of_copies_is_as_long_as_one_of_pages(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    ours, theirs = socket.socketpair()
    with path.open("rb") as opened, ours, theirs:
        file = Counted(opened.fileno())
        slices = Slices(
            Turns(), file, file, PageCache(opened.fileno()), ours, offset=0, edge=MIB // 2
        )
        done = slices.until(SIZE)
        with monkeypatch.context() as patched:
            # A socket that takes whatever it is given.
            patched.setattr(os, "sendfile", lambda _to, _from, _offset, count: count)
            patched.setattr(os, "write", lambda _to, data: written.append(len(data)) or len(data))
            slices.send(MIB)
            assert (file.noted, written) == ([0, MIB], [MIB // 4, MIB // 4])
            slices.send(MIB // 4)
            assert file.noted == [0, MIB, MIB + MIB // 4], "and while others wait it is short"
        slices.close()
        done.cancel()


class Clock:
    """Time that passes when somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_others_come_first_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    clock = Clock()
    monkeypatch.setattr(slicing, "monotonic", clock)
    monkeypatch.setattr(slicing, "thread_time", clock)
    loop = asyncio.get_running_loop()
    turns = Turns()
    sender = Sender(turns, 10)
    waited = []

    def work() -> None:
        clock.now += 0.00015
        waited.append(len(sender.lengths))
        if len(sender.lengths) < 10:
            loop.call_soon(work)

    loop.call_soon(work)
    turns.join(sender)  # type: ignore[arg-type]
    await eventually(lambda: len(sender.lengths) == 10)
    assert set(sender.lengths) == {256 * 1024}
    turns_without = [waited.count(sent) for sent in range(1, 10)]
    assert min(turns_without) >= 10
    assert max(turns_without) * 0.00015 < 0.003

    alone = Sender(turns, 100)
    turns.join(alone)  # type: ignore[arg-type]
    await eventually(lambda: len(alone.lengths) == 100)
    assert set(alone.lengths) == {MIB}


def test_the_end_is_longer_than_what_two_sockets_hold() -> None:
    limits = [Path(f"/proc/sys/net/ipv4/tcp_{kind}mem") for kind in "rw"]
    most = sum(int(limit.read_text().split()[2]) for limit in limits)
    with ThreadPoolExecutor(1) as readers:
        assert Sending(readers, 60.0, QUIET).tail > most

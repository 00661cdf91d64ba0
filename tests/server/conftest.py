"""A real server on a real port, with the extension as a user has it; and a kernel's part."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Not `pytest_plugins`: that would bring this plugin's event loop, which it makes for every test,
# to the browser tests too, where one is running already.
from pytest_jupyter.jupyter_core import *  # noqa: F403
from pytest_jupyter.jupyter_server import *  # noqa: F403
from redis_server import RedisServer
from reports import OTHER_EXTENSIONS, done_report, make_report
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

import jupyter_server_ext
from progresswidget.protocol import SUBPROTOCOL, Json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from jupyter_server.serverapp import ServerApp
    from tornado.httpserver import HTTPServer
    from tornado.iostream import IOStream
    from two_disks import Place

    from jupyter_server_ext.extension import ProgressExtension
    from jupyter_server_ext.services import Services


BASE_URL = "/user/alice/"
TOKEN = "5ECRETt0ken"
PACKAGE = Path(jupyter_server_ext.__file__).parent


@dataclass
class Server:
    """A running server, seen by its users and by its kernels."""

    app: ServerApp
    extension: ProgressExtension
    client: AsyncHTTPClient
    port: int
    pages: list[WebSocketClientConnection] = field(default_factory=list)

    @property
    def services(self) -> Services:
        return self.extension.services

    @property
    def endpoint(self) -> Json:
        path = Path(os.environ["PROGRESSWIDGET_ENDPOINT_FILE"])
        content: Json = json.loads(path.read_text())
        return content

    def url(self, path: str) -> str:
        path = path if path.startswith("/") else f"{BASE_URL}progresswidget/{path}"
        return f"http://127.0.0.1:{self.port}{path}"

    async def fetch(
        self, path: str, *, token: bool = True, headers: dict[str, str] | None = None, **more: Any
    ) -> HTTPResponse:
        """Send a request as the token's owner, or as nobody; errors are answers too."""
        headers = dict(headers or {})
        if token:
            headers.setdefault("Authorization", f"token {TOKEN}")
        path = path if path.startswith("/") else f"{BASE_URL}progresswidget/{path}"
        return await self.client.fetch(
            path,
            headers=headers,
            follow_redirects=False,
            allow_nonstandard_methods=True,
            request_timeout=60,
            raise_error=False,
            **more,
        )

    async def report(self, report: Json, *, secret: str | None = None) -> HTTPResponse:
        """Report as a kernel does."""
        scheme = f"Kernel {secret if secret is not None else self.services.secret}"
        return await self.fetch(
            f"api/jobs/{report['taskId']}",
            token=False,
            method="PUT",
            headers={"Authorization": scheme},
            body=json.dumps(report),
        )

    async def reported(self, report: Json) -> Json:
        """Report, and return the reply to a report that was taken."""
        response = await self.report(report)
        assert response.code == 200, response.body
        reply: Json = json.loads(response.body)
        return reply

    async def job(self, task_id: str) -> Json:
        response = await self.fetch(f"api/jobs/{task_id}")
        assert response.code == 200, response.body
        record: Json = json.loads(response.body)
        return record

    async def ask(self, task_id: str, action: object) -> HTTPResponse:
        body = json.dumps({"action": action})
        return await self.fetch(f"api/jobs/{task_id}", method="POST", body=body)

    async def publish(self, path: Path, /, **changes: Any) -> Json:
        """Report a finished export of `path`, and return the public record."""
        report = done_report(path, **changes)
        await self.reported(report)
        return await self.job(report["taskId"])

    async def connect(
        self,
        *,
        token: bool = True,
        headers: dict[str, str] | None = None,
        path: str = "",
        **more: Any,
    ) -> WebSocketClientConnection:
        """Open the live channel; `path` is what follows its address."""
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"token {TOKEN}"
        request = HTTPRequest(self.url(f"ws{path}").replace("http", "ws", 1), headers=headers)
        page = await websocket_connect(request, **({"subprotocols": [SUBPROTOCOL]} | more))
        self.pages.append(page)
        return page


@pytest.fixture
def jp_base_url() -> str:
    return BASE_URL


@pytest.fixture
def settings() -> dict[str, Any]:
    """What a test sets of `c.ProgressExtension`; overridden by parametrising it."""
    return {}


@pytest.fixture
def jp_server_config(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_server_ext": True}},
        "IdentityProvider": {"token": TOKEN},
        "ProgressExtension": settings,
    }


@pytest.fixture
def accepted(http_server: HTTPServer) -> Iterator[list[IOStream]]:
    """All connections of the server: at its end, as at that of a process, none is left open."""
    streams: list[IOStream] = []
    handle = http_server.handle_stream

    def take(stream: IOStream, address: tuple[str, int]) -> None:
        streams.append(stream)
        handle(stream, address)

    http_server.handle_stream = take  # type: ignore[method-assign]
    yield streams
    # A page that does not answer the closing has longer for it than the event loop lives here.
    for stream in streams:
        stream.close()


@pytest.fixture
def server(
    jp_serverapp: ServerApp,
    accepted: list[IOStream],
    http_server_client: AsyncHTTPClient,
    jp_http_port: int,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> Iterator[Server]:
    """The server after its start: pytest-jupyter leaves the start of extensions out."""
    jp_asyncio_loop.run_until_complete(jp_serverapp._post_start())
    (extension,) = jp_serverapp.extension_manager.extension_apps["jupyter_server_ext"]
    running = Server(jp_serverapp, extension, http_server_client, jp_http_port)
    yield running
    for page in running.pages:
        page.close()
    jp_asyncio_loop.run_until_complete(extension.stop_extension())


class Process:
    """One server process."""

    token = "t0ken"

    def __init__(self, home: Path, root: Path, *options: str, port: str = "0") -> None:
        environment = {name: value for name, value in os.environ.items() if "JUPYTER" not in name}
        environment |= {
            "HOME": str(home),
            "JUPYTER_CONFIG_PATH": str(home / "etc"),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "PYTHONPATH": str(PACKAGE.parent),
        }
        self.log = home / f"log-{time.monotonic_ns()}.txt"
        command = [
            sys.executable,
            "-m",
            "jupyter_server",
            f"--port={port}",
            "--no-browser",
            "--allow-root",
        ]
        command += [
            f"--ServerApp.root_dir={root}",
            f"--IdentityProvider.token={self.token}",
            *options,
        ]
        with self.log.open("w") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.pid = self._process.pid
        self.endpoint = self._wait_for_endpoint(home)
        content = json.loads(self.endpoint.read_text())
        self.url, self._secret = content["url"], content["secret"]
        self.content = content

    def _wait_for_endpoint(self, home: Path) -> Path:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self._process.poll() is None, self.log.read_text()
            for path in home.glob("runtime/progresswidget/*/endpoint.json"):
                if json.loads(path.read_text())["pid"] == self.pid:
                    return path
            time.sleep(0.05)
        raise AssertionError(f"no endpoint: {self.log.read_text()}")

    def request(
        self, path: str, *, method: str = "GET", body: Json | None = None, empty: bool = False
    ) -> Any:
        scheme = f"Kernel {self._secret}" if method == "PUT" else f"token {self.token}"
        request = urllib.request.Request(
            self.url + path,
            method=method,
            headers={"Authorization": scheme},
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return None if empty else json.load(response)

    def report(self, body: Json) -> Any:
        return self.request(f"api/jobs/{body['taskId']}", method="PUT", body=body)

    def stop(self, sign: int = signal.SIGTERM) -> None:
        self._process.send_signal(sign)
        self._process.wait(30)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)


@contextmanager
def servers(folder: Path) -> Iterator[Callable[..., Process]]:
    """Start servers of one user and one root, configured by the file that the wheel installs."""
    home, root = folder / "home", folder / "root"
    enabled = home / "etc" / "jupyter_server_config.d"
    for made in (home, root, enabled):
        made.mkdir(parents=True)
    shutil.copy(PACKAGE / "config" / "progresswidget.json", enabled)
    others = {"ServerApp": {"jpserver_extensions": dict.fromkeys(OTHER_EXTENSIONS, False)}}
    (home / "etc" / "jupyter_server_config.json").write_text(json.dumps(others))
    started: list[Process] = []

    def starter(*options: str, port: str = "0") -> Process:
        started.append(Process(home, root, *options, port=port))
        return started[-1]

    yield starter
    for process in started:
        process.close()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis that all share who leave it running: each test has a namespace of its own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be stopped, paused and filled; not started yet."""
    server = RedisServer(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start servers for one test."""
    with servers(tmp_path) as starter:
        yield starter


@pytest.fixture(scope="module")
def start_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Callable[..., Process], Path]]:
    """Start servers for all tests of a module; with their root folder."""
    folder = tmp_path_factory.mktemp("servers")
    with servers(folder) as starter:
        yield starter, folder / "root"


@pytest.fixture
def report() -> Callable[..., Json]:
    """Make reports."""
    return make_report


@pytest.fixture
def report_of() -> Callable[..., Json]:
    """Make last reports of files."""
    return done_report


@pytest.fixture
def root(jp_root_dir: Path) -> Path:
    return jp_root_dir


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """Wait until a condition holds, by looking at it; a deadline, no fixed sleep."""

    async def wait(condition: Callable[[], Any], *, within: float = 60.0) -> Any:
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            assert loop.time() < end, "it did not come true in time"
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def place(start: Callable[..., Process], tmp_path: Path) -> Iterator[Place]:
    """A server, and a disk of another machine on which its kernels write."""
    from two_disks import Place

    place = Place(start, tmp_path)
    yield place
    for kernel in place.kernels:
        kernel.kill()

"""Several servers on one Redis, nginx in front of them, and pages that live through everything."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import nginx
from ports import free_port
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from progresswidget.protocol import SUBPROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Process
    from redis_server import RedisServer

    from progresswidget.protocol import Json

CONFIGURATION = (
    nginx.BEGIN
    + """    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    upstream servers {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        location / {{
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_connect_timeout 1s;
            proxy_next_upstream error timeout non_idempotent;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
}}
"""
)


class Several:
    """Servers of one place: one root folder, one Redis, one address."""

    def __init__(self, start: Callable[..., Process], redis: RedisServer, folder: Path) -> None:
        self._start = start
        self.redis = redis
        self._folder = folder
        self._options: tuple[str, ...] = ()
        self.ports: list[int] = []
        self.servers: list[Process] = []
        self._nginx: subprocess.Popen[bytes] | None = None
        self.port = 0

    def begin(self, count: int, **settings: object) -> list[Process]:
        options = {"store_url": self.redis.url, "store_namespace": self._folder.parent.name}
        options |= settings
        self._options = tuple(f"--ProgressExtension.{k}={v}" for k, v in options.items())
        self.ports = [free_port() for _ in range(count)]
        self.servers = [self._start(*self._options, port=str(port)) for port in self.ports]
        return self.servers

    def again(self, index: int) -> Process:
        """Start a server again, on the port and in the directory of the one before."""
        self.servers[index] = self._start(*self._options, port=str(self.ports[index]))
        return self.servers[index]

    def balance(self) -> int:
        """Put nginx in front, and return its port."""
        self._folder.mkdir()
        self.port = free_port()
        lines = [f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in self.ports]
        configuration = self._folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self._folder,
                port=self.port,
                servers="\n        ".join(lines),
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        command = [program, "-p", str(self._folder), "-c", str(configuration)]
        self._nginx = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not (self._folder / "nginx.pid").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        return self.port

    def page(self, port: int, *task_ids: str, patience: float = 60.0) -> Viewer:
        return Viewer(port, self.servers[0].token, task_ids, patience)

    def close(self) -> None:
        for server in self.servers:
            with suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGCONT)
        if self._nginx is not None:
            self._nginx.terminate()
            self._nginx.wait(30)
        if self.redis.command("PING") == "+PONG":
            lives = self.redis.lives(self._folder.parent.name)
            assert [key for key, left in lives.items() if left < 0] == [], "they live for ever"


class Viewer:
    """A page that follows jobs, comes back whenever it is cut, and keeps to the protocol.

    Parameters
    ----------
    port
        Where it connects.
    patience
        Seconds of silence after which it leaves and comes back.
    """

    def __init__(self, port: int, token: str, task_ids: tuple[str, ...], patience: float) -> None:
        self.port = port
        self._patience = patience
        self._token = token
        self._task_ids = task_ids
        self.states: dict[str, tuple[str, int, Json]] = {}
        self.replayed = self.snapshots = self.connections = 0
        self.statuses: dict[str, list[str]] = {task_id: [] for task_id in task_ids}
        self.mistakes: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def open(self) -> Viewer:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def close(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def revision(self, task_id: str) -> int:
        return self.states[task_id][2]["revision"] if task_id in self.states else 0

    async def _run(self) -> None:
        while True:
            with suppress(OSError, TimeoutError, Exception):
                async with asyncio.timeout(5):
                    page = await self._connect()
                try:
                    await self._follow(page)
                finally:
                    page.close()
            await asyncio.sleep(0.05)

    async def _connect(self) -> Any:
        address = f"ws://127.0.0.1:{self.port}/progresswidget/ws"
        headers = {"Authorization": f"token {self._token}"}
        page = await websocket_connect(
            HTTPRequest(address, headers=headers, connect_timeout=2, request_timeout=5),
            subprotocols=[SUBPROTOCOL],
        )
        self.connections += 1
        self._ask(page, *self._task_ids)
        return page

    def _ask(self, page: Any, *task_ids: str) -> None:
        tasks: list[Json] = []
        for task_id in task_ids:
            known = self.states.get(task_id)
            position = {} if known is None else {"epoch": known[0], "seq": known[1]}
            tasks.append({"taskId": task_id} | position)
        message = {"type": "subscribe", "id": self.connections, "data": {"tasks": tasks}}
        page.write_message(json.dumps(message))

    async def _follow(self, page: Any) -> None:
        while True:
            # A server that is stopped says nothing and does not go away: a page asks, and leaves.
            async with asyncio.timeout(self._patience):
                text = await page.read_message()
            if text is None:
                return
            message = json.loads(text)
            if message["type"] == "error":
                await asyncio.sleep(0.1)
                self._ask(page, *(id_ for id_ in self._task_ids if id_ not in self.states))
            elif message["type"] == "subscribed":
                self._answered(message)
            elif message["type"] in {"progress_update", "task_complete"}:
                self._apply(message)

    def _answered(self, message: Json) -> None:
        data = message["data"]
        task_id = data["taskId"]
        if data["recovered"]:
            self.replayed += len(data["events"])
            for event in data["events"]:
                self._apply(event)
            if self.states[task_id][:2] != (message["epoch"], message["seq"]):
                self.mistakes.append(f"not whole: {self.states[task_id][:2]} after {message}")
            return
        self.snapshots += 1
        known = self.states.get(task_id)
        if known is not None and known[0] == message["epoch"] and known[1] > message["seq"]:
            self.mistakes.append(f"back from {known[1]} to {message['seq']} in one history")
        self._take(task_id, message["epoch"], message["seq"], data["snapshot"])

    def _apply(self, message: Json) -> None:
        task_id = message["data"]["taskId"]
        epoch, seq, _ = self.states[task_id]
        if message["epoch"] != epoch or message["from"] > seq + 1:
            self.mistakes.append(f"a gap: {message['from']} of {message['epoch']} after {seq}")
        if message["seq"] > seq:
            self._take(task_id, message["epoch"], message["seq"], message["data"])

    def _take(self, task_id: str, epoch: str, seq: int, data: Json) -> None:
        self.states[task_id] = epoch, seq, data
        told = self.statuses[task_id]
        if not told or told[-1] != data["status"]:
            told.append(data["status"])

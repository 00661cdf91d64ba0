"""The servers that the benchmark of the hub compares, and what makes all of them publish alike.

``broadcasters.py NAME PORT CONTROL`` runs one of the peers. Ours runs in a real jupyter_server, of
which this module is an extension then. In each of them a `Publisher` makes the same records at the
same times and waits on the port CONTROL for a word to begin; what differs is only who delivers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from jupyter_server_ext.model import decisions
from progresswidget import protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.protocol import Json

CONTROL = "PROGRESSWIDGET_BENCHMARK_CONTROL"
REPORT: Json = {
    "taskId": "", "kind": "export", "revision": 1, "status": "running", "phase": "writing",
    "name": "monthly sales by customer and region.parquet",
    "path": "/home/alice/reports/2026/monthly sales by customer and region.parquet",
    "format": "parquet", "mediaType": "application/vnd.apache.parquet", "generation": 1,
    "progress": 42.5, "rows": 0, "reused": 0, "total": 8_000_000, "columns": 19,
    "bytes": 65_536_000, "rate": 512_345.6, "eta": 12.4, "elapsed": 8.2,
    "created": 1712000000000, "ended": None,
    "background": False, "sha256": None, "kernelId": "0b5f8e6c-7f0e-4b9e-9a53-0e4f7b1f3f7e",
    "cellId": "c6e2f0a1-3a55-4e0c-9d7f-1f4c0a9e8b2d", "pid": 4242, "control": None, "error": None,
    "fingerprint": None, "appendOnly": True, "part": None,
}  # fmt: skip


def task_id(number: int) -> str:
    return f"{number:032x}"


def record(number: int) -> Json:
    """Return the public record of a job as it is now; `rows` is the moment, in nanoseconds."""
    task = task_id(number)
    job = decisions.reported(None, REPORT | {"taskId": task}, 1712000000000)
    url = f"/progresswidget/files/{task}/1/monthly%20sales%20by%20customer%20and%20region.parquet"
    return job.public(url) | {"rows": time.monotonic_ns()}


class Publisher:
    """Publishes when it is told to, at even distances, and says when it is done.

    Parameters
    ----------
    publish
        Called with the number of a task and its record.
    """

    def __init__(self, publish: Callable[[int, Json], None]) -> None:
        self._publish = publish

    async def listen(self, port: int) -> asyncio.Server:
        """Wait for orders: a line with the numbers of tasks, updates a second, and seconds."""
        return await asyncio.start_server(self._obey, "127.0.0.1", port)

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            order = json.loads(line)
            count = await self._run(**order)
            writer.write(f"{count}\n".encode())
        writer.close()

    async def _run(self, tasks: int, rate: float, seconds: float) -> int:
        count = int(tasks * rate * seconds)
        start = time.monotonic()
        for index in range(count):
            wait = start + index / (tasks * rate) - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            number = index % tasks
            self._publish(number, record(number))
        return count


class Topics:
    """Who follows which task, for the peers: as little as will do."""

    def __init__(self) -> None:
        self.followers: dict[str, set[Any]] = {}
        self._seq = 0

    def add(self, connection: Any, message: str) -> list[str]:
        """Subscribe, and return the answers."""
        tasks = [each["taskId"] for each in json.loads(message)["data"]["tasks"]]
        for task in tasks:
            self.followers.setdefault(task, set()).add(connection)
        return [json.dumps({"type": "subscribed", "data": {"taskId": task}}) for task in tasks]

    def remove(self, connection: Any) -> None:
        for found in self.followers.values():
            found.discard(connection)

    def event(self, data: Json) -> str:
        """Return the message that ours sends too."""
        self._seq += 1
        now = time.time_ns() // 1_000_000
        event = protocol.event(
            epoch="0" * 32, first=self._seq, seq=self._seq, timestamp=now, data=data
        )
        return protocol.encode(event)


async def run_websockets(port: int, control: int) -> None:
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    topics = Topics()

    async def follow(connection: ServerConnection) -> None:
        try:
            async for message in connection:
                for answer in topics.add(connection, str(message)):
                    await connection.send(answer)
        finally:
            topics.remove(connection)

    def publish(number: int, data: Json) -> None:
        broadcast(topics.followers.get(task_id(number), set()), topics.event(data))

    await Publisher(publish).listen(control)
    subprotocol = protocol.SUBPROTOCOL
    async with serve(follow, "127.0.0.1", port, compression=None, subprotocols=[subprotocol]):  # type: ignore[list-item]
        await asyncio.Event().wait()


async def run_tornado(port: int, control: int) -> None:
    from tornado.web import Application
    from tornado.websocket import WebSocketClosedError, WebSocketHandler

    topics = Topics()

    class Follow(WebSocketHandler):
        def select_subprotocol(self, subprotocols: list[str]) -> str | None:
            return protocol.SUBPROTOCOL

        def on_message(self, message: str | bytes) -> None:
            for answer in topics.add(self, str(message)):
                self.write_message(answer)

        def on_close(self) -> None:
            topics.remove(self)

    def publish(number: int, data: Json) -> None:
        text = topics.event(data).encode()
        for connection in topics.followers.get(task_id(number), ()):
            try:
                connection.write_message(text)
            except WebSocketClosedError:
                continue

    await Publisher(publish).listen(control)
    Application([(r".*", Follow)]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


async def run_aiohttp(port: int, control: int) -> None:
    from aiohttp import web

    topics = Topics()
    sending: set[asyncio.Task[None]] = set()

    async def follow(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(compress=False, protocols=[protocol.SUBPROTOCOL])
        await connection.prepare(request)
        try:
            async for message in connection:
                for answer in topics.add(connection, message.data):
                    await connection.send_str(answer)
        finally:
            topics.remove(connection)
        return connection

    async def deliver(number: int, text: str) -> None:
        for connection in topics.followers.get(task_id(number), ()):
            await connection.send_str(text)

    def publish(number: int, data: Json) -> None:
        task = asyncio.get_running_loop().create_task(deliver(number, topics.event(data)))
        sending.add(task)
        task.add_done_callback(sending.discard)

    await Publisher(publish).listen(control)
    app = web.Application()
    app.add_routes([web.get("/{path:.*}", follow)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


PEERS = {"websockets": run_websockets, "tornado": run_tornado, "aiohttp": run_aiohttp}


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "broadcasters"}]


def _load_jupyter_server_extension(app: Any) -> None:
    """Publish from inside the server, as `JobRegistry` does."""

    def publish(number: int, data: Json) -> None:
        hub = app.extension_manager.extension_apps["jupyter_server_ext"].pop().services.hub
        hub.publish(task_id(number), data, urgent=False)

    publisher = Publisher(publish)
    app.io_loop.add_callback(lambda: publisher.listen(int(os.environ[CONTROL])))


if __name__ == "__main__":
    name, *ports = sys.argv[1:]
    asyncio.run(PEERS[name](*map(int, ports)))

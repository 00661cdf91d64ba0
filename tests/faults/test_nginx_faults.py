"""A proxy in front that thinks it knows better: it cuts what idles, buffers, and limits bodies."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import programs
import pytest
from clients import run
from laboratory import Baseline, eventually, free_port, make_report
from page import Page
from uploading import Uploader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from laboratory import Server

MIB = 1 << 20
CONTENT = random.Random(7).randbytes(8 * MIB)
IDLE = 2
"""Seconds after which it cuts what is silent; 60 where nobody thought of it."""

CONFIGURATION = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 1m;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{target};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout {idle}s;
            proxy_send_timeout {idle}s;
        }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, target: int) -> Iterator[int]:
    """Run nginx in front of a server, with the settings that it comes with; return its port."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, port=port, target=target, idle=IDLE, user=user)
    )
    command = [programs.path("nginx"), "-p", str(folder), "-c", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            eventually((folder / "nginx.pid").exists)
            yield port
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def front(own: Callable[..., Server], tmp_path: Path) -> Iterator[tuple[Server, int]]:
    """A server whose heartbeat is shorter than what nginx takes for idle, and nginx."""
    server = own(settings={"heartbeat": IDLE / 4}).start()
    baseline = Baseline(server)
    with nginx(tmp_path / "nginx", server.port) as port:
        yield server, port
    baseline.assert_back()
    server.stop()


def test_row_65_the_heartbeat_keeps_the_line(front: tuple[Server, int]) -> None:
    server, port = front
    report = make_report()
    server.report(report)
    with Page(server, port=port) as page:
        last = page.subscribe(report["taskId"])["seq"]
        # What a page does: a sign of life each heartbeat, for longer than what is taken for idle.
        beat = threading.Event()
        for _ in range(10):
            page.send("ping")
            page.await_type("pong")
            beat.wait(IDLE / 4)
        server.report(report | {"revision": 2, "status": "failed"})
        assert page.await_type("task_complete")["from"] == last + 1


def test_row_65_bodies_in_small_pieces(front: tuple[Server, int]) -> None:
    server, port = front
    through = Uploader(server, port)
    upload = through.created(len(CONTENT))
    answer = through.patch(upload, 0, CONTENT[: 2 * MIB])
    assert answer.status == 413
    assert "Upload-Offset" not in answer.headers, "it is the word of the proxy, not the server's"
    assert through.offset(upload) == 0
    through.finish(upload, CONTENT, chunk=MIB)
    assert through.target.read_bytes() == CONTENT


@pytest.mark.parametrize("client", ["curl", "wget", "aria2 -x4"])
def test_row_65_downloads_through_its_buffers(
    front: tuple[Server, int], tmp_path: Path, client: str
) -> None:
    server, port = front
    path = server.root / "export.bin"
    path.write_bytes(CONTENT)
    url = server.url(server.publish(path)["url"], port)
    target = tmp_path / "target.bin"
    assert run(client, url, target, server.token) == 0
    assert target.read_bytes() == CONTENT

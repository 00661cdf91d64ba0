"""A proxy in front that thinks it knows better: it cuts what idles, buffers, and limits bodies."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest
from clients import run
from laboratory import Baseline, make_report
from nginx import Nginx
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


@pytest.fixture
def front(own: Callable[..., Server], tmp_path: Path) -> Iterator[tuple[Server, int]]:
    """A server whose heartbeat is shorter than what nginx takes for idle, and nginx."""
    server = own(settings={"heartbeat": IDLE / 4}).start()
    baseline = Baseline(server)
    with Nginx(tmp_path / "nginx", server.port, idle=IDLE) as proxy:
        yield server, proxy.port
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

"""A proxy in front that thinks it knows better: it cuts what idles, buffers, and limits bodies."""

from __future__ import annotations

import http.client
import os
import random
import subprocess
import threading
from typing import TYPE_CHECKING

import programs
import pytest
from clients import run
from laboratory import Baseline, eventually, make_report
from nginx import BEGIN, Nginx
from page import Page
from ports import free_port
from test_conformance import CONTENT as NUMBERS
from test_conformance import ROWS, Answer, check_body
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


STATIC = """
    server {{ listen 127.0.0.1:{port}; root {root}; types {{ }} default_type text/plain; }}
}}
"""
AGREED = {"a range outside", "If-None-Match", "what changes nothing"}
"""Rows of which nginx has all as they are."""


@pytest.fixture
def static(tmp_path: Path) -> Iterator[int]:
    """nginx that serves the file of the rows by itself, at the port that it returns."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "numbers.txt").write_bytes(NUMBERS)
    os.utime(root / "numbers.txt", (1_700_000_000, 1_700_000_000))
    port, path = free_port(), tmp_path / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    begin = BEGIN.format(user=user, folder=tmp_path)
    path.write_text(begin + STATIC.format(port=port, root=root))
    command = [programs.path("nginx"), "-p", str(tmp_path), "-c", str(path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            eventually((tmp_path / "nginx.pid").exists)
            yield port
        finally:
            process.terminate()


def test_the_rows_of_rfc_9110_are_no_invention_of_ours(static: int) -> None:
    # Ours passes every row (`test_conformance`), so also those that nginx passes: most of them, and
    # of the others the text of the RFC is quoted beside them.
    etag = str(ask(static, "")["ETag"])
    failed: dict[str, list[str]] = {kind: [] for kind in ROWS}
    for kind, rows in ROWS.items():
        for fields, code, part in rows:
            answer = ask(static, fields.replace("{etag}", etag))
            try:
                assert answer.code == code
                check_body(answer, part)
            except (AssertionError, ValueError):
                failed[kind].append(fields)
    assert {kind: failed[kind] for kind in AGREED} == {kind: [] for kind in AGREED}
    assert sum(map(len, failed.values())) < sum(map(len, ROWS.values())) / 3
    # What one would not like to be alone with: a range, and the tags and dates that guard it.
    assert len(failed["one range"]) <= 2, failed["one range"]
    assert len(failed["If-Range"]) <= 1, failed["If-Range"]


def ask(port: int, lines: str) -> Answer:
    """Ask for the file; an answer that is none has no status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("GET", "/numbers.txt", skip_accept_encoding=True)
    for line in lines.splitlines():
        name, _, value = line.partition(":")
        connection.putheader(name, value.strip())
    connection.endheaders()
    try:
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    except http.client.HTTPException:
        return Answer(0, [], b"")
    finally:
        connection.close()

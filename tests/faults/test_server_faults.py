"""Servers that are killed, stopped, moved, blocked and robbed of power."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import no_links
import pytest
from laboratory import Baseline, done_report, eventually, make_report
from page import Page
from power import power_disk
from proxy import Fault, FaultProxy
from uploading import Uploader, checksum

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from laboratory import Server

    Own = Callable[..., Server]
    Repetitions = Callable[[int, int], int]

MIB = 1 << 20
CONTENT = random.Random(5).randbytes(20 * MIB)


@pytest.mark.parametrize("checked", [False, True], ids=["plain", "with checksums"])
def test_row_8_an_upload_goes_on_where_a_killed_server_was(
    own: Own,
    checked: bool,  # noqa: FBT001
) -> None:
    server = own().start()
    tus = Uploader(server)
    upload = tus.created(len(CONTENT))
    known = 0
    if checked:
        tus.patch(upload, 0, CONTENT[: 2 * MIB], Upload_Checksum=checksum(CONTENT[: 2 * MIB]))
        known = 2 * MIB
    sent = len(CONTENT) * 2 // 5
    fields = {"Upload-Checksum": checksum(CONTENT[known:])} if checked else {}
    with tus.begin(upload, known, len(CONTENT) - known, **fields) as connection:
        connection.sendall(CONTENT[known:sent])
        (staged,) = server.staged()
        eventually(lambda: staged.stat().st_size == sent)
        server.restart()
    # Without a checksum every byte that came counts; with one, what it held for.
    assert tus.offset(upload) == (known if checked else sent)
    tus.finish(upload, CONTENT)
    assert tus.target.read_bytes() == CONTENT
    assert server.staged() == []
    assert server.files_held() == []


def test_rows_10_and_14_no_step_of_an_upload_is_a_bad_one_to_die_at(
    own: Own, repetitions: Repetitions
) -> None:
    # `mortal` drops what was not synced of the bytes; a disk of one's own may drop more, below.
    server = own(extensions=["mortal"])
    die_at_each_step(server, repetitions(6, 1), lambda: None)
    assert (server.root / "mortal.bin").read_bytes() == CONTENT[: 2 * MIB]
    server.stop()


@pytest.mark.faults
@pytest.mark.parametrize("refused", ["link linkat", "link linkat renameat2"])
def test_row_10_nor_is_any_where_a_name_is_taken_in_another_way(
    own: Own, repetitions: Repetitions, refused: str
) -> None:
    server = own(extensions=["no_links", "mortal"], environment={no_links.REFUSED: refused})
    die_at_each_step(server, repetitions(6, 1), lambda: None)
    assert (server.root / "mortal.bin").read_bytes() == CONTENT[: 2 * MIB]
    server.stop()


@pytest.mark.faults
def test_row_14_nor_is_any_a_bad_one_to_lose_the_power_at(
    own: Own, repetitions: Repetitions, tmp_path: Path
) -> None:
    server = own(extensions=["mortal"])
    server.root.rmdir()
    with power_disk(server.folder, tmp_path / "disk.img") as disk:
        if disk is None:
            pytest.skip("loop devices are not permitted here")
        try:
            server.root.mkdir()
            os.sync()
            die_at_each_step(server, repetitions(6, 1), disk.lose_power)
            # What was answered is kept, the file and the end of a job, whatever comes then.
            report = make_report(status="failed")
            server.report(report)
            server.kill()
            disk.lose_power()
            assert (server.root / "mortal.bin").read_bytes() == CONTENT[: 2 * MIB]
            server.start()
            job = server.request("GET", f"api/jobs/{report['taskId']}").json
            assert job["status"] == "failed"
        finally:
            server.close()


def die_at_each_step(server: Server, pace: int, dead: Callable[[], None]) -> None:
    """Upload a file while the server dies at one step after the other, until it lives through it.

    Each start recovers from the death before; `dead` is called in between.
    """
    content = CONTENT[: 2 * MIB]
    tus = Uploader(server)
    for step in range(0, 100, pace):
        server.start()
        if step:
            assert_recovered(tus, content)
        assert server.request("GET", f"{server.base_url}mortal/{step}").status == 200
        with suppress(OSError, http.client.HTTPException):
            upload = tus.created(len(content), name="mortal.bin", Idempotency_Key="k")
            assert tus.patch(upload, 0, content).status == 204
            break
        assert server.process is not None
        assert server.process.wait(30) == -signal.SIGKILL
        dead()
    print(f"an upload has about {step} steps")
    assert step > 10


def assert_recovered(tus: Uploader, content: bytes) -> None:
    """Assert that an upload is there or not, whole; then finish and remove it."""
    server = tus.server
    target = server.root / "mortal.bin"
    left = {path.name for path in server.root.iterdir()}
    assert len(left) <= 1, left
    if target.exists():
        assert target.read_bytes() == content
    answer = tus.create(len(content), name="mortal.bin", Idempotency_Key="k")
    assert answer.status == 201, answer.body
    upload = answer.headers["Location"]
    # Nothing is left of an upload that nobody knows: the key finds it, or there is none.
    assert {path.name for path in server.root.iterdir()} <= {"mortal.bin", staged_name(upload)}
    assert target.exists() is (answer.offset == len(content))
    assert tus.send("DELETE", upload).status == 204
    target.unlink(missing_ok=True)
    assert list(server.root.iterdir()) == []


def staged_name(upload: str) -> str:
    return f".progresswidget-{upload}.upload"


def test_row_11_a_server_that_is_stopped_says_goodbye_and_keeps_all(own: Own) -> None:
    server = own().start()
    tus = Uploader(server)
    path = server.root / "export.bin"
    path.write_bytes(CONTENT * 2)
    url = server.publish(path)["url"]
    uploads = [tus.created(len(CONTENT), name=f"{number}.bin") for number in range(4)]
    pages = [Page(server) for _ in range(4)]
    up = [tus.begin(upload, 0, len(CONTENT)) for upload in uploads]
    down = [server.connect() for _ in range(4)]
    for number, connection in enumerate(up):
        connection.sendall(CONTENT[: (number + 1) * MIB])
    request = f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {server.token}\r\n"
    for connection in down:
        connection.sendall(f"{request}\r\n".encode())
        connection.recv(100_000)
    eventually(lambda: [path.stat().st_size for path in staged(server, uploads)] == sizes())
    server.stop(within=10)
    for page in pages:
        while page.receive() is not None:
            pass
        assert page.close_code == 4001
    for connection in (*pages, *up, *down):
        connection.close()
    server.start()
    assert [tus.offset(upload) for upload in uploads] == sizes()
    for number, upload in enumerate(uploads):
        tus.finish(upload, CONTENT)
        assert (server.root / f"{number}.bin").read_bytes() == CONTENT
    server.stop()


def sizes() -> list[int]:
    return [MIB, 2 * MIB, 3 * MIB, 4 * MIB]


def staged(server: Server, uploads: list[str]) -> list[Path]:
    return [server.root / staged_name(upload) for upload in uploads]


def test_rows_12_and_13_another_port_and_another_token(own: Own) -> None:
    server = own(base_url="/user/a/").start()
    path = server.root / "export.bin"
    path.write_bytes(CONTENT)
    record = server.publish(path)
    tus = Uploader(server)
    upload = tus.created(len(CONTENT))
    assert "/" not in upload, "an address that holds wherever the server is"
    assert record["url"].startswith("/user/a/")
    tus.patch(upload, 0, CONTENT[:MIB])
    port, token = server.port, server.token
    with FaultProxy(server.port) as proxy:
        through = Uploader(server, proxy.port)
        assert through.offset(upload) == MIB
        server.kill()
        server.port, server.token = 0, "an0therT0ken"
        server.start()
        assert server.port != port
        proxy.target = server.port
        through.token = token
        for answer in (through.head(upload), through.patch(upload, MIB, b"x")):
            assert answer.status in {401, 403}
            assert "Location" not in answer.headers
        through.token = ""
        assert through.offset(upload) == MIB
        through.finish(upload, CONTENT)
    assert tus.target.read_bytes() == CONTENT
    again = server.request("GET", record["url"])
    assert again.body == CONTENT
    assert server.request("GET", f"api/jobs/{record['taskId']}").json["url"] == record["url"]
    for path in server.directory.rglob("*"):
        if path.is_file() and path.name != "endpoint.json":
            assert f":{port}".encode() not in path.read_bytes(), path
    server.stop()


class Follower:
    """A page that follows one job, and comes back when it is sent away."""

    def __init__(self, server: Server, task_id: str) -> None:
        self._server = server
        self._task_id = task_id
        self.reconnects = -1
        self._come()

    def _come(self) -> None:
        self.reconnects += 1
        self.page = Page(self._server)
        answer = self.page.subscribe(self._task_id)
        self._last: int = answer["seq"]
        self.status: str = answer["data"]["snapshot"]["status"]

    def follow(self) -> None:
        """Read until the end of the job; nothing may be missing or come twice."""
        while self.status == "running":
            message = self.page.receive()
            if message is None:
                self.page.close()
                self._come()
            elif message["type"] in {"progress_update", "task_complete"}:
                assert message["from"] == self._last + 1
                self._last = message["seq"]
                self.status = message["data"]["status"]


def block(server: Server, heartbeat: float, seconds: float) -> None:
    """Let another extension block the event loop, and watch the pages meanwhile."""
    report = make_report()
    server.report(report)
    followers = [Follower(server, report["taskId"]) for _ in range(4)]
    over = threading.Event()

    def live() -> None:
        # As pages do: a sign of life each now and then, whoever listens.
        while not over.wait(heartbeat / 2):
            for follower in followers:
                with suppress(OSError, ValueError):
                    follower.page.send("ping")

    with ThreadPoolExecutor(1) as pool:
        living = pool.submit(live)
        try:
            asked = server.request("GET", f"{server.base_url}sleepy/{seconds}")
            assert asked.status == 200
            for revision in range(2, 10):
                server.report(report | {"revision": revision, "rows": revision})
            server.report(report | {"revision": 10, "status": "failed"})
            for follower in followers:
                follower.follow()
        finally:
            over.set()
            living.result()
            for follower in followers:
                follower.page.close()
    reconnects = [follower.reconnects for follower in followers]
    print(f"reconnects: {reconnects}")
    assert reconnects == [0] * len(followers)


def test_row_15_a_blocked_loop_is_no_reason_to_send_pages_away(own: Own) -> None:
    server = own(extensions=["sleepy"], settings={"heartbeat": 1.0}).start()
    baseline = Baseline(server)
    block(server, 1.0, 3)
    baseline.assert_back()
    server.stop()


@pytest.mark.faults
def test_row_15_ten_seconds(own: Own) -> None:
    server = own(extensions=["sleepy"], settings={"heartbeat": 3.0}).start()
    block(server, 3.0, 10)
    server.stop()


def test_row_2_a_lost_last_report_is_sent_again_and_counts_once(own: Own) -> None:
    # The kernel was told nothing: to it the last report may have come or not.
    server = own().start()
    path = server.root / "export.bin"
    path.write_bytes(CONTENT)
    report = done_report(path)
    with FaultProxy(server.port) as proxy:
        proxy.once(Fault("cut", "down", 0))
        scheme = {"Authorization": f"Kernel {server.secret}"}
        body = json.dumps(report).encode()
        address = f"api/jobs/{report['taskId']}"
        with pytest.raises((OSError, http.client.HTTPException)):
            server.request("PUT", address, headers=scheme, body=body, port=proxy.port)
    server.restart()
    for _ in range(2):
        server.report(report)
    (job,) = server.request("GET", "api/jobs").json
    assert job["status"] == "done"
    assert server.request("GET", job["url"]).body == CONTENT
    server.stop()

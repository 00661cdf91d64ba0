"""Uploads to servers that are killed, stopped, restarted, or out of room; and their memory."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import random
import resource
import signal
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Process

    Start = Callable[..., Process]

CONTENT = os.urandom(6_000_000)
MIB = 1 << 20


def checksum(content: bytes) -> str:
    return f"sha256 {base64.b64encode(hashlib.sha256(content).digest()).decode()}"


class Uploading:
    """One upload to a server that may be another one tomorrow."""

    def __init__(self, process: Process, length: int = len(CONTENT), **fields: str) -> None:
        self.process = process
        name = base64.b64encode(b"a.bin").decode()
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        answer = self.ask(
            "POST",
            "",
            {"Upload-Length": str(length), "Upload-Metadata": f"filename {name}"} | fields,
        )
        assert answer.status == 201, answer.read()
        self.id = str(answer.headers["Location"])

    def ask(
        self, method: str, path: str | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        with self.connected() as connection:
            connection.request(method, self.target(path), headers=self.fields(headers))
            response = connection.getresponse()
            response.read()
            return response

    @contextmanager
    def connected(self) -> Iterator[http.client.HTTPConnection]:
        where = urlsplit(self.process.url)
        with closing(http.client.HTTPConnection(str(where.hostname), where.port or 80, 60)) as one:
            yield one

    def target(self, path: str | None) -> str:
        upload = self.id if path is None else path
        return f"{urlsplit(self.process.url).path}uploads/{upload}"

    def fields(self, headers: dict[str, str] | None) -> dict[str, str]:
        basic = {"Tus-Resumable": "1.0.0", "Authorization": f"token {self.process.token}"}
        return basic | (headers or {})

    @property
    def offset(self) -> int:
        answer = self.ask("HEAD")
        assert answer.status == 200, answer.status
        return int(str(answer.headers["Upload-Offset"]))

    @contextmanager
    def begun(self, offset: int, length: int, **fields: str) -> Iterator[socket.socket]:
        """Send the head of a PATCH, and give the connection for its body."""
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
        } | {name.replace("_", "-"): value for name, value in fields.items()}
        with self.connected() as connection:
            connection.putrequest("PATCH", self.target(None))
            for name, value in self.fields(headers).items():
                connection.putheader(name, value)
            connection.endheaders()
            yield connection.sock

    def patch(self, offset: int, body: bytes, **fields: str) -> http.client.HTTPResponse:
        with self.begun(offset, len(body), **fields) as sock:
            sock.sendall(body)
            response = http.client.HTTPResponse(sock)
            response.begin()
            response.read()
            return response

    def complete(self, root: Path) -> None:
        offset = self.offset
        if offset < len(CONTENT):
            assert self.patch(offset, CONTENT[offset:]).status == 204
        assert [path.name for path in root.iterdir()] == ["a.bin"]
        assert (root / "a.bin").read_bytes() == CONTENT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def wait_for(condition: Callable[[], bool], within: float = 30) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.005)


def staged(root: Path) -> int:
    size = 0
    for path in root.glob(".progresswidget-*"):
        with suppress(FileNotFoundError):  # it has got its name in this very moment
            size += path.stat().st_size
    return size


def test_a_killed_server_knows_how_far_it_was(start: Start, root: Path) -> None:
    upload = Uploading(start(), Idempotency_Key="mine")
    with upload.begun(0, len(CONTENT)) as sock:
        sock.sendall(CONTENT[:2_500_000])
        wait_for(lambda: staged(root) == 2_500_000)
        upload.process.stop(signal.SIGKILL)
    upload.process = start()
    assert upload.offset == 2_500_000
    assert Uploading(upload.process, Idempotency_Key="mine").id == upload.id
    upload.complete(root)
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    # Also a server that never saw the end remembers it.
    upload.process.stop(signal.SIGKILL)
    upload.process = start()
    answer = upload.ask("HEAD")
    assert answer.headers["Upload-Offset"] == str(len(CONTENT))
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert str(answer.headers["Content-Location"]).endswith("/contents/a.bin")


def test_a_killed_server_trusts_only_what_was_verified(start: Start, root: Path) -> None:
    upload = Uploading(start())
    first = CONTENT[:1_000_000]
    assert upload.patch(0, first, Upload_Checksum=checksum(first)).status == 204
    with upload.begun(1_000_000, 5_000_000, Upload_Checksum=checksum(CONTENT[1_000_000:])) as sock:
        sock.sendall(b"\xff" * 2_000_000)
        wait_for(lambda: staged(root) == 3_000_000)
        upload.process.stop(signal.SIGKILL)
    upload.process = start()
    assert upload.offset == 1_000_000
    assert staged(root) == 1_000_000, "what nobody vouches for is gone"
    upload.complete(root)


def damage(path: Path) -> None:
    remove(path)  # what is all in its log would be taken from there
    path.write_bytes(b"not a database" * 1000)


def remove(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


HARMS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a damaged database": ("uploads.sqlite", damage),
    "no database": ("uploads.sqlite", remove),
    "a damaged sidecar": ("uploads.jsonl", damage),
    "no sidecar": ("uploads.jsonl", remove),
}


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
@pytest.mark.parametrize("harm", HARMS)
def test_an_upload_outlives_one_of_the_two_places_that_know_of_it(
    start: Start, root: Path, harm: str, sign: int
) -> None:
    upload = Uploading(start(), Idempotency_Key="mine")
    first = CONTENT[:1_000_000]
    assert upload.patch(0, first, Upload_Checksum=checksum(first)).status == 204
    with upload.begun(1_000_000, 5_000_000, Upload_Checksum=checksum(CONTENT[1_000_000:])) as sock:
        sock.sendall(b"\xff" * 2_000_000)
        wait_for(lambda: staged(root) == 3_000_000)
        folder = upload.process.endpoint.parent
        wait_for(lambda: known(folder / "uploads.sqlite", '"verified":1000000'))
        upload.process.stop(sign)
    name, spoil = HARMS[harm]
    spoil(folder / name)
    upload.process = start()
    assert upload.offset == 1_000_000, "what nobody vouches for is gone, here as there"
    assert Uploading(upload.process, Idempotency_Key="mine").id == upload.id
    upload.complete(root)
    log = upload.process.log.read_text()
    if harm == "a damaged database":
        (aside,) = folder.glob("uploads.sqlite.damaged-*")
        assert aside.read_bytes().startswith(b"not a database")
        assert (
            f"uploads.sqlite cannot be used (file is not a database). It was moved to {aside}"
            in log
        )
        assert "uploads.sqlite cannot" in log
    assert ("lacked 1 uploads" in log) is (name == "uploads.sqlite")


def known(path: Path, text: str) -> bool:
    """Say whether a database has a record with a text in it, as another process sees it."""
    try:
        # Who looks makes none.
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return any(text in one for (one,) in database.execute("SELECT record FROM uploads"))
    except sqlite3.DatabaseError:
        return False


def test_a_database_that_goes_away_while_it_is_open_costs_no_upload(
    start: Start, root: Path
) -> None:
    upload = Uploading(start())
    assert upload.patch(0, CONTENT[:1_000_000]).status == 204
    folder = upload.process.endpoint.parent
    wait_for(lambda: known(folder / "uploads.sqlite", upload.id))
    remove(folder / "uploads.sqlite")
    # The next one that is kept finds out, and the new database has all.
    fields = {"Upload-Length": "10", "Upload-Metadata": "filename Yg=="}
    assert upload.ask("POST", "", fields).status == 201
    wait_for(lambda: known(folder / "uploads.sqlite", upload.id))
    assert "lost while it was in use" in upload.process.log.read_text()
    upload.process.stop(signal.SIGKILL)
    remove(folder / "uploads.jsonl")
    upload.process = start()
    assert upload.offset == 1_000_000
    assert upload.ask("DELETE", None).status == 204
    (other,) = root.glob(".progresswidget-*.upload")
    assert upload.ask("DELETE", other.name.split("-")[1].split(".")[0]).status == 204
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_database_that_is_locked_stops_no_upload(start: Start, root: Path, sign: int) -> None:
    process = start()
    path = process.endpoint.parent / "uploads.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        gone = Uploading(process)
        assert gone.ask("DELETE").status == 204
        upload = Uploading(process)
        first = CONTENT[:1_000_000]
        assert upload.patch(0, first, Upload_Checksum=checksum(first)).status == 204
        assert upload.patch(1_000_000, CONTENT[1_000_000:]).status == 204
        assert time.monotonic() - begun < 5, "SQLite itself would wait for ten"
        if sign == signal.SIGKILL:
            process.stop(sign)
        other.execute("COMMIT")
    if sign == signal.SIGTERM:
        process.stop(sign)
    upload.process = gone.process = start()
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    assert upload.ask("HEAD").headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert gone.ask("HEAD").status == 404
    upload.complete(root)


def test_a_server_that_finds_no_place_for_records_takes_uploads(start: Start, root: Path) -> None:
    process = start()
    path = process.endpoint.parent / "uploads.sqlite"
    process.stop()
    remove(path)
    path.mkdir()
    upload = Uploading(start())
    assert upload.patch(0, CONTENT[:1_000_000]).status == 204
    upload.complete(root)
    store = upload.process.request("api/health")["stores"]["uploads"]
    assert (store["backend"], store["degraded"]) == ("memory", True)
    assert "No upload database" in upload.process.log.read_text()


def test_a_server_that_keeps_nothing_leaves_bytes_that_are_swept(start: Start, root: Path) -> None:
    memory, second = "--ProgressExtension.store=memory", 1 / 86_400
    upload = Uploading(start(memory))
    assert upload.patch(0, CONTENT[:1_000_000]).status == 204
    upload.process.stop(signal.SIGKILL)
    folder = upload.process.endpoint.parent
    assert not list(folder.glob("uploads.*"))
    (left,) = root.iterdir()
    wait_for(lambda: time.time() - left.stat().st_ctime > 1)
    upload.process = start(memory, f"--ProgressExtension.keep_leftovers_days={second}")
    assert upload.ask("HEAD").status == 404
    wait_for(lambda: not left.exists())
    assert "Removed what a dead export has left" in upload.process.log.read_text()


def kill_at_the_end(process: Process, start: Start, root: Path, seconds: float) -> Process:
    """Kill a server when all bytes are there, just before or just after the file has its name.

    The next one, which is returned, finds what there is.
    """
    upload = Uploading(process)
    with upload.begun(0, len(CONTENT)) as sock:
        sock.sendall(CONTENT)
        wait_for(lambda: staged(root) in {0, len(CONTENT)})
        time.sleep(seconds)
        upload.process.stop(signal.SIGKILL)
    upload.process = start()
    upload.complete(root)
    (root / "a.bin").unlink()
    return upload.process


def test_a_server_killed_at_the_end_of_an_upload(start: Start, root: Path) -> None:
    kill_at_the_end(start(), start, root, 0.002)


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_a_server_killed_fifty_times_at_the_end_of_an_upload(start: Start, root: Path) -> None:
    dice = random.Random(1)
    process = start()
    for _ in range(50):
        process = kill_at_the_end(process, start, root, dice.uniform(0, 0.03))


def test_a_server_that_is_stopped_keeps_what_has_come(start: Start, root: Path) -> None:
    upload = Uploading(start())
    with upload.begun(0, len(CONTENT)) as sock:
        sock.sendall(CONTENT[:2_500_000])
        wait_for(lambda: staged(root) == 2_500_000)
        begun = time.monotonic()
        upload.process.stop()
        assert time.monotonic() - begun < 10
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert response.status == 503
        assert response.headers["Upload-Offset"] == "2500000"
    upload.process = start()
    assert upload.offset == 2_500_000
    upload.complete(root)


@pytest.mark.parametrize("checked", [False, True], ids=["plain", "checksum"])
def test_no_room_on_the_disk(
    start: Start,
    root: Path,
    checked: bool,  # noqa: FBT001
) -> None:
    process = start()
    upload = Uploading(process)
    server = psutil.Process(process.pid)
    server.rlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
    fields = {"Upload_Checksum": checksum(CONTENT)} if checked else {}
    answer = upload.patch(0, CONTENT, **fields)
    assert answer.status == 507
    kept = 0 if checked else 2_000_000
    assert answer.headers["Upload-Offset"] == str(kept)
    assert upload.offset == staged(root) == kept
    assert process.request("api/jobs") == [], "the rest of the server is fine"
    server.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    upload.complete(root)


def grown(process: Process, root: Path, size: int) -> float:
    """Return the MiB by which a server grows while it takes one body of `size` bytes."""
    memory = psutil.Process(process.pid).memory_info
    block = memoryview(bytearray(4 * MIB))

    def send(length: int) -> int:
        upload, most = Uploading(process, length), 0
        with upload.begun(0, length) as sock:
            for start in range(0, length, len(block)):
                sock.sendall(block[: length - start])
                most = max(most, memory().rss)
            response = http.client.HTTPResponse(sock)
            response.begin()
            assert response.status == 204
        assert (root / "a.bin").stat().st_size == length
        (root / "a.bin").unlink()
        return most

    send(64 * MIB)  # what a first request allocates for good
    before = memory().rss
    return (send(size) - before) / MIB


# With five gigabytes, and while others ask small things: row 29 in the laboratory.
def test_memory_stays_flat_for_a_body_beyond_tornados_limit(start: Start, root: Path) -> None:
    assert grown(start(), root, 700 * MIB) < 16


def test_a_thousand_abandoned_uploads(start: Start, root: Path) -> None:
    process = start("--ProgressExtension.max_uploads_per_user=50")
    first = Uploading(process)
    fields = {"Upload-Length": "1000"}
    statuses = [first.ask("POST", "", fields).status for _ in range(300)]
    assert statuses.count(201) == 49
    assert statuses.count(429) == 251
    assert len(list(root.iterdir())) == 50
    first.patch(0, CONTENT)
    assert first.ask("POST", "", fields).status == 201

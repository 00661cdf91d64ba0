"""Databases that are locked, damaged or gone, and servers that die while they are written to."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from laboratory import done_report, eventually, make_report, sha256
from page import Page
from uploading import Uploader

import progresswidget as pw
from progresswidget.protocol import ENDPOINT_VARIABLE

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from laboratory import Server

    Own = Callable[..., Server]
    Repetitions = Callable[[int, int], int]

DATABASES = ("state.sqlite", "transfers.sqlite", "links.sqlite", "uploads.sqlite")


# --- Row 10 ---------------------------------------------------------------------------------------


@pytest.mark.faults
def test_row_10_a_server_that_dies_as_a_file_gets_its_name_knows_it_afterwards(
    own: Own, chance: random.Random, repetitions: Repetitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = own().start()
    monkeypatch.setenv(ENDPOINT_VARIABLE, str(server.directory / "endpoint.json"))
    table = pa.table({"n": range(20_000)})
    count = repetitions(2, 50)
    for number in range(count):
        path = server.root / f"{number}.csv"
        job = pw.export(table, path, background=True)
        # From here on it may have its name, and the server may have heard of it, or not yet.
        eventually(lambda path=path: path.exists() or list(server.root.glob(f".{path.name}*")))
        threading.Event().wait(chance.random() * 0.03)
        server.kill()
        # At another port: a connection to one that nobody listens on may meet itself there.
        server.port = 0
        server.start()
        result = job.result(60)
        record = eventually(lambda job=job: ended(server, job.id), what="it knows the end")
        assert (record["status"], record["sha256"]) == ("done", sha256(path))
        assert result.sha256 == record["sha256"]
        assert server.request("GET", record["url"]).body == path.read_bytes()
    server.restart()
    records = server.request("GET", "api/jobs?status=done").json
    assert sorted(record["name"] for record in records) == sorted(
        f"{number}.csv" for number in range(count)
    )
    assert {path.name for path in server.root.iterdir()} == {r["name"] for r in records}
    print(f"{count} of {count}: no orphan, no lost file")
    server.stop()


def ended(server: Server, task_id: str) -> Any:
    answer = server.request("GET", f"api/jobs/{task_id}")
    return answer.json if answer.status == 200 and answer.json["ended"] else None


# --- Row 60 ---------------------------------------------------------------------------------------


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Let another program have the databases for itself."""
    with closing(sqlite3.connect(server.directory / "state.sqlite", isolation_level=None)) as one:
        one.execute("BEGIN EXCLUSIVE")
        yield
        one.execute("COMMIT")


def durable(server: Server, task_id: str) -> bool:
    """Say whether the end of a job is in the database, as another process sees it."""
    with closing(sqlite3.connect(server.directory / "state.sqlite")) as connection:
        found = connection.execute("SELECT record FROM jobs WHERE task_id = ?", [task_id])
        return any('"status":"failed"' in record for (record,) in found)


@pytest.mark.parametrize(
    "seconds",
    [2, pytest.param(10, marks=pytest.mark.faults), pytest.param(15, marks=pytest.mark.faults)],
)
def test_row_60_a_database_that_is_locked_holds_nobody_up(own: Own, seconds: int) -> None:
    server = own().start()
    going, ending, new = make_report(), make_report(), make_report()
    for report in (going, ending):
        server.report(report)
    with Page(server) as page, ThreadPoolExecutor(1) as pool:
        page.subscribe(ending["taskId"])
        with locked(server), server.watched():
            start = time.monotonic()
            server.report(ending | {"revision": 2, "status": "failed"})
            answered = time.monotonic() - start
            page.await_type("task_complete")
            revision = 1
            while time.monotonic() < start + seconds:
                revision += 1
                server.report(going | {"revision": revision, "rows": revision})
                pool.submit(threading.Event().wait, 0.1).result()
            server.report(new)
            rows = server.request("GET", f"api/jobs/{going['taskId']}").json["rows"]
            assert rows == revision
            assert not durable(server, ending["taskId"])
        released = time.monotonic()
        eventually(lambda: durable(server, ending["taskId"]))
        late = time.monotonic() - released
    print(f"an end was answered after {answered:.3f} s, and in the database {late:.2f} s after")
    assert answered < 1
    assert late <= 1
    eventually(lambda: database_has(server, new["taskId"]))
    server.restart()
    jobs = {job["taskId"]: job for job in server.request("GET", "api/jobs").json}
    assert jobs[ending["taskId"]]["status"] == "failed"
    assert set(jobs) == {report["taskId"] for report in (going, ending, new)}
    server.stop()


def test_row_60_a_server_that_is_killed_meanwhile_keeps_the_end(own: Own) -> None:
    server = own().start()
    report = make_report()
    server.report(report)
    eventually(lambda: database_has(server, report["taskId"]))
    with locked(server):
        server.report(report | {"revision": 2, "status": "failed"})
        server.kill()
    server.start()
    assert server.request("GET", f"api/jobs/{report['taskId']}").json["status"] == "failed"
    server.stop()


def database_has(server: Server, task_id: str) -> bool:
    address = f"{(server.directory / 'state.sqlite').as_uri()}?mode=ro"  # who looks makes none
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            found = connection.execute("SELECT 1 FROM jobs WHERE task_id = ?", [task_id])
            return found.fetchone() is not None
    except sqlite3.DatabaseError:  # one that is not there yet, or damaged
        return False


# --- Row 61 ---------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scribble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    path.write_bytes(content)


def lose_the_log(path: Path) -> None:
    # As the server was killed, most of what it wrote is in there.
    path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        pytest.param(empty, marks=pytest.mark.faults),
        pytest.param(scribble, marks=pytest.mark.faults),
        lose_the_log,
    ],
)
def test_row_61_a_database_that_is_lost_loses_no_file(
    own: Own, damage: Callable[[Path], None]
) -> None:
    server = own().start()
    records = []
    for number in range(5):
        path = server.root / f"{number}.csv"
        path.write_text(f"{number}\n" * 1000)
        report = done_report(path)
        server.report(report)
        records.append(server.request("GET", f"api/jobs/{report['taskId']}").json)
    removed = records.pop()
    assert server.request("DELETE", f"api/jobs/{removed['taskId']}").status == 204
    running = make_report()
    server.report(running)
    tus = Uploader(server)
    upload = tus.created(2_000)
    assert tus.patch(upload, 0, bytes(1_000)).status == 204
    with Page(server) as page:
        epoch = page.subscribe(records[0]["taskId"])["epoch"]
    server.kill()
    for name in DATABASES:
        damage(server.directory / name)
    server.start()
    found = {job["taskId"]: job for job in server.request("GET", "api/jobs?status=done").json}
    assert found == {record["taskId"]: record for record in records}
    for record in records:
        path = server.root / record["name"]
        assert server.request("GET", record["url"]).body == path.read_bytes()
    with Page(server) as page:
        answer = page.subscribe(records[0]["taskId"])
        assert answer["epoch"] != epoch, "a page that knew the old history takes the snapshot"
    # And whoever runs is back with his next report.
    server.report(running | {"revision": 2, "rows": 5})
    assert server.request("GET", f"api/jobs/{running['taskId']}").json["rows"] == 5
    assert tus.offset(upload) == 1_000
    tus.finish(upload, bytes(2_000))
    assert tus.target.read_bytes() == bytes(2_000)
    if damage is scribble:
        # Of one that is all in its log nothing is lost, and it stays.
        assert list(server.directory.glob("*.damaged-*"))
        assert "moved to" in server.log
    server.restart()
    assert len(server.request("GET", "api/jobs?status=done").json) == len(records)
    server.stop()


def remove(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


def break_disk(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 1")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    scribble(path)


@pytest.mark.parametrize("harm", [remove, pytest.param(break_disk, marks=pytest.mark.faults)])
def test_row_61_what_is_lost_while_the_server_runs_is_written_anew(
    own: Own, harm: Callable[[Path], None]
) -> None:
    server = own().start()
    paths, records = [], []
    for number in range(20):
        paths.append(server.root / f"{number}.csv")
        paths[-1].write_text(f"{number}\n" * 1000)
        report = done_report(paths[-1])
        server.report(report)
        records.append(server.request("GET", f"api/jobs/{report['taskId']}").json)
    running, new = make_report(), make_report()
    server.report(running)
    eventually(lambda: database_has(server, running["taskId"]))
    harm(server.directory / "state.sqlite")
    (server.directory / "ended.jsonl").unlink()  # it is not from there that they come
    with server.watched():
        server.report(new)
        eventually(lambda: database_has(server, records[0]["taskId"]))
        eventually(lambda: database_has(server, new["taskId"]))
    server.kill()
    server.start()
    jobs = {job["taskId"]: job for job in server.request("GET", "api/jobs").json}
    assert jobs.keys() == {job["taskId"] for job in (*records, running, new)}
    assert {job["taskId"]: job for job in records}.items() <= jobs.items()
    for path, record in zip(paths, records, strict=True):
        assert server.request("GET", record["url"]).body == path.read_bytes()
    server.stop()

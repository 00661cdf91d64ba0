"""One contract for every store, and what only SQLite can suffer."""

from __future__ import annotations

import asyncio
import logging
import resource
import sqlite3
from typing import TYPE_CHECKING

import pytest

from jupyter_server_ext.model import Job, asked
from jupyter_server_ext.stores.memory import MemoryJobStore
from jupyter_server_ext.stores.sqlite import SCHEMA_VERSION, SqliteJobStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from jupyter_server_ext.stores import JobStore
    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]

LOG = logging.getLogger("test_stores")


def sqlite_store(path: Path, *, interval: float = 0.01, vfs: str | None = None) -> SqliteJobStore:
    return SqliteJobStore(path / "state.sqlite", interval=interval, log=LOG, vfs=vfs)


MAKERS: dict[str, Callable[[Path], JobStore]] = {
    "memory": lambda _: MemoryJobStore(),
    "sqlite": sqlite_store,
    # A VFS without shared memory, as on a network file system: the real fallback.
    "sqlite-dotfile": lambda path: sqlite_store(path, vfs="unix-dotfile"),
}


@pytest.fixture(params=sorted(MAKERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> JobStore:
    return MAKERS[request.param](tmp_path)


async def test_a_store_starts_empty(store: JobStore) -> None:
    assert await store.load() == []
    await store.close()


async def test_what_is_saved_now_is_there_now(store: JobStore, report: Report) -> None:
    await store.load()
    job = asked(Job(report(), updated=1, notebook="f\u00fcr/\u65e5\u672c.ipynb"), "pause", "c", 2)
    await store.save_now(job)
    assert await store.load() == [job]
    await store.close()


async def test_the_last_save_counts(
    store: JobStore, report: Report, eventually: Eventually
) -> None:
    await store.load()
    first = report(rows=1)
    jobs = [Job({**first, "rows": rows}, updated=rows) for rows in range(50)]
    for job in jobs:
        store.save(job)

    async def is_there() -> bool:
        return await store.load() == [jobs[-1]]

    await eventually(is_there)
    await store.close()


async def test_a_save_now_is_not_undone_by_an_older_save(store: JobStore, report: Report) -> None:
    await store.load()
    old = Job(report(), updated=1)
    new = Job({**old.report, "status": "done"}, updated=2)
    store.save(old)
    await store.save_now(new)
    assert await store.load() == [new]
    await store.close()


async def test_delete(store: JobStore, report: Report) -> None:
    await store.load()
    kept, gone, waiting = (Job(report(), updated=1) for _ in range(3))
    await store.save_now(kept)
    await store.save_now(gone)
    store.save(waiting)
    await store.delete([gone.task_id, waiting.task_id, "f" * 32])
    assert await store.load() == [kept]
    await store.close()


async def test_closing_writes_what_waits(tmp_path: Path, report: Report) -> None:
    store = sqlite_store(tmp_path, interval=3600)
    await store.load()
    job = Job(report(), updated=1)
    store.save(job)
    await store.close()
    again = sqlite_store(tmp_path)
    assert await again.load() == [job]
    assert again.journal_mode == "wal"
    await again.close()


async def test_without_shared_memory_the_journal_is_deleted_and_that_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = sqlite_store(tmp_path, vfs="unix-dotfile")
    await store.load()
    assert store.journal_mode == "delete"
    assert "write-ahead logging" in caplog.text
    await store.close()


@pytest.mark.parametrize("damage", ["noise", "page", "newer", "truncated"])
async def test_a_damaged_file_is_moved_aside(
    tmp_path: Path, report: Report, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    path = tmp_path / "state.sqlite"
    store = sqlite_store(tmp_path)
    await store.load()
    for _ in range(100):
        store.save(Job(report(), updated=1))
    await store.close()
    _spoil(path, damage)
    spoiled = path.read_bytes()

    again = sqlite_store(tmp_path)
    assert await again.load() == []
    job = Job(report(), updated=2)
    await again.save_now(job)
    assert await again.load() == [job]
    (aside,) = tmp_path.glob("state.sqlite.damaged-*")
    assert aside.read_bytes() == spoiled
    assert str(aside) in caplog.text
    await again.close()


def _spoil(path: Path, damage: str) -> None:
    if damage == "newer":
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        connection.close()
        return
    content = bytearray(path.read_bytes())
    if damage == "noise":
        content[:] = b"not a database" * 1000
    elif damage == "page":
        content[8192:12288] = b"\xff" * 4096
    else:
        del content[len(content) // 2 :]
    path.write_bytes(content)


async def test_one_unreadable_record_does_not_cost_the_others(
    tmp_path: Path, report: Report, caplog: pytest.LogCaptureFixture
) -> None:
    store = sqlite_store(tmp_path)
    await store.load()
    job = Job(report(), updated=1)
    await store.save_now(job)
    await store.close()
    connection = sqlite3.connect(tmp_path / "state.sqlite")
    connection.execute("INSERT INTO jobs VALUES ('x', 1, '{\"report\": 1}')")
    connection.commit()
    connection.close()
    again = sqlite_store(tmp_path)
    assert await again.load() == [job]
    assert "unreadable record of job x" in caplog.text
    await again.close()


async def test_a_full_disk_is_survived_and_made_up_for(
    tmp_path: Path, report: Report, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    store = sqlite_store(tmp_path)
    await store.load()
    first = Job(report(), updated=1)
    await store.save_now(first)
    # The real refusal of a file that may not grow: SQLite reports it as a full or failing disk.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        stale = Job({**first.report, "rows": 5}, updated=2)
        await store.save_now(stale)
        last = Job({**first.report, "rows": 6}, updated=3)
        await store.save_now(last)
        other = Job(report(), updated=4)
        await store.save_now(other)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "kept in memory" in caplog.text

    async def is_written() -> bool:
        found = {job.task_id: job for job in await store.load()}
        return found == {last.task_id: last, other.task_id: other}

    await eventually(is_written)
    await store.close()


async def test_sql_never_runs_on_the_event_loop(tmp_path: Path, report: Report) -> None:
    # Another connection holds the write lock: whoever waits for it must not be the loop.
    store = sqlite_store(tmp_path)
    await store.load()
    await store.save_now(Job(report(), updated=1))
    blocker = sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(store.save_now(Job(report(), updated=2)))
    beats = 0
    for _ in range(100):
        await asyncio.sleep(0)
        beats += 1
    assert beats == 100
    assert not writing.done()
    blocker.execute("COMMIT")
    blocker.close()
    await writing
    assert len(await store.load()) == 2
    await store.close()


async def test_a_store_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "missing")
    with pytest.raises(sqlite3.OperationalError):
        await store.load()
    await store.close()

"""One contract for every store, and what only SQLite or only Redis can suffer."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sqlite3
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_server_ext.model.decisions import asked
from jupyter_server_ext.model.job import Job
from jupyter_server_ext.model.link import Link
from jupyter_server_ext.model.transfer import Record
from jupyter_server_ext.model.upload import Upload
from jupyter_server_ext.stores import JOBS, LINKS, TRANSFERS, UPLOADS
from jupyter_server_ext.stores.memory import MemoryStore
from jupyter_server_ext.stores.redis import LostError, Redis
from jupyter_server_ext.stores.redis_session import RedisSession
from jupyter_server_ext.stores.redis_store import RedisStore
from jupyter_server_ext.stores.sidecar import SPARE, WithSidecar
from jupyter_server_ext.stores.sqlite import SqliteStore, steps_of
from jupyter_server_ext.uploads.tusheaders import parse_creation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from redis_server import RedisServer

    from jupyter_server_ext.stores import Kind, Store
    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]
    Make = Callable[[str, int], Any]

LOG = logging.getLogger("test_stores")


def sqlite_store(
    path: Path, kind: Kind[Any] = JOBS, *, interval: float = 0.01, vfs: str | None = None
) -> SqliteStore[Any]:
    return SqliteStore(kind, path / "state.sqlite", interval=interval, log=LOG, vfs=vfs)


def sidecar_store(path: Path, kind: Kind[Any] = JOBS, *, batched: bool = False) -> WithSidecar[Any]:
    store = sqlite_store(path, kind)
    return WithSidecar(kind, store, path / "ended.jsonl", LOG, batched=batched)


class RedisPair:
    """The store of one server, read by others."""

    def __init__(self, redis: RedisServer, namespace: str, kind: Kind[Any]) -> None:
        self._make = partial(redis_store, redis, namespace, kind)
        self.session, self.store = self._make("writer")
        self.save, self.save_now = self.store.save, self.store.save_now
        self.delete = self.store.delete

    async def load(self) -> list[Any]:
        if not self.session.attached:
            await self.session.start()
        session, store = self._make("reader")
        await session.start()
        found = await store.load()
        await session.close()
        return found

    async def close(self) -> None:
        await self.store.close()
        await self.session.close()


def redis_store(
    redis: RedisServer, namespace: str, kind: Kind[Any], identity: str
) -> tuple[RedisSession, RedisStore[Any]]:
    session = RedisSession(Redis(redis.url, namespace), identity=identity, lease=10.0, log=LOG)
    store = RedisStore(
        kind,
        session,
        interval=0.01,
        fields=lambda item: {"timestamp": item.updated},
        life=lambda _: 60_000,
        log=LOG,
    )
    return session, store


BACKENDS: dict[str, Callable[[Path, Kind[Any], RedisServer], Any]] = {
    "memory": lambda *_: MemoryStore(),
    "sqlite": lambda path, kind, _: sqlite_store(path, kind),
    # A VFS without shared memory, as on a network file system: the real fallback.
    "sqlite-dotfile": lambda path, kind, _: sqlite_store(path, kind, vfs="unix-dotfile"),
    "redis": lambda path, kind, redis: RedisPair(redis, path.name, kind),
    "sqlite-sidecar": lambda path, kind, _: sidecar_store(path, kind),
    "sqlite-batched": lambda path, kind, _: sidecar_store(path, kind, batched=True),
}


def a_job(report: Report, key: str, count: int) -> Job:
    job = Job(report(key * 32, rows=count), updated=count, notebook="f\u00fcr/\u65e5\u672c.ipynb")
    return asked(job, "pause", "c", count)


def a_transfer(report: Report, key: str, count: int) -> Record:
    return Record(
        user="\u65e5\u672c",
        file_id=f"{key}/1",
        version='"sha256-\u00fc"',
        name="flights.csv",
        size=None if count % 2 else 1000,
        direction="download",
        task_id=None if count % 2 else "a" * 32,
        timestamp=count,
        spans=((0, count), (500, 501)),
        ended=bool(count % 2),
    )


def a_link(report: Report, key: str, count: int) -> Link:
    return Link(key * 32, "a" * 32, 1, "日本", count, time.time_ns() + count)


def an_upload(report: Report, key: str, count: int) -> Upload:
    fields = {"Upload-Length": str(count), "Upload-Metadata": "filename 5pel5pys,path ZsO8ci94"}
    creation = parse_creation(fields, max_size=1000, hidden=False)
    return Upload(
        id=key * 32,
        owner="日本",
        creation=creation,
        length=creation.length,
        created=1,
        expires=2,
        updated=count,
        verified=None if count % 2 else count,
        inode=(1, count) if count % 2 else None,
    )


KINDS: dict[str, tuple[Kind[Any], Callable[[Report, str, int], Any]]] = {
    "jobs": (JOBS, a_job),
    "transfers": (TRANSFERS, a_transfer),
    "links": (LINKS, a_link),
    "uploads": (UPLOADS, an_upload),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=sorted(BACKENDS))
def store(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path, redis: RedisServer
) -> Store[Any]:
    return BACKENDS[request.param](tmp_path, KINDS[kind][0], redis)


@pytest.fixture
def make(kind: str, report: Report) -> Make:
    """Make an item from a letter, which is its key, and a number, which it holds."""
    return partial(KINDS[kind][1], report)


async def test_what_a_restarted_redis_has_forgotten_is_told_again(
    own_redis: RedisServer, eventually: Callable[..., Any], make: Make, kind: str
) -> None:
    own_redis.start()
    session, store = redis_store(own_redis, "n", KINDS[kind][0], "a")
    await session.start()
    other_session, other = redis_store(own_redis, "n", KINDS[kind][0], "b")
    await other_session.start()
    saved, late, removed, anew = make("a", 1), make("b", 2), make("c", 3), make("d", 4)
    for item in (saved, removed, anew):
        await store.save_now(item)
    await eventually(lambda: len(other._items) == 3)
    assert own_redis.command("SAVE") == "+OK"
    await store.save_now(late)
    await store.delete([removed.key, anew.key])
    anew = make("d", 5)
    await store.save_now(anew)
    known = {item.key: item for item in (saved, late, anew)}
    await eventually(lambda: other._items == known)
    own_redis.stop()
    own_redis.start()
    for each in (session, other_session):
        await eventually(lambda each=each: each.losses and each.attached)
    await eventually(lambda: store._items == other._items == known)
    last_session, last = redis_store(own_redis, "n", KINDS[kind][0], "c")
    await last_session.start()
    assert {item.key: item for item in await last.load()} == known
    await last_session.close()
    # What another server removes while this one is away does not come back with it.
    for task in session._tasks:
        task.cancel()
    session.lose(LostError("the network is cut"))
    session._run = "another"
    await other.delete([late.key])
    await session.start()
    assert late.key not in {item.key for item in await store.load()}
    await session.close()
    await other_session.close()


@pytest.mark.parametrize("remembers", ["who removed it", "who heard of it"])
async def test_what_was_removed_does_not_come_back_with_an_older_redis(
    own_redis: RedisServer,
    eventually: Callable[..., Any],
    make: Make,
    kind: str,
    remembers: str,
) -> None:
    own_redis.start()
    sides = [redis_store(own_redis, "n", KINDS[kind][0], name) for name in "ab"]
    for session, _ in sides:
        await session.start()
    (one, store), (two, other) = sides
    item = make("a", 1)
    await store.save_now(item)
    await eventually(lambda: item.key in other._items)
    assert own_redis.command("SAVE") == "+OK"
    await store.delete([item.key])
    await eventually(lambda: item.key not in other._items)
    # The one that dies now cannot say it again.
    gone, stays = (two, one) if remembers == "who removed it" else (one, two)
    await gone.close()
    own_redis.stop()
    own_redis.start()
    await eventually(lambda: stays.losses and stays.attached)
    for _, each in sides:
        assert await each.load() == []
    late, last = redis_store(own_redis, "n", KINDS[kind][0], "c")
    await late.start()
    assert await last.load() == []
    await late.close()
    await stays.close()


async def test_a_redis_that_is_away_keeps_nothing_and_that_is_said(
    own_redis: RedisServer, make: Make, kind: str
) -> None:
    own_redis.start()
    session, store = redis_store(own_redis, "n", KINDS[kind][0], "a")
    await session.start()
    item = make("a", 1)
    assert await store.save_now(item) is True
    own_redis.stop()
    later = make("a", 2)
    assert await store.save_now(later) is False
    assert await store.load() == [later]
    await session.close()


async def test_a_store_starts_empty(store: Store[Any]) -> None:
    assert await store.load() == []
    await store.close()


async def test_what_is_saved_now_is_there_now(store: Store[Any], make: Make) -> None:
    await store.load()
    items = [make("a", 1), make("b", 2)]
    for item in items:
        assert await store.save_now(item) is True
    assert sorted(await store.load(), key=lambda item: item.key) == items
    await store.close()


async def test_the_last_save_counts(store: Store[Any], make: Make, eventually: Eventually) -> None:
    await store.load()
    items = [make("a", count) for count in range(1, 50)]
    for item in items:
        store.save(item)

    async def is_there() -> bool:
        return await store.load() == [items[-1]]

    await eventually(is_there)
    await store.close()


async def test_a_save_now_is_not_undone_by_an_older_save(store: Store[Any], make: Make) -> None:
    await store.load()
    old, new = make("a", 1), make("a", 2)
    store.save(old)
    await store.save_now(new)
    assert await store.load() == [new]
    await store.close()


async def test_delete(store: Store[Any], make: Make) -> None:
    await store.load()
    kept, gone, waiting = (make(key, 1) for key in "abc")
    await store.save_now(kept)
    await store.save_now(gone)
    store.save(waiting)
    await store.delete([gone.key, waiting.key, "f" * 32])
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
    assert again.health.journal_mode == "wal"
    await again.close()


async def test_without_shared_memory_the_journal_is_deleted_and_that_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = sqlite_store(tmp_path, vfs="unix-dotfile")
    await store.load()
    assert store.health.journal_mode == "delete"
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
        connection.execute(f"PRAGMA user_version = {len(steps_of(JOBS)) + 1}")
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


def scribble(path: Path) -> None:
    """Damage a database that is open, as a broken disk does, and let nobody have it in memory."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 1")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


def cut(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 1")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(path, 5000)


def take_away(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


@pytest.mark.parametrize(
    ("backend", "harm"),
    [
        ("sqlite", scribble),
        ("sqlite", cut),
        ("sqlite", take_away),
        ("sqlite-sidecar", scribble),
        ("sqlite-sidecar", take_away),
        ("sqlite-dotfile", take_away),
    ],
)
async def test_a_database_that_is_lost_while_it_is_in_use_is_filled_anew(
    tmp_path: Path,
    report: Report,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path], None],
    backend: str,
) -> None:
    path = tmp_path / "state.sqlite"
    store = BACKENDS[backend](tmp_path, JOBS, None)
    await store.load()
    jobs = {job.task_id: job for job in (Job(report(), updated=count) for count in range(100))}

    def save_all() -> None:
        for job in jobs.values():
            store.save(job)

    store.emptied = save_all
    save_all()
    gone = Job(report(), updated=5)
    await store.save_now(gone)
    await eventually(lambda: not (getattr(store, "_store", store)._newest))
    harm(path)
    await store.delete([gone.task_id])
    new = Job(report(), updated=1000)
    jobs[new.task_id] = new
    await store.save_now(new)
    await store.close()
    assert "lost while it was in use" in caplog.text
    again = sqlite_store(tmp_path)
    assert {job.task_id: job for job in await again.load()} == jobs
    await again.close()


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
        assert await store.save_now(stale) is False
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


async def test_what_a_full_disk_keeps_is_forgotten_later(
    tmp_path: Path, report: Report, eventually: Eventually
) -> None:
    store = sqlite_store(tmp_path)
    await store.load()
    gone, back = Job(report(), updated=1), Job(report(), updated=2)
    await store.save_now(gone)
    await store.save_now(back)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        await store.delete([gone.task_id, back.task_id])
        await store.save_now(back)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    async def is_forgotten() -> bool:
        return await store.load() == [back]

    await eventually(is_forgotten)
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


# --- What a lost database is rebuilt from ---------------------------------------------------------


@pytest.mark.parametrize("damage", ["noise", "page", "newer", "truncated", "emptied", "removed"])
async def test_ends_outlive_their_database(
    tmp_path: Path, report: Report, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    store = sidecar_store(tmp_path)
    await store.load()
    ended = [Job(report(status="failed"), updated=count) for count in range(1, 50)]
    for job in ended:
        await store.save_now(job)
    await store.delete([ended.pop().task_id])
    store.save(Job(report(), updated=60))
    await store.close()
    path = tmp_path / "state.sqlite"
    if damage == "removed":
        path.unlink()
    elif damage == "emptied":
        path.write_bytes(b"")
    else:
        _spoil(path, damage)
    for _ in range(2):  # and the next server finds them in the database again
        again = sidecar_store(tmp_path)
        found = await again.load()
        assert sorted(found, key=lambda job: job.updated) == ended
        await again.close()
    assert caplog.text.count("taken from its sidecar") == 1


async def test_an_end_that_the_database_could_not_take_is_kept(
    tmp_path: Path, report: Report
) -> None:
    store = sidecar_store(tmp_path)
    await store.load()
    job = Job(report(), updated=1)
    await store.save_now(job)
    blocker = sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    end = Job({**job.report, "status": "failed", "revision": 2}, updated=2)
    assert await asyncio.wait_for(store.save_now(end), 5)  # SQLite itself would wait for ten
    lines = (tmp_path / "ended.jsonl").read_bytes()
    blocker.execute("COMMIT")
    blocker.close()
    await store.close()
    # As if the server had been killed before: the database knows only that it ran.
    running = sqlite_store(tmp_path)
    await running.load()
    await running.save_now(job)
    await running.close()
    (tmp_path / "ended.jsonl").write_bytes(lines)
    other = sidecar_store(tmp_path)
    assert [found.status for found in await other.load()] == ["failed"]
    await other.close()


async def test_what_is_batched_is_in_the_sidecar_at_once_and_in_the_database_soon(
    tmp_path: Path, report: Report, eventually: Eventually
) -> None:
    path, job = tmp_path / "state.sqlite", Job(report(), updated=1)
    store = sidecar_store(tmp_path, batched=True)
    await store.load()
    with closing(sqlite3.connect(path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN EXCLUSIVE")
        assert await asyncio.wait_for(store.save_now(job), 5)
        lines = (tmp_path / "ended.jsonl").read_bytes()
        blocker.execute("COMMIT")
        await eventually(lambda: blocker.execute("SELECT * FROM jobs").fetchone())
    assert job.task_id.encode() in lines
    # And no sooner: what changes often is written once.
    patient = WithSidecar(
        JOBS, sqlite_store(tmp_path, interval=3600), tmp_path / "other.jsonl", LOG, batched=True
    )
    await patient.load()
    for count in range(2, 50):
        assert await patient.save_now(Job(job.report, updated=count)) is True
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT updated FROM jobs").fetchall() == [(1,)]
        await patient.close()
        assert other.execute("SELECT updated FROM jobs").fetchall() == [(49,)]
    # What neither of them could write is said so, and made up for.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        late = Job(report(), updated=50)
        assert await store.save_now(late) is False
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await eventually(lambda: not store.health.degraded)
    await store.close()
    (tmp_path / "ended.jsonl").unlink()
    again = sidecar_store(tmp_path)
    assert sorted(await again.load(), key=lambda one: one.updated) == [
        Job(job.report, updated=49),
        late,
    ]
    await again.close()


async def test_torn_and_foreign_lines_cost_no_others(tmp_path: Path, report: Report) -> None:
    store = sidecar_store(tmp_path)
    await store.load()
    job = Job(report(status="failed"), updated=1)
    await store.save_now(job)
    await store.close()
    (tmp_path / "state.sqlite").unlink()
    with (tmp_path / "ended.jsonl").open("ab") as file:
        file.write(b'[]\n{"key": 1}\n\xff\n{"key": "x", "record": {}}\n{"key": "%b' % b"a" * 32)
    again = sidecar_store(tmp_path)
    assert await again.load() == [job]
    await again.close()


async def test_a_sidecar_does_not_grow_for_ever(tmp_path: Path, report: Report) -> None:
    store = sidecar_store(tmp_path)
    await store.load()
    job = Job(report(status="failed"), updated=1)
    line = {"key": job.task_id, "record": job.to_json()}
    for _ in range(SPARE // 1000 + 1):
        store._lines.add([line] * 1000)
    assert (tmp_path / "ended.jsonl").read_bytes().count(b"\n") == 1
    await store.close()


async def test_a_sidecar_makes_up_for_what_the_disk_refused(tmp_path: Path, report: Report) -> None:
    store = sidecar_store(tmp_path)
    await store.load()
    gone = Job(report(status="failed"), updated=1)
    await store.save_now(gone)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        await store.delete([gone.task_id])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    kept = Job(report(status="failed"), updated=2)
    await store.save_now(kept)
    await store.close()
    (tmp_path / "state.sqlite").unlink()
    again = sidecar_store(tmp_path)
    assert await again.load() == [kept]
    await again.close()

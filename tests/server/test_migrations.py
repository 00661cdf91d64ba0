"""Databases of servers before this one: brought on step by step, and never half."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from jupyter_server_ext.model.job import Job
from jupyter_server_ext.stores import JOBS, Claim
from jupyter_server_ext.stores.database import Database
from jupyter_server_ext.stores.local import LocalKeys
from jupyter_server_ext.stores.migrations import migrate
from jupyter_server_ext.stores.sqlite import SqliteStore, steps_of
from jupyter_server_ext.stores.sqlite_locker import SqliteLocker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jupyter_server_ext.stores.migrations import Step
    from progresswidget.protocol import Json

    Report = Callable[..., Json]

LOG = logging.getLogger("test_migrations")


def add_owner(connection: sqlite3.Connection) -> None:
    """Change a schema, as a later version might."""
    connection.execute("ALTER TABLE jobs ADD COLUMN owner TEXT")
    connection.execute("UPDATE jobs SET owner = 'alice'")


def fail(connection: sqlite3.Connection) -> None:
    """Change half of it."""
    add_owner(connection)
    connection.execute("UPDATE nothing SET owner = 1")


async def filled(path: Path, report: Report) -> list[Job]:
    """Make a database of this version with something in it."""
    store: SqliteStore[Job] = SqliteStore(JOBS, path, interval=0.01, log=LOG)
    await store.load()
    jobs = [Job(report(), updated=number) for number in range(3)]
    for job in jobs:
        await store.save_now(job)
    await store.close()
    return jobs


def opened(path: Path, steps: Sequence[Step]) -> Database:
    return Database(
        path, prepare=lambda connection: migrate(connection, steps), name="x", loss="x", log=LOG
    )


def state(path: Path) -> tuple[int, list[str], int]:
    """Return the version of a database, its columns, and how much is in it."""
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
        (count,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
        return version, columns, count


async def test_a_database_is_brought_on_once_with_all_that_is_in_it(
    tmp_path: Path, report: Report
) -> None:
    path, steps = tmp_path / "state.sqlite", (*steps_of(JOBS), add_owner)
    jobs = await filled(path, report)
    for _ in range(2):  # a step that is taken again would fail
        database = opened(path, steps)
        rows = await database.run(lambda c: c.execute("SELECT record, owner FROM jobs").fetchall())
        await database.close()
        assert {json.loads(record)["updated"] for record, _ in rows} == {0, 1, 2}
        assert {owner for _, owner in rows} == {"alice"}
    assert state(path) == (2, ["task_id", "updated", "record", "owner"], len(jobs))


async def test_a_step_that_fails_changes_nothing_and_is_taken_at_the_next_start(
    tmp_path: Path, report: Report
) -> None:
    path = tmp_path / "state.sqlite"
    jobs = await filled(path, report)
    before = state(path)
    database = opened(path, (*steps_of(JOBS), fail))
    with pytest.raises(sqlite3.OperationalError):
        await database.run(lambda connection: connection.execute("SELECT 1"))
    await database.close()
    assert state(path) == before
    assert list(tmp_path.glob("*.damaged-*")) == [], "it is in order"
    database = opened(path, (*steps_of(JOBS), add_owner))
    await database.run(lambda connection: connection.execute("SELECT 1"))
    await database.close()
    assert state(path) == (2, [*before[1], "owner"], len(jobs))


DYING = """
import os, signal, sqlite3, sys
from jupyter_server_ext.stores import JOBS
from jupyter_server_ext.stores.migrations import migrate
from jupyter_server_ext.stores.sqlite import steps_of

def die(connection):
    connection.execute("ALTER TABLE jobs ADD COLUMN owner TEXT")
    os.kill(os.getpid(), signal.SIGKILL)

migrate(sqlite3.connect(sys.argv[1], isolation_level=None), (*steps_of(JOBS), die))
"""


async def test_a_server_that_dies_over_a_step_has_not_begun_it(
    tmp_path: Path, report: Report
) -> None:
    path = tmp_path / "state.sqlite"
    await filled(path, report)
    before = state(path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", DYING, str(path)]
    dead = await asyncio.to_thread(subprocess.run, command, env=environment, check=False)
    assert dead.returncode == -signal.SIGKILL
    assert state(path) == before


async def test_a_record_of_an_older_version_is_read(tmp_path: Path, report: Report) -> None:
    path = tmp_path / "state.sqlite"
    (job, *_) = await filled(path, report)
    later = {"process", "placed", "user", "asked", "conversion"}
    old = {name: value for name, value in job.to_json().items() if name not in later}
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE jobs SET record = ? WHERE task_id = ?", (json.dumps(old), job.task_id)
        )
    store: SqliteStore[Job] = SqliteStore(JOBS, path, interval=0.01, log=LOG)
    assert job in await store.load()
    await store.close()


async def test_keys_of_a_server_that_knew_no_versions_are_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE keys (key TEXT PRIMARY KEY, request TEXT NOT NULL, result TEXT NOT NULL,"
            " settled INTEGER NOT NULL, until REAL NOT NULL) WITHOUT ROWID"
        )
        row = ("key", "digest", "job", 1, time.time() + 1_000)
        connection.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?)", row)
    keys = SqliteLocker(path, now=time.time, log=LOG, alone=LocalKeys(time.monotonic))
    assert await keys.claim("key", "digest", "x", 1_000) == Claim("digest", "job", settled=True)
    assert (await keys.acquire("reaper", "a", 1_000)) is not None
    await keys.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)

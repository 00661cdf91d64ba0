"""Leases and idempotency keys in SQLite, so that they outlive the process that took them.

Time is the wall clock, because it must mean something to the process after this one. As in
`SqliteStore`, one thread owns the connection and the event loop never waits for SQL.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from jupyter_server_ext.logs import about
from jupyter_server_ext.stores import Claim, Lease
from jupyter_server_ext.stores.database import Database, transact
from jupyter_server_ext.stores.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger
    from pathlib import Path

    from jupyter_server_ext.stores import KeyStore

R = TypeVar("R")

# "IF NOT EXISTS": the first servers made the tables without a version.
_SCHEMA: Final = (
    """
    CREATE TABLE IF NOT EXISTS leases (
        name TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL, until REAL NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS keys (
        key TEXT PRIMARY KEY, request TEXT NOT NULL, result TEXT NOT NULL, settled INTEGER NOT NULL,
        until REAL NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS keys_until ON keys (until)",
)
_ACQUIRE: Final = """
INSERT INTO leases (name, holder, token, until) VALUES (:name, :holder, 1, :until)
ON CONFLICT (name) DO UPDATE SET holder = :holder, token = token + 1, until = :until
WHERE until <= :now RETURNING token
"""
_RENEW: Final = """
UPDATE leases SET until = :until WHERE name = :name AND token = :token AND until > :now
"""
_CLAIM: Final = """
INSERT INTO keys (key, request, result, settled, until)
VALUES (:key, :request, :result, 0, :until) ON CONFLICT (key) DO NOTHING
"""
_TRIM: Final = """
DELETE FROM keys WHERE key IN (SELECT key FROM keys ORDER BY until DESC LIMIT -1 OFFSET ?)
"""


class SqliteLocker:
    """A `Locker` and a `KeyStore` in one file.

    Parameters
    ----------
    path
        The database; it is made where it does not exist.
    now
        Seconds since 1970.
    log
        Where damage and failures are told.
    alone
        Who remembers keys while the database cannot be written.
    most
        Keys that are remembered; beyond it the oldest is forgotten.
    vfs
        Name of the SQLite VFS, None for the platform's own.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], float],
        log: Logger,
        alone: KeyStore,
        most: int = 10_000,
        vfs: str | None = None,
    ) -> None:
        self._path = path
        self._log = log
        self._alone = alone
        self._failing = False
        self._now = now
        self._most = most
        self._database = Database(
            path,
            prepare=_prepare,
            name="keys",
            loss="idempotency keys of before are forgotten.",
            log=log,
            vfs=vfs,
        )

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease | None:
        """Take a lease."""

        def work(connection: sqlite3.Connection, now: float) -> Lease | None:
            values = {"name": name, "holder": holder, "until": now + ttl, "now": now}
            row = connection.execute(_ACQUIRE, values).fetchone()
            return None if row is None else Lease(name, holder, row[0])

        return await self._run(work)

    async def renew(self, lease: Lease, ttl: float) -> bool:
        """Hold a lease for longer."""

        def work(connection: sqlite3.Connection, now: float) -> bool:
            values = {"name": lease.name, "token": lease.token, "until": now + ttl, "now": now}
            return connection.execute(_RENEW, values).rowcount == 1

        return await self._run(work)

    async def release(self, lease: Lease) -> None:
        """End a lease; the row stays, because its token must go on growing."""
        await self.renew(lease, 0)

    async def claim(self, key: str, request: str, result: str, ttl: float) -> Claim | None:
        """Take a key."""

        def work(connection: sqlite3.Connection, now: float) -> Claim | None:
            connection.execute("DELETE FROM keys WHERE until <= ?", (now,))
            values = {"key": key, "request": request, "result": result, "until": now + ttl}
            if connection.execute(_CLAIM, values).rowcount == 1:
                connection.execute(_TRIM, (self._most,))
                return None
            found = "SELECT request, result, settled FROM keys WHERE key = ?"
            row = connection.execute(found, (key,)).fetchone()
            return Claim(row[0], row[1], settled=bool(row[2]))

        try:
            claim = await self._run(work)
        except sqlite3.Error as error:
            # A request must not fail because a full disk cannot remember that it was made.
            if not self._failing:
                extra = about("store-failed", store="keys")
                message = "Cannot write %s (%s): idempotency keys are kept in memory meanwhile"
                self._log.error(message, self._path, error, extra=extra)
            self._failing = True
            return await self._alone.claim(key, request, result, ttl)
        self._failing = False
        return claim

    async def settle(self, key: str) -> None:
        """Note that it is done."""
        await self._alone.settle(key)
        await self._write("UPDATE keys SET settled = 1 WHERE key = ?", key)

    async def forget(self, key: str) -> None:
        """Give a key free."""
        await self._alone.forget(key)
        await self._write("DELETE FROM keys WHERE key = ?", key)

    async def _write(self, statement: str, key: str) -> None:
        # What cannot be written now is told where the next key is claimed.
        with suppress(sqlite3.Error):
            await self._run(lambda connection, _: connection.execute(statement, (key,)))

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    async def _run(self, work: Callable[[sqlite3.Connection, float], R]) -> R:
        def call(connection: sqlite3.Connection) -> R:
            # A key that was given must be known after a loss of power: its job is made only once.
            connection.execute("PRAGMA synchronous = FULL")
            return transact(connection, lambda: work(connection, self._now()))

        return await self._database.run(call)


def _make(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)


STEPS: Final = (_make,)


def _prepare(connection: sqlite3.Connection) -> None:
    migrate(connection, STEPS)

"""What is kept in SQLite, owned by one thread. The event loop never waits for SQL."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from jupyter_server_ext.logs import about
from jupyter_server_ext.stores import Kept, Kind
from jupyter_server_ext.stores.database import Database, transact
from jupyter_server_ext.stores.health import StoreHealth
from jupyter_server_ext.stores.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger
    from pathlib import Path

    from jupyter_server_ext.stores.migrations import Step

T = TypeVar("T", bound=Kept)

# Table and key are named by a `Kind`, which no client can choose.
_SCHEMA: Final = """
CREATE TABLE {0.name} (
    {0.key} TEXT PRIMARY KEY,
    updated INTEGER NOT NULL,
    record TEXT NOT NULL
) WITHOUT ROWID
"""
_UPSERT: Final = """
INSERT INTO {0.name} ({0.key}, updated, record) VALUES (?, ?, ?)
ON CONFLICT ({0.key}) DO UPDATE SET updated = excluded.updated, record = excluded.record
"""
_SELECT: Final = "SELECT {0.key}, record FROM {0.name}"
_DELETE: Final = "DELETE FROM {0.name} WHERE {0.key} = ?"
_Row = tuple[str, int, str | None]
"""A key and its record, or None where it is to be forgotten."""


class SqliteStore(Generic[T]):
    """A `Store` in one file.

    Progress is written in batches with ``synchronous=NORMAL``; `save_now` commits with ``FULL``.
    In WAL mode NORMAL may lose the last batch with the power, and never damages the file
    (https://www.sqlite.org/pragma.html#pragma_synchronous).

    Parameters
    ----------
    kind
        What it keeps.
    path
        The database; it is made where it does not exist.
    interval
        Seconds between two batches.
    log
        Where damage and fallbacks are told.
    vfs
        Name of the SQLite VFS, None for the platform's own.
    """

    def __init__(
        self, kind: Kind[T], path: Path, *, interval: float, log: Logger, vfs: str | None = None
    ) -> None:
        self._kind = kind
        self._path = path
        self._interval = interval
        self._log = log
        self._database = Database(
            path,
            prepare=partial(_prepare, kind),
            name=kind.name,
            loss=f"{kind.name} that no other place knows are forgotten, files are not affected.",
            log=log,
            vfs=vfs,
        )
        self._waiting: dict[str, _Row] = {}
        self._newest: dict[str, _Row] = {}  # what a write that failed may still be tried with
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._writes: set[asyncio.Task[bool]] = set()  # the event loop holds tasks only weakly
        self.changed: Callable[[str, T | None], None] = lambda _key, _item: None
        self.emptied: Callable[[], None] = lambda: None
        self._replaced = 0
        self.health = StoreHealth("sqlite")

    # --- On the event loop -------------------------------------------------------------------

    async def load(self) -> list[T]:
        """Return everything; the first call opens the database.

        Raises
        ------
        OSError, sqlite3.Error
            If no database can be made at this path.
        """
        items = await self._database.run(self._load)
        self.health.journal_mode = self._database.journal_mode
        return items

    def save(self, item: T) -> None:
        """Write an item with the next batch."""
        self._waiting[item.key] = self._newest[item.key] = _row(item)
        self._flush_later()

    async def save_now(self, item: T) -> bool:
        """Commit an item, synced to the disk, and say whether that was done.

        A failing disk is logged and the item is tried again with the next batch: the server goes on
        from memory. The same holds for `delete`.
        """
        self._waiting.pop(item.key, None)
        row = self._newest[item.key] = _row(item)
        return await self._write([row], durable=True)

    async def delete(self, keys: list[str]) -> None:
        """Forget items, also after a loss of power: a link that was revoked must stay so."""
        rows: list[_Row] = [(key, 0, None) for key in keys]
        for row in rows:
            self._waiting.pop(row[0], None)
            self._newest[row[0]] = row
        await self._write(rows, durable=True)

    async def close(self) -> None:
        """Write the last batch and close the database."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._writes)
        replaced = self._replaced
        await self._write_waiting()
        if self._replaced != replaced:
            await self._write_waiting()
        await self._database.close()

    async def _write_waiting(self) -> None:
        rows, self._waiting = list(self._waiting.values()), {}
        if rows:
            await self._write(rows, durable=True)

    def _flush_later(self) -> None:
        if self._timer is None and not self._closing:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval, self._flush)

    def _flush(self) -> None:
        self._timer = None
        rows, self._waiting = list(self._waiting.values()), {}
        if rows:
            task = asyncio.get_running_loop().create_task(self._write(rows, durable=False))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def _write(self, rows: list[_Row], *, durable: bool) -> bool:
        begun = time.monotonic()
        try:
            await self._database.run(partial(self._apply, rows, durable=durable))
        except sqlite3.Error as error:
            if self.health.failed(error, time.time_ns() // 1_000_000):
                self._log.error(
                    "Cannot write %s (%s): %s are kept in memory meanwhile",
                    self._path,
                    error,
                    self._kind.name,
                    extra=about("store-failing", store=self._kind.name),
                )
            for row in rows:
                if self._newest.get(row[0]) is row:
                    self._waiting[row[0]] = row
            self._flush_later()
            return False
        self.health.writes.observe(time.monotonic() - begun)
        if self.health.worked():
            extra = about("store-recovered", store=self._kind.name)
            self._log.info("Writing %s works again", self._path, extra=extra)
        for row in rows:
            if self._newest.get(row[0]) is row:
                del self._newest[row[0]]
        if self._database.replaced != self._replaced:
            self._replaced = self._database.replaced
            self.emptied()
        return True

    # --- In the one thread that has the database ---------------------------------------------

    def _load(self, connection: sqlite3.Connection) -> list[T]:
        kind = self._kind
        items = []
        for key, record in connection.execute(_SELECT.format(kind)):
            try:
                items.append(kind.read(json.loads(record)))
            except (ValueError, KeyError, TypeError) as error:
                self._log.warning(
                    "Skipping the unreadable record of %s %s: %s",
                    kind.noun,
                    key,
                    error,
                    extra=about("record-unreadable", store=kind.name, **{kind.key: key}),
                )
        return items

    def _apply(self, rows: list[_Row], connection: sqlite3.Connection, *, durable: bool) -> None:
        # The pragma does nothing inside a transaction, so it comes first.
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        kept = [row for row in rows if row[2] is not None]
        gone = [(key,) for key, _, record in rows if record is None]

        def work() -> None:
            connection.executemany(_UPSERT.format(self._kind), kept)
            connection.executemany(_DELETE.format(self._kind), gone)

        transact(connection, work)


def steps_of(kind: Kind[T]) -> tuple[Step, ...]:
    """Return the steps that lead to the schema of a store."""
    return (lambda connection: connection.execute(_SCHEMA.format(kind)),)


def _prepare(kind: Kind[T], connection: sqlite3.Connection) -> None:
    migrate(connection, steps_of(kind))


def _row(item: Kept) -> _Row:
    return item.key, item.updated, json.dumps(item.to_json(), separators=(",", ":"))

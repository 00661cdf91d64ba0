"""A SQLite file in the hands of one thread: opened, checked, moved aside where it is damaged.

The file may also be damaged, or be taken away, while it is open. Then a new one takes its place,
and whoever keeps something there hears of it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from jupyter_server_ext.logs import about

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger
    from pathlib import Path

R = TypeVar("R")

_APPLICATION_ID: Final = 0x70777331
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Errors that come again with each call, whatever the kind of them (their upper bits)."""
_PATIENCE: Final = 10.0
"""Seconds that a statement waits for another process to let go of the file."""


class Database:
    """One file, and the one thread that uses it: the event loop never waits for SQL.

    Parameters
    ----------
    path
        The database; it is made where it does not exist.
    prepare
        Makes the tables that are missing.
    name
        What it keeps, for the log.
    loss
        What it means that all of it is gone, for the log.
    log
        Where damage and fallbacks are told.
    vfs
        Name of the SQLite VFS, None for the platform's own.
    """

    def __init__(
        self,
        path: Path,
        *,
        prepare: Callable[[sqlite3.Connection], None],
        name: str,
        loss: str,
        log: Logger,
        vfs: str | None = None,
    ) -> None:
        self.journal_mode: str | None = None
        """How it guards against a loss of power; None before it is open."""
        self.replaced = 0
        """How often it was made anew while it was in use: what was in it is gone."""
        self._path = path
        self._prepare = prepare
        self._name = name
        self._loss = loss
        self._log = log
        self._vfs = vfs
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="progresswidget-sqlite")
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)

    async def run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Do something with the database, which the first call opens; if need be, with a new one.

        Raises
        ------
        OSError, sqlite3.Error
            If no database can be made at this path, or as `work`.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    async def close(self) -> None:
        """Close it, after what was begun."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    # --- In the one thread ---------------------------------------------------------------------

    def _do(self, work: Callable[[sqlite3.Connection], R]) -> R:
        if self._connection is None:
            self._connection = self._open()
        elif self._is_taken_away():
            # What SQLite writes into a file without a name is gone with the process.
            self._begin_anew("somebody has removed or replaced it")
        try:
            return work(self._connection)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._begin_anew(f"{error}; it was moved to {self._move_aside()}")
            return work(self._connection)

    def _is_taken_away(self) -> bool:
        try:
            return _file_of(self._path) != self._file
        except FileNotFoundError:
            return True
        except OSError:  # nobody can say
            return False

    def _move_aside(self) -> Path | None:
        with suppress(sqlite3.Error):
            self._close()
        self._connection = None
        try:
            return _move_aside(self._path)
        except FileNotFoundError:
            return None

    def _begin_anew(self, why: str) -> None:
        with suppress(sqlite3.Error):
            self._close()
        self._connection = None
        self.replaced += 1
        self._log.error(
            "The database %s was lost while it was in use (%s): a new one is made.",
            self._path,
            why,
            extra=about("store-damaged", store=self._name),
        )
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.OperationalError:
            raise  # the disk, a lock, a permission: the file itself may be in order
        except sqlite3.DatabaseError as error:
            self._log.error(
                "The database %s cannot be used (%s). It was moved to %s and a new one is made: %s",
                self._path,
                error,
                _move_aside(self._path),
                self._loss,
                extra=about("store-damaged", store=self._name),
            )
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        address = f"{self._path.absolute().as_uri()}?mode=rwc"
        if self._vfs is not None:
            address += f"&vfs={self._vfs}"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_PATIENCE)
        try:
            _check(connection)
            self._prepare(connection)
            self.journal_mode = self._set_journal_mode(connection)
            self._file = _file_of(self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_journal_mode(self, connection: sqlite3.Connection) -> str:
        # WAL needs shared memory, which network file systems lack. Some refuse the pragma, others
        # take it and fail at the first write: so try one (https://www.sqlite.org/wal.html).
        mode = ""
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            _probe(connection)
        except sqlite3.OperationalError as error:
            extra = about("store-without-wal", store=self._name)
            self._log.debug("WAL failed at %s: %s", self._path, error, extra=extra)
            mode = ""
        if mode == "wal":
            return "wal"
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        _probe(connection)
        self._log.warning(
            "The file system of %s cannot do write-ahead logging; using journal mode %s, which "
            "is slower. A runtime directory on a local disk (JUPYTER_RUNTIME_DIR) avoids it.",
            self._path,
            str(mode).upper(),
            extra=about("store-without-wal", store=self._name),
        )
        return str(mode)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def transact(connection: sqlite3.Connection, work: Callable[[], R]) -> R:
    """Do all of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        answer = work()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return answer


def _check(connection: sqlite3.Connection) -> None:
    # Every page is read: damage shows here, and not in the middle of an export.
    if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("the integrity check found damage")


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    # What is missing at the end of a file is not the disk's fault.
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ


def _file_of(path: Path) -> tuple[int, int]:
    """Return what tells a file from another one of the same name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _move_aside(path: Path) -> Path:
    """Give a damaged database another name, with what belongs to it, and return that name."""
    stamp = time.strftime("%Y%m%dT%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}-{time.time_ns() % 10**9}")
    path.rename(aside)
    for suffix in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(f"{aside}{suffix}")
    return aside


def _probe(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute("COMMIT")

"""The schema of a database, step by step: each is done once and whole, and the file counts them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, TypeAlias

from jupyter_server_ext.stores.database import transact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Step: TypeAlias = "Callable[[sqlite3.Connection], object]"


def migrate(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    """Bring a database to the newest version, which is the number of the steps.

    Parameters
    ----------
    steps
        The first makes the schema, each of the others changes what the one before has left. None
        is ever changed that was released: files that have taken it are out there.

    Raises
    ------
    sqlite3.DatabaseError
        If the file is of a newer server.
    sqlite3.OperationalError
        If a step cannot be done; the file is then as the step before has left it.
    """
    # Only what has to be changed is locked for it: others may be reading.
    if _version(connection) != len(steps):
        while transact(connection, lambda: _take_one(connection, steps)):
            pass


def _take_one(connection: sqlite3.Connection, steps: Sequence[Step]) -> bool:
    """Take one step, and say whether there was one."""
    version = _version(connection)
    if version > len(steps):
        raise sqlite3.DatabaseError(f"schema {version} is newer than this server's")
    if version == len(steps):
        return False
    steps[version](connection)
    connection.execute(f"PRAGMA user_version = {version + 1}")
    return True


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)

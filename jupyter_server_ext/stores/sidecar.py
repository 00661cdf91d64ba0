"""What was saved at once a second time, beside the database: a file of JSON lines that only grows.

A database that was damaged, truncated or robbed of its journal is made anew, and this is what it is
rebuilt from: jobs that have ended, and where their files are; uploads, whose bytes lie in folders
of their own. It also holds what the database could not take, because another process had locked it
when the server was killed. A line counts from its line feed on; of several under one key the last
one counts::

    {"key": "5e1f…", "record": {…}}
    {"key": "5e1f…"}
"""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from jupyter_server_ext.logs import about
from jupyter_server_ext.stores import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from logging import Logger
    from pathlib import Path

    from jupyter_server_ext.stores import Kind, Store
    from jupyter_server_ext.stores.health import StoreHealth
    from progresswidget.protocol import Json

T = TypeVar("T", bound=Kept)
R = TypeVar("R")

SPARE: Final = 4_000
"""Lines that are of no use any more before the file is written anew."""


class WithSidecar(Generic[T]):
    """A `Store` whose items that were saved now are in a sidecar too.

    Parameters
    ----------
    kind
        What is kept.
    store
        Where.
    path
        The sidecar.
    log
        Where it is told what was found in it alone.
    batched
        Whether the store may follow with its next batch, once the sidecar has an item: for what
        changes often.
    """

    def __init__(
        self, kind: Kind[T], store: Store[T], path: Path, log: Logger, *, batched: bool = False
    ) -> None:
        self._kind, self._store, self._log, self._batched = kind, store, log, batched
        self.changed: Callable[[str, T | None], None] = lambda _key, _item: None
        self.emptied: Callable[[], None] = lambda: None
        store.emptied = self._tell_loss
        self._lines = _Lines(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="progresswidget-sidecar")
        self._writing: set[asyncio.Task[Any]] = set()  # the event loop holds tasks only weakly
        self._failing = False

    @property
    def health(self) -> StoreHealth:
        """How the store fares; the sidecar is only for the day on which it does not."""
        return self._store.health

    async def load(self) -> list[T]:
        """Return everything, also what only the sidecar still knows."""
        items = {item.key: item for item in await self._store.load()}
        missing = []
        for record in await self._try(self._lines.load) or ():
            try:
                item = self._kind.read(record)
            except (ValueError, KeyError, TypeError):
                continue  # of another version
            known = items.get(item.key)
            if known is None or known.updated < item.updated:
                items[item.key] = item
                missing.append(item)
        for item in missing:
            self._store.save(item)
        if missing:
            self._log.warning(
                "The database lacked %d %s; they were taken from its sidecar.",
                len(missing),
                self._kind.name,
                extra=about("store-rebuilt", store=self._kind.name),
            )
        return list(items.values())

    def save(self, item: T) -> None:
        """Remember an item soon, in the database alone."""
        self._store.save(item)

    async def save_now(self, item: T) -> bool:
        """Remember an item in both; return when one of them would survive a loss of power.

        A database that another process has locked keeps nobody waiting.
        """
        line = partial(self._lines.add, [{"key": item.key, "record": item.to_json()}])
        if self._batched:
            self._store.save(item)
            return bool(await self._try(line)) or await self._store.save_now(item)
        writing = self._behind(self._store.save_now(item))
        return bool(await self._try(line)) or await writing

    async def delete(self, keys: list[str]) -> None:
        """Forget items in both."""
        writing = self._behind(self._store.delete(keys))
        await self._try(partial(self._lines.add, [{"key": key} for key in keys]))
        await writing

    async def close(self) -> None:
        """Close both."""
        await asyncio.gather(*self._writing)
        await self._store.close()
        await self._try(self._lines.close)
        self._thread.shutdown(wait=False)

    def _tell_loss(self) -> None:
        self.emptied()

    def _behind(self, write: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        task = asyncio.get_running_loop().create_task(write)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    async def _try(self, call: Callable[[], R]) -> R | None:
        """Return what a call returns, or None if the disk refuses: the database is there, too."""
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(self._thread, call)
        except OSError as error:
            if not self._failing:
                self._log.warning(
                    "Cannot keep a sidecar of %s: %s",
                    self._kind.name,
                    error,
                    extra=about("sidecar-failing", store=self._kind.name),
                )
            self._failing = True
            return None
        self._failing = False
        return result


class _Lines:
    """The file, in the one thread that owns it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._keys: set[str] = set()
        self._count = 0
        self._owed: list[Json] = []
        """What the disk has refused, and is to be written with the next line."""

    def load(self) -> list[Json]:
        """Return the newest record of each key, and write the file anew with them alone."""
        found = self._read()
        self._rewrite(found)
        return list(found.values())

    def add(self, lines: Iterable[Json]) -> bool:
        """Add lines, and return when they would survive a loss of power.

        Raises
        ------
        OSError
            If the disk refuses. They are written with the next ones.
        """
        self._owed += lines
        if self._descriptor < 0:
            self._rewrite(self._read())
        self._append(b"".join(_line(line) for line in self._owed))
        for line in self._owed:
            self._count += 1
            (self._keys.add if "record" in line else self._keys.discard)(line["key"])
        self._owed.clear()
        if self._count - len(self._keys) > SPARE:
            self._rewrite(self._read())
        return True

    def _append(self, text: bytes) -> None:
        before = os.fstat(self._descriptor).st_size
        try:
            rest = memoryview(text)
            while rest:  # a full disk takes a part, and refuses the next call
                rest = rest[os.write(self._descriptor, rest) :]
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, before)
            raise

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> dict[str, Json]:
        found: dict[str, Json] = {}
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return found
        for line in text.splitlines(keepends=True):
            fields: Any = None
            if line.endswith(b"\n"):
                try:
                    fields = json.loads(line)
                except (ValueError, RecursionError):
                    continue  # a damaged line costs no other one
            if not isinstance(fields, dict) or not isinstance(fields.get("key"), str):
                continue
            found.pop(fields["key"], None)
            if isinstance(fields.get("record"), dict):
                found[fields["key"]] = fields["record"]
        return found

    def _rewrite(self, found: dict[str, Json]) -> None:
        self.close()
        new = self._path.with_name(f"{self._path.name}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(new, flags, 0o600)
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                for key, record in found.items():
                    file.write(_line({"key": key, "record": record}))
            os.fsync(descriptor)
            new.replace(self._path)
            self._sync_folder()
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._keys, self._count = set(found), len(found)

    def _sync_folder(self) -> None:
        # Else the lines that follow may be synced to a file that has no name after a loss of power.
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # not every file system can
                os.fsync(folder)
        finally:
            os.close(folder)


def _line(fields: Json) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"

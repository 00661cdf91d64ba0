"""How far every transfer is, per user and file: remembered, and told to the pages of that user.

A file may come in pieces and over several connections at once, so what is kept are the spans of it
that have moved. `offset` is the end of the span that begins at its first byte: where a client goes
on that has lost its place. What was sent may still have been on its way when a connection broke:
of a download the client's own file knows better, of an upload the server does.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.events.observer import Observer
from jupyter_server_ext.model.spans import merged
from jupyter_server_ext.model.transfer import TOKEN_USER, Direction, Record, may_see
from jupyter_server_ext.transfers.moving import Moving, Transfer

if TYPE_CHECKING:
    from jupyter_server_ext.hub.hub import Hub
    from jupyter_server_ext.stores import TransferStore
    from jupyter_server_ext.stores.health import StoreHealth
    from progresswidget.protocol import Json

_SILENCE: Final = 10.0
"""Seconds after which a transfer over another server that is not heard of moves no more."""
_DAY: Final = 86_400_000
"""Milliseconds."""


class Transfers:
    """All transfers, in memory; the store follows.

    Parameters
    ----------
    hub
        Who is told, and by whose clock.
    store
        What outlives the process.
    interval
        Seconds between two messages about one transfer.
    keep
        Transfers that are remembered.
    keep_days
        Days for which they are.
    observer
        Who is told of beginnings and ends.
    """

    def __init__(
        self,
        *,
        hub: Hub,
        store: TransferStore,
        interval: float,
        keep: int,
        keep_days: float,
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer or Observer()
        self.moved: Counter[Direction] = Counter()
        self._hub = hub
        self._store = store
        self._interval = interval
        self._keep = keep
        self._keep_days = keep_days
        self._lives: dict[tuple[str, str], Moving] = {}  # who moved last is the last
        self._saving: set[asyncio.Task[bool]] = set()  # the event loop holds tasks only weakly
        self._forgotten: list[str] = []

    async def load(self) -> None:
        """Take up what the server before knew.

        Raises
        ------
        OSError, sqlite3.Error
            If the store cannot be opened.
        """
        records = await self._store.load()
        for record in sorted(records, key=lambda record: record.timestamp):
            self._lives[record.user, record.file_id] = Moving(record)

    @property
    def store_health(self) -> StoreHealth:
        """How the store fares that is used now."""
        return self._store.health

    def save_all(self) -> None:
        """Save all of them: the store has lost them."""
        for live in self._lives.values():
            self._store.save(live.record)

    def use(self, store: TransferStore) -> None:
        """Remember transfers in another store from now on."""
        self._store = store

    def begin(
        self,
        *,
        user: str,
        file_id: str,
        name: str,
        size: int | None,
        offset: int,
        direction: Direction,
        task_id: str | None,
        version: str = "",
    ) -> Transfer:
        """Note that a connection begins to move a file.

        Parameters
        ----------
        user
            Whose transfer it is.
        file_id
            Where the file is.
        name
            Its name, for people.
        size
            Bytes of the whole file, None if unknown.
        offset
            Where the connection begins.
        task_id
            The job whose file it is, if it is one.
        version
            Another one under the same `file_id` is another file, of which nothing has moved yet.
        """
        key = (user, file_id)
        live = self._lives.pop(key, None)
        now = self._hub.timestamp()
        new = Record(user, file_id, version, name, size, direction, task_id, now)
        if live is None or (live.record.version, live.record.size) != (version, size):
            live = Moving(new)
        else:
            live.record = replace(new, spans=live.record.spans)
        self._lives[key] = live
        transfer = Transfer(self, live, offset)
        live.open.append(transfer)
        if not live.moving:
            live.begin()
            self._observer.transfer_begun(live.record)
        self._push(live)
        self._make_room()
        return transfer

    def find(self, viewer: str) -> list[Json]:
        """Return the transfers that a user may see, the newest first."""
        now = self._hub.clock.time()
        return [
            live.to_json(now)
            for (user, _), live in reversed(self._lives.items())
            if may_see(viewer, user)
        ]

    def active(self, viewer: str) -> list[Json]:
        """Return those of them that are going on."""
        return [record for record in self.find(viewer) if record["active"]]

    def moving(self) -> Counter[Direction]:
        """Return how many files are on their way now."""
        lives = tuple(self._lives.values())
        return Counter(live.record.direction for live in lives if live.open)

    def get(self, viewer: str, file_id: str) -> Json | None:
        """Return how far a file is, for a user who may see it; the user's own comes first."""
        for user in (viewer, TOKEN_USER):
            live = self._lives.get((user, file_id))
            if live is not None:
                self.gather(live)
                return live.to_json(self._hub.clock.time())
        return None

    def heard(self, key: str, record: Record | None) -> None:
        """Take what another server knows of a transfer."""
        user, file_id = json.loads(key)
        live = self._lives.get((user, file_id))
        if record is None:
            if live is not None and not live.open:
                del self._lives[user, file_id]
            return
        if live is None:
            live = Moving(record)
        elif (live.record.version, live.record.size) == (record.version, record.size):
            # Parts of one file may go over several servers at once.
            live.record = replace(record, spans=merged((*live.record.spans, *record.spans)))
        elif not live.open:
            live.record = record
        self._lives.pop((user, file_id), None)
        self._lives[user, file_id] = live
        live.elsewhere = self._hub.clock.time() + _SILENCE if record.moving else 0.0
        self._tell(live)

    async def reap(self) -> None:
        """Forget what is too old."""
        oldest = self._hub.timestamp() - self._keep_days * _DAY
        for key, live in tuple(self._lives.items()):
            if not live.open and live.record.timestamp < oldest:
                self._forget(key)
        forgotten, self._forgotten = self._forgotten, []
        if forgotten:
            await self._store.delete(forgotten)

    async def close(self) -> None:
        """Write what is known, and release the store."""
        for live in self._lives.values():
            if live.open:
                self.gather(live)
                self._store.save(live.record)
        await asyncio.gather(*self._saving)
        await self._store.close()

    # --- For `Transfer` ----------------------------------------------------------------------

    def gather(self, live: Moving) -> None:
        """Take what the open connections have moved into the record."""
        spans = merged((*live.record.spans, *(transfer.span for transfer in live.open)))
        if spans != live.record.spans:
            live.record = replace(live.record, spans=spans, timestamp=self._hub.timestamp())

    def count(self, live: Moving, length: int) -> None:
        """Count bytes that have moved."""
        if length > 0:
            live.moved += length
            self.moved[live.record.direction] += length

    def push_later(self, live: Moving) -> None:
        """Tell of progress at the end of the interval."""
        live.due = True
        clock = self._hub.clock
        wait = max(0.0, live.pushed + self._interval - clock.time())
        clock.call_later(wait, lambda: self._push_due(live))

    def ended(self, transfer: Transfer, live: Moving, *, complete: bool, cut: bool) -> None:
        """Tell of the end of a connection at once, and write it down."""
        self.gather(live)
        live.open.remove(transfer)
        now = self._hub.timestamp()
        moving = bool(live.open)
        live.record = replace(live.record, ended=complete, timestamp=now, moving=moving)
        self._tell(live)
        # A client may come for one piece after the other: that is neither an end nor a cut.
        whole = complete and live.record.complete and live.moved >= live.missing
        if not live.open and (whole or cut):
            live.moving = False
            self._observer.transfer_ended(live.record, live.moved, complete=whole)
        task = asyncio.get_running_loop().create_task(self._store.save_now(live.record))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    def _push_due(self, live: Moving) -> None:
        # An end in between has said all there is to say.
        if live.due:
            self._push(live)

    def _push(self, live: Moving) -> None:
        self.gather(live)
        self._tell(live)
        self._store.save(replace(live.record, moving=True))

    def _tell(self, live: Moving) -> None:
        live.due = False
        live.pushed = self._hub.clock.time()
        record = live.record
        self._hub.transfers.tell(record.user, record.file_id, live.to_json(live.pushed))

    def _make_room(self) -> None:
        room = len(self._lives) - self._keep
        for key in [key for key, live in self._lives.items() if not live.open][: max(0, room)]:
            self._forget(key)

    def _forget(self, key: tuple[str, str]) -> None:
        self._forgotten.append(self._lives.pop(key).record.key)

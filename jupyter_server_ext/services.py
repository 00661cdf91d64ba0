"""What the handlers need, made once by the composition root."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.jobs.counts import Count, Counts
from jupyter_server_ext.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

    from jupyter_server_ext.channel.logins import Connected, Logins
    from jupyter_server_ext.channel.polling import Polls
    from jupyter_server_ext.cleanup.disk import Disk
    from jupyter_server_ext.conversions.registry import Conversions
    from jupyter_server_ext.downloads.digests import Digests
    from jupyter_server_ext.downloads.links import Links
    from jupyter_server_ext.events.life import Lifecycle
    from jupyter_server_ext.http.idempotency import Idempotency
    from jupyter_server_ext.hub.hub import Hub
    from jupyter_server_ext.jobs.kernels import KernelWatcher
    from jupyter_server_ext.jobs.notebooks import Notebooks
    from jupyter_server_ext.jobs.registry import JobRegistry
    from jupyter_server_ext.state import State
    from jupyter_server_ext.stores.health import StoreHealth
    from jupyter_server_ext.streaming.sending import Sending
    from jupyter_server_ext.transfers.registry import Transfers
    from jupyter_server_ext.transfers.shaping import Shaper
    from jupyter_server_ext.uploads.registry import Uploads


@dataclass(slots=True)
class Services:
    """The parts of a running server.

    Parameters
    ----------
    state
        What the state is kept in, and who else may change it.
    secret
        What kernels authorise their reports with.
    roots
        Folders below which files may be served.
    lasting
        Whether the folder of the state outlives the server.
    note_activity
        Called when bytes move, so that a hub does not take the server for idle.
    """

    hub: Hub
    life: Lifecycle
    registry: JobRegistry
    state: State
    idempotency: Idempotency
    watcher: KernelWatcher
    notebooks: Notebooks
    readers: ThreadPoolExecutor
    sending: Sending
    digests: Digests
    disk: Disk
    secret: str
    roots: tuple[str, ...]
    allow_hidden: bool
    heartbeat: float
    heartbeat_timeout: float
    slow_timeout: float
    access_recheck: float
    follow_patience: float
    max_connections_per_user: int
    polls: Polls
    max_archive_entries: int
    note_activity: Callable[[], None]
    shaper: Shaper
    transfers: Transfers
    links: Links
    logins: Logins
    uploads: Uploads
    conversions: Conversions
    writers: ThreadPoolExecutor
    upload_idle_timeout: float
    verifying: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    connections: set[Connected] = field(default_factory=set)
    connected: Counter[str] = field(default_factory=Counter)
    packing: Counter[str] = field(default_factory=Counter)
    lasting: bool = True
    tally: Tally = field(default_factory=Tally)
    counts: Counts = field(default_factory=Counts)
    begun: float = field(default_factory=time.monotonic)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False

    def at_work(self, task_id: str) -> bool | None:
        """Say whether a job is at work; None for one that nobody has told of."""
        job = self.registry.jobs.get(task_id)
        return None if job is None else job.active

    async def count(self, task_id: str, worker: str, steps: float, *, used: bool) -> None:
        """Take what a worker has counted, wherever its kernel hears of it.

        Raises
        ------
        ApiError
            ``too-many-workers``.
        """
        self.counts.put(task_id, worker, Count(steps, used, time.monotonic()))
        if self.state.counts is not None and not self.registry.speaks_for(task_id):
            await self.state.counts.tell(task_id, worker, steps, used=used)

    def counted(self, task_id: str, worker: str, steps: float, used: bool) -> None:  # noqa: FBT001
        """Take what came to another server, if the kernel reports here, or may still do so."""
        with suppress(ApiError):
            if self.registry.speaks_for(task_id) or self.at_work(task_id) is None:
                self.counts.put(task_id, worker, Count(steps, used, time.monotonic()))

    @property
    def root(self) -> str:
        """The server's root folder."""
        return self.roots[0]

    @property
    def stores(self) -> dict[str, StoreHealth]:
        """How each store fares, by what is kept in it; what is shared is kept in ``redis``."""
        stores = {
            "jobs": self.registry.store_health,
            "transfers": self.transfers.store_health,
            "links": self.links.store_health,
            "uploads": self.uploads.store_health,
        }
        session = self.state.session
        if session is None:
            return stores
        own = {name: one for name, one in stores.items() if one is not session.health}
        return own | {"redis": session.health}

    def is_secret(self, text: str) -> bool:
        """Say whether `text` is the kernels' secret, in a time that does not tell how near."""
        return hmac.compare_digest(text.encode(errors="replace"), self.secret.encode())

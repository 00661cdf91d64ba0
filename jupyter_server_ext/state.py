"""What keeps a server's state, as its settings say: alone, or together with others."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.endpoint import lasting_secret
from jupyter_server_ext.stores import JOBS, LINKS, TRANSFERS, UPLOADS
from jupyter_server_ext.stores.local import LocalBroker, LocalKeys, LocalLocker
from jupyter_server_ext.stores.memory import MemoryStore
from jupyter_server_ext.stores.sidecar import WithSidecar
from jupyter_server_ext.stores.sqlite import SqliteStore
from jupyter_server_ext.stores.sqlite_locker import SqliteLocker
from jupyter_server_ext.uploads.sharing import UploadSharing

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger
    from pathlib import Path

    from jupyter_server_ext.config import Settings
    from jupyter_server_ext.downloads.links import Links
    from jupyter_server_ext.jobs.registry import JobRegistry
    from jupyter_server_ext.model.link import Link
    from jupyter_server_ext.model.transfer import Record
    from jupyter_server_ext.model.upload import Upload
    from jupyter_server_ext.stores import (
        Broker,
        JobStore,
        KeyStore,
        Kind,
        Lease,
        LinkStore,
        Locker,
        Store,
        T,
        TransferStore,
        UploadStore,
    )
    from jupyter_server_ext.stores.redis_counts import RedisCounts
    from jupyter_server_ext.stores.redis_secret import RedisSecret
    from jupyter_server_ext.stores.redis_session import RedisSession
    from jupyter_server_ext.transfers.registry import Transfers
    from jupyter_server_ext.uploads.registry import Uploads

_DAY: Final = 86_400_000
"""Milliseconds."""
_CENTURY: Final = 36_500 * _DAY
"""Redis knows no end that is much further away."""
_REAPER: Final = "reaper"
_PATIENCE: Final = 3
"""Rounds that whoever reaps may miss before another server does it."""


@dataclass(slots=True)
class State:
    """Everything that outlives a request.

    Parameters
    ----------
    jobs, uploads
        What outlives the process of the jobs that report to this server and of the uploads that it
        has taken bytes of, also beside Redis.
    interval
        Seconds between two rounds of whoever forgets what is old.
    database
        Of leases and keys, where there is one.
    session, secret, sharing, counts
        The life with Redis, what all sign links with, what uploads have in common, and what workers
        have counted elsewhere; None where the server is alone.
    """

    jobs: JobStore
    transfers: TransferStore
    links: LinkStore
    uploads: UploadStore
    interval: float
    broker: Broker
    locker: Locker
    keys: KeyStore
    database: SqliteLocker | None = None
    session: RedisSession | None = None
    secret: RedisSecret | None = None
    sharing: UploadSharing | None = None
    counts: RedisCounts | None = None
    reaper: Lease | None = None

    def follow(
        self, jobs: JobRegistry, transfers: Transfers, links: Links, uploads: Uploads
    ) -> None:
        """Let them hear of what other servers do, and of the loss of what was kept."""
        self.transfers.changed = transfers.heard
        self.links.changed = links.heard
        self.jobs.emptied = jobs.save_all
        self.transfers.emptied = transfers.save_all
        self.links.emptied = links.save_all
        self.uploads.emptied = uploads.save_all
        if self.secret is not None:
            self.secret.own, self.secret.chosen = links.read_key, links.use_key

    async def may_reap(self) -> bool:
        """Say whether it is this server that forgets what is old, for some rounds from now."""
        ttl = _PATIENCE * self.interval
        if self.reaper is None or not await self.locker.renew(self.reaper, ttl):
            name = str(os.getpid()) if self.session is None else self.session.id
            self.reaper = await self.locker.acquire(_REAPER, name, ttl)
        return self.reaper is not None

    async def close(self) -> None:
        """Leave the other servers, after the stores were closed."""
        if self.reaper is not None:
            await self.locker.release(self.reaper)
        await self.broker.close()
        if self.database is not None:
            await self.database.close()


def make_state(
    settings: Settings, directory: Path, *, root: str, base_url: str, log: Logger
) -> State:
    """Make what the settings ask for; nothing is opened yet.

    Parameters
    ----------
    directory
        The server's own.
    root, base_url
        What servers have in common that share their state.

    Raises
    ------
    MissingExtraError
        If there is no client for Redis where one is asked for.
    """

    def store(kind: Kind[T], name: str) -> Store[T]:
        if settings.store == "memory":
            return MemoryStore()
        return SqliteStore(kind, directory / name, interval=settings.push_interval, log=log)

    jobs, uploads = store(JOBS, "state.sqlite"), store(UPLOADS, "uploads.sqlite")
    if settings.store == "sqlite":
        jobs = WithSidecar(JOBS, jobs, directory / "ended.jsonl", log)
        uploads = WithSidecar(UPLOADS, uploads, directory / "uploads.jsonl", log, batched=True)
    alone = State(
        jobs=jobs,
        transfers=store(TRANSFERS, "transfers.sqlite"),
        links=store(LINKS, "links.sqlite"),
        uploads=uploads,
        interval=settings.reap_interval,
        broker=LocalBroker(),
        locker=LocalLocker(time.monotonic),
        keys=LocalKeys(time.monotonic, most=settings.max_idempotency_keys),
    )
    if settings.store == "sqlite":
        alone.keys = alone.database = SqliteLocker(
            directory / "keys.sqlite",
            now=time.time,
            log=log,
            alone=alone.keys,
            most=settings.max_idempotency_keys,
        )
    if not settings.store_url:
        return alone
    namespace = _namespace(settings, root, base_url)
    return _together(settings, alone, namespace, lasting_secret(directory / "server"), log)


def _together(
    settings: Settings, alone: State, namespace: str, identity: str, log: Logger
) -> State:
    from jupyter_server_ext.stores.redis import Redis
    from jupyter_server_ext.stores.redis_broker import RedisBroker
    from jupyter_server_ext.stores.redis_counts import RedisCounts
    from jupyter_server_ext.stores.redis_locker import RedisKeys, RedisLocker
    from jupyter_server_ext.stores.redis_secret import RedisSecret
    from jupyter_server_ext.stores.redis_session import RedisSession
    from jupyter_server_ext.stores.redis_store import RedisStore

    redis = Redis(settings.store_url, namespace)
    keep = int(min(settings.keep_finished_days * _DAY, _CENTURY))
    # An upload is written again only when it changes, which takes as long as its bytes do.
    unfinished = int(2 * settings.upload_expiry * 1000) + _DAY
    # Whatever may still be wanted of a place outlives its last server, and that by a week.
    life = min(max(keep, unfinished, settings.max_link_seconds * 1000) + 7 * _DAY, _CENTURY)
    session = RedisSession(
        redis, identity=identity, lease=settings.server_lease, life=life / 1000, log=log
    )

    def store(
        kind: Kind[T], fields: Callable[[T], dict[str, str | int]], life: Callable[[T], int]
    ) -> RedisStore[T]:
        interval = settings.push_interval
        return RedisStore(kind, session, interval=interval, fields=fields, life=life, log=log)

    uploads = store(UPLOADS, _upload, lambda _: unfinished)
    locker = RedisLocker(session, alone.locker)
    return replace(
        alone,
        transfers=store(TRANSFERS, _progress, lambda _: keep),
        links=store(LINKS, _link, lambda link: link.expires - time.time_ns() // 1_000_000),
        broker=RedisBroker(session, log=log),
        locker=locker,
        keys=RedisKeys(session, alone.keys),
        session=session,
        secret=RedisSecret("links", session),
        sharing=UploadSharing(uploads, locker, session),
        counts=RedisCounts(session),
    )


def _progress(record: Record) -> dict[str, str | int]:
    public = record.public(active=record.moving)
    return {name: public[name] for name in ("userId", "fileId", "offset", "timestamp")}


def _link(link: Link) -> dict[str, str | int]:
    return {"userId": link.user, "expires": link.expires}


def _upload(upload: Upload) -> dict[str, str | int]:
    return {"userId": upload.owner, "fileId": upload.id, "timestamp": upload.created}


def _namespace(settings: Settings, root: str, base_url: str) -> str:
    # What a user takes for "the same server", as the name of its directory.
    text = f"{root}\0{base_url}".encode(errors="surrogateescape")
    return settings.store_namespace or hashlib.sha256(text).hexdigest()[:16]

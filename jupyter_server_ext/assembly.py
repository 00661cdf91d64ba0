"""The parts of a server, made as its settings say and joined to each other; nothing runs yet."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server_ext.channel.logins import Logins
from jupyter_server_ext.channel.polling import Polls
from jupyter_server_ext.cleanup.disk import Disk
from jupyter_server_ext.conversions.line import ConversionLimits
from jupyter_server_ext.conversions.registry import Conversions
from jupyter_server_ext.conversions.workers import Workers, WorkerSettings
from jupyter_server_ext.downloads.digests import Digests
from jupyter_server_ext.downloads.links import Links, load_key
from jupyter_server_ext.events.eventlog import EventLog
from jupyter_server_ext.events.life import Lifecycle
from jupyter_server_ext.http.idempotency import Idempotency
from jupyter_server_ext.hub.hub import Hub
from jupyter_server_ext.jobs.kernels import KernelWatcher
from jupyter_server_ext.jobs.notebooks import Notebooks
from jupyter_server_ext.jobs.reaper import JobLimits
from jupyter_server_ext.jobs.registry import JobRegistry
from jupyter_server_ext.services import Services
from jupyter_server_ext.state import make_state
from jupyter_server_ext.streaming.activity import Activity
from jupyter_server_ext.streaming.sending import Sending
from jupyter_server_ext.transfers.registry import Transfers
from jupyter_server_ext.transfers.shaping import Rates, Shaper
from jupyter_server_ext.uploads.files import UploadFiles
from jupyter_server_ext.uploads.places import below
from jupyter_server_ext.uploads.quota import UploadLimits
from jupyter_server_ext.uploads.records import UploadRecords
from jupyter_server_ext.uploads.registry import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from jupyter_server.serverapp import ServerApp

    from jupyter_server_ext.config import Settings
    from jupyter_server_ext.state import State
    from jupyter_server_ext.statedir import StateDirectory


def assemble(
    settings: Settings, app: ServerApp, directory: StateDirectory, *, secret: str, log: Logger
) -> Services:
    """Make every part.

    Parameters
    ----------
    app
        The server that they are for.
    directory
        Where its state lies.
    secret
        What kernels authorise their reports with.

    Raises
    ------
    MissingExtraError
        If there is no client for Redis where one is asked for.
    """
    hub = Hub(
        epoch=uuid.uuid4().hex,
        interval=settings.push_interval,
        clock=_LoopClock(),
        timestamp=milliseconds,
    )
    events = EventLog(app.event_logger, redact=settings.redact_events, log=log)
    life = Lifecycle(log, events.emit)
    root = os.path.realpath(app.root_dir)
    state = make_state(settings, directory.path, root=root, base_url=app.base_url, log=log)
    registry = _make_registry(settings, app, hub, state, life)
    readers = ThreadPoolExecutor(settings.read_threads, thread_name_prefix="progresswidget-read")
    writers = ThreadPoolExecutor(settings.write_threads, thread_name_prefix="progresswidget-write")
    web_settings = app.web_app.settings
    roots = (app.root_dir, *(str(Path(other).expanduser()) for other in settings.roots))
    allow_hidden = bool(app.contents_manager.allow_hidden)

    def note_activity() -> None:
        # jupyter_server takes every setting that ends so for a sign of use.
        web_settings["progresswidget_last_activity"] = datetime.now(UTC)

    activity = Activity(note_activity, time=time.monotonic, most=settings.max_awake)
    return Services(
        hub=hub,
        life=life,
        registry=registry,
        state=state,
        idempotency=Idempotency(state.keys, settings.idempotency_expiry),
        watcher=KernelWatcher(
            kernels=app.kernel_manager,
            interrupt=registry.interrupt,
            lease=settings.kernel_lease,
            time=time.monotonic,
            log=log,
        ),
        notebooks=Notebooks(app.session_manager, time=time.monotonic, log=log),
        readers=readers,
        sending=Sending(readers, settings.stall_timeout, activity),
        digests=Digests(readers),
        secret=secret,
        disk=Disk(
            roots=roots,
            folder=directory.path,
            threads=readers,
            allow_hidden=allow_hidden,
            time=time.monotonic,
        ),
        roots=roots,
        allow_hidden=allow_hidden,
        heartbeat=settings.heartbeat,
        heartbeat_timeout=settings.heartbeat_timeout or 2 * settings.heartbeat,
        slow_timeout=settings.slow_timeout,
        access_recheck=settings.access_recheck,
        follow_patience=settings.follow_patience,
        max_connections_per_user=settings.max_connections_per_user,
        polls=Polls(hub, longest=settings.poll_wait, most=settings.max_polls_per_user),
        max_archive_entries=settings.max_archive_entries,
        note_activity=note_activity,
        shaper=Shaper(rates_of(settings)),
        links=Links(
            store=state.links,
            key=lambda: load_key(directory.path / "links.key"),
            now=milliseconds,
            longest=settings.max_link_seconds,
            most=settings.max_links,
        ),
        logins=Logins(app.web_app, interval=settings.access_recheck, now=time.monotonic),
        transfers=Transfers(
            hub=hub,
            store=state.transfers,
            interval=settings.push_interval,
            keep=settings.keep_transfers,
            keep_days=settings.keep_finished_days,
            observer=life,
        ),
        uploads=_make_uploads(settings, app, state, writers, activity, log),
        conversions=_make_conversions(settings, registry, root, log),
        writers=writers,
        upload_idle_timeout=settings.upload_idle_timeout,
        lasting=directory.lasting or settings.store == "memory",
    )


def rates_of(settings: Settings) -> Rates:
    """Return how fast files may leave and come."""
    return Rates(
        settings.transfer_rate, settings.user_rate, settings.server_rate, settings.rate_burst
    )


def milliseconds() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _make_registry(
    settings: Settings, app: ServerApp, hub: Hub, state: State, life: Lifecycle
) -> JobRegistry:
    return JobRegistry(
        store=state.jobs,
        broker=state.broker,
        hub=hub,
        files_url=f"{app.base_url}progresswidget/files/",
        now=milliseconds,
        limits=JobLimits(settings.max_jobs, settings.keep_finished, settings.keep_finished_days),
        observer=life,
        # Who else has access to the server of somebody looks on.
        user=os.environ.get("JUPYTERHUB_USER"),
        contents=partial(
            below,
            # A kernel may know the root by the name behind a link.
            roots=(app.root_dir, os.path.realpath(app.root_dir)),
            hidden=bool(app.contents_manager.allow_hidden),
        ),
    )


def _make_uploads(
    settings: Settings,
    app: ServerApp,
    state: State,
    writers: ThreadPoolExecutor,
    activity: Activity,
    log: Logger,
) -> Uploads:
    records = UploadRecords(state.uploads, milliseconds, state.sharing)
    return Uploads(
        records=records,
        files=UploadFiles(app.root_dir, records),
        sharing=state.sharing,
        threads=writers,
        time=time.monotonic,
        now=milliseconds,
        limits=UploadLimits(
            size=settings.max_upload_size,
            quota=settings.upload_quota,
            count=settings.max_uploads_per_user,
            expiry=settings.upload_expiry,
        ),
        activity=activity,
        log=log,
    )


def _make_conversions(
    settings: Settings, registry: JobRegistry, root: str, log: Logger
) -> Conversions:
    workers = Workers(
        WorkerSettings(
            python=settings.conversion_python,
            folder=root,
            nice=settings.conversion_nice,
            memory=settings.conversion_memory,
            seconds=settings.conversion_seconds,
            size=settings.conversion_size,
        )
    )
    limits = ConversionLimits(
        settings.conversion_workers,
        settings.conversion_workers_per_user,
        settings.conversion_queue,
    )
    return Conversions(registry, workers, limits, milliseconds, log)


class _LoopClock:
    """The running event loop's clock; there is none yet when the parts are made."""

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object:
        return asyncio.get_running_loop().call_later(delay, callback)

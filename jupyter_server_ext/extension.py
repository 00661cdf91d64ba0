"""The composition root: what the server starts and stops, and how kernels find it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jupyter_core.paths import jupyter_runtime_dir
from jupyter_server.extension.application import ExtensionApp
from traitlets import observe

import jupyter_server_ext
from jupyter_server_ext import endpoint, statedir
from jupyter_server_ext.assembly import assemble, milliseconds, rates_of
from jupyter_server_ext.config import Settings
from jupyter_server_ext.ending import end
from jupyter_server_ext.handlers import accept_absolute_form, revived, routes
from jupyter_server_ext.logs import about
from jupyter_server_ext.monitoring import metrics
from jupyter_server_ext.stores import JOBS, LINKS, TRANSFERS, UPLOADS
from jupyter_server_ext.stores.memory import MemoryStore
from jupyter_server_ext.tidying import Keeping, Tidying
from progresswidget.protocol import (
    ENDPOINT_VARIABLE,
    KERNEL_SECRET_VARIABLE,
    KERNEL_URL_VARIABLE,
)

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from jupyter_server_ext.model.job import Job


_CLEANING_UP: Final = 1.0
"""Seconds after which a task of ours that has not ended is told once more to do so."""
_FAREWELL: Final = 1.0
"""Seconds that pages get to answer the closing of their connection."""


class ProgressExtension(Settings, ExtensionApp):
    """Keeps exports on the server: their progress, their control and their files."""

    name = "progresswidget"
    load_other_extensions = True

    def initialize_handlers(self) -> None:
        """Make every part, and the routes."""
        app = self._app()
        # Modules that are given no log have one below this name: it goes where ours goes.
        logging.getLogger(jupyter_server_ext.__name__).parent = self.log
        self._tasks: set[asyncio.Task[None]] = set()
        self._directory = statedir.acquire(
            Path(jupyter_runtime_dir()), os.path.realpath(app.root_dir), app.base_url, self.log
        )
        secret = self._make_secret(app)
        self.services = assemble(self, app, self._directory, secret=secret, log=self.log)
        self.services.logins.revive = partial(revived, app.web_app, self.services)
        self.handlers.extend(routes(self.services))
        accept_absolute_form(app.web_app, f"{app.base_url}progresswidget")
        # Before any kernel can start; the file itself follows when the port is certain.
        os.environ[ENDPOINT_VARIABLE] = str(self._endpoint)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Take up the state, and let kernels find us: the true port is known only now."""
        services = self.services
        await self._load()
        services.watcher.restored(services.registry.own())
        services.conversions.restored()
        self._write_endpoint(serverapp)
        self._tell_gateway(serverapp)
        self._limit_heads(serverapp)
        self._spawn(services.watcher.run(self._watched, self.kernel_poll_interval))
        await services.uploads.recover()
        self._tidying = Tidying(services, self._keeping(), self.log)
        self._spawn(self._tidying.run(self.reap_interval))
        self._spawn(self._tidying.follow())
        caught_up = partial(services.tally.compensations.update, ("published",))
        self._spawn(services.uploads.finish_interrupted(caught_up))
        services.logins.watch()
        self._spawn(services.logins.run())
        metrics.show(services)
        services.started.set()

    async def stop_extension(self) -> None:
        """Say goodbye to pages and kernels, and write what is still to be written."""
        services = self.services
        if services.stopping:
            return
        services.stopping = True
        services.started.set()
        metrics.hide(services)
        services.logins.unwatch()
        endpoint.remove(self._endpoint)
        if os.environ.get(ENDPOINT_VARIABLE) == str(self._endpoint):
            del os.environ[ENDPOINT_VARIABLE]
        self._leave_gateway()
        await services.uploads.stop()
        await services.conversions.stop()
        await end(self._tasks, _CLEANING_UP)
        # jupyter_server shuts its kernels down right after its extensions.
        services.registry.seal()
        for job in services.watcher.own(services.registry.own()):
            await services.registry.interrupt(job.task_id, "kernel-stopped")
        await services.conversions.interrupt_all()
        services.polls.end()
        farewells = [page.restart() for page in tuple(services.connections)]
        if farewells:
            await asyncio.wait(farewells, timeout=_FAREWELL)
        for part in (services.registry, services.transfers, services.links, services.uploads):
            await part.close()
        await services.state.close()
        services.readers.shutdown(wait=False)
        services.writers.shutdown(wait=False)
        services.uploads.appender.close()
        self._directory.release()

    def _watched(self) -> list[Job]:
        """Return the jobs whose process only the watcher can miss."""
        services = self.services
        jobs = services.registry.own()
        return [job for job in jobs if not services.conversions.sees_to(job.task_id)]

    def _limit_heads(self, app: ServerApp) -> None:
        # tornado lets whoever sends nothing keep a connection for an hour.
        if self.head_timeout:
            # A host that listens by other means has its own rule.
            with suppress(AttributeError):
                app.http_server.conn_params.header_timeout = self.head_timeout

    def _tell_gateway(self, app: ServerApp) -> None:
        # Only there: terminals and local kernels inherit the environment, and have the file.
        if self._has_gateway(app):
            os.environ[KERNEL_URL_VARIABLE] = self.kernel_url or self._url(app)
            os.environ[KERNEL_SECRET_VARIABLE] = self.services.secret

    def _leave_gateway(self) -> None:
        if self._has_gateway(self._app()):
            for name in (KERNEL_URL_VARIABLE, KERNEL_SECRET_VARIABLE):
                os.environ.pop(name, None)

    def _has_gateway(self, app: ServerApp) -> bool:
        return bool(app.gateway_config.gateway_enabled)

    def _make_secret(self, app: ServerApp) -> str:
        # A kernel behind a gateway outlives this process and cannot read the file of the next one:
        # what it was told at its start must stay true.
        if self._has_gateway(app):
            return endpoint.lasting_secret(self._directory.path / "secret")
        return secrets.token_urlsafe(32)

    def _url(self, app: ServerApp) -> str:
        return endpoint.server_url(
            ip=app.ip,
            port=app.port,
            sock=app.sock,
            base_url=app.base_url,
            secure=bool(app.certfile),
        )

    def _write_endpoint(self, app: ServerApp) -> None:
        endpoint.write(
            self._endpoint,
            url=self._url(app),
            secret=self.services.secret,
            certfile=str(Path(app.certfile).resolve()) if app.certfile else None,
        )

    @property
    def _endpoint(self) -> Path:
        return self._directory.path / "endpoint.json"

    def _app(self) -> ServerApp:
        if self.serverapp is None:
            raise RuntimeError("the extension is not linked to a server")
        return self.serverapp

    def _keeping(self) -> Keeping:
        return Keeping(self.keep_leftovers_days, tuple(self.expiring_folders), self.keep_files_days)

    @observe("transfer_rate", "user_rate", "server_rate", "rate_burst")
    def _rates_changed(self, _: object) -> None:
        # While the configuration is read there is nothing to shape yet.
        if hasattr(self, "services"):
            self.services.shaper.rates = rates_of(self)

    async def _load(self) -> None:
        services = self.services
        parts = (
            (JOBS, services.registry),
            (TRANSFERS, services.transfers),
            (LINKS, services.links),
            (UPLOADS, services.uploads),
        )
        for kind, part in parts:
            try:
                await part.load()
            except (OSError, sqlite3.Error) as error:
                self.log.error(  # noqa: TRY400 - the cause is the disk, not the code
                    "No %s database at %s (%s): %s are forgotten when the server ends.",
                    kind.noun,
                    self._directory.path,
                    error,
                    kind.name,
                    extra=about("store-missing", store=kind.name),
                )
                await part.close()
                instead: MemoryStore[Any] = MemoryStore()
                instead.health.failed(error, milliseconds())
                part.use(instead)
        services.state.follow(
            services.registry, services.transfers, services.links, services.uploads
        )
        if services.state.counts is not None:
            services.state.counts.counted = services.counted
        services.uploads.share()
        await services.state.broker.start(services.registry)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            extra = about("task-failed")
            self.log.error("A background task failed", exc_info=task.exception(), extra=extra)

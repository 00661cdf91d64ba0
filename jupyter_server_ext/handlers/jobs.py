"""``api/jobs``: what kernels report, and what users see and want."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from tornado import web

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.probes import sees
from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.handlers.owners import OwnerHandler, made, once
from jupyter_server_ext.handlers.polls import PollHandler
from jupyter_server_ext.jobs.capabilities import capability, require_own
from jupyter_server_ext.logs import about
from jupyter_server_ext.model.decisions import still_running
from jupyter_server_ext.model.transfer import TOKEN_USER
from progresswidget.protocol import (
    ACTIONS,
    MAX_COUNT,
    MAX_EPOCH,
    MAX_REPORT,
    STATUSES,
    TERMINAL,
    Action,
    Position,
    Probe,
    decode_order,
    decode_report,
    queued,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Json

FILES_TO_CLEAR: Final = ("keep", "leftovers", "all")
"""What goes of the files when jobs are forgotten: none, those of unfinished exports, or all."""


class JobsHandler(OwnerHandler):
    """All jobs: a new one is made here for somebody who will report to it."""

    max_body: ClassVar[int] = MAX_REPORT

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate; what a kernel may do is to make jobs."""
        if self.request.method == "POST":
            await super().prepare()
        else:
            await Handler.prepare(self)

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the public records, newest first, as a JSON array."""
        services = self.services
        paths = await services.notebooks.refresh()
        for job in services.registry.find():
            # A notebook may have been renamed since its kernel last reported.
            if job.kernel_id in paths:
                await services.registry.locate(job.task_id, paths[job.kernel_id])
        records = [services.registry.public(job) for job in self._find(self._statuses())]
        self.finish(json.dumps([record for record in records if await self.may("read", record)]))

    @allow_unauthenticated  # by jupyter_server's means: prepare() has seen to it
    async def post(self) -> None:
        """Make a job in the state queued; if nobody reports to it, its lease ends it."""
        services, order = self.services, decode_order(self.body)
        async with once(self, {"jobs": order}) as making:
            if not making.again:
                user = None if self.user_id == TOKEN_USER else self.user_id
                report = queued(making.identity, order, services.hub.timestamp())
                if not self.is_kernel:
                    await self._require_own(report, user)
                services.watcher.heard(await services.registry.order(report, user))
        job = await made(partial(services.registry.get, making.identity))
        if making.again:
            # Whoever made it may see it no more.
            job = await self.visible(job.task_id)
        self.set_status(HTTPStatus.CREATED)
        self.set_header("Location", f"{self.base_url}progresswidget/api/jobs/{job.task_id}")
        lets = capability(services.links.read_key(), job.task_id, "report")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({**services.registry.public(job), "capability": lets}))

    async def _require_own(self, report: Json, user: str | None) -> None:
        """Check that a user may make a job, and speak for the kernel that it is said to be of."""
        kernel = report["kernelId"]
        if kernel is not None and not await self._may_in("execute", "kernels"):
            raise ApiError("forbidden", "You may not make jobs of kernels.")
        notebook = await self.services.notebooks.of(kernel)
        if not await self.may("write", {**report, "notebook": notebook, "userId": user}):
            raise ApiError("forbidden", "You may not make this job.")

    async def _may_in(self, action: str, resource: str) -> bool:
        asked = self.authorizer.is_authorized(self, self.current_user, action, resource)
        return bool(await ensure_async(asked))

    @web.authenticated
    @authorized
    async def delete(self) -> None:
        """Forget the ended jobs that fit and that the user may change, and their files if asked."""
        services, files = self.services, await self._files()
        statuses = TERMINAL & (self._statuses() or TERMINAL)
        freed = 0
        wanted: list[Job] = []
        refused: list[str] = []
        for job in self._find(statuses):
            record = services.registry.public(job)
            if not await self.may("read", record):
                continue
            if not await self.may("write", record):
                refused.append(job.task_id)
                continue
            wanted.append(job)
        if files != "keep":
            freed = await self._clear_all(wanted, published=files == "all")
        removed = await services.registry.clear([job.task_id for job in wanted])
        for task_id in removed:
            await services.links.revoke(task_id)
        self.finish(json.dumps({"removed": removed, "refused": refused, "freed": freed}))

    async def _clear_all(self, jobs: Collection[Job], *, published: bool) -> int:
        services, chosen = self.services, {job.task_id for job in jobs}
        others = [job for job in services.registry.find() if job.task_id not in chosen]
        # Another job, maybe of somebody else, goes on with what lies there.
        needed = await services.disk.places([job for job in others if job.status != "done"])
        freed = 0
        for job in jobs:
            is_needed = await services.disk.places([job]) <= needed
            if not is_needed and not self._is_at_work(job):
                freed += await self._clear(job, published=published)
        return freed

    async def _clear(self, job: Job, *, published: bool) -> int:
        try:
            return await self.services.disk.clear(job, published=published)
        except OSError as error:
            extra = about("file-kept", job.task_id)
            self.log.warning("Cannot remove the files of a job: %s", error, extra=extra)
            return 0

    def _is_at_work(self, job: Job) -> bool:
        # Another run of the same export may be writing there again.
        path = job.report["path"]
        return any(other.report["path"] == path for other in self.services.registry.active())

    async def _files(self) -> str:
        files = self.get_query_argument("files", "keep")
        if files not in FILES_TO_CLEAR:
            raise ApiError("malformed", f"files must be of {', '.join(FILES_TO_CLEAR)}.")
        # What a person may not do in the file browser is not done here either.
        if files != "keep" and not await self._may_in("write", "contents"):
            raise ApiError("forbidden", "You may not remove files.")
        return files

    def _find(self, statuses: Collection[str] | None) -> list[Job]:
        return self.services.registry.find(
            notebook=self.get_query_argument("notebook", None),
            kernel=self.get_query_argument("kernel", None),
            statuses=statuses,
        )

    def _statuses(self) -> set[str] | None:
        text = self.get_query_argument("status", None)
        if text is None:
            return None
        statuses = {status.strip() for status in text.split(",")}
        if not statuses <= STATUSES:
            raise ApiError("malformed", f"status must be of {', '.join(sorted(STATUSES))}.")
        return statuses


class JobHandler(PollHandler):
    """One job."""

    max_body: ClassVar[int] = MAX_REPORT

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler narrows it
        """Authenticate: a report by a secret of its own, everything else as a user."""
        if self.request.method != "PUT":
            await super().prepare()
            return
        (task_id,) = self.path_args
        own = self.is_reporter
        reporter = self.prepare_reporter(task_id, "report") if own else self.prepare_kernel()
        await self.admit(reporter)

    def _is_local(self) -> bool:
        # Both ends of the connection at one address, or a UNIX socket: no other machine is there.
        connection: Any = self.request.connection
        if {"Forwarded", "X-Forwarded-For", "X-Real-Ip"} & set(self.request.headers):
            return False
        try:
            peer, own = (
                connection.stream.socket.getpeername(),
                connection.stream.socket.getsockname(),
            )
        except (AttributeError, OSError):
            return False
        return not isinstance(own, tuple) or peer[0] == own[0]

    def check_xsrf_cookie(self) -> None:
        """Check as jupyter_server does, but for reports: what no cookie opens none can forge."""
        if self.request.method != "PUT":
            super().check_xsrf_cookie()

    def on_finish(self) -> None:
        """Count reports, those that were refused too."""
        if self.request.method == "PUT":
            self.services.tally.reports[self.outcome] += 1
        super().on_finish()

    @web.authenticated
    @authorized
    async def get(self, task_id: str) -> None:
        """Return the public record, or with ``since`` what came after that event."""
        if self.get_query_argument("since", None) is None:
            self._finish_with(await self.visible(task_id))
        else:
            await self._poll(self._position(task_id), self.patience())

    async def _poll(self, position: Position, within: float) -> None:
        await self.visible(position.task_id)
        answer = await self.services.polls.news(self.user_id, position, self.wait(), within)
        await self.visible(position.task_id)  # still, and to this user
        self.set_header("Cache-Control", "no-store")
        self.finish(answer)

    def _position(self, task_id: str) -> Position:
        since = self.get_query_argument("since")
        epoch = self.get_query_argument("epoch", None)
        known = since.isascii() and since.isdigit() and len(since) <= len(str(MAX_COUNT))
        if not known or (epoch is not None and len(epoch) > MAX_EPOCH):
            raise ApiError("malformed", "since must be a whole number, and epoch short.")
        return Position(task_id, epoch, int(since))

    @allow_unauthenticated  # by jupyter_server's means: prepare() has seen the secret
    async def put(self, task_id: str) -> None:
        """Take a report, and tell the kernel what its user wants."""
        services = self.services
        report = decode_report(task_id, self.body)
        probe = report.pop("probe")
        if self.is_reporter:
            require_own(services.registry.get(task_id).report, report)
            probe = None  # what else there is on the disk is none of its business
        before = services.registry.bytes_of(task_id)
        if services.watcher.ends_with_kernel(report):
            report = still_running(services.registry.get(task_id), report)
        job = await services.registry.report(report)
        if job.report["bytes"] != before:
            services.note_activity()
        services.registry.bind(task_id, services.watcher.heard(job, local=self._is_local()))
        notebook = await services.notebooks.of(job.kernel_id)
        await services.registry.locate(task_id, notebook)
        pending = None if job.pending is None else job.pending.to_json()
        reply: Json = {
            "control": pending,
            "url": services.registry.url(job),
            "notebook": notebook or job.notebook,
            "shared": None if probe is None else await self._sees(report["path"], probe),
        }
        if workers := services.counts.of(task_id, time.monotonic()):
            reply["workers"] = workers
        if not job.active:
            services.counts.forget(task_id)
        if job.status == "done" and not job.report.get("leave", True):
            await services.registry.clear([task_id])
        self.finish(json.dumps(reply))

    async def _sees(self, path: str, probe: Json) -> bool:
        # In a thread: the folder may be on a network.
        call = partial(sees, path, Probe.from_json(probe))
        return await asyncio.get_running_loop().run_in_executor(self.services.readers, call)

    @web.authenticated
    @authorized
    async def post(self, task_id: str) -> None:
        """Take the user's wish to pause, resume or cancel."""
        await self.visible(task_id)
        job = await self.services.registry.ask(task_id, self._action())
        self.set_status(HTTPStatus.ACCEPTED)
        self._finish_with(job)

    @web.authenticated
    @authorized
    async def delete(self, task_id: str) -> None:
        """Forget an ended job; its file stays."""
        await self.visible(task_id)
        await self.services.registry.remove(task_id)
        await self.services.links.revoke(task_id)
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()

    def _finish_with(self, job: Job) -> None:
        self.finish(json.dumps(self.services.registry.public(job)))

    def _action(self) -> Action:
        try:
            value: Any = json.loads(self.body)
        except (ValueError, RecursionError):
            value = None
        action = value.get("action") if isinstance(value, dict) else None
        if not isinstance(action, str) or action not in ACTIONS:
            raise ApiError("malformed", 'The body must be {"action": "pause|resume|cancel"}.')
        return cast("Action", action)

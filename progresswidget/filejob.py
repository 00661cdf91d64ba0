"""A job that makes a file: what is known of it, and what is told."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from progresswidget import protocol
from progresswidget.basejob import BaseJob
from progresswidget.combined import Member
from progresswidget.export.pipeline import Export
from progresswidget.followed import Followed
from progresswidget.links import links
from progresswidget.meter import Meter
from progresswidget.reach import Reach
from progresswidget.told import describe, fingerprint, growing, lines, written

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from progresswidget.export.progress import Progress
    from progresswidget.export.result import Result
    from progresswidget.family import Parent
    from progresswidget.protocol import Json, Status
    from progresswidget.work import Work


class FileJob(Followed, BaseJob):
    """What is known of a file that is made; the base of `progresswidget.job.Job`, which makes it.

    Parameters
    ----------
    work
        What is to be written where.
    progress
        How far it is; the work counts in it.
    background
        Whether the cell goes on meanwhile.
    parent
        The group that it belongs to.
    task_id
        The id under which the server knows it already; by default a new one.
    generation
        Which run of that job it is.
    """

    def __init__(
        self,
        work: Work,
        progress: Progress,
        *,
        background: bool,
        parent: Parent | None,
        task_id: str | None,
        generation: int,
    ) -> None:
        super().__init__(work.kind, task_id=task_id, generation=generation)
        self._progress = progress
        self._background = background
        self._parent = parent
        self._state: Status = "queued"
        self._outcome: Result | None = None
        self._error: BaseException | None = None
        self._started: float | None = None
        self._ended: float | None = None
        self._meter = Meter(time.monotonic(), work.total)
        self._meter.pause(time.monotonic())  # until the worker begins
        self._take_name(work)
        self._describe(work)
        overwrite = isinstance(work, Export) and work.overwrite
        self._reach = Reach(self._id, work.path, progress, overwrite=overwrite)

    def _take_name(self, work: Work) -> None:
        self._path, self._name, self._format = work.path, work.path.name, work.format
        # The server opens the file without following a link, which may well lead to a folder that
        # it may serve.
        self._real_path = os.path.realpath(work.path)

    def _describe(self, work: Work) -> None:
        self._once, self._columns = work.once, work.columns
        self._schema, self._settings = lines(work.schema), lines(work.settings)

    # --- what is known ------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """Where the file is, or will be."""
        return self._path

    @property
    def format(self) -> str:
        """The name of the format, for instance ``"csv"``."""
        return self._format.name

    @property
    def rows(self) -> int:
        """The rows written so far."""
        return self._progress.rows if self._outcome is None else self._outcome.rows

    @property
    def total(self) -> int | None:
        """The rows that there are in all, or None where nobody can know yet."""
        return self._progress.total

    @property
    def columns(self) -> int:
        """The columns of the file."""
        return self._columns if self._outcome is None else self._outcome.columns

    @property
    def bytes(self) -> int:
        """The bytes written so far."""
        return self._progress.bytes if self._outcome is None else self._outcome.bytes

    @property
    def reused(self) -> int:
        """Rows that did not have to be written, because an earlier export had written the same."""
        return self._progress.reused if self._outcome is None else self._outcome.reused

    @property
    def steps(self) -> Mapping[str, str]:
        """Where each step is, by its name and in order; empty unless it is a delivery."""
        return self._progress.steps

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the file in hexadecimal digits, or None before it is complete."""
        return None if self._outcome is None else self._outcome.sha256

    @property
    def state(self) -> Status:
        """How it stands, one of `progresswidget.protocol.STATUSES`."""
        return self._state

    @property
    def error(self) -> BaseException | None:
        """What ended the job, or None while it runs and when it is done."""
        return self._error

    @property
    def background(self) -> bool:
        """Whether the cell that started the job went on meanwhile."""
        return self._background

    @property
    def url(self) -> str | None:
        """The address of the file below the notebook server's origin, or None without a server.

        It answers 503 with ``Retry-After`` until the file is complete, and 410 after a cancel or
        a failure. It has no host in it, for only the browser knows under which the server is seen.
        """
        return self._url

    def link(self, expires: float = 3600.0, *, server: str | None = None) -> str:
        """Return an address of the file that works without signing in, for a while.

        It is for `curl`, a colleague or another machine: whoever has it can read this one file, and
        do nothing else. It names the newest file of the job; a later one needs a link of its own.

        Parameters
        ----------
        expires
            Seconds until it closes; the server has a limit (`max_link_seconds`, a day).
        server
            Scheme, host and port under which others reach the server, for instance
            ``https://hub.example.org``; by default the one that a hub was told to be reached under
            (its ``public_url``), or else the one that this kernel uses.

        Raises
        ------
        LinkError
            If there is no server, or it refuses.
        """
        body = {"expires": expires}
        answer, origin = links(self.id, "POST", body)
        return (server or origin).rstrip("/") + str(answer["url"])

    def revoke_links(self) -> None:
        """Close every link to the job's file at once, whoever made it.

        Raises
        ------
        LinkError
            If there is no server, or it refuses.
        """
        links(self.id, "DELETE", None)

    # --- what is told -------------------------------------------------------------------------

    def member(self) -> Member:
        """Return what the group that it belongs to needs to know of it."""
        eta = self._meter.eta if self._state in protocol.ACTIVE else None
        return Member(self._state, self._percent(), self.bytes, eta)

    def answered(self, reply: Json) -> None:
        """Take the server's reply to a report."""
        super().answered(reply)
        self._reach.answered(reply.get("shared"), over=self._state in protocol.TERMINAL)

    def _feed(self) -> None:
        self._meter.total = self._progress.total
        self._meter.feed(time.monotonic(), self.rows, self._progress.reused)

    def _fields(self) -> Json:
        self._feed()
        ended = self._state in protocol.TERMINAL
        return {
            "status": self._state,
            "phase": self._progress.phase,
            "name": self._name,
            "path": self._real_path,
            "format": self._format.name,
            "mediaType": self._format.media_type,
            "progress": self._percent(),
            "rows": self.rows,
            "reused": self.reused,
            "read": self._progress.read,
            "undone": self._progress.undone,
            "total": self.total,
            "columns": self.columns,
            "bytes": self.bytes,
            "rate": self._meter.rate,
            "eta": None if ended else self._meter.eta,
            "elapsed": round(self._meter.elapsed, 3),
            "started": None if self._started is None else round(self._started * 1000),
            "ended": None if self._ended is None else round(self._ended * 1000),
            "background": self._background,
            # What lies on another disk cannot be followed by the server.
            "appendOnly": self._format.append_only and not self._reach.sends,
            "schema": self._schema,
            "options": self._settings,
            "sha256": self.sha256,
            "parent": None if self._parent is None else self._parent.id,
            "steps": [{"name": name, "status": at} for name, at in self.steps.items()] or None,
            "error": describe(self._error),
            "fingerprint": fingerprint(self._outcome),
            "part": None if ended else growing(self._progress.part),
            "written": written(self._progress.whole),
            "probe": self._reach.to_json(),
        }

    def _percent(self) -> float | None:
        if self._state == "done":
            return 100.0
        if not self.total:
            return None
        # A hundred is kept for a file that is there under its name.
        return min(round(100 * self.rows / self.total, 2), 99.9)

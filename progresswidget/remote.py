"""A reporter for work that this process does not do itself: it can be sent to who does it."""

from __future__ import annotations

import os
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from progresswidget import protocol
from progresswidget.cell import cell_id, kernel_id
from progresswidget.client import Connection, Endpoint, ServerUnreachableError
from progresswidget.errors import ProgressWidgetError

if TYPE_CHECKING:
    from progresswidget.protocol import Json

INTERVAL: Final = 0.2
"""Seconds between two reports, however often there is something to say."""
_TRIES: Final = 5
_PAUSE: Final = 0.5
"""Tries to tell the end of a job, and the seconds between them."""


class OrderRefusedError(ProgressWidgetError):
    """The server did not make the job."""


class JobReporter:
    """Reports to one job, from whatever process or thread has it.

    It can be pickled: a worker that was started afresh goes on where this one is, and may report
    to this job and do nothing else. Make one with `order`.

    Parameters
    ----------
    endpoint
        Where and with which secret.
    state
        What was reported last.
    """

    def __init__(self, endpoint: Endpoint, state: Json) -> None:
        self._endpoint = endpoint
        self._state = state
        self._begin()

    @classmethod
    def order(
        cls,
        name: str,
        *,
        path: str | Path | None = None,
        total: int | None = None,
        kind: str = "task",
        server: str | None = None,
        token: str | None = None,
    ) -> JobReporter:
        """Make a job on the server, and return its reporter.

        Parameters
        ----------
        name
            What a person reads.
        path
            The file that it makes, if it makes one; where it runs otherwise.
        total
            How many steps there are, if that is known.
        kind
            ``task``, or ``export`` for a job whose file can be downloaded.
        server, token
            Address and token of a Jupyter server, for a script that no server has started.

        Raises
        ------
        ServerUnreachableError
            If there is no server with the extension.
        OrderRefusedError
            If it does not make the job.
        """
        asking = _endpoint(server, token)
        order = {
            "name": name,
            "path": str(Path(path or name).absolute()),
            "kind": kind,
            "total": total,
            "kernelId": kernel_id(),
            "cellId": cell_id(),
        }
        connection = Connection(asking)
        try:
            status, record = connection.ask("POST", "api/jobs", order)
        finally:
            connection.close()
        if "capability" not in record:
            raise OrderRefusedError(str(record.get("message", f"the server answered {status}")))
        secret = str(record["capability"])
        endpoint = replace(asking, secret=secret, scheme=protocol.JOB_SCHEME)
        # The order itself was revision 0.
        state = protocol.queued(record["taskId"], protocol.decode_order(_json(order)), 0)
        return cls(endpoint, {**state, "created": record["created"]})

    def __getstate__(self) -> Json:
        """Return what goes to another process."""
        with self._lock:
            return {"endpoint": self._endpoint, "state": dict(self._state)}

    def __setstate__(self, kept: Json) -> None:
        """Go on in this process."""
        self._endpoint, self._state = kept["endpoint"], kept["state"]
        self._begin()

    def __repr__(self) -> str:
        """Return which job it is."""
        return f"JobReporter({self.id!r})"

    @property
    def id(self) -> str:
        """The id of the job."""
        return str(self._state["taskId"])

    @property
    def wish(self) -> str | None:
        """What the person asked for last: ``pause``, ``resume``, ``cancel`` or nothing."""
        return self._wish

    def update(self, rows: int, **fields: Any) -> str | None:
        """Say how far it is; what a loop says too often is left out.

        Parameters
        ----------
        rows
            Steps, rows or bytes that are done.
        **fields
            Others of `progresswidget.protocol.REPORT_FIELDS`.

        Returns
        -------
        What the person asks for, as `wish`.
        """
        with self._lock:
            self._change({"status": "running", "rows": rows, **fields})
            if time.monotonic() >= self._next:
                self._try()
            return self._wish

    def finish(self, status: str = "done", *, error: Json | None = None, **fields: Any) -> None:
        """Say how it ended, and return when the server knows.

        Parameters
        ----------
        status
            ``done``, ``failed`` or ``cancelled``.
        error
            ``code``, ``message`` and ``hint`` of a failure.

        Raises
        ------
        ServerUnreachableError
            If the server does not answer for some seconds.
        """
        ended = int(time.time() * 1000)
        progress = {"progress": 100} if status == "done" else {}
        with self._lock:
            self._change({"status": status, "error": error, "ended": ended, **progress, **fields})
            for left in reversed(range(_TRIES)):
                if self._try():
                    break
                if not left:
                    raise ServerUnreachableError("the end of the job could not be told")
                time.sleep(_PAUSE)
            self._drop()

    # --- One report ------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._pid = os.getpid()
        self._started = time.monotonic() - self._state["elapsed"]
        self._next = 0.0
        self._wish: str | None = None
        _reporters.add(self)

    def _after_fork(self) -> None:
        # Another thread may have been in the middle of a report. The socket is the parent's: it is
        # let go of without a word.
        self._lock, self._connection, self._pid = threading.Lock(), None, os.getpid()

    def _change(self, fields: Json) -> None:
        state = self._state
        state.update(fields, pid=self._pid, phase=fields.get("phase", "writing"))
        state["elapsed"] = elapsed = max(0.0, time.monotonic() - self._started)
        total, rows = state["total"], state["rows"]
        if "progress" not in fields:
            state["progress"] = min(100.0, 100 * rows / total) if total else None
        if "rate" not in fields:
            state["rate"] = rows / elapsed if elapsed and rows else None
        state["revision"] += 1

    def _try(self) -> bool:
        self._next = time.monotonic() + INTERVAL
        try:
            if self._connection is None:
                self._connection = Connection(self._address())
            reply = self._connection.report(self._state)
        except ServerUnreachableError:
            # The next report says the same and more.
            self._drop()
            return False
        control = reply.get("control")
        if control is not None and control["id"] != self._state["control"]:
            self._state["control"], self._wish = control["id"], control["action"]
        return True

    def _address(self) -> Endpoint:
        # A server that was started again has another port; what opens the job is the same.
        own = self._endpoint
        near = None if own.pid is None else Endpoint.find()
        return own if near is None else replace(near, secret=own.secret, scheme=own.scheme)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


_reporters: weakref.WeakSet[JobReporter] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_reporters):
        each._after_fork()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _endpoint(server: str | None, token: str | None) -> Endpoint:
    if server is not None:
        url = server if server.endswith("/") else f"{server}/"
        return Endpoint(f"{url}progresswidget/", token or "", scheme="token")
    found = Endpoint.find()
    if found is None:
        raise ServerUnreachableError("no notebook server with the extension runs this process")
    return found


def _json(value: Json) -> bytes:
    return protocol.encode(value).encode()

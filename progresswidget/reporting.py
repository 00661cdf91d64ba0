"""The reporter: the newest state of every running job to the server, and back what the user asked.

It is one background thread, so that a cell which blocks is obeyed all the same. A report is the
whole state, so a lost one costs nothing: the next one says the same and more.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol

from progresswidget import protocol
from progresswidget.client import (
    REQUEST_TIMEOUT,
    Connection,
    Endpoint,
    ReportRefusedError,
    ServerUnreachableError,
)

_log = logging.getLogger("progresswidget")

REPORT_INTERVAL: Final = 0.2
"""Seconds between two reports of a job that moves: five a second, since a hub logs each one."""
FIRST_INTERVAL: Final = 0.05
"""The same in the first moments: whoever wants to read along learns of the file while it is new."""
IDLE_INTERVAL: Final = 0.4
"""Seconds between two reports of a job that stands still: so long may a button take."""
RETRY_CAP: Final = 4.0
"""Seconds between two tries while the server is away, at most."""
LAST_WORD: Final = 600.0
"""Seconds for which the end of a job is told to a server that is away."""


class Reportable(Protocol):
    """What the reporter needs of a job."""

    @property
    def id(self) -> str:
        """The task id."""

    def report(self) -> protocol.Json:
        """Return the whole state now; ``revision`` grows when it has changed."""

    def answered(self, reply: protocol.Json) -> None:
        """Take the server's reply to a report: its wish, and the address of the file."""

    def mirror(self, report: protocol.Json) -> None:
        """Show a changed state where the kernel itself keeps a view of it."""


class Addressee(Protocol):
    """Who is reported to."""

    @property
    def alive(self) -> bool:
        """Whether it may still be there."""


class Channel(Protocol):
    """A way to who is reported to."""

    def report(self, report: protocol.Json) -> protocol.Json:
        """Send the state of one job, and return the reply."""

    def close(self) -> None:
        """Drop it."""


@dataclass(slots=True)
class _Tracked:
    job: Reportable
    since: float
    mirrored: int = -1
    next_report: float = 0.0
    finished_at: float | None = None
    refused: bool = False
    failed: bool = False


class Reporter:
    """The one thread of a process that speaks for all of its jobs."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Tracked] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._connection: Channel | None = None
        self._away_until = 0.0
        self._away_for = 0.0
        self._heard = time.monotonic()
        self.pid: Final = os.getpid()

    def _find(self) -> Addressee | None:
        """Return who is reported to, if there is anybody."""
        return Endpoint.find()

    def _connect(self, found: Any, timeout: float = REQUEST_TIMEOUT) -> Channel:
        return Connection(found, timeout)

    def announce(self, job: Reportable) -> bool:
        """Make a job known before it is displayed, and follow it from then on.

        Returns
        -------
        Whether the server knows the job, so that a view of it finds it there.
        """
        found = self._find()
        known = False
        if found is not None:
            connection = self._connect(found, timeout=1.0)
            try:
                job.answered(connection.report(job.report()))
                known = True
            except ReportRefusedError as error:
                _log.warning("the notebook server refused to follow a job: %s", error)
            except ServerUnreachableError as error:
                # A server that is merely slow is there all the same, and will hear of the job.
                known = isinstance(error.__cause__, TimeoutError)
            finally:
                connection.close()
        self.follow(job)
        return known

    def follow(self, job: Reportable) -> None:
        """Report of a job from now on; of one that is followed already nothing changes."""
        with self._changed:
            known = self._jobs.get(job.id)
            if known is not None and known.finished_at is None:
                return
            self._jobs[job.id] = _Tracked(job, time.monotonic())
            # The thread may be waiting for a job, since the one before has ended.
            self._changed.notify_all()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="progresswidget-reporter", daemon=True
                )
                self._thread.start()

    @property
    def is_here(self) -> bool:
        """Whether the caller is the reporter's thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def wake(self) -> None:
        """Send what has changed now rather than at the next tick."""
        with self._changed:
            # A server that was away may be back; a script that ends now cannot wait to find out.
            self._away_until = 0.0
            for tracked in self._jobs.values():
                tracked.next_report = 0.0
            self._changed.notify_all()

    @property
    def silence(self) -> float:
        """Seconds since the server took a report: of a job that runs, how long it is away."""
        return time.monotonic() - self._heard

    def settle(self, job: Reportable, timeout: float) -> bool:
        """Wait until everyone has heard the final state of a job, for `timeout` seconds at most.

        Returns
        -------
        Whether they have: the views in the kernel, and the server where there is one.
        """
        self.wake()
        found = self._find()
        if found is not None and not found.alive:
            timeout = min(timeout, REPORT_INTERVAL)
        with self._changed:
            return self._changed.wait_for(lambda: job.id not in self._jobs, timeout)

    def _run(self) -> None:
        while self._take_turn():
            pass
        if self._connection is not None:
            self._connection.close()

    def _take_turn(self) -> bool:
        """Serve the jobs that are due, once there are any; return False if none comes."""
        # A function of its own: a thread that waits would keep the last job, and all that it has.
        with self._changed:
            if not self._jobs:
                self._changed.wait_for(lambda: bool(self._jobs), timeout=30)
            if not self._jobs:
                self._thread = None
                return False
            due = min(tracked.next_report for tracked in self._jobs.values())
            self._changed.wait(max(0.0, min(due - time.monotonic(), IDLE_INTERVAL)))
            tracked_jobs = list(self._jobs.values())
        now = time.monotonic()
        for tracked in tracked_jobs:
            if tracked.next_report <= now:
                self._serve_safely(tracked)
        return True

    def _serve_safely(self, tracked: _Tracked) -> None:
        try:
            self._serve(tracked)
        except Exception:  # noqa: BLE001 - it is logged whole
            # One thread speaks for all jobs: what goes wrong with one must not silence the others.
            if not tracked.failed:
                _log.exception("the state of a job could not be reported")
            tracked.failed = True
            tracked.next_report = time.monotonic() + RETRY_CAP

    def _serve(self, tracked: _Tracked) -> None:
        report = tracked.job.report()
        changed = report["revision"] != tracked.mirrored
        now = time.monotonic()
        interval = REPORT_INTERVAL if changed else IDLE_INTERVAL
        if changed and now < tracked.since + 2 * FIRST_INTERVAL:
            interval = FIRST_INTERVAL
        tracked.next_report = now + interval
        if report["status"] in protocol.TERMINAL and tracked.finished_at is None:
            tracked.finished_at = time.monotonic()
        if changed:
            tracked.mirrored = report["revision"]
            self._mirror(tracked.job, report)
        heard = self._send(tracked, report)
        if tracked.finished_at is None:
            return
        # Without a server there is nobody to tell; for one that is away, the last word waits.
        late = time.monotonic() > tracked.finished_at + LAST_WORD
        if heard or late or self._find() is None:
            with self._changed:
                # Whoever was to be followed anew meanwhile is.
                if self._jobs.get(tracked.job.id) is tracked:
                    del self._jobs[tracked.job.id]
                self._changed.notify_all()

    def _mirror(self, job: Reportable, report: protocol.Json) -> None:
        try:
            job.mirror(report)
        except Exception as error:  # noqa: BLE001 - a view that broke must not silence the reports
            _log.debug("a view in the kernel could not be refreshed: %r", error)

    def _send(self, tracked: _Tracked, report: protocol.Json) -> bool:
        """Deliver one report; returns True when there is nothing left to say about it."""
        if tracked.refused:
            return True
        if time.monotonic() < self._away_until:
            return False
        try:
            if self._connection is None:
                found = self._find()
                if found is None:
                    return False
                self._connection = self._connect(found)
            reply = self._connection.report(report)
        except ReportRefusedError as error:
            _log.warning("the notebook server refused to follow a job: %s", error)
            tracked.refused = True
            return True
        except ServerUnreachableError as error:
            _log.debug("the notebook server is away: %s", error)
            self._connection = None  # the next try reads the endpoint file again
            self._away_for = min(max(2 * self._away_for, REPORT_INTERVAL), RETRY_CAP)
            self._away_until = time.monotonic() + self._away_for
            return False
        self._away_for = 0.0
        self._heard = time.monotonic()
        tracked.job.answered(reply)
        return True


_reporter: Reporter | None = None
# The collector may end a bar in the very thread that is just here, and asks for the reporter, too.
_reporter_lock = threading.RLock()


def reporter() -> Reporter:
    """Return the reporter of this process.

    A forked child has none of its parent's threads and must not share its socket, so it gets a
    reporter of its own.
    """
    global _reporter  # noqa: PLW0603 - one per process is the point
    with _reporter_lock:
        known = _reporter
        if known is None or known.pid != os.getpid():
            made = Reporter()
            if _reporter is not known:
                return reporter()  # it was made meanwhile, in this thread
            known = _reporter = made
        return known


def _forget_lock() -> None:
    global _reporter_lock  # noqa: PLW0603
    _reporter_lock = threading.RLock()  # a fork may have copied it while it was held


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)

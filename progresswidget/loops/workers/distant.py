"""Counting for a bar from where its folder cannot be seen: another machine, another container.

The count goes to the notebook server, with what lets count for this one job and do nothing else;
the kernel hears it with the reply to its next report. It is the whole count each time: nothing is
lost or counted twice.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from progresswidget import protocol
from progresswidget.client import Connection, Endpoint, ServerUnreachableError

if TYPE_CHECKING:
    from progresswidget.loops.jobs.job import LoopJob

INTERVAL: Final = 0.2
"""Seconds between two counts of a worker that moves."""
PULSE: Final = 5.0
"""Seconds between two counts of one that stands still and is at work."""
SILENCE: Final = 30.0
"""Seconds without one after which a worker that was at work has died."""
REST = 30.0
"""Seconds after which nobody is waited for any more who could count: a worker may live for long."""
_TIMEOUT: Final = 2.0
_TAKEN: Final = 204
_OVER: Final = frozenset({403, 409, 429})
"""Answers after which nothing is counted any more."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to count, and by what.

    Parameters
    ----------
    endpoint
        With what lets count for this job.
    task_id
        The job.
    loop
        Which one of the loops that take turns at it.
    """

    endpoint: Endpoint
    task_id: str
    loop: int


def address_of(job: LoopJob, server: str | None = None) -> Address | None:
    """Return where workers count for a loop; None where there is no server that lets them.

    Parameters
    ----------
    job
        The loop.
    server
        Address of the Jupyter server as workers see it, where that is not as the kernel does.
    """
    endpoint = Endpoint.find()
    if endpoint is None:
        return None
    connection = Connection(endpoint, timeout=_TIMEOUT)
    try:
        _, answer = connection.ask("POST", f"api/jobs/{job.id}/counts")
    except ServerUnreachableError:
        return None
    finally:
        connection.close()
    lets = answer.get("capability")
    if not isinstance(lets, str):
        return None
    found = replace(endpoint, secret=lets, scheme=protocol.JOB_SCHEME)
    if server is not None:
        url = server if server.endswith("/") else f"{server}/"
        found = replace(found, url=f"{url}progresswidget/", certfile=None)
    return Address(found, job.id, job.number)


def is_of(worker: str, loop: int) -> bool:
    """Say whether a worker has counted for a loop, by its name."""
    return worker.startswith(f"{loop}-")


class Telegraph:
    """Says from a thread of its own what a process has counted, whenever it has changed.

    Parameters
    ----------
    address
        Where to.
    words
        The steps, and how many count.
    """

    def __init__(self, address: Address, words: list[float]) -> None:
        self._address = address
        self._words = words
        place = f"{os.getpid()}-{socket.gethostname()}"
        plain = "".join(letter if letter.isalnum() else "-" for letter in place)[:40]
        named = plain.encode("ascii", "replace").decode().replace("?", "-")
        self._worker = f"{address.loop}-{secrets.token_hex(4)}-{named}"[:64]
        self._said: tuple[float, bool] | None = None
        self._at = 0.0
        self._over = False
        self.always = False
        """Whether somebody may count who is not counted among those that do."""
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        # The collector may let go of a reporter, and wake this, in the very thread that waits here:
        # of all that one can wait for only the `put` of this queue may interrupt itself.
        self._woken: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._beginning = threading.Lock()
        self.begin()

    def begin(self) -> None:
        """Have the thread, which ends when nobody was at work for a while and all is said."""
        with self._beginning:
            if self._thread is None and not self._over:
                self._thread = threading.Thread(
                    target=self._run, name="progresswidget-telegraph", daemon=True
                )
                self._thread.start()

    def wake(self) -> None:
        """Say it now rather than in a moment."""
        if not self._over:
            self._woken.put(None)

    def flush(self) -> None:
        """Say what is still unsaid, once."""
        with self._lock:
            self._say()

    def _run(self) -> None:
        while not self._over and not self._rests():
            with suppress(Empty):
                self._woken.get(timeout=INTERVAL)
                while True:  # many wishes are one
                    self._woken.get_nowait()
            with self._lock:
                self._say()
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _rests(self) -> bool:
        with self._beginning:
            steps, used = self._words
            silent = time.monotonic() - self._at
            if used or self.always or self._said != (steps, False) or silent < REST:
                return False
            self._thread = None
            return True

    def _say(self) -> None:
        steps, used = self._words
        state = steps, used > 0
        silent = time.monotonic() - self._at
        if self._over or (state == self._said and not (state[1] and silent >= PULSE)):
            return
        with suppress(ServerUnreachableError):  # the next count says the same and more
            connection = self._connection or Connection(self._address.endpoint, timeout=_TIMEOUT)
            self._connection = None
            place = f"api/jobs/{self._address.task_id}/counts/{self._worker}"
            body = protocol.encode({"steps": state[0], "used": state[1]}).encode()
            answer = connection.request("PUT", place, {"Content-Type": "application/json"}, body)
            self._connection = connection
            self._at = time.monotonic()
            if answer.status == _TAKEN:
                self._said = state
            self._over = answer.status in _OVER

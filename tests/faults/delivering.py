"""A kernel's part: deliveries, each in a process of its own that dies at a chosen step.

Run as a script; each line on stdin is a JSON object that says what to deliver, and each is answered
by one that says what came of it. Each may name a ``step``, or a line of the ledger ``behind`` which
the process dies, is cancelled (``cancel``) or waits for a file (``wait``). Steps are counted: every
opening, making, renaming and removing of a delivery's files, and before and after it every syncing
and every sending of bytes to a server.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # noqa: F401 - pyarrow asks for it, and each process would load it anew
import pyarrow as pa

import progresswidget as pw
from progresswidget.delivery.job import deliver
from progresswidget.delivery.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

MARKS = (".delivery", ".part", "share")
EVENTS = {"open", "os.link", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}


class Fate:
    """The count of steps, and what happens at the chosen one."""

    def __init__(self, last: int | None, act: Callable[[], None]) -> None:
        self.step = 0
        self._last, self._act, self._lock = last, act, threading.Lock()

    def count(self) -> None:
        """Count one more step."""
        with self._lock:
            self.step += 1
            chosen = self.step == self._last
        if chosen:
            self._act()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an event of the interpreter for a step, if it is of a delivery."""
        if event in EVENTS and any(mark in str(arguments) for mark in MARKS):
            self.count()

    def around(self, owner: Any, name: str) -> None:
        """Let each call of a function be two steps: one before it, and one after."""
        real = getattr(owner, name)

        def call(*arguments: Any) -> Any:
            self.count()
            result = real(*arguments)
            self.count()
            return result

        setattr(owner, name, call)

    def behind(self, line: str) -> None:
        """Let it be the chosen step when a line is in the ledger, such as ``begun send``."""
        real = Ledger.write

        def write(
            ledger: Ledger, event: str, step: str, note: dict[str, Any] | None = None
        ) -> None:
            real(ledger, event, step, note)
            if line == f"{event} {step}":
                self._act()

        Ledger.write = write  # type: ignore[method-assign]


def table(rows: int, salt: int) -> pa.Table:
    """Return rows that are the same in every run."""
    return pa.table({"n": np.arange(salt, salt + rows, dtype=np.int64)})


def die() -> None:
    """End as a power cut does: no handler runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Deliver as ordered."""
    job: pw.Job | None = None

    def cancel() -> None:
        if job is not None:
            job.cancel()

    def wait() -> None:
        while not Path(order["wait"]).exists():
            time.sleep(0.01)

    act = wait if order.get("wait") else cancel if order.get("cancel") else die
    fate = Fate(order.get("step"), act)
    fate.behind(order.get("behind", ""))
    fate.around(os, "fsync")
    fate.around(socket.socket, "sendall")
    sys.addaudithook(fate.audit)
    to = Path(order["to"]) if order.get("folder") else order["to"]
    try:
        job = deliver(
            table(order.get("rows", 300_000), order.get("salt", 0)),
            order.get("name", "a.csv"),
            to,
            overwrite=order.get("overwrite", True),
            headers=order.get("headers"),
            background=True,
        )
        done = job.result()
    except pw.ProgressWidgetError as error:
        state = None if job is None else job.state
        return {"state": state, "code": error.code, "error": str(error), "steps": fate.step}
    return {
        "state": job.state,
        "url": done.url,
        "sha256": done.sha256,
        "reused": done.reused,
        "steps": fate.step,
    }


def main() -> None:
    """Serve orders: a process for each, forked from this one, which has imported all there is."""
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            with os.fdopen(writing, "w") as pipe:
                json.dump(run(json.loads(line)), pipe)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        killed = {"killed": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}
        print(json.dumps(killed | (json.loads(answer) if answer else {})), flush=True)


if __name__ == "__main__":
    main()

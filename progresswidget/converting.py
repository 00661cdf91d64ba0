"""The worker of a conversion: a file of the server to another format, in a process without kernel.

The server starts it, and knows the job already. From then on it reports as a kernel does, so that
whatever can be done with an export can be done with it. It outlives a server that is killed, and
reports to the one that follows.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from progresswidget.client import (
    Connection,
    Endpoint,
    ReportRefusedError,
    ServerUnreachableError,
)
from progresswidget.errors import (
    MemoryLimitError,
    ProgressWidgetError,
    SourceError,
    TimeLimitError,
    WorkerStoppedError,
)
from progresswidget.protocol import TERMINAL
from progresswidget.told import describe

if TYPE_CHECKING:
    from progresswidget.job import Job
    from progresswidget.protocol import Json

FAILED: Final = 1
_LOOK: Final = 0.25
"""Seconds between two looks at the memory."""
_FAR_BEYOND: Final = 1.5
"""So many times the limit is not waited for: a step that does not end would take the machine."""
_LAST: Final = 10.0
"""Seconds that one has beyond its time to say so."""
_ALONE: Final = 600.0
"""Seconds for which a worker that is paused waits for its server to come back."""
_TRIES: Final = 5


def convert(order: Json) -> int:
    """Do what the server has ordered, and return the exit code.

    Parameters
    ----------
    order
        ``report``: the first report of the job; ``source`` and ``target``: absolute paths without
        a symbolic link; ``format``, ``overwrite`` and ``options``; ``nice``; ``memory`` and
        ``size``: bytes, and ``seconds``, each 0 for no limit.
    """
    with suppress(OSError):
        os.nice(order["nice"])
    _bound(order["size"], order["seconds"])
    try:
        job = _begin(order)
    except Exception as error:  # noqa: BLE001 - whatever it is, the person is told
        _tell(order["report"], error)
        return FAILED
    signal.signal(signal.SIGTERM, lambda *_: _halt(job, WorkerStoppedError))
    watch = threading.Thread(
        target=_watch, args=(job, order["memory"], order["seconds"]), daemon=True
    )
    watch.start()
    try:
        job.result()
    except Exception:  # noqa: BLE001 - the job has told it
        return FAILED
    return 0


def _bound(size: int, seconds: float, last: float = _LAST) -> None:
    """Let the system keep to the limits, for a step that does not end hears of nothing."""
    if size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    if seconds:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # kills, and needs no Python for it
        signal.setitimer(signal.ITIMER_REAL, seconds + last)


def _begin(order: Json) -> Job:
    from progresswidget.behalf import begin_for
    from progresswidget.export.pipeline import Export
    from progresswidget.export.sources.files import Exactly

    source, target = order["source"], order["target"]
    _require_straight(source, os.path.dirname(target))  # noqa: PTH120 - as realpath has it
    if Path(target).is_symlink():
        raise SourceError(f"{Path(target).name!r} has become a symbolic link.")
    work = Export(
        Exactly(source),
        target,
        format=order["format"] or None,
        overwrite=order["overwrite"],
        options=order["options"],
    )
    report = order["report"]
    return begin_for(work, report["taskId"], report["generation"])


def _require_straight(*paths: str) -> None:
    # The server has looked, and somebody may have put a link in the way since.
    for path in paths:
        if os.path.realpath(path) != path:
            raise SourceError(f"A symbolic link leads to {Path(path).name!r}.")


def _halt(job: Job, kind: Any) -> None:
    from progresswidget.behalf import halt

    halt(job, kind)


def _watch(job: Job, memory: int, seconds: float) -> None:
    from progresswidget.behalf import silence

    end = time.monotonic() + seconds if seconds else float("inf")
    while job.state not in TERMINAL:
        taken = taken_memory()
        if memory and taken > memory:
            _halt(job, MemoryLimitError)
            if taken > _FAR_BEYOND * memory:
                os.kill(os.getpid(), signal.SIGKILL)
        elif time.monotonic() > end:
            _halt(job, TimeLimitError)
        elif job.state == "paused" and silence() > _ALONE:
            # Nobody is there who could resume it; the server that comes can have it run again.
            _halt(job, WorkerStoppedError)
        time.sleep(_LOOK)


def taken_memory() -> int:
    """Return the bytes of memory that this process has for itself."""
    try:
        _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:  # no Linux: the most that it ever had
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return (int(resident) - int(shared)) * resource.getpagesize()


def _tell(report: Json, error: Exception) -> None:
    """Report what came before there was a job that could."""
    if isinstance(error, ImportError) and not isinstance(error, ProgressWidgetError):
        told = {
            "code": "missing-extra",
            "message": f"The server has no export engine: {error}.",
            "hint": "pip install progresswidget",
        }
    else:
        told = describe(error) or {}
    failed = {
        **report,
        "status": "failed",
        "revision": report["revision"] + 1,
        "pid": os.getpid(),
        "ended": round(time.time() * 1000),
        "error": told,
    }
    for attempt in range(_TRIES):
        endpoint = Endpoint.find()
        if endpoint is None:
            return
        connection = Connection(endpoint)
        try:
            connection.report(failed)
        except ReportRefusedError:
            return
        except ServerUnreachableError:
            time.sleep(0.2 * 2**attempt)
        else:
            return
        finally:
            connection.close()

"""What a worker was doing when it was ended by SIGTERM, as `multiprocessing` ends its pools.

A pool does not wait for its workers: each is ended wherever it is, and one that waits for its next
task, or is about to end by itself, has lost nothing. Nothing of Python runs then, but
`faulthandler` writes the calls down from within the handler of the signal, and lets the signal end
the process as ever.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

_STATUS: Final = Path("/proc/self/status")
_CAUGHT: Final = re.compile(r"^SigCgt:\s*([0-9a-f]+)$", re.MULTILINE)
"""The signals that have a handler, in proc_pid_status(5)."""
_CALL: Final = re.compile(rb'^  File "(.*)", line \d+ in (.*)$', re.MULTILINE)
_LOOP: Final = (b"/multiprocessing/pool.py", b"worker")
"""The loop of a worker of a pool: it gets tasks and puts results."""
_END: Final = (b"/multiprocessing/util.py", b"_exit_function")
"""What a process of `multiprocessing` does when all is done, whatever that calls."""
_BOTTOM: Final = (b"/multiprocessing/process.py", b"_bootstrap")
"""What such a process begins and ends with."""
_OWN: Final = re.compile(
    rb"/multiprocessing/(connection|process|queues|reduction|synchronize|util)\.py$"
)
"""What these call themselves."""

_file: IO[bytes] | None = None


def leave_word(path: Path) -> None:
    """Have the calls of this process written behind what is in a file if SIGTERM ends it.

    Where the signal has a handler already, it is left alone; so is a process that is no worker.

    Parameters
    ----------
    path
        Of the file; a later one takes its place.
    """
    global _file  # noqa: PLW0603 - one for the signal of a process
    if not _is_worker() or (_file is None and _is_caught()):
        return
    with suppress(OSError, ValueError):
        file = path.open("ab", buffering=0)
        faulthandler.register(signal.SIGTERM, file, all_threads=False, chain=True)
        if _file is not None:
            _file.close()
        _file = file


def was_idle(word: bytes) -> bool:
    """Say whether a process had no task of its pool any more, by the word that it has left.

    A pool that ends lets its workers end by themselves, too: one may be on its way already.
    """
    at_work = False
    for file, function in _CALL.findall(word):
        if _is(file, function, _END):
            return True
        if _is(file, function, _LOOP) or _is(file, function, _BOTTOM):
            return not at_work
        at_work |= _OWN.search(file) is None
    return False


def _is(file: bytes, function: bytes, place: tuple[bytes, bytes]) -> bool:
    return bool(file.endswith(place[0]) and function == place[1])


def _is_worker() -> bool:
    multiprocessing: Any = sys.modules.get("multiprocessing")
    return multiprocessing is not None and multiprocessing.parent_process() is not None


def _is_caught() -> bool:
    """Say whether SIGTERM has a handler, or nobody knows: that of C is not known to `signal`."""
    if not hasattr(faulthandler, "register"):
        return True
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return True
    try:
        found = _CAUGHT.search(_STATUS.read_text(errors="replace"))
    except OSError:
        return True
    return found is None or bool(int(found[1], 16) & (1 << (signal.SIGTERM - 1)))


def _forget() -> None:
    """Leave no word in a child of the worker."""
    global _file  # noqa: PLW0603
    if _file is not None:
        faulthandler.unregister(signal.SIGTERM)
        _file.close()
        _file = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

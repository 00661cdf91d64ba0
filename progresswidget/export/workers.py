"""Threads that work for an export and stand in nobody's way: long turns, and pauses for the GIL.

Linux lets a thread that has just begun its turn go on until the turn is over, some 3 ms, whoever
wakes meanwhile: a kernel's main thread, and the notebook server, then waited for 2 to 4 ms beside
encoders that keep each processor busy. One that asked for a longer turn than theirs may be
interrupted at once; its share of the processor stays the same. A lower priority would take the
share of encoders beside other work, and all of Python would wait for whoever holds the GIL and is
not let run: beside two processes that kept both cores busy, an XLSX export with a nice value of 10
took 6.6 times as long, and the 99th percentile of a ticker was 13 ms instead of 6.

Measured beside three million rows as Parquet (``ticker.py``, three runs), the 99th percentile of
what a process of 1 kHz sleeps too long: 2.8 to 3.3 ms with usual turns and 1.1 to 2.7 ms so; in the
kernel itself, where there is the GIL to wait for too, 2.9 to 3.6 and 2.5 to 2.8 ms.

A thread that waits for the GIL is woken when another one lets go of it, and finds it taken again:
between two calls into Arrow or polars an encoder needs it back after a few microseconds, sooner
than the other one has begun to run. As each of these wake-ups also begins the wait of
``sys.setswitchinterval`` anew, the main thread got it when the encoder had nothing more to do in
Python, 2 to 4 ms later. So where Python goes from column to column the threads `give_way`: they
sleep for a moment without the GIL, and whoever was woken has it.

What is left is mostly the scheduler's. Whoever has run for a moment and then waits for the GIL is
in debt when it is woken: Linux lets it in on an encoder's processor at the next tick only, up to
4 ms later, also where the other one is free. One in six ticks waits for the GIL, one in a hundred
so. A shorter `sys.setswitchinterval`, larger units, smaller pieces, turns of other lengths,
SCHED_BATCH and a sleep before each long call changed nothing of that. ``sched_yield`` there is
worse than nothing: it gives up the rest of a turn each time, and beside two busy processes an XLSX
export took 24 s instead of 1.7, or 2.8 with turns of 1 ms.

Source: sched_setattr(2), ``sched_runtime``, which is the length of a turn for ordinary threads
since Linux 6.12; `EEVDF <https://docs.kernel.org/scheduler/sched-eevdf.html>`_.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache
from threading import Thread, current_thread, local, main_thread
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TURN: Final = 50_000_000
"""Length of a turn, in nanoseconds; Linux takes 0.1 to 100 ms."""
STRETCH: Final = 300e-6
"""Seconds of Python after which a thread gives way."""
PAUSE: Final = 50e-6
"""Seconds that it gives; with Linux' slack of timers they are about twice as many."""
_CALLS: Final = {"x86_64": (314, 315), "aarch64": (274, 275), "riscv64": (274, 275)}
"""The numbers of sched_setattr and sched_getattr, for which the C library has no function."""
_ORDINARY: Final = {0, 3}
"""SCHED_OTHER and SCHED_BATCH: what a turn is for the others, it does not tell."""


class Worker(Thread):
    """A daemon thread that works for an export.

    Parameters
    ----------
    target
        What it does.
    name
        What it is for; its name begins with ``progresswidget-``.
    args
        What `target` is called with.
    beside
        Whether the main thread has other things to do meanwhile, and is to be given way to; by
        default as for the thread that makes this one.
    """

    def __init__(
        self,
        target: Callable[..., object],
        name: str,
        args: Iterable[Any] = (),
        *,
        beside: bool | None = None,
    ) -> None:
        super().__init__(target=target, name=f"progresswidget-{name}", args=args, daemon=True)
        self._beside = _is_beside() if beside is None else beside

    def run(self) -> None:
        """Ask for long turns, and work."""
        _here.beside = self._beside
        take_long_turns()
        super().run()


def give_way() -> None:
    """Let whoever waits for the GIL have it, if this thread has been in Python for a while.

    To be called where Python works for more than `STRETCH` without a long call into a library.
    """
    now = perf_counter()
    if now - getattr(_here, "since", 0.0) < STRETCH:
        return
    if _is_beside():
        sleep(PAUSE)
        now = perf_counter()
    _here.since = now


def _is_beside() -> bool:
    beside: bool | None = getattr(_here, "beside", None)
    if beside is None:  # a thread that is not ours
        beside = _here.beside = current_thread() is not main_thread()
    return beside


def take_long_turns() -> bool:
    """Let the calling thread have long turns; say whether it has, which only some systems allow."""
    if sys.platform != "linux" or (calls := _CALLS.get(platform.machine())) is None:
        return False
    set_, get = calls
    attributes = _Attributes()
    size = ctypes.sizeof(attributes)
    if _library().syscall(get, 0, ctypes.byref(attributes), size, 0):
        return False
    if attributes.policy not in _ORDINARY:
        return False
    attributes.runtime = TURN
    return not _library().syscall(set_, 0, ctypes.byref(attributes), 0)


class _Attributes(ctypes.Structure):
    """struct sched_attr of its first size, which each Linux since 3.14 takes."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


_here: Final = local()


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)

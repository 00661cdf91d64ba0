"""Threads that work for an export in long turns, so that whoever else wakes need not wait.

Linux lets a thread that has just begun its turn go on until the turn is over, some 3 ms, whoever
wakes meanwhile: a kernel's main thread, and the notebook server, then waited for 2 to 4 ms beside
encoders that keep each processor busy. One that asked for a longer turn than theirs may be
interrupted at once; its share of the processor stays the same. A lower priority would take the
share of encoders beside other work.

Measured beside three million rows as Parquet (``ticker.py``), the 99th percentile of what a process
of 1 kHz sleeps too long: 3.4 ms with usual turns and 2.0 ms so; in the kernel itself, where there
is the GIL to wait for too, 4.2 and 3.9 ms.

Source: sched_setattr(2), ``sched_runtime``, which is the length of a turn for ordinary threads
since Linux 6.12; `EEVDF <https://docs.kernel.org/scheduler/sched-eevdf.html>`_.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TURN: Final = 50_000_000
"""Length of a turn, in nanoseconds; Linux takes 0.1 to 100 ms."""
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
    """

    def __init__(self, target: Callable[..., object], name: str, args: Iterable[Any] = ()) -> None:
        super().__init__(target=target, name=f"progresswidget-{name}", args=args, daemon=True)

    def run(self) -> None:
        """Ask for long turns, and work."""
        take_long_turns()
        super().run()


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


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)

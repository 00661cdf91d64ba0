"""Whether what a thread makes is still wanted: slow encoders ask between two pieces.

Nothing can stop a thread in native code, and the interpreter cannot end before it comes back. What
takes many seconds in one piece would hold up a kernel's restart, for which Jupyter allows five.
"""

from __future__ import annotations

from concurrent.futures import CancelledError
from threading import Event, local

_thread = local()


def until(over: Event) -> None:
    """Let what the calling thread makes be unwanted as soon as `over` is set."""
    _thread.over = over


def check() -> None:
    """Raise an error if what the calling thread makes is unwanted.

    Raises
    ------
    CancelledError
        If nobody will take it.
    """
    over: Event | None = getattr(_thread, "over", None)
    if over is not None and over.is_set():
        raise CancelledError

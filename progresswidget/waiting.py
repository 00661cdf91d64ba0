"""A wait without end that Ctrl-C ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading

LOOK: Final = 0.1
"""Seconds between two looks at what is waited for."""


def wait(event: threading.Event, timeout: float | None = None) -> bool:
    """Wait for an event, and return whether it has come.

    A wait without end cannot be interrupted once a library has put its own handler in the place of
    Python's (polars does): the system restarts it. A look now and then lets Ctrl-C through.

    Parameters
    ----------
    event
        What is waited for.
    timeout
        Seconds; None for without end.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while not event.is_set():
        left = LOOK if deadline is None else deadline - time.monotonic()
        if left <= 0:
            return False
        event.wait(min(left, LOOK))
    return True

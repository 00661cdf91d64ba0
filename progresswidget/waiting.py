"""A wait without end that Ctrl-C ends."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
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


async def wait_async(event: asyncio.Event) -> None:
    """Wait for an event of an event loop.

    ipykernel takes note of Ctrl-C, or ■, and does not wake its loop for that: it would be obeyed
    when the event has come. A look now and then wakes the loop.
    """
    while not event.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), LOOK)

"""The end of tasks that run until they are cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


async def end(tasks: Iterable[asyncio.Task[Any]], patience: float) -> None:
    """Cancel tasks, and wait until they have ended; what they raise is of no interest any more.

    Parameters
    ----------
    tasks
        What is to end.
    patience
        Seconds that a task gets to clean up. The client library of Redis swallows a cancellation at
        some moments, and the task goes on: after that time it is told again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=patience)
        await asyncio.gather(*done, return_exceptions=True)

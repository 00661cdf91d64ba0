"""How much is copied and hashed at a time.

More threads at work than there are processors make none of them faster, and the event loop wait for
a processor. Threads that wait for a disk are another matter: there may be as many as are asked for.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")

_LEAST: Final = 2
"""Calls at a time on a machine with one processor: one may wait for the disk."""
_PATIENCE: Final = 0.1
"""Seconds after which those before are taken to wait for a disk: no block takes that long."""


class CapacityLimiter:
    """Lets as many calls keep a processor busy as there are processors, in the order they come.

    Parameters
    ----------
    more
        Where those run that wait for too long.
    most
        Calls at a time.
    patience
        Seconds that a call waits for those before it.
    """

    def __init__(
        self, more: Executor, *, most: int | None = None, patience: float = _PATIENCE
    ) -> None:
        self._most = max(_LEAST, _processors()) if most is None else most
        # Whoever ends a call begins the next, without a trip to the event loop between them.
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="progresswidget-block")
        self._more = more
        self._patience = patience
        self._asked = 0

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """Return what a call returns, which runs in a thread."""
        begun = self._threads.submit(call, *arguments)
        done = asyncio.wrap_future(begun)
        must_wait = self._asked >= self._most
        self._asked += 1
        try:
            if must_wait:
                await asyncio.wait((done,), timeout=self._patience)
                if not done.done() and begun.cancel():
                    loop = asyncio.get_running_loop()
                    return await loop.run_in_executor(self._more, call, *arguments)
            return await done
        except asyncio.CancelledError:
            begun.cancel()
            raise
        finally:
            self._asked -= 1

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not everywhere
        return os.cpu_count() or 1

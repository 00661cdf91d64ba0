"""How many calls keep a processor busy at a time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from jupyter_server_ext.uploads.capacity import CapacityLimiter

if TYPE_CHECKING:
    from collections.abc import Iterator

FOREVER = 60.0
"""Seconds: more than any of these tests may take."""


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_no_more_calls_than_processors_run_at_once_and_in_the_order_they_come(
    threads: ThreadPoolExecutor,
) -> None:
    lock = threading.Lock()
    running: set[int] = set()
    most = 0
    began: list[int] = []

    def call(number: int) -> int:
        nonlocal most
        with lock:
            running.add(number)
            began.append(number)
            most = max(most, len(running))
        threading.Event().wait(0.002)
        with lock:
            running.remove(number)
        return number

    async def main() -> list[int]:
        limiter = CapacityLimiter(threads, most=3, patience=FOREVER)
        return await asyncio.gather(*(limiter.run(call, number) for number in range(60)))

    assert asyncio.run(main()) == list(range(60))
    assert most == 3
    # Of those that run side by side either may be the first to take the lock.
    assert all(abs(place - number) < 3 for place, number in enumerate(began))


def test_who_waits_for_calls_that_wait_for_a_disk_goes_ahead(threads: ThreadPoolExecutor) -> None:
    disk = threading.Event()

    async def main() -> str:
        limiter = CapacityLimiter(threads, most=2, patience=0.01)
        slow = [asyncio.create_task(limiter.run(disk.wait, FOREVER)) for _ in range(2)]
        try:
            answer = await limiter.run(str, "done")
            assert not disk.is_set()
        finally:
            disk.set()
        assert await asyncio.gather(*slow) == [True, True]
        return answer

    assert asyncio.run(main()) == "done"


def test_a_call_that_fails_gives_its_place_back(threads: ThreadPoolExecutor) -> None:
    async def main() -> None:
        limiter = CapacityLimiter(threads, most=1, patience=FOREVER)
        for _ in range(3):
            with pytest.raises(ValueError, match="invalid literal"):
                await limiter.run(int, "no number")
        assert await limiter.run(int, "7") == 7

    asyncio.run(main())

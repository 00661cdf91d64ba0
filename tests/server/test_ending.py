"""Tasks end, also those that do not hear it at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_server_ext.ending import end

if TYPE_CHECKING:
    from conftest import Server


class Deaf:
    """Works until it is cancelled for the second time, as a client library may make of the first.

    The first hits it within a call of the library, which takes it for a time-out of its own.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.told = 0

    async def run(self) -> None:
        while self.told < 2:
            try:
                self.begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.told += 1


async def test_what_swallows_a_cancellation_is_told_again() -> None:
    deaf = Deaf()
    tasks = [asyncio.create_task(deaf.run()), asyncio.create_task(asyncio.sleep(0))]
    await deaf.begun.wait()
    await asyncio.wait_for(end(tasks, 0.01), 60)
    assert deaf.told == 2
    assert all(task.done() for task in tasks)


async def test_who_cleans_up_is_left_in_peace_and_what_it_raises_is_let_go() -> None:
    begun, cleaned = asyncio.Event(), []

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            cleaned.append(True)
            raise OSError("the disk is full")

    task = asyncio.create_task(work())
    await begun.wait()
    await end([task], 60)
    assert cleaned == [True]
    assert isinstance(task.exception(), OSError)


async def test_a_server_ends_although_a_task_swallows_the_first(server: Server) -> None:
    deaf = Deaf()
    server.extension._spawn(deaf.run())
    await deaf.begun.wait()
    await asyncio.wait_for(server.extension.stop_extension(), 60)
    assert deaf.told == 2

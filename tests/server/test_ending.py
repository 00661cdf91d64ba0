"""Tasks end, also those that do not hear it at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from jupyter_server_ext.conversions import registry
from jupyter_server_ext.ending import end

if TYPE_CHECKING:
    from conftest import Server


class Deaf:
    """Works until it is cancelled for the second time, as a client library may make of the first.

    The first hits it within a call of the library, which takes it for a time-out of its own.
    """

    def __init__(self, hears: int = 2) -> None:
        self.begun = asyncio.Event()
        self.told = 0
        self._hears = hears

    async def run(self) -> None:
        while self.told < self._hears:
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


async def test_conversions_end_although_one_swallows_it_again_and_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_SUFFICES", 0.01)
    deaf = Deaf(hears=4)
    server.services.conversions._spawn(deaf.run())
    await deaf.begun.wait()
    await asyncio.wait_for(server.services.conversions.stop(), 60)
    assert deaf.told == 4


async def test_who_ends_conversions_can_be_ended_too(server: Server) -> None:
    deaf = Deaf(hears=3)
    task = server.services.conversions._spawn(deaf.run())
    await deaf.begun.wait()
    stopping = asyncio.create_task(server.services.conversions.stop())
    await asyncio.sleep(0)  # now it waits
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await end([task], 0.01)

"""Row 51 of the fault matrix: connections that are reset while a job goes on."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest
from page_twin import Followed

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Server
    from tornado.websocket import WebSocketClientConnection

    from progresswidget.protocol import Json


def reset(page: WebSocketClientConnection) -> None:
    """Cut without a goodbye: the other side gets a RST, and what is on its way is lost."""
    stream: Any = page.protocol.stream  # type: ignore[union-attr]
    linger = struct.pack("ii", 1, 0)
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    stream.close()


class Burst:
    """A job that changes all the time, and a page that is cut off again and again."""

    def __init__(self, server: Server, body: Json) -> None:
        self.server = server
        self.body = body
        self.truth: dict[int, Json] = {}
        self.followed = Followed(body["taskId"])
        self.seen: list[tuple[int, Json]] = []
        self.anew = 0

    async def go_on(self, events: int) -> None:
        """Let the job change; each change is told at once."""
        services = self.server.services
        for revision in range(2, events + 2):
            status = ("running", "paused")[revision % 2] if revision <= events else "cancelled"
            change = {"revision": revision, "rows": revision, "status": status}
            await services.registry.report(self.body | change)
            topic = services.hub.topic(self.body["taskId"])
            assert topic is not None
            self.truth[topic.seq] = topic.data
            await asyncio.sleep(0.002)

    async def connect(self, messages: int) -> None:
        """Ask for what was missed, read a few messages, and be cut off."""
        page = await self.server.connect()
        self.followed.disconnected()
        ask = {"type": "subscribe", "id": 1, "data": {"tasks": [self.followed.position]}}
        await page.write_message(json.dumps(ask))
        for _ in range(messages):
            if not self.is_over:
                self._take(json.loads(await asyncio.wait_for(page.read_message(), 30) or ""))
        reset(page)

    @property
    def is_over(self) -> bool:
        record = self.followed.record
        return record is not None and record["status"] == "cancelled"

    def _take(self, message: Json) -> None:
        if message["type"] == "hello":
            return
        for effect in self.followed.apply(message):
            if effect["type"] == "subscribed":
                self.anew += 1
            else:
                self.seen.append((effect["seq"], effect["data"]))


@pytest.mark.parametrize("events", [150, pytest.param(1_000, marks=pytest.mark.faults)])
async def test_resets_in_a_burst_lose_and_repeat_nothing(
    server: Server, report: Callable[..., Json], events: int
) -> None:
    body, hub = report(), server.services.hub
    await server.reported(body)
    burst, resets = Burst(server, body), 0
    going = asyncio.ensure_future(burst.go_on(events))
    chance = random.Random(51)
    while not burst.is_over:
        await burst.connect(chance.randrange(1, 12))
        resets += 1
    await going
    assert burst.followed.record == await server.job(body["taskId"])
    # What was there at the beginning was told as a whole, and each event from then on once.
    assert burst.anew == 1
    first, last = burst.seen[0][0], max(burst.truth)
    assert burst.seen == [(seq, burst.truth[seq]) for seq in range(first, last + 1)]
    recovered = f"{hub.replayed} recoveries, {hub.snapshots} snapshots"
    print(f"{resets} resets, {len(burst.seen)} events, {recovered}")

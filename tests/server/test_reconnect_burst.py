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


@pytest.mark.parametrize("events", [150, pytest.param(1_000, marks=pytest.mark.faults)])
async def test_resets_in_a_burst_lose_and_repeat_nothing(
    server: Server, report: Callable[..., Json], events: int
) -> None:
    body, registry, hub = report(), server.services.registry, server.services.hub
    task_id = body["taskId"]
    await server.reported(body)
    truth: dict[int, Json] = {}
    chance = random.Random(51)

    async def go_on() -> None:
        for revision in range(2, events + 2):
            status = ("running", "paused")[revision % 2]  # each change is told at once
            if revision == events + 1:
                status = "cancelled"
            change = {"revision": revision, "rows": revision, "status": status}
            await registry.report(body | change)
            topic = hub.topic(task_id)
            assert topic is not None
            truth[topic.seq] = topic.data
            await asyncio.sleep(0.002)

    going = asyncio.ensure_future(go_on())
    followed, anew, resets = Followed(task_id), 0, 0
    seen: list[tuple[int, Json]] = []
    while not going.done() or followed.seq < max(truth):
        page = await server.connect()
        followed.disconnected()
        ask = {"type": "subscribe", "id": 1, "data": {"tasks": [followed.position]}}
        await page.write_message(json.dumps(ask))
        for _ in range(chance.randrange(1, 12)):
            if going.done() and not followed.awaiting and followed.seq >= max(truth):
                break
            message = json.loads(await asyncio.wait_for(page.read_message(), 30) or "")
            if message["type"] == "hello":
                continue
            for effect in followed.apply(message):
                if effect["type"] == "subscribed":
                    anew += 1
                else:
                    seen.append((effect["seq"], effect["data"]))
        reset(page)
        resets += 1
    await going
    assert followed.record == await server.job(task_id)
    # What was there at the beginning was told as a whole, and each event from then on once.
    assert anew == 1
    assert seen == [(seq, truth[seq]) for seq in range(seen[0][0], max(truth) + 1)]
    recovered = f"{hub.replayed} recoveries, {hub.snapshots} snapshots"
    print(f"{resets} resets, {len(seen)} events, {recovered}")

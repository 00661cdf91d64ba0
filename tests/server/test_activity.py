"""Moving bytes count as use, for a while."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jupyter_server_ext.streaming.activity import Activity

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_transfer_is_noted_and_not_for_ever() -> None:
    now, notes = [1000.0], []
    activity = Activity(lambda: notes.append(now[0]), time=lambda: now[0], most=60)
    moved = activity.begin()
    for tick in range(120):
        now[0] = 1000.0 + tick
        moved()
    assert notes == [1000.0 + tick for tick in range(60)]
    # Another transfer has a time of its own.
    activity.begin()()
    assert notes[-1] == 1119.0


def test_what_does_not_move_is_not_noted() -> None:
    notes: list[None] = []
    Activity(lambda: notes.append(None), time=lambda: 0.0, most=60).begin()
    assert notes == []


async def fetch_slowly(server: Server, root: Path) -> tuple[datetime, datetime]:
    """Take a part of a download; return the server's last activity before and after the rest."""
    (root / "big.bin").write_bytes(bytes(60_000_000))
    settings = server.app.web_app.settings
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"GET /user/alice/progresswidget/contents/big.bin HTTP/1.1\r\nHost: 127.0.0.1:"
        f"{server.port}\r\nAuthorization: token 5ECRETt0ken\r\n\r\n".encode()
    )
    await reader.readexactly(1000)
    server.services.sending.activity._time = lambda: 10.0**9
    # jupyter_server itself notes requests, and not what becomes of them.
    for name in ("progresswidget_last_activity", "api_last_activity"):
        settings[name] = LONG_AGO
    before = server.app.web_app.last_activity()
    await reader.readexactly(30_000_000)
    after = server.app.web_app.last_activity()
    writer.close()
    return before, after


@pytest.mark.parametrize("settings", [{"max_awake": 10.0**12}])
async def test_a_download_keeps_the_server_awake(server: Server, root: Path) -> None:
    before, after = await fetch_slowly(server, root)
    assert datetime.now(UTC) - after < timedelta(seconds=60)
    assert after > before


@pytest.mark.parametrize("settings", [{"max_awake": 60.0}])
async def test_a_download_without_end_does_not(server: Server, root: Path) -> None:
    before, after = await fetch_slowly(server, root)
    assert after == before

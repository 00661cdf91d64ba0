"""How far transfers are: what is counted, who is told and when, and what outlives the server."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
import urllib.request
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from frames import message as message_of
from hypothesis import given
from hypothesis import strategies as st

from jupyter_server_ext.hub.hub import Hub
from jupyter_server_ext.hub.subscriber import Subscriber
from jupyter_server_ext.model.spans import MAX_SPANS, merged, prefix, total
from jupyter_server_ext.model.transfer import TOKEN_USER, Record, may_see
from jupyter_server_ext.stores.memory import MemoryStore
from jupyter_server_ext.transfers.registry import Transfers
from progresswidget.protocol import encode, transfer_update

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Process, Server
    from tornado.websocket import WebSocketClientConnection

    Eventually = Callable[..., Awaitable[Any]]

A = "a" * 32


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self._calls: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object:
        self._calls.append((self.now + delay, callback))
        return None

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [call for call in self._calls if call[0] <= self.now]
        self._calls = [call for call in self._calls if call[0] > self.now]
        for _, callback in due:
            callback()


class Place:
    """Transfers with a page of one user that reads everything at once."""

    def __init__(self, viewer: str = "alice", keep: int = 100) -> None:
        self.clock = Clock()
        self.hub = Hub(
            epoch="E",
            interval=0.5,
            clock=self.clock,
            timestamp=lambda: int(self.clock.now * 1000),
        )
        self.store: MemoryStore[Record] = MemoryStore()
        self.transfers = Transfers(
            hub=self.hub, store=self.store, interval=0.5, keep=keep, keep_days=1
        )
        self.page = Subscriber(self.hub, lambda: None)
        self.hub.transfers.watch(self.page, lambda owner: may_see(viewer, owner))

    def begin(self, user: str = "alice", file_id: str = f"{A}/1", **more: Any) -> Any:
        values: dict[str, Any] = {
            "user": user,
            "file_id": file_id,
            "name": "flights.csv",
            "size": 1000,
            "offset": 0,
            "direction": "download",
            "task_id": A,
        }
        return self.transfers.begin(**(values | more))

    def told(self) -> list[dict[str, Any]]:
        frames = []
        while (frame := self.page.take()) is not None:
            message = message_of(frame)
            assert message["type"] == "transfer_update"
            frames.append(message["data"])
        return frames


async def test_progress_is_told_once_an_interval_and_the_end_at_once() -> None:
    place = Place()
    transfer = place.begin()
    (begun,) = place.told()
    assert (begun["offset"], begun["active"], begun["complete"]) == (0, True, False)
    for offset in range(1, 400):
        transfer.moved(offset)
    assert place.told() == []
    place.clock.advance(0.5)
    (moved,) = place.told()
    assert moved == {
        "userId": "alice",
        "fileId": f"{A}/1",
        "offset": 399,
        "timestamp": 100_500,
        "received": 399,
        "size": 1000,
        "name": "flights.csv",
        "direction": "download",
        "taskId": A,
        "active": True,
        "complete": False,
    }
    transfer.moved(1000)
    transfer.end(complete=True)
    (ended,) = place.told()
    assert (ended["offset"], ended["active"], ended["complete"]) == (1000, False, True)
    transfer.end(complete=False)
    place.clock.advance(5)
    assert place.told() == []


async def test_a_page_that_does_not_read_gets_the_newest_only() -> None:
    place = Place()
    transfer = place.begin()
    for step in range(1, 50):
        transfer.moved(step)
        place.clock.advance(0.5)
    assert [data["offset"] for data in place.told()] == [49]


async def test_a_cut_transfer_goes_on_where_it_was() -> None:
    place = Place()
    transfer = place.begin()
    transfer.moved(400)
    transfer.end(complete=False)
    known = place.transfers.get("alice", f"{A}/1")
    assert known is not None
    assert (known["offset"], known["active"], known["complete"]) == (400, False, False)
    rest = place.begin(offset=400)
    rest.moved(1000)
    rest.end(complete=True)
    known = place.transfers.get("alice", f"{A}/1")
    assert known is not None
    assert (known["received"], known["complete"]) == (1000, True)


async def test_four_connections_are_one_transfer() -> None:
    place = Place()
    parts = [place.begin(offset=offset) for offset in (0, 250, 500, 750)]
    for number, part in enumerate(parts):
        part.moved(number * 250 + 100)
    place.clock.advance(1)
    last = place.told()[-1]
    assert (last["offset"], last["received"]) == (100, 400)
    parts[3].moved(1000)
    parts[3].end(complete=True)
    ended = place.told()[-1]
    assert (ended["active"], ended["complete"], ended["received"]) == (True, False, 550)
    for number, part in enumerate(parts[:3]):
        part.moved(number * 250 + 250)
        part.end(complete=True)
    assert place.told()[-1]["complete"] is True


async def test_the_parts_of_one_answer_are_apart() -> None:
    place = Place()
    transfer = place.begin(offset=100)
    transfer.seek(100)
    transfer.moved(200)
    transfer.seek(800)
    transfer.moved(900)
    transfer.end(complete=True)
    known = place.transfers.get("alice", f"{A}/1")
    assert known is not None
    assert (known["offset"], known["received"], known["complete"]) == (0, 200, False)


async def test_another_content_under_the_same_address_begins_anew() -> None:
    place = Place()
    transfer = place.begin(version="1")
    transfer.moved(900)
    transfer.end(complete=False)
    place.begin(version="2").end(complete=False)
    known = place.transfers.get("alice", f"{A}/1")
    assert known is not None
    assert known["received"] == 0


async def test_without_a_length_the_end_is_what_the_sender_says() -> None:
    place = Place()
    transfer = place.begin(size=None)
    transfer.moved(77)
    transfer.end(complete=True)
    assert place.told()[-1]["complete"] is True


async def test_users_hear_of_their_own_transfers_only() -> None:
    place = Place(viewer="bob")
    place.begin("alice").moved(1)
    place.clock.advance(1)
    assert place.told() == []
    assert place.transfers.find("bob") == []
    assert place.transfers.get("bob", f"{A}/1") is None
    place.begin(TOKEN_USER, "x/1").moved(1)
    assert [data["userId"] for data in place.told()] == [TOKEN_USER]
    assert [data["userId"] for data in place.transfers.find("bob")] == [TOKEN_USER]
    assert place.transfers.active("carol") != []
    place.page.close()
    place.begin(TOKEN_USER, "y/1")
    assert place.told() == []


async def test_the_oldest_are_forgotten_but_none_that_moves() -> None:
    place = Place(keep=3)
    moving = place.begin(file_id="moving")
    for number in range(10):
        place.begin(file_id=str(number)).end(complete=False)
    await asyncio.sleep(0)
    await place.transfers.reap()
    names = [record["fileId"] for record in place.transfers.find("alice")]
    assert names == ["9", "8", "moving"]
    assert {record.file_id for record in await place.store.load()} == set(names)
    place.clock.advance(90_000)
    await place.transfers.reap()
    assert [record["fileId"] for record in place.transfers.find("alice")] == ["moving"]
    moving.end(complete=True)


async def test_a_server_after_this_one_knows_where_it_stopped() -> None:
    place = Place()
    cut, running = place.begin(file_id="cut"), place.begin(file_id="running")
    cut.moved(10)
    cut.end(complete=False)
    running.moved(20)
    await place.transfers.close()
    after = Transfers(hub=place.hub, store=place.store, interval=0.5, keep=9, keep_days=1)
    await after.load()
    found = {record["fileId"]: record for record in after.find("alice")}
    assert (found["cut"]["offset"], found["running"]["offset"]) == (10, 20)
    assert not any(record["active"] for record in found.values())


GOLDEN = json.loads(
    (Path(__file__).parents[1] / "data" / "protocol" / "server_frames.json").read_text()
)
FRAMES = [row for row in GOLDEN if row["valid"] and "transfer_update" in row["frame"]]


@pytest.mark.parametrize("row", FRAMES, ids=lambda row: str(row["name"]))
def test_the_frames_are_those_that_the_page_is_tested_with(row: dict[str, Any]) -> None:
    message = json.loads(row["frame"])
    data = message["data"]
    whole = data["size"] if data["complete"] else data["received"]
    first = 0 if data["offset"] else 1
    record = Record(
        user=data["userId"],
        file_id=data["fileId"],
        version="",
        name=data["name"],
        size=data["size"],
        direction=data["direction"],
        task_id=data["taskId"],
        timestamp=data["timestamp"],
        spans=((first, first + whole),),
    )
    built = transfer_update(
        data=record.public(active=data["active"]), timestamp=message["timestamp"]
    )
    assert encode(built) == row["frame"]


spans = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=40)


@given(spans)
def test_merged_spans_hold_the_same_bytes(given_spans: list[tuple[int, int]]) -> None:
    held = {byte for first, end in given_spans for byte in range(first, end)}
    found = merged(given_spans)
    assert {byte for first, end in found for byte in range(first, end)} == held
    assert total(found) == len(held)
    for (_, end), (first, _) in pairwise(found):
        assert end < first
    missing = next(byte for byte in range(400) if byte not in held)
    assert prefix(found) == missing


def test_of_too_many_spans_the_longest_are_kept() -> None:
    found = merged([(0, 1000), *((2000 + 10 * n, 2000 + 10 * n + 5) for n in range(200))])
    assert len(found) == MAX_SPANS
    assert prefix(found) == 1000


# --- Through a real server -------------------------------------------------------------------


async def read(page: WebSocketClientConnection, kind: str) -> dict[str, Any]:
    while True:
        frame = await asyncio.wait_for(page.read_message(), 30)
        assert isinstance(frame, str)
        message = json.loads(frame)
        if message["type"] == kind:
            data: dict[str, Any] = message["data"]
            return data


async def known(server: Server, path: str) -> dict[str, Any]:
    response = await server.fetch(f"api/transfers{path}")
    assert response.code == 200, response.body
    record: dict[str, Any] = json.loads(response.body)
    return record


async def test_a_download_is_told_to_the_page_and_known_to_the_client(
    server: Server, root: Path
) -> None:
    path = root / "flights.csv"
    path.write_bytes(bytes(3_000_000))
    record = await server.publish(path)
    page = await server.connect()
    await read(page, "hello")
    missing = await server.fetch(f"api/transfers/{record['taskId']}/1")
    assert missing.code == 404
    assert b"transfer-not-found" in missing.body
    part = await server.fetch(record["url"], headers={"Range": "bytes=0-999999"})
    assert part.code == 206
    data = await read(page, "transfer_update")
    while data["active"]:
        data = await read(page, "transfer_update")
    assert (data["taskId"], data["offset"], data["size"]) == (
        record["taskId"],
        1_000_000,
        3_000_000,
    )
    where = await known(server, f"/{record['taskId']}/1")
    assert (where["offset"], where["complete"]) == (1_000_000, False)
    rest = await server.fetch(record["url"], headers={"Range": f"bytes={where['offset']}-"})
    assert len(part.body) + len(rest.body) == 3_000_000
    assert (await known(server, f"/{record['taskId']}/1"))["complete"] is True
    (listed,) = await known(server, "")  # type: ignore[misc]
    assert listed["fileId"] == f"{record['taskId']}/1"


async def test_a_client_that_leaves_is_known_to_have_stopped(
    server: Server, root: Path, eventually: Eventually
) -> None:
    path = root / "big.bin"
    path.write_bytes(bytes(60_000_000))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"GET /user/alice/progresswidget/contents/big.bin HTTP/1.1\r\nHost: 127.0.0.1:"
        f"{server.port}\r\nAuthorization: token 5ECRETt0ken\r\n\r\n".encode()
    )
    await reader.readexactly(1_000_000)

    # A page that comes only now is told what goes on.
    page = await server.connect()
    assert (await read(page, "transfer_update"))["active"] is True
    writer.transport.abort()

    async def stopped() -> bool:
        return not (await known(server, "/contents/big.bin"))["active"]

    await eventually(stopped)
    record = await known(server, "/contents/big.bin")
    assert 900_000 < record["offset"] < 60_000_000
    assert record["complete"] is False


async def test_limits_are_read_and_set_while_the_server_runs(server: Server) -> None:
    response = await server.fetch("api/limits")
    assert json.loads(response.body) == {"transfer": 0, "user": 0, "server": 0, "burst": 0.25}
    response = await server.fetch("api/limits", method="PUT", body='{"server": 5e6, "user": 1e6}')
    assert response.code == 200
    assert server.services.shaper.rates.server == 5e6
    server.extension.transfer_rate = 7000.0
    assert server.services.shaper.rates.transfer == 7000.0


NONSENSE = [
    "",
    "[]",
    "{}",
    '{"server": -1}',
    '{"server": "1"}',
    '{"server": true}',
    '{"server": NaN}',
    '{"server": 1e400}',
    '{"burst": 0}',
    '{"burst": 61}',
    '{"rate": 1}',
    '{"server": 1, "x": 1}',
]


async def test_nonsense_sets_no_limit(server: Server) -> None:
    before = server.services.shaper.rates
    for body in NONSENSE:
        response = await server.fetch("api/limits", method="PUT", body=body)
        assert response.code == 400, body
        assert server.services.shaper.rates == before


@pytest.mark.parametrize("settings", [{"server_rate": 2e6}])
async def test_the_set_rate_is_held_and_lifted_in_the_middle(server: Server, root: Path) -> None:
    path = root / "big.bin"
    path.write_bytes(bytes(60_000_000))
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"GET /user/alice/progresswidget/contents/big.bin HTTP/1.1\r\nHost: 127.0.0.1:"
        f"{server.port}\r\nAuthorization: token 5ECRETt0ken\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    start = loop.time()
    await reader.readexactly(2_000_000)
    took = loop.time() - start
    assert took > 0.7  # a quarter of a second may come at once
    assert (await server.fetch("api/limits", method="PUT", body='{"server": 0}')).code == 200
    await reader.readexactly(50_000_000)
    assert loop.time() - start - took < 20, "at the old rate it would be 25 seconds"
    writer.close()


def test_a_server_that_was_killed_in_the_middle_knows_where_it_stopped(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    first = start("--ProgressExtension.push_interval=0.05")
    with (tmp_path / "root" / "big.bin").open("wb") as file:
        file.truncate(2_000_000_000)
    request = urllib.request.Request(
        f"{first.url}contents/big.bin", headers={"Authorization": f"token {first.token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read(20_000_000)
        end = time.monotonic() + 30
        with closing(sqlite3.connect(first.endpoint.parent / "transfers.sqlite")) as database:
            kept: list[list[int]] = []
            while not kept or kept[0][1] < 10_000_000:
                assert time.monotonic() < end
                answer.read(100_000)
                rows = database.execute("SELECT record FROM transfers").fetchall()
                kept = json.loads(rows[0][0])["spans"] if rows else []
        first.stop(signal.SIGKILL)
    record = start().request("api/transfers/contents/big.bin")
    assert 10_000_000 < record["offset"] < 2_000_000_000
    assert (record["active"], record["complete"]) == (False, False)

"""``uploads`` on the wire: cut, stalled, doubled, malformed and hostile bodies, byte by byte."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from conftest import Server

    Eventually = Callable[..., Awaitable[Any]]

CONTENT = os.urandom(3_000_000)
OCTETS = "application/offset+octet-stream"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        found: str = json.loads(self.body)["code"]
        return found


@dataclass
class Wire:
    """One connection, written to by hand."""

    server: Server
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self, method: str, path: str, *, token: bool = True, **headers: object) -> None:
        """Send the head of a request, and nothing else."""
        fields = {"Host": f"127.0.0.1:{self.server.port}", "Tus-Resumable": "1.0.0"}
        if token:
            fields["Authorization"] = f"token {self.server.app.identity_provider.token}"
        fields |= {name.replace("_", "-"): str(value) for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in fields.items()]
        target = f"/user/alice/progresswidget/uploads/{path}"
        await self.send("\r\n".join((f"{method} {target} HTTP/1.1", *lines, "", "")).encode())

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def patch(self, upload: str, offset: int, length: int, **headers: object) -> None:
        fields = {"Upload_Offset": offset, "Content_Type": OCTETS, "Content_Length": length}
        await self.head("PATCH", upload, **(fields | headers))

    async def answer(self, *, within: float = 20) -> Answer:
        """Read one answer."""
        async with asyncio.timeout(within):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin1")
            first, *lines = head.strip().split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), headers, body)

    async def closed(self, *, within: float = 20) -> bool:
        """Say whether the server ends the connection with nothing more to say."""
        async with asyncio.timeout(within):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    def cut(self, *, reset: bool = False) -> None:
        """End the connection: with FIN, or with RST."""
        if reset:
            option = struct.pack("ii", 1, 0)
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        self.writer.transport.abort() if reset else self.writer.close()


@dataclass
class Wires:
    """Connections to one server, and uploads to send over them."""

    server: Server
    wires: list[Wire] = field(default_factory=list)

    async def __call__(self) -> Wire:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self.wires.append(Wire(self.server, reader, writer))
        return self.wires[-1]

    async def close(self) -> None:
        for wire in self.wires:
            wire.writer.close()
            with suppress(ConnectionError):
                await wire.writer.wait_closed()

    async def create(self, length: int = len(CONTENT), name: str = "a.bin") -> str:
        wire = await self()
        meta = f"filename {base64.b64encode(name.encode()).decode()}"
        await wire.head("POST", "", Upload_Length=length, Upload_Metadata=meta, Content_Length=0)
        answer = await wire.answer()
        assert answer.status == 201, answer
        return answer.headers["location"]

    async def offset(self, upload: str) -> int:
        wire = await self()
        await wire.head("HEAD", upload)
        answer = await wire.answer()
        assert answer.status == 200
        return int(answer.headers["upload-offset"])

    async def complete(self, upload: str, root: Path, name: str = "a.bin") -> None:
        """Send what is missing, and look at the result."""
        offset, wire = await self.offset(upload), await self()
        await wire.patch(upload, offset, len(CONTENT) - offset)
        await wire.send(CONTENT[offset:])
        assert (await wire.answer()).status == 204
        assert [path.name for path in root.iterdir()] == [name]
        assert (root / name).read_bytes() == CONTENT


@pytest.fixture
def wires(server: Server, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Wires]:
    opened = Wires(server)
    yield opened
    jp_asyncio_loop.run_until_complete(opened.close())


def staged(root: Path, upload: str) -> int:
    path = root / f".progresswidget-{upload}.upload"
    return path.stat().st_size if path.exists() else -1


def checksum(content: bytes) -> str:
    return f"sha1 {base64.b64encode(hashlib.sha1(content).digest()).decode()}"


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_a_cut_body_is_kept(
    wires: Wires,
    root: Path,
    eventually: Eventually,
    reset: bool,  # noqa: FBT001
) -> None:
    upload = await wires.create()
    wire = await wires()
    await wire.patch(upload, 0, len(CONTENT))
    await wire.send(CONTENT[:700_000])
    await eventually(lambda: staged(root, upload) == 700_000)
    wire.cut(reset=reset)
    assert await wires.offset(upload) == 700_000
    await wires.complete(upload, root)


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_a_cut_body_with_a_checksum_is_dropped(
    wires: Wires,
    root: Path,
    eventually: Eventually,
    reset: bool,  # noqa: FBT001
) -> None:
    upload = await wires.create()
    wire = await wires()
    await wire.patch(upload, 0, 1000, Upload_Checksum=checksum(CONTENT[:1000]))
    await wire.send(CONTENT[:1000])
    assert (await wire.answer()).status == 204
    await wire.patch(upload, 1000, 2_000_000, Upload_Checksum=checksum(CONTENT[1000:2_001_000]))
    await wire.send(CONTENT[1000:701_000])
    await eventually(lambda: staged(root, upload) > 600_000)
    wire.cut(reset=reset)
    assert await wires.offset(upload) == 1000
    await wires.complete(upload, root)


@pytest.mark.parametrize("key", [None, "mine"])
async def test_a_creation_that_was_cut_is_kept_for_who_can_find_it_again(
    wires: Wires, root: Path, eventually: Eventually, key: str | None
) -> None:
    fields: dict[str, object] = {
        "Upload_Length": len(CONTENT),
        "Content_Type": OCTETS,
        "Content_Length": len(CONTENT),
    }
    if key is not None:
        fields["Idempotency_Key"] = key
    wire = await wires()
    await wire.head("POST", "", **fields)
    await wire.send(CONTENT[:700_000])
    await eventually(lambda: any(path.stat().st_size == 700_000 for path in root.iterdir()))
    wire.cut()
    if key is None:
        await eventually(lambda: not list(root.iterdir()))
        return
    wire = await wires()
    await wire.head("POST", "", **fields)
    await wire.send(CONTENT)
    answer = await wire.answer()
    assert (answer.status, answer.headers["upload-offset"]) == (201, "700000")
    assert len(list(root.iterdir())) == 1


@pytest.mark.parametrize("by", ["HEAD", "PATCH"])
async def test_a_newer_request_takes_over_from_a_silent_one(
    wires: Wires, root: Path, eventually: Eventually, by: str
) -> None:
    # The idle time-out is half a minute: nobody may wait for it here.
    upload = await wires.create()
    old = await wires()
    await old.patch(upload, 0, len(CONTENT))
    await old.send(CONTENT[:300_000])
    await eventually(lambda: staged(root, upload) == 300_000)
    new = await wires()
    if by == "HEAD":
        await new.head("HEAD", upload)
        assert (await new.answer()).headers["upload-offset"] == "300000"
    else:
        await new.patch(upload, 300_000, 1000)
        await new.send(CONTENT[300_000:301_000])
        assert (await new.answer()).status == 204
    answer = await old.answer()
    assert (answer.status, answer.code) == (409, "upload-taken-over")
    assert answer.headers["upload-offset"] == "300000"
    assert await old.closed()
    await wires.complete(upload, root)


async def test_a_removal_takes_over_too(wires: Wires, root: Path, eventually: Eventually) -> None:
    upload = await wires.create()
    old = await wires()
    await old.patch(upload, 0, len(CONTENT))
    await old.send(CONTENT[:300_000])
    await eventually(lambda: staged(root, upload) == 300_000)
    new = await wires()
    await new.head("DELETE", upload)
    assert (await new.answer(within=5)).status == 204
    assert (await old.answer(within=5)).status == 409
    assert list(root.iterdir()) == []


async def test_of_simultaneous_requests_at_most_one_counts(wires: Wires, root: Path) -> None:
    upload = await wires.create()
    four = [await wires() for _ in range(4)]
    for wire in four:
        await wire.patch(upload, 0, len(CONTENT))
    senders = [asyncio.ensure_future(wire.send(CONTENT)) for wire in four]
    answers = await asyncio.gather(*(wire.answer() for wire in four), return_exceptions=True)
    await asyncio.gather(*senders, return_exceptions=True)
    statuses = [answer.status for answer in answers if isinstance(answer, Answer)]
    # One that was taken over may find its connection reset; the last one always gets an answer.
    assert statuses.count(204) <= 1
    assert set(statuses) <= {204, 409}
    if statuses.count(204) == 1:
        assert (root / "a.bin").read_bytes() == CONTENT
    else:
        await wires.complete(upload, root)


@pytest.mark.parametrize("settings", [{"upload_idle_timeout": 1.0}])
async def test_a_body_that_stops_coming_is_ended(wires: Wires, root: Path) -> None:
    upload = await wires.create()
    wire = await wires()
    await wire.patch(upload, 0, len(CONTENT))
    await wire.send(CONTENT[:200_000])
    answer = await wire.answer()
    assert (answer.status, answer.code) == (408, "upload-idle")
    assert answer.headers["upload-offset"] == "200000"
    assert await wire.closed()
    await wires.complete(upload, root)


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


async def test_a_body_in_chunks(wires: Wires, root: Path) -> None:
    upload = await wires.create()
    wire = await wires()
    fields = {"Upload_Offset": 0, "Content_Type": OCTETS, "Transfer_Encoding": "chunked"}
    await wire.head("PATCH", upload, **fields)
    await wire.send(chunked(CONTENT[:7], CONTENT[7:2_000_000], CONTENT[2_000_000:]))
    assert (await wire.answer()).status == 204
    assert (root / "a.bin").read_bytes() == CONTENT
    # The connection is good for the next request.
    await wire.head("HEAD", upload)
    assert (await wire.answer()).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"-1\r\nabc\r\n0\r\n\r\n",
        b"3;ext=1\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcX\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"ffffffffffffffff\r\nabc\r\n",
        b"\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
    ],
)
async def test_malformed_chunks_end_the_connection(wires: Wires, body: bytes) -> None:
    upload = await wires.create()
    wire = await wires()
    fields = {"Upload_Offset": 0, "Content_Type": OCTETS, "Transfer_Encoding": "chunked"}
    await wire.head("PATCH", upload, **fields)
    await wire.send(body)
    answer = await wire.answer()
    assert (answer.status, answer.code) == (400, "malformed")
    assert await wire.closed()
    assert await wires.offset(upload) <= 3


async def test_more_chunks_than_there_is_room_for(wires: Wires) -> None:
    upload = await wires.create(10)
    wire = await wires()
    fields = {"Upload_Offset": 0, "Content_Type": OCTETS, "Transfer_Encoding": "chunked"}
    await wire.head("PATCH", upload, **fields)
    await wire.send(chunked(b"12345", b"67890", b"X"))
    answer = await wire.answer()
    assert (answer.status, answer.code) == (413, "too-large")
    assert await wires.offset(upload) == 0


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: -3",
        "Content-Length: +3",
        "Content-Length: 3,3",
        "Content-Length: three",
        "Content-Length: " + "9" * 40,
    ],
)
async def test_a_length_that_can_be_read_in_two_ways(wires: Wires, lines: str) -> None:
    upload = await wires.create()
    wire = await wires()
    token = wires.server.app.identity_provider.token
    await wire.send(
        f"PATCH /user/alice/progresswidget/uploads/{upload} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: token {token}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Content-Type: {OCTETS}\r\n{lines}\r\n\r\nabc".encode()
    )
    assert (await wire.answer()).status == 400
    if lines != "Content-Length: 3,3":  # RFC 9110 section 8.6: this can be read in one way only
        assert await wire.closed()
    assert await wires.offset(upload) == 0


async def test_bytes_beyond_the_body_are_no_part_of_it(wires: Wires, root: Path) -> None:
    upload = await wires.create()
    wire = await wires()
    await wire.patch(upload, 0, 1000)
    await wire.send(CONTENT[:1000] + b"GARBAGE / HTTP/1.1\r\n\r\n")
    assert (await wire.answer()).status == 204
    assert (await wire.answer()).status == 400
    assert await wires.offset(upload) == 1000
    await wires.complete(upload, root)


async def test_many_requests_over_one_connection(wires: Wires, root: Path) -> None:
    upload = await wires.create()
    wire = await wires()
    for offset in range(0, len(CONTENT), 500_000):
        await wire.patch(upload, offset, 500_000)
        await wire.send(CONTENT[offset : offset + 500_000])
        assert (await wire.answer()).status == 204
        # A refusal of something small does not end it either.
        await wire.patch(upload, 1, 100)
        await wire.send(bytes(100))
        assert (await wire.answer()).status == 409
    assert (root / "a.bin").read_bytes() == CONTENT


async def test_who_waits_for_a_word_gets_one(wires: Wires, root: Path) -> None:
    upload = await wires.create()
    wire = await wires()
    await wire.patch(upload, 0, len(CONTENT), Expect="100-continue")
    assert (await wire.answer()).status == 100
    await wire.send(CONTENT)
    assert (await wire.answer()).status == 204
    assert (root / "a.bin").read_bytes() == CONTENT


async def test_who_waits_for_a_word_is_refused_without(wires: Wires) -> None:
    upload = await wires.create()
    wire = await wires()
    await wire.patch(upload, 1, len(CONTENT), Expect="100-continue")
    answer = await wire.answer()
    assert (answer.status, answer.code) == (409, "offset-conflict")


@pytest.mark.parametrize("offset", [1, 0])
async def test_a_refusal_reaches_who_is_still_sending(wires: Wires, offset: int) -> None:
    # More than all the buffers between the two hold, and all of it is sent before the answer is
    # read, as Python's http.client does.
    upload = await wires.create(10)
    wire = await wires()
    await wire.patch(upload, offset, 64_000_000)
    async with asyncio.timeout(20):
        for _ in range(64):
            await wire.send(bytes(1_000_000))
    answer = await wire.answer()
    assert answer.status == (413 if offset == 0 else 409)
    assert answer.headers["connection"] == "close"
    assert answer.headers["upload-offset"] == "0"
    assert await wire.closed()


async def test_a_stranger_gets_no_byte_in(wires: Wires, root: Path) -> None:
    upload = await wires.create()
    wire = await wires()
    headers = {"Upload_Offset": 0, "Content_Type": OCTETS, "Content_Length": 1 << 30}
    await wire.head("PATCH", upload, token=False, **headers)
    assert (await wire.answer()).status == 403
    sent = 0
    with suppress(ConnectionError):
        async with asyncio.timeout(20):
            while True:
                await wire.send(bytes(65_536))
                sent += 65_536
    assert sent < 16_000_000, "only what the system's own buffers hold"
    assert staged(root, upload) == 0


async def test_a_slow_sender_holds_nobody_up(wires: Wires, root: Path) -> None:
    # One byte at a time, from as many connections as one user may have.
    uploads = [await wires.create(name=f"slow{number}") for number in range(100)]
    slow = []
    for upload in uploads:
        wire = await wires()
        await wire.patch(upload, 0, len(CONTENT))
        slow.append(wire)
    for _ in range(3):
        for wire in slow:
            await wire.send(b"x")
    upload = await wires.create()
    wire = await wires()
    await wire.patch(upload, 0, len(CONTENT))
    await wire.send(CONTENT)
    assert (await wire.answer(within=10)).status == 204
    assert (root / "a.bin").read_bytes() == CONTENT


async def test_bytes_that_come_are_told_and_count_as_activity(
    wires: Wires, root: Path, eventually: Eventually
) -> None:
    upload = await wires.create()
    wire = await wires()
    settings = wires.server.app.web_app.settings
    settings.pop("progresswidget_last_activity", None)
    await wire.patch(upload, 0, len(CONTENT))
    await wire.send(CONTENT[:1_000_000])
    transfers = wires.server.services.transfers

    def known() -> dict[str, Any]:
        return transfers.get("token", upload) or {}

    await eventually(lambda: known().get("offset") == 1_000_000)
    assert "progresswidget_last_activity" in settings
    assert known()["size"] == len(CONTENT)
    assert (known()["name"], known()["direction"]) == ("a.bin", "upload")
    assert (known()["active"], known()["complete"]) == (True, False)
    await wire.send(CONTENT[1_000_000:])
    assert (await wire.answer()).status == 204
    assert (known()["offset"], known()["active"]) == (len(CONTENT), False)
    assert known()["complete"]


@pytest.mark.parametrize("settings", [{"transfer_rate": 2_000_000.0}])
async def test_uploads_are_shaped(wires: Wires, root: Path) -> None:
    upload = await wires.create()
    wire = await wires()
    await wire.patch(upload, 0, len(CONTENT))
    loop = asyncio.get_running_loop()
    start = loop.time()
    await wire.send(CONTENT)
    assert (await wire.answer()).status == 204
    assert loop.time() - start > 0.9 * (len(CONTENT) / 2_000_000 - 0.25), "less what was saved up"
    assert (root / "a.bin").read_bytes() == CONTENT

"""``?follow=1``: a file while it is being written, whole at the end or cut for all to see."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from jupyter_server_ext.downloads.following import Pace, Step, file_of, is_growing, next_step
from jupyter_server_ext.model.job import Job
from jupyter_server_ext.streaming import pagecache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from conftest import Server

    from progresswidget.protocol import Json

    Eventually = Callable[..., Awaitable[object]]
    Report = Callable[..., Json]

CONTENT = bytes(range(256)) * 1024


# --- What to do next ------------------------------------------------------------------------------


def job(size: int | None, **changes: Any) -> Job:
    part = {"name": "x", "device": "1", "inode": "2", "size": str(size)}
    report = {"status": "running", "generation": 1, "fingerprint": None, "sha256": None}
    return Job(report | {"part": None if size is None else part} | changes, updated=0)


def fingerprint(size: int, inode: int) -> Json:
    numbers = {"device": 1, "inode": inode, "size": size, "mtimeNs": 0, "ctimeNs": 0}
    return {name: str(number) for name, number in numbers.items()}


def done(size: int, inode: int = 2) -> Job:
    found = fingerprint(size, inode)
    return job(None, status="done", sha256="0" * 64, fingerprint=found)


def written(size: int, inode: int = 2, **changes: Any) -> Job:
    """Return a job whose file has its name, and whose SHA-256 is being taken."""
    whole = fingerprint(size, inode) | {"xxh128": "0" * 32}
    return job(9, written=whole, **changes)


@pytest.mark.parametrize(
    ("state", "source", "sent", "kind", "end"),
    [
        (job(None, status="queued"), None, 0, "wait", 0),
        (job(None), None, 0, "wait", 0),
        (job(0), None, 0, "open", 0),
        (job(0), (1, 2), 0, "wait", 0),
        (job(9), (1, 2), 4, "send", 9),
        (job(9), (1, 2), 9, "wait", 0),
        (job(9, status="paused"), (1, 2), 9, "wait", 0),
        (job(9), (1, 2), 10, "wait", 0),  # it has grown since that was told
        (job(9), (1, 3), 4, "cut", 0),
        (job(None), (1, 2), 4, "cut", 0),
        (job(9, generation=2), (1, 2), 4, "cut", 0),
        (job(9, status="failed"), (1, 2), 9, "cut", 0),
        (job(9, status="cancelled"), (1, 2), 9, "cut", 0),
        (job(9, status="interrupted"), (1, 2), 9, "cut", 0),
        (None, (1, 2), 9, "cut", 0),
        (done(9), None, 0, "open", 0),
        (done(9), (1, 2), 4, "send", 9),
        (done(9), (1, 2), 9, "finish", 0),
        (done(9), (1, 2), 10, "cut", 0),
        (done(9, inode=3), (1, 2), 9, "cut", 0),
        (written(12), None, 0, "open", 0),
        (written(12), (1, 2), 9, "send", 12),
        (written(12), (1, 2), 12, "finish", 0),
        (written(12), (1, 2), 13, "cut", 0),
        (written(12, inode=3), (1, 2), 12, "cut", 0),
        (written(12, status="interrupted"), (1, 2), 12, "cut", 0),
        (written(12, generation=2), (1, 2), 12, "cut", 0),
    ],
)
def test_the_next_step(
    state: Job | None, source: tuple[int, int] | None, sent: int, kind: str, end: int
) -> None:
    step = next_step(state, 1, source, sent)
    assert (step.kind, step.end) == (kind, end)
    assert bool(step.reason) == (kind == "cut")


@pytest.mark.parametrize(
    ("state", "sent", "told", "there", "step"),
    [
        (job(9), 9, 9, 12, Step("send", 12)),
        (job(9), 12, 9, 12, Step("wait")),
        (job(9), 4, 4, 7, Step("send", 9)),  # told of after the look
        (written(9), 9, 9, 12, Step("finish")),  # somebody else has added something: see `confirm`
        (done(9), 4, 9, 12, Step("send", 9)),
    ],
)
def test_what_is_seen_in_the_file_can_be_sent_before_it_is_told_of(
    state: Job, sent: int, told: int, there: int, step: Step
) -> None:
    assert next_step(state, 1, (1, 2), sent, told=told, there=there) == step


def test_a_kernel_that_takes_back_what_it_told_is_cut() -> None:
    assert next_step(job(9), 1, (1, 2), 4, told=10, there=12).kind == "cut"


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 9)), max_size=20),
    st.integers(0, 9),
    st.booleans(),
)
def test_what_is_sent_only_grows_and_is_never_more_than_there_is(
    sizes: list[tuple[int, bool, int]],
    last: int,
    early: bool,  # noqa: FBT001 - chosen by hypothesis
) -> None:
    sent = told = 0
    states = [
        (job(size, status="paused" if still else "running"), there) for size, still, there in sizes
    ]
    for state, there in [*states, (written(last) if early else done(last), last)]:
        step = next_step(state, 1, (1, 2), sent, told=told, there=there)
        if step.kind == "cut":
            file = file_of(state)
            assert file is not None
            assert (told if is_growing(state) else sent) > file.size
            return
        if is_growing(state) and state.part is not None:
            told = max(told, state.part.size)
        assert step in {Step("wait"), Step("finish")} or sent < step.end <= max(told, there, last)
        sent = step.end if step.kind == "send" else sent
        if step.kind == "finish":
            assert sent == last


def test_a_file_that_grows_fast_is_looked_at_again_soon() -> None:
    pace = Pace()
    still = [pace.next(0) for _ in range(9)]
    assert still == sorted(still)
    assert still[-1] == still[-2] <= 0.2
    assert pace.next(2**20) < still[0]
    assert pace.next(2**20 + 1) > pace.next(2**21 + 1)


# --- Over the wire --------------------------------------------------------------------------------


@dataclass
class Export:
    """What a kernel does of an export: the part grows, and then gets its name."""

    server: Server
    path: Path
    report: Json
    report_of: Report
    written: int = 0
    name: str = ""
    digest: str = "sha-256"

    def __post_init__(self) -> None:
        self.name = self.name or f".{self.path.name}.0123abcd.part"

    @property
    def part(self) -> Path:
        return self.path.with_name(self.name)

    async def say(self, **changes: Any) -> Json:
        self.report = self.report | {"revision": self.report["revision"] + 1} | changes
        return await self.server.reported(self.report)

    async def write(self, data: bytes) -> None:
        with self.part.open("ab") as file:
            file.write(data)
        self.written += len(data)
        await self.say(part=self.said(), bytes=self.written)

    def said(self, **changes: str) -> Json:
        status = self.part.stat()
        numbers = {"device": status.st_dev, "inode": status.st_ino, "size": self.written}
        names = {"name": self.name, "digest": self.digest}
        return names | {name: str(number) for name, number in numbers.items()} | changes

    def whole(self, content: bytes) -> Json:
        """Give the file its name, and return what is told of it when this was written to it."""
        self.part.replace(self.path)
        ended = self.report_of(self.path, taskId=self.report["taskId"])
        return ended["fingerprint"] | {"xxh128": xxhash.xxh3_128_hexdigest(content)}

    async def publish(self, **changes: Any) -> None:
        self.part.replace(self.path)
        ended = self.report_of(self.path, taskId=self.report["taskId"], **changes)
        await self.say(**{name: ended[name] for name in ended if name != "revision"})


@pytest.fixture
def begin(server: Server, report: Report, report_of: Report) -> Callable[..., Export]:
    """Begin an export to a path."""

    def start(path: Path, name: str = "") -> Export:
        return Export(server, path, report(path=str(path), name=path.name), report_of, name=name)

    return start


@pytest.fixture
def export(begin: Callable[..., Export], root: Path) -> Export:
    return begin(root / "flights.csv")


@dataclass
class Follower:
    """A client that shows the answer as it comes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: str = ""
    body: bytes = b""

    async def start(self) -> str:
        self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        return self.head

    async def chunk(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        data = (await self.reader.readexactly(size + 2))[:-2]
        self.body += data
        return data

    async def until(self, size: int) -> bytes:
        while len(self.body) < size:
            assert await self.chunk()
        return self.body

    async def rest(self) -> tuple[bytes, bool]:
        """Return the whole body, and whether it ended as it should."""
        try:
            while await self.chunk():
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            return self.body, False
        return self.body, True


@asynccontextmanager
async def following(
    server: Server, record: Json, *, method: str = "GET", version: str = "1.1", more: str = ""
) -> AsyncIterator[Follower]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    lines = [
        f"{method} {record['url']}?follow=1 HTTP/{version}",
        f"Host: 127.0.0.1:{server.port}",
        f"Authorization: token {server.app.identity_provider.token}",
        *([more] if more else []),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        yield Follower(reader, writer)
    finally:
        writer.close()


async def record_of(export: Export) -> Json:
    await export.say()
    return await export.server.job(export.report["taskId"])


@asynccontextmanager
async def caught_up(export: Export) -> AsyncIterator[Follower]:
    """Follow an export from its beginning, until all of what it has written so far has come."""
    await export.write(CONTENT)
    async with following(export.server, await record_of(export)) as client:
        await client.start()
        await client.until(len(CONTENT))
        yield client


async def test_bytes_come_as_they_are_written_and_the_last_chunk_after_the_end(
    server: Server, export: Export
) -> None:
    async with following(server, await record_of(export)) as client:
        head = await client.start()
        assert head.startswith("HTTP/1.1 200 OK")
        assert "Transfer-Encoding: chunked" in head
        assert "Accept-Ranges: none" in head
        assert "Cache-Control: no-store" in head
        assert 'filename="flights.csv"' in head
        assert "sandbox" in head
        for absent in ("Content-Length", "Etag", "Last-Modified", "Repr-Digest"):
            assert f"\r\n{absent}:" not in head
        for end in (1000, 100_000):
            await export.write(CONTENT[export.written : end])
            assert await client.until(end) == CONTENT[:end]
        await export.write(CONTENT[export.written :])
        await client.until(len(CONTENT))
        await export.publish()
        assert await client.rest() == (CONTENT, True)


async def test_what_is_in_the_file_comes_before_it_is_told_of(
    server: Server, export: Export
) -> None:
    await export.write(CONTENT[:10])
    async with following(server, await record_of(export)) as client:
        await client.start()
        await client.until(10)
        with export.part.open("ab") as file:
            file.write(CONTENT[10:])
        assert await client.until(len(CONTENT)) == CONTENT
        await export.publish()
        assert await client.rest() == (CONTENT, True)


@pytest.fixture
def hashed(export: Export) -> Export:
    """Begin an export that hashes what it writes."""
    export.digest = "xxh128"
    return export


@pytest.mark.parametrize("late", [False, True], ids=["from the beginning", "at the end"])
async def test_the_end_does_not_wait_for_the_sha_256(
    server: Server,
    hashed: Export,
    late: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    await hashed.write(CONTENT)
    record = await record_of(hashed)
    if late:
        await hashed.say(phase="finishing", written=hashed.whole(CONTENT))
    async with following(server, record) as client:
        await client.start()
        if not late:
            await client.until(len(CONTENT))
            await hashed.say(phase="finishing", written=hashed.whole(CONTENT))
        assert await client.rest() == (CONTENT, True)
    assert (await server.job(hashed.report["taskId"]))["status"] == "running"
    assert (await server.fetch(record["url"])).code == 503  # a download of its own has to wait


async def test_the_end_of_all_ends_it_too(hashed: Export) -> None:
    async with caught_up(hashed) as client:
        whole = hashed.whole(CONTENT)
        hashed.path.replace(hashed.part)
        await hashed.publish(written=whole)  # told of with the SHA-256, as of a small file
        assert await client.rest() == (CONTENT, True)


@pytest.mark.parametrize("written", [b"other" + CONTENT[5:], CONTENT[:-1]], ids=["other", "less"])
async def test_what_was_not_written_is_no_success(hashed: Export, written: bytes) -> None:
    async with caught_up(hashed) as client:
        await hashed.say(written=hashed.whole(written))
        assert await client.rest() == (CONTENT, False)


@pytest.mark.parametrize("more", [b"", b"more"], ids=["in its place", "at its end"])
async def test_a_file_that_is_written_to_when_it_has_its_name_is_no_success(
    hashed: Export, more: bytes
) -> None:
    async with caught_up(hashed) as client:
        whole = hashed.whole(CONTENT)
        hashed.path.write_bytes(b"other" + CONTENT[5:] + more)
        os.utime(hashed.path, ns=(0, int(whole["mtimeNs"]) + 1))  # a clock may be coarse
        await hashed.say(written=whole)
        body, ended = await client.rest()
        assert (body[: len(CONTENT)], ended) == (CONTENT, False)


async def test_a_kernel_that_dies_before_its_file_has_a_name_is_cut(hashed: Export) -> None:
    async with caught_up(hashed) as client:
        await hashed.say(status="interrupted", part=None)
        assert await client.rest() == (CONTENT, False)


async def test_an_end_that_lacks_the_digest_that_was_announced_is_no_success(
    hashed: Export,
) -> None:
    async with caught_up(hashed) as client:
        await hashed.publish()
        assert await client.rest() == (CONTENT, False)


@pytest.mark.parametrize("tells", [True, False], ids=["in slices", "read in threads"])
async def test_much_has_its_digest_whichever_way_it_leaves(
    server: Server,
    export: Export,
    monkeypatch: pytest.MonkeyPatch,
    tells: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    if not tells:
        monkeypatch.setattr(pagecache, "_NOWAIT", 0)
        monkeypatch.setattr(pagecache, "_has_no_disk", lambda _: False)
    content = os.urandom(24 * 2**20 + 5)
    async with following(server, await record_of(export)) as client:
        await client.start()
        for end in (11 * 2**20, 11 * 2**20 + 1, len(content)):
            await export.write(content[export.written : end])
        await client.until(len(content))
        await export.publish()
        assert await client.rest() == (content, True)


async def test_what_stands_already_is_sent_to_who_comes_late(
    server: Server, export: Export
) -> None:
    await export.write(CONTENT)
    async with following(server, await record_of(export), more="Range: bytes=5-") as client:
        # Without ranges: who resumes a growing file starts again.
        assert (await client.start()).startswith("HTTP/1.1 200 OK")
        assert await client.until(len(CONTENT)) == CONTENT
        await export.publish()
        assert (await client.rest())[1]


async def test_who_comes_between_the_rename_and_the_news_of_it_gets_the_file(
    server: Server, export: Export
) -> None:
    await export.write(CONTENT)
    part = export.part
    part.rename(export.path)
    async with following(server, await record_of(export)) as client:
        assert (await client.start()).startswith("HTTP/1.1 200 OK")
        export.path.rename(part)
        await export.publish()
        assert await client.rest() == (CONTENT, True)


async def test_an_export_that_was_done_before_is_sent_when_that_is_known(
    server: Server, export: Export
) -> None:
    export.part.write_bytes(CONTENT)  # nothing is written, so no part was ever told of
    async with following(server, await record_of(export)) as client:
        await client.start()
        await export.publish()
        assert await client.rest() == (CONTENT, True)


@pytest.mark.parametrize("content", [b"", CONTENT], ids=["empty", "whole"])
async def test_a_job_that_is_done_is_a_download_as_any(
    server: Server, root: Path, content: bytes
) -> None:
    path = root / "a.csv"
    path.write_bytes(content)
    record = await server.publish(path)
    response = await server.fetch(f"{record['url']}?follow=1")
    assert (response.code, response.body) == (200, content)
    assert response.headers["Content-Length"] == str(len(content))
    assert "Repr-Digest" in response.headers


@pytest.mark.parametrize("status", ["failed", "cancelled", "interrupted"])
async def test_an_export_that_ends_otherwise_is_cut(
    server: Server, export: Export, status: str
) -> None:
    async with caught_up(export) as client:
        await export.say(status=status, part=None)
        assert await client.rest() == (CONTENT, False)
    record = await server.job(export.report["taskId"])
    response = await server.fetch(f"{record['url']}?follow=1")
    assert (response.code, json.loads(response.body)["code"]) == (410, "export-ended")


async def test_a_pause_keeps_the_connection(server: Server, export: Export) -> None:
    async with following(server, await record_of(export)) as client:
        await client.start()
        await export.write(CONTENT[:1000])
        await export.say(status="paused")
        await client.until(1000)
        await export.say(status="running")
        await export.write(CONTENT[1000:])
        await export.publish()
        assert await client.rest() == (CONTENT, True)


@pytest.mark.parametrize("settings", [{"follow_patience": 0.2}])
async def test_silence_does_not_keep_it_for_ever(server: Server, export: Export) -> None:
    async with following(server, await record_of(export)) as client:
        await client.start()
        assert await client.rest() == (b"", False)


async def test_a_new_generation_cuts_and_then_has_its_own_address(
    server: Server, export: Export
) -> None:
    record = await record_of(export)
    async with following(server, record) as client:
        await client.start()
        await export.say(generation=2)
        assert await client.rest() == (b"", False)
    response = await server.fetch(f"{record['url']}?follow=1")
    assert (response.code, json.loads(response.body)["code"]) == (410, "generation-replaced")


async def test_a_file_that_shrinks_is_cut(export: Export) -> None:
    async with caught_up(export) as client:
        await export.say(part=export.said(size="10"))
        assert await client.rest() == (CONTENT, False)


async def test_a_run_that_starts_over_in_another_file_is_cut(export: Export) -> None:
    async with caught_up(export) as client:
        export.name, export.written = ".flights.csv.89abcdef.part", 0
        await export.write(CONTENT)
        assert await client.rest() == (CONTENT, False)


async def test_bytes_that_are_not_there_are_not_made_up(server: Server, export: Export) -> None:
    await export.write(CONTENT)
    await export.say(part=export.said(size=str(len(CONTENT) + 1)))
    async with following(server, await record_of(export)) as client:
        await client.start()
        body, whole = await client.rest()
        assert (body, whole) == (CONTENT[: len(body)], False)


async def test_bytes_that_were_not_those_of_the_file_are_no_success(export: Export) -> None:
    async with caught_up(export) as client:
        with export.part.open("r+b") as file:  # something else than an export writes
            file.write(b"other")
        await export.publish()
        assert await client.rest() == (CONTENT, False)


async def test_a_head_tells_as_much_and_leaves_the_connection_usable(
    server: Server, export: Export
) -> None:
    record = await record_of(export)
    async with following(server, record, method="HEAD") as client:
        head = await client.start()
        assert "Accept-Ranges: none" in head
        assert "Content-Length" not in head
        client.writer.write(
            f"GET {record['url']} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"Authorization: token {server.app.identity_provider.token}\r\n\r\n".encode()
        )
        assert (await client.start()).startswith("HTTP/1.1 503")


@pytest.mark.parametrize(
    ("fields", "code"), [({"If-Match": '"tag"'}, 412), ({"If-None-Match": "*"}, 304)]
)
async def test_a_growing_file_is_no_version_that_anybody_has(
    server: Server, export: Export, fields: dict[str, str], code: int
) -> None:
    url = f"{(await record_of(export))['url']}?follow=1"
    assert (await server.fetch(url, headers=fields)).code == code


async def test_http_1_0_is_refused_in_words(server: Server, export: Export) -> None:
    async with following(server, await record_of(export), version="1.0") as client:
        assert " 505 " in (await client.start()).splitlines()[0]
        assert b"http-version" in await client.reader.read()


async def test_formats_that_change_until_the_end_are_to_be_waited_for(
    server: Server, export: Export
) -> None:
    await export.say(appendOnly=False, format="sqlite")
    response = await server.fetch(f"{(await record_of(export))['url']}?follow=1")
    assert (response.code, response.headers["Retry-After"]) == (503, "1")
    assert "sqlite" in json.loads(response.body)["message"]


async def test_without_follow_a_running_export_is_still_not_ready(
    server: Server, export: Export
) -> None:
    await export.write(CONTENT)
    for query in ("", "?follow=0"):
        response = await server.fetch((await record_of(export))["url"] + query)
        assert (response.code, response.headers["Retry-After"]) == (503, "1")


# --- What must not be reached ---------------------------------------------------------------------


async def refusal(server: Server, export: Export) -> tuple[int, str]:
    response = await server.fetch(f"{(await record_of(export))['url']}?follow=1")
    return response.code, json.loads(response.body)["code"]


async def test_nobody_follows_without_a_login(server: Server, export: Export) -> None:
    await export.write(CONTENT)
    record = await record_of(export)
    assert (await server.fetch(f"{record['url']}?follow=1", token=False)).code == 403


async def test_a_part_elsewhere_is_refused(
    server: Server, begin: Callable[..., Export], tmp_path: Path
) -> None:
    path = tmp_path / "outside" / "a.csv"
    path.parent.mkdir()
    export = begin(path)
    await export.write(CONTENT)
    assert await refusal(server, export) == (403, "outside-roots")


async def test_a_part_of_a_hidden_file_is_hidden(
    server: Server, begin: Callable[..., Export], root: Path
) -> None:
    path = root / ".secret.csv"
    export = begin(path)
    await export.write(CONTENT)
    assert await refusal(server, export) == (403, "hidden")


async def test_another_file_of_the_name_of_a_part_is_not_sent(
    server: Server, export: Export
) -> None:
    await export.write(CONTENT)
    await export.say(part=export.said(inode="1"))
    assert await refusal(server, export) == (503, "not-ready")


async def test_a_link_in_the_place_of_a_part_is_not_followed(
    server: Server, export: Export, tmp_path: Path
) -> None:
    other = tmp_path / "secret"
    other.write_bytes(CONTENT)
    export.part.symlink_to(other)
    export.written = len(CONTENT)
    await export.say(part=export.said())
    assert (await refusal(server, export))[0] == 403


@pytest.mark.parametrize(
    "name",
    [
        "flights.csv",
        ".flights.csv.part",
        ".other.csv.0123abcd.part",
        ".flights.csv.0123abcd.journal",
    ],
)
async def test_only_the_name_of_a_part_is_taken(server: Server, export: Export, name: str) -> None:
    await export.write(CONTENT)
    report = export.report | {"part": export.said() | {"name": name}, "revision": 99}
    assert (await server.report(report)).code == 400


async def test_the_part_is_nobodys_business(export: Export) -> None:
    await export.write(CONTENT)
    record = await record_of(export)
    assert "part" not in record
    assert record["appendOnly"] is True


async def test_a_long_name_has_a_part_too(
    server: Server, begin: Callable[..., Export], root: Path
) -> None:
    path = root / ("ä" * 120 + ".csv")
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]
    export = begin(path, f".{digest}.0123abcd.part")
    await export.write(CONTENT)
    async with following(server, await record_of(export)) as client:
        await client.start()
        await export.publish()
        assert await client.rest() == (CONTENT, True)


# --- Clients that go, or stay and take nothing ----------------------------------------------------


async def test_a_client_that_goes_leaves_nothing(
    server: Server, export: Export, eventually: Eventually
) -> None:
    await export.write(CONTENT)
    watchers = server.services.registry._watchers
    async with following(server, await record_of(export)) as client:
        await client.start()
        await client.until(len(CONTENT))
        assert watchers
        assert open_parts()
    await eventually(lambda: not watchers and not open_parts())


def open_parts() -> list[str]:
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]  # noqa: PTH208
    targets = [os.readlink(link) for link in links if os.path.islink(link)]  # noqa: PTH114, PTH115
    return [target for target in targets if target.endswith(".part")]


@pytest.mark.parametrize("settings", [{"stall_timeout": 0.3}])
async def test_a_client_that_takes_nothing_is_cut(
    server: Server, export: Export, eventually: Eventually
) -> None:
    await export.write(bytes(32 * 2**20))
    watchers = server.services.registry._watchers
    async with following(server, await record_of(export)) as client:
        await client.start()
        await eventually(lambda: not watchers)
        assert not (await client.rest())[1]

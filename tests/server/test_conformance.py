"""RFC 9110 and 9112 as seen from a socket: what is sent, byte for byte, and what comes next.

Every row is asked of both kinds of address, over one connection, and followed by a second request:
an answer that is framed wrongly, as a HEAD with a body or a 304 with a length, spoils that one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from conftest import Server

    Connect = Callable[[], Awaitable["Connection"]]

SIZE = 1000
CONTENT = b"".join(b"%04d" % number for number in range(SIZE // 4))
MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"
RFC_850 = "Tuesday, 14-Nov-23 22:13:20 GMT"
ASCTIME = "Tue Nov 14 22:13:20 2023"
EARLIER = "Tue, 14 Nov 2023 22:13:19 GMT"
LATER = "Tue, 14 Nov 2023 22:13:21 GMT"
FUTURE = "Fri, 14 Nov 2053 22:13:20 GMT"
WHOLE = slice(None)


@dataclass(frozen=True)
class Answer:
    code: int
    fields: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} is sent more than once"
        return values[0] if values else None


class Connection:
    """A connection on which requests are written, and answers read, by hand."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._token = token

    def send(self, method: str, path: str, fields: str = "", version: str = "1.1") -> None:
        head = f"{method} {path} HTTP/{version}\r\nHost: 127.0.0.1\r\n"
        lines = "".join(f"{line}\r\n" for line in fields.splitlines())
        secret = f"Authorization: token {self._token}\r\n"
        self._writer.write(f"{head}{secret}{lines}\r\n".encode("latin-1"))

    async def answer(self, method: str) -> Answer:
        """Read what RFC 9112 section 6.3 says is the answer, and not a byte more."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")[:-2]
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [ -~]+", status)
        assert match is not None, status
        code = int(match[1])
        fields = [
            (name, value.strip()) for name, _, value in (line.partition(":") for line in lines)
        ]
        answer = Answer(code, fields, b"")
        assert answer["Transfer-Encoding"] is None
        if method == "HEAD" or code in {204, 304}:
            return answer
        length = answer["Content-Length"]
        assert length is not None
        return Answer(code, fields, await self._reader.readexactly(int(length)))

    async def ask(self, method: str, path: str, fields: str = "") -> Answer:
        self.send(method, path, fields)
        return await asyncio.wait_for(self.answer(method), 30)

    async def ends(self) -> bool:
        return await asyncio.wait_for(self._reader.read(1), 30) == b""

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@pytest.fixture
def connect(
    server: Server, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Callable[[], Awaitable[Connection]]]:
    """Open connections that are closed at the end, whatever the end is."""
    opened = []

    async def connect() -> Connection:
        streams = await asyncio.open_connection("127.0.0.1", server.port)
        connection = Connection(*streams, server.app.identity_provider.token)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        jp_asyncio_loop.run_until_complete(connection.close())


@pytest.fixture
def path(root: Path) -> Path:
    path = root / "numbers.txt"
    path.write_bytes(CONTENT)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


async def addresses(server: Server, path: Path) -> list[str]:
    record = await server.publish(path, mediaType="text/plain")
    return [record["url"], f"{server.app.base_url}progresswidget/contents/{path.name}"]


def check_part(answer: Answer, part: slice) -> None:
    first, end, _ = part.indices(SIZE)
    assert answer.body == CONTENT[part]
    assert answer["Content-Range"] == f"bytes {first}-{end - 1}/{SIZE}"


def check_parts(answer: Answer, parts: list[slice]) -> None:
    # RFC 9110 section 15.3.7.2: not in the head, for each part has its own.
    assert answer["Content-Range"] is None
    match = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", str(answer["Content-Type"]))
    assert match is not None, answer["Content-Type"]
    delimiter = b"--" + match[1].encode()
    preamble, *pieces, end = (b"\r\n" + answer.body).split(b"\r\n" + delimiter)
    assert preamble == b""
    assert end == b"--\r\n"
    for piece, part in zip(pieces, parts, strict=True):
        head, _, body = piece.partition(b"\r\n\r\n")
        first, last, _ = part.indices(SIZE)
        assert body == CONTENT[part]
        assert head.decode().split("\r\n")[1:] == [
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Range: bytes {first}-{last - 1}/{SIZE}",
        ]


Parts = slice | list[slice] | None

# The request's fields; the status; which bytes. {etag} is the file's own.
ROWS: dict[str, list[tuple[str, int, Parts]]] = {"one range": [
    ("", 200, WHOLE),
    ("Range: bytes=0-0", 206, slice(0, 1)),
    ("Range: bytes=0-9", 206, slice(0, 10)),
    ("Range: bytes=990-999", 206, slice(990, None)),
    ("Range: bytes=0-999", 206, WHOLE),
    ("Range: bytes=0-", 206, WHOLE),
    ("Range: bytes=999-", 206, slice(999, None)),
    ("Range: bytes=500-", 206, slice(500, None)),
    ("Range: bytes=-1", 206, slice(999, None)),
    ("Range: bytes=-1000", 206, WHOLE),
    ("Range: bytes=-1001", 206, WHOLE),
    ("Range: bytes=995-1200", 206, slice(995, None)),
    ("Range: bytes=0-99999999999999999999999999", 206, WHOLE),
    ("Range: bytes=-99999999999999999999999999", 206, WHOLE),
    ("Range: bytes=00000000000000000000000000007-8", 206, slice(7, 9)),
    ("Range: BYTES=0-9", 206, slice(0, 10)),
    ("Range: bytes= 0-9", 206, slice(0, 10)),
    ("Range:bytes=0-9", 206, slice(0, 10)),
    ("range: bytes=0-9", 206, slice(0, 10)),
    ], "a range outside": [
    # Section 14.1.1 and 15.5.17: none of it is in the file.
    ("Range: bytes=1000-", 416, None),
    ("Range: bytes=1000-1001", 416, None),
    ("Range: bytes=99999999999999999999999999-", 416, None),
    ("Range: bytes=-0", 416, None),
    ("Range: bytes=1000-,2000-", 416, None),
    ("Range: bytes=-0,1000-", 416, None),
    ], "no range": [
    # Section 14.2: what is malformed or not understood is ignored.
    ("Range: bytes=9-0", 200, WHOLE),
    ("Range: bytes=a-b", 200, WHOLE),
    ("Range: bytes=-", 200, WHOLE),
    ("Range: bytes=", 200, WHOLE),
    ("Range: bytes", 200, WHOLE),
    ("Range: 0-9", 200, WHOLE),
    ("Range: bytes 0-9", 200, WHOLE),
    ("Range: bytes=1", 200, WHOLE),
    ("Range: bytes=0-9-", 200, WHOLE),
    ("Range: bytes=--9", 200, WHOLE),
    ("Range: bytes=+0-9", 200, WHOLE),
    ("Range: bytes=0x0-9", 200, WHOLE),
    ("Range: bytes=0-9;q=1", 200, WHOLE),
    ("Range: bytes=0.5-9", 200, WHOLE),
    ("Range: lines=0-9", 200, WHOLE),
    ("Range: none", 200, WHOLE),
    ("Range: bytes=0-9,9-0", 200, WHOLE),
    ("Range: bytes=0-9,x", 200, WHOLE),
    # Two fields are one list, which is no list of ranges (section 5.3).
    ("Range: bytes=0-1\nRange: bytes=4-5", 200, WHOLE),
    ], "several ranges": [
    # Several ranges.
    ("Range: bytes=0-1,4-5", 206, [slice(0, 2), slice(4, 6)]),
    ("Range: bytes=0-1 ,\t4-5", 206, [slice(0, 2), slice(4, 6)]),
    ("Range: bytes=,0-1,,4-5,", 206, [slice(0, 2), slice(4, 6)]),
    ("Range: bytes=-2,0-1", 206, [slice(998, None), slice(0, 2)]),
    ("Range: bytes=900-,0-1", 206, [slice(900, None), slice(0, 2)]),
    ("Range: bytes=0-1,4-5,8-", 206, [slice(0, 2), slice(4, 6), slice(8, None)]),
    ("Range: bytes=0-1,1000-", 206, slice(0, 2)),
    ("Range: bytes=0-1,1000-,4-5", 206, [slice(0, 2), slice(4, 6)]),
    ("Range: bytes=0-9,5-14", 206, slice(0, 15)),
    ("Range: bytes=0-9,10-19", 206, slice(0, 20)),
    ("Range: bytes=10-19,0-9", 206, slice(0, 20)),
    ("Range: bytes=0-499,500-", 206, WHOLE),
    ("Range: bytes=0-600,500-999", 200, WHOLE),
    ("Range: bytes=0-,0-,0-", 200, WHOLE),
    ("Range: bytes=" + ",".join(f"{4 * n}-{4 * n}" for n in range(16)), 206,
     [slice(4 * n, 4 * n + 1) for n in range(16)]),
    ("Range: bytes=" + ",".join(f"{4 * n}-{4 * n}" for n in range(17)), 200, WHOLE),
    ("Range: bytes=" + ",".join(f"{n}-{n}" for n in range(900)), 200, WHOLE),
    ("Range: bytes=" + "0-," * 600 + "0-", 200, WHOLE),
], "If-Match": [
    # Section 13.1.1: strong comparison.
    ("If-Match: {etag}", 200, WHOLE),
    ("If-Match: *", 200, WHOLE),
    ('If-Match: "x", {etag}, "y"', 200, WHOLE),
    ('If-Match: "x"\nIf-Match: {etag}', 200, WHOLE),
    ('If-Match: "x"', 412, None),
    ("If-Match: W/{etag}", 412, None),
    ("If-Match: ", 412, None),
    ], "If-None-Match": [
    # Section 13.1.2: weak comparison.
    ("If-None-Match: {etag}", 304, None),
    ("If-None-Match: W/{etag}", 304, None),
    ("If-None-Match: *", 304, None),
    ('If-None-Match: "x,y" ,{etag}', 304, None),
    ('If-None-Match: "x"', 200, WHOLE),
    ("If-None-Match: x", 200, WHOLE),
    ], "dates": [
    # Section 13.1.3, with every form of a date (section 5.6.7).
    (f"If-Modified-Since: {MODIFIED}", 304, None),
    (f"If-Modified-Since: {RFC_850}", 304, None),
    (f"If-Modified-Since: {ASCTIME}", 304, None),
    (f"If-Modified-Since: {LATER}", 304, None),
    (f"If-Modified-Since: {FUTURE}", 304, None),
    (f"If-Modified-Since: {EARLIER}", 200, WHOLE),
    ("If-Modified-Since: yesterday", 200, WHOLE),
    ("If-Modified-Since: 1700000000", 200, WHOLE),
    # Section 13.1.4.
    (f"If-Unmodified-Since: {MODIFIED}", 200, WHOLE),
    (f"If-Unmodified-Since: {LATER}", 200, WHOLE),
    (f"If-Unmodified-Since: {EARLIER}", 412, None),
    ("If-Unmodified-Since: yesterday", 200, WHOLE),
    ], "the order": [
    # Section 13.2.2: the order, and what is then ignored.
    (f"If-Match: {{etag}}\nIf-Unmodified-Since: {EARLIER}", 200, WHOLE),
    (f'If-Match: "x"\nIf-Unmodified-Since: {LATER}', 412, None),
    (f'If-None-Match: "x"\nIf-Modified-Since: {LATER}', 200, WHOLE),
    (f"If-None-Match: {{etag}}\nIf-Modified-Since: {EARLIER}", 304, None),
    ('If-Match: "x"\nIf-None-Match: {etag}', 412, None),
    ("If-Match: {etag}\nIf-None-Match: {etag}", 304, None),
    (f"If-Unmodified-Since: {LATER}\nIf-Modified-Since: {LATER}", 304, None),
    # The conditions come before the range.
    ("If-None-Match: {etag}\nRange: bytes=0-9", 304, None),
    ("If-None-Match: {etag}\nRange: bytes=1000-", 304, None),
    ('If-Match: "x"\nRange: bytes=0-9', 412, None),
    ('If-Match: "x"\nRange: bytes=1000-', 412, None),
    ("If-Match: {etag}\nRange: bytes=0-9", 206, slice(0, 10)),
    (f"If-Unmodified-Since: {MODIFIED}\nRange: bytes=0-9", 206, slice(0, 10)),
    (f"If-Modified-Since: {EARLIER}\nRange: bytes=0-9", 206, slice(0, 10)),
    ], "If-Range": [
    # Section 13.1.5.
    ("If-Range: {etag}\nRange: bytes=0-9", 206, slice(0, 10)),
    ("If-Range: {etag}\nRange: bytes=0-1,4-5", 206, [slice(0, 2), slice(4, 6)]),
    ("If-Range: {etag}\nRange: bytes=1000-", 416, None),
    ("If-Range: {etag}", 200, WHOLE),
    (f"If-Range: {MODIFIED}\nRange: bytes=0-9", 206, slice(0, 10)),
    (f"If-Range: {LATER}\nRange: bytes=0-9", 200, WHOLE),
    (f"If-Range: {EARLIER}\nRange: bytes=0-9", 200, WHOLE),
    ("If-Range: W/{etag}\nRange: bytes=0-9", 200, WHOLE),
    ('If-Range: "x"\nRange: bytes=0-9', 200, WHOLE),
    ('If-Range: "x"\nRange: bytes=1000-', 200, WHOLE),
    ("If-Range: nonsense\nRange: bytes=0-9", 200, WHOLE),
    ("If-Range: *\nRange: bytes=0-9", 200, WHOLE),
    ('If-Range: "x"\nIf-Match: {etag}\nRange: bytes=0-9', 200, WHOLE),
    ], "what changes nothing": [
    # What compresses or negotiates changes nothing.
    ("Accept-Encoding: gzip, br, zstd", 200, WHOLE),
    ("Accept-Encoding: identity;q=0", 200, WHOLE),
    ("Accept: image/png", 200, WHOLE),
    ("TE: trailers", 200, WHOLE),
]}  # fmt: skip


@pytest.mark.parametrize("kind", ROWS)
async def test_what_a_request_is_answered(
    server: Server, path: Path, connect: Connect, kind: str
) -> None:
    connection = await connect()
    for url in await addresses(server, path):
        etag = str((await connection.ask("HEAD", url))["ETag"])
        for fields, code, part in ROWS[kind]:
            lines = fields.replace("{etag}", etag)
            answer = await connection.ask("GET", url, lines)
            assert answer.code == code, (url, lines, answer)
            check_fields(answer, etag)
            check_body(answer, part)
            head = await connection.ask("HEAD", url, lines)
            # Section 14.2: a Range is for GET alone; the rest is the same, and there is no body.
            assert head.code == {206: 200, 416: 200}.get(code, code), (url, lines, head)
            check_fields(head, etag)
            if head.code == 200:
                assert head["Content-Length"] == str(SIZE)
                assert head["Content-Range"] is None
            check_part(await connection.ask("GET", url, "Range: bytes=4-7"), slice(4, 8))


def check_body(answer: Answer, part: Parts) -> None:
    if answer.code == 200:
        assert answer.body == CONTENT
        assert answer["Content-Range"] is None
    elif isinstance(part, list):
        check_parts(answer, part)
    elif part is not None:
        check_part(answer, part)


def check_fields(answer: Answer, etag: str) -> None:
    assert answer["Date"] is not None
    assert answer["Content-Encoding"] is None
    assert answer["X-Content-Type-Options"] == "nosniff"
    if answer.code == 412:
        assert answer["Cache-Control"] == "no-store"
        return
    assert answer["Accept-Ranges"] == "bytes"
    if answer.code == 416:
        assert answer["Content-Range"] == f"bytes */{SIZE}"
        return
    # Section 15.4.5: a 304 says what a 200 would have said of these.
    assert answer["ETag"] == etag
    assert answer["Last-Modified"] == MODIFIED
    assert answer["Cache-Control"] == "private, no-cache"
    assert "sandbox" in str(answer["Content-Security-Policy"])
    if answer.code == 304:
        assert answer["Content-Length"] is None
        assert answer["Content-Type"] is None


async def test_a_digest_is_of_the_whole_in_every_answer(
    server: Server, path: Path, connect: Connect
) -> None:
    connection = await connect()
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    for url in await addresses(server, path):
        for method, fields in [
            ("GET", ""),
            ("HEAD", ""),
            ("GET", "Range: bytes=0-9\n"),
            ("GET", "Range: bytes=0-1,4-5\n"),
        ]:
            wish = f"{fields}Want-Repr-Digest: sha-256=3"
            assert (await connection.ask(method, url, wish))["Repr-Digest"] == f"sha-256=:{digest}:"
            wish = f"{fields}Want-Repr-Digest: sha-256=0, md5=10"
            assert (await connection.ask(method, url, wish))["Repr-Digest"] is None


async def test_requests_that_are_sent_ahead_are_answered_in_order(
    server: Server, path: Path, connect: Connect
) -> None:
    # RFC 9112 section 9.3.2.
    connection = await connect()
    first, second = await addresses(server, path)
    asked = [
        ("GET", first, "Range: bytes=0-9"),
        ("HEAD", second, ""),
        ("GET", second, ""),
        ("GET", first, "If-None-Match: *"),
        ("GET", second, "Range: bytes=1000-"),
        ("OPTIONS", first, ""),
        ("GET", first, "Range: bytes=0-1,4-5"),
        ("GET", second, "Range: bytes=-4"),
    ]
    for method, url, fields in asked:
        connection.send(method, url, fields)
    answers = [await connection.answer(method) for method, _, _ in asked]
    assert [answer.code for answer in answers] == [206, 200, 200, 304, 416, 204, 206, 206]
    assert answers[2].body == CONTENT
    check_part(answers[-1], slice(996, None))


@pytest.mark.parametrize("fields", ["", "Range: bytes=0-9", "Range: bytes=0-1,4-5"])
async def test_an_old_client_gets_the_same_and_the_end_of_the_connection(
    server: Server, path: Path, connect: Connect, fields: str
) -> None:
    for url in await addresses(server, path):
        connection = await connect()
        connection.send("GET", url, fields, version="1.0")
        answer = await connection.answer("GET")
        assert answer.code == (206 if fields else 200)
        if not fields:
            assert answer.body == CONTENT
        assert await connection.ends()


async def test_an_old_client_may_ask_to_keep_the_connection(
    server: Server, path: Path, connect: Connect
) -> None:
    for url in await addresses(server, path):
        connection = await connect()
        for _ in range(2):
            connection.send("GET", url, "Connection: keep-alive", version="1.0")
            answer = await connection.answer("GET")
            assert (answer.code, answer.body) == (200, CONTENT)


async def test_the_connection_ends_where_the_client_wants_it(
    server: Server, path: Path, connect: Connect
) -> None:
    for url in await addresses(server, path):
        connection = await connect()
        answer = await connection.ask("GET", url, "Connection: close\nRange: bytes=0-9")
        check_part(answer, slice(0, 10))
        assert await connection.ends()


async def test_what_cannot_be_done_with_a_file_names_what_can(
    server: Server, path: Path, connect: Connect
) -> None:
    connection = await connect()
    for url in await addresses(server, path):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = await connection.ask(method, url)
            # Section 15.5.6.
            assert (answer.code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")
        answer = await connection.ask("OPTIONS", url)
        assert (answer.code, answer["Allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_a_body_of_a_get_is_refused(server: Server, path: Path, connect: Connect) -> None:
    connection = await connect()
    for url in await addresses(server, path):
        connection.send("GET", url, "Content-Length: 5")
        connection._writer.write(b"hello")
        assert (await connection.answer("GET")).code == 413
        check_part(await connection.ask("GET", url, "Range: bytes=0-9"), slice(0, 10))


async def test_an_empty_file_has_no_ranges(server: Server, root: Path, connect: Connect) -> None:
    path = root / "empty.txt"
    path.touch()
    os.utime(path, (1_700_000_000, 1_700_000_000))
    connection = await connect()
    for url in await addresses(server, path):
        for method in ("GET", "HEAD"):
            answer = await connection.ask(method, url)
            assert (answer.code, answer.body, answer["Content-Length"]) == (200, b"", "0")
        for wanted in ("0-", "0-0", "-1", "0-0,5-6"):
            answer = await connection.ask("GET", url, f"Range: bytes={wanted}")
            assert (answer.code, answer["Content-Range"]) == (416, "bytes */0")
        assert (await connection.ask("GET", url, "If-None-Match: *")).code == 304

"""What nobody means well by, on every route there is: an answer in JSON, and a server that is well.

The routes are enumerated. A request is sent as bytes: no client library would send most of these.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from route_table import EXAMPLES, KERNELS, TABLE, headers_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Server
    from tornado.web import RequestHandler

ROOT = "/user/alice/progresswidget/"
GROUP = re.compile(r"\([^()]*\)")
OURS = "progresswidget/"
# Percent-encoded pieces of an address, each for every part of it that a client chooses.
PIECES = {
    "broken UTF-8": "%ff%fe",
    "overlong UTF-8": "%c0%ae%c0%ae",
    "a surrogate": "%ed%a0%80",
    "NUL": "a%00b",
    "a header": "a%0d%0aX-Injected:%20yes",
    "up": "..%2f..%2f..%2fetc%2fpasswd",
    "up, twice encoded": "%252e%252e%252fetc%252fpasswd",
    "up, in dots": "%2e%2e",
    "absolute": "%2fetc%2fpasswd",
    "backslashes": "..%5c..%5cetc%5cpasswd",
    "a long name": "x" * 300,
    "a long path": "/".join(["x" * 200] * 30),
    "no digits": "%d9%a1%d9%a2",
    "nothing": "%20",
}
FIELDS_OF_QUERIES = {
    "api/jobs": ("notebook", "kernel", "status", "files"),
    "api/jobs/([^/]+)": ("since", "epoch", "wait"),
    "api/links/(.+)": ("id",),
    "api/changes": ("cursor", "notebook", "mine", "wait"),
    "files/([^/]+)/([^/]+)/([^/]+)": ("follow",),
    "archives/(.*)": ("format", "name"),
}
QUERIES = {
    "broken UTF-8": "%ff%fe",
    "bare bytes": "\xff\xfe",
    "NUL": "%00",
    "many digits": "9" * 5_000,
}
BODIES = {
    "broken UTF-8": b"\xff\xfe\x00",
    "broken UTF-8 in a text": b'{"name": "\xff", "path": "/a", "action": "\xff"}',
    "no JSON": b"{",
    "no object": b'"pause"',
    "an array": b"[1]",
    "deep": b"[" * 900,
    "deep in an object": b'{"expires": ' + b"[" * 900,
    "endless digits": b'{"expires": ' + b"9" * 900 + b"}",
    "no number": b'{"expires": NaN, "transfer": Infinity}',
    "an empty object": b"{}",
}
TUS = {"Tus-Resumable": "1.0.0"}
TEXTS = (
    *("name", "path", "kind", "format", "mediaType", "kernelId", "cellId", "parent", "title"),
    *("source", "target", "action", "taskId", "status", "phase", "relative", "sha256", "expires"),
)
FIELDS = {
    "Upload-Metadata": [
        "filename \xff",
        "filename /w==",
        "\xff\xfe",
        "path Li4vLi4=",
        "x" * 20_000,
    ],
    "Upload-Length": ["\xff", "9" * 400, "-1", "1e3", "\u0661"],
    "Upload-Offset": ["\xff", "9" * 400, "-1"],
    "Upload-Checksum": ["\xff", "sha256 \xff", "sha256 /w=="],
    "Idempotency-Key": ["\xff", '"', "x" * 5_000, '"\xe9"'],
    "Range": ["bytes=\xff-", "bytes=" + "0-0," * 2_000, "bytes=" + "9" * 400 + "-"],
    "If-Range": ["\xff", '"', "x" * 5_000],
    "If-None-Match": ["\xff", '"', 'W/"' + "x" * 5_000],
    "If-Match": ["\xff", '"'],
    "If-Modified-Since": ["\xff", "Sat, 99 Foo 9999 99:99:99 GMT", "x" * 5_000],
    "Content-Type": ["\xff", "x" * 5_000],
    "X-HTTP-Method-Override": ["\xff", "CONNECT"],
    "Sec-WebSocket-Key": ["\xff", "x" * 5_000],
    "Sec-WebSocket-Protocol": ["\xff", "v1.progress," * 300],
    "Expect": ["\xff"],
    "Cookie": ["\xff=\xff; _xsrf=\xff", "=" * 5_000],
    "Origin": ["\xff", "http://[::1", "http://" + "x" * 5_000],
    "Referer": ["http://[::1", "\xff"],
    "Host": ["\xff", "[::1", "a b"],
}


ENGINE = ("GET", "progresswidget/api/conversions")
"""Starts a process, and looks at nothing that it is told."""
ROWS = sorted((row for row in TABLE if row[:2] != ENGINE), key=lambda row: row[0] == "DELETE")
"""What is removed is asked for by nothing that follows."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    head: str
    body: bytes


@dataclass
class Client:
    """Somebody who may do everything, with a job and an upload to do it to."""

    server: Server
    task_id: str
    upload_id: str = ""

    def __post_init__(self) -> None:
        self.user = {"Authorization": f"token {self.server.app.identity_provider.token}"}
        self.kernel = {"Authorization": f"Kernel {self.server.services.secret}"}

    def headers(self, method: str, pattern: str, handler: type[RequestHandler]) -> dict[str, str]:
        """Return what lets a request in."""
        who = self.kernel if (method, pattern) in KERNELS else self.user
        return who | headers_for(handler) | TUS

    def address(self, pattern: str) -> str:
        """Return an address behind which there is something, where there can be."""
        known = self.upload_id if "uploads/" in pattern else self.task_id
        return ROOT + EXAMPLES[pattern].replace("a" * 32, known)

    def spoilt(self, pattern: str, piece: str) -> Iterator[str]:
        """Give the addresses in which the piece stands for one part."""
        found = re.fullmatch(pattern, self.address(pattern).removeprefix("/user/alice/"))
        groups = found.groups() if found else ()
        if not groups:
            yield f"{self.address(pattern)}/{piece}"
        for at in range(len(groups)):
            parts = [piece if at == number else str(part) for number, part in enumerate(groups)]
            put = iter(parts)
            yield "/user/alice/" + GROUP.sub(lambda _: next(put), pattern).replace("\\.", ".")  # noqa: B023

    async def ask(
        self, method: str, address: str, headers: dict[str, str], body: bytes = b""
    ) -> Answer:
        """Send one request as it is, and return the answer."""
        fields = {"Host": f"127.0.0.1:{self.server.port}", "Connection": "close"}
        if body or method not in {"GET", "HEAD"}:
            fields["Content-Length"] = str(len(body))
        lines = [f"{name}: {value}" for name, value in (fields | headers).items()]
        head = "\r\n".join([f"{method} {address} HTTP/1.1", *lines, "", ""])
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            writer.write(head.encode("latin-1", "replace") + body)
            async with asyncio.timeout(30):
                return await read(reader, method)
        except (TimeoutError, OSError, EOFError) as error:
            raise AssertionError(f"{method} {address[:200]}: no answer ({error!r})") from error
        finally:
            writer.close()

    async def assert_well(self) -> None:
        """Assert that the server still does its work, and that nothing failed unexpectedly."""
        assert self.server.services.tally.errors["internal"] == 0
        assert (await self.server.fetch("api/jobs")).code == 200


async def read(reader: asyncio.StreamReader, method: str) -> Answer:
    """Read one answer: RFC 9112 section 6."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = int(head.split(" ", 2)[1])
    if method == "HEAD" or status in {101, 204, 304}:
        return Answer(status, head, b"")
    length = re.search(r"Content-Length: ([0-9]+)", head)
    return Answer(
        status, head, await (reader.readexactly(int(length[1])) if length else reader.read())
    )


def check(answer: Answer, what: str, *, refused: bool = False) -> None:
    """Assert that a request was refused in JSON, or else was taken."""
    assert answer.status < 500 or answer.status == 503, f"{what}: {answer}"
    if refused:
        assert 400 <= answer.status < 500, f"{what}: {answer}"
    if answer.status >= 400 and answer.body:
        body = json.loads(answer.body)
        assert set(body) == {"code", "message", "hint"}, what
        assert all(body.values()), what


def lone() -> Iterator[tuple[str, bytes]]:
    """Give bodies in which one text after the other cannot be written as UTF-8."""
    whole = dict.fromkeys(TEXTS, "a") | {"path": "/a/a", "source": "a.csv", "target": "b.csv"}
    for name in TEXTS:
        yield f"a lone surrogate as {name}", json.dumps(whole | {name: "\ud800"}).encode()


def oversized(most: int) -> Iterator[tuple[str, bytes]]:
    """Give bodies of more bytes than a handler takes."""
    for size in (most + 1, most + 300_000):
        yield "too much", b'{"name": "' + b"x" * size + b'"}'


async def furnish(server: Server, root: Path) -> Client:
    """Return a client, with something at each address that can have something."""
    (root / "data").mkdir()
    (root / "data" / "flights.csv").write_text("a\n1\n")
    record = await server.publish(root / "data" / "flights.csv")
    client = Client(server, record["taskId"])
    fields = client.user | TUS | {"Upload-Length": "10"}
    answer = await client.ask("POST", f"{ROOT}uploads/", fields)
    (client.upload_id,) = re.findall(r"Location: ([0-9a-f]{32})", answer.head)
    return client


def test_a_server_that_fails_would_be_seen() -> None:
    with pytest.raises(AssertionError):
        check(Answer(500, "", b'{"code": "internal", "message": "x", "hint": "x"}'), "")
    with pytest.raises(ValueError, match="Expecting value"):
        check(Answer(400, "", b"<html>"), "")


async def test_addresses(server: Server, root: Path) -> None:
    client = await furnish(server, root)
    count = 0
    for method, pattern, handler in ROWS:
        headers = client.headers(method, pattern, handler)
        for what, piece in PIECES.items():
            for address in client.spoilt(pattern, piece):
                answer = await client.ask(method, address, headers)
                # What is not there has no links, and all of them are closed.
                is_taken = method in {"GET", "DELETE"} and pattern.endswith("links/(.+)")
                check(answer, f"{method} {pattern}: {what}", refused=not is_taken)
                assert "X-Injected" not in answer.head
                assert b"root:" not in answer.body
                count += 1
    assert count > 500
    await client.assert_well()


async def test_queries(server: Server, root: Path) -> None:
    client = await furnish(server, root)
    for method, pattern, handler in ROWS:
        if method not in {"GET", "DELETE"}:
            continue
        headers = client.headers(method, pattern, handler)
        for what, value in QUERIES.items():
            for name in ("token", *FIELDS_OF_QUERIES.get(pattern.removeprefix(OURS), ())):
                address = f"{client.address(pattern)}?wait=0&{name}={value}"
                answer = await client.ask(method, address, headers)
                check(answer, f"{method} {pattern}: {what} as {name}")
            broken = f"{client.address(pattern)}?%ff=1&wait=0"
            check(await client.ask(method, broken, headers), f"{method} {pattern}: {what}")
    await client.assert_well()


async def test_bodies(server: Server, root: Path) -> None:
    client = await furnish(server, root)
    for method, pattern, handler in ROWS:
        if method in {"GET", "HEAD"}:
            continue
        headers = client.headers(method, pattern, handler)
        most = getattr(handler, "max_body", 0)
        for what, body in (*BODIES.items(), *lone(), *oversized(most)):
            answer = await client.ask(method, client.address(pattern), headers, body)
            # What is removed is said by the address, and a link needs no word about it.
            is_taken = method == "DELETE" or (what == "an empty object" and "links" in pattern)
            is_taken |= pattern.endswith("/counts")  # nor is what workers count with
            is_large = what == "too much"
            check(answer, f"{method} {pattern}: {what}", refused=is_large or not is_taken)
            if what == "too much" and most:
                assert answer.status == 413, pattern
    await client.assert_well()


async def test_header_fields(server: Server, root: Path) -> None:
    client = await furnish(server, root)
    # One that reads and one that changes something of each handler: its verbs read the same fields.
    few = {(row[2], row[0] in {"GET", "HEAD"}): row for row in reversed(ROWS)}
    for method, pattern, handler in few.values():
        headers = client.headers(method, pattern, handler)
        for name, values in FIELDS.items():
            for value in values:
                answer = await client.ask(method, client.address(pattern), headers | {name: value})
                check(answer, f"{method} {pattern}: {name}: {value[:50]!r}")
    await client.assert_well()

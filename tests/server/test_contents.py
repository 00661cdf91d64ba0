"""``contents``: any file below the root, by whoever may read contents, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.auth import Authorizer

from jupyter_server_ext.downloads.digests import weight
from jupyter_server_ext.http.mediatypes import media_type
from jupyter_server_ext.http.ranges import content_type

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

CONTENT = bytes(range(256)) * 10
DIGEST = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()


@pytest.fixture
def path(root: Path) -> Path:
    """A file that was there before, some time ago."""
    path = root / "data" / "flights 2013.csv"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


URL = "contents/data/flights%202013.csv"


async def test_the_whole_file(server: Server, path: Path) -> None:
    response = await server.fetch(URL)
    assert (response.code, response.body) == (200, CONTENT)
    expected = {
        "Content-Length": str(len(CONTENT)),
        "Content-Type": "text/csv; charset=utf-8",
        "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": (
            "attachment; filename=\"flights 2013.csv\"; filename*=UTF-8''flights%202013.csv"
        ),
        "X-Content-Type-Options": "nosniff",
        "Repr-Digest": None,
    }
    assert {name: response.headers.get(name) for name in expected} == expected
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["Etag"].startswith('"')
    head = await server.fetch(URL, method="HEAD")
    assert (head.code, head.body) == (200, b"")
    same = (*expected, "Etag", "Content-Security-Policy")
    assert all(head.headers.get(name) == response.headers.get(name) for name in same)


async def test_parts_and_conditions(server: Server, path: Path) -> None:
    etag = (await server.fetch(URL)).headers["Etag"]
    fields = {"Range": "bytes=5-9", "If-Range": etag}
    assert (await server.fetch(URL, headers=fields)).body == CONTENT[5:10]
    assert (await server.fetch(URL, headers={"If-None-Match": etag})).code == 304
    assert (await server.fetch(URL, headers={"If-Match": '"x"'})).code == 412
    assert (await server.fetch(URL, headers={"Range": "bytes=2560-"})).code == 416


async def test_other_bytes_have_another_tag(server: Server, path: Path) -> None:
    old = (await server.fetch(URL)).headers["Etag"]
    times = path.stat()
    with path.open("r+b") as file:
        file.write(b"\xff")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    # The size, the inode and the forged time are the same; the change time is not.
    response = await server.fetch(URL, headers={"Range": "bytes=5-9", "If-Range": old})
    assert response.code == 200
    assert response.headers["Etag"] != old


async def test_the_tag_of_a_young_file_is_weak(server: Server, path: Path) -> None:
    now = time.time()
    os.utime(path, (now + 60, now + 60))
    etag = (await server.fetch(URL)).headers["Etag"]
    assert etag.startswith('W/"')
    assert (await server.fetch(URL, headers={"If-None-Match": etag})).code == 304
    # A weak tag never makes a resumed download go on, nor a write happen.
    for field in (etag, etag.removeprefix("W/")):
        resumed = await server.fetch(URL, headers={"Range": "bytes=5-", "If-Range": field})
        assert (resumed.code, resumed.body) == (200, CONTENT)
        assert (await server.fetch(URL, headers={"If-Match": field})).code == 412
    assert (await server.fetch(URL, headers={"If-Match": "*"})).code == 200


async def test_a_digest_for_who_asks(server: Server, path: Path) -> None:
    for method in ("GET", "HEAD"):
        for wish, expected in (
            ("sha-256=10", f"sha-256=:{DIGEST}:"),
            ("sha-512=10, sha-256=1", f"sha-256=:{DIGEST}:"),
            ("sha-256=0", None),
            ("sha-512=10", None),
            ("sha-256", None),
            ("sha-256=11", None),
        ):
            fields = {"Want-Repr-Digest": wish}
            response = await server.fetch(URL, method=method, headers=fields)
            assert response.code == 200
            assert response.headers.get("Repr-Digest") == expected
    part = {"Want-Repr-Digest": "sha-256=1", "Range": "bytes=0-4"}
    response = await server.fetch(URL, headers=part)
    assert (response.code, response.headers["Repr-Digest"]) == (206, f"sha-256=:{DIGEST}:")


async def test_a_digest_is_computed_once_for_all(server: Server, root: Path) -> None:
    large = root / "large.bin"
    with large.open("wb") as file:
        file.truncate(256 << 20)
    os.utime(large, (1_700_000_000, 1_700_000_000))
    fields = {"Want-Repr-Digest": "sha-256=10"}
    read = []
    services = server.services
    compute = services.digests._compute

    async def counted(file: Any) -> str:
        read.append(file)
        return await compute(file)

    services.digests._compute = counted  # type: ignore[method-assign]
    answers = await asyncio.gather(
        *(server.fetch("contents/large.bin", method="HEAD", headers=fields) for _ in range(5))
    )
    assert len({answer.headers["Repr-Digest"] for answer in answers}) == 1
    assert len(read) == 1
    os.utime(large)
    for _ in range(2):
        await server.fetch("contents/large.bin", method="HEAD", headers=fields)
    assert len(read) == 3, "a young file may change without its times saying so"


@pytest.mark.parametrize(
    ("address", "code", "error"),
    [
        ("missing.csv", 404, "not-found"),
        ("data/missing.csv", 404, "not-found"),
        ("data/flights%202013.csv/x", 404, "not-found"),
        ("data/flights%202013.csv/", 404, "not-found"),
        ("data//flights%202013.csv", 404, "not-found"),
        ("data/./flights%202013.csv", 404, "not-found"),
        ("data/../data/flights%202013.csv", 404, "not-found"),
        ("..%2Fsecret.csv", 404, "not-found"),
        ("%2e%2e/secret.csv", 404, "not-found"),
        ("data/..%2f..%2fsecret.csv", 404, "not-found"),
        ("%2Fetc%2Fpasswd", 404, "not-found"),
        ("data/a%00.csv", 404, "not-found"),
        ("n" * 300, 404, "not-found"),
        ("/".join(["n" * 200] * 30), 404, "not-found"),
        ("%ff", 400, "malformed"),
        ("data", 403, "not-a-file"),
        ("fifo", 403, "not-a-file"),
        ("link.csv", 403, "outside-roots"),
        ("up/secret.csv", 403, "outside-roots"),
        (".env", 403, "hidden"),
        (".hidden/a.csv", 403, "hidden"),
        ("data/.env", 403, "hidden"),
    ],
)
async def test_what_is_refused(
    server: Server, path: Path, root: Path, address: str, code: int, error: str
) -> None:
    (root.parent / "secret.csv").write_text("secret")
    (root / ".env").write_text("secret")
    (root / "data" / ".env").write_text("secret")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "a.csv").write_text("secret")
    (root / "link.csv").symlink_to(root.parent / "secret.csv")
    (root / "up").symlink_to(root.parent)
    os.mkfifo(root / "fifo")
    for method in ("GET", "HEAD"):
        response = await server.fetch(f"contents/{address}", method=method)
        assert response.code == code
    body = json.loads((await server.fetch(f"contents/{address}")).body)
    assert body["code"] == error
    assert "secret" not in json.dumps(body)


async def test_hidden_files_where_the_server_shows_them(server: Server, root: Path) -> None:
    (root / ".env").write_text("x")
    server.services.allow_hidden = True
    assert (await server.fetch("contents/.env")).body == b"x"


class ReadsNoContents(Authorizer):
    """Allows all but reading the server's contents."""

    def is_authorized(self, *question: Any) -> bool:
        _, _, action, resource = question
        assert action == "read"
        return bool(resource != "contents")


async def test_who_may_not_read_contents_may_not_do_it_here(server: Server, path: Path) -> None:
    server.app.web_app.settings["authorizer"] = ReadsNoContents()
    for method in ("GET", "HEAD"):
        assert (await server.fetch(URL, method=method)).code == 403
    record = await server.publish(path)
    assert (await server.fetch(record["url"])).code == 200


@pytest.mark.parametrize("name", ["für 5 €.csv", "a;b,c.csv", "a%20b.csv", "a?b#c.csv", '"q".csv'])
async def test_any_name(server: Server, root: Path, name: str) -> None:
    from urllib.parse import quote

    (root / name).write_bytes(CONTENT)
    response = await server.fetch(f"contents/{quote(name)}")
    assert (response.code, response.body) == (200, CONTENT)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f"filename*=UTF-8''{quote(name, safe='!#$&+^`|')}" in str(
        response.headers["Content-Disposition"]
    )


async def test_options(server: Server, path: Path) -> None:
    for address in (URL, "contents/missing.csv"):
        response = await server.fetch(address, method="OPTIONS")
        assert (response.code, response.body) == (204, b"")
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
        assert response.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "text/csv; charset=utf-8"),
        ("A.CSV", "text/csv; charset=utf-8"),
        ("my.report.csv", "text/csv; charset=utf-8"),
        ("a.csv.gz", "application/gzip"),
        ("a.tar.gz", "application/gzip"),
        ("a.tgz", "application/gzip"),
        ("a.csv.zst", "application/zstd"),
        ("a.csv.xz", "application/x-xz"),
        ("a.csv.bz2", "application/x-bzip2"),
        ("a.parquet", "application/vnd.apache.parquet"),
        ("a.arrows", "application/vnd.apache.arrow.stream"),
        ("a.ndjson", "application/x-ndjson"),
        ("a.ipynb", "application/x-ipynb+json"),
        ("a.html", "text/html; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.pdf", "application/pdf"),
        ("a.zip", "application/zip"),
        ("http://a?b=c.csv", "text/csv; charset=utf-8"),
        ("data:a.csv", "text/csv; charset=utf-8"),
        ("a", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_media_types(name: str, expected: str) -> None:
    assert content_type(media_type(name)) == expected


@given(st.text(max_size=300))
def test_any_name_has_a_media_type(name: str) -> None:
    found = media_type(name)
    assert content_type(found).partition(";")[0] == found


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("sha-256=10", 10),
        ("sha-256=0", 0),
        ("sha-512=3,\tsha-256=5 ", 5),
        ("sha-256=1, sha-256=7", 7),
        ("sha-256=11", None),
        ("sha-256=-1", None),
        ("sha-256=1.5", None),
        ("sha-256=?1", None),
        ("SHA-256=5", None),
        ("sha-256=5, ", None),
        ("sha-256 = 5", None),
    ],
)
def test_want_repr_digest(header: str | None, expected: int | None) -> None:
    assert weight(header) == expected


@given(st.text() | st.text(alphabet="sha-256=10, "))
def test_any_wish_is_understood_or_ignored(header: str) -> None:
    assert weight(header) in {None, *range(11)}

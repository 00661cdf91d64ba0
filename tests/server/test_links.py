"""Signed links: one file, for a while, and nothing else; and no trace of them anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_server_ext.downloads.links import Links, load_key
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.stores import LINKS
from jupyter_server_ext.stores.memory import MemoryStore
from jupyter_server_ext.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    import io
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Server
    from tornado.httpclient import HTTPResponse

    from progresswidget.protocol import Json

CONTENT = b"carrier,flights\nUA,58665\n" * 4000
PREFIX = "/user/alice/progresswidget/links/"
A = "a" * 32


@pytest.fixture
def record(server: Server, root: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Json:
    path = root / "flights \u00fc.csv"
    path.write_bytes(CONTENT)
    return jp_asyncio_loop.run_until_complete(server.publish(path))


async def make(server: Server, record: Json, **body: Any) -> Json:
    """Make a link as a user."""
    response = await server.fetch(
        f"api/jobs/{record['taskId']}/links", method="POST", body=json.dumps(body)
    )
    assert response.code == 201, response.body
    assert response.headers["Cache-Control"] == "no-store"
    link: Json = json.loads(response.body)
    return link


async def take(server: Server, url: str, **more: Any) -> HTTPResponse:
    """Ask as anybody who was given the address."""
    return await server.fetch(url, token=False, **more)


def token_of(link: Json) -> str:
    return str(link["url"].removeprefix(PREFIX).partition("/")[0])


async def test_whoever_has_it_gets_the_file_as_from_its_own_address(
    server: Server, record: Json
) -> None:
    link = await make(server, record, expires=60)
    assert 59_000 < link["expires"] - link["created"] <= 60_000
    response = await take(server, link["url"])
    assert (response.code, response.body) == (200, CONTENT)
    own = await server.fetch(record["url"])
    for name in ("ETag", "Repr-Digest", "Content-Disposition", "Content-Type", "Accept-Ranges"):
        assert response.headers[name] == own.headers[name]
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in response.headers
    part = await take(server, link["url"], headers={"Range": "bytes=10-19"})
    assert (part.code, part.body) == (206, CONTENT[10:20])
    head = await take(server, link["url"], method="HEAD")
    assert (head.code, head.headers["Content-Length"]) == (200, str(len(CONTENT)))
    etag = {"If-None-Match": response.headers["ETag"]}
    assert (await take(server, link["url"], headers=etag)).code == 304


async def test_it_opens_nothing_else_and_changes_nothing(server: Server, record: Json) -> None:
    link = await make(server, record)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await take(server, link["url"], method=method)).code == 405
    bearer = {"Authorization": f"token {token_of(link)}"}
    assert (await take(server, "api/jobs", headers=bearer)).code == 403
    kernel = {"Authorization": f"Kernel {token_of(link)}"}
    links = f"api/jobs/{record['taskId']}/links"
    assert (await take(server, links, method="DELETE", headers=kernel)).code == 403
    evil = {"Origin": "https://evil.example"}
    assert (await take(server, link["url"], headers=evil)).code == 403


async def test_everything_that_is_wrong_looks_the_same(
    server: Server, root: Path, record: Json
) -> None:
    link, expired, revoked, foreign = [await make(server, record, expires=60) for _ in range(4)]
    services = server.services
    (root / "other.csv").write_bytes(b"x")
    other = await make(server, await server.publish(root / "other.csv"))
    assert (await take(server, expired["url"])).code == 200
    kept = services.links._links[expired["id"]]
    object.__setattr__(kept, "expires", 1)
    single = f"api/jobs/{record['taskId']}/links/{revoked['id']}"
    assert (await server.fetch(single, method="DELETE")).code == 204
    assert (await server.fetch(single, method="DELETE")).code == 404
    services.links._key, key = bytes(32), services.links._key
    other_key = await take(server, foreign["url"])
    services.links._key = key
    token, name = token_of(link), link["url"].rpartition("/")[2]
    flipped = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    bodies = {other_key.body}
    for address in (
        expired["url"],
        revoked["url"],
        f"{PREFIX}{flipped}/{name}",
        f"{PREFIX}{token[:-1]}/{name}",
        f"{PREFIX}{token}A/{name}",
        f"{PREFIX}{token}=/{name}",
        f"{PREFIX}{'A' * 64}/{name}",
        f"{PREFIX}{token}/{name}x",
        f"{PREFIX}{token}/",
        f"{PREFIX}{token}",
        f"{PREFIX}{token}/../{name}",
        f"{PREFIX}{token_of(other)}/{name}",
        f"{PREFIX}{token[:22]}{token_of(other)[22:]}/{name}",
        PREFIX,
        f"{PREFIX}%00%ff",
    ):
        response = await take(server, address)
        if address.endswith("%ff"):  # no UTF-8: refused before us
            assert response.code in {400, 404}
            continue
        assert response.code == 404, address
        bodies.add(response.body)
    assert (await take(server, link["url"])).code == 200
    assert (await server.fetch(f"api/jobs/{record['taskId']}", method="DELETE")).code == 204
    bodies.add((await take(server, link["url"])).body)
    assert len(bodies) == 1
    assert json.loads(bodies.pop())["code"] == "link-not-found"


async def test_all_links_of_a_job_are_closed_at_once(server: Server, record: Json) -> None:
    links = [await make(server, record) for _ in range(3)]
    address = f"api/jobs/{record['taskId']}/links"
    listed = await server.fetch(address)
    assert {entry["id"] for entry in json.loads(listed.body)} == {link["id"] for link in links}
    for link in links:
        assert token_of(link).encode() not in listed.body
    assert (await server.fetch(address, method="DELETE")).code == 204
    assert [(await take(server, link["url"])).code for link in links] == [404] * 3
    assert json.loads((await server.fetch(address)).body) == []


async def test_a_link_names_one_generation(server: Server, root: Path, record: Json) -> None:
    link = await make(server, record)
    path = root / "flights \u00fc.csv"
    path.write_bytes(b"new")
    await server.publish(path, taskId=record["taskId"], generation=2)
    response = await take(server, link["url"])
    assert response.code == 410
    assert (await take(server, (await make(server, record))["url"])).body == b"new"


NONSENSE = [
    "[]",
    "{",
    '{"expires": 0}',
    '{"expires": -1}',
    '{"expires": 86401}',
    '{"expires": "60"}',
    '{"expires": true}',
    '{"expires": NaN}',
    '{"expires": 1e400}',
]


async def test_nonsense_makes_no_link(server: Server, record: Json) -> None:
    address = f"api/jobs/{record['taskId']}/links"
    for body in NONSENSE:
        assert (await server.fetch(address, method="POST", body=body)).code == 400, body
    assert (await server.fetch(f"api/jobs/{A}/links", method="POST", body="{}")).code == 404
    assert json.loads((await server.fetch(address)).body) == []


@pytest.mark.parametrize("settings", [{"max_links": 2}])
async def test_links_have_a_number(server: Server, record: Json) -> None:
    for _ in range(2):
        await make(server, record)
    address = f"api/jobs/{record['taskId']}/links"
    assert (await server.fetch(address, method="POST", body="{}")).code == 429


@pytest.mark.parametrize("settings", [{"max_link_seconds": 0}])
async def test_links_can_be_forbidden(server: Server, record: Json) -> None:
    address = f"api/jobs/{record['taskId']}/links"
    for body in ("{}", '{"expires": 1}'):
        assert (await server.fetch(address, method="POST", body=body)).code == 400


async def test_what_is_taken_by_a_link_is_its_makers_transfer(server: Server, record: Json) -> None:
    link = await make(server, record)
    await take(server, link["url"])
    (transfer,) = json.loads((await server.fetch("api/transfers")).body)
    assert transfer["taskId"] == record["taskId"]
    assert transfer["complete"] is True


async def test_no_link_is_ever_logged_whatever_goes_wrong(
    server: Server,
    root: Path,
    record: Json,
    caplog: pytest.LogCaptureFixture,
    jp_logging_stream: io.StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    link = await make(server, record)
    url, token = link["url"], token_of(link)
    referer = {"Referer": server.url(url)}
    codes = set()
    attempts: list[tuple[str, dict[str, Any]]] = [
        (url, {}),
        (url, {"headers": {"Range": "bytes=999999999-"}}),
        (url, {"headers": {"If-Match": '"no"'}}),
        (url, {"headers": {"Origin": "https://evil.example"}}),
        (url, {"headers": referer}),
        (url + "x", {"headers": referer}),
        (url, {"method": "POST", "headers": referer}),
        (url, {"method": "OPTIONS"}),
        (f"{PREFIX}{token}", {}),
        (f"{PREFIX}{token}/a/b/c?token={token}", {}),
        (url.replace("links/", "%6Cinks/"), {}),
        (url.replace("/links/", "//links/"), {}),
        (url.replace("links/", "link/"), {}),
        (url.replace(token, f"{token[:30]}%{ord(token[30]):02x}{token[31:]}"), {}),
    ]
    for address, more in attempts:
        codes.add((await take(server, address, **more)).code)
    services = server.services
    services.registry.name_of = None  # type: ignore[method-assign,assignment] - a fault of ours
    codes.add((await take(server, url, headers=referer)).code)
    del services.registry.name_of
    (root / "flights \u00fc.csv").unlink()
    codes.add((await take(server, url)).code)
    assert {200, 204, 403, 404, 405, 410, 412, 416, 500} <= codes
    written = caplog.text + jp_logging_stream.getvalue() + "".join(capfd.readouterr())
    assert "unexpected failure" in written
    assert "/links/[secret]/" in written
    for start in range(0, 64, 16):
        assert token[start : start + 16] not in written


async def give(server: Server, path: str, **body: Any) -> Json:
    """Make a link to any file, as a user."""
    response = await server.fetch(f"api/links/{path}", method="POST", body=json.dumps(body))
    assert response.code == 201, response.body
    link: Json = json.loads(response.body)
    return link


@pytest.fixture
def plain(root: Path) -> Path:
    (root / "data").mkdir()
    path = root / "data" / "plain \u00fc.csv"
    path.write_bytes(CONTENT)
    return path


PLAIN = "data/plain%20%C3%BC.csv"


async def test_any_file_of_the_server_can_be_given_away_for_a_while(
    server: Server, plain: Path
) -> None:
    link = await give(server, PLAIN, expires=60)
    assert link["url"].endswith("/plain%20%C3%BC.csv")
    response = await take(server, link["url"])
    assert (response.code, response.body) == (200, CONTENT)
    assert response.headers["Referrer-Policy"] == "no-referrer"
    part = await take(server, link["url"], headers={"Range": "bytes=10-19"})
    assert (part.code, part.body) == (206, CONTENT[10:20])
    digest = await take(server, link["url"], headers={"Want-Repr-Digest": "sha-256=1"})
    own = await server.fetch(f"contents/{PLAIN}", headers={"Want-Repr-Digest": "sha-256=1"})
    assert digest.headers["Repr-Digest"] == own.headers["Repr-Digest"]
    told = json.loads((await server.fetch(f"api/links/{PLAIN}")).body)
    assert told["longest"] == 86400
    assert [entry["id"] for entry in told["links"]] == [link["id"]]
    assert token_of(link) not in json.dumps(told)


async def test_a_link_to_a_path_is_a_link_to_what_was_there(server: Server, plain: Path) -> None:
    link = await give(server, PLAIN)
    plain.write_bytes(CONTENT[::-1])
    assert (await take(server, link["url"])).code == 410
    assert (await take(server, (await give(server, PLAIN))["url"])).body == CONTENT[::-1]
    plain.unlink()
    assert (await take(server, link["url"])).code == 404


async def test_links_to_a_path_are_closed_one_by_one_and_all_at_once(
    server: Server, plain: Path, record: Json
) -> None:
    first, second, third = [await give(server, PLAIN) for _ in range(3)]
    of_job = await make(server, record)
    address = f"api/links/{PLAIN}"
    one = f"{address}?id={first['id']}"
    assert (await server.fetch(one, method="DELETE")).code == 204
    assert (await server.fetch(one, method="DELETE")).code == 404
    foreign = f"{address}?id={of_job['id']}"
    assert (await server.fetch(foreign, method="DELETE")).code == 404
    assert (await take(server, first["url"])).code == 404
    assert (await take(server, second["url"])).code == 200
    assert (await server.fetch(address, method="DELETE")).code == 204
    assert [(await take(server, link["url"])).code for link in (second, third)] == [404] * 2
    assert (await take(server, of_job["url"])).code == 200


async def test_no_link_is_made_to_what_cannot_be_downloaded(
    server: Server, root: Path, plain: Path, tmp_path: Path
) -> None:
    (root / "aside").symlink_to(tmp_path)
    (root / ".hidden").write_bytes(b"x")
    for path, code in (
        ("data", 403),
        ("nothing.csv", 404),
        (".hidden", 403),
        ("aside/x", 403),
        ("%2e%2e/x", 404),
        ("data/../data/x", 404),
    ):
        response = await server.fetch(f"api/links/{path}", method="POST", body="{}")
        assert response.code == code, (path, response.body)
    for body in NONSENSE:
        response = await server.fetch(f"api/links/{PLAIN}", method="POST", body=body)
        assert response.code == 400, body
    assert server.services.links._links == {}


async def test_links_to_paths_outlive_the_server(tmp_path: Path) -> None:
    def links() -> Links:
        log = logging.getLogger("test_links")
        store = SqliteStore(LINKS, tmp_path / "links.sqlite", interval=0.01, log=log)
        key = lambda: load_key(tmp_path / "links.key")  # noqa: E731
        return Links(store=store, key=key, now=lambda: 1000, longest=60, most=10)

    before = links()
    await before.load()
    link, token = await before.issue(path="a/b.csv", tag='"1"', user="alice", seconds=60)
    await before.close()
    after = links()
    await after.load()
    assert after.open(token) == link
    await after.close()


async def test_the_key_is_the_owners_alone_and_lasts(tmp_path: Path) -> None:
    path = tmp_path / "links.key"
    key = load_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path) == key
    path.write_bytes(b"torn")
    assert load_key(path) != key
    assert list(tmp_path.iterdir()) == [path]


async def test_links_outlive_the_server(tmp_path: Path) -> None:
    def links() -> Links:
        log = logging.getLogger("test_links")
        store = SqliteStore(LINKS, tmp_path / "links.sqlite", interval=0.01, log=log)
        return Links(
            store=store,
            key=lambda: load_key(tmp_path / "links.key"),
            now=lambda: 1000,
            longest=60,
            most=10,
        )

    before = links()
    await before.load()
    link, token = await before.issue(task_id=A, generation=1, user="alice", seconds=60)
    closed, second = await before.issue(task_id=A, generation=1, user="alice", seconds=60)
    await before.revoke(A, closed.id)
    await before.close()
    after = links()
    await after.load()
    assert after.open(token) == link
    with pytest.raises(ApiError):
        after.open(second)
    await after.close()
    for path in tmp_path.glob("links.sqlite*"):
        assert token.encode() not in path.read_bytes()


async def test_time_closes_a_link() -> None:
    now = [0]
    links = Links(
        store=MemoryStore(), key=lambda: bytes(32), now=lambda: now[0], longest=60, most=10
    )
    await links.load()
    _, token = await links.issue(task_id=A, generation=1, user="alice", seconds=5)
    now[0] = 4999
    assert links.open(token).user == "alice"
    now[0] = 5000
    with pytest.raises(ApiError):
        links.open(token)
    assert links.of(A) == []
    await links.reap()
    assert links._links == {}


@given(st.data())
def test_no_other_token_opens_anything(data: st.DataObject) -> None:
    async def issue() -> tuple[Links, str]:
        links = Links(
            store=MemoryStore(), key=lambda: bytes(32), now=lambda: 0, longest=60, most=10
        )
        await links.load()
        return links, (await links.issue(task_id=A, generation=1, user="", seconds=9))[1]

    links, token = asyncio.run(issue())
    position = data.draw(st.integers(0, 63))
    other = data.draw(
        st.text(max_size=80)
        | st.characters().map(lambda one: token[:position] + one + token[position + 1 :])
    )
    if other != token:
        with pytest.raises(ApiError, match="nothing at this address"):
            links.open(other)


KERNEL = """
import sys
import polars as pl
import progresswidget as pw
job = pw.export(pl.DataFrame({"a": range(100_000)}), sys.argv[1], background=True)
job.result(60)
link = job.link(expires=30)
print(link, job.link(30, server="https://hub.example.org/"), flush=True)
sys.stdin.readline()
job.revoke_links()
try:
    job.link(expires=10**9)
except pw.LinkError as error:
    print(error.code, error.message.isascii())
"""


async def test_a_kernel_gives_its_file_to_curl_and_takes_it_back(
    server: Server, root: Path, tmp_path: Path, program: Callable[[str], str]
) -> None:
    server.extension._write_endpoint(server.app)
    path = root / "numbers.csv"
    kernel = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KERNEL,
        str(path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert kernel.stdin is not None
    assert kernel.stdout is not None
    link, elsewhere = (await kernel.stdout.readline()).decode().split()
    assert elsewhere.startswith(f"https://hub.example.org{PREFIX}")
    address = server.url("/" + link.partition("//")[2].partition("/")[2])

    async def curl(*arguments: str) -> int:
        done = await asyncio.create_subprocess_exec(
            program("curl"), "-sS", "--fail", "-O", *arguments, address, cwd=tmp_path
        )
        return await done.wait()

    assert await curl() == 0
    saved = tmp_path / "numbers.csv"
    assert saved.read_bytes() == path.read_bytes()
    saved.write_bytes(path.read_bytes()[:1000])
    assert await curl("-C", "-") == 0
    assert saved.read_bytes() == path.read_bytes()
    out, _ = await kernel.communicate(b"\n")
    assert out.split() == [b"no-link", b"True"]
    assert await curl() == 22

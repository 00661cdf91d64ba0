"""``files``: every answer of the download matrix, and never a wrong byte."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import socket
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Server

    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]

CONTENT = bytes(range(256)) * 10
DIGEST = hashlib.sha256(CONTENT).hexdigest()
ETAG = f'"sha256-{DIGEST}"'


@pytest.fixture
def path(root: Path) -> Path:
    """An exported file, some time ago."""
    path = root / "flights 2013.csv"
    path.write_bytes(CONTENT)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


MODIFIED = formatdate(1_700_000_000, usegmt=True)
EARLIER = formatdate(1_699_999_999, usegmt=True)


async def test_the_whole_file(server: Server, path: Path) -> None:
    record = await server.publish(path)
    response = await server.fetch(record["url"])
    assert (response.code, response.body) == (200, CONTENT)
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    expected = {
        "Content-Length": str(len(CONTENT)),
        "Content-Type": "text/csv; charset=utf-8",
        "Etag": ETAG,
        "Last-Modified": MODIFIED,
        "Accept-Ranges": "bytes",
        "Repr-Digest": f"sha-256=:{digest}:",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": (
            "attachment; filename=\"flights 2013.csv\"; filename*=UTF-8''flights%202013.csv"
        ),
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    assert {name: response.headers.get(name) for name in expected} == expected
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("fields", "code", "part"),
    [
        ({}, 200, slice(None)),
        ({"Range": "bytes=0-99"}, 206, slice(0, 100)),
        ({"Range": "bytes=100-"}, 206, slice(100, None)),
        ({"Range": "bytes=-7"}, 206, slice(-7, None)),
        ({"Range": "bytes=2559-99999"}, 206, slice(2559, None)),
        ({"Range": "bytes=0-4,5-6"}, 206, slice(0, 7)),
        ({"Range": "bytes=0-0,9999-"}, 206, slice(0, 1)),
        ({"Range": "bytes=0-1500,1000-2559"}, 200, slice(None)),
        ({"Range": "rows=0-1"}, 200, slice(None)),
        ({"Range": "bytes=9-1"}, 200, slice(None)),
        ({"Range": "bytes=2560-"}, 416, None),
        ({"Range": "bytes=-0"}, 416, None),
        ({"Range": "bytes=0-9", "If-Range": ETAG}, 206, slice(0, 10)),
        ({"Range": "bytes=0-9", "If-Range": MODIFIED}, 206, slice(0, 10)),
        ({"Range": "bytes=0-9", "If-Range": '"other"'}, 200, slice(None)),
        ({"Range": "bytes=0-9", "If-Range": f"W/{ETAG}"}, 200, slice(None)),
        ({"Range": "bytes=0-9", "If-Range": EARLIER}, 200, slice(None)),
        ({"Range": "bytes=9999-", "If-Range": '"other"'}, 200, slice(None)),
        ({"If-None-Match": ETAG}, 304, None),
        ({"If-None-Match": "*", "Range": "bytes=0-9"}, 304, None),
        ({"If-None-Match": '"other"'}, 200, slice(None)),
        ({"If-Modified-Since": MODIFIED}, 304, None),
        ({"If-Modified-Since": EARLIER}, 200, slice(None)),
        ({"If-Match": ETAG, "Range": "bytes=0-9"}, 206, slice(0, 10)),
        ({"If-Match": '"other"'}, 412, None),
        ({"If-Unmodified-Since": EARLIER}, 412, None),
    ],
    ids=str,
)
async def test_the_matrix(
    server: Server, path: Path, fields: dict[str, str], code: int, part: slice | None
) -> None:
    record = await server.publish(path)
    response = await server.fetch(record["url"], headers=fields)
    assert response.code == code, response.body
    if code == 304:
        assert response.body == b""
        assert response.headers["Etag"] == ETAG
        assert "Cache-Control" in response.headers
    elif part is None:
        assert json.loads(response.body)["code"] in {"range-not-satisfiable", "precondition-failed"}
        assert response.headers["Content-Type"] == "application/json"
    else:
        assert response.body == CONTENT[part]
        assert response.headers["Content-Length"] == str(len(CONTENT[part]))
    if code == 206:
        first, last, _ = part.indices(len(CONTENT))  # type: ignore[union-attr]
        assert response.headers["Content-Range"] == f"bytes {first}-{last - 1}/{len(CONTENT)}"
        assert "Repr-Digest" in response.headers
    else:
        wanted = f"bytes */{len(CONTENT)}" if code == 416 else None
        assert response.headers.get("Content-Range") == wanted

    head = await server.fetch(record["url"], method="HEAD", headers=fields)
    assert head.body == b""
    # RFC 9110 section 14.2: Range is for GET only.
    assert head.code == {206: 200, 416: 200}.get(code, code)
    if head.code == 200:
        assert head.headers["Content-Length"] == str(len(CONTENT))
        assert head.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert head.headers["Etag"] == ETAG


async def test_an_empty_file(server: Server, root: Path) -> None:
    path = root / "empty.csv"
    path.touch()
    record = await server.publish(path)
    response = await server.fetch(record["url"])
    assert (response.code, response.body) == (200, b"")
    assert response.headers["Content-Length"] == "0"
    ranged = await server.fetch(record["url"], headers={"Range": "bytes=0-"})
    assert (ranged.code, ranged.headers["Content-Range"]) == (416, "bytes */0")


async def test_nothing_is_compressed_on_the_way(server: Server, path: Path) -> None:
    record = await server.publish(path)
    server.app.web_app.settings["compress_response"] = True
    server.app.web_app.transforms.append(_gzip())
    response = await server.fetch(
        record["url"], headers={"Accept-Encoding": "gzip"}, decompress_response=False
    )
    assert response.body == CONTENT
    assert "Content-Encoding" not in response.headers
    assert response.headers["Etag"] == ETAG


def _gzip() -> Any:
    from tornado.web import GZipContentEncoding

    return GZipContentEncoding


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        ("queued", 503, "not-ready"),
        ("running", 503, "not-ready"),
        ("paused", 503, "not-ready"),
        ("failed", 410, "export-ended"),
        ("cancelled", 410, "export-ended"),
        ("interrupted", 410, "export-ended"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_file_that_is_not_there_yet_or_never_will_be(
    server: Server, report: Report, path: Path, method: str, status: str, code: int, error: str
) -> None:
    body = report(status=status, name=path.name, path=str(path))
    url = (await server.reported(body))["url"]
    response = await server.fetch(url, method=method)
    assert response.code == code
    assert response.headers.get("Retry-After") == ("1" if code == 503 else None)
    if method == "GET":
        assert json.loads(response.body)["code"] == error


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("{id}/2/{name}", 200),
        ("{id}/1/{name}", 410),
        ("{id}/0/{name}", 410),
        ("{id}/3/{name}", 404),
        ("{id}/02/{name}", 404),
        ("{id}/-1/{name}", 404),
        ("{id}/two/{name}", 404),
        ("{id}/%D9%A2/{name}", 404),
        ("{id}/99999999999999999999/{name}", 404),
        ("{id}/2/other.csv", 404),
        ("{id}/2/{name}%00", 404),
        ("{id}/2/..%2F{name}", 404),
        ("{id}/2/%2e%2e", 404),
        ("{id}/2/%2Fetc%2Fpasswd", 404),
        ("{id}/2/../../../../../../etc/passwd", 404),
        ("{id}/2/%ff", 400),
        ("ffffffffffffffffffffffffffffffff/2/{name}", 404),
        ("%2e%2e/2/{name}", 404),
        ("{ID}/2/{name}", 404),
    ],
)
async def test_one_address_one_file(server: Server, path: Path, address: str, code: int) -> None:
    record = await server.publish(path, generation=2)
    name, task_id = record["url"].rpartition("/")[2], record["taskId"]
    url = address.format(id=task_id, ID=task_id.upper() + "A", name=name)
    assert (await server.fetch(f"files/{url}")).code == code


@pytest.mark.parametrize(
    ("place", "code", "error"),
    [
        ("{tmp}/secret.csv", 403, "outside-roots"),
        ("{root}/../secret.csv", 403, "outside-roots"),
        ("{root}/link.csv", 403, "outside-roots"),
        ("{root}/up/secret.csv", 403, "outside-roots"),
        ("/etc/passwd", 403, "outside-roots"),
        ("{root}/.env", 403, "hidden"),
        ("{root}/fifo", 403, "not-a-file"),
        ("{root}/sub", 403, "not-a-file"),
        ("{root}/gone.csv", 410, "file-missing"),
    ],
)
async def test_a_kernel_cannot_name_just_any_file(
    server: Server, path: Path, report_of: Report, place: str, code: int, error: str
) -> None:
    root, tmp = path.parent, path.parent.parent
    (tmp / "secret.csv").write_text("secret")
    (root / ".env").write_text("secret")
    (root / "sub").mkdir()
    (root / "link.csv").symlink_to(tmp / "secret.csv")
    (root / "up").symlink_to(tmp)
    os.mkfifo(root / "fifo")
    body = report_of(path, path=place.format(root=root, tmp=tmp), name="a.csv")
    url = (await server.reported(body))["url"]
    for method in ("GET", "HEAD"):
        response = await server.fetch(url, method=method)
        assert response.code == code
    assert json.loads((await server.fetch(url)).body)["code"] == error


@pytest.mark.parametrize("settings", [{"roots": ["~/exports"]}])
async def test_more_roots(server: Server) -> None:
    folder = Path.home() / "exports"
    folder.mkdir(parents=True)
    path = folder / "a.csv"
    path.write_bytes(CONTENT)
    record = await server.publish(path)
    assert (await server.fetch(record["url"])).body == CONTENT


async def test_an_unreadable_file(server: Server, path: Path, report_of: Report) -> None:
    body = report_of(path)
    url = (await server.reported(body))["url"]
    path.chmod(0)
    # Who runs the tests as root reads anything; the touch is then found to be harmless.
    code = 200 if os.geteuid() == 0 else 403
    assert (await server.fetch(url)).code == code


async def test_a_touched_file_is_verified_once(server: Server, path: Path) -> None:
    record = await server.publish(path)
    before = server.services.registry.get(record["taskId"]).fingerprint
    path.chmod(0o640)
    answers = await asyncio.gather(*(server.fetch(record["url"]) for _ in range(5)))
    assert [answer.body for answer in answers] == [CONTENT] * 5
    after = server.services.registry.get(record["taskId"]).fingerprint
    assert before != after
    assert after is not None
    assert after.ctime_ns == path.stat().st_ctime_ns


async def test_a_changed_file_is_gone(server: Server, path: Path) -> None:
    record = await server.publish(path)
    path.write_bytes(CONTENT + b"x")
    response = await server.fetch(record["url"])
    assert (response.code, json.loads(response.body)["code"]) == (410, "file-changed")


async def test_a_replaced_file_is_gone(server: Server, path: Path) -> None:
    record = await server.publish(path)
    other = path.with_name("other")
    other.write_bytes(CONTENT)
    os.utime(other, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    response = await server.fetch(record["url"])
    assert (response.code, json.loads(response.body)["code"]) == (410, "file-changed")


async def test_a_damaged_file_is_gone(server: Server, path: Path) -> None:
    record = await server.publish(path)
    times = path.stat()
    with path.open("r+b") as file:
        file.write(b"\xff")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    for _ in range(2):
        response = await server.fetch(record["url"])
        assert (response.code, json.loads(response.body)["code"]) == (410, "file-damaged")


async def test_a_date_in_the_future_is_not_sent(server: Server, path: Path) -> None:
    os.utime(path, (4_000_000_000, 4_000_000_000))
    record = await server.publish(path)
    response = await server.fetch(record["url"])
    dates = [parsedate_to_datetime(response.headers[name]) for name in ("Last-Modified", "Date")]
    assert dates[0] <= dates[1]


class Download:
    """A download by hand: reads when it is told to."""

    def __init__(self, server: Server, url: str, *, method: str = "GET") -> None:
        self._socket = socket.socket()
        self._socket.connect(("127.0.0.1", server.port))
        token = server.app.identity_provider.token
        self._socket.sendall(
            f"{method} {url} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"Authorization: token {token}\r\n\r\n".encode()
        )
        self._socket.settimeout(0)
        self.data = bytearray()
        self.ended = False

    def read(self, blocks: int = 8) -> bool:
        """Take what is there, and say whether the server has closed the connection."""
        for _ in range(blocks):
            try:
                block = self._socket.recv(1 << 20)
            except BlockingIOError:
                break
            except ConnectionError:
                block = b""
            self.data += block
            self.ended = self.ended or not block
        return self.ended

    @property
    def body(self) -> bytes:
        return bytes(self.data.partition(b"\r\n\r\n")[2])

    @property
    def announced(self) -> int:
        head = self.data.partition(b"\r\n\r\n")[0].decode()
        (line,) = [line for line in head.splitlines() if line.lower().startswith("content-length")]
        return int(line.split(":")[1])

    def close(self) -> None:
        self._socket.close()


LARGE = 64 * 1024 * 1024


@pytest.fixture
def large(root: Path) -> Path:
    """A file that no socket buffer swallows, with other bytes in every block."""
    path = root / "large.bin"
    with path.open("wb") as file:
        for number in range(LARGE // (1 << 20)):
            file.write(bytes([number]) * (1 << 20))
    return path


def open_files(name: str) -> int:
    """Count this process's descriptors of a file."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += name in str(entry.readlink())
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize("how", ["overwrite", "append", "truncate", "rewrite"])
async def test_a_file_changed_in_the_middle_ends_in_an_error(
    server: Server, large: Path, eventually: Eventually, how: str
) -> None:
    record = await server.publish(large)
    download = Download(server, record["url"])
    await eventually(lambda: download.read() or len(download.data) > 1 << 20)
    if how == "truncate":
        os.truncate(large, 2 << 20)
    elif how == "rewrite":
        large.write_bytes(b"\xff" * LARGE)
    else:
        with large.open("ab" if how == "append" else "r+b") as file:
            file.seek(LARGE - 10 if how == "overwrite" else LARGE)
            file.write(b"\xff" * 10)
    await eventually(download.read)
    assert download.announced == LARGE
    assert len(download.body) < LARGE, "a client must see that it has no file"
    blocks = [
        download.body[start : start + (1 << 20)] for start in range(0, len(download.body), 1 << 20)
    ]
    assert all(set(block) == {number} for number, block in enumerate(blocks)), "only old bytes"
    await eventually(lambda: open_files("large.bin") == 0)
    download.close()


@pytest.mark.parametrize("how", ["unlink", "replace"])
async def test_a_file_replaced_in_the_middle_is_sent_to_its_end(
    server: Server, large: Path, eventually: Eventually, how: str
) -> None:
    record = await server.publish(large)
    download = Download(server, record["url"])
    await eventually(lambda: download.read() or len(download.data) > 1 << 20)
    if how == "unlink":
        large.unlink()
    else:
        other = large.with_name("other.bin")
        other.write_bytes(b"\xff" * LARGE)
        other.replace(large)
    await eventually(lambda: download.read() or len(download.body) == LARGE)
    assert hashlib.sha256(download.body).hexdigest() == record["sha256"]
    assert (await server.fetch(record["url"])).code == 410
    download.close()


@pytest.mark.parametrize("settings", [{"stall_timeout": 0.3}])
async def test_a_reader_that_stops_reading_is_cut(
    server: Server, large: Path, eventually: Eventually
) -> None:
    record = await server.publish(large)
    download = Download(server, record["url"])
    await eventually(lambda: open_files("large.bin") == 1)
    await eventually(lambda: open_files("large.bin") == 0)
    await eventually(download.read)
    assert len(download.body) < LARGE
    download.close()


async def test_a_client_that_leaves_frees_the_file_at_once(
    server: Server, large: Path, eventually: Eventually
) -> None:
    # The stall time-out is a minute: nobody may wait for it here.
    record = await server.publish(large)
    downloads = [Download(server, record["url"]) for _ in range(10)]
    await eventually(lambda: open_files("large.bin") == 10)
    for download in downloads:
        download.close()
    await eventually(lambda: open_files("large.bin") == 0)


async def test_the_server_answers_while_files_go_out(
    server: Server, large: Path, eventually: Eventually
) -> None:
    record = await server.publish(large)
    downloads = [Download(server, record["url"]) for _ in range(4)]
    await eventually(lambda: open_files("large.bin") == 4)
    for _ in range(20):
        # Each takes a little and no more, so that none can have ended when the answer is here.
        for download in downloads:
            before = len(download.data)
            await eventually(lambda one=download, n=before: one.read(1) or len(one.data) > n)
        assert (await server.fetch("api/jobs")).code == 200
        assert open_files("large.bin") == 4
        assert all(len(download.data) < LARGE for download in downloads)
    for download in downloads:
        await eventually(lambda one=download: one.read() or len(one.data) > LARGE)
    assert all(hashlib.sha256(d.body).hexdigest() == record["sha256"] for d in downloads)
    for download in downloads:
        download.close()


async def test_bytes_that_move_count_as_activity(server: Server, path: Path) -> None:
    record = await server.publish(path)
    settings = server.app.web_app.settings
    settings.pop("progresswidget_last_activity")
    await server.fetch(record["url"], method="HEAD")
    assert "progresswidget_last_activity" not in settings
    await server.fetch(record["url"])
    assert server.app.web_app.last_activity() >= settings["progresswidget_last_activity"]


async def test_a_connection_is_kept_for_the_next_request(
    server: Server, path: Path, eventually: Eventually
) -> None:
    record = await server.publish(path)
    download = Download(server, record["url"])
    await eventually(lambda: download.read() or len(download.body) == len(CONTENT))
    assert not download.ended
    assert download.body == CONTENT
    download.close()


async def test_several_large_ranges_leave_by_sendfile_too(
    server: Server, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.services.sending.tail = 1 << 20
    sent = []
    original = os.sendfile

    def counted(*arguments: Any) -> int:
        sent.append(original(*arguments))
        return sent[-1]

    monkeypatch.setattr(os, "sendfile", counted)
    record = await server.publish(large)
    third = LARGE // 3
    wanted = f"bytes={2 * third}-,0-9,100-{third}"
    for _ in range(2):
        response = await server.fetch(record["url"], headers={"Range": wanted})
        assert response.code == 206
        boundary = response.headers["Content-Type"].partition("boundary=")[2].encode()
        content = large.read_bytes()
        parts = response.body.split(b"--" + boundary)
        bodies = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts[1:-1]]
        assert bodies == [content[2 * third :], content[:10], content[100 : third + 1]]
    assert sum(sent) == 2 * (LARGE - 2 * third + third + 1 - 100 - 2 * (1 << 20))

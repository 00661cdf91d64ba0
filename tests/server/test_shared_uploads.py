"""One upload over several servers: the offset is true everywhere, and one at a time writes."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from several import Several

from jupyter_server_ext.model.upload import Upload
from jupyter_server_ext.uploads.tusheaders import parse_creation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Process
    from redis_server import RedisServer

    from progresswidget.protocol import Json

CONTENT = random.Random(5).randbytes(3 << 20)
HALF = 1 << 20


@pytest.fixture
def several(start: Callable[..., Process], redis: RedisServer, tmp_path: Path) -> Iterator[Several]:
    place = Several(start, redis, tmp_path / "nginx")
    yield place
    place.close()


class Client:
    """A client of tus that comes to one server."""

    def __init__(self, several: Several, index: int) -> None:
        self._port = several.ports[index]
        self._token = several.servers[index].token

    def begin(self, method: str, upload: str = "", **fields: str) -> http.client.HTTPConnection:
        """Send the head of a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        path = f"/progresswidget/uploads/{upload}"
        connection.putrequest(method, path)
        headers = {"Authorization": f"token {self._token}", "Tus-Resumable": "1.0.0"}
        for name, value in (headers | fields).items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        return connection

    def ask(self, method: str, upload: str = "", body: bytes = b"", **fields: str) -> Any:
        """Send a request, and return the answer."""
        if method in {"PATCH", "POST"}:
            fields["Content_Length"] = str(len(body))
        connection = self.begin(method, upload, **fields)
        connection.send(body)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def create(self, name: str, **fields: str) -> str:
        metadata = f"filename {base64.b64encode(name.encode()).decode()}"
        answer = self.ask(
            "POST", Upload_Length=str(len(CONTENT)), Upload_Metadata=metadata, **fields
        )
        assert answer.status == 201, answer.status
        return str(answer.headers["Location"])

    def offset(self, upload: str, *, within: float = 0.0) -> int:
        """Ask how far it is, again where one is told to ask again."""
        end = time.monotonic() + within
        while (answer := self.ask("HEAD", upload)).status == 423:
            assert answer.headers["Retry-After"] == "1"
            assert time.monotonic() < end
        assert answer.status == 200, answer.status
        return int(answer.headers["Upload-Offset"])

    def patch(self, upload: str, offset: int, body: bytes) -> Any:
        return self.ask("PATCH", upload, body, **head(offset))

    def begin_patch(self, upload: str, offset: int, body: bytes) -> http.client.HTTPConnection:
        """Send the first part of a long body, and no more."""
        length = {"Content_Length": str(len(CONTENT) - offset)}
        connection = self.begin("PATCH", upload, **head(offset), **length)
        connection.send(body)
        return connection


def head(offset: int) -> dict[str, str]:
    return {"Upload_Offset": str(offset), "Content_Type": "application/offset+octet-stream"}


def wait_for_bytes(root: Path, upload: str, size: int) -> None:
    end = time.monotonic() + 30
    path = root / f".progresswidget-{upload}.upload"
    while path.stat().st_size < size:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "../../etc/passwd"},
        {"creation": {"folder": [".."]}},
        {"creation": {"name": "../a"}},
        {"creation": {"folder": ["a/../.."]}},
    ],
)
def test_a_record_that_names_another_place_is_not_read(wrong: Json) -> None:
    creation = parse_creation(
        {"Upload-Length": "1", "Upload-Metadata": "filename YQ=="}, max_size=1, hidden=False
    )
    upload = Upload(id="0" * 32, owner="a", creation=creation, length=1, created=0, expires=1)
    record = upload.to_json()
    assert Upload.from_json(record) == upload
    inner = record["creation"] | wrong.get("creation", {})
    with pytest.raises(ValueError, match="place"):
        Upload.from_json(record | wrong | {"creation": inner})


def test_the_offset_is_true_on_every_server(several: Several, tmp_path: Path) -> None:
    several.begin(2)
    a, b = Client(several, 0), Client(several, 1)
    upload = a.create("a.bin")
    assert b.offset(upload) == 0
    step = len(CONTENT) // 12
    # Each piece goes to the other server, without a word in between.
    for turn in range(12):
        client, other = (a, b) if turn % 2 else (b, a)
        piece = CONTENT[turn * step : (turn + 1) * step]
        answer = client.patch(upload, turn * step, piece)
        assert (answer.status, answer.headers["Upload-Offset"]) == (204, str((turn + 1) * step))
        assert other.offset(upload) == (turn + 1) * step
    assert (tmp_path / "root" / "a.bin").read_bytes() == CONTENT
    for client in (a, b):
        digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
        assert client.ask("HEAD", upload).headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert a.patch(upload, 0, b"x").status == 409


def test_the_newest_request_takes_over_from_another_server(
    several: Several, tmp_path: Path
) -> None:
    several.begin(2)
    a, b = Client(several, 0), Client(several, 1)
    upload = a.create("a.bin")
    stalled = a.begin_patch(upload, 0, CONTENT[:HALF])
    wait_for_bytes(tmp_path / "root", upload, HALF)
    begun = time.monotonic()
    assert b.offset(upload) == HALF
    assert time.monotonic() - begun < 25, "nobody waits for a client that does not come back"
    assert stalled.getresponse().status == 409
    stalled.close()
    assert b.patch(upload, HALF, CONTENT[HALF:]).status == 204
    assert (tmp_path / "root" / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "sign", [pytest.param(signal.SIGKILL, marks=pytest.mark.faults), signal.SIGSTOP]
)
def test_another_server_goes_on_where_a_dead_one_was(
    several: Several, tmp_path: Path, sign: int
) -> None:
    a_server, _ = several.begin(2)
    a, b = Client(several, 0), Client(several, 1)
    upload = a.create("a.bin")
    stalled = a.begin_patch(upload, 0, CONTENT[:HALF])
    wait_for_bytes(tmp_path / "root", upload, HALF)
    os.kill(a_server.pid, sign)
    # Until its lease has ended nobody knows that it is dead; a client is told to try again.
    assert b.offset(upload, within=30) == HALF
    assert b.patch(upload, HALF, CONTENT[HALF:]).status == 204
    if sign == signal.SIGSTOP:
        os.kill(a_server.pid, signal.SIGCONT)
        assert a.offset(upload, within=30) == len(CONTENT)
    stalled.close()
    assert (tmp_path / "root" / "a.bin").read_bytes() == CONTENT


def test_keys_and_ends_hold_on_every_server(several: Several, tmp_path: Path) -> None:
    several.begin(2)
    a, b = Client(several, 0), Client(several, 1)
    upload = a.create("a.bin", Idempotency_Key='"k1"')
    assert b.offset(upload) == 0
    assert b.create("a.bin", Idempotency_Key='"k1"') == upload
    assert b.ask("DELETE", upload).status == 204
    assert a.ask("HEAD", upload).status in {404, 410}
    assert list((tmp_path / "root").iterdir()) == []


@pytest.mark.faults
def test_a_restarted_server_leaves_alone_what_another_one_is_busy_with(
    several: Several, tmp_path: Path
) -> None:
    a_server, _ = several.begin(2)
    a, b = Client(several, 0), Client(several, 1)
    upload = a.create("a.bin")
    digest = base64.b64encode(hashlib.sha256(CONTENT[:HALF]).digest()).decode()
    fields = head(0) | {"Upload_Checksum": f"sha256 {digest}"}
    assert a.ask("PATCH", upload, CONTENT[:HALF], **fields).status == 204
    a_server.stop(signal.SIGKILL)
    going = b.begin_patch(upload, HALF, CONTENT[HALF : 2 * HALF])
    wait_for_bytes(tmp_path / "root", upload, 2 * HALF)
    several.again(0)
    going.send(CONTENT[2 * HALF :])
    assert going.getresponse().status == 204
    going.close()
    assert a.offset(upload) == len(CONTENT)
    assert (tmp_path / "root" / "a.bin").read_bytes() == CONTENT

"""``uploads``: tus 1.0.0, each rule of it, and what is on the disk meanwhile."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import xxhash
from jupyter_server.auth.identity import IdentityProvider, User
from upload_files import no_room

from jupyter_server_ext.uploads.staged import RunningDigest, StagedFile, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from conftest import Server
    from tornado.httpclient import HTTPResponse

    Eventually = Callable[..., Awaitable[Any]]

CONTENT = os.urandom(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OCTETS = "application/offset+octet-stream"


def metadata(**values: str) -> str:
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items()
    )


def checksum(algorithm: str, content: bytes) -> str:
    made = xxhash.xxh3_128(content) if algorithm == "xxh128" else hashlib.new(algorithm, content)
    return f"{algorithm} {base64.b64encode(made.digest()).decode()}"


@dataclass
class Tus:
    """A client that does what it is told, right or wrong."""

    server: Server
    kernel: bool = False
    token: str | None = None

    async def send(self, path: str, method: str, **more: Any) -> HTTPResponse:
        headers = {"Tus-Resumable": "1.0.0"} | more.pop("headers", {})
        if self.kernel:
            headers["Authorization"] = f"Kernel {self.server.services.secret}"
        if self.token is not None:
            headers["Authorization"] = f"token {self.token}"
        headers = {name: value for name, value in headers.items() if value is not None}
        return await self.server.fetch(
            f"uploads/{path}", token=not self.kernel, method=method, headers=headers, **more
        )

    async def create(
        self, length: int | None = len(CONTENT), body: bytes = b"", /, **more: Any
    ) -> HTTPResponse:
        headers = {"Upload-Length": None if length is None else str(length)}
        headers["Upload-Metadata"] = metadata(**({"filename": "a.bin"} | more.pop("meta", {})))
        if body:
            headers["Content-Type"] = OCTETS
        return await self.send("", "POST", headers=headers | more.pop("headers", {}), body=body)

    async def created(self, length: int | None = len(CONTENT), /, **more: Any) -> str:
        response = await self.create(length, **more)
        assert response.code == 201, response.body
        return response.headers["Location"]

    async def patch(
        self, upload: str, offset: object, body: bytes, **headers: str | None
    ) -> HTTPResponse:
        fields = {"Upload-Offset": str(offset), "Content-Type": OCTETS}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send(upload, "PATCH", headers=fields | more, body=body)

    async def head(self, upload: str) -> HTTPResponse:
        return await self.send(upload, "HEAD")

    async def offset(self, upload: str) -> int:
        response = await self.head(upload)
        assert response.code == 200, response.code
        return int(response.headers["Upload-Offset"])


@pytest.fixture
def tus(server: Server) -> Tus:
    return Tus(server)


def code(response: HTTPResponse) -> str:
    found: str = json.loads(response.body)["code"]
    return found


def staged(root: Path) -> list[Path]:
    return sorted(root.rglob(".progresswidget-*"))


async def test_a_file_in_two_pieces(tus: Tus, root: Path) -> None:
    response = await tus.create(meta={"filename": "données.bin", "filetype": "text/plain"})
    assert (response.code, response.body) == (201, b"")
    upload = response.headers["Location"]
    assert len(upload) == 32
    assert int(upload, 16)
    assert response.headers["Tus-Resumable"] == "1.0.0"
    assert response.headers["Upload-Offset"] == "0"
    assert response.headers["Upload-Expires"].endswith(" GMT")

    first = await tus.patch(upload, 0, CONTENT[:100_000])
    assert (first.code, first.body, first.headers["Upload-Offset"]) == (204, b"", "100000")
    assert [path.name for path in root.iterdir()] == [f".progresswidget-{upload}.upload"]
    assert staged(root)[0].read_bytes() == CONTENT[:100_000]

    head = await tus.head(upload)
    assert head.headers["Upload-Offset"] == "100000"
    assert head.headers["Upload-Length"] == "300000"
    assert head.headers["Cache-Control"] == "no-store"
    assert head.headers["Upload-Metadata"] == metadata(
        filename="données.bin", filetype="text/plain"
    )
    assert "Content-Location" not in head.headers

    last = await tus.patch(upload, 100_000, CONTENT[100_000:])
    for answer in (last, await tus.head(upload)):
        assert answer.headers["Upload-Offset"] == "300000"
        location = "/user/alice/progresswidget/contents/donn%C3%A9es.bin"
        assert answer.headers["Content-Location"] == location
        digest = base64.b64encode(bytes.fromhex(DIGEST)).decode()
        assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert (root / "données.bin").read_bytes() == CONTENT
    assert [path.name for path in root.iterdir()] == ["données.bin"]


async def test_options_tell_what_is_true(tus: Tus) -> None:
    for path in ("", "a" * 32):
        response = await tus.send(path, "OPTIONS", headers={"Tus-Resumable": None})
        assert (response.code, response.body) == (204, b"")
        assert response.headers["Tus-Version"] == "1.0.0"
        assert response.headers["Tus-Max-Size"] == str(2**40)
        assert response.headers["Tus-Checksum-Algorithm"] == "sha256,sha1,md5,xxh128"
        extensions = "creation,creation-with-upload,creation-defer-length"
        extensions += ",checksum,expiration,termination"
        assert response.headers["Tus-Extension"] == extensions


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.1", ""])
async def test_another_version_is_told_ours(tus: Tus, root: Path, version: str | None) -> None:
    headers = {"Tus-Resumable": version}
    for response in (
        await tus.create(headers=headers),
        await tus.send("a" * 32, "PATCH", headers=headers, body=b"x"),
        await tus.send("a" * 32, "HEAD", headers=headers),
        await tus.send("a" * 32, "DELETE", headers=headers),
    ):
        assert response.code == 412
        assert response.headers["Tus-Version"] == "1.0.0"
    assert staged(root) == []


async def test_creation_with_upload(tus: Tus, root: Path) -> None:
    response = await tus.create(len(CONTENT), CONTENT[:10])
    assert (response.code, response.headers["Upload-Offset"]) == (201, "10")
    response = await tus.create(len(CONTENT), CONTENT, meta={"filename": "whole.bin"})
    assert (response.code, response.headers["Upload-Offset"]) == (201, "300000")
    assert (root / "whole.bin").read_bytes() == CONTENT


async def test_an_empty_file_is_done_when_it_is_created(tus: Tus, root: Path) -> None:
    response = await tus.create(0, meta={"filename": "empty"})
    assert response.code == 201
    assert response.headers["Content-Location"].endswith("/contents/empty")
    assert (root / "empty").read_bytes() == b""


async def test_a_length_that_is_told_later(tus: Tus, root: Path) -> None:
    upload = await tus.created(None, headers={"Upload-Defer-Length": "1"})
    assert (await tus.patch(upload, 0, CONTENT[:9])).code == 204
    head = await tus.head(upload)
    assert head.headers["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in head.headers
    wrong = await tus.patch(upload, 9, b"", Upload_Length="8")
    assert (wrong.code, code(wrong)) == (400, "malformed")
    assert (await tus.patch(upload, 9, CONTENT[9:], Upload_Length="300000")).code == 204
    assert (root / "a.bin").read_bytes() == CONTENT


async def test_a_known_length_stays(tus: Tus) -> None:
    upload = await tus.created()
    response = await tus.patch(upload, 0, CONTENT[:9], Upload_Length="10")
    assert (response.code, code(response)) == (400, "malformed")
    assert (await tus.patch(upload, 0, CONTENT[:9], Upload_Length="300000")).code == 204


@pytest.mark.parametrize(
    ("offset", "status"),
    [
        *((text, 409) for text in ("0", "5", "11", "300000")),
        *((text, 400) for text in ("-1", "", "ten", "9" * 30, "10.0", "1e1", "0x0a", "+10")),
        *((text, 400) for text in ("10,10", "١٠")),
    ],
)
async def test_another_offset_changes_nothing(tus: Tus, offset: str, status: int) -> None:
    upload = await tus.created()
    assert (await tus.patch(upload, 0, CONTENT[:10])).code == 204
    value = offset.encode().decode("latin1")
    response = await tus.patch(upload, value, CONTENT[10:20])
    assert response.code == status, response.body
    assert response.headers["Upload-Offset"] == "10"
    assert await tus.offset(upload) == 10


async def test_a_request_sent_twice_counts_once(tus: Tus, root: Path) -> None:
    upload = await tus.created()
    assert (await tus.patch(upload, 0, CONTENT[:10])).code == 204
    response = await tus.patch(upload, 0, CONTENT[:10])
    assert (response.code, code(response)) == (409, "offset-conflict")
    assert response.headers["Upload-Offset"] == "10"
    assert (await tus.patch(upload, 10, CONTENT[10:])).code == 204
    assert (root / "a.bin").read_bytes() == CONTENT
    # The last answer was lost, and the client asks again in either way.
    assert (await tus.patch(upload, 10, CONTENT[10:])).headers["Upload-Offset"] == "300000"
    again = await tus.patch(upload, 300_000, b"")
    assert (again.code, again.headers["Upload-Offset"]) == (204, "300000")


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5", "xxh128"])
async def test_a_wrong_checksum_drops_the_body(tus: Tus, root: Path, algorithm: str) -> None:
    upload = await tus.created()
    good = checksum(algorithm, CONTENT[:1000])
    flipped = bytes([CONTENT[0] ^ 1]) + CONTENT[1:1000]
    response = await tus.patch(upload, 0, flipped, Upload_Checksum=good)
    assert (response.code, code(response)) == (460, "checksum-mismatch")
    assert response.headers["Upload-Offset"] == "0"
    assert staged(root)[0].read_bytes() == b""
    assert (await tus.patch(upload, 0, CONTENT[:1000], Upload_Checksum=good)).code == 204
    rest = checksum(algorithm, CONTENT[1000:])
    assert (await tus.patch(upload, 1000, CONTENT[1000:], Upload_Checksum=rest)).code == 204
    assert (root / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "value",
    ["sha512 AAAA", "sha256", "sha256 ", "sha256 AAAA", "sha256 ****", "", "SHA256 x", "md5 é"],
)
async def test_a_malformed_checksum_changes_nothing(tus: Tus, value: str) -> None:
    upload = await tus.created()
    response = await tus.patch(upload, 0, CONTENT, Upload_Checksum=value)
    assert (response.code, code(response)) == (400, "malformed")
    assert await tus.offset(upload) == 0


async def test_the_whole_file_is_checked_at_the_end(tus: Tus, root: Path) -> None:
    upload = await tus.created(meta={"sha256": DIGEST})
    assert (await tus.patch(upload, 0, CONTENT[:10])).code == 204
    response = await tus.patch(upload, 10, CONTENT[10:-1] + b"\xff\xfe"[:1])
    assert (response.code, code(response)) == (460, "checksum-mismatch")
    assert response.headers["Upload-Offset"] == "0", "nobody knows which byte it was"
    assert not (root / "a.bin").exists()
    assert (await tus.patch(upload, 0, CONTENT)).code == 204
    assert (root / "a.bin").read_bytes() == CONTENT


async def test_a_target_that_is_there_is_refused_at_creation(tus: Tus, root: Path) -> None:
    (root / "a.bin").write_text("mine")
    (root / "folder").mkdir()
    (root / "link").symlink_to(root / "a.bin")
    response = await tus.create()
    assert (response.code, code(response)) == (409, "target-exists")
    for name in ("folder", "link"):
        response = await tus.create(meta={"filename": name, "overwrite": "true"})
        assert (response.code, code(response)) == (409, "target-exists")
    assert staged(root) == []
    upload = await tus.created(meta={"overwrite": "true"})
    assert (root / "a.bin").read_text() == "mine"
    assert (await tus.patch(upload, 0, CONTENT)).code == 204
    assert (root / "a.bin").read_bytes() == CONTENT


async def test_a_target_that_appears_meanwhile_is_never_replaced(tus: Tus, root: Path) -> None:
    upload = await tus.created()
    (root / "a.bin").write_text("mine")
    response = await tus.patch(upload, 0, CONTENT)
    assert (response.code, code(response)) == (409, "target-exists")
    # Not "complete": a client would take that for success.
    assert (await tus.head(upload)).code == 409
    assert (root / "a.bin").read_text() == "mine"
    (root / "a.bin").unlink()
    assert await tus.offset(upload) == len(CONTENT)
    assert (root / "a.bin").read_bytes() == CONTENT


async def test_an_idempotent_creation(tus: Tus, root: Path) -> None:
    key = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
    first = await tus.create(len(CONTENT), CONTENT[:10], headers=key)
    again = await tus.create(len(CONTENT), CONTENT[:10], headers=key)
    assert (again.code, again.headers["Upload-Offset"]) == (201, "10")
    assert first.headers["Location"] == again.headers["Location"]
    assert len(staged(root)) == 1
    other = await tus.create(len(CONTENT) + 1, headers=key)
    assert (other.code, code(other)) == (422, "key-reused")
    both = await asyncio.gather(
        *(tus.create(headers={"Idempotency-Key": "simultaneous"}) for _ in range(5))
    )
    assert len({answer.headers["Location"] for answer in both}) == 1
    bad = await tus.create(headers={"Idempotency-Key": "x" * 129})
    assert (bad.code, code(bad)) == (400, "malformed")


async def test_termination(tus: Tus, root: Path) -> None:
    upload = await tus.created()
    await tus.patch(upload, 0, CONTENT[:10])
    assert (await tus.send(upload, "DELETE")).code == 204
    assert staged(root) == []
    for response in (
        await tus.send(upload, "DELETE"),
        await tus.head(upload),
        await tus.patch(upload, 10, CONTENT[10:]),
    ):
        assert response.code == 410
    done = await tus.create(len(CONTENT), CONTENT)
    assert (await tus.send(done.headers["Location"], "DELETE")).code == 204
    assert (root / "a.bin").read_bytes() == CONTENT, "a finished file stays"


async def test_a_post_may_stand_for_another_method(tus: Tus, root: Path) -> None:
    upload = await tus.created()
    override = {"X-HTTP-Method-Override": "PATCH"}
    fields = {"Upload-Offset": "0", "Content-Type": OCTETS}
    response = await tus.send(upload, "POST", headers=fields | override, body=CONTENT[:10])
    assert (response.code, response.headers["Upload-Offset"]) == (204, "10")
    override = {"X-HTTP-Method-Override": "DELETE"}
    assert (await tus.send(upload, "POST", headers=override, body=b"")).code == 204
    assert staged(root) == []
    assert (await tus.send(upload, "POST", body=b"")).code == 405


@pytest.mark.parametrize("upload", ["a" * 31, "A" * 32, "g" * 32, "..", "%2e%2e", "a" * 33, "%00"])
async def test_an_id_that_the_server_never_made(tus: Tus, upload: str) -> None:
    missing = await tus.patch("a" * 32, 0, CONTENT)
    for method in ("PATCH", "DELETE", "HEAD"):
        response = await tus.send(upload, method, body=CONTENT if method == "PATCH" else None)
        assert response.code == 404
        if method != "HEAD":
            assert response.body == missing.body


async def test_the_body_must_be_said_to_be_one(tus: Tus) -> None:
    upload = await tus.created()
    for kind in (None, "application/octet-stream", "text/plain"):
        fields = {"Upload-Offset": "0", "Content-Type": kind}
        response = await tus.send(upload, "PATCH", headers=fields, body=CONTENT)
        assert (response.code, code(response)) == (415, "unsupported-type")
    assert await tus.offset(upload) == 0


async def test_a_body_that_is_too_long_is_refused_before_it_comes(tus: Tus, root: Path) -> None:
    upload = await tus.created(10)
    response = await tus.patch(upload, 0, CONTENT[:11])
    assert (response.code, code(response)) == (413, "too-large")
    assert (await tus.create(10, CONTENT[:11], meta={"filename": "b"})).code == 413
    assert await tus.offset(upload) == 0
    assert (await tus.create(2**40 + 1)).code == 413
    assert len(staged(root)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Length": None},
        {"Upload-Length": "-1"},
        {"Upload-Length": "ten"},
        {"Upload-Length": "9" * 30},
        {"Upload-Defer-Length": "1"},
        {"Upload-Length": None, "Upload-Defer-Length": "0"},
        {"Upload-Metadata": "filename %%%"},
        {"Upload-Metadata": "filename YQ==,filename Yg=="},
        {"Upload-Metadata": "filename YQ==,,b"},
        {"Upload-Metadata": "filename /w=="},
        {"Upload-Metadata": metadata(filename="a", sha256="xyz")},
        {"Upload-Metadata": metadata(filename="a", taskId="xyz")},
        {"Upload-Metadata": "a" * 17_000},
    ],
    ids=str,
)
async def test_a_malformed_creation(tus: Tus, root: Path, headers: dict[str, str | None]) -> None:
    response = await tus.create(headers=headers)
    assert (response.code, code(response)) == (400, "malformed")
    assert list(root.iterdir()) == []


async def test_no_metadata_is_no_error(tus: Tus, root: Path) -> None:
    for value in ("", None):
        upload = await tus.created(headers={"Upload-Metadata": value})
        assert (await tus.patch(upload, 0, CONTENT)).code == 204
        assert (root / f"upload-{upload}").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("../a", "name-refused"),
        ("..", "name-refused"),
        (".", "name-refused"),
        ("/etc/passwd", "name-refused"),
        ("a/b", "name-refused"),
        ("a\\b", "name-refused"),
        ("a\0b", "name-refused"),
        ("a\r\nX-Evil: 1", "name-refused"),
        ("a\x1bb", "name-refused"),
        ("a\u202etxt.exe", "name-refused"),
        ("a\u2028b", "name-refused"),
        ("n" * 256, "name-refused"),
        ("é" * 128, "name-refused"),
        (".bashrc", "hidden"),
        (".progresswidget-x.upload", "hidden"),
    ],
)
async def test_names_that_are_refused_at_creation(
    tus: Tus, root: Path, name: str, error: str
) -> None:
    response = await tus.create(meta={"filename": name})
    assert response.code in {400, 403}
    assert code(response) == error
    assert "X-Evil" not in response.headers
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["n" * 255, "with space", "日本語.csv", "a%2fb", "a\u200db", "-rf"]
)
async def test_names_that_are_kept(tus: Tus, root: Path, name: str) -> None:
    response = await tus.create(3, b"abc", meta={"filename": name})
    assert response.code == 201, response.body
    assert [path.name for path in root.iterdir()] == [name]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("..", 400, "name-refused"),
        ("sub/../..", 400, "name-refused"),
        ("missing", 409, "folder-missing"),
        ("link", 403, "outside-roots"),
        ("sub/link", 403, "outside-roots"),
        ("file", 403, "outside-roots"),
        (".hidden", 403, "hidden"),
        ("/".join(["d" * 200] * 21), 400, "name-refused"),
    ],
)
async def test_folders_that_are_refused(
    tus: Tus, root: Path, path: str, status: int, error: str
) -> None:
    (root / "sub").mkdir()
    (root / ".hidden").mkdir()
    (root / "file").touch()
    (root / "link").symlink_to("/tmp")
    (root / "sub" / "link").symlink_to(root.parent)
    response = await tus.create(meta={"path": path})
    assert (response.code, code(response)) == (status, error)
    assert staged(root.parent) == []


async def test_a_folder_below_the_root(tus: Tus, root: Path) -> None:
    (root / "sub" / "deep er").mkdir(parents=True)
    response = await tus.create(3, b"abc", meta={"path": "/sub/deep er/"})
    assert response.headers["Content-Location"].endswith("/contents/sub/deep%20er/a.bin")
    assert (root / "sub" / "deep er" / "a.bin").read_bytes() == b"abc"


@pytest.mark.parametrize("settings", [{"max_uploads_per_user": 3, "upload_quota": 1000}])
async def test_what_one_user_may_have_unfinished(tus: Tus, server: Server, root: Path) -> None:
    upload = await tus.created(600)
    response = await tus.create(401, meta={"filename": "b"})
    assert (response.code, code(response)) == (507, "quota-exceeded")
    assert (await tus.create(400, meta={"filename": "b"})).code == 201
    assert (await tus.create(0, meta={"filename": "empty"})).code == 201, "done at once"
    deferred = await tus.created(None, headers={"Upload-Defer-Length": "1"}, meta={"filename": "c"})
    response = await tus.create(0, meta={"filename": "d"})
    assert (response.code, code(response)) == (429, "too-many-uploads")
    assert int(response.headers["Retry-After"]) > 0
    response = await tus.patch(deferred, 0, b"x")
    assert response.code == 413, "there is no room left"
    # Another user is not concerned, and what is finished or removed makes room.
    assert (await Tus(server, kernel=True).create(1000, meta={"filename": "e"})).code == 201
    assert (await tus.patch(upload, 0, bytes(600))).code == 204
    assert (await tus.patch(deferred, 0, bytes(600))).code == 204
    assert len(staged(root)) == 3


@pytest.mark.parametrize("settings", [{"upload_quota": 1_000}])
async def test_uploads_that_run_side_by_side_share_one_quota(
    tus: Tus, server: Server, root: Path, eventually: Eventually
) -> None:
    lengths = {"headers": {"Upload-Defer-Length": "1"}}
    first, second = [
        await tus.created(None, meta={"filename": name}, **lengths) for name in ("a", "b")
    ]
    go_on = asyncio.Event()

    async def slowly(write: Callable[[bytes], Awaitable[None]]) -> None:
        await write(bytes(600))
        await go_on.wait()

    fields = {"Upload-Offset": "0", "Content-Type": OCTETS}
    running = asyncio.ensure_future(
        tus.send(first, "PATCH", headers=fields, body=None, body_producer=slowly)
    )
    path = root / f".progresswidget-{first}.upload"
    await eventually(lambda: path.stat().st_size == 600)
    response = await tus.patch(second, 0, bytes(600))
    assert (response.code, code(response)) == (413, "too-large")
    assert (await tus.patch(second, 0, bytes(400))).code == 204
    go_on.set()
    assert (await running).code == 204
    assert await tus.offset(first) == 600


async def test_what_replaces_a_private_file_is_private(tus: Tus, root: Path) -> None:
    (root / "a.bin").write_text("mine")
    (root / "a.bin").chmod(0o600)
    upload = await tus.created(meta={"overwrite": "true"})
    assert stat.S_IMODE(staged(root)[0].stat().st_mode) == 0o600
    assert (await tus.patch(upload, 0, CONTENT)).code == 204
    assert stat.S_IMODE((root / "a.bin").stat().st_mode) == 0o600


async def test_an_upload_whose_bytes_cannot_be_removed_is_removed_later(
    tus: Tus, server: Server, root: Path
) -> None:
    upload = await tus.created()
    path = root / f".progresswidget-{upload}.upload"
    path.unlink()
    path.mkdir()  # what even root cannot unlink
    response = await tus.send(upload, "DELETE")
    assert (response.code, code(response)) == (500, "disk-failed")
    (await server.services.uploads.find(upload, "user token")).deadline = 0.0
    assert await server.services.uploads.expire() == 0
    path.rmdir()
    assert await server.services.uploads.expire() == 1
    assert (await tus.head(upload)).code == 410


async def test_a_file_gets_its_name_only_where_that_can_be_written_down(
    tus: Tus, root: Path
) -> None:
    upload = await tus.created(1)
    with no_room():
        response = await tus.patch(upload, 0, b"x")
        assert (response.code, code(response)) == (500, "disk-failed")
        assert response.headers["Upload-Offset"] == "1"
        assert (await tus.head(upload)).code == 500, "not complete: it is not there"
        assert [path.name for path in root.iterdir()] == [f".progresswidget-{upload}.upload"]
    assert await tus.offset(upload) == 1
    assert (root / "a.bin").read_bytes() == b"x"


async def test_a_checksum_is_promised_only_where_that_can_be_written_down(
    tus: Tus, root: Path
) -> None:
    upload = await tus.created(2)
    with no_room():
        response = await tus.patch(upload, 0, b"x", Upload_Checksum=checksum("sha1", b"x"))
        # A server that starts again would trust what nobody has vouched for.
        assert (response.code, code(response)) == (500, "disk-failed")
        assert staged(root)[0].read_bytes() == b""
        # Without one all that has come counts, whatever is written down of it.
        assert (await tus.patch(upload, 0, b"x")).code == 204
    assert (await tus.patch(upload, 1, b"y", Upload_Checksum=checksum("sha1", b"y"))).code == 204
    assert (root / "a.bin").read_bytes() == b"xy"


async def test_an_upload_begins_where_its_record_has_to_wait(
    tus: Tus, server: Server, root: Path, eventually: Eventually
) -> None:
    with no_room():
        upload = await tus.created(2)
        health = server.services.stores["uploads"]
        assert (health.backend, health.degraded) == ("sqlite", True)
    await eventually(lambda: not health.degraded)
    (known,) = await server.services.state.uploads.load()
    assert known.id == upload
    assert (await tus.patch(upload, 0, b"xy")).code == 204


@pytest.mark.parametrize("settings", [{"upload_expiry": 0.2, "reap_interval": 0.05}])
async def test_an_upload_expires(tus: Tus, root: Path, eventually: Eventually) -> None:
    upload = await tus.created()
    await tus.patch(upload, 0, CONTENT[:10])
    await eventually(lambda: not staged(root))
    response = await tus.patch(upload, 10, CONTENT[10:])
    assert (response.code, code(response)) == (410, "upload-gone")
    assert await tus.server.services.state.uploads.load() == []


async def test_a_kernel_and_a_user_see_only_what_is_theirs(
    tus: Tus, server: Server, root: Path
) -> None:
    kernel = Tus(server, kernel=True)
    pairs = [(tus, kernel, await tus.created()), (kernel, tus, await kernel.created())]
    missing = await tus.patch("a" * 32, 0, CONTENT)
    for owner, other, upload in pairs:
        foreign = await other.patch(upload, 0, CONTENT)
        assert (foreign.code, foreign.body) == (404, missing.body)
        assert (await other.head(upload)).code == 404
        assert (await other.send(upload, "DELETE")).body == missing.body
        assert await owner.offset(upload) == 0
    assert (await kernel.patch(pairs[1][2], 0, CONTENT)).code == 204
    assert (root / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("authorization", ["Kernel", "Kernel wrong", "Kernel {token}", "Basic x"])
async def test_the_wrong_secret_uploads_nothing(
    server: Server, root: Path, authorization: str
) -> None:
    token = server.app.identity_provider.token
    headers = {
        "Authorization": authorization.format(token=token),
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "3",
        "Content-Type": OCTETS,
    }
    response = await server.fetch(
        "uploads/", token=False, method="POST", headers=headers, body=b"abc"
    )
    assert response.code in {401, 403}
    assert list(root.iterdir()) == []


class Everybody(IdentityProvider):
    """Knows people by the token they bring."""

    people: ClassVar = {"alices": "alice", "bobs": "bob"}

    def get_user(self, handler: Any) -> User | None:
        name = self.people.get(self.get_token(handler) or "")
        # What jupyter_server notes itself: by a token of one's own, not by a cookie.
        handler._token_authenticated = False
        return None if name is None else User(name)


async def test_nobody_sees_the_uploads_of_another(tus: Tus, server: Server) -> None:
    server.app.web_app.settings["identity_provider"] = Everybody(parent=server.app)
    server.app.web_app.settings["disable_check_xsrf"] = True
    alice, bob = Tus(server, token="alices"), Tus(server, token="bobs")
    upload = await alice.created(headers={"Idempotency-Key": "same"})
    missing = await bob.patch("a" * 32, 0, CONTENT)
    for answer in (await bob.patch(upload, 0, CONTENT), await bob.send(upload, "DELETE")):
        assert (answer.code, answer.body) == (404, missing.body)
    assert (await bob.head(upload)).code == 404
    assert await bob.created(headers={"Idempotency-Key": "same"}) != upload
    await alice.send(upload, "DELETE")
    assert (await bob.head(upload)).code == 404, "not even that it was there"
    assert (await alice.head(upload)).code == 410


async def test_a_token_is_one_owner_whatever_the_cookies_say(tus: Tus, server: Server) -> None:
    # jupyter_server makes a new anonymous user of each request that brings a token and no cookie.
    upload = await tus.created()
    assert await tus.offset(upload) == 0


async def test_a_digest_that_fails_is_told_as_a_new_beginning(tus: Tus, server: Server) -> None:
    upload = await tus.created(meta={"sha256": DIGEST})
    wrong = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    assert (await tus.patch(upload, 0, wrong)).code == 460
    record = server.services.transfers.get("token", upload)
    assert record is not None
    assert (record["offset"], record["complete"], record["active"]) == (0, False, False)
    assert (await tus.patch(upload, 0, CONTENT)).code == 204
    record = server.services.transfers.get("token", upload)
    assert record is not None
    assert (record["offset"], record["complete"]) == (len(CONTENT), True)


async def test_what_a_server_before_has_taken_is_hashed_as_the_rest_comes(
    tus: Tus, server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await tus.created()
    assert (await tus.patch(upload, 0, CONTENT[:200_000])).code == 204
    # What a server knows that has just started.
    server.services.uploads._known.live[upload].digest = RunningDigest()
    hashed = []
    original = StagedFile.sha256

    def complete(file: StagedFile, digest: RunningDigest) -> str:
        hashed.append(digest.position)
        return original(file, digest)

    monkeypatch.setattr(StagedFile, "sha256", complete)
    assert (await tus.patch(upload, 200_000, CONTENT[200_000:])).code == 204
    assert hashed == [len(CONTENT)], "nothing is left to be read at the end"
    assert (root / "a.bin").read_bytes() == CONTENT


def test_a_digest_catches_up_by_and_by_and_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "staged"
    path.write_bytes(CONTENT[:200_000])
    digest = RunningDigest()
    with StagedFile(os.open(path, os.O_RDWR)) as file:
        digest.catch_up(file._descriptor, 200_000, 70_000)
        assert digest.position == 70_000
        digest.catch_up(file._descriptor, 250_000, 200_000)
        assert digest.position == 200_000, "there are no more bytes than these"
        file.write(memoryview(CONTENT)[200_000:])
        digest.feed(200_000, memoryview(CONTENT)[200_000:])
        assert digest.position == file.offset
        assert file.sha256(digest) == DIGEST


async def test_a_folder_that_may_not_be_written_to(tus: Tus, root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub").chmod(0o500)
    response = await tus.create(meta={"path": "sub"})
    # Who runs the tests as root writes anywhere.
    assert response.code == (201 if os.geteuid() == 0 else 403)
    if response.code == 403:
        assert code(response) == "not-writable"


async def test_a_folder_that_is_swapped_for_a_link_gets_nothing(
    tus: Tus, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "sub").mkdir()
    upload = await tus.created(meta={"path": "sub"})
    assert (await tus.patch(upload, 0, CONTENT[:10])).code == 204
    (root / "sub").rename(root / "kept")
    (root / "sub").symlink_to(outside)
    response = await tus.patch(upload, 10, CONTENT[10:])
    assert (response.code, code(response)) == (403, "outside-roots")
    assert (await tus.create(meta={"path": "sub"})).code == 403
    assert list(outside.iterdir()) == []
    (root / "sub").unlink()
    (root / "kept").rename(root / "sub")
    assert (await tus.patch(upload, 10, CONTENT[10:])).code == 204


async def test_staged_bytes_that_somebody_removed_or_replaced(tus: Tus, root: Path) -> None:
    (root / "secret").write_text("secret")
    for number, spoil in enumerate((None, "link", "fifo")):
        upload = await tus.created(meta={"filename": f"b{number}"})
        assert (await tus.patch(upload, 0, CONTENT[:10])).code == 204
        path = root / f".progresswidget-{upload}.upload"
        path.unlink()
        if spoil == "link":
            path.symlink_to(root / "secret")
        elif spoil == "fifo":
            os.mkfifo(path)
        response = await tus.patch(upload, 10, CONTENT[10:])
        assert response.code in {403, 410}
        assert (root / "secret").read_text() == "secret"


async def test_staged_bytes_that_somebody_cut_are_asked_for_again(tus: Tus, root: Path) -> None:
    upload = await tus.created()
    assert (await tus.patch(upload, 0, CONTENT[:1000])).code == 204
    os.truncate(staged(root)[0], 600)
    response = await tus.patch(upload, 1000, CONTENT[1000:])
    assert (response.code, response.headers["Upload-Offset"]) == (409, "600")
    assert await tus.offset(upload) == 600
    assert (await tus.patch(upload, 600, CONTENT[600:])).code == 204
    assert (root / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EFBIG, "disk-full"),
        (errno.EACCES, "not-writable"),
        (errno.EROFS, "not-writable"),
        (errno.ENAMETOOLONG, "name-refused"),
        (errno.EEXIST, "target-exists"),
        (errno.EIO, "disk-failed"),
    ],
)
def test_what_the_file_system_says_is_told(number: int, expected: str) -> None:
    assert refusal(OSError(number, os.strerror(number))).code == expected

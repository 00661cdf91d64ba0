"""Those who mean ill: out of the root, into the log, past the checks.

Who may do what on every route (rows 45 and 46, and what is said without a query) is in
``tests/server/test_routes.py``, which finds the routes by itself; this is what needs a server in a
process of its own.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from laboratory import make_report
from page import Page, RefusedError
from uploading import OCTETS, Uploader, answer_of
from watching import watched

from jupyter_server_ext.handlers import routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from laboratory import Answer, Server

    Repetitions = Callable[[int, int], int]

TREASURE = b"treasure that lies outside"


@pytest.fixture
def outside(server: Server) -> Path:
    """A folder beside the root, with a file that nobody may see."""
    folder = server.folder / "outside"
    folder.mkdir(exist_ok=True)
    (folder / "treasure.txt").write_bytes(TREASURE)
    return folder


def traversals(server: Server) -> list[str]:
    """Return what people write in the place of a path below the root."""
    above = "../outside/treasure.txt"
    absolute = str(server.folder / "outside" / "treasure.txt")
    return [
        above,
        f"./{above}",
        f"folder/../{above}",
        f"folder/../../{above[3:]}",
        f"../../{server.folder.name}/outside/treasure.txt",
        f"../root/{above}",
        absolute,
        f"/{absolute}",
        f"/.{absolute}",
        f"{absolute}/",
        "..\\outside\\treasure.txt",
        "folder\\..\\..\\outside\\treasure.txt",
        f"file://{absolute}",
        "~/outside/treasure.txt",
        "....//outside/treasure.txt",
        "..././outside/treasure.txt",
        "..;/outside/treasure.txt",
        f"{above}\0",
        f"{above}\0.csv",
        f"\0{above}",
        "folder/\0/../../outside/treasure.txt",
        ".",
        "..",
        "../",
        "folder/..",
        "/proc/self/environ",
        "/dev/zero",
        "../runtime",
        "\u2025/outside/treasure.txt",
        "\uff0e\uff0e/outside/treasure.txt",
        "..\u2215outside\u2215treasure.txt",
    ]


def requests(server: Server) -> list[str]:
    """Return addresses that mean each of them, as they are and in other writings."""
    found = []
    for path in traversals(server):
        once = quote(path, safe="/.~:")
        full = "".join(f"%{byte:02x}" for byte in path.encode())
        found += [once, full, quote(full), once.replace("..", "%2e%2e"), once.replace("/", "%2f")]
        found.append(once.replace("../", "..%252f").replace(".", "%c0%ae"))
    return found


def raw(server: Server, method: str, target: str) -> Answer:
    """Send a request whose target nobody puts in order on the way."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"Authorization: token {server.token}", "Content-Length: 0"]
    with server.connect() as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return answer_of(connection)


@pytest.mark.parametrize("way", ["contents/", "archives/", "files/" + "a" * 32 + "/1/", "uploads/"])
def test_row_41_no_address_leads_outside(server: Server, outside: Path, way: str) -> None:
    (server.root / "folder").mkdir()
    with watched(outside) as events:
        for target in requests(server):
            answer = raw(server, "GET", f"{server.base}{way}{target}")
            # "folder/..", "." and the like may be put in order: then it is the root.
            assert answer.status < 500, target
            assert TREASURE not in answer.body
            assert answer.status >= 400 or way == "archives/", (target, answer.body)
        assert events.read() == []


@pytest.mark.parametrize("key", ["path", "filename"])
def test_row_41_no_metadata_leads_outside(server: Server, outside: Path, key: str) -> None:
    (server.root / "folder").mkdir()
    tus = Uploader(server)
    with watched(outside, server.folder) as events:
        for path in traversals(server):
            for value in dict.fromkeys((path, path.removesuffix("/treasure.txt"), quote(path))):
                name = value if key == "filename" else "treasure.txt"
                folder = value if key == "path" else ""
                answer = tus.create(10, name=name, path=folder, overwrite="true")
                if answer.status == 201:
                    # An odd name, but a name: it lies below the root.
                    assert len(server.staged()) == 1
                    tus.send("DELETE", answer.headers["Location"])
                else:
                    assert 400 <= answer.status < 500, (value, answer.body)
        changes = [name for _, name in events.read()]
        assert set(changes) <= {"", "root", "runtime", "server.log"}, "nothing but its own"
    assert (outside / "treasure.txt").read_bytes() == TREASURE


def test_row_41_no_report_leads_outside(server: Server, outside: Path) -> None:
    with watched(outside) as events:
        for path in (*traversals(server), f"{server.root}/../outside/treasure.txt"):
            full = path if path.startswith("/") else f"{server.root}/{path}"
            report = make_report(name="treasure.txt", path=full, status="done", revision=5)
            report |= {"sha256": "0" * 64, "phase": "finishing", "ended": 1, "progress": 100}
            numbers = ("device", "inode", "size", "mtimeNs", "ctimeNs")
            report["fingerprint"] = dict.fromkeys(numbers, "1")
            scheme = {"Authorization": f"Kernel {server.secret}"}
            body = json.dumps(report).encode()
            address = f"api/jobs/{report['taskId']}"
            reported = server.request("PUT", address, headers=scheme, body=body)
            assert reported.status in {200, 400}
            answer = server.request("GET", f"files/{report['taskId']}/1/treasure.txt")
            assert answer.status in {400, 403, 404, 410}
            assert TREASURE not in answer.body
        assert events.read() == []


def test_row_42_no_link_leads_outside(server: Server, outside: Path) -> None:
    (server.root / "file").symlink_to(outside / "treasure.txt")
    (server.root / "folder").symlink_to(outside)
    (server.root / "deep").mkdir()
    (server.root / "deep" / "folder").symlink_to("../../outside")
    (server.root / "loop").symlink_to("loop")
    tus = Uploader(server)
    paths = ["file", "folder/treasure.txt", "deep/folder/treasure.txt", "loop", "loop/x"]
    with watched(outside) as events:
        for path in paths:
            answer = server.request("GET", f"contents/{path}")
            assert answer.status in {403, 404, 410}, path
            folder, _, name = path.rpartition("/")
            answer = tus.create(10, name=name, path=folder, overwrite="true")
            assert 400 <= answer.status < 500, path
        assert tus.create(10, path="folder").status in {403, 404, 409}
        for folder in ("folder", "deep", "deep/folder"):
            assert TREASURE not in server.request("GET", f"archives/{folder}?format=tar").body
        assert [name for mask, name in events.read() if "treasure" in name] == []


@contextmanager
def swapping(folder: Path, outside: Path) -> Iterator[list[int]]:
    """Let a folder be now itself, now a link that leads outside, as fast as can be."""
    over = threading.Event()
    aside, count = folder.with_name("aside"), [0]

    def swap() -> None:
        while not over.is_set():
            folder.rename(aside)
            folder.symlink_to(outside)
            count[0] += 1
            folder.unlink()
            aside.rename(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield count
    finally:
        over.set()
        thread.join()


def test_row_42_nor_one_that_comes_after_the_check(
    server: Server, outside: Path, repetitions: Repetitions
) -> None:
    folder = server.root / "folder"
    folder.mkdir()
    (folder / "treasure.txt").write_bytes(b"what anybody may see")
    tus, seen, created = Uploader(server), set(), 0
    before = sorted(outside.iterdir())
    with swapping(folder, outside) as swaps:
        for number in range(repetitions(300, 10_000)):
            answer = server.request("GET", "contents/folder/treasure.txt")
            assert TREASURE not in answer.body
            seen.add(answer.status)
            if number % 10 == 0:
                answer = tus.create(10, path="folder", name=f"{number}.bin")
                if answer.status == 201:
                    created += 1
                    upload = answer.headers["Location"]
                    tus.patch(upload, 0, b"0123456789")
                    with suppress(OSError):
                        tus.send("DELETE", upload)
                assert sorted(outside.iterdir()) == before
    assert (outside / "treasure.txt").read_bytes() == TREASURE
    print(f"{swaps[0]} swaps, {created} uploads, answers {seen}")
    assert swaps[0] > 100
    assert 200 in seen
    assert seen <= {200, 403, 404, 410}
    for path in folder.iterdir():
        path.unlink()


def test_row_43_what_is_no_file_is_refused_at_once(server: Server) -> None:
    os.mkfifo(server.root / "fifo")
    names = ["fifo", "proc", "zero"]
    (server.root / "proc").symlink_to("/proc/self/environ")
    (server.root / "zero").symlink_to("/dev/zero")
    if os.geteuid() == 0:
        os.mknod(server.root / "device", 0o020666, os.makedev(1, 5))
        names.append("device")
    times = []
    for name in names:
        path = server.root / name
        fingerprint = dict.fromkeys(("device", "inode", "size", "mtimeNs", "ctimeNs"), "1")
        report = make_report(name=name, path=str(path), status="done", revision=5)
        report |= {"sha256": "0" * 64, "phase": "finishing", "ended": 1, "progress": 100}
        server.report(report | {"fingerprint": fingerprint})
        for address in (f"contents/{name}", f"files/{report['taskId']}/1/{name}"):
            start = time.monotonic()
            assert server.request("GET", address).status == 403
            times.append(time.monotonic() - start)
            assert Uploader(server).create(1, name=name, overwrite="true").status == 409
    times.sort()
    # What a busy machine adds to one of them is not the server's.
    assert times[-2] < 0.1


def origins(port: int) -> dict[str, str]:
    return {
        "evil": "https://evil.example",
        "null": "null",
        "a sub-domain": f"http://sub.127.0.0.1:{port}",
        "another port": f"http://127.0.0.1:{port + 1}",
        "user information": f"http://127.0.0.1:{port}@evil.example",
        "a longer name": f"http://127.0.0.1:{port}.evil.example",
    }


@pytest.mark.parametrize("origin", origins(0))
@pytest.mark.parametrize("credential", ["cookie", "token"])
def test_row_44_another_origin_gets_no_socket(server: Server, origin: str, credential: str) -> None:
    headers: dict[str, str | None] = {"Origin": origins(server.port)[origin]}
    if credential == "cookie":
        headers |= {"Authorization": None, "Cookie": cookies(server)}
    with pytest.raises(RefusedError) as caught:
        Page(server, headers)
    assert caught.value.answer.status in {403, 404}
    assert "Sec-WebSocket-Accept" not in caught.value.answer.headers
    headers["Origin"] = f"http://127.0.0.1:{server.port}"
    with Page(server, headers) as page:
        page.await_type("hello")


def cookies(server: Server) -> str:
    """Sign in as a browser does."""
    answer = server.request("GET", f"{server.base_url}login?token={server.token}", token=None)
    pairs = [line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie", [])]
    assert pairs
    return "; ".join(pairs)


def test_row_46_what_is_anothers_looks_like_what_is_not_there(server: Server) -> None:
    kernel, user = Uploader(server, kernel=True), Uploader(server)
    foreign = kernel.created(10, name="kernel.bin")
    for method in ("HEAD", "PATCH", "DELETE"):
        answers = []
        for upload in (foreign, "0" * 32):
            fields = {"Upload_Offset": "0", "Content_Type": OCTETS} if method == "PATCH" else {}
            body = b"x" if method == "PATCH" else None
            answers.append(user.send(method, upload, body, **fields))
        assert {answer.status for answer in answers} == {404}
        assert answers[0].body == answers[1].body
    assert kernel.send("DELETE", foreign).status == 204
    path = server.root / "export.bin"
    path.write_bytes(b"x")
    url = server.publish(path)["url"]
    for token in (None, "wr0ng"):
        there, not_there = (
            server.request("GET", address, token=token)
            for address in (url, url.replace("export", "missing"))
        )
        assert there.status == not_there.status == 403
        assert there.body == not_there.body


def addresses() -> list[str]:
    """Return an address of every route."""
    found = []
    for pattern, _, _ in routes(None):  # type: ignore[arg-type]
        path = re.sub(r"\((?!\?)[^)]*\)", "a" * 32, pattern).replace("(?:/.*)?", "/x")
        found.append("/" + path)
    return found


def test_row_47_no_log_tells_a_token(own: Callable[..., Server]) -> None:
    server = own(options=["--log-level=DEBUG"], token="T0KENinTheURL").start()
    codes = set()
    assert len(addresses()) >= 9
    for address in addresses():
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for token in (server.token, "T0KENofAnother"):
                path = f"{address}?token={token}"
                answer = server.request(method, path, token=None, body=b"{")
                codes.add(answer.status)
                assert b"T0KEN" not in answer.body
                assert "T0KEN" not in str(answer.headers)
                answer = server.request(method, f"{address}?x=%ff&token={token}", token=None)
                codes.add(answer.status)
    server.stop()
    assert {200, 403, 404, 405} <= codes
    assert max(codes) < 500
    # jupyter_server prints the address to open at its start, with the token: it is asked to.
    _, _, log = server.log.partition("api/jobs")
    assert "progresswidget" in log
    assert [line for line in log.splitlines() if "T0KEN" in line and "http://" not in line] == []
    assert server.secret not in server.log


SMUGGLED = {
    "both lengths": "Content-Length: {size}\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": "Content-Length: 0\r\nContent-Length: {size}\r\n",
    "a list of lengths": "Content-Length: 0, {size}\r\n",
    "an odd encoding": "Content-Length: 0\r\nTransfer-Encoding: xchunked\r\n",
    "a signed length": "Content-Length: +0\r\n",
    "a length with an underscore": "Content-Length: 1_0\r\n",
    "a negative length": "Content-Length: -1\r\n",
}


@pytest.mark.parametrize("lines", SMUGGLED)
@pytest.mark.parametrize("method", ["PATCH", "POST", "GET"])
def test_row_48_no_request_hides_in_another(server: Server, lines: str, method: str) -> None:
    report = make_report(status="failed", revision=5)
    server.report(report)
    tus = Uploader(server)
    upload = tus.created(1000)
    hidden = (
        f"DELETE {server.base}api/jobs/{report['taskId']} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: token {server.token}\r\n\r\n"
    )
    body = f"0\r\n\r\n{hidden}"
    address = {"PATCH": f"uploads/{upload}", "POST": "uploads/", "GET": "api/jobs"}[method]
    head = (
        f"{method} {server.base}{address} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: token {server.token}\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 1000\r\n"
        f"Upload-Offset: 0\r\nContent-Type: {OCTETS}\r\n"
        f"{SMUGGLED[lines].format(size=len(body))}\r\n"
    )
    with server.connect() as connection:
        connection.sendall((head + body).encode())
        received = connection.recv(65536)
        # A second answer would be there at once: both requests came together.
        connection.settimeout(0.3)
        with suppress(ConnectionError, TimeoutError):
            while block := connection.recv(65536):
                received += block
    assert received.startswith(b"HTTP/1.1 4") or not received
    assert received.count(b"HTTP/1.1 ") <= 1
    assert server.request("GET", f"api/jobs/{report['taskId']}").status == 200
    assert tus.offset(upload) == 0
    assert tus.send("DELETE", upload).status == 204


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\0b", "a\x85b", "a\u2028b"])
def test_row_48_metadata_ends_up_in_no_header(server: Server, name: str) -> None:
    tus = Uploader(server)
    answer = tus.create(10, name=name)
    assert (answer.status, answer.code) == (400, "name-refused")
    for key in ("filetype", "note"):
        upload = tus.created(10, **{key: name})
        answer = tus.head(upload)
        assert answer.status == 200
        assert "X-Evil" not in answer.headers
        assert len(answer.headers.get_all("Upload-Metadata")) == 1
        assert tus.send("DELETE", upload).status == 204

"""Downloads that are cut, by clients as they are: the right bytes in the end, or an error."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
from browser_download import __file__ as BROWSER  # noqa: N812
from clients import CLIENTS, LIMIT, begin, run
from laboratory import PACKAGES, Baseline, eventually, make_report, sha256
from proxy import Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from laboratory import Server

    from progresswidget.protocol import Json

    Repetitions = Callable[[int, int], int]

SIZE = 3_000_000
REQUEST = 120
"""Bytes of the shortest request, about."""
HEAD = 2_000
"""Bytes of the longest head of an answer, about."""
OLD = random.Random(1).randbytes(SIZE)
NEW = random.Random(2).randbytes(SIZE + 1234)

every = pytest.mark.parametrize("client", CLIENTS)


def exported(server: Server, content: bytes = OLD, **changes: object) -> Json:
    """Write a file as an export does, under a name of its own and then by a rename."""
    path = server.root / "export.bin"
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
    return server.publish(path, **changes)


def random_fault(chance: random.Random, client: str) -> Fault:
    """Return a break anywhere: in the request, in the head of the answer, or in the file."""
    kind = chance.choice(["cut", "reset"])
    if chance.random() < 0.2:
        return Fault(kind, "up", chance.randrange(REQUEST))  # type: ignore[arg-type]
    # A head that ends before its Content-Length is a success for curl and wget: an empty file. What
    # they do not see, no server can tell them.
    least = 0 if kind == "reset" or client.startswith("aria2") else HEAD
    span = chance.choice([HEAD, SIZE // 3, SIZE])
    return Fault(kind, "down", least + chance.randrange(span))  # type: ignore[arg-type]


def breaks(proxy: FaultProxy, chance: random.Random, client: str, count: int) -> None:
    """Let the next `count` connections break anywhere, and those after them be whole."""
    first = proxy.connections
    proxy.script = lambda number: (random_fault(chance, client),) if number < first + count else ()


@every
def test_row_34_a_cut_download_ends_with_the_same_bytes(
    server: Server,
    proxy: FaultProxy,
    client: str,
    tmp_path: Path,
    chance: random.Random,
    repetitions: Repetitions,
) -> None:
    url = server.url(exported(server)["url"], proxy.port)
    for attempt in range(repetitions(3, 40)):
        target = tmp_path / f"{attempt}.bin"
        breaks(proxy, chance, client, 4)
        for _ in range(20):
            if run(client, url, target, server.token) == 0:
                break
        assert target.read_bytes() == OLD
    assert len(proxy.struck) >= repetitions(3, 40) * 2, "most breaks met a connection"
    print(f"{client}: {len(proxy.struck)} connections were broken")


@every
def test_row_35_a_new_generation_is_never_mixed_with_the_old_one(
    server: Server,
    proxy: FaultProxy,
    client: str,
    tmp_path: Path,
    chance: random.Random,
    repetitions: Repetitions,
) -> None:
    for attempt in range(repetitions(3, 40)):
        record = exported(server, OLD)
        url = server.url(record["url"], proxy.port)
        target = tmp_path / f"{attempt}.bin"
        breaks(proxy, chance, client, 8 if client.endswith("-x4") else 1)
        run(client, url, target, server.token)
        proxy.script = None
        newer = exported(server, NEW, task_id=record["taskId"], generation=2)
        status = run(client, url, target, server.token)
        # In the end the old bytes, or an error and nothing but old bytes.
        if status == 0:
            assert target.read_bytes() == OLD
        elif target.exists():
            # aria2 has several places that it writes at, and remembers them beside the file.
            started = target.with_name(f"{target.name}.aria2").exists()
            assert started or OLD.startswith(target.read_bytes())
        fresh = tmp_path / f"{attempt}-new.bin"
        assert run(client, server.url(newer["url"], proxy.port), fresh, server.token) == 0
        assert fresh.read_bytes() == NEW
        server.request("DELETE", f"api/jobs/{record['taskId']}")


def test_row_35_a_range_is_given_only_to_who_has_the_same_bytes(server: Server) -> None:
    record = exported(server, OLD)
    tag = server.request("HEAD", record["url"]).headers["ETag"]
    newer = exported(server, NEW, task_id=record["taskId"], generation=2)
    fields = {"Range": "bytes=1000-", "If-Range": tag}
    answer = server.request("GET", newer["url"], headers=fields)
    assert (answer.status, answer.body) == (200, NEW)
    old = server.request("GET", record["url"], headers=fields)
    assert (old.status, old.code) == (410, "generation-replaced")
    # One address whose bytes change: there the tag is all that there is.
    path = "contents/export.bin"
    week_ago = (server.root / "export.bin").stat().st_mtime - 7 * 86400
    os.utime(server.root / "export.bin", (week_ago, week_ago))
    tag = server.request("HEAD", path).headers["ETag"]
    fields = {"Range": "bytes=1000-", "If-Range": tag}
    answer = server.request("GET", path, headers=fields)
    assert (answer.status, answer.body) == (206, NEW[1000:])
    (server.root / "export.bin").write_bytes(OLD)
    answer = server.request("GET", path, headers=fields)
    assert (answer.status, answer.body) == (200, OLD)


def in_browser(server: Server, proxy: FaultProxy, url: str, target: Path) -> str:
    """Let Chromium download, and return ``saved`` or its word for the failure."""
    sign_in = f"{server.url('/login', proxy.port)}?token={server.token}"
    done = subprocess.run(
        [sys.executable, BROWSER, sign_in, server.url(url, proxy.port), str(target)],
        env=os.environ | {"PYTHONPATH": str(PACKAGES / "tests" / "e2e")},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_row_34_chromium_resumes_by_itself(
    server: Server,
    proxy: FaultProxy,
    tmp_path: Path,
    chance: random.Random,
    repetitions: Repetitions,
) -> None:
    url = exported(server)["url"]
    for attempt in range(repetitions(1, 8)):
        target = tmp_path / f"{attempt}.bin"
        proxy.most = len(proxy.struck) + 3
        # Only the file is so long; and no later, for each try gets further.
        proxy.faults(Fault("cut", "down", chance.randrange(100_000, SIZE // 3)))
        assert in_browser(server, proxy, url, target) == "saved"
        assert target.read_bytes() == OLD
        assert len(proxy.struck) == proxy.most


@pytest.mark.parametrize("way", ["files", "contents"])
def test_row_35_chromium_never_mixes_generations(
    server: Server,
    proxy: FaultProxy,
    tmp_path: Path,
    way: str,
    chance: random.Random,
    repetitions: Repetitions,
) -> None:
    # With the server's own `/files` the saved file is half old and half new here, "successfully".
    for attempt in range(repetitions(1, 6)):
        record = exported(server, OLD)
        url = record["url"]
        if way == "contents":
            url = f"{server.base}contents/export.bin"
            # Old enough for a strong tag: without one Chromium does not try to resume.
            os.utime(server.root / "export.bin", (1_700_000_000, 1_700_000_000))
        replace = partial(exported, server, NEW, task_id=record["taskId"], generation=2)
        proxy.most, proxy.struck_now = len(proxy.struck) + 1, replace
        proxy.faults(Fault("cut", "down", chance.randrange(100_000, SIZE)))
        target = tmp_path / f"{attempt}.bin"
        outcome = in_browser(server, proxy, url, target)
        assert len(proxy.struck) == proxy.most
        if outcome == "saved":
            assert target.read_bytes() in {OLD, NEW}
        else:
            assert not target.exists()
        server.request("DELETE", f"api/jobs/{record['taskId']}")


@pytest.mark.parametrize("client", ["curl", "wget", "aria2"])
def test_row_9_a_download_goes_on_after_the_server_was_killed(
    own: Callable[..., Server], client: str, tmp_path: Path
) -> None:
    server = own().start()
    url = exported(server)["url"]
    target = tmp_path / "target.bin"
    with FaultProxy(server.port) as proxy:
        proxy.once(Fault("hole", "down", SIZE * 2 // 5))
        with begin(client, server.url(url, proxy.port), target, server.token) as process:
            eventually(lambda: proxy.struck)
            server.kill()
            proxy.reset()
            assert process.wait(LIMIT) != 0
        # Who goes on from what is there keeps the mark; who begins anew would lose it.
        target.write_bytes(marked(target.read_bytes()))
        server.start()
        proxy.target = server.port
        assert run(client, server.url(url, proxy.port), target, server.token) == 0
    assert target.read_bytes() == marked(OLD)
    assert server.files_held() == []


def marked(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


@pytest.mark.parametrize("client", ["curl", "wget", "aria2"])
def test_row_36_a_file_that_is_still_written_is_no_file(
    server: Server, client: str, tmp_path: Path
) -> None:
    report = make_report(name="export.bin", path=str(server.root / "export.bin"))
    (server.root / "export.bin").write_bytes(OLD[: SIZE // 2])
    server.report(report)
    record = server.request("GET", f"api/jobs/{report['taskId']}").json
    answer = server.request("GET", record["url"])
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    target = tmp_path / "target.bin"
    assert run(client, server.url(record["url"]), target, server.token) != 0
    assert not target.exists() or target.stat().st_size == 0
    exported(server, OLD, task_id=report["taskId"])
    assert run(client, server.url(record["url"]), target, server.token) == 0
    assert target.read_bytes() == OLD


def test_row_40_a_file_that_is_deleted_meanwhile_is_sent_to_its_end(server: Server) -> None:
    content = OLD * 8
    url = exported(server, content)["url"]
    request = (
        f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {server.token}\r\n\r\n"
    )
    with server.connect() as client:
        client.sendall(request.encode())
        received = bytearray(client.recv(65536))
        (server.root / "export.bin").unlink()
        head, _, _ = bytes(received).partition(b"\r\n\r\n")
        while len(received) < len(head) + 4 + len(content):
            block = client.recv(1 << 20)
            assert block, "the download was cut"
            received += block
    assert received[len(head) + 4 :] == content
    answer = server.request("GET", url)
    assert (answer.status, answer.code) == (410, "file-missing")


@pytest.mark.parametrize("damage", ["cut", "flipped", "flipped in secret"])
def test_row_21_a_damaged_file_is_never_sent_as_whole(server: Server, damage: str) -> None:
    path = server.root / "export.bin"
    url = exported(server)["url"]
    before = path.stat()
    if damage == "cut":
        os.truncate(path, SIZE - 1)
    else:
        with path.open("r+b") as file:
            file.seek(SIZE // 2)
            file.write(bytes([OLD[SIZE // 2] ^ 1]))
    if damage == "flipped in secret":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for method, fields in [("GET", {}), ("HEAD", {}), ("GET", {"Range": "bytes=0-9"})]:
        answer = server.request(method, url, headers=fields)
        assert answer.status == 410
        assert "Repr-Digest" not in answer.headers
    expected = "file-damaged" if damage == "flipped in secret" else "file-changed"
    assert server.request("GET", url).code == expected


def many_ranges() -> dict[str, str]:
    return {
        "600 overlapping": ",".join(["0-"] * 600),
        "900 tiny": ",".join(f"{place}-{place}" for place in range(0, 1800, 2)),
        "all suffixes": ",".join(f"-{length}" for length in range(1, 600)),
        "beyond the end": ",".join(f"{SIZE + place}-" for place in range(600)),
        "no range at all": "," * 2000,
        "numbers of 4,000 digits": "9" * 4000 + "-",
    }


@pytest.mark.parametrize("ranges", many_ranges())
def test_row_38_many_ranges_cost_no_more_than_the_file(server: Server, ranges: str) -> None:
    url = exported(server)["url"]
    fields = {"Range": f"bytes={many_ranges()[ranges]}"}
    with server.watched():
        answer = server.request("GET", url, headers=fields)
    assert answer.status in {200, 206, 416}
    assert len(answer.body) <= 2 * SIZE
    if answer.status == 200:
        assert answer.body == OLD


def never_read(server: Server, url: str, count: int, timeout: float) -> float:
    """Ask `count` times for a file and read nothing; return how much memory the server took."""
    baseline = Baseline(server)
    request = (
        f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {server.token}\r\n\r\n"
    )
    before = server.rss()
    clients = [server.connect() for _ in range(count)]
    most = before
    try:
        for client in clients:
            client.sendall(request.encode())
        eventually(lambda: len(server.files_held()) == count, what="all downloads run")
        with server.watched():
            most = max(most, server.rss())
            eventually(lambda: not server.files_held(), within=timeout * 1.5, what="all are cut")
            most = max(most, server.rss())
        baseline.assert_back(within=timeout)
    finally:
        for client in clients:
            client.close()
    return most - before


def large(server: Server, size: int) -> str:
    """Publish a sparse file: what it holds is not looked at, only that it is long."""
    path = server.root / "export.bin"
    with path.open("wb") as file:
        file.truncate(size)
    url: str = server.publish(path, sha256="0" * 64)["url"]
    return url


def test_row_37_readers_that_never_read_are_cut(own: Callable[..., Server]) -> None:
    server = own(settings={"stall_timeout": 2.0}).start()
    url = large(server, 256 << 20)
    never_read(server, url, 1, 30)  # what a first request allocates for good
    growth = never_read(server, url, 20, 30)
    assert growth < 16 << 20, f"{growth / 2**20:.1f} MiB"
    server.stop()


@pytest.mark.faults
def test_row_37_with_the_time_out_that_people_have(own: Callable[..., Server]) -> None:
    server = own().start()
    growth = never_read(server, large(server, 256 << 20), 20, 60)
    assert growth < 16 << 20, f"{growth / 2**20:.1f} MiB"


def test_row_37_a_slow_reader_that_reads_gets_its_file(
    own: Callable[..., Server], tmp_path: Path
) -> None:
    server = own(settings={"stall_timeout": 1.0}).start()
    url = exported(server)["url"]
    target = tmp_path / "target.bin"
    with FaultProxy(server.port) as proxy:
        proxy.once(Fault("throttle", "down", amount=SIZE / 2))
        assert run("curl", server.url(url, proxy.port), target, server.token) == 0
    assert sha256(target) == sha256(server.root / "export.bin")


NAMES = [
    "plain.csv",
    "with space.csv",
    "quote\"quote'.csv",
    "semi;colon,comma.csv",
    "per%2fcent%00.csv",
    "Größe – 数据 – данные.csv",
    "\u202egnp.csv",
    "new\nline.csv",
    "cr\r\nSet-Cookie: a=b.csv",
    "tab\tand\x7f.csv",
    "n" * 251 + ".csv",
    "ü" * 125 + ".csv",
    "~home.csv",
    "-rf",
    "con.csv ",
    "a=b&c#d?e.csv",
]


@pytest.mark.parametrize("name", NAMES)
def test_row_39_any_name_is_safe_in_the_header_and_on_the_disk(
    server: Server, tmp_path: Path, name: str
) -> None:
    path = server.root / name
    path.write_bytes(b"content")
    record = server.publish(path)
    answer = server.request("GET", record["url"])
    assert (answer.status, answer.body) == (200, b"content")
    assert not any("a=b" in cookie for cookie in answer.headers.get_all("Set-Cookie", []))
    (disposition,) = answer.headers.get_all("Content-Disposition")
    assert disposition.isprintable()
    assert answer.headers.get_filename() is not None
    for client, options in [
        ("curl", ["-q", "-sS", "-f", "-O", "-J", "-H"]),
        ("wget", ["--no-config", "-q", "--content-disposition", "--header"]),
        ("aria2c", ["--no-conf", "--quiet", "--content-disposition-default-utf8=true", "--header"]),
    ]:
        folder = tmp_path / client
        folder.mkdir()
        program = shutil.which(client)
        assert program is not None
        header = f"Authorization: token {server.token}"
        command = [program, *options, header, server.url(record["url"])]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=LIMIT)
        (saved,) = folder.iterdir()
        assert saved.read_bytes() == b"content"
        assert not saved.name.startswith(".")
    assert {child.name for child in tmp_path.iterdir()} == {"curl", "wget", "aria2c"}


@pytest.mark.parametrize("name", ["..", ".", "", "a/b.csv", "../a.csv", "a\\b.csv", "nul\0.csv"])
def test_row_39_what_is_no_name_is_refused(server: Server, name: str) -> None:
    report = make_report(name=name, path=f"{server.root}/{name}")
    scheme = {"Authorization": f"Kernel {server.secret}"}
    body = json.dumps(report).encode()
    answer = server.request("PUT", f"api/jobs/{report['taskId']}", headers=scheme, body=body)
    assert (answer.status, answer.code) == (400, "malformed")

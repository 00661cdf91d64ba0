"""`pw.download` and `pw.upload` against real servers, through lines and disks that fail them."""

from __future__ import annotations

import http.server
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import programs
import pytest
from laboratory import Server, eventually
from nginx import BEGIN, Nginx
from ports import free_port
from proxy import Fault, FaultProxy

from progresswidget.errors import TransferError, TransferRefusedError
from progresswidget.export.progress import Progress
from progresswidget.transfer.download import Download
from progresswidget.transfer.retry import Clock
from progresswidget.transfer.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from progresswidget.transfer.outcome import Transferred

MIB = 1 << 20
CONTENT = random.Random(11).randbytes(24 * MIB + 7)
LONG_AGO = 1_700_000_000

FILES = (
    BEGIN
    + """    server {{
        listen 127.0.0.1:{port};
        root {root};
    }}
}}
"""
)


class Quick(Clock):
    """A clock that does not wait."""

    def wait(self, seconds: float, look: Callable[[], None]) -> None:
        look()


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget with each test what was moved in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.bin"
    path.write_bytes(CONTENT)
    return path


def user(server: Server) -> dict[str, str]:
    return {"Authorization": f"token {server.token}"}


def fetch(url: str, path: Path, **options: Any) -> Transferred:
    return Download(url, path, **{"clock": Quick(), **options}).run(Progress())


def send(server: Server, path: Path, port: int | None = None, **options: Any) -> Transferred:
    url = server.url("uploads/", port)
    headers = user(server)
    return Upload(path, url, **{"clock": Quick(), "headers": headers, **options}).run(Progress())


def served(server: Server) -> str:
    """Put the file on a server, and return its path there."""
    path = server.root / "large.bin"
    path.write_bytes(CONTENT)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return "contents/large.bin"


@contextmanager
def nginx_files(folder: Path, root: Path) -> Iterator[str]:
    """Run nginx as most people do, over a folder of files."""
    folder.mkdir()
    port, user = free_port(), "user root;" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(FILES.format(folder=folder, port=port, root=root, user=user))
    command = [programs.path("nginx"), "-p", str(folder), "-c", str(path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            eventually((folder / "nginx.pid").exists)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def plain_server(root: Path) -> Iterator[str]:
    """Run what `python -m http.server` runs: no ranges, and no tags."""
    handler = partial(_Silent, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


# --- The line ---------------------------------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 4])
def test_a_download_that_is_cut_at_random_bytes_is_the_file(
    server: Server,
    proxy: FaultProxy,
    tmp_path: Path,
    chance: random.Random,
    repetitions: Callable[[int, int], int],
    connections: int,
) -> None:
    path = served(server)
    # Each connection has as much to fetch, or less where another one was quicker.
    most = 20 * MIB // connections
    for number in range(repetitions(2, 50)):
        proxy.script = lambda _: [
            Fault(chance.choice(["cut", "reset"]), "down", chance.randrange(2 * MIB, most))
        ]
        target = tmp_path / f"{number}.bin"
        url = server.url(path, proxy.port)
        fetch(url, target, connections=connections, headers=user(server))
        assert target.read_bytes() == CONTENT
        target.unlink()
    assert proxy.struck


@pytest.mark.parametrize("direction", ["up", "down"])
def test_an_upload_that_is_cut_at_random_bytes_is_the_file(
    server: Server,
    proxy: FaultProxy,
    source: Path,
    chance: random.Random,
    repetitions: Callable[[int, int], int],
    direction: str,
) -> None:
    most = 12 * MIB if direction == "up" else 800
    for number in range(repetitions(2, 50)):
        proxy.script = lambda _: [
            Fault(chance.choice(["cut", "reset"]), direction, chance.randrange(most // 20, most))  # type: ignore[arg-type]
        ]
        proxy.most = len(proxy.struck) + 4
        send(server, source, proxy.port, name=f"{number}.bin")
        assert (server.root / f"{number}.bin").read_bytes() == CONTENT
    assert proxy.struck


def test_a_byte_that_is_flipped_on_the_way_is_never_stored(
    server: Server, proxy: FaultProxy, source: Path
) -> None:
    proxy.faults(Fault("flip", "up", 3 * MIB))
    proxy.most = 1
    send(server, source, proxy.port)
    assert [fault.kind for fault in proxy.struck] == ["flip"]
    assert (server.root / "source.bin").read_bytes() == CONTENT


def test_row_65_a_proxy_that_takes_small_bodies_gets_small_ones(
    server: Server, tmp_path: Path, source: Path
) -> None:
    with Nginx(tmp_path / "nginx", server.port) as proxy:
        done = send(server, source, proxy.port)
    assert (server.root / "source.bin").read_bytes() == CONTENT
    assert done.bytes == len(CONTENT)


# --- Other servers ----------------------------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 4])
def test_nginx_gives_ranges_and_what_is_there_is_not_fetched_again(
    tmp_path: Path, source: Path, connections: int
) -> None:
    os.utime(source, (LONG_AGO, LONG_AGO))
    with nginx_files(tmp_path / "nginx", tmp_path) as url:
        first = fetch(f"{url}source.bin", tmp_path / "a.bin", connections=connections)
        again = fetch(f"{url}source.bin", tmp_path / "a.bin", connections=connections)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert (first.reused, again.reused) == (0, len(CONTENT))


def test_nginx_is_asked_for_the_rest_and_says_when_the_file_is_another_one(
    tmp_path: Path, source: Path
) -> None:
    os.utime(source, (LONG_AGO, LONG_AGO))
    target = tmp_path / "a.bin"
    with nginx_files(tmp_path / "nginx", tmp_path) as url:
        interrupted(f"{url}source.bin", target)
        assert fetch(f"{url}source.bin", target).reused > 0
        assert target.read_bytes() == CONTENT
        target.unlink()
        interrupted(f"{url}source.bin", target)
        source.write_bytes(CONTENT[::-1])
        os.utime(source, (LONG_AGO + 9, LONG_AGO + 9))
        assert fetch(f"{url}source.bin", target).reused == 0
    assert target.read_bytes() == CONTENT[::-1]


def interrupted(url: str, target: Path) -> None:
    """Let a download break off that cannot be taken up again."""
    port = int(url.split(":")[2].partition("/")[0])
    with FaultProxy(port) as broken:
        broken.script = lambda number: [Fault("cut", "down", 9 * MIB if number == 0 else 0)]
        download = Download(url, target, connections=1, clock=Quick())
        # The same address afterwards, so that it is the same download.
        download._session = partial(_through, download._session, port, broken.port)  # type: ignore[method-assign]
        with pytest.raises(TransferError):
            download.run(Progress())
    assert not target.exists()


def _through(make: Callable[[], Any], port: int, other: int) -> Any:
    session = make()
    resolve = session.resolve
    session.resolve = lambda url: resolve(url).replace(f":{port}/", f":{other}/")
    return session


def test_a_server_without_ranges_begins_again_when_it_was_cut(tmp_path: Path, source: Path) -> None:
    os.utime(source, (LONG_AGO, LONG_AGO))
    with plain_server(tmp_path) as url, FaultProxy(int(url.split(":")[2][:-1])) as proxy:
        proxy.once(Fault("cut", "down", 9 * MIB))
        done = fetch(f"http://127.0.0.1:{proxy.port}/source.bin", tmp_path / "a.bin")
        assert proxy.struck
        again = fetch(f"http://127.0.0.1:{proxy.port}/source.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    # It has no tag, but its date is old enough to stand for the bytes.
    assert (done.reused, again.reused) == (0, len(CONTENT))


def test_a_certificate_of_one_s_own_is_trusted_where_it_is_named(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = partial(_Silent, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"https://localhost:{server.server_address[1]}/{source.name}"
            with pytest.raises(TransferError, match=r"not trusted.*\n.*SSL_CERT_FILE"):
                fetch(url, tmp_path / "a.bin")
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            fetch(url, tmp_path / "a.bin")
        finally:
            server.shutdown()
            thread.join()
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


# --- Ends of processes ------------------------------------------------------------------------


def command(*arguments: str | Path, server: Server) -> list[str]:
    header = f"Authorization: {user(server)['Authorization']}"
    given = [str(argument) for argument in arguments]
    return [sys.executable, "-m", "progresswidget", *given, "-H", header]


@pytest.mark.faults
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_an_upload_that_was_ended_goes_on(
    own: Callable[..., Server], source: Path, sign: signal.Signals
) -> None:
    server = own(settings={"transfer_rate": 20 * MIB}).start()
    arguments = command("upload", source, server.url("uploads/"), server=server)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: sum(path.stat().st_size for path in server.staged()) > 9 * MIB)
        process.send_signal(sign)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == (130 if sign == signal.SIGINT else -signal.SIGKILL)
    assert ("goes on" in said) is (sign == signal.SIGINT)
    done = send(server, source)
    assert done.reused >= 8 * MIB
    assert (server.root / "source.bin").read_bytes() == CONTENT
    assert not server.staged()
    server.stop()


def test_row_3_who_was_killed_before_it_knew_its_upload_goes_on_with_it(
    server: Server, proxy: FaultProxy, source: Path
) -> None:
    arguments = command("upload", source, server.url("uploads/", proxy.port), server=server)
    # The server makes the upload, and nobody learns which it is: what it can do is told before.
    assert server.request("OPTIONS", "uploads/", port=proxy.port).status == 204
    # The cookie has the name that somebody without one is given, and names differ in length: the
    # end of what is told before lies somewhere there, and that of the other answer far behind.
    told = eventually(lambda: proxy.passed["down"])
    proxy.once(Fault("hole", "down", told + 100))
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        (staged,) = eventually(server.staged)
        process.kill()
    again = subprocess.run(arguments, stderr=subprocess.PIPE, text=True, check=False)
    assert again.returncode == 0, again.stderr
    upload = staged.name.removeprefix(".progresswidget-").removesuffix(".upload")
    headers = {"Tus-Resumable": "1.0.0"}
    answer = server.request("HEAD", f"uploads/{upload}", headers=headers)
    assert answer.headers["Upload-Offset"] == str(len(CONTENT))
    assert [path.name for path in server.root.iterdir()] == ["source.bin"]
    assert (server.root / "source.bin").read_bytes() == CONTENT


@pytest.mark.faults
def test_a_download_that_was_stopped_by_ctrl_c_goes_on(
    own: Callable[..., Server], tmp_path: Path
) -> None:
    server = own(settings={"transfer_rate": 6 * MIB}).start()
    url, target = server.url(served(server)), tmp_path / "a.bin"
    arguments = command("download", url, target, server=server)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: _written(tmp_path) > 17 * MIB)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "goes on" in said
    done = fetch(url, target, headers=user(server))
    assert done.reused > 0
    assert target.read_bytes() == CONTENT
    server.stop()


class Waiting(Clock):
    """Waits for as long as the server is away: how long it takes to start says nothing of us."""

    def __init__(self) -> None:
        self.is_there = threading.Event()
        self.is_there.set()

    def wait(self, seconds: float, look: Callable[[], None]) -> None:
        super().wait(seconds, look)
        while not self.is_there.wait(0.05):
            look()


def _written(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.glob(".a.bin.*.part"))


@pytest.mark.faults
@pytest.mark.parametrize("what", ["download", "upload"])
def test_a_server_that_is_killed_and_comes_back_is_gone_on_with(
    own: Callable[..., Server], tmp_path: Path, source: Path, what: str
) -> None:
    server = own(settings={"transfer_rate": 10 * MIB}).start()
    path = served(server)
    progress, clock = Progress(), Waiting()
    work: Any
    if what == "download":
        work = Download(server.url(path), tmp_path / "a.bin", headers=user(server), clock=clock)
    else:
        work = Upload(source, server.url("uploads/"), headers=user(server), clock=clock)
    thread = threading.Thread(target=work.run, args=(progress,))
    thread.start()
    eventually(lambda: progress.bytes > 9 * MIB)
    clock.is_there.clear()
    server.kill()
    server.start()
    clock.is_there.set()
    thread.join(120)
    assert not thread.is_alive()
    arrived = tmp_path / "a.bin" if what == "download" else server.root / "source.bin"
    assert arrived.read_bytes() == CONTENT
    server.stop()


# --- Disks ------------------------------------------------------------------------------------


def test_a_disk_that_is_full_here_is_told_in_words_and_the_part_is_gone_on_with(
    server: Server, tmp_path: Path
) -> None:
    url, target = server.url(served(server)), tmp_path / "a.bin"
    limited = ["prlimit", f"--fsize={16 * MIB}", *command("download", url, target, server=server)]
    done = subprocess.run(limited, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not target.exists()
    assert fetch(url, target, headers=user(server)).reused > 0
    assert target.read_bytes() == CONTENT


@pytest.mark.faults
def test_a_disk_that_is_full_there_is_told_in_words_and_the_upload_goes_on(
    own: Callable[..., Server], source: Path
) -> None:
    import resource

    server = own().start()
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (12 * MIB, resource.RLIM_INFINITY))
    with pytest.raises(TransferRefusedError, match=r"goes on|space|room"):
        send(server, source)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert send(server, source).reused >= 8 * MIB
    assert (server.root / "source.bin").read_bytes() == CONTENT
    server.stop()


@pytest.mark.faults
def test_a_quota_is_told_in_words_before_a_byte_is_sent(
    own: Callable[..., Server], source: Path
) -> None:
    server = own(settings={"upload_quota": MIB}).start()
    with pytest.raises(TransferRefusedError):
        send(server, source)
    assert not server.staged()
    server.stop()

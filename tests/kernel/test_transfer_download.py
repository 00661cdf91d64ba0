"""Downloads: the bytes of one version or an error, from servers of every kind, cut anywhere."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from odd_server import Answer, OddServer

import progresswidget as pw
from progresswidget.errors import (
    DestinationBusyError,
    DestinationExistsError,
    DigestMismatchError,
    ExportCancelledError,
    ExportHeldError,
    LeaseLostError,
    OptionError,
    TransferError,
    TransferRefusedError,
)
from progresswidget.export.parts import journal_path
from progresswidget.export.progress import Progress
from progresswidget.transfer.download import Download
from progresswidget.transfer.journal import peek
from progresswidget.transfer.retry import Clock
from progresswidget.transfer.session import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from progresswidget.transfer.outcome import Transferred

pytestmark = pytest.mark.usefixtures("no_server")

MIB = 2**20
CONTENT = random.Random(4).randbytes(21 * MIB + 12_345)
OTHER = random.Random(5).randbytes(21 * MIB + 777)


class Waits(Clock):
    """A clock that only notes for how long it would have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.then: Callable[[], None] = lambda: None

    def now(self) -> float:
        return 1_735_689_600.0  # 2025-01-01

    def wait(self, seconds: float, look: Callable[[], None]) -> None:
        self.seconds.append(seconds)
        look()
        self.then()


@pytest.fixture
def server() -> Iterator[OddServer]:
    server = OddServer(CONTENT)
    yield server
    server.close()


def fetch(server: OddServer, path: Any, clock: Clock | None = None, **options: Any) -> Transferred:
    download = Download(server.url, path, clock=Waits() if clock is None else clock, **options)
    return download.run(Progress())


def leftovers(folder: Path, *names: str) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in names)


@pytest.mark.parametrize("connections", [1, 4])
def test_the_file_is_there_whole_and_nothing_else(
    connections: int, server: OddServer, tmp_path: Path
) -> None:
    server.waits_for_ranges = connections > 1
    done = fetch(server, tmp_path / "a.bin", connections=connections)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert (done.bytes, done.sha256, done.reused) == (len(CONTENT), server.sha256, 0)
    assert not leftovers(tmp_path, "a.bin")
    ranged = {request.range for request in server.requests} - {None}
    assert bool(ranged) == (connections > 1)


def test_without_tls_no_certificates_are_read(
    server: OddServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To read them takes as long as to fetch a hundred megabytes.
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    assert fetch(server, tmp_path / "a.bin").path.read_bytes() == CONTENT


def test_every_connection_says_which_version_it_wants(server: OddServer, tmp_path: Path) -> None:
    server.waits_for_ranges = True
    fetch(server, tmp_path / "a.bin")
    parts = [request for request in server.requests if request.range]
    assert parts
    assert {request.fields["if-range"] for request in parts} == {'"v1"'}
    assert all(request.fields["accept-encoding"] == "identity" for request in server.requests)


@pytest.mark.parametrize("seed", range(6))
def test_a_transfer_that_is_cut_at_random_ends_with_the_same_bytes(
    seed: int, server: OddServer, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    server.cuts.extend(draw.randrange(8 * MIB) for _ in range(12))
    done = fetch(server, tmp_path / "a.bin", connections=1 + seed % 4)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert done.sha256 == server.sha256
    assert server.sent < 2 * len(CONTENT)


def test_a_file_that_changed_meanwhile_is_never_joined(server: OddServer, tmp_path: Path) -> None:
    clock = Waits()
    clock.then = lambda: server.change(OTHER)
    server.cuts.append(9 * MIB)
    fetch(server, tmp_path / "a.bin", clock, connections=1)
    assert (tmp_path / "a.bin").read_bytes() == OTHER


@pytest.mark.parametrize("etag", ['"v1"', '"v2"', None])
def test_not_even_where_the_server_ignores_the_condition(
    etag: str | None, server: OddServer, tmp_path: Path
) -> None:
    server.heeds_if_range = False
    clock = Waits()
    clock.then = lambda: server.change(OTHER, etag)
    server.cuts.append(9 * MIB)
    fetch(server, tmp_path / "a.bin", clock, connections=1)
    assert (tmp_path / "a.bin").read_bytes() == OTHER


@pytest.mark.parametrize(
    "traits",
    [
        {"ranges": False},
        {"etag": None, "modified": None},
        {"etag": 'W/"weak"', "modified": None},
        {"chunked": True, "ranges": False},
        {"chunked": True, "ranges": False, "etag": None, "modified": None},
    ],
)
def test_a_plain_server_is_asked_from_the_beginning_when_it_was_cut(
    traits: dict[str, Any], server: OddServer, tmp_path: Path
) -> None:
    for name, value in traits.items():
        setattr(server, name, value)
    server.cuts.append(5 * MIB)
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    asked = [request.range for request in server.requests]
    # One question, whether it gives parts, is allowed where it does not say that it does not.
    assert len(asked) <= 3
    assert asked[0] is asked[-1] is None


def test_a_length_that_nobody_tells_ends_with_the_connection(
    server: OddServer, tmp_path: Path
) -> None:
    server.says_length = False
    server.ranges = False
    done = fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert done.sha256 == server.sha256


def test_what_comes_compressed_unasked_is_unpacked(server: OddServer, tmp_path: Path) -> None:
    text = b"a,b\n" * 500_000
    half = len(text) // 2
    server.content = gzip.compress(text[:half]) + gzip.compress(text[half:])
    server.fields["Content-Encoding"] = "gzip"
    server.cuts.append(1_000)
    fetch(server, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == text


def test_a_refusal_says_what_to_do(server: OddServer, tmp_path: Path) -> None:
    server.answers.append(Answer("404 Not Found"))
    with pytest.raises(TransferRefusedError, match=r"404 Not Found\n.*address is right"):
        fetch(server, tmp_path / "a.bin")
    assert not leftovers(tmp_path)


def test_five_tries_without_a_byte_are_enough(server: OddServer, tmp_path: Path) -> None:
    server.answers.extend(Answer("502 Bad Gateway") for _ in range(9))
    clock = Waits()
    with pytest.raises(TransferError, match="502 Bad Gateway"):
        fetch(server, tmp_path / "a.bin", clock)
    assert len(server.requests) == 5
    assert len(clock.seconds) == 4
    limits = [0.5, 1.0, 2.0, 4.0]
    assert all(0 <= wait <= most for wait, most in zip(clock.seconds, limits, strict=True))


def test_a_server_that_says_when_is_asked_then(server: OddServer, tmp_path: Path) -> None:
    moment = "Wed, 01 Jan 2025 00:01:30 GMT"
    for value in ["7", moment, *["1"] * 20]:
        server.answers.append(Answer("503 Service Unavailable", {"Retry-After": value}))
    clock = Waits()
    fetch(server, tmp_path / "a.bin", clock)
    assert clock.seconds == [7.0, 90.0, *[1.0] * 20]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


SIZE = len(CONTENT)


@pytest.mark.parametrize(
    ("status", "content_range"),
    [
        ("206 Partial Content", f"bytes 0-{SIZE - 1}/{SIZE}"),
        ("206 Partial Content", f"bytes {9 * MIB + 1}-{SIZE - 1}/{SIZE}"),
        ("206 Partial Content", f"bytes {9 * MIB}-{SIZE}/{SIZE + 1}"),
        ("206 Partial Content", f"bytes {9 * MIB}-{SIZE + 9}/{SIZE}"),
        ("206 Partial Content", f"bytes {SIZE - 1}-{9 * MIB}/{SIZE}"),
        ("206 Partial Content", "items 1-2/3"),
        ("206 Partial Content", ""),
        ("206 Partial Content", f"bytes {9 * MIB}-{SIZE - 1}/{SIZE}"),  # and fewer bytes than that
        ("200 OK", ""),
        ("416 Range Not Satisfiable", f"bytes */{SIZE}"),
        ("416 Range Not Satisfiable", "bytes */5"),
        ("304 Not Modified", ""),
        ("204 No Content", ""),
    ],
)
def test_a_server_that_lies_about_the_rest_is_not_believed(
    status: str, content_range: str, server: OddServer, tmp_path: Path
) -> None:
    server.cuts.append(9 * MIB)
    # The first request gets the file, and what asks for the rest of it gets this.
    fields = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
    fields |= {"Content-Range": content_range} if content_range else {}
    server.answers.extend([None, Answer(status, fields, b"lie" if status[0] == "2" else b"")])
    try:
        fetch(server, tmp_path / "a.bin", connections=1)
    except TransferError:
        assert status in {"204 No Content", "304 Not Modified"}  # which nobody can make sense of
        assert not (tmp_path / "a.bin").exists()
    else:
        assert (tmp_path / "a.bin").read_bytes() == CONTENT


EVEN = CONTENT[: 21 * MIB]
"""What is read to its last byte before the cut is noticed."""


def test_a_body_without_a_length_that_is_cut_at_its_very_end_is_whole(
    server: OddServer, tmp_path: Path
) -> None:
    server.content, server.chunked = EVEN, True
    server.cuts.append(len(EVEN))
    result = fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == EVEN
    assert result.sha256 == server.sha256
    assert [request.range for request in server.requests] == [None, (len(EVEN), None)]
    assert server.sent == len(EVEN)


def test_and_it_is_whole_for_the_next_run_too(server: OddServer, tmp_path: Path) -> None:
    server.content, server.chunked = EVEN, True
    server.cuts.append(len(EVEN))
    server.answers.extend([None, Answer("403 Forbidden")])
    with pytest.raises(TransferError):
        fetch(server, tmp_path / "a.bin")
    assert fetch(server, tmp_path / "a.bin").sha256 == server.sha256
    assert (tmp_path / "a.bin").read_bytes() == EVEN
    assert server.sent == len(EVEN)


@pytest.mark.parametrize("heeds", [False, True])
@pytest.mark.parametrize("etag", ['"v2"', None])
@pytest.mark.parametrize("runs", [1, 2])
def test_but_not_of_another_version_that_is_as_long(
    runs: int, etag: str | None, server: OddServer, tmp_path: Path, *, heeds: bool
) -> None:
    server.content, server.chunked, server.heeds_if_range = EVEN, True, heeds
    server.cuts.append(len(EVEN))
    changed = bytes(reversed(EVEN))
    clock = Waits()
    if runs == 1:
        clock.then = lambda: server.change(changed, etag)
    else:
        server.answers.extend([None, Answer("403 Forbidden")])
        with pytest.raises(TransferError):
            fetch(server, tmp_path / "a.bin")
        server.change(changed, etag)
    fetch(server, tmp_path / "a.bin", clock)
    assert (tmp_path / "a.bin").read_bytes() == changed


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("total", [True, False])
def test_a_part_of_what_was_asked_for_is_not_the_end(
    server: OddServer, tmp_path: Path, *, chunked: bool, total: bool
) -> None:
    server.chunked, server.says_total, server.most = chunked, total, 2 * MIB
    server.cuts.append(9 * MIB)
    clock = Waits()
    fetch(server, tmp_path / "a.bin", clock, connections=1)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    # Only the cut was waited for. Where nobody tells how much there is, it is fetched in one piece.
    assert len(clock.seconds) == 1
    parts = [request.range for request in server.requests if request.range]
    assert len(parts) > 4 if total or not chunked else len(parts) == 1


@pytest.mark.parametrize("length", [1, 9, 17, 40, 100])
def test_a_heading_that_is_cut_is_no_heading(
    length: int, server: OddServer, tmp_path: Path
) -> None:
    server.headings.extend([length, length])
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("more", [-5, 5])
def test_a_length_that_is_wrong_is_an_error_or_the_file(
    more: int, server: OddServer, tmp_path: Path
) -> None:
    # Longer than what comes: it was cut. Shorter: the rest belongs to nobody (RFC 9112 6.3).
    server.says_length, server.ranges = False, False
    server.fields["Content-Length"] = str(SIZE + more)
    with pytest.raises(TransferError):
        fetch(server, tmp_path / "a.bin", sha256=server.sha256)
    assert not (tmp_path / "a.bin").exists()


def test_but_not_for_ever(server: OddServer, tmp_path: Path) -> None:
    server.answers.extend(
        Answer("503 Service Unavailable", {"Retry-After": "600"}) for _ in range(9)
    )
    with pytest.raises(TransferRefusedError, match="503"):
        fetch(server, tmp_path / "a.bin")
    assert len(server.requests) == 7


def test_the_digest_is_checked_and_a_wrong_one_leaves_nothing(
    server: OddServer, tmp_path: Path
) -> None:
    with pytest.raises(DigestMismatchError, match=server.sha256):
        fetch(server, tmp_path / "a.bin", sha256="0" * 64)
    assert not leftovers(tmp_path)
    # Once more in one piece before the server is blamed.
    assert sum(request.range is None for request in server.requests) == 2
    fetch(server, tmp_path / "a.bin", sha256=server.sha256.upper())
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_the_server_s_own_digest_is_checked(server: OddServer, tmp_path: Path) -> None:
    server.fields["Repr-Digest"] = f"sha-256=:{'A' * 43}=:"
    with pytest.raises(DigestMismatchError):
        fetch(server, tmp_path / "a.bin")
    assert not leftovers(tmp_path)


def test_an_unchanged_file_is_not_fetched_again(server: OddServer, tmp_path: Path) -> None:
    fetch(server, tmp_path / "a.bin")
    sent = server.sent
    again = fetch(server, tmp_path / "a.bin")
    assert (again.reused, again.sha256) == (len(CONTENT), server.sha256)
    assert server.sent == sent
    server.change(OTHER)
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == OTHER


def test_a_file_of_the_right_digest_is_not_even_asked_for(
    server: OddServer, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    assert fetch(server, tmp_path / "a.bin", sha256=server.sha256).reused == len(CONTENT)
    assert not server.requests


def test_a_file_that_was_edited_is_fetched_again(server: OddServer, tmp_path: Path) -> None:
    fetch(server, tmp_path / "a.bin")
    (tmp_path / "a.bin").write_bytes(b"mine")
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_file_that_is_there_may_be_kept(server: OddServer, tmp_path: Path) -> None:
    (tmp_path / "flights.bin").write_bytes(b"mine")
    with pytest.raises(DestinationExistsError):
        fetch(server, tmp_path / "flights.bin", overwrite=False)
    with pytest.raises(DestinationExistsError):
        fetch(server, tmp_path, overwrite=False)
    assert (tmp_path / "flights.bin").read_bytes() == b"mine"


def test_a_cancelled_download_leaves_nothing(server: OddServer, tmp_path: Path) -> None:
    server.gate = threading.Event()  # no byte of the body comes

    def cancel() -> None:
        if server.requests:
            raise ExportCancelledError("stopped")

    download = Download(server.url, tmp_path / "a.bin")
    with pytest.raises(ExportCancelledError):
        download.run(Progress(checkpoint=cancel))
    assert not leftovers(tmp_path)
    server.gate.set()


def test_a_cancel_does_not_wait_for_a_server_that_is_silent(
    server: OddServer, tmp_path: Path
) -> None:
    never = threading.Event()
    server.answers.append(Answer("200 OK", after=never))

    def cancel() -> None:
        if server.requests:
            raise ExportCancelledError("stopped")

    download = Download(server.url, tmp_path / "a.bin")
    with pytest.raises(ExportCancelledError):
        download.run(Progress(checkpoint=cancel))
    assert not never.is_set()
    assert not leftovers(tmp_path)
    never.set()


def test_a_redirect_is_followed_and_what_was_sent_along_stays_at_home(
    server: OddServer, tmp_path: Path
) -> None:
    other = OddServer(CONTENT)
    other.waits_for_ranges = True
    moved = Answer("302 Found", {"Location": f"{other.origin}/else/where.bin?signed=1"})
    server.answers.append(moved)
    fetch(server, tmp_path / "a.bin", headers={"Authorization": "Bearer secret", "X-Key": "k"})
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.requests[0].fields["authorization"] == "Bearer secret"
    assert len(server.requests) == 1  # the parts are asked for where it was moved to
    assert len(other.requests) > 1
    for request in other.requests:
        assert not {"authorization", "x-key"} & set(request.fields)
    other.close()


def test_an_address_that_it_was_moved_to_may_become_invalid(
    server: OddServer, tmp_path: Path
) -> None:
    moved = Answer("302 Found", {"Location": "/short-lived"})
    server.answers.extend([moved, None, Answer("403 Forbidden"), moved])
    server.cuts.append(9 * MIB)
    fetch(server, tmp_path / "a.bin", connections=1)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    asked = [request.target for request in server.requests]
    assert asked == [
        "/data/flights.bin",
        "/short-lived",
        "/short-lived",
        "/data/flights.bin",
        "/short-lived",
    ]


def test_the_secret_of_the_notebook_server_never_leaves_it(
    server: OddServer, tmp_path: Path
) -> None:
    other = OddServer(CONTENT)
    known = Server(f"{server.origin}/base/progresswidget/", "s3cret")
    away = Answer("307 Temporary Redirect", {"Location": other.url})
    aside = Answer("307 Temporary Redirect", {"Location": "/base/api/kernels"})
    for number, (url, answers) in enumerate(
        [
            ("files/1/1/a.bin", []),
            ("files/1/1/a.bin", [away]),
            ("files/1/1/a.bin", [aside]),
            (other.url, []),
            (f"{server.origin}/base/other", []),
        ]
    ):
        server.answers.extend(answers)
        Download(url, tmp_path / f"{number}.bin", find_server=lambda: known).run(Progress())
    told = [request.target for request in server.requests if "authorization" in request.fields]
    assert set(told) == {"/base/progresswidget/files/1/1/a.bin"}
    assert not [request for request in other.requests if "authorization" in request.fields]
    other.close()


def test_a_notebook_server_that_comes_back_elsewhere_is_found(
    server: OddServer, tmp_path: Path
) -> None:
    other = OddServer(CONTENT)
    where = [server]
    clock = Waits()
    clock.then = lambda: where.append(other)
    server.cuts.append(9 * MIB)
    download = Download(
        "contents/a.bin",
        tmp_path / "a.bin",
        connections=1,
        find_server=lambda: Server(f"{where[-1].origin}/x/", "s3cret"),
        clock=clock,
    )
    assert download.run(Progress()).sha256 == server.sha256
    assert [request.range for request in other.requests] == [(9 * MIB, len(CONTENT) - 1)]
    other.close()


def test_redirects_end(server: OddServer, tmp_path: Path) -> None:
    server.answers.extend([Answer("302 Found", {"Location": "/again"})] * 20)
    with pytest.raises(TransferError, match="more than 10 times"):
        fetch(server, tmp_path / "a.bin")
    server.answers.clear()
    server.answers.append(Answer("302 Found", {"Location": "file:///etc/passwd"}))
    with pytest.raises(TransferError, match="no web address"):
        fetch(server, tmp_path / "a.bin")


def test_in_a_folder_the_server_chooses_a_harmless_name(server: OddServer, tmp_path: Path) -> None:
    assert fetch(server, tmp_path).path == tmp_path / "flights.bin"
    server.fields["Content-Disposition"] = 'attachment; filename="../../.profile"'
    (tmp_path / "new").mkdir()
    assert fetch(server, f"{tmp_path}/new/").path == tmp_path / "new" / "profile"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"connections": 0}, "connections"),
        ({"connections": 1.5}, "connections"),
        ({"sha256": "abc"}, "hexadecimal"),
        ({"overwrite": "no"}, "overwrite"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_asked(
    options: dict[str, Any], word: str, server: OddServer, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=word):
        fetch(server, tmp_path / "a.bin", **options)
    assert not server.requests


KILLED = """
import sys
from progresswidget.export.progress import Progress
from progresswidget.transfer.download import Download
from progresswidget.transfer.journal import peek

Download(sys.argv[1], sys.argv[2], connections=int(sys.argv[3])).run(Progress())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize("connections", [1, 3])
def test_a_killed_download_goes_on_in_another_process(
    connections: int, server: OddServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    server.gate, server.free = threading.Event(), 17 * MIB
    arguments = [sys.executable, "-c", KILLED, server.url, path, str(connections)]
    with subprocess.Popen(arguments) as process:
        while (begun := peek(path)) is None or sum(unit.size for unit in begun.units) < 8 * MIB:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not path.exists()
    server.gate.set()
    done = fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert done.reused >= 8 * MIB
    assert not leftovers(tmp_path, "a.bin")


@pytest.mark.parametrize("error", [ExportCancelledError, ExportHeldError])
def test_a_download_may_end_while_it_looks_at_what_is_there(
    error: type[ExportCancelledError], server: OddServer, tmp_path: Path
) -> None:
    server.cuts.append(17 * MIB)
    server.answers.extend([None, *[Answer("502 Bad Gateway")] * 5])
    path = tmp_path / "a.bin"
    with pytest.raises(TransferError):
        fetch(server, path, connections=1)

    class Ended(Progress):
        def look(self) -> None:
            if self.phase == "hashing":
                raise error("enough")

    ended = Ended()
    ended.checkpoint = ended.look
    with pytest.raises(error):
        Download(server.url, path).run(ended)
    assert bool(leftovers(tmp_path)) is not error.final
    assert fetch(server, path).reused == (0 if error.final else 17 * MIB)
    assert not leftovers(tmp_path, "a.bin")


def test_without_locks_a_download_that_shows_no_life_harms_nobody(
    server: OddServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, f"No locks available {descriptor} {operation}")

    monkeypatch.setattr(fcntl, "flock", flock)
    path, asleep, wake = tmp_path / "a.bin", threading.Event(), threading.Event()

    class Sleeper(Progress):
        def look(self) -> None:
            if (begun := peek(path)) is not None and begun.units:
                asleep.set()
                assert wake.wait(60)

    def sleep() -> None:
        sleeper = Sleeper()
        sleeper.checkpoint = sleeper.look
        with pytest.raises(LeaseLostError):
            Download(server.url, path, connections=1).run(sleeper)
        lost.append(path)

    lost: list[Path] = []
    thread = threading.Thread(target=sleep)
    thread.start()
    assert asleep.wait(60)

    class TakesOver(Progress):
        def look(self) -> None:
            if self.rows == len(CONTENT):  # all of it is there, and has no name yet
                wake.set()
                thread.join(60)

    def take_over() -> Transferred:
        progress = TakesOver()
        progress.checkpoint = progress.look
        for _ in range(100):
            os.utime(journal_path(path), (1, 1))
            # What was under way when it fell asleep may be entered yet, which is a sign of life.
            with suppress(DestinationBusyError):
                return Download(server.url, path).run(progress)
        raise AssertionError("it shows life again and again")

    try:
        done = take_over()
    finally:
        wake.set()
        thread.join(60)
    assert lost == [path]
    assert path.read_bytes() == CONTENT
    assert done.reused >= 8 * MIB
    assert not leftovers(tmp_path, "a.bin")


def test_a_part_that_was_damaged_is_fetched_again(server: OddServer, tmp_path: Path) -> None:
    server.cuts.append(17 * MIB)
    server.answers.extend([None, *[Answer("502 Bad Gateway")] * 5])
    with pytest.raises(TransferError):
        fetch(server, tmp_path / "a.bin", connections=1)
    (part,) = tmp_path.glob(".a.bin.*.part")
    with part.open("r+b") as file:
        file.seek(3 * MIB)
        file.write(b"damage")
    done = fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert done.reused == 9 * MIB
    assert not leftovers(tmp_path, "a.bin")


def test_the_function_shows_a_job_and_waits(server: OddServer, tmp_path: Path) -> None:
    job = pw.download(server.url, tmp_path / "a.bin")
    assert (job.kind, job.state, job.bytes) == ("download", "done", len(CONTENT))
    assert job.sha256 == server.sha256
    assert os.fspath(job.path) == os.fspath(tmp_path / "a.bin")


def test_an_empty_file_is_a_file(server: OddServer, tmp_path: Path) -> None:
    server.content = b""
    assert fetch(server, tmp_path / "a.bin").bytes == 0
    assert (tmp_path / "a.bin").read_bytes() == b""

"""Uploads: what arrives is the file, whatever happens on the way, and nothing is sent twice."""

from __future__ import annotations

import base64
import hashlib
import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_server import Answer, OddServer
from odd_tus_server import OddTusServer

from progresswidget.errors import (
    ExportCancelledError,
    SourceChangedError,
    SourceError,
    TransferError,
    TransferRefusedError,
)
from progresswidget.export.progress import Progress
from progresswidget.transfer import remembered, tus
from progresswidget.transfer.retry import Clock
from progresswidget.transfer.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from progresswidget.transfer.outcome import Transferred

MIB = 2**20
CONTENT = random.Random(6).randbytes(19 * MIB + 4_321)


class Waits(Clock):
    """A clock that only notes for how long it would have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def wait(self, seconds: float, look: Callable[[], None]) -> None:
        self.seconds.append(seconds)
        look()


@pytest.fixture
def server() -> Iterator[OddTusServer]:
    server = OddTusServer()
    yield server
    server.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "flights.bin"
    path.write_bytes(CONTENT)
    return path


def send(server: OddTusServer, path: Path, **options: Any) -> Transferred:
    clock = options.pop("clock", None) or Waits()
    return Upload(path, server.url, clock=clock, **options).run(Progress())


def only(server: OddTusServer) -> bytes:
    (content,) = server.files.values()
    return bytes(content)


def test_the_file_arrives_in_checked_parts(server: OddTusServer, source: Path) -> None:
    done = send(server, source)
    assert only(server) == CONTENT
    assert (done.bytes, done.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    checksums = [fields["upload-checksum"] for fields in server.fields("PATCH")]
    assert len(checksums) > 1
    assert all(text.startswith("sha1 ") for text in checksums)
    (creation,) = server.fields("POST")
    pairs = dict(pair.split(" ") for pair in creation["upload-metadata"].split(","))
    assert base64.b64decode(pairs["filename"]) == b"flights.bin"
    assert len(creation["idempotency-key"]) == 34


@pytest.mark.parametrize(
    "faults",
    [
        ["cut"],
        [None, "cut", "cut", None, "cut"],
        ["lost"],
        ["lost", "lost"],
        [460, 460],
        ["damage"],
        [409],
        [423, 503, 502],
        ["gone"],
        [None, "gone"],
    ],
    ids=str,
)
@pytest.mark.parametrize("checksums", ["sha1", ""])
def test_it_arrives_all_the_same(
    checksums: str, faults: list[Any], server: OddTusServer, source: Path
) -> None:
    server.checksums = checksums
    server.faults.extend(fault for fault in faults if checksums or fault != "damage")
    send(server, source)
    assert only(server) == CONTENT


def test_a_proxy_that_refuses_large_bodies_gets_smaller_ones(
    server: OddTusServer, source: Path
) -> None:
    server.largest_body = 3 * MIB
    send(server, source)
    assert only(server) == CONTENT
    sizes = [int(fields["content-length"]) for fields in server.fields("PATCH")]
    assert sizes[:3] == [8 * MIB, 4 * MIB, 2 * MIB]
    assert max(sizes[2:]) == 2 * MIB  # and it is not tried again


def test_a_whole_file_that_is_too_large_is_refused(server: OddTusServer, source: Path) -> None:
    server.answers.append((413, {}))
    with pytest.raises(TransferRefusedError, match="takes no file of this size"):
        send(server, source)


def test_five_tries_without_a_byte_are_enough(server: OddTusServer, source: Path) -> None:
    server.faults.extend([None, *[502] * 9])
    clock = Waits()
    with pytest.raises(TransferError, match="502"):
        send(server, source, clock=clock)
    assert len(clock.seconds) == 4


def test_what_was_begun_is_gone_on_with(server: OddTusServer, source: Path) -> None:
    server.faults.extend([None, *[502] * 5])
    with pytest.raises(TransferError):
        send(server, source)
    done = send(server, source)
    assert only(server) == CONTENT
    assert done.reused == 8 * MIB
    assert server.methods().count("POST") == 1
    again = send(server, source)
    assert (again.reused, again.sha256) == (len(CONTENT), done.sha256)
    assert server.methods().count("POST") == 1


def test_another_file_under_the_same_name_is_another_upload(
    server: OddTusServer, source: Path
) -> None:
    server.faults.extend([None, *[502] * 5])
    with pytest.raises(TransferError):
        send(server, source)
    other = CONTENT[::-1]
    source.write_bytes(other)
    done = send(server, source)
    assert done.reused == 0
    assert bytes(server.files[f"{1:032x}"]) == other


def test_a_file_that_changes_meanwhile_is_not_half_one_and_half_the_other(
    server: OddTusServer, source: Path
) -> None:
    progress = Progress()

    def change() -> None:
        if progress.bytes >= 8 * MIB:
            source.write_bytes(b"other")

    progress.checkpoint = change
    with pytest.raises(SourceChangedError):
        Upload(source, server.url).run(progress)
    assert all(len(content) < len(CONTENT) for content in server.files.values())


def test_a_cancelled_upload_is_dropped_on_the_server(server: OddTusServer, source: Path) -> None:
    progress = Progress()

    def cancel() -> None:
        if progress.bytes >= 8 * MIB:
            raise ExportCancelledError("stopped")

    progress.checkpoint = cancel
    with pytest.raises(ExportCancelledError):
        Upload(source, server.url).run(progress)
    assert not server.files
    assert remembered.recall(source, Upload(source, server.url).target) is None


def test_a_cancel_does_not_wait_for_a_server_that_is_silent(source: Path) -> None:
    silent = OddServer(b"")
    never = threading.Event()
    silent.answers.append(Answer("204 No Content", {"Tus-Version": "1.0.0"}))
    silent.answers.append(Answer("201 Created", after=never))
    progress = Progress()

    def cancel() -> None:
        if len(silent.requests) >= 2:
            raise ExportCancelledError("stopped")

    progress.checkpoint = cancel
    with pytest.raises(ExportCancelledError):
        Upload(source, silent.url).run(progress)
    never.set()
    silent.close()


def test_a_plain_server_gets_the_file_by_put(server: OddTusServer, source: Path) -> None:
    server.speaks_tus = False
    server.answers.append((503, {"Retry-After": "3"}))
    clock = Waits()
    done = send(server, source, clock=clock)
    assert bytes(server.files["/up/flights.bin"]) == CONTENT
    assert done.url.endswith("/up/flights.bin")
    assert clock.seconds == [3.0]


def test_what_is_no_file_is_refused_before_anything_is_sent(
    server: OddTusServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="No such file"):
        send(server, tmp_path / "missing.bin")
    with pytest.raises(SourceError, match="is no file"):
        send(server, tmp_path)
    assert not server.requests


KILLED = """
import sys
from progresswidget.export.progress import Progress
from progresswidget.transfer.upload import Upload

Upload(sys.argv[1], sys.argv[2]).run(Progress())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_killed_upload_goes_on_in_another_process(server: OddTusServer, source: Path) -> None:
    server.faults.extend([None, *[502] * 4])
    with subprocess.Popen([sys.executable, "-c", KILLED, source, server.url]) as process:
        while server.methods().count("PATCH") < 2:
            assert process.poll() is None
        process.kill()
    assert process.returncode == -signal.SIGKILL
    server.faults.clear()
    done = send(server, source)
    assert only(server) == CONTENT
    assert done.reused == 8 * MIB


@given(st.dictionaries(st.sampled_from("abcd"), st.text()))
def test_metadata_can_be_read_back(pairs: dict[str, str]) -> None:
    pairs = {key: value.encode(errors="replace").decode() for key, value in pairs.items()}
    header = tus.metadata(pairs)
    found = dict(pair.split(" ") for pair in header.split(",")) if header else {}
    assert {key: base64.b64decode(value).decode() for key, value in found.items()} == {
        key: value for key, value in pairs.items() if value
    }


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({}, False),
        ({"Tus-Version": "0.2.2"}, False),
        ({"Tus-Version": "1.0.0,0.2.2"}, True),
        ({"Tus-Resumable": "1.0.0"}, True),
    ],
)
def test_only_the_version_that_is_spoken_counts(
    headers: dict[str, str],
    known: bool,  # noqa: FBT001
) -> None:
    assert (tus.abilities(headers) is not None) is known

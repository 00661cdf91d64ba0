"""Clocks that are put right, or wrong, while everything runs."""

from __future__ import annotations

import random
import threading
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import programs
import pytest
from laboratory import Baseline, eventually, make_report
from page import Page
from uploading import Uploader, answer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from laboratory import Server

MIB = 1 << 20
CONTENT = random.Random(59).randbytes(8 * MIB)
HOUR = 3600
JUMPS = (HOUR, 0, -HOUR, HOUR, -HOUR, 0)
SHORT = {
    # Each is less than the longest jump: what was measured by the wall clock would be over.
    "upload_expiry": 2.0 * HOUR - 200,
    "kernel_lease": 60.0,
    # And looked at between two jumps.
    "heartbeat": 1.0,
    "reap_interval": 0.05,
    "kernel_poll_interval": 0.05,
    "push_interval": 0.05,
}


class WallClock:
    """The wall clock of a process, by libfaketime; its monotonic clock goes on as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.ahead = 0
        self.jump(0)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process live by this clock."""
        return {
            "LD_PRELOAD": programs.path("libfaketime.so.1"),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def jump(self, ahead: int) -> None:
        """Be so many seconds ahead of the real time from now on."""
        # By a rename: every look at the clock reads the file, and one in between finds it empty.
        new = self._path.with_suffix(".new")
        new.write_text(f"{ahead:+d}\n")
        new.replace(self._path)
        self.ahead = ahead

    def is_of(self, server: Server) -> bool:
        """Say whether a server lives by it."""
        date = server.request("GET", "api/jobs").headers["Date"]
        return abs(parsedate_to_datetime(date).timestamp() - time.time() - self.ahead) < HOUR / 4


@pytest.fixture
def living_by(own: Callable[..., Server]) -> Iterator[Callable[[WallClock], Server]]:
    """Start a server of the test's own that lives by a clock."""
    servers: list[Server] = []

    def start(clock: WallClock) -> Server:
        servers.append(own(environment=clock.environment, settings=SHORT))
        return servers[-1].start()

    yield start
    for server in servers:
        server.close()
        for pid in server.pids:
            # The library removes them itself, but not where the process was killed.
            for path in Path("/dev/shm").glob(f"*faketime_*_{pid}"):
                path.unlink()


class Reader:
    """A page that reads all the time, as a browser does, and keeps what it was told of a job."""

    def __init__(self, page: Page, task_id: str) -> None:
        self.seq: int = page.subscribe(task_id)["seq"]
        self.rows = 0
        self.timestamps: list[int] = []
        self.gaps: list[Any] = []
        self.ended = False
        self._page = page
        self._thread = threading.Thread(target=self._read, name="page")
        self._thread.start()

    def _read(self) -> None:
        while (message := self._page.receive()) is not None:
            if message["type"] in {"progress_update", "task_complete"}:
                if message["from"] != self.seq + 1:
                    self.gaps.append((self.seq, message))
                self.seq = message["seq"]
                self.rows = message["data"]["rows"]
                self.timestamps.append(message["timestamp"])
                if message["type"] == "task_complete":
                    self.ended = True
                    break

    def join(self) -> None:
        """Wait for the end of the job."""
        self._thread.join(30)


@pytest.mark.faults
def test_row_59_a_clock_that_jumps_ends_nothing(
    living_by: Callable[[WallClock], Server], tmp_path: Path, repetitions: Callable[[int, int], int]
) -> None:
    clock = WallClock(tmp_path / "clock")
    server = living_by(clock)
    baseline = Baseline(server)
    tus = Uploader(server)
    (server.root / "export.bin").write_bytes(CONTENT)
    url = server.publish(server.root / "export.bin")["url"]
    report = make_report(rows=0)
    server.report(report)
    resting = tus.created(10, name="resting.bin")
    upload = tus.created(len(CONTENT))
    jumps = JUMPS * repetitions(1, 10)
    piece = len(CONTENT) // (2 * len(jumps))
    request = f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token {server.token}\r\n"
    with (
        Page(server) as page,
        tus.begin(upload, 0, len(CONTENT)) as up,
        server.connect() as down,
    ):
        down.sendall(f"{request}\r\n".encode())
        received = bytearray(down.recv(piece))
        reader = Reader(page, report["taskId"])
        (staged,) = [path for path in server.staged() if upload in path.name]
        beat = threading.Event()
        for turn, ahead in enumerate(jumps, 1):
            clock.jump(ahead)
            eventually(lambda: clock.is_of(server), what="the server lives by the clock")
            # Time for all that is looked at, by whatever clock.
            beat.wait(0.6)
            up.sendall(CONTENT[(turn - 1) * piece : turn * piece])
            eventually(lambda size=turn * piece: staged.stat().st_size == size)
            received += down.recv(piece)
            server.report(report | {"revision": turn + 1, "rows": turn})
            eventually(lambda rows=turn: reader.rows == rows, what="the page was told")
            assert tus.offset(resting) == 0
        up.sendall(CONTENT[len(jumps) * piece :])
        assert answer_of(up).status == 204
        while not received.endswith(CONTENT[-100:]):
            block = down.recv(1 << 20)
            assert block, "the download was cut"
            received += block
        server.report(report | {"revision": 1000, "status": "failed"})
        reader.join()
        assert reader.ended
        assert reader.gaps == []
    assert received.partition(b"\r\n\r\n")[2] == CONTENT
    assert tus.target.read_bytes() == CONTENT
    span = max(reader.timestamps) - min(reader.timestamps)
    assert span > HOUR * 1000, "it was told the time by the clock that jumped"
    assert tus.send("DELETE", resting).status == 204
    baseline.assert_back()
    server.stop()


@pytest.mark.faults
@pytest.mark.parametrize("ahead", [HOUR, -HOUR], ids=["forward", "backward"])
def test_row_59_nor_does_it_before_a_restart(
    living_by: Callable[[WallClock], Server], tmp_path: Path, ahead: int
) -> None:
    clock = WallClock(tmp_path / "clock")
    server = living_by(clock)
    tus = Uploader(server)
    report = make_report(rows=0)
    server.report(report)
    upload = tus.created(len(CONTENT))
    assert tus.patch(upload, 0, CONTENT[:MIB]).status == 204
    server.kill()
    clock.jump(ahead)
    server.start()
    assert clock.is_of(server)
    assert tus.offset(upload) == MIB
    with Page(server) as page:
        assert page.subscribe(report["taskId"])["data"]["snapshot"]["status"] == "running"
        server.report(report | {"revision": 2, "status": "failed"})
        page.await_type("task_complete")
    tus.finish(upload, CONTENT)
    assert tus.target.read_bytes() == CONTENT
    assert server.staged() == []
    server.stop()

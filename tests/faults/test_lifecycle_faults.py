"""Kernels that are interrupted, restarted, shut down and killed, and servers that come and go."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import exporting
import pyarrow as pa
import pytest
from kernels import Kernel
from laboratory import Server, eventually, sha256
from page import Page
from test_kernel_faults import kernel as script

import progresswidget as pw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from progresswidget.protocol import Json

    Repetitions = Callable[[int, int], int]

ROWS, BATCHES = 1_000_000, 10
UNIT = 2**17
"""Rows of one unit of a CSV file."""
EXPORT = """
import pathlib, time
import pyarrow as pa
import progresswidget as pw

def batches():
    for number in range({batches}):
        while number >= {hold} and not pathlib.Path("go on").exists():
            time.sleep(0.02)
        first = number * {size}
        yield pa.record_batch({{"n": pa.array(range(first, first + {size}), pa.int64())}})

pw.export(batches(), "a.csv")
"""


def cell(hold: int) -> str:
    """Return the code of an export that waits before a batch until it may go on."""
    return EXPORT.format(batches=BATCHES, hold=hold, size=ROWS // BATCHES)


@pytest.fixture
def undisturbed(tmp_path: Path) -> str:
    table = pa.table({"n": pa.array(range(ROWS), pa.int64())})
    return pw.export(table, tmp_path / "a.csv").result().sha256


@pytest.fixture
def within(repetitions: Repetitions) -> int:
    """Seconds that something may take: what is promised, and more where others use the machine."""
    return repetitions(30, 5)


@pytest.fixture
def lab(own: Callable[..., Server], tmp_path: Path) -> Iterator[tuple[Server, Kernel]]:
    server = own(environment={"XDG_CACHE_HOME": str(tmp_path / "cache")}).start()
    with Kernel(server) as kernel:
        yield server, kernel
    server.stop()


def begin(server: Server, kernel: Kernel) -> Json:
    """Let an export run until half of it is written; return its record."""
    kernel.run(cell(hold=7))

    def half() -> Any:
        running = server.request("GET", "api/jobs?status=running").json
        return running and running[0]["rows"] >= ROWS // 3 and running[0]

    record: Json = eventually(half, what="half is written")
    assert record["notebook"] == "study.ipynb"
    return record


def job(server: Server, task_id: str) -> Json:
    found: Json = server.request("GET", f"api/jobs/{task_id}").json
    return found


def ends(server: Server, task_id: str, status: str, within: float) -> tuple[Json, float]:
    """Wait for a state of a job; return the record, and after how long it came."""
    start = time.monotonic()
    eventually(lambda: job(server, task_id)["status"] == status, within=within, what=status)
    return job(server, task_id), time.monotonic() - start


def finish(server: Server, kernel: Kernel, before: Json, undisturbed: str) -> None:
    """Run the cell once more, to its end; only what was missing is written."""
    (server.root / "go on").touch()
    kernel.run(cell(hold=BATCHES))
    (done,) = eventually(
        lambda: server.request("GET", "api/jobs?status=done").json, what="it is done"
    )
    assert done["sha256"] == sha256(server.root / "a.csv") == undisturbed
    assert done["reused"] >= before["rows"] - UNIT, "at most one unit is written again"
    assert visible(server) == {"a.csv"}
    assert hidden(server) == set()


def visible(server: Server) -> set[str]:
    return {path.name for path in server.root.glob("*.csv")}


def hidden(server: Server) -> set[str]:
    return {path.name for path in server.root.glob(".a.csv*")}


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (Kernel.kill, "kernel-killed"),
        pytest.param(Kernel.restart, "kernel-restarted", marks=pytest.mark.faults),
    ],
    ids=["row 1 killed", "row 3 restarted"],
)
def test_rows_1_and_3_a_kernel_that_is_gone_is_seen_and_its_next_run_goes_on(
    lab: tuple[Server, Kernel],
    undisturbed: str,
    within: int,
    end: Callable[[Kernel], None],
    code: str,
) -> None:
    server, kernel = lab
    record = begin(server, kernel)
    end(kernel)
    found, seconds = ends(server, record["taskId"], "interrupted", within)
    print(f"{code} after {seconds:.1f} s")
    assert found["error"]["code"] == code
    assert visible(server) == set(), "nothing under the name before it is whole"
    assert len(hidden(server)) == 2, "a part and a journal to go on with"
    if code == "kernel-killed":
        kernel.revive()
    finish(server, kernel, record, undisturbed)


def test_row_4_an_interrupt_cancels_and_leaves_nothing(
    lab: tuple[Server, Kernel], within: int
) -> None:
    server, kernel = lab
    record = begin(server, kernel)
    with Page(server) as page:
        last = page.subscribe(record["taskId"])["seq"]
        kernel.interrupt()
        found, seconds = ends(server, record["taskId"], "cancelled", within)
        start = time.monotonic()
        eventually(lambda: not hidden(server), within=within, what="no part is left")
        print(f"cancelled after {seconds:.1f} s, cleared {time.monotonic() - start:.1f} s later")
        message: Json = {"type": ""}
        while message["type"] != "task_complete":
            message = page.receive() or pytest.fail("the page was sent away")
            assert message["from"] == last + 1
            last = message["seq"]
    assert found["error"]["code"] == "keyboard-interrupt"
    assert visible(server) == set()


@pytest.mark.faults
@pytest.mark.parametrize("end", [Kernel.shut_down, Kernel.close_session])
def test_a_kernel_that_is_shut_down_leaves_what_the_next_one_goes_on_with(
    own: Callable[..., Server],
    tmp_path: Path,
    undisturbed: str,
    within: int,
    end: Callable[[Kernel], None],
) -> None:
    server = own(environment={"XDG_CACHE_HOME": str(tmp_path / "cache")}).start()
    with Kernel(server) as first:
        record = begin(server, first)
        end(first)
        found, seconds = ends(server, record["taskId"], "interrupted", within)
        print(f"kernel-stopped after {seconds:.1f} s")
    assert (found["error"]["code"], found["notebook"]) == ("kernel-stopped", "study.ipynb")
    with Kernel(server) as second:
        finish(server, second, record, undisturbed)
    server.stop()


@pytest.mark.faults
def test_a_renamed_notebook_is_followed_while_the_cell_blocks(
    lab: tuple[Server, Kernel], within: int
) -> None:
    server, kernel = lab
    record = begin(server, kernel)
    with Page(server) as page:
        page.subscribe(record["taskId"])
        start = time.monotonic()
        kernel.rename("renamed.ipynb")
        notebook = ""
        while notebook != "renamed.ipynb":
            message = page.receive() or pytest.fail("the page was sent away")
            notebook = message["data"].get("notebook", "")
        print(f"the page was told after {time.monotonic() - start:.1f} s")
        assert time.monotonic() - start <= within
    (server.root / "go on").touch()
    found, _ = ends(server, record["taskId"], "done", 60)
    assert found["notebook"] == "renamed.ipynb"


@pytest.mark.faults
def test_a_killed_server_takes_its_kernels_along_and_the_next_one_says_so(
    own: Callable[..., Server], tmp_path: Path, undisturbed: str, within: int
) -> None:
    server = own(environment={"XDG_CACHE_HOME": str(tmp_path / "cache")}).start()
    with Kernel(server) as first:
        record = begin(server, first)
        server.restart()
        # A kernel ends itself when its server is gone, and an orphan of ours is seen to be.
        found, seconds = ends(server, record["taskId"], "interrupted", within + 15)
        print(f"seen {seconds:.1f} s after the start")
    assert found["error"]["code"] in {"kernel-died", "kernel-killed", "kernel-silent"}
    with Kernel(server) as second:
        finish(server, second, record, undisturbed)
    server.stop()


@pytest.mark.parametrize(
    ("sign", "elsewhere"),
    [
        (signal.SIGKILL, False),
        pytest.param(signal.SIGKILL, True, marks=pytest.mark.faults),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.faults),
        pytest.param(signal.SIGTERM, True, marks=pytest.mark.faults),
    ],
)
def test_an_export_outlives_its_server_and_is_back_with_the_next_report(
    own: Callable[..., Server],
    tmp_path: Path,
    repetitions: Repetitions,
    sign: signal.Signals,
    elsewhere: bool,  # noqa: FBT001
) -> None:
    # A script, or a kernel of a gateway: what is no child of the server.
    table = pa.Table.from_batches([exporting.batch(n) for n in range(exporting.BATCHES)])
    undisturbed = pw.export(table, tmp_path / "a.csv").result().sha256
    server = own().start()
    target = server.root / "a.csv"
    with script(target, server.directory / "endpoint.json") as running:
        running.give(2)
        (record,) = eventually(lambda: server.request("GET", "api/jobs?status=running").json)
        server.stop(sign)
        running.give()  # it exports on while nobody is there
        if elsewhere:
            server.port = 0
        server.start()
        started = time.monotonic()
        eventually(
            lambda: job(server, record["taskId"]).get("revision", 0) > record["revision"],
            within=repetitions(30, 10),
            what="the job is back",
        )
        print(f"back {time.monotonic() - started:.1f} s after the start")
        assert job(server, record["taskId"])["status"] == "running"
        running.give()
        assert running.ended() == undisturbed
    found, seconds = ends(server, record["taskId"], "done", repetitions(30, 5))
    print(f"done {seconds:.1f} s after the end")
    assert found["sha256"] == sha256(target) == undisturbed
    assert len(server.request("GET", "api/jobs").json) == 1
    assert server.request("GET", found["url"]).body == target.read_bytes()
    server.stop()

"""What a stopped export leaves in a kernel: gone if the kernel lives, gone on with if it ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from jupyter_client.manager import start_new_kernel

from progresswidget.errors import ExportCancelledError, ExportHeldError
from progresswidget.export import behind, leftovers
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

ROWS = 300_000
SECONDS = 60.0


def table() -> pa.Table:
    return pa.table({"n": range(ROWS)})


def stop_in_the_middle(path: Path, error: type[ExportCancelledError]) -> None:
    progress = Progress()

    def stop() -> None:
        if progress.part is not None and progress.part.committed:
            raise error("stopped")

    progress.checkpoint = stop
    with pytest.raises(error):
        Export(table(), path).run(progress)


def settled() -> None:
    for thread in threading.enumerate():
        if thread.name == "progresswidget-leftovers":
            thread.join()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(behind, "LIMIT", 0)  # committed as soon as it is written
    yield
    leftovers.keep_all()
    settled()


def test_what_is_left_is_removed_after_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "GRACE", 0.0)
    stop_in_the_middle(tmp_path / "t.csv", ExportHeldError)
    assert len(list(tmp_path.iterdir())) == 2
    leftovers.remove_soon(tmp_path / "t.csv")
    settled()
    assert list(tmp_path.iterdir()) == []
    assert leftovers._doomed == {}


def test_where_the_folder_is_gone_nothing_is_left(tmp_path: Path) -> None:
    leftovers.remove(tmp_path / "gone" / "t.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_the_process_comes_before_that(tmp_path: Path) -> None:
    stop_in_the_middle(tmp_path / "t.csv", ExportHeldError)
    leftovers.remove_soon(tmp_path / "t.csv")
    leftovers.keep_all()
    settled()
    assert Export(table(), tmp_path / "t.csv").run(Progress()).reused > 0


def test_an_export_that_begins_meanwhile_goes_on_with_it(tmp_path: Path) -> None:
    stop_in_the_middle(tmp_path / "t.csv", ExportHeldError)
    leftovers.remove_soon(tmp_path / "t.csv")
    result = Export(table(), tmp_path / "t.csv").run(Progress())
    assert result.reused > 0
    settled()
    assert list(tmp_path.iterdir()) == [result.path]


def test_an_export_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    leave, started = threading.Event(), threading.Event()
    progress = Progress()

    def wait() -> None:
        started.set()
        leave.wait(SECONDS)

    progress.checkpoint = wait
    other = threading.Thread(target=lambda: Export(table(), tmp_path / "t.csv").run(progress))
    other.start()
    started.wait(SECONDS)
    leftovers.remove(tmp_path / "t.csv")
    leave.set()
    other.join()
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


# Two starts of a kernel take seconds: this is about what jupyter_client does to a real one.
CELL = """
import pathlib, threading, time
import pyarrow as pa
import progresswidget as pw

folder = pathlib.Path({folder!r})

def rows():
    schema = pa.schema([("n", pa.int64())])
    def batches():
        # Behind more units than are under way at a time: the first ones are in the journal then.
        for start in range(0, 900_000, 10_000):
            while start == 800_000 and (folder / "wait").exists():
                time.sleep(0.01)
            yield pa.record_batch([pa.array(range(start, start + 10_000))], schema)
    return pa.RecordBatchReader.from_batches(schema, batches())

print(pw.export(rows, folder / "t.csv").result().reused)
"""
SETTLED = """
for thread in threading.enumerate():
    if thread.name == "progresswidget-leftovers":
        thread.join()
print(sorted(path.name for path in folder.iterdir()))
"""


@pytest.fixture
def kernel(no_server: None) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager, client = start_new_kernel()
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.context.destroy()


def run(client: BlockingKernelClient, code: str) -> str:
    said: list[str] = []

    def listen(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            said.append(message["content"]["text"])

    reply = client.execute_interactive(
        code, output_hook=listen, timeout=SECONDS, store_history=False
    )
    assert reply["content"]["status"] == "ok", reply["content"]
    return "".join(said).strip()


def begin(client: BlockingKernelClient, folder: Path) -> None:
    """Run the cell until there is something that a later run could go on from."""
    (folder / "wait").touch()
    # Otherwise the kernel refuses for a moment what comes behind an error.
    client.execute(CELL.format(folder=str(folder)), stop_on_error=False)
    journal, never, deadline = folder / ".t.csv.journal", threading.Event(), time.monotonic()
    while not (journal.exists() and b'"section"' in journal.read_bytes()):
        assert time.monotonic() < deadline + SECONDS
        never.wait(0.02)


def test_an_interrupt_leaves_nothing_and_a_restart_what_the_same_cell_goes_on_with(
    tmp_path: Path, kernel: tuple[KernelManager, BlockingKernelClient]
) -> None:
    manager, client = kernel
    run(client, "from progresswidget.export import leftovers; leftovers.GRACE = 0")
    begin(client, tmp_path)
    manager.interrupt_kernel()
    assert client.get_shell_msg(timeout=SECONDS)["content"]["ename"] == "ExportInterrupted"
    assert run(client, SETTLED) == "['wait']"

    run(client, "leftovers.GRACE = 3.0")
    begin(client, tmp_path)
    manager.restart_kernel(now=False)
    client.wait_for_ready(timeout=SECONDS)
    (tmp_path / "wait").unlink()
    assert int(run(client, CELL.format(folder=str(tmp_path)))) > 0
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]

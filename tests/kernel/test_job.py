"""A job: what it states, how it obeys, what it leaves behind, and what it tells the server."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest

import progresswidget as pw
from progresswidget import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ReportingServer

ROOT = Path(__file__).parents[2]
SCHEMA = pa.schema([("n", pa.int64())])


class Tap:
    """A source of batches that gives the next one when the test lets it."""

    def __init__(self, batches: int = 3) -> None:
        self.batches = batches
        self.asked = threading.Semaphore(0)
        self.allowed = threading.Semaphore(0)

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(SCHEMA, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for number in range(self.batches):
            self.asked.release()
            assert self.allowed.acquire(timeout=30)
            yield pa.record_batch([pa.array([number] * 10)], schema=SCHEMA)

    def let(self, batches: int) -> None:
        for _ in range(batches):
            self.allowed.release()

    def wait_until_asked(self) -> None:
        assert self.asked.acquire(timeout=30)


def wait_for_state(job: pw.Job, state: str) -> None:
    done = threading.Event()
    for _ in range(3000):
        if job.state == state:
            return
        done.wait(0.01)
    raise AssertionError(f"{job} is not {state}")


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != "endpoint.json"]


def test_a_blocking_export_returns_a_finished_job(tmp_path: Path, no_server: None) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]})
    job = pw.export(frame, tmp_path / "a.csv", index=False)
    content = (tmp_path / "a.csv").read_bytes()
    assert (job.state, job.rows, job.columns) == ("done", 3, 1)
    assert job.path == tmp_path / "a.csv"
    assert job.bytes == len(content)
    assert job.sha256 == hashlib.sha256(content).hexdigest()
    assert job.url is None
    assert job.error is None
    result = job.result()
    assert (result.path, result.rows, result.sha256) == (job.path, 3, job.sha256)
    assert repr(job) == f"Job(path={str(job.path)!r}, state='done', rows=3)"


def test_a_state_that_can_be_seen_is_a_result_that_can_be_had(
    tmp_path: Path, no_server: None
) -> None:
    for number in range(20):
        job = pw.export(pd.DataFrame({"a": [1]}), tmp_path / f"{number}.csv", background=True)
        while job.state != "done":
            time.sleep(0)  # which lets the other thread run
        assert job.result(0).rows == 1


def test_the_real_path_is_reported(tmp_path: Path, reporting_server: ReportingServer) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    job = pw.export(pd.DataFrame({"a": [1]}), tmp_path / "link" / "a.csv")
    assert job.path == tmp_path / "link" / "a.csv"
    assert reporting_server.reports[-1]["path"] == str(tmp_path / "real" / "a.csv")


def test_background_is_a_yes_or_a_no(tmp_path: Path) -> None:
    with pytest.raises(pw.OptionError, match="background"):
        pw.export(pd.DataFrame({"a": [1]}), tmp_path / "a.csv", background="no")  # type: ignore[arg-type]


def test_a_background_job_goes_on_while_other_code_runs(tmp_path: Path, no_server: None) -> None:
    tap = Tap()
    job = pw.export(tap.reader(), tmp_path / "a.csv", background=True)
    tap.wait_until_asked()
    assert job.state == "running"
    assert job.sha256 is None
    assert not (tmp_path / "a.csv").exists()
    with pytest.raises(TimeoutError, match=r"a\.csv is not complete"):
        job.result(timeout=0)
    tap.let(3)
    assert job.result(30).rows == 30


def test_a_job_can_be_awaited(tmp_path: Path, no_server: None) -> None:
    async def main() -> pw.Result:
        return await pw.export(pd.DataFrame({"a": [1]}), tmp_path / "a.csv", background=True)

    assert asyncio.run(main()).rows == 1


def test_awaiting_a_failed_job_raises(tmp_path: Path, no_server: None) -> None:
    tap = Tap()

    async def main() -> None:
        job = pw.export(tap.reader(), tmp_path / "a.csv", background=True)
        job.cancel()
        tap.let(3)
        await job

    with pytest.raises(pw.ExportCancelledError):
        asyncio.run(main())


def test_a_job_that_is_awaited_can_be_interrupted_in_a_kernel(
    tmp_path: Path, no_server: None
) -> None:
    tap = Tap(batches=1)

    async def wait(job: pw.Job) -> None:
        await job

    async def main() -> None:
        job = pw.export(tap.reader(), tmp_path / "a.csv", background=True)
        waiting = asyncio.ensure_future(wait(job))
        # As ipykernel does: its loop is not woken when a signal comes.
        loop = asyncio.get_running_loop()
        before = signal.signal(signal.SIGUSR2, lambda *_: loop.call_soon(waiting.cancel))
        stop = threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGUSR2])
        late = threading.Timer(10, tap.let, [1])
        stop.start()
        late.start()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        late.cancel()
        signal.signal(signal.SIGUSR2, before)
        assert job.state == "running", "nobody heard of it before the end"
        tap.let(1)
        assert (await job).rows == 10

    asyncio.run(main())


def test_pause_holds_the_rows_and_resume_lets_them_go(tmp_path: Path, no_server: None) -> None:
    tap = Tap(batches=6)
    job = pw.export(tap.reader(), tmp_path / "a.csv", background=True)
    tap.wait_until_asked()
    job.pause()
    tap.let(6)
    wait_for_state(job, "paused")
    rows = job.rows
    assert rows < 60
    assert job.state == "paused"
    job.resume()
    assert job.result(30).rows == 60


def test_what_is_read_of_a_slow_source_is_told_before_it_is_written(
    tmp_path: Path, no_server: None
) -> None:
    tap = Tap()
    job = pw.export(tap.reader(), tmp_path / "a.parquet", background=True)
    tap.wait_until_asked()
    tap.let(1)
    tap.wait_until_asked()
    report = job.report()
    assert (report["read"], report["rows"]) == (10, 0)
    tap.let(2)
    assert job.result(30).rows == 30
    assert job.report()["read"] == 30


def test_cancel_leaves_no_file_and_no_part(tmp_path: Path, no_server: None) -> None:
    tap = Tap()
    job = pw.export(tap.reader(), tmp_path / "a.csv", background=True)
    tap.wait_until_asked()
    job.cancel()
    tap.let(3)
    with pytest.raises(pw.ExportCancelledError, match=r"a\.csv was stopped"):
        job.result(30)
    assert job.state == "cancelled"
    assert leftovers(tmp_path) == []


def test_cancel_ends_a_pause_and_nothing_ends_a_cancel(tmp_path: Path, no_server: None) -> None:
    tap = Tap()
    job = pw.export(tap.reader(), tmp_path / "a.csv", background=True)
    job.pause()
    tap.let(3)
    wait_for_state(job, "paused")
    job.cancel()
    job.resume()
    with pytest.raises(pw.ExportCancelledError):
        job.result(30)


def test_a_source_that_raises_fails_the_job_and_keeps_the_old_file(
    tmp_path: Path, no_server: None
) -> None:
    (tmp_path / "a.csv").write_text("old")

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array([1])], schema=SCHEMA)
        raise ValueError("the database went away")

    reader = pa.RecordBatchReader.from_batches(SCHEMA, batches())
    with pytest.raises(pw.SourceError, match="the database went away"):
        pw.export(reader, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "old"
    assert leftovers(tmp_path) == ["a.csv"]


def test_a_finished_job_does_not_keep_the_frame_alive(tmp_path: Path, no_server: None) -> None:
    frame = pd.DataFrame({"a": [1]})
    alive = weakref.ref(frame)
    job = pw.export(frame, tmp_path / "a.csv")
    del frame
    gc.collect()
    assert alive() is None
    assert job.rows == 1


def test_reports_tell_the_whole_story(tmp_path: Path, reporting_server: ReportingServer) -> None:
    tap = Tap()
    job = pw.export(tap.reader(), tmp_path / "a.csv", background=True)
    assert job.url == "/x/files/1/a.csv"
    assert job.on_server
    tap.let(3)
    result = job.result(30)
    # When `result` has returned, the server knows the end: `url` can be used at once.
    last = reporting_server.reports[-1]
    assert last["status"] == "done"
    assert last["progress"] == 100
    assert last["sha256"] == result.sha256
    stat = result.path.stat()
    fingerprint = protocol.Fingerprint.from_json(last["fingerprint"])
    assert fingerprint.inode == stat.st_ino
    assert fingerprint.mtime_ns == stat.st_mtime_ns
    revisions = [report["revision"] for report in reporting_server.reports]
    assert revisions == sorted(revisions)


def test_wishes_of_the_server_are_obeyed_once(
    tmp_path: Path, reporting_server: ReportingServer
) -> None:
    tap = Tap(batches=4)
    job = pw.export(tap.reader(), tmp_path / "a.csv", background=True)
    tap.wait_until_asked()
    reporting_server.control = {"id": "a" * 32, "action": "pause"}
    paused = reporting_server.arrived
    with paused:
        assert paused.wait_for(
            lambda: any(r["control"] == "a" * 32 for r in reporting_server.reports), 30
        )
    tap.let(4)
    reporting_server.wait_for("paused", job.id)
    job.resume()  # the same wish, still repeated by the server, must not pause it again
    assert job.result(30).rows == 40


def test_the_percentage_is_a_hundred_only_when_the_file_is_there(
    tmp_path: Path, no_server: None
) -> None:
    table = pa.table({"n": list(range(10))})
    job = pw.export(table, tmp_path / "a.parquet", background=True)
    seen = {job.snapshot()["progress"]}
    while job.state != "done":
        seen.add(job.snapshot()["progress"])
    assert all(value is None or value < 100 for value in seen - {100.0}) or seen == {100.0}
    assert job.snapshot()["progress"] == 100.0


def test_a_message_with_broken_text_can_still_be_reported(
    tmp_path: Path, reporting_server: ReportingServer
) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array([1])], schema=SCHEMA)
        raise ValueError("lone \ud800 surrogate " + "x" * 5000)

    reader = pa.RecordBatchReader.from_batches(SCHEMA, batches())
    with pytest.raises(pw.SourceError):
        pw.export(reader, tmp_path / "a.csv")
    last = reporting_server.reports[-1]
    assert last["status"] == "failed"
    assert last["error"]["code"] == "source-failed"
    assert len(last["error"]["message"]) <= protocol.MAX_TEXT


SCRIPT = """
import sys, time, pyarrow as pa, progresswidget as pw
schema = pa.schema([("n", pa.int64())])
def batches():
    for n in range({batches}):
        if n == 3: print("going", flush=True)
        time.sleep({pause})
        yield pa.record_batch([pa.array([n] * 10)], schema=schema)
reader = pa.RecordBatchReader.from_batches(schema, batches())
job = pw.export(reader, "a.csv", background={background})
"""


def script(**values: object) -> str:
    return SCRIPT.format(**values)


@pytest.mark.usefixtures("no_server")
def test_ctrl_c_ends_a_script_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    code = script(batches=10_000, pause=0.01, background=False)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "ExportInterrupted: Stopped after" in errors
    assert "open it anew" in errors  # for a stream: a frame would say to run the cell again
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("no_server")
def test_a_script_waits_for_its_background_exports(tmp_path: Path) -> None:
    code = script(batches=20, pause=0.01, background=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 201


@pytest.mark.usefixtures("no_server")
def test_ctrl_c_at_the_end_of_a_script_cancels_what_it_waits_for(tmp_path: Path) -> None:
    code = script(batches=10_000, pause=0.05, background=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "going\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("no_server")
def test_a_script_does_not_wait_for_ever_for_a_paused_export(tmp_path: Path) -> None:
    code = script(batches=20, pause=0.01, background=True) + "\njob.pause()\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 201


@pytest.mark.usefixtures("no_server")
def test_a_forked_child_does_not_wait_for_its_parents_exports(tmp_path: Path) -> None:
    code = "import os, warnings; warnings.simplefilter('ignore')\n"
    code += script(batches=20, pause=0.05, background=True)
    code += "\npid = os.fork()\nif pid == 0: sys.exit(7)\n"
    code += "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), job.state)\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "7 running" in done.stdout
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 201


@pytest.mark.usefixtures("no_server")
def test_a_plain_process_draws_on_a_terminal_and_not_into_a_pipe(tmp_path: Path) -> None:
    code = script(batches=20, pause=0.02, background=False)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    environment["PYTHONIOENCODING"] = "utf-8"
    command = [sys.executable, "-c", code]
    piped = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert piped.stderr == b""

    master, slave = pty.openpty()
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=slave, stdout=subprocess.DEVNULL
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # Linux says EIO when the other side has closed the terminal
            break
        if not chunk:
            break
        shown += chunk
    os.close(master)
    assert process.wait(30) == 0
    text = shown.decode()
    assert "a.csv" in text
    assert "done: 200 rows" in text


def test_a_report_tells_of_columns_and_options_but_no_secrets(tmp_path: Path) -> None:
    frame = pa.table({"a": [1, 2], "with a\ttab\n": ["x", "y"]})
    told = pw.export(frame, tmp_path / "a.csv", delimiter=";", bom=True).report()
    assert told["schema"] == "a\tint64\nwith a tab\tstring"
    assert told["options"] == "delimiter\t;\nbom\tTrue"
    assert told["created"] <= told["started"] <= told["ended"]
    locked = pw.export({"b": frame}, tmp_path / "a.zip", password="hunter2").report()
    assert "hunter2" not in str(locked)
    assert locked["options"] == ""


def test_of_many_columns_whole_lines_are_told(tmp_path: Path) -> None:
    frame = pa.table({f"column {n:04}" + "x" * 200: [n] for n in range(300)})
    told = pw.export(frame, tmp_path / "a.csv").report()
    lines = told["schema"].split("\n")
    assert len(told["schema"]) <= protocol.MAX_DETAIL
    assert len(lines) > 10
    assert {line.split("\t")[1] for line in lines} == {"int64"}
    assert told["columns"] == 300

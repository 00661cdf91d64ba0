"""Conversions of files, by real workers: what is refused, what waits, and what is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from jupyter_server_ext import processes
from jupyter_server_ext.conversions import registry as conversions
from jupyter_server_ext.handlers.conversions import ConversionsHandler
from progresswidget.converting import _begin
from progresswidget.errors import SourceError
from progresswidget.export.sources import files
from progresswidget.export.sources.files_open import OPENERS
from progresswidget.protocol import is_readable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from conftest import Process, Server
    from tornado.httpclient import HTTPResponse

    from progresswidget.protocol import Json

ROWS = 1_000
SOME = 32 * 2**20
"""Bytes after which the first units are certainly committed, and others are not even read."""


@pytest.fixture(autouse=True)
def ended_workers(tmp_path: Path) -> Iterator[None]:
    """End every worker of the test, whatever became of the test and of its servers."""
    yield
    workers = list(workers_below(tmp_path))
    for worker in workers:
        worker.kill()
    psutil.wait_procs(workers, timeout=30)
    assert list(workers_below(tmp_path)) == []


def workers_below(folder: Path) -> Iterator[psutil.Process]:
    """Find the processes that convert files in a folder, also those whose server is gone."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[-2:] != ["progresswidget", "convert"]:
                continue
            if Path(process.cwd()).is_relative_to(folder.resolve()):
                yield process


@pytest.fixture
def source(root: Path) -> Path:
    """A file of data in a folder below the root."""
    return write(root / "data" / "sales.parquet", ROWS)


def write(path: Path, rows: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"id": range(rows), "name": ["é,1"] * rows}), path)
    return path


def large(path: Path, rows: int = 4_000_000) -> Path:
    """A file of several units that takes a moment to convert."""
    numbers = pa.array(range(1_000_000))
    table = pa.table({"a": numbers, "b": numbers, "c": numbers, "d": numbers})
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(rows // 1_000_000):
            writer.write_table(table)
    return path


async def convert(server: Server, *, key: str | None = None, **order: Any) -> HTTPResponse:
    order = {"source": "data/sales.parquet", "target": "data/sales.csv"} | order
    headers = {} if key is None else {"Idempotency-Key": key}
    return await server.fetch(
        "api/conversions", method="POST", body=json.dumps(order), headers=headers
    )


async def begun(server: Server, **order: Any) -> Json:
    response = await convert(server, **order)
    assert response.code == 201, response.body
    record: Json = json.loads(response.body)
    assert response.headers["Location"].endswith(f"api/jobs/{record['taskId']}")
    return record


async def until(server: Server, task_id: str, *statuses: str) -> Json:
    """Return the record of a job as soon as it is in one of the states."""
    with server.services.registry.watching(task_id) as changed:
        async with asyncio.timeout(60):
            while (job := await server.job(task_id))["status"] not in statuses:
                changed.clear()
                if server.services.registry.get(task_id).status not in statuses:
                    await changed.wait()
    return job


def code_of(response: HTTPResponse) -> str:
    return str(json.loads(response.body)["code"])


def test_what_is_offered_is_what_the_engine_reads() -> None:
    packed = {text + kind for text in files._TEXTS for kind in files._CODECS}
    names = [f"DATA{ending.upper()}" for ending in {*OPENERS, *packed}]
    assert all(map(is_readable, names))
    assert not any(map(is_readable, ["a.xlsx", "a.parquet.gz", "csv", "a.csv.xz", ""]))


async def test_a_file_is_written_as_another_format_by_a_worker(
    server: Server, source: Path
) -> None:
    record = await begun(server, options={"delimiter": ";"})
    assert (record["status"], record["source"]) == ("queued", "data/sales.parquet")
    done = await until(server, record["taskId"], "done", "failed", "interrupted")
    assert (done["status"], done["rows"], done["total"]) == ("done", ROWS, ROWS), done["error"]
    assert (done["kernelId"], done["name"], done["format"]) == (None, "sales.csv", "csv")
    assert (source.parent / "sales.csv").read_text().splitlines()[:2] == ["id;name", "0;é,1"]
    file = await server.fetch(done["url"])
    assert (file.code, file.body) == (200, (source.parent / "sales.csv").read_bytes())


async def test_the_formats_are_those_of_the_engine(server: Server) -> None:
    offers = json.loads((await server.fetch("api/conversions")).body)
    assert (offers["allowed"], offers["engine"]) == (True, True)
    rows = {row["name"]: row for row in offers["formats"]}
    assert {"csv", "parquet", "xlsx", "sqlite", "pdf"} <= rows.keys()
    assert "zip" not in rows
    assert rows["parquet"]["endings"] == [".parquet", ".pq"]
    assert rows["csv"]["packable"]
    (compression,) = [row for row in rows["parquet"]["options"] if row["name"] == "compression"]
    assert "snappy" in compression["choices"]


@pytest.mark.parametrize("settings", [{"conversion_python": "/nowhere/python"}])
async def test_a_missing_engine_is_told_and_no_worker_a_failure(
    server: Server, source: Path
) -> None:
    offers = json.loads((await server.fetch("api/conversions")).body)
    assert offers == {"allowed": True, "engine": False, "formats": [], "packings": []}
    record = await begun(server)
    assert source.exists()
    failed = await until(server, record["taskId"], "failed")
    assert failed["error"]["code"] == "worker-failed"


@pytest.mark.parametrize("settings", [{"conversion_workers": 0}])
async def test_it_can_be_forbidden(server: Server, source: Path) -> None:
    assert source.exists()
    response = await convert(server)
    assert (response.code, code_of(response)) == (403, "conversions-off")
    assert json.loads((await server.fetch("api/conversions")).body)["allowed"] is False


async def test_the_same_request_with_the_same_key_is_one_job(server: Server, source: Path) -> None:
    assert source.exists()
    first = await begun(server, key="k")
    again = await begun(server, key="k")
    assert first["taskId"] == again["taskId"]
    other = await convert(server, key="k", target="data/other.csv")
    assert (other.code, code_of(other)) == (422, "key-reused")
    await until(server, first["taskId"], "done")
    assert len(server.services.registry.jobs) == 1


REFUSED = [
    ({"source": "data/none.parquet"}, 404, "not-found"),
    ({"source": "../sales.parquet"}, 404, "not-found"),
    ({"source": "data/../data/sales.parquet"}, 404, "not-found"),
    ({"source": "/etc/hosts.csv"}, 404, "not-found"),
    ({"source": "linked/sales.parquet"}, 403, "outside-roots"),
    ({"source": "data/link.parquet"}, 403, "outside-roots"),
    ({"source": ".hidden/sales.parquet"}, 403, "hidden"),
    ({"source": "data/notes.txt"}, 415, "not-readable-data"),
    ({"source": "data/folder.csv"}, 403, "not-a-file"),
    ({"target": "nowhere/sales.csv"}, 404, "not-found"),
    ({"target": "linked/sales.csv"}, 403, "outside-roots"),
    ({"target": "data/link.csv", "overwrite": True}, 403, "not-a-file"),
    ({"target": "../sales.csv"}, 400, "name-refused"),
    ({"target": "data/"}, 400, "name-refused"),
    ({"target": "data/a\u202eb.csv"}, 400, "name-refused"),
    ({"target": "data/.sales.csv"}, 403, "hidden"),
    ({"target": "data/there.csv"}, 409, "target-exists"),
    ({"target": "data/sales.parquet", "overwrite": True}, 400, "malformed"),
    ({"target": "data/" + "a" * 300}, 400, "name-refused"),
    ({"target": 5}, 400, "malformed"),
    ({"options": []}, 400, "malformed"),
    ({"options": {"Delimiter": ";"}}, 400, "malformed"),
    ({"options": {"delimiter": {"a": 1}}}, 400, "malformed"),
    ({"options": {"delimiter": "\ud800"}}, 400, "malformed"),
    ({"options": {"nonsense": 1}}, 400, "malformed"),
    ({"target": "data/sales.nonsense"}, 400, "malformed"),
    ({"target": "data/sales.zip", "options": {"password": "s3cret"}}, 400, "malformed"),
]


async def test_nothing_leads_out_of_the_root_or_is_taken_from_elsewhere(
    server: Server, source: Path, root: Path, tmp_path: Path
) -> None:
    outside = write(tmp_path / "outside" / "sales.parquet", 3)
    folder = source.parent
    (root / "linked").symlink_to(outside.parent)
    (folder / "link.parquet").symlink_to(outside)
    (folder / "link.csv").symlink_to(tmp_path / "outside" / "stolen.csv")
    write(root / ".hidden" / "sales.parquet", 3)
    (folder / "notes.txt").write_text("a")
    (folder / "folder.csv").mkdir()
    (folder / "there.csv").write_text("mine")
    for order, status, code in REFUSED:
        response = await convert(server, **order)
        assert (response.code, code_of(response)) == (status, code), order
    assert not server.services.registry.jobs
    assert (folder / "there.csv").read_text() == "mine"
    assert sorted(path.name for path in outside.parent.iterdir()) == ["sales.parquet"]


async def test_a_page_of_another_origin_or_without_the_xsrf_field_starts_nothing(
    server: Server, source: Path
) -> None:
    assert source.exists()
    body = json.dumps({"source": "data/sales.parquet", "target": "data/a.csv"})
    for headers in ({"Cookie": "_xsrf=a"}, {"Authorization": f"Kernel {server.services.secret}"}):
        response = await server.fetch(
            "api/conversions", token=False, method="POST", body=body, headers=headers
        )
        assert response.code == 403
    response = await server.fetch(
        "api/conversions", method="POST", body=body, headers={"Origin": "http://evil.example"}
    )
    assert (response.code, code_of(response)) == (403, "origin-forbidden")
    large = await server.fetch("api/conversions", method="POST", body="x" * 70_000)
    assert (large.code, code_of(large)) == (413, "too-large")
    assert not server.services.registry.jobs


async def test_who_may_not_write_contents_starts_nothing(
    server: Server, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source.exists()
    forbidden = "write"

    def decide(_handler: object, _user: object, action: str, resource: str) -> bool:
        return not (resource == "contents" and action == forbidden)

    monkeypatch.setattr(server.app.authorizer, "is_authorized", decide)
    assert (await convert(server)).code == 403
    forbidden = "read"
    assert (await convert(server)).code == 403
    assert not server.services.registry.jobs


ENDS = [
    ({"options": {"delimiter": "ab"}}, "bad-option", "delimiter"),
    ({"source": "data/broken.parquet"}, "source-failed", "broken.parquet"),
]


async def test_what_the_engine_refuses_is_told_in_its_words(server: Server, source: Path) -> None:
    (source.parent / "broken.parquet").write_bytes(b"PAR1 no")
    records = [await begun(server, **order) for order, _, _ in ENDS]
    for record, (_, code, word) in zip(records, ENDS, strict=True):
        failed = await until(server, record["taskId"], "failed", "done", "interrupted")
        assert (failed["status"], failed["error"]["code"]) == ("failed", code)
        assert word in failed["error"]["message"]
    assert sorted(path.name for path in source.parent.iterdir()) == [
        "broken.parquet",
        "sales.parquet",
    ]


LIMITS = {"conversion_workers": 1, "conversion_queue": 3}


@pytest.mark.parametrize("settings", [LIMITS])
async def test_the_others_wait_for_their_turn_and_can_be_cancelled(
    server: Server, source: Path
) -> None:
    assert source.exists()
    first, second, third = [await begun(server, target=f"data/{n}.csv") for n in range(3)]
    refused = await convert(server, target="data/4.csv")
    assert (refused.code, code_of(refused)) == (429, "too-many-conversions")
    assert refused.headers["Retry-After"] == "10"
    assert server.services.conversions.counts == {"waiting": 2, "running": 1}
    told = (await server.fetch("/user/alice/metrics")).body.decode()
    for state, count in (("waiting", 2), ("running", 1)):
        assert f'\nprogresswidget_conversions{{state="{state}"}} {count}' in told
    assert (await server.ask(second["taskId"], "cancel")).code == 202
    cancelled = await until(server, second["taskId"], "cancelled")
    assert cancelled["error"] is None
    assert (await server.job(third["taskId"]))["status"] == "queued"
    await until(server, first["taskId"], "done")
    await until(server, third["taskId"], "done")
    assert sorted(path.name for path in source.parent.glob("*.csv")) == ["0.csv", "2.csv"]


@pytest.mark.parametrize("settings", [LIMITS])
async def test_no_more_wait_than_may_where_many_are_asked_for_at_once(
    server: Server, source: Path
) -> None:
    assert source.exists()
    for _ in range(LIMITS["conversion_queue"]):  # who is refused takes no place
        assert (await convert(server, options={"nonsense": 1})).code == 400
    targets = [f"data/{n}.csv" for n in range(2 * LIMITS["conversion_queue"])]
    answers = await asyncio.gather(*(convert(server, target=target) for target in targets))
    assert sorted(answer.code for answer in answers) == [201] * 3 + [429] * 3
    await server.services.conversions.idle()


@pytest.mark.parametrize("settings", [{"conversion_workers_per_user": 1}])
async def test_one_user_does_not_keep_all_workers(
    server: Server, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source.exists()
    person = "alice"
    monkeypatch.setattr(ConversionsHandler, "user_id", property(lambda _: person))
    mine = [await begun(server, target=f"data/{n}.csv") for n in range(2)]
    assert server.services.conversions.counts == {"waiting": 1, "running": 1}
    person = "bob"
    other = await begun(server, target="data/3.csv")
    assert server.services.conversions.counts == {"waiting": 1, "running": 2}
    assert (mine[0]["userId"], other["userId"]) == ("alice", "bob")
    await server.services.conversions.idle()
    assert len(list(source.parent.glob("*.csv"))) == 3


async def test_a_worker_that_does_not_obey_a_cancel_is_killed(
    server: Server,
    source: Path,
    eventually: Callable[..., Awaitable[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversions, "_PATIENCE", 0.1)
    record = await begun(server)
    identity, registry = record["taskId"], server.services.registry
    await eventually(lambda: registry.get(identity).process)
    (worker,) = workers_below(source.parents[1])
    worker.suspend()  # it hears of nothing any more
    assert (await server.ask(identity, "cancel")).code == 202
    cancelled = await until(server, identity, "cancelled", "done", "failed", "interrupted")
    assert (cancelled["status"], cancelled["error"]) == ("cancelled", None)
    assert not worker.is_running()
    assert [path.name for path in source.parent.iterdir()] == ["sales.parquet"]


HELD = """
import pathlib, runpy, sys, threading
from progresswidget.export.sink import Sink

commit = Sink.commit

def held(sink, written):
    def then(digest):
        written(digest)
        pathlib.Path(sys.argv[0]).with_suffix(".committed").touch()
        threading.Event().wait(WAIT)

    commit(sink, then)

Sink.commit = held
del sys.argv[1:3]
runpy.run_module("progresswidget", run_name="__main__")
"""
"""A worker that waits whenever a unit is in the journal, however fast the machine is."""


def held_worker(folder: Path, wait: float | None = None) -> tuple[Path, Path]:
    """Make an interpreter of such workers, and name the file by which one says that it is held.

    It waits for so many seconds after each unit, or for ever after the first one.
    """
    program = folder / "held.py"
    program.write_text(HELD.replace("WAIT", repr(wait)))
    python = folder / "held"
    python.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -P "{program}" "$@"\n')
    python.chmod(0o755)
    return python, program.with_suffix(".committed")


async def test_pause_resume_and_cancel_reach_the_worker(
    server: Server, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(source.with_name("large.parquet"))
    # Its sixty units last half a minute, so that it is never done before it is told something.
    python, _ = held_worker(tmp_path, 0.5)
    workers = server.services.conversions._workers
    monkeypatch.setattr(workers, "_settings", replace(workers._settings, python=str(python)))
    record = await begun(server, source="data/large.parquet", target="data/large.csv")
    identity = record["taskId"]
    await until(server, identity, "running")
    await server.ask(identity, "pause")
    await until(server, identity, "paused")
    await server.ask(identity, "resume")
    await until(server, identity, "running")
    await server.ask(identity, "cancel")
    await until(server, identity, "cancelled")
    await server.services.conversions.idle()
    assert sorted(path.name for path in source.parent.iterdir()) == [
        "large.parquet",
        "sales.parquet",
    ]


async def test_a_killed_worker_is_seen_and_the_next_run_goes_on(
    server: Server,
    source: Path,
    tmp_path: Path,
    eventually: Callable[..., Awaitable[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = 2_000_000
    large(source.with_name("large.parquet"), rows)
    target = source.with_name("large.csv")
    python, committed = held_worker(tmp_path)
    workers = server.services.conversions._workers
    with monkeypatch.context() as patched:
        patched.setattr(workers, "_settings", replace(workers._settings, python=str(python)))
        record = await begun(server, source="data/large.parquet", target="data/large.csv")
        identity = record["taskId"]
        await until(server, identity, "running")
        await eventually(committed.exists)
    os.kill(server.services.registry.get(identity).report["pid"], signal.SIGKILL)
    died = await until(server, identity, "interrupted")
    assert died["error"]["code"] == "process-died"
    # A report that the worker had sent, and that is taken only now.
    late = {**server.services.registry.get(identity).report, "status": "running", "error": None}
    await server.reported({**late, "revision": late["revision"] + 5, "ended": None})
    assert (await server.job(identity))["status"] == "interrupted"
    assert not target.exists()
    again = await server.fetch(f"api/conversions/{identity}", method="POST", body="")
    assert again.code == 201, again.body
    assert json.loads(again.body)["generation"] == 2
    twice = await server.fetch(f"api/conversions/{identity}", method="POST", body="")
    assert (twice.code, code_of(twice)) == (409, "task-active")
    done = await until(server, identity, "done", "failed", "interrupted")
    assert (done["status"], done["generation"], done["rows"]) == ("done", 2, rows)
    assert done["reused"] > 0
    assert pa.csv.read_csv(target).num_rows == rows


async def test_a_job_of_a_kernel_is_no_conversion(server: Server, root: Path) -> None:
    path = root / "flights.csv"
    path.write_text("a\n1\n")
    record = await server.publish(path)
    response = await server.fetch(f"api/conversions/{record['taskId']}", method="POST", body="")
    assert (response.code, code_of(response)) == (409, "not-a-conversion")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"conversion_memory": 1_000_000}, "memory-limit"),
        ({"conversion_seconds": 0.01}, "time-limit"),
        ({"conversion_size": 100_000}, "bad-destination"),
    ],
)
async def test_a_worker_keeps_to_its_limits(server: Server, source: Path, code: str) -> None:
    large(source.with_name("large.parquet"))
    record = await begun(server, source="data/large.parquet", target="data/large.csv")
    ended = await until(server, record["taskId"], "interrupted", "done", "failed")
    # Far beyond its memory a worker is killed, before it could say so.
    codes = {code, "process-died"} if code == "memory-limit" else {code}
    assert ended["error"]["code"] in codes
    assert not source.with_name("large.csv").exists()


def test_a_worker_that_hears_nothing_is_killed_after_its_time() -> None:
    program = (
        "import threading\n"
        "from progresswidget.converting import _bound\n"
        "_bound(0, 0.01, 0.01)\n"
        "threading.Event().wait()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert ended.returncode == -signal.SIGALRM


async def test_what_a_worker_says_makes_no_lines_in_the_log(
    server: Server,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert source.exists()
    caplog.set_level(logging.DEBUG)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf 'private\\n[I] all is well\\n' >&2\nexit 3\n")
    python.chmod(0o755)
    workers = server.services.conversions._workers
    monkeypatch.setattr(workers, "_settings", replace(workers._settings, python=str(python)))
    record = await begun(server)
    died = await until(server, record["taskId"], "interrupted")
    assert died["error"]["code"] == "process-died"
    told = {entry.levelname: entry.getMessage() for entry in caplog.records if _is_death(entry)}
    assert told == {
        "WARNING": "A worker ended with 3",
        "DEBUG": r"Its last words: 'private\n[I] all is well\n'",
    }


def _is_death(entry: logging.LogRecord) -> bool:
    return vars(entry).get("event") == "worker-died"


async def test_what_a_killed_server_left_without_its_order_begins_with_the_next(
    server: Server, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(conversions.Conversions, "begin", lambda _self, _job: None)
        record = await begun(server)
    task_id = record["taskId"]
    # As such a server leaves it: the worker is noted, and waits for an order that never comes.
    command = [sys.executable, "-c", "input()"]
    worker = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE)
    services = server.services
    await services.registry.bind_now(task_id, processes.find(worker.pid))
    services.conversions.restored()
    assert services.conversions.sees_to(task_id)
    assert services.registry.get(task_id).status == "queued"
    worker.kill()
    await worker.wait()
    assert (await until(server, task_id, "done", "interrupted", "failed"))["status"] == "done"
    assert (source.parent / "sales.csv").exists()


@pytest.mark.parametrize("order", [b"", b'{"report": {"taskId":'])
def test_a_worker_whose_order_does_not_come_whole_ends(order: bytes, tmp_path: Path) -> None:
    worker = [sys.executable, "-m", "progresswidget", "convert"]
    ended = subprocess.run(
        worker, input=order, cwd=tmp_path, capture_output=True, timeout=120, check=False
    )
    assert ended.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_gone_is_no_pattern(tmp_path: Path) -> None:
    write(tmp_path / "a1.parquet", 3)
    (tmp_path / "link.parquet").symlink_to(tmp_path / "a1.parquet")
    for name in ("a[1].parquet", "*.parquet", "link.parquet"):
        order = {
            "source": str(tmp_path / name),
            "target": str(tmp_path / "a.csv"),
            "format": "csv",
            "overwrite": False,
            "options": {},
        }
        with pytest.raises(SourceError):
            _begin(order)
    assert not (tmp_path / "a.csv").exists()


@pytest.fixture
def halfway(start: Callable[..., Process], tmp_path: Path) -> tuple[Process, str]:
    """A server with a conversion that is paused in the middle, and the address of its job."""
    large(tmp_path / "root" / "large.parquet")
    # Most of its sixty units are still to come, and seconds with them, when it is told to pause.
    python, _ = held_worker(tmp_path, 0.1)
    server = start(
        "--ProgressExtension.conversion_workers=1",
        f"--ProgressExtension.conversion_python={python}",
    )
    order = {"source": "large.parquet", "target": "large.csv"}
    record = server.request("api/conversions", method="POST", body=order)
    path = f"api/jobs/{record['taskId']}"
    while see(server, path, "queued", "running")["bytes"] < SOME:
        time.sleep(0.02)
    server.request(path, method="POST", body={"action": "pause"})
    see(server, path, "paused")
    return server, path


def see(server: Process, path: str, *statuses: str) -> Json:
    """Return a record as soon as it has one of the statuses."""
    end = time.monotonic() + 60
    while (job := server.request(path))["status"] not in statuses:
        assert time.monotonic() < end, job
        time.sleep(0.05)
    return dict(job)


@pytest.mark.faults
def test_a_worker_outlives_a_killed_server_and_what_waited_begins_with_the_next(
    halfway: tuple[Process, str], start: Callable[..., Process], tmp_path: Path
) -> None:
    server, path = halfway
    (worker,) = psutil.Process(server.pid).children()
    order = {"source": "large.parquet", "target": "large.arrow"}
    record = server.request("api/conversions", method="POST", body=order)
    server.stop(signal.SIGKILL)
    assert worker.is_running()
    following = start("--ProgressExtension.conversion_workers=1")
    assert see(following, path, "paused")["generation"] == 1
    waiting = f"api/jobs/{record['taskId']}"
    assert see(following, waiting, "queued")["rows"] == 0
    following.request(path, method="POST", body={"action": "resume"})
    assert see(following, path, "done", "interrupted", "failed")["status"] == "done"
    assert psutil.wait_procs([worker], timeout=30)[0] == [worker]
    assert pa.csv.read_csv(tmp_path / "root" / "large.csv").num_rows == 4_000_000
    assert see(following, waiting, "done")["rows"] == 4_000_000


@pytest.mark.faults
def test_a_worker_ends_with_a_server_that_is_shut_down_and_goes_on_with_the_next(
    halfway: tuple[Process, str], start: Callable[..., Process]
) -> None:
    server, path = halfway
    (worker,) = psutil.Process(server.pid).children()
    server.stop()
    assert psutil.wait_procs([worker], timeout=30)[0] == [worker]
    following = start()
    record = following.request(path)
    assert (record["status"], record["error"]["code"]) == ("interrupted", "server-stopped")
    following.request(path.replace("jobs", "conversions"), method="POST", body={})
    done = see(following, path, "done", "interrupted", "failed")
    assert (done["status"], done["generation"], done["rows"]) == ("done", 2, 4_000_000)
    assert done["reused"] > 0

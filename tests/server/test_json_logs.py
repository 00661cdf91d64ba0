"""Logs for machines: whoever sets a formatter for JSON gets the job and what has happened to it."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from reports import make_report
from two_disks import download, until

import jupyter_server_ext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Process

    from progresswidget.protocol import Json

PACKAGE = Path(jupyter_server_ext.__file__).parent
README = Path(__file__).parents[2] / "jupyter_server_ext" / "README.md"
EXPORT = """
import sys, pyarrow as pa, progresswidget as pw
def batches():
    for start in range(0, 40):
        yield pa.record_batch({"n": pa.array(range(1000))})
        if start == 30:
            if sys.argv[2] == "fail":
                raise ValueError("postgresql://me:5ECRETpassw0rd@host")
            if sys.argv[2] == "wait":
                print("half", flush=True)
                sys.stdin.read()
print(pw.export(batches, sys.argv[1]).id)
"""


def setting() -> Json:
    """Return what the README says that an admin sets."""
    code = README.read_text().partition("c.Application.logging_config = ")[2].partition("```")[0]
    value: Json = ast.literal_eval(code)
    return value


@pytest.fixture
def server(start: Callable[..., Process], tmp_path: Path) -> Process:
    config = tmp_path / "home" / "etc" / "jupyter_server_config.json"
    known = json.loads(config.read_text())
    config.write_text(json.dumps(known | {"Application": {"logging_config": setting()}}))
    return start("--Application.log_level=DEBUG", "--ProgressExtension.kernel_lease=1")


def lines(server: Process) -> list[dict[str, Any]]:
    """Return the lines of the log that a machine can read."""
    found = []
    for line in server.log.read_text().splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def events(server: Process, task_id: str) -> list[str]:
    return [line["event"] for line in lines(server) if line.get("task_id") == task_id]


@pytest.fixture
def kernel(server: Process, tmp_path: Path) -> Iterator[Callable[[str, str], Any]]:
    """Start processes that export."""
    script = tmp_path / "kernel.py"
    script.write_text(EXPORT)
    started: list[subprocess.Popen[str]] = []

    def starter(name: str, end: str) -> subprocess.Popen[str]:
        environment = os.environ | {
            "PROGRESSWIDGET_ENDPOINT_FILE": str(server.endpoint),
            "PYTHONPATH": str(PACKAGE.parent),
        }
        command = [sys.executable, str(script), str(tmp_path / "root" / name), end]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        started.append(process)
        return process

    yield starter
    for process in started:
        process.kill()
        process.communicate()


def test_an_export_can_be_followed_by_its_id(
    server: Process, kernel: Callable[[str, str], Any]
) -> None:
    out, error = kernel("sales.csv", "end").communicate(timeout=60)
    task_id = out.split()[-1]
    assert error is not None
    assert len(download(server, task_id)) > 10_000
    until(lambda: "transfer-completed" in events(server, task_id))
    told = events(server, task_id)
    assert told[0] == "job-created"
    assert told[-3:] == ["job-done", "transfer-begun", "transfer-completed"]
    (done,) = [line for line in lines(server) if line.get("event") == "job-done"]
    assert done["levelname"] == "INFO"
    assert (done["kind"], done["rows"]) == ("export", 40_000)
    assert done["bytes"] == len(download(server, task_id))
    assert task_id in done["message"]


def test_a_kill_and_a_failure_are_told_without_what_is_secret(
    server: Process, kernel: Callable[[str, str], Any]
) -> None:
    killed = kernel("killed.csv", "wait")
    assert killed.stdout.readline() == "half\n"
    until(lambda: server.request("api/jobs"))
    killed.send_signal(signal.SIGKILL)
    failed = kernel("failed.csv", "fail")
    failed.communicate(timeout=60)

    def told(event: str) -> list[dict[str, Any]]:
        return [line for line in lines(server) if line.get("event") == event]

    until(lambda: told("job-interrupted") and told("job-failed"))
    for event in ("job-interrupted", "job-failed"):
        (line,) = told(event)
        assert line["levelname"] == "WARNING"
        job = server.request(f"api/jobs/{line['task_id']}")
        assert job["status"] == event.removeprefix("job-")
        assert job["error"]["code"] == line["error"]
        assert line["error"] in line["message"]
    (failure,) = [job for job in server.request("api/jobs") if job["status"] == "failed"]
    assert "5ECRETpassw0rd" in failure["error"]["message"], "its user is told"
    text = server.log.read_text()
    for secret in ("5ECRETpassw0rd", server.content["secret"], "killed.csv", "failed.csv"):
        assert secret not in text


def test_what_is_refused_names_the_job_too(server: Process) -> None:
    report = make_report()
    server.report(report)
    with pytest.raises(OSError, match="400"):
        server.report(report | {"rows": -1})
    until(lambda: "request-refused" in events(server, report["taskId"]))
    for line in lines(server):
        if line.get("event"):
            assert line["name"] in {"ProgressExtension", "ServerApp"}


def log_calls() -> list[tuple[str, ast.Call]]:
    """Return every call that writes to the log."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            target = node.func.value
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            methods = {"debug", "info", "warning", "error", "exception", "log"}
            if name in {"log", "_log"} and node.func.attr in methods:
                found.append((f"{path.name}:{node.lineno}", node))
    return found


def test_every_line_says_what_has_happened() -> None:
    calls = log_calls()
    assert len(calls) > 20
    bare = [
        where
        for where, call in calls
        if not any(keyword.arg == "extra" for keyword in call.keywords)
    ]
    assert bare == [], "give them `extra=about(...)`: see jupyter_server_ext/logs.py"

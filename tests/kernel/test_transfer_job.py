"""Transfers as jobs: reports, buttons, the terminal, and the command line."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from odd_server import Answer, OddServer
from odd_tus_server import OddTusServer

import progresswidget as pw
from progresswidget.cli import main
from progresswidget.transfer.journal import peek

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import ReportingServer

MIB = 2**20
CONTENT = random.Random(7).randbytes(17 * MIB + 99)


@pytest.fixture
def server() -> Iterator[OddServer]:
    server = OddServer(CONTENT)
    yield server
    server.close()


@pytest.fixture
def receiver() -> Iterator[OddTusServer]:
    server = OddTusServer()
    yield server
    server.close()


def test_a_download_reports_in_bytes(
    server: OddServer, reporting_server: ReportingServer, tmp_path: Path
) -> None:
    job = pw.download(server.url, tmp_path)
    report = reporting_server.wait_for("done", job.id)
    assert (report["kind"], report["name"]) == ("download", "flights.bin")
    assert report["rows"] == report["total"] == report["bytes"] == len(CONTENT)
    assert (report["columns"], report["progress"]) == (0, 100)
    assert report["sha256"] == server.sha256 == job.sha256
    assert report["path"] == os.path.realpath(tmp_path / "flights.bin")


def test_an_upload_reports_in_bytes(
    receiver: OddTusServer, reporting_server: ReportingServer, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    job = pw.upload(tmp_path / "a.bin", receiver.url)
    report = reporting_server.wait_for("done", job.id)
    assert (report["kind"], report["rows"], report["total"]) == ("upload", *[len(CONTENT)] * 2)
    assert report["sha256"] == job.result().sha256


def test_a_name_that_the_server_chooses_is_reported(
    server: OddServer, reporting_server: ReportingServer, tmp_path: Path
) -> None:
    server.fields["Content-Disposition"] = 'attachment; filename="chosen.csv"'
    job = pw.download(server.url, tmp_path)
    report = reporting_server.wait_for("done", job.id)
    assert (report["name"], report["format"]) == ("chosen.csv", "csv")
    assert job.path == tmp_path / "chosen.csv"


@pytest.mark.usefixtures("no_server")
def test_a_job_in_the_background_can_be_paused_resumed_and_awaited(
    server: OddServer, tmp_path: Path
) -> None:
    server.gate, server.free = threading.Event(), 9 * MIB
    job = pw.download(server.url, tmp_path / "a.bin", background=True, connections=1)
    while job.bytes < 8 * MIB:
        assert job.state in {"queued", "running"}
        time.sleep(0.005)
    job.pause()
    server.gate.set()
    while job.state != "paused":
        assert job.state in {"running", "paused"}
        time.sleep(0.005)
    assert not (tmp_path / "a.bin").exists()
    job.resume()

    async def wait() -> int:
        return (await job).bytes

    assert asyncio.run(wait()) == len(CONTENT)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.usefixtures("no_server")
def test_a_cancelled_job_leaves_nothing(server: OddServer, tmp_path: Path) -> None:
    server.gate, server.free = threading.Event(), 9 * MIB
    job = pw.download(server.url, tmp_path / "a.bin", background=True)
    while job.bytes < 2 * MIB:
        assert job.state in {"queued", "running"}
        time.sleep(0.005)
    job.cancel()
    with pytest.raises(pw.ExportCancelledError, match="to begin anew"):
        job.result(60)
    assert job.state == "cancelled"
    assert not list(tmp_path.iterdir())
    server.gate.set()


@pytest.mark.usefixtures("no_server")
def test_a_failed_job_says_why(server: OddServer, tmp_path: Path) -> None:
    server.answers.append(Answer("410 Gone"))
    job = pw.download(server.url, tmp_path / "a.bin", background=True)
    with pytest.raises(pw.TransferRefusedError, match="410 Gone\nIt is not there any more"):
        job.result(60)
    assert job.state == "failed"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one process here")
def test_ctrl_c_keeps_what_has_come(
    server: OddServer, reporting_server: ReportingServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    server.gate, server.free = threading.Event(), 13 * MIB
    command = [sys.executable, "-m", "progresswidget", "download", server.url, str(path), "-x1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while (begun := peek(path)) is None or not begun.units:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "goes on where it stopped" in told
    # Not cancelled: that would mean that nobody wants it any more.
    last = reporting_server.reports[-1]
    assert (last["status"], last["error"]["code"]) == ("interrupted", "transfer-stopped")
    server.gate.set()
    assert pw.download(server.url, path).reused >= 8 * MIB
    assert path.read_bytes() == CONTENT


@pytest.mark.usefixtures("no_server")
def test_the_command_line_fetches(
    server: OddServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.bin"
    arguments = ["download", server.url, str(path), "--sha256", server.sha256]
    assert main([*arguments, "-H", "X-Key: k: 1", "-x", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["path"], told["bytes"], told["sha256"]) == (
        str(path),
        len(CONTENT),
        server.sha256,
    )
    assert server.requests[0].fields["x-key"] == "k: 1"
    (tmp_path / "headers").write_text("X-Key: from a file\n\nX-More: 2\n")
    assert main(["download", server.url, str(path), "-H", f"@{tmp_path / 'headers'}"]) == 0
    fields = server.requests[-1].fields
    assert (fields["x-key"], fields["x-more"]) == ("from a file", "2")
    assert main(["download", server.url, str(path), "-H", f"@{tmp_path / 'none'}"]) == 1
    capsys.readouterr()
    assert main(["download", server.url, str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert main(["download", server.url, str(path), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["download", server.url, str(path), "--no-overwrite"]) == 1
    assert "there already" in capsys.readouterr().err
    assert main(["download", server.url, str(path), "-H", "nonsense"]) == 1
    assert "NAME: VALUE" in capsys.readouterr().err


@pytest.mark.usefixtures("no_server")
def test_the_command_line_sends(
    receiver: OddTusServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    assert main(["upload", str(tmp_path / "a.bin"), receiver.url, "--name", "b.bin"]) == 0
    assert capsys.readouterr().out == f"{receiver.url}{0:032x}\n"
    (content,) = receiver.files.values()
    assert bytes(content) == CONTENT

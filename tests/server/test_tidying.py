"""A running server removes what is of no use, and not one file more."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import exporting
import pytest
from reports import done_report

from jupyter_server_ext import tidying
from jupyter_server_ext.cleanup import expiry
from jupyter_server_ext.cleanup.expiry import folder_of, remove_expired
from jupyter_server_ext.files.published import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from conftest import Server

    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[Any]]

DAY = 86_400.0
QUICK = {"reap_interval": 0.05, "kernel_poll_interval": 0.05}


def hidden(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(".")}


def begun(path: Path) -> subprocess.Popen[str]:
    """Start an export in a process of its own that waits for its third batch."""
    command = [sys.executable, exporting.__file__, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **pipes)
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(2):
        process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
    process.stdout.readline()
    return process


@pytest.mark.parametrize("settings", [QUICK | {"keep_leftovers_days": 1.0 / DAY}])
async def test_a_killed_export_is_cleared_away_and_a_waiting_one_is_not(
    server: Server, root: Path, eventually: Eventually
) -> None:
    dead, alive = root / "dead", root / "alive"
    dead.mkdir()
    alive.mkdir()
    running = await asyncio.to_thread(begun, alive / "a.csv")
    killed = await asyncio.to_thread(begun, dead / "a.csv")
    try:
        await eventually(lambda: len(hidden(alive)) == len(hidden(dead)) == 2)
        killed.kill()
        killed.communicate()
        before = hidden(alive)

        async def gone() -> bool:
            # The next sweep comes tomorrow; a server that starts looks at once.
            rounds = server.extension._tidying
            rounds._sweep = rounds._new_sweep()
            await rounds._remove_leftovers()
            while rounds._sweep.pending:
                await rounds._remove_leftovers()
            return not hidden(dead)

        await eventually(gone)
        assert hidden(alive) == before
        assert server.services.tally.removed["leftover"] == 2
    finally:
        running.communicate("\n" * 9)
    assert hidden(alive) == set()
    assert (alive / "a.csv").stat().st_size > 1_000_000


FOLDER = "temporary"


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any], jp_root_dir: Path) -> dict[str, Any]:
    """Name a folder of the root, where a test wants one."""
    extension = jp_server_config["ProgressExtension"]
    if "expiring_folders" in extension:
        folders = [str(jp_root_dir / folder) for folder in extension["expiring_folders"]]
        jp_server_config["ProgressExtension"] = extension | {"expiring_folders": folders}
        (jp_root_dir / FOLDER).mkdir()
    return jp_server_config


@pytest.mark.parametrize(
    "settings",
    [QUICK | {"expiring_folders": [FOLDER], "keep_files_days": 1.0, "keep_finished": 0}],
)
async def test_exports_of_a_temporary_folder_expire_and_nothing_else(
    server: Server, root: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root / FOLDER
    (root / "lasting.csv").write_text("1")
    (folder / "expiring.csv").write_text("2")
    (folder / "changed.csv").write_text("3")
    (folder / "own.csv").write_text("nobody has exported it")
    await server.reported(done_report(root / "lasting.csv"))  # whose record is not kept at all
    expiring = await server.publish(folder / "expiring.csv")
    await server.publish(folder / "changed.csv")
    (folder / "changed.csv").write_text("somebody's work")
    # Its record is kept for it, though no finished job is to be remembered.
    await server.extension._tidying.round()
    assert (await server.fetch(f"api/jobs/{expiring['taskId']}")).code == 200
    assert (folder / "expiring.csv").exists()
    later = SimpleNamespace(time=lambda: time.time() + 1.5 * DAY, monotonic=time.monotonic)
    monkeypatch.setattr(tidying, "time", later)
    await eventually(lambda: not (folder / "expiring.csv").exists())
    kept = {path.name for path in root.rglob("*.csv")}
    assert kept == {"lasting.csv", "changed.csv", "own.csv"}
    await eventually(lambda: server.services.tally.removed["file"] == 1)
    answer = await server.fetch(expiring["url"])
    assert (answer.code, json.loads(answer.body)["code"]) == (410, "file-missing")


@pytest.mark.parametrize("settings", [QUICK | {"expiring_folders": ["../"]}])
async def test_a_folder_outside_of_the_roots_is_no_folder(
    server: Server, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert server.extension._tidying.folders == ()


def test_a_file_that_was_taken_for_an_expired_one_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1")
    published, looks = fingerprint_of(path.stat()), 0

    def is_due(*_: object) -> bool:
        # Somebody renames another file to this name just before it is moved, and one just after.
        nonlocal looks
        looks += 1
        path.write_text("work" if looks == 1 else "more work")
        return looks == 1

    monkeypatch.setattr(expiry, "_is_due", is_due)
    (tmp_path / "a (1).csv").write_text("older work")
    later = published.mtime_ns + 10**9
    assert not remove_expired(str(path), published, [str(tmp_path)], later)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "a.csv": "more work",
        "a (1).csv": "older work",
        "a (2).csv": "work",
    }


def test_only_the_very_file_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    (folder / "inner").mkdir(parents=True)
    path = folder / "inner" / "a.csv"
    path.write_text("1")
    published = fingerprint_of(path.stat())
    later = time.time_ns() + 10**9
    folders = [str(folder)]
    assert not remove_expired(str(path), published, folders, published.mtime_ns - 1)
    assert not remove_expired(str(path), published, [str(tmp_path / "other")], later)
    path.chmod(0o600)  # a touch is a sign of life
    assert not remove_expired(str(path), published, folders, later)
    published = fingerprint_of(path.stat())
    (folder / "link").symlink_to(folder / "inner")
    assert not remove_expired(str(folder / "link" / "a.csv"), published, folders, later)
    assert path.exists()
    assert remove_expired(str(path), published, folders, later)
    assert list((folder / "inner").iterdir()) == []
    assert not remove_expired(str(path), published, folders, later)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/t/a.csv", ("a.csv",)),
        ("/t/b/a.csv", ("b", "a.csv")),
        ("/t", None),
        ("/tt/a.csv", None),
        ("/t/../etc/passwd", None),
        ("a.csv", None),
    ],
)
def test_what_lies_in_a_folder(path: str, parts: tuple[str, ...] | None) -> None:
    assert folder_of(path, ["/t"]) == (None if parts is None else ("/t", parts))


@pytest.mark.parametrize("settings", [QUICK])
async def test_a_renamed_notebook_is_followed_while_nobody_reports(
    server: Server,
    report: Report,
    jp_create_notebook: Callable[[str], object],
    eventually: Eventually,
) -> None:
    jp_create_notebook("first.ipynb")
    session = {"path": "first.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python3"}}
    sessions = "/user/alice/api/sessions"
    response = await server.fetch(sessions, method="POST", body=json.dumps(session))
    model = json.loads(response.body)
    kernel_id = model["kernel"]["id"]
    pid = server.app.kernel_manager.get_kernel(kernel_id).provisioner.pid
    body = report(kernelId=kernel_id, pid=pid, status="paused")
    assert (await server.reported(body))["notebook"] == "first.ipynb"
    renamed = json.dumps({"path": "second.ipynb"})
    path = f"{sessions}/{model['id']}"
    assert (await server.fetch(path, method="PATCH", body=renamed)).code == 200
    get = server.services.registry.get
    start = time.monotonic()
    await eventually(lambda: get(body["taskId"]).notebook == "second.ipynb", within=10)
    print(f"followed after {time.monotonic() - start:.1f} s")
    # The session is closed, its kernel with it: interrupted within seconds, and it stays there.
    await server.fetch(path, method="DELETE")
    await eventually(lambda: get(body["taskId"]).status == "interrupted", within=10)
    job = get(body["taskId"])
    assert (job.notebook, job.report["error"]["code"]) == ("second.ipynb", "kernel-stopped")

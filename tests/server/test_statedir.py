"""The server's directory: private, found again, and never shared."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

from jupyter_server_ext import statedir

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LOG = logging.getLogger("test_statedir")


def acquire(runtime: Path, root: str = "/r", base_url: str = "/") -> statedir.StateDirectory:
    return statedir.acquire(runtime, root, base_url, LOG)


def test_each_server_has_its_own_and_finds_it_again(tmp_path: Path) -> None:
    first = acquire(tmp_path)
    second = acquire(tmp_path)
    third = acquire(tmp_path)
    assert second.path.name == f"{first.path.name}-2"
    assert third.path.name == f"{first.path.name}-3"
    first.release()
    assert acquire(tmp_path).path == first.path
    for directory in (second, third):
        directory.release()


def test_root_and_base_url_make_the_name(tmp_path: Path) -> None:
    names = {
        acquire(tmp_path, root, base_url).path.name
        for root, base_url in [("/r", "/"), ("/s", "/"), ("/r", "/user/a/"), ("/r/user/a", "/")]
    }
    assert len(names) == 4


def test_it_is_private_even_if_it_was_not(tmp_path: Path) -> None:
    directory = acquire(tmp_path)
    directory.release()
    directory.path.chmod(0o755)
    again = acquire(tmp_path)
    assert again.path == directory.path
    assert again.path.stat().st_mode & 0o777 == 0o700
    assert (again.path / "lock").stat().st_mode & 0o077 == 0
    again.release()


def test_a_killed_server_frees_its_slot(tmp_path: Path) -> None:
    script = (
        "import sys, logging, pathlib; from jupyter_server_ext import statedir;"
        "d = statedir.acquire(pathlib.Path(sys.argv[1]), '/r', '/', logging.getLogger());"
        "print(d.path, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        taken = other.stdout.readline().strip()
        mine = acquire(tmp_path)
        assert str(mine.path) == f"{taken}-2"
        other.kill()
    again = acquire(tmp_path)
    assert str(again.path) == taken
    mine.release()
    again.release()


def test_where_nothing_can_be_written_it_does_not_last(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    directory = acquire(blocked)
    assert not directory.lasting
    assert "forgotten" in caplog.text
    assert directory.path.stat().st_mode & 0o777 == 0o700
    directory.release()
    assert not directory.path.exists()


def test_slots_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statedir, "MAX_SLOTS", 2)
    taken = [acquire(tmp_path) for _ in range(3)]
    assert [directory.lasting for directory in taken] == [True, True, False]
    for directory in taken:
        directory.release()

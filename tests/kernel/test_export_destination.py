from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from progresswidget.errors import DestinationError
from progresswidget.export.destination import explain, locate
from progresswidget.export.parts import open_part
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress


def test_paths_become_absolute_and_home_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate("a.csv") == tmp_path / "a.csv"
    assert locate("~/a.csv") == tmp_path / "a.csv"
    assert locate(Path("sub/../a.csv")) == tmp_path / "a.csv"


def test_dots_are_resolved_behind_links(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "inner")
    assert locate(tmp_path / "link" / ".." / "a.csv") == tmp_path / "real" / "a.csv"


@pytest.mark.parametrize("exists", [True, False])
def test_of_a_link_the_target_is_replaced(exists: bool, tmp_path: Path) -> None:  # noqa: FBT001
    target, link = tmp_path / "data-2013.csv", tmp_path / "latest.csv"
    if exists:
        target.write_text("old")
    link.symlink_to(target.name)
    result = Export(pl.DataFrame({"a": [1]}), link).run(Progress())
    assert result.path == target
    assert link.is_symlink()
    assert link.read_text() == "a\n1\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "empty"),
        ("a\0.csv", "NUL"),
        ("\ud800.csv", "encoded"),
        ("folder/", "folder"),
        ("folder", "folder"),
        (".", "folder"),
        ("..", "folder"),
        ("missing/a.csv", "Create the folder first"),
        ("file/a.csv", "file and no folder"),
        ("x" * 252 + ".csv", "Choose a shorter name"),
        ("ü" * 126 + ".csv", "Choose a shorter name"),
        ("x/" * 2_100 + "a.csv", "Choose a shorter name"),
        ("circle.csv", "in a circle|no ordinary file"),
        ("pipe.csv", "no ordinary file"),
        ("~nobody-of-this-name/a.csv", "expanded"),
        ("s3://bucket/a.csv", "is an address"),
        ("https://host/a.csv", "is an address"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "circle.csv").symlink_to("circle.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DestinationError, match=message):
        Export(pl.DataFrame({"a": [1]}), name, format="csv")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_may_not_be_written_into_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As it is for everybody but root, as whom tests may run.
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    with pytest.raises(DestinationError, match="choose another folder"):
        Export(pl.DataFrame({"a": [1]}), tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_where_the_system_does_not_tell_how_long_names_may_be_the_usual_is_assumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pathconf(folder: Path, name: str) -> int:
        raise OSError(errno.EINVAL, f"{name} of {folder} is not known")

    monkeypatch.setattr(os, "pathconf", pathconf)
    path = tmp_path / ("x" * 251 + ".csv")
    Export(pl.DataFrame({"a": [1]}), path).run(Progress())
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + "x.csv")
    assert len(os.fsencode(path.name)) == 255
    with open_part(path) as part:
        assert len(os.fsencode(part.path.name)) <= 255
    Export(pl.DataFrame({"a": [1]}), path).run(Progress())
    assert list(tmp_path.iterdir()) == [path]


def test_the_mode_honours_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        path = Export(pl.DataFrame({"a": [1]}), tmp_path / "a.csv").run(Progress()).path
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_write_protected_file_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    path.chmod(0o444)
    allowed = os.access
    # As it is for everybody but root, as whom tests may run.
    monkeypatch.setattr(os, "access", lambda file, mode: file != path and allowed(file, mode))
    with pytest.raises(DestinationError, match="write-protected"):
        Export(pl.DataFrame({"a": [1]}), path)
    assert path.read_text() == "old"
    monkeypatch.undo()
    path.chmod(0o644)
    Export(pl.DataFrame({"a": [1]}), path).run(Progress())
    assert path.read_text() == "a\n1\n"


def test_a_private_file_stays_private_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    path.chmod(0o600)
    Export(pl.DataFrame({"a": [1]}), path).run(Progress())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "a\n1\n"


@pytest.mark.parametrize("path", [None, 1, b"a.csv", ["a.csv"]])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(DestinationError, match=f"not {type(path).__name__}"):
        Export(pl.DataFrame({"a": [1]}), path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EDQUOT, errno.EROFS])
def test_reasons_of_the_system_come_with_a_way_out(number: int) -> None:
    error = explain(OSError(number, os.strerror(number)), Path("/a.csv"))
    assert os.strerror(number) in error.message
    assert error.hint


# The child writes more than it may. Python ignores SIGXFSZ by itself, so `write` fails with EFBIG
# in the middle of the file, as it does with ENOSPC on a full disk.
LIMITED = """
import resource, signal, sys
import polars as pl
from progresswidget.errors import DestinationError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
export = Export(pl.DataFrame({"a": range(2_000_000)}), sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))
progress = Progress()
try:
    export.run(progress)
except DestinationError as error:
    assert error.hint and 0 < progress.bytes <= 2**20, (error.hint, progress.bytes)
    print("refused")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_disk_that_fills_up_leaves_the_old_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("refused\n", 0), done.stderr
    assert path.read_text() == "old"
    # With room again, the next run makes the same file as one that was never refused.
    frame = pl.DataFrame({"a": range(2_000_000)})
    result = Export(frame, path).run(Progress())
    plain = Export(frame, tmp_path / f"b.{suffix}").run(Progress())
    assert result.sha256 == plain.sha256
    assert set(tmp_path.iterdir()) == {path, plain.path}


# The child kills itself, as nobody else could hit the point so exactly.
KILLED = """
import os, signal, sys
import polars as pl
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
calls = 0
def die():
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
frame = pl.DataFrame({"a": range(600_000), "b": ["text"] * 600_000})
Export(frame, sys.argv[1]).run(Progress(checkpoint=die))
print("done")
"""


@pytest.mark.parametrize("point", [1, 4, 9, 13])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_killed_export_leaves_the_old_file_and_the_next_one_cleans_up(
    suffix: str, point: int, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(point)], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_text() == "old"
    left = [each.suffix for each in tmp_path.iterdir() if each != path]
    assert sorted(left) in ([".journal"], [".journal", ".part"])
    result = Export(pl.DataFrame({"a": [1]}), path).run(Progress())
    assert result.rows == 1
    assert list(tmp_path.iterdir()) == [path]


def test_killed_from_outside_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    frame_rows = 600_000
    for size in (0, 2**16, 2**20, 4 * 2**20):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), "0"], stdout=subprocess.PIPE
        ) as child:
            while child.poll() is None:
                parts = list(tmp_path.glob(".*.part"))
                if parts and _size(parts[0]) >= size:
                    child.kill()
                    break
                time.sleep(0.001)  # a processor of its own it does not need, and the child does
        # Either it was quick enough to publish a whole file, or the old one is there.
        lines = path.read_bytes().count(b"\n")
        assert path.read_text() == "old" or lines == frame_rows + 1
    Export(pl.DataFrame({"a": [1]}), path).run(Progress())
    assert list(tmp_path.iterdir()) == [path]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1

"""A name is taken in one step, whatever the file system can do; and a claim is told from a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from no_links import refuse

from jupyter_server_ext.files.naming import is_claim, take_name
from jupyter_server_ext.uploads.record import Upload
from jupyter_server_ext.uploads.store import UploadStore
from jupyter_server_ext.uploads.tusheaders import Creation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINKS = ("link", "linkat")
WAYS = {"a link": (), "a rename that replaces nothing": LINKS, "a claim": (*LINKS, "renameat2")}
ways = pytest.mark.parametrize("refused", WAYS.values(), ids=WAYS)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def on_such_a_disk(refused: tuple[str, ...], call: Callable[[], None]) -> None:
    """Call in a thread whose file system refuses."""

    def work() -> None:
        refuse(*refused)
        call()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(work).result()


@ways
def test_a_free_name_is_taken(folder: int, tmp_path: Path, refused: tuple[str, ...]) -> None:
    (tmp_path / "old").write_text("content")
    inode, claims = (tmp_path / "old").stat().st_ino, []
    on_such_a_disk(refused, lambda: take_name(folder, "old", "new", lambda: claims.append(1)))
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert (tmp_path / "new").stat().st_ino == inode
    assert len(claims) == ("renameat2" in refused)


@ways
def test_a_name_that_somebody_has_is_left_alone(
    folder: int, tmp_path: Path, refused: tuple[str, ...]
) -> None:
    (tmp_path / "old").write_text("content")
    (tmp_path / "new").write_text("")
    with pytest.raises(FileExistsError):
        on_such_a_disk(refused, lambda: take_name(folder, "old", "new", lambda: None))
    assert (tmp_path / "new").read_text() == ""
    assert (tmp_path / "old").read_text() == "content"


def test_only_an_empty_file_of_that_moment_is_a_claim(folder: int, tmp_path: Path) -> None:
    now, path = time.time(), tmp_path / "new"
    assert not is_claim(folder, "new", now)
    path.touch()
    assert is_claim(folder, "new", now)
    assert not is_claim(folder, "new", now - 3_600), "somebody's, who came much later"
    path.write_text("a")
    assert not is_claim(folder, "new", now)
    path.unlink()
    path.mkdir()
    assert not is_claim(folder, "new", now)
    path.rmdir()
    path.symlink_to(tmp_path / "nowhere")
    assert not is_claim(folder, "new", now)


def make_upload(name: str) -> Upload:
    creation = Creation(7, (), name, "", None, False, None, "")  # noqa: FBT003 - does not overwrite
    return Upload("a" * 32, "user", creation, 7, 1, 2)


DYING = """
import os, signal, sys
from pathlib import Path
from test_naming import WAYS, make_upload, publish
from no_links import refuse

refuse(*WAYS["a claim"])

def die(event, arguments):
    if event == "os.rename" and arguments[1] == "target.bin":
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
publish(Path(sys.argv[1]), make_upload("target.bin"))
"""


def publish(place: Path, upload: Upload) -> Upload:
    """Receive an upload and give it its name."""
    store = UploadStore(place / "server", str(place / "root"))
    store.load()
    store.create(upload)
    with store.open(upload) as file:
        file.write(memoryview(b"content"))
        return store.publish(upload, file, "0" * 64)


def test_a_server_that_dies_with_a_claim_gives_it_back_and_takes_the_name(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])
    }
    dead = subprocess.run(
        [sys.executable, "-c", DYING, str(tmp_path)], env=environment, check=False
    )
    assert dead.returncode == -signal.SIGKILL
    assert (root / "target.bin").stat().st_size == 0, "what it had claimed the name with"

    store = UploadStore(tmp_path / "server", str(root))
    ((upload, offset),) = store.load()
    assert (upload.state, offset) == ("publishing", 7)
    assert [path.name for path in root.iterdir()] == [upload.staged]
    with store.open(upload) as file:
        assert store.publish(upload, file, "0" * 64).state == "done"
    assert (root / "target.bin").read_bytes() == b"content"
    assert [path.name for path in root.iterdir()] == ["target.bin"]


def test_what_somebody_has_put_there_meanwhile_stays(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])
    }
    subprocess.run([sys.executable, "-c", DYING, str(tmp_path)], env=environment, check=False)
    (root / "target.bin").write_text("somebody's work")
    store = UploadStore(tmp_path / "server", str(root))
    ((upload, offset),) = store.load()
    assert (upload.state, offset) == ("publishing", 7)
    assert (root / "target.bin").read_text() == "somebody's work"

"""A name is taken in one step, whatever the file system can do; and a claim is told from a file."""

from __future__ import annotations

import asyncio
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
from upload_files import opened

from jupyter_server_ext.files.naming import is_claim, take_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_server_ext.model.upload import Upload
    from jupyter_server_ext.uploads.files import UploadFiles

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


DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from test_naming import WAYS, receive
from no_links import refuse
from upload_files import make_upload

refuse(*WAYS["a claim"])

def die(event, arguments):
    if event == "os.rename" and arguments[1] == "target.bin":
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
asyncio.run(receive(Path(sys.argv[1]), make_upload("target.bin")))
"""


async def receive(place: Path, upload: Upload) -> None:
    """Receive an upload and give it its name."""

    def write() -> None:
        created = files.create(upload)
        with files.open(created) as file:
            file.write(memoryview(b"content"))
            files.publish(created, file, "0" * 64)

    async with opened(place) as (_, files, _):
        await asyncio.to_thread(write)


def publish(files: UploadFiles, upload: Upload) -> Upload:
    with files.open(upload) as file:
        return files.publish(upload, file, "0" * 64)


def die(place: Path) -> int:
    """Let a server die with a claim, and return how it ended."""
    (place / "root").mkdir()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])
    }
    command = [sys.executable, "-c", DYING, str(place)]
    return subprocess.run(command, env=environment, check=False).returncode


async def test_a_server_that_dies_with_a_claim_gives_it_back_and_takes_the_name(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    assert die(tmp_path) == -signal.SIGKILL
    assert (root / "target.bin").stat().st_size == 0, "what it had claimed the name with"

    async with opened(tmp_path) as (_, files, (before,)):
        upload, offset = await asyncio.to_thread(files.recover, before)
        assert (upload.state, offset) == ("publishing", 7)
        assert [path.name for path in root.iterdir()] == [upload.staged]
        assert (await asyncio.to_thread(publish, files, upload)).state == "done"
    assert (root / "target.bin").read_bytes() == b"content"
    assert [path.name for path in root.iterdir()] == ["target.bin"]


async def test_what_somebody_has_put_there_meanwhile_stays(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert die(tmp_path) == -signal.SIGKILL
    (root / "target.bin").write_text("somebody's work")
    async with opened(tmp_path) as (_, files, (before,)):
        upload, offset = await asyncio.to_thread(files.recover, before)
    assert (upload.state, offset) == ("publishing", 7)
    assert (root / "target.bin").read_text() == "somebody's work"

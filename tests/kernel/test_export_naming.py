"""A name is taken in one step, whatever the file system can do, and a claim of the dead is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from no_links import refuse

import progresswidget as pw
from progresswidget.errors import DestinationExistsError
from progresswidget.export.destination import check
from progresswidget.export.naming import is_claim
from progresswidget.export.parts import create_part

LINKS = ("link", "linkat")
WAYS = {"a link": (), "a rename that replaces nothing": LINKS, "a claim": (*LINKS, "renameat2")}
ways = pytest.mark.parametrize("refused", WAYS.values(), ids=WAYS)
TABLE = pa.table({"a": [1, 2, 3]})


def publish(path: Path, refused: tuple[str, ...]) -> None:
    """Write a file and give it its name, in a thread whose file system refuses."""

    def work() -> None:
        refuse(*refused)
        part = create_part(path)
        os.write(part.descriptor, b"content")
        try:
            part.publish(overwrite=False)
        finally:
            part.remove()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(work).result()


@ways
def test_a_free_name_is_taken(tmp_path: Path, refused: tuple[str, ...]) -> None:
    publish(tmp_path / "a.csv", refused)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"content"


@ways
def test_a_name_that_somebody_has_is_left_alone(tmp_path: Path, refused: tuple[str, ...]) -> None:
    (tmp_path / "a.csv").touch()
    with pytest.raises(DestinationExistsError):
        publish(tmp_path / "a.csv", refused)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b""


DYING = """
import os, signal, sys
from no_links import refuse
from test_export_naming import TABLE, WAYS
import progresswidget as pw

refuse(*WAYS["a claim"])

def die(event, arguments):
    if event == sys.argv[2] and sys.argv[1] in map(str, arguments):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
pw.export(TABLE, sys.argv[1], overwrite=False)
"""


@pytest.mark.parametrize("step", ["os.utime", "os.rename"])
def test_an_export_that_died_with_a_claim_has_not_taken_the_name(tmp_path: Path, step: str) -> None:
    path = tmp_path / "a.csv"
    here = str(Path(__file__).parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([here, *sys.path])}
    command = [sys.executable, "-c", DYING, str(path), step]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert path.stat().st_size == 0
    assert is_claim(path.stat())
    pw.export(TABLE, path, overwrite=False)
    assert path.read_text().splitlines() == ["a", "1", "2", "3"]
    assert [each.name for each in tmp_path.iterdir() if each.suffix in {".csv", ".part"}] == [
        "a.csv"
    ]


def test_an_empty_file_is_no_claim(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.touch()
    with pytest.raises(DestinationExistsError):
        check(path, overwrite=False)


DYING_ANYWHERE = """
import asyncio, os, signal, ssl, sys, xxhash  # what is here no child has to import
from pathlib import Path
from no_links import refuse
from test_export_naming import TABLE, WAYS
import progresswidget as pw
import progresswidget.exporting
from progresswidget.errors import DestinationExistsError

def in_a_child(work):
    child = os.fork()
    if child == 0:
        try:
            refuse(*WAYS["a claim"])
            work()
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def export(path, last, *, log):
    steps = 0

    def look(event, arguments):
        nonlocal steps
        if not (event.startswith("os.") or event == "open") or not any(
            path.name in str(each) or str(path.parent) in str(each) for each in arguments
        ):
            return
        steps += 1
        if steps == last:
            log.write_text(f"{event} {arguments[:2]}")
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    pw.export(TABLE, path, overwrite=False)

def again(path):
    try:
        pw.export(TABLE, path, overwrite=False)
    except DestinationExistsError:
        print(path.parent.name, "stands")
    assert path.read_text().splitlines() == ["a", "1", "2", "3"]
    left = [each.name for each in path.parent.iterdir() if each.suffix in {".csv", ".part"}]
    assert left == [path.name], left

root = Path(sys.argv[1])
for last in range(1, 1000):
    path = root / str(last) / "table.csv"
    path.parent.mkdir()
    log = root / f"{last}.txt"
    code = in_a_child(lambda: export(path, last, log=log))
    assert code in {0, -signal.SIGKILL}, code
    assert in_a_child(lambda: again(path)) == 0, log.read_text() if log.exists() else "at no step"
    if code == 0:
        break
"""


@pytest.mark.faults
def test_an_export_that_dies_at_any_step_has_its_file_by_the_next(tmp_path: Path) -> None:
    here = Path(__file__).parent
    paths = [str(here), str(here.parent / "faults"), *sys.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", DYING_ANYWHERE, str(tmp_path)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    steps = [path.read_text().split()[0] for path in tmp_path.glob("*.txt")]
    assert {"open", "os.utime", "os.rename"} <= set(steps)
    assert steps.count("open") > 1

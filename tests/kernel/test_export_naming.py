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
    if event == "os.rename" and str(arguments[1]) == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
pw.export(TABLE, sys.argv[1], overwrite=False)
"""


def test_an_export_that_died_with_a_claim_has_not_taken_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    here = str(Path(__file__).parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([here, *sys.path])}
    command = [sys.executable, "-c", DYING, str(path)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
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

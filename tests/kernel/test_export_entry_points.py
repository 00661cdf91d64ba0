"""Another package brings a kind of frame and a format: nothing but its metadata announces them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FRAME = '''
"""A frame that other rows of the table would take too: it comes before them."""
from dataclasses import dataclass

@dataclass
class Frame:
    names: list
    rows: list

    def __arrow_c_stream__(self, requested_schema=None):
        raise AssertionError("the package's own kind reads it")

    def __call__(self):
        raise AssertionError("it is no function")

@dataclass
class Shy:
    """As a frame, but only a dataclass for anybody else."""
    names: list
    rows: list
'''

SOURCE = """
import pyarrow as pa
from progresswidget.export.options import Option
from progresswidget.export.sources import Kind, Source
from ledger.frame import Frame, Shy

KIND = Kind(
    "ledger frame", "ledger.frame", "ledger.source",
    (Option("upper", (bool,), False, "Whether names are upper case."),),
)

def recognises(frame):
    return isinstance(frame, (Frame, Shy))

def read(frame, flavour, *, upper):
    names = [name.upper() if upper else name for name in frame.names]
    columns = [pa.array(column) for column in zip(*frame.rows)]
    batch = pa.RecordBatch.from_arrays(columns, names)
    return Source(batch.schema, batch.num_rows, lambda: (yield batch))
"""

WRITER = """
from progresswidget.export.formats import Format
from progresswidget.export.options import Option
from progresswidget.export.writers import Encoded, Writer, only_schema

class LedgerWriter(Writer):
    OPTIONS = (Option("ruler", (str,), "-", "What is drawn below the names."),)
    resumable = True

    def __init__(self, headings, options):
        self._names = only_schema(headings, "ledger").names
        self._ruler = options["ruler"]

    def head(self):
        line = " ".join(self._names)
        return (f"{line}\\n{self._ruler * len(line)}\\n".encode(),)

    def encode(self, batches, start, section):
        rows = [row for batch in batches for row in zip(*batch.to_pydict().values())]
        return Encoded(["".join(" ".join(map(str, row)) + "\\n" for row in rows).encode()])

FORMAT = Format(
    "ledger", "text/x-ledger", (".ledger",), "text", "ledger.writer:LedgerWriter",
    compressible=True,
)
"""

ENTRY_POINTS = """
[progresswidget.sources]
ledger = ledger.source:KIND

[progresswidget.formats]
ledger = ledger.writer:FORMAT
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with a package and what an installer writes about it."""
    folder = tmp_path / "site"
    for name, text in {
        "ledger/__init__.py": "",
        "ledger/frame.py": FRAME,
        "ledger/source.py": SOURCE,
        "ledger/writer.py": WRITER,
        "ledger-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: ledger\nVersion: 1.0\n",
        "ledger-1.0.dist-info/entry_points.txt": ENTRY_POINTS,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(code: str, package: Path) -> str:
    """Run code in a process that finds the package, in the folder above it."""
    path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEGINNING + code],
        capture_output=True,
        text=True,
        check=False,
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


BEGINNING = """
import gzip, sys
from pathlib import Path
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

def write(frame, name, **options):
    return Export(frame, name, options=options).run(Progress()).path
"""


def test_a_frame_of_another_package_is_exported(package: Path) -> None:
    code = """
from ledger.frame import Frame, Shy
for kind in (Frame, Shy):
    frame = kind(["n", "t"], [(1, "x"), (2, None)])
    assert Export(frame, "a.csv").total == 2
    print(write(frame, "a.csv", upper=True).read_text(), end="")
    # As rows they would be another table.
    print(write(iter([frame, frame]), "b.csv").read_text(), end="")
"""
    assert run(code, package) == "N,T\n1,x\n2,\nn,t\n1,x\n2,\n1,x\n2,\n" * 2


def test_a_list_of_such_frames_is_no_list_of_rows(package: Path) -> None:
    code = """
from ledger.frame import Shy
from progresswidget.export.sources import rows
assert not rows.recognises([Shy(["n"], [(1,)])])
try:
    Export([Shy(["n"], [(1,)])], "a.csv")
except TypeError as error:
    print(error)
"""
    assert "holds one table, and not several" in run(code, package)


def test_the_package_is_only_loaded_for_what_nobody_else_knows(package: Path) -> None:
    code = """
import pyarrow as pa
write(pa.table({"a": [1]}), "a.parquet", compression="none")
print("ledger.source" in sys.modules, "ledger.frame" in sys.modules)
"""
    assert run(code, package) == "False False\n"


def test_a_format_of_another_package_is_written(package: Path) -> None:
    code = """
import pyarrow as pa
table = pa.table({"n": [1, 2], "t": ["x", "y"]})
print(write(table, "a.ledger", ruler="=").read_text(), end="")
print(Export(table, "plain", format="ledger").run(Progress()).path.read_text(), end="")
print(gzip.decompress(write(table, "a.ledger.gz").read_bytes()).decode(), end="")
try:
    Export(table, "a.ledger", options={"rule": 1})
except TypeError as error:
    print(error)
"""
    rows = "1 x\n2 y\n"
    text = run(code, package)
    assert text.startswith(f"n t\n===\n{rows}" + f"n t\n---\n{rows}" * 2)
    assert text.endswith("Did you mean ruler?\n")


def test_a_refusal_lists_what_the_package_brings(package: Path) -> None:
    code = """
for frame, name in ((3, "a.csv"), ([{"a": 1}], "a.nothing")):
    try:
        Export(frame, name)
    except (TypeError, ValueError) as error:
        print(error.hint)
"""
    kinds, formats = run(code, package).splitlines()
    assert "ledger frame" in kinds
    assert "python -m progresswidget formats" in formats


def test_a_package_that_is_broken_costs_nobody_else_anything(package: Path) -> None:
    (package / "ledger/writer.py").write_text("import a_module_that_nobody_has")
    (package / "ledger/source.py").write_text("raise RuntimeError('broken')")
    code = """
import warnings
with warnings.catch_warnings(record=True, action="always") as told:
    print(write([{"n": 1}], "a.csv").read_text(), end="")
    try:
        Export(3, "a.csv")
    except TypeError as error:
        print(type(error).__name__)
print(*(each.message for each in told), sep="\\n")
"""
    *done, formats, sources = run(code, package).splitlines()
    assert done == ["n", "1", "UnsupportedSourceError"]
    assert formats.startswith(
        "'ledger' of the entry points progresswidget.formats cannot be loaded"
    )
    assert formats.endswith("No module named 'a_module_that_nobody_has'")
    assert sources.endswith("progresswidget.sources cannot be loaded: RuntimeError: broken")


def test_the_ending_of_one_of_our_formats_stays_ours(package: Path) -> None:
    writer = package / "ledger/writer.py"
    writer.write_text(writer.read_text().replace('(".ledger",)', '(".ledger", ".csv")'))
    assert run('print(write([{"n": 1}], "a.csv").read_text(), end="")', package) == "n\n1\n"

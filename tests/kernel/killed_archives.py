"""Exports three frames to an archive, and dies as soon as the journal tells of so many units.

Run as a script with a path, that number, and the ending of the entries.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import polars as pl

from progresswidget.export import behind, journal
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.csv import CsvWriter

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

UNITS = 3
ROWS = (UNITS - 1) * CsvWriter.unit_rows + 1_000
RECORDS = UNITS + 1
"""What a journal tells of a frame: its units, and that all of it is in the archive."""


def frames(changed: str = "", at: int = 0, ending: str = "csv") -> dict[str, pl.DataFrame]:
    """Return three frames, one of which may have another value in a row."""
    n, names = pl.col("n"), [f"{letter}.{ending}" for letter in "abc"]
    frame = pl.DataFrame({"n": range(ROWS)}).with_columns(t=pl.format("row {}", n % 977), f=n / 7)
    given = {name: frame.with_columns(s=pl.lit(name)) for name in names}
    if changed:
        value = pl.when(n == at).then(-1.0).otherwise(pl.col("f"))
        given[changed] = given[changed].with_columns(f=value)
    return given


def kill(path: Path, records: int, ending: str = "csv") -> Path:
    """Run it as a script, which must be killed; return the part that it leaves."""
    given = [sys.executable, __file__, path, str(records), ending]
    done = subprocess.run(given, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    (part,) = path.parent.glob(f".{path.name}.*.part")
    return part


def die_after(records: int) -> None:
    """Let the process end with a line of the journal, which is the last one."""
    append, left = journal.append, records

    def append_and_die(descriptor: int, lines: Iterable[bytes]) -> None:
        nonlocal left
        for line in lines:
            append(descriptor, [line])
            left -= line.startswith(b'{"section"')
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    journal.append = append_and_die


if __name__ == "__main__":
    behind.LIMIT = 0
    die_after(int(sys.argv[2]))
    Export(frames(ending=sys.argv[3]), sys.argv[1]).run(Progress())

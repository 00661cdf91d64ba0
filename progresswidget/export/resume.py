"""Going on where an earlier run stopped: which units stand, and from where to write.

Two things can be gone on with. A *part* that a stopped run left beside its journal is continued
itself. A *finished* file that is to be written again is compared unit by unit: if all are equal it
stays as it is, and otherwise the part begins with a copy of what is equal.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.digest import VERSION
from progresswidget.export.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from progresswidget.export.formats import Format
    from progresswidget.export.journal import Record
    from progresswidget.export.writers import Heading, Piece

CHUNK: Final = 8 * 2**20
ENGINES: Final = ("progresswidget", "polars", "pyarrow", "isal", "reportlab", "python-docx")


class StartOver(Exception):  # noqa: N818 - never seen outside
    """The file cannot be continued from where it differs, so all of it is written."""


class Damaged(Exception):  # noqa: N818 - never seen outside
    """The bytes of a unit are not what the journal says, or its section is encoded as a whole.

    Parameters
    ----------
    units
        How many units before it stand.
    """

    def __init__(self, units: int) -> None:
        super().__init__(units)
        self.units = units


@dataclass(slots=True)
class Earlier:
    """What an earlier run has left.

    Parameters
    ----------
    path
        The file that holds the units: a part, or the finished file.
    records
        The units.
    finished
        Whether `path` is the finished file.
    size, sha256
        Of the finished file.
    whole
        Whether the units of `records` are all that it has.
    """

    path: Path | None = None
    records: list[Record] = field(default_factory=list)
    finished: bool = False
    size: int = 0
    sha256: str = ""
    whole: bool = True

    def rows_of(self, section: int) -> list[int]:
        """Return how the rows of a section were cut."""
        return [each.rows for each in self.records if each.section == section and each.rows]

    def cut(self, units: int) -> None:
        """Take only the first units for standing."""
        if units < len(self.records):
            self.records, self.whole = self.records[:units], False


class Verification:
    """Looks in the background whether the bytes of units are what a journal says."""

    def __init__(self, path: Path, records: Sequence[Record]) -> None:
        self._path = path
        self._records = records
        self._good = 0
        self._thread = Worker(self._run, "verify")
        self._thread.start()

    def good(self) -> int:
        """Return how many units stand, counted from the first one."""
        self._thread.join()
        return self._good

    def _run(self) -> None:
        try:
            with self._path.open("rb", buffering=0) as file:
                self._compare(file.fileno())
        except OSError:
            return  # what cannot be read does not stand

    def _compare(self, descriptor: int) -> None:
        import xxhash

        there = os.fstat(descriptor).st_size
        since, done, digest = -1, 0, xxhash.xxh3_128()
        for record in self._records:
            end = record.offset + record.size
            if end > there:
                return
            if record.since != since:  # another run went on here
                since = done = record.since
                digest = xxhash.xxh3_128()
            for chunk in _chunks(descriptor, done, end - done):
                digest.update(chunk)
            done = end
            if digest.digest() != record.content:
                return
            self._good += 1


def _chunks(descriptor: int, offset: int, size: int) -> Iterator[bytes]:
    while size > 0:
        chunk = os.pread(descriptor, min(size, CHUNK), offset)
        if not chunk:
            return
        yield chunk
        offset += len(chunk)
        size -= len(chunk)


def key_of(format: Format, options: Mapping[str, Any], headings: Sequence[Heading]) -> str:
    """Return what the units of a file depend on besides the data, as one digest."""
    sections = [_section(each) for each in headings]
    settings = sorted((name, repr(value)) for name, value in options.items())
    whole = json.dumps([format.name, settings, sections, _versions()])
    return hashlib.sha256(whole.encode("utf-8", "backslashreplace")).hexdigest()


def _section(heading: Heading) -> list[object]:
    entry = heading.entry
    about = [] if entry is None else [entry.modified, entry.mode, entry.folder]
    inner = None if entry is None or entry.format is None else entry.format.name
    options = [] if entry is None else sorted(entry.options.items())
    size = heading.total if heading.schema is None else None
    schema = "" if heading.schema is None else bytes(heading.schema.serialize()).hex()
    return [heading.name, schema, size, repr([about, inner, options])]


@cache
def _versions() -> list[str]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ENGINES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return [*found, f"digest {VERSION}", sys.byteorder]


def write_at(descriptor: int, pieces: Sequence[tuple[int, Piece]]) -> None:
    """Write small pieces at their places."""
    for offset, piece in pieces:
        rest = memoryview(piece).cast("B")
        position = offset
        while rest:
            written = os.pwrite(descriptor, rest, position)
            position += written
            rest = rest[written:]

"""The journal of a download: which bytes are in its part, so that another process can go on.

It lies beside the part as ``.<name>.journal``, where exports keep theirs, for it is the lease of
the file too. JSON lines, which only grow::

    {"transfer": 1, "url": ..., "part": ".a.csv.0123abcd.part", "owner": ..., "version": {...}}
    {"at": 0, "size": 8388608, "content": "5f0c..."}

A line counts from its line feed on. Nothing is flushed to the disk meanwhile: after a power cut the
journal may tell of bytes that never arrived, but then their digest (XXH3-128) does not fit, and
they are fetched again.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.journal import MAX_BYTES, append
from progresswidget.export.parts import journal_path
from progresswidget.transfer.pieces import Pieces
from progresswidget.transfer.representation import Representation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION: Final = 1

__all__ = ["Journal", "Unit", "begin", "parse", "peek", "read", "record"]


@dataclass(frozen=True, slots=True)
class Unit:
    """Bytes that are in the part.

    Parameters
    ----------
    at, size
        Where they are.
    content
        Their digest.
    """

    at: int
    size: int
    content: bytes

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Unit:
        """Return the unit of a line.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the line is none.
        """
        at, size = fields["at"], fields["size"]
        if type(at) is not int or type(size) is not int or at < 0 or size <= 0:
            raise ValueError("a number is none")
        return cls(at, size, bytes.fromhex(fields["content"]))


@dataclass(slots=True)
class Journal:
    """What a journal says.

    Parameters
    ----------
    url
        The identity of the address.
    part
        The name of the file with the bytes.
    owner
        Who wrote last.
    version
        Of which version of the file they are.
    units
        What is there, in the order in which it came.
    """

    url: str
    part: str
    owner: str
    version: Representation
    units: list[Unit] = field(default_factory=list)

    def pieces(self) -> Pieces:
        """Return what is there."""
        pieces = Pieces(self.version.size)
        for unit in self.units:
            pieces.add(unit.at, unit.at + unit.size)
        return pieces


def read(descriptor: int) -> Journal | None:
    """Return what an open journal says, or None if it is not the journal of a download."""
    size = os.fstat(descriptor).st_size
    if not 0 < size <= MAX_BYTES:
        return None
    return parse(os.pread(descriptor, size, 0))


def peek(path: Path) -> Journal | None:
    """Read the journal beside a file without taking its lease."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(journal_path(path), flags)
    except OSError:
        return None
    try:
        return read(descriptor)
    finally:
        os.close(descriptor)


def parse(text: bytes) -> Journal | None:
    """Return what a journal says, as far as its lines are whole; None without a heading."""
    heading, *lines = text.split(b"\n")[:-1] or [b""]
    try:
        fields = json.loads(heading)
        if fields["transfer"] != VERSION:
            return None
        journal = Journal(
            url=str(fields["url"]),
            part=str(fields["part"]),
            owner=str(fields["owner"]),
            version=Representation.from_json(fields["version"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    for line in lines:
        try:
            journal.units.append(Unit.from_fields(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError):
            break
    return journal


def begin(descriptor: int, journal: Journal) -> None:
    """Start a journal anew."""
    os.ftruncate(descriptor, 0)
    heading = {
        "transfer": VERSION,
        "url": journal.url,
        "part": journal.part,
        "owner": journal.owner,
        "version": journal.version.to_json(),
    }
    append(descriptor, [_line(heading), *(_unit_line(unit) for unit in journal.units)])


def record(descriptor: int, unit: Unit) -> None:
    """Enter what has come."""
    append(descriptor, [_unit_line(unit)])


def _unit_line(unit: Unit) -> bytes:
    return _line({"at": unit.at, "size": unit.size, "content": unit.content.hex()})


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"

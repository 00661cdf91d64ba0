"""The journal of an export: which units are in its part, so that another process can go on.

It lies beside the part as ``.<name>.journal``, and is a file of JSON lines that only grows::

    {"journal": 3, "key": ..., "part": ".a.csv.0123abcd.part", "owner": "process 7 on host"}
    {"section": 0, "rows": 65536, "offset": 25, "size": 7286921, "data": ..., "since": 0,
     "content": ...}
    {"keep": 1, "owner": "process 8 on host"}

(Here one of them is broken for the page.) What a unit is known by is the digest of all bytes that
its run has written up to its end, since this is taken anyway for those who read along; a unit's own
would cost another pass over all bytes. A unit is only worth something with those before it.

A line counts from its line feed on, so what a kill tears off is not there. Nothing is flushed to
the disk unit by unit: after a power cut the journal may tell of bytes that never arrived, but then
their digest does not fit, and they are cut off like any other damage. ``keep`` takes back units
that were written over later. A section that stands whole or not at all, as a frame in a tape
archive does, has one unit more behind its last: without rows, with the bytes that came at its end.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VERSION: Final = 3
MAX_BYTES: Final = 256 * 2**20
"""A longer journal is not ours."""
_NUMBERS: Final = ("section", "rows", "offset", "size", "since")


@dataclass(frozen=True, slots=True)
class Record:
    """A unit that is in a file.

    Parameters
    ----------
    section
        The index of its section.
    rows
        Its rows; bytes where the section is no table.
    offset, size
        Where its bytes are.
    data
        The digest chain of the data up to and with this unit.
    since
        Where the run that wrote it began to write.
    content
        The digest of the bytes of the file from there to its end.
    note
        What its writer wants to know again.
    """

    section: int
    rows: int
    offset: int
    size: int
    data: bytes
    since: int
    content: bytes
    note: bytes = b""

    def to_line(self) -> bytes:
        """Return the line of the journal."""
        fields: dict[str, Any] = {
            "section": self.section,
            "rows": self.rows,
            "offset": self.offset,
            "size": self.size,
            "data": self.data.hex(),
            "since": self.since,
            "content": self.content.hex(),
        }
        if self.note:
            fields["note"] = base64.b64encode(self.note).decode()
        return _line(fields)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Record:
        """Return the record of a line.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the line is none.
        """
        numbers = [fields[name] for name in _NUMBERS]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("a number is none")
        section, rows, offset, size, since = numbers
        return cls(
            section=section,
            rows=rows,
            offset=offset,
            size=size,
            data=bytes.fromhex(fields["data"]),
            since=since,
            content=bytes.fromhex(fields["content"]),
            note=base64.b64decode(fields.get("note", ""), validate=True),
        )


@dataclass(slots=True)
class Journal:
    """What a journal says.

    Parameters
    ----------
    key
        What the units depend on besides the data: format, options, columns, versions.
    part
        The name of the file that they are in.
    owner
        Who wrote last.
    records
        The units, in the order of the file.
    """

    key: str = ""
    part: str = ""
    owner: str = ""
    records: list[Record] = field(default_factory=list)


def read(descriptor: int) -> Journal | None:
    """Return what an open journal says, or None if it says nothing that can be understood."""
    size = os.fstat(descriptor).st_size
    if not 0 < size <= MAX_BYTES:
        return None
    return parse(os.pread(descriptor, size, 0))


def parse(text: bytes) -> Journal | None:
    """Return what a journal says, as far as its lines are whole; None without a heading."""
    return _understood(text)[0]


def _understood(text: bytes) -> tuple[Journal | None, int]:
    """Return what a journal says, and how many of its bytes say so."""
    journal, good = Journal(), 0
    for line in text.split(b"\n")[:-1]:
        try:
            fields = json.loads(line)
            if not good:
                if fields["journal"] != VERSION:
                    return None, 0
                journal.key, journal.part = str(fields["key"]), str(fields["part"])
                journal.owner = str(fields["owner"])
            elif "keep" in fields:
                del journal.records[fields["keep"] :]
                journal.owner = str(fields["owner"])
            else:
                journal.records.append(Record.from_fields(fields))
        except (ValueError, KeyError, TypeError, RecursionError):
            break  # behind it nothing counts: a unit stands only with those before it
        good += len(line) + 1
    return (journal, good) if good else (None, 0)


def begin(descriptor: int, key: str, part: str, owner: str, records: Iterable[Record]) -> None:
    """Start a journal anew, with the units that its part has already."""
    os.ftruncate(descriptor, 0)
    heading = _line({"journal": VERSION, "key": key, "part": part, "owner": owner})
    append(descriptor, [heading, *(record.to_line() for record in records)])


def keep(descriptor: int, units: int, owner: str) -> None:
    """Take back all units but the first ones, and say who goes on from there."""
    text = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    # What follows a line that is torn, or damaged, would never count.
    os.ftruncate(descriptor, _understood(text)[1])
    append(descriptor, [_line({"keep": units, "owner": owner})])


def append(descriptor: int, lines: Iterable[bytes]) -> None:
    """Add whole lines at the end.

    Raises
    ------
    OSError
        If the disk is full; a torn line may then be there, and the next one begins after it.
    """
    text = memoryview(b"".join(lines))
    position = os.lseek(descriptor, 0, os.SEEK_END)
    while text:
        written = os.pwrite(descriptor, text, position)
        position += written
        text = text[written:]


def repair(descriptor: int) -> None:
    """Cut off a torn last line, so that what follows does not continue it."""
    size = os.fstat(descriptor).st_size
    text = os.pread(descriptor, size, 0) if size <= MAX_BYTES else b""
    os.ftruncate(descriptor, text.rfind(b"\n") + 1)


def to_json(records: Sequence[Record]) -> list[str]:
    """Return units in the form in which a finished export is remembered."""
    return [record.to_line().decode().rstrip("\n") for record in records]


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"

"""Writers: Arrow batches to the bytes of a file, one module per family of formats.

A writer does no input or output. It encodes *units*, groups of batches whose bytes follow one
another in the file, so that units can be encoded side by side, counted, and committed to a journal
one by one. A file has one section for each table in it (a sheet of a workbook, an entry of an
archive); most formats hold one.

The calls for a file: ``head``, and for each section ``begin``, ``encode`` for its units with
``follow`` after each, and ``end``, then ``tail``. The bytes go to the file in this order. A section
that ``gathers`` its bytes until its end is committed there, and not unit by unit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from progresswidget.errors import ColumnError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from progresswidget.export.formats import Format
    from progresswidget.export.options import Option

Piece: TypeAlias = Any
"""Bytes on their way to the file: anything with the buffer protocol that nobody will change."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an archive is told of an entry besides.

    Parameters
    ----------
    format
        What a table is written as; None where the section is bytes.
    options
        A value for each option of that format, checked.
    modified
        When a file was changed last, in seconds since 1970; None where nobody knows.
    mode
        The permissions of a file.
    folder
        Whether it is an empty folder.
    """

    format: Format | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    modified: int | None = None
    mode: int = 0o644
    folder: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """What a writer is told of a section beforehand.

    Parameters
    ----------
    name
        The name of the sheet, table or entry.
    schema
        The columns, or None where the section is bytes and no table.
    total
        Rows, or bytes where there is no schema; None if that is unknown.
    entry
        What only archives want to know.
    after_file
        Whether the name is only that of the file, because nobody gave one.
    """

    name: str
    schema: pa.Schema | None
    total: int | None = None
    entry: Entry | None = None
    after_file: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """The bytes of one unit.

    Parameters
    ----------
    pieces
        The bytes, in order.
    note
        What `Writer.end` and `Writer.tail` must know of the unit. The journal keeps it, so it is
        small.
    """

    pieces: Sequence[Piece]
    note: bytes = b""


@dataclass(frozen=True, slots=True)
class Emission:
    """A unit whose bytes come piece by piece, so that they need not be held.

    Parameters
    ----------
    write
        Writes them to an object with the method ``write``.
    """

    write: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Placed:
    """A unit that has its place in the file.

    Parameters
    ----------
    section
        The index of its section.
    rows
        How many rows it has; bytes where the section is no table.
    offset, size
        Where its bytes begin in the file, and how many they are.
    note
        What `Writer.encode` wanted to be remembered.
    """

    section: int
    rows: int
    offset: int
    size: int
    note: bytes


class Writer(ABC):
    """What the pipeline needs of a format; the defaults are those of a stream of rows.

    Parameters
    ----------
    headings
        The sections; a format that holds one table gets one.
    options
        A value for each of `OPTIONS`, checked.

    Attributes
    ----------
    OPTIONS
        What a caller may set.
    unit_rows, unit_bytes
        When a unit is full: rows, and bytes of Arrow data.
    queried
        By what `unit_bytes` are divided where the rows come from a query or a file: units alone
        hold them.
    unit_patience, least_rows
        A slow source would fill no unit for minutes: after so many seconds of waiting for it a
        unit ends early, if it has `least_rows` rows.
    workers
        How many units may be encoded at the same time. With one, `encode` is called in the order
        of the file, and never for two units at once.
    arranges
        Whether with one worker `arrange` has to be called in the order of the file, and then
        units can be encoded at the same time all the same.
    resumable
        Whether a unit's bytes and note depend on nothing but its batches, `start`, the headings
        and the options: then what is on the disk can be continued by another process, which calls
        everything but `encode` again for the units that are there.
    ahead
        Whether `encode` can be called for a section before its `begin` and before the end of the
        sections before: then small sections are encoded side by side.
    writes_itself
        Whether the file is written by a library, at the path that `attach` tells, and nothing is
        returned here.
    spools
        Whether a unit of a section that gathers goes to the file at its end only: it can be encoded
        although it stands, and then the section needs not be read again if a later one differs.
    most_rows
        How many rows of a section are in the file at most; more of them are only counted.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = ()

    unit_rows: int = 131_072
    unit_bytes: int = 16 * 2**20
    queried: int = 2
    unit_patience: float = 0.5
    least_rows: int = 1
    workers: int = 1
    arranges: bool = False
    resumable: bool = False
    ahead: bool = False
    writes_itself: bool = False
    spools: bool = False
    most_rows: int | None = None

    @abstractmethod
    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None: ...

    def attach(self, path: Path) -> None:  # noqa: B027 - most have no use for it
        """Learn where the file is; only for formats whose library insists on writing it itself.

        The file is there and empty. Whatever else such a writer creates has a name that begins
        with the name of `path`, and is gone after `tail` or `close`. Where the file is to be
        encrypted it is read after `close`, and the folder is private to it.
        """

    def head(self) -> Sequence[Piece]:
        """Return the bytes before the first section."""
        return ()

    def begin(self, section: int, offset: int) -> Sequence[Piece]:
        """Return the bytes before the first unit of a section, which go to `offset`."""
        return ()

    def settle(self, batches: list[pa.RecordBatch], start: int) -> list[pa.RecordBatch]:
        """Return the batches of a unit as they are hashed and encoded.

        Called by any thread. What comes out may depend on nothing but the rows; `start`, the rows
        before them, is for errors.
        """
        return batches

    def arrange(self, batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Return the batches of a unit as `encode` gets them, if the writer `arranges`."""
        return batches

    @abstractmethod
    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return the bytes of one unit.

        Parameters
        ----------
        batches
            Its rows: one batch or more, none of them empty.
        start
            The rows of the section before the first of them.
        section
            The index of the section.

        Raises
        ------
        ColumnError
            If a value cannot be written; it names the column and the row.
        """

    def prepare(
        self, batches: Sequence[pa.RecordBatch], start: int, section: int
    ) -> Encoded | Emission:
        """Return what `encode` does, or what writes it piece by piece to the end of the file.

        The parameters and errors are those of `encode`.
        """
        return self.encode(batches, start, section)

    def follow(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return bytes that go to `offset`, behind the last of the section's units so far.

        Called after each unit has got its place, in the order of the file.
        """
        return ()

    def end(self, section: int, units: Sequence[Placed], offset: int) -> Iterable[Piece]:
        """Return the bytes after the last unit of a section, which go to `offset`."""
        return ()

    def gathers(self, section: int) -> bool:
        """Say whether a section stands whole or not at all: its bytes may all come from `end`."""
        return False

    def gathered(self, section: int) -> bytes:
        """Return what `stands` has to know of a section that gathers, right after its `end`."""
        return b""

    def stands(self, section: int, note: bytes) -> None:  # noqa: B027 - most gather nothing
        """Learn, in place of `end`, that a section that gathers is in the file already.

        Parameters
        ----------
        section
            The index of the section.
        note
            What `gathered` returned when it was written.
        """

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the bytes after the last section, which go to `offset`.

        Among `units`, a section that gathers has one more behind its last: its bytes, and no rows.
        """
        return ()

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of what is held; called in the end, also after a failure."""


class ArchiveWriter(Writer):
    """A writer whose sections may also be bytes; every other one refuses those when it is made."""

    @abstractmethod
    def encode_bytes(self, chunk: bytes, start: int, section: int) -> Encoded:
        """Return the bytes of one unit of a section that is no table.

        Parameters
        ----------
        chunk
            Its bytes.
        start
            The bytes of the section before the first of them.
        section
            The index of the section.
        """


def only_schema(headings: Sequence[Heading], format: str) -> pa.Schema:
    """Return the schema of the one table that most formats hold.

    Raises
    ------
    ColumnError
        If the section is no table.
    """
    (heading,) = headings
    if heading.schema is None:
        raise ColumnError(f"{heading.name!r} is no table, which {format} needs.")
    return heading.schema

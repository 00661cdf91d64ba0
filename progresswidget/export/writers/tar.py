"""TAR archives (POSIX.1-2001 pax), with any of the compressions around them.

The size of an entry stands before its bytes. That of a file is known; a frame is written to a
temporary file without a name first, beside the archive, and copied from there. That file is gone
with the process, so a later run goes on behind the last frame that is in the archive as a whole.
"""

from __future__ import annotations

import os
import struct
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, Final, overload

from progresswidget.errors import SourceChangedError
from progresswidget.export.entries import ENTRY_OPTIONS
from progresswidget.export.writers import ArchiveWriter, Encoded, Entry, Heading, Placed
from progresswidget.export.writers.archived import adopt, make_inner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from progresswidget.export.writers import Piece

PIECE: Final = 4 * 2**20
"""Bytes that are copied at once."""
_NOTE: Final = struct.Struct("<Q")
"""Where a frame ends in the archive, before any compression."""


class TarWriter(ArchiveWriter):
    """Write entries: frames in formats of their own, and bytes.

    Parameters
    ----------
    headings
        The entries.
    options
        Values of all options of the format.

    Raises
    ------
    ColumnError
        If the format of an entry cannot hold a column.
    """

    OPTIONS = ENTRY_OPTIONS

    resumable = True
    spools = True

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        self._headings = headings
        self._inner = [make_inner(heading) for heading in headings]
        self._folder: Path | None = None
        self._waiting: dict[tuple[int, int], Sequence[Piece]] = {}
        self._lock = Lock()
        self._spool: IO[bytes] | None = None
        self._head: list[Piece] = []
        self._units: list[Placed] = []
        self._size = self._rows = 0
        self._position = 0

    def attach(self, path: Path) -> None:
        """Learn where there is room for temporary files."""
        self._folder = path.parent
        for place, inner in enumerate(self._inner):
            if inner is not None:
                inner.attach(path.with_name(f"{path.name}.{place}"))

    def begin(self, section: int, offset: int) -> Sequence[Piece]:
        """Return the header of a file; that of a frame has to wait."""
        inner, heading = self._inner[section], self._headings[section]
        adopt(self, inner)
        self._units, self._size, self._rows = [], 0, 0
        if heading.total is not None and not self.gathers(section):
            return self._header(heading, heading.total)
        self._drop_spool()
        self._head = []
        if inner is not None:
            # Of a frame that stands no temporary file is needed: it is created for the first unit.
            self._head += inner.head()
            self._head += inner.begin(0, sum(memoryview(piece).nbytes for piece in self._head))
        return ()

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Encode a unit of the entry's own format, for `follow`."""
        inner = self._inner[section]
        if inner is None:
            raise AssertionError
        unit = inner.encode(batches, start, 0)
        with self._lock:
            self._waiting[section, start] = unit.pieces
        return Encoded((), unit.note)

    def encode_bytes(self, chunk: bytes, start: int, section: int) -> Encoded:
        """Return the bytes."""
        if not self.gathers(section):
            return Encoded([chunk])
        with self._lock:
            self._waiting[section, start] = [chunk]
        return Encoded(())

    def follow(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Put the unit of a frame into the temporary file; nothing follows it."""
        unit = units[-1]
        with self._lock:
            waiting = self._waiting.pop((unit.section, self._rows), None)
        self._rows += unit.rows
        inner = self._inner[unit.section]
        if waiting is not None:
            self._put_head()
            before = self._size
            self._put(waiting)
            self._units.append(Placed(0, unit.rows, before, self._size - before, unit.note))
            if inner is not None:
                self._put(inner.follow(self._units, self._size))
        return ()

    def end(self, section: int, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the padding of a file, or all of a frame."""
        heading, inner = self._headings[section], self._inner[section]
        if heading.total is not None and not self.gathers(section):
            if self._rows != heading.total:
                raise SourceChangedError(
                    f"{heading.name!r} has {self._rows:,} bytes, and had {heading.total:,}.",
                    "Run the export again when nothing writes to it.",
                )
            return self._padding(heading.total)
        self._put_head()
        if inner is not None:
            self._put(inner.end(0, self._units, self._size))
            self._put(inner.tail(self._units, self._size))
            inner.close()
            self._inner[section] = None
        header = self._header(heading, self._size)
        return _Joined(header, self._spool, self._size, self._padding(self._size))

    def gathers(self, section: int) -> bool:
        """Say whether the size of an entry is known only at its end."""
        heading = self._headings[section]
        return heading.schema is not None or heading.total is None

    def gathered(self, section: int) -> bytes:
        """Return where the frame ends."""
        return _NOTE.pack(self._position)

    def stands(self, section: int, note: bytes) -> None:
        """Go on behind a frame."""
        self._drop_spool()
        (self._position,) = _NOTE.unpack(note)
        inner, self._inner[section] = self._inner[section], None
        if inner is not None:
            inner.close()

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the two empty blocks of the end, and those that fill a record."""
        self._drop_spool()
        end = 2 * tarfile.BLOCKSIZE
        return [bytes(end + -(self._position + end) % tarfile.RECORDSIZE)]

    def close(self) -> None:
        """Close the writers of the entries, and the temporary file."""
        self._drop_spool()
        for inner in self._inner:
            if inner is not None:
                inner.close()

    def _header(self, heading: Heading, size: int) -> list[Piece]:
        entry = heading.entry or Entry()
        info = tarfile.TarInfo(heading.name)
        info.size = size
        info.mtime = entry.modified or 0
        info.mode = entry.mode
        if entry.folder:
            info.type = tarfile.DIRTYPE
        header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
        self._position += len(header) + size
        return [header]

    def _padding(self, size: int) -> list[Piece]:
        missing = -size % tarfile.BLOCKSIZE
        self._position += missing
        return [bytes(missing)] if missing else []

    def _put_head(self) -> None:
        head, self._head = self._head, []
        self._put(head)

    def _put(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if self._spool is None:
                # It has no name, so that nothing is left of it whatever happens.
                self._spool = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            rest = memoryview(piece).cast("B")
            while rest:
                written = self._spool.write(rest)
                self._size += written
                rest = rest[written:]

    def _drop_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None


class _Joined(Sequence["Piece"]):
    """Header, spooled bytes and padding, of which one piece at a time is in memory."""

    def __init__(
        self, header: list[Piece], spool: IO[bytes] | None, size: int, padding: list[Piece]
    ) -> None:
        self._header, self._padding = header, padding
        # Its own descriptor: who reads may be behind who closes.
        self._descriptor = -1 if spool is None else os.dup(spool.fileno())
        self._size = size
        self._cuts = range(0, size, PIECE)

    def __len__(self) -> int:
        return len(self._header) + len(self._cuts) + len(self._padding)

    @overload
    def __getitem__(self, place: int) -> Piece: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Piece]: ...
    def __getitem__(self, place: int | slice) -> Piece:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        place = range(len(self))[place]
        if place < len(self._header):
            return self._header[place]
        place -= len(self._header)
        if place < len(self._cuts):
            return os.pread(
                self._descriptor, min(PIECE, self._size - self._cuts[place]), self._cuts[place]
            )
        return self._padding[place - len(self._cuts)]

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

"""The record batches of Arrow files: their rows and bytes, without decoding them.

https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.sources.ranges import gathered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FRAME_BYTES: Final = 1_000_000
"""Bytes that are copied at a time from a record batch that shall not be held to its last row."""
ARROW_BYTES: Final = 32_000_000
"""Bytes of the columns that are read in a slice, decoded or in the file, whichever are more."""
BATCH_BYTES: Final = 12_000_000
"""Bytes of a record batch, several of which polars has decoded at a time: larger ones are cut."""
FILE_BYTES: Final = 128_000_000
"""Bytes of a file, all of which stay in memory where it is read as a whole: larger ones are cut."""
METADATA: Final = 4_000_000
"""Bytes that describe the record batches, and of dictionaries, at most: every slice reads them."""
LOOKS: Final = 4
"""How many record batches of a small file are looked at to see whether they are large."""

_MAGIC: Final = b"ARROW1"
_RECORD_BATCH: Final = 3
_BLOCK: Final = struct.Struct("<qi4xq")
_BUFFER: Final = struct.Struct("<qq")
_LENGTH: Final = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class _Batch:
    """A record batch: its rows, the bytes of the columns that are read, and if it is compressed."""

    rows: int
    size: int
    compressed: bool

    @property
    def pieces(self) -> int:
        """Into how many pieces it can be cut without being decoded more than once."""
        return 1 if self.compressed else max(1, round(self.size / ARROW_BYTES))


def arrow_ranges(
    paths: Sequence[str], columns: Sequence[str] | None
) -> tuple[list[tuple[int, int]], int | None]:
    """Return slices of about `ARROW_BYTES`; none where batches and files are small.

    A slice begins with a record batch unless that can be cut without being decoded.

    Parameters
    ----------
    paths
        The files.
    columns
        The columns that are read; others may be among them. None are all.

    Returns
    -------
    The first row and the number of rows of each slice, and the number of rows to be copied at a
    time where a record batch that is decoded as a whole is large.
    """
    files = [_File(path, columns) for path in paths]
    large = sum(file.metadata for file in files) <= METADATA and any(map(_File.is_large, files))
    batches = [batch for file in files for batch in file.batches()] if large else []
    ranges = gathered(((batch.rows, batch.size, batch.pieces) for batch in batches), ARROW_BYTES)
    widths = [
        batch.size / batch.rows
        for batch in batches
        if batch.compressed and batch.size > ARROW_BYTES and batch.rows
    ]
    rows = max(round(FRAME_BYTES / max(widths)), 1) if widths else None
    return (ranges, rows) if len(ranges) > 1 else ([], None)


class _File:
    """An Arrow file, of which only what describes its record batches is read."""

    def __init__(self, path: str, wanted: Sequence[str] | None) -> None:
        self._path = path
        with Path(path).open("rb") as file:
            self._size = os.fstat(file.fileno()).st_size
            (length,) = struct.unpack("<i", self._at(file, self._size - 10, 4))
            if self._at(file, self._size - 6, 6) != _MAGIC:
                raise ValueError("This is no Arrow file.")
            footer = _Table(self._at(file, self._size - 10 - length, length))
        self._blocks = list(footer.structs(3, _BLOCK))
        described = sum(described for _, described, _ in self._blocks)
        words = sum(described + size for _, described, size in footer.structs(2, _BLOCK))
        self.metadata = length + described + words
        self._columns = _columns(path, wanted)

    def is_large(self) -> bool:
        """Say whether the file is large, or one of the record batches that take most of it is."""
        if self._size > FILE_BYTES:
            return True
        most = sorted(self._blocks, key=lambda block: block[2])[-LOOKS:]
        return any(batch.size > BATCH_BYTES for batch in self._read(most))

    def batches(self) -> Iterator[_Batch]:
        """Yield all record batches."""
        return self._read(self._blocks)

    def _read(self, blocks: Sequence[tuple[int, int, int]]) -> Iterator[_Batch]:
        with Path(self._path).open("rb") as file:
            for start, length, _ in blocks:
                yield self._batch(file, start, length)

    def _batch(self, file: Any, start: int, length: int) -> _Batch:
        written = self._at(file, start, length)
        # Files of before 2019 have no mark in front of the length.
        message = _Table(written[8 if written[:4] == b"\xff\xff\xff\xff" else 4 :])
        if message.number(1, "<B") != _RECORD_BATCH:
            raise ValueError("This is no record batch.")
        batch = message.table(2)
        buffers = list(batch.structs(2, _BUFFER))
        views = (count for (count,) in batch.structs(4, _LENGTH))
        compressed = batch.has(3)
        size = at = 0
        for fixed, variadic, wanted in self._columns:
            count = fixed + sum(next(views) for _ in range(variadic))
            for offset, held in buffers[at : at + count] if wanted else ():
                size += held
                if compressed and held:
                    (decoded,) = _LENGTH.unpack(self._at(file, start + length + offset, 8))
                    size += max(decoded - held, 0)
            at += count
        if at != len(buffers):
            raise ValueError("The columns have other buffers than expected.")
        return _Batch(batch.number(0, "<q"), size, compressed)

    @staticmethod
    def _at(file: Any, start: int, length: int) -> bytes:
        # Not read by way of the memory that the file is mapped to: whole pages would stay in it.
        return os.pread(file.fileno(), length, start)


def _columns(path: str, wanted: Sequence[str] | None) -> list[tuple[int, int, bool]]:
    """Return for each column its buffers, how many of its types have more, and if it is read."""
    import pyarrow as pa

    with pa.OSFile(path) as file, pa.ipc.open_file(file) as reader:
        schema = reader.schema
    names = frozenset(schema.names if wanted is None else wanted)
    return [(*_buffers(field.type), field.name in names) for field in schema]


def _buffers(kind: Any) -> tuple[int, int]:
    """Return how many buffers a type has, and how many types in it have some more, of views."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _buffers(kind.storage_type)
    if pa.types.is_union(kind) or pa.types.is_run_end_encoded(kind):
        raise ValueError("polars does not read this type.")
    if pa.types.is_null(kind):
        return 0, 0
    inner = [_buffers(kind.field(at).type) for at in range(kind.num_fields)]
    own = int(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))
    return (
        kind.num_buffers + sum(fixed for fixed, _ in inner),
        own + sum(variadic for _, variadic in inner),
    )


class _Table:
    """A table of FlatBuffers."""

    def __init__(self, written: bytes, start: int | None = None) -> None:
        self._written = written
        self._start = self._unsigned(0) if start is None else start

    def _unsigned(self, at: int) -> int:
        return int(struct.unpack_from("<I", self._written, at)[0])

    def _field(self, number: int) -> int:
        """Return where a field is, or 0 if there is none."""
        fields = self._start - struct.unpack_from("<i", self._written, self._start)[0]
        size, _, *offsets = struct.unpack_from(f"<{2 + number + 1}H", self._written, fields)
        there = 4 + 2 * number < size and offsets[number]
        return self._start + offsets[number] if there else 0

    def has(self, number: int) -> bool:
        """Say whether a field is there."""
        return self._field(number) != 0

    def number(self, number: int, form: str) -> int:
        """Return the number in a field."""
        at = self._field(number)
        return int(struct.unpack_from(form, self._written, at)[0]) if at else 0

    def table(self, number: int) -> _Table:
        """Return the table in a field."""
        at = self._field(number)
        return _Table(self._written, at + self._unsigned(at))

    def structs(self, number: int, form: struct.Struct) -> Iterator[Any]:
        """Yield the members of a vector."""
        at = self._field(number)
        if at:
            start = at + self._unsigned(at)
            for each in range(self._unsigned(start)):
                yield form.unpack_from(self._written, start + 4 + each * form.size)

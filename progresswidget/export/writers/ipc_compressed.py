"""The buffers of Arrow's messages compressed in memory that is used again.

pyarrow compresses each buffer into new memory of its default pool, which the system fills with
zeros first: an eighth of the processor that an export to Feather took. Nothing lets one choose the
pool there, but a codec takes one. So pyarrow writes the message without compression, which copies
nothing, and here its buffers are compressed and its metadata is told where they are then. What
comes out is byte by byte what pyarrow makes, see
https://arrow.apache.org/docs/format/Columnar.html#compression.

pyarrow compresses the buffers of a batch on all cores, and here each unit has one. Where there are
more cores than units at work that is worth more than the memory.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import OptionError
from progresswidget.export import memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

FEW_CORES: Final = 2
_PREFIX: Final = 8
"""Bytes before the metadata: the continuation mark and a length."""
_ALIGNED: Final = 8
"""What the buffers of a body are aligned to, as pyarrow does by default."""
_BUFFER: Final = 16
"""Bytes of ``Buffer`` and of ``FieldNode`` in Arrow's Message.fbs and Schema.fbs: two numbers."""
_RECORD_BATCH: Final = 3
"""What `MessageHeader` calls a record batch."""


class Compressor:
    """Compresses the messages of batches of one schema.

    Parameters
    ----------
    codec
        What compresses a buffer.
    like
        The metadata of such a message, compressed by pyarrow, of a batch that has rows.
    """

    def __init__(self, codec: pa.Codec, like: bytes) -> None:
        self._codec, self._like = codec, like
        self._places = _Places(like)

    def compress(self, parts: Sequence[Any]) -> list[Any] | None:
        """Return the parts of a compressed message; None if it is one that pyarrow has to make.

        Parameters
        ----------
        parts
            Those of the message without compression, as pyarrow hands them over.
        """
        metadata, body = _split(parts)
        found = _Places(metadata)
        here = self._places
        if not found.usable or found.counts != here.counts:
            return None
        told = bytearray(self._like)
        nodes = here.nodes, here.nodes + _BUFFER * here.counts[0]
        told[nodes[0] : nodes[1]] = metadata[found.nodes :][: _BUFFER * here.counts[0]]
        told[here.length : here.length + 8] = metadata[found.length : found.length + 8]
        pieces: list[Any] = []
        position = 0
        for number in range(here.counts[1]):
            at = found.buffers + _BUFFER * number
            start, size = struct.unpack_from("<qq", metadata, at)
            taken = 0
            if size:
                packed = self._codec.compress(body[start], memory_pool=memory.pool())
                taken = 8 + len(packed)
                pieces += [struct.pack("<q", size), packed, bytes(-taken % _ALIGNED)]
            struct.pack_into("<qq", told, here.buffers + _BUFFER * number, position, taken)
            position += taken + -taken % _ALIGNED
        struct.pack_into("<q", told, here.body, position)
        return [bytes(told), *pieces]


def codec_of(name: str | None, level: int | None) -> pa.Codec | None:
    """Return what compresses buffers, or None if nothing shall.

    Raises
    ------
    OptionError
        If this build of pyarrow has no such codec, or the codec no such level.
    """
    import pyarrow as pa

    if level is not None and name != "zstd":
        raise OptionError(f"The compression {name} has no levels.", "Choose zstd.")
    if name in {None, "none"}:
        return None
    if not pa.Codec.is_available(name):
        raise OptionError(f"This pyarrow was built without {name}.", "Choose another compression.")
    if level is None:
        return pa.Codec(name)
    lowest, highest = (
        pa.Codec.minimum_compression_level(name),
        pa.Codec.maximum_compression_level(name),
    )
    if not lowest <= level <= highest:
        raise OptionError(f"The option compression_level of zstd must be {lowest} to {highest}.")
    return pa.Codec(name, compression_level=level)


def compressor(
    codec: pa.Codec, like: Sequence[Any], *, cores: int | None = None
) -> Compressor | None:
    """Return what compresses messages here, or None where pyarrow does so better.

    Parameters
    ----------
    codec
        What compresses a buffer.
    like
        The parts of such a message, compressed by pyarrow, of a batch that has rows.
    cores
        How many there are.
    """
    if (cores or os.cpu_count() or 1) > FEW_CORES:
        return None
    metadata, _ = _split(like)
    # A message of a dictionary, which comes first where there is one, is not.
    return Compressor(codec, metadata) if _Places(metadata).usable else None


def _split(parts: Sequence[Any]) -> tuple[bytes, dict[int, Any]]:
    """Return the metadata with its prefix, and the pieces of the body by their positions."""
    metadata = b""
    pieces = iter(parts)
    for piece in pieces:
        metadata += bytes(piece)
        if len(metadata) >= _PREFIX and len(metadata) >= _PREFIX + _length(metadata):
            break
    body: dict[int, Any] = {}
    position = 0
    for piece in pieces:
        body[position] = piece
        position += len(piece)
    return metadata, body


def _length(metadata: bytes) -> int:
    return int(struct.unpack_from("<4xi", metadata)[0])


class _Places:
    """Where the numbers of a ``Message`` of a ``RecordBatch`` are (Arrow's Message.fbs)."""

    def __init__(self, metadata: bytes) -> None:
        self._of = metadata
        (root,) = struct.unpack_from("<I", metadata, _PREFIX)
        message = _PREFIX + root
        # Of a table version, header_type, header, bodyLength; length, nodes, buffers.
        kind, header, self.body = (self._field(message, number) for number in (1, 2, 3))
        self.length = self.nodes = self.buffers = 0
        self.counts = 0, 0
        if not kind or not header or metadata[kind] != _RECORD_BATCH:
            return
        (offset,) = struct.unpack_from("<I", metadata, header)
        batch = header + offset
        self.length = self._field(batch, 0)
        self.nodes, nodes = self._vector(batch, 1)
        self.buffers, buffers = self._vector(batch, 2)
        self.counts = nodes, buffers

    @property
    def usable(self) -> bool:
        """Whether all are there: a number of its default, 0, is left out of a flatbuffer."""
        return 0 not in {self.body, self.length, self.nodes, self.buffers}

    def _field(self, table: int, number: int) -> int:
        (back,) = struct.unpack_from("<i", self._of, table)
        (size,) = struct.unpack_from("<H", self._of, table - back)
        entry = 4 + 2 * number
        if entry >= size:
            return 0
        (offset,) = struct.unpack_from("<H", self._of, table - back + entry)
        return table + int(offset) if offset else 0

    def _vector(self, table: int, number: int) -> tuple[int, int]:
        at = self._field(table, number)
        if not at:
            return 0, 0
        (offset,) = struct.unpack_from("<I", self._of, at)
        (count,) = struct.unpack_from("<I", self._of, at + offset)
        return at + offset + 4, int(count)

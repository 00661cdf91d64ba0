"""The parts of an Arrow IPC file that pyarrow writes only together with its batches.

https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format: a file is a stream between two
magic numbers, and a footer that says where each message lies. Readers go by the footer, so that
"there is no requirement that dictionary keys should be defined in a DictionaryBatch before they
are used": here the dictionaries come last, when all of their values are known.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.writers.buffers import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from progresswidget.export.writers import Piece

MAGIC: Final = b"ARROW1"
START: Final = MAGIC + b"\0\0"
"""The magic number, padded so that the first message is aligned to eight bytes."""
END_OF_STREAM: Final = b"\xff\xff\xff\xff\0\0\0\0"
_V5: Final = 4
"""MetadataVersion.V5, which pyarrow writes."""
_PREFIX: Final = 8
"""Bytes before the metadata of a message: the continuation mark and a length."""
_ROOT: Final = 16
_VECTOR: Final = _ROOT + 20


@dataclass(frozen=True, slots=True)
class Message:
    """The bytes of one encapsulated message, and the length of its metadata with its prefix."""

    pieces: Sequence[Piece]
    metadata: int
    size: int


@dataclass(frozen=True, slots=True)
class Block:
    """Where a message lies in the file."""

    offset: int
    metadata: int
    body: int


def message(parts: Sequence[Any]) -> Message:
    """Return the message that consists of `parts`."""
    pieces = joined(parts)
    (length,) = struct.unpack_from("<4xi", pieces[0])
    return Message(pieces, _PREFIX + length, sum(len(piece) for piece in pieces))


def end(schema: pa.Schema, dictionaries: Sequence[Block], batches: Sequence[Block]) -> bytes:
    """Return everything after the last message."""
    footer = _footer(schema, dictionaries, batches)
    return END_OF_STREAM + footer + len(footer).to_bytes(4, "little") + MAGIC


def _footer(schema: pa.Schema, dictionaries: Sequence[Block], batches: Sequence[Block]) -> bytes:
    """Return the flatbuffer ``Footer`` of Arrow's File.fbs.

    The schema is the one in the message that pyarrow makes of it: that flatbuffer is put behind
    a new root as a whole, since offsets inside of it are relative.
    """
    inner: bytes = schema.serialize().to_pybytes()[_PREFIX:]
    vectors = _vector(dictionaries) + _vector(batches)
    second = _VECTOR + len(_vector(dictionaries))
    behind = _VECTOR + len(vectors)
    padding = -behind % 16
    fields = struct.pack(
        "<iIIIh2x",
        12,  # back to the table of fields, which is at 4
        behind + padding + _schema_position(inner) - (_ROOT + 4),
        _VECTOR - (_ROOT + 8),
        second - (_ROOT + 12),
        _V5,
    )
    table = struct.pack("<HHHHHH", 12, len(fields) - 2, 16, 4, 8, 12)
    return struct.pack("<I", _ROOT) + table + fields + vectors + bytes(padding) + inner


def _vector(blocks: Sequence[Block]) -> bytes:
    # Its length lies before a multiple of eight, to which the structs are aligned.
    packed = b"".join(struct.pack("<qi4xq", b.offset, b.metadata, b.body) for b in blocks)
    return struct.pack("<I", len(blocks)) + packed + bytes(4)


def _schema_position(flatbuffer: bytes) -> int:
    """Return where the table ``Schema`` is in a flatbuffer ``Message`` of Arrow's Message.fbs."""
    (root,) = struct.unpack_from("<I", flatbuffer, 0)
    (back,) = struct.unpack_from("<i", flatbuffer, root)
    header_field = 4 + 2 * 2  # version, header_type, header
    (field,) = struct.unpack_from("<H", flatbuffer, root - back + header_field)
    (offset,) = struct.unpack_from("<I", flatbuffer, root + field)
    return int(root + field + offset)

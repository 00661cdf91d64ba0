"""The ZIP archive around a workbook (ECMA-376 part 2), written from front to back.

A sheet is written before its size and checksum are known, so they follow it in a data descriptor
(APPNOTE 4.3.9) and are in the directory. Excel takes a sheet of more than 4 GiB of XML only if the
header before it, which has no ZIP64 field, asks for version 4.5, and it "repairs" files that use
ZIP64 where they need not (https://rzymek.github.io/post/excel-zip64): so every sheet asks for 4.5,
and ZIP64 fields are written only for what is too large without.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export import memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from progresswidget.export.writers import Piece

LEVEL: Final = 1
"""The level of isal: 0 makes files a quarter larger, 2 and 3 hardly smaller ones for more time."""
STEP: Final = 256 * 2**10
"""Bytes that are deflated at a time. isal puts what comes out into a buffer that grows by twofold;
a large one is moved to new memory each time, and the GIL was held for most of a millisecond. What
is gathered by Arrow grows without it, and its memory is not given back to the system each time."""
DEFLATE: Final = 8
DEFAULT_VERSION: Final = 20
ZIP64_VERSION: Final = 45
DESCRIPTOR_FOLLOWS: Final = 8
DAY: Final = 0x21
"""The first of January 1980: a file must not depend on when it was written."""
LARGEST: Final = 0xFFFF_FFFF
MOST_ENTRIES: Final = 0xFFFF
_BLOCK: Final = struct.Struct("<IQQ")


@dataclass(frozen=True, slots=True)
class Block:
    """Some deflated bytes that end at a byte, so that others may follow.

    Parameters
    ----------
    crc
        CRC-32 of what was deflated.
    packed, size
        Bytes after and before.
    """

    crc: int = 0
    packed: int = 0
    size: int = 0

    def __add__(self, other: Block) -> Block:
        """Return the block that both are, one after the other."""
        from isal import isal_zlib

        crc = isal_zlib.crc32_combine(self.crc, other.crc, other.size)
        return Block(crc, self.packed + other.packed, self.size + other.size)

    def dump(self) -> bytes:
        """Return it as bytes."""
        return _BLOCK.pack(self.crc, self.packed, self.size)

    @classmethod
    def load(cls, data: bytes) -> Block:
        """Return what `dump` has made bytes of."""
        return cls(*_BLOCK.unpack(data))


@dataclass(frozen=True, slots=True)
class Entry:
    """A part of the package that is in the file.

    Parameters
    ----------
    name
        Its path in the archive, ASCII.
    offset
        Where its header begins.
    content
        What it consists of.
    streamed
        Whether its size was unknown when its header was written.
    """

    name: str
    offset: int
    content: Block
    streamed: bool


def deflate(blocks: Iterable[Any], *, last: bool = False) -> tuple[memoryview, Block]:
    """Deflate some bytes so that others can follow, or end the stream (RFC 1951).

    What comes out is the same wherever the bytes are cut into blocks.
    """
    import pyarrow as pa
    from isal import isal_zlib

    stream = isal_zlib.compressobj(LEVEL, wbits=-15)
    gathered = pa.BufferOutputStream(memory.pool())
    rest, crc, size = b"", 0, 0
    for block in blocks:
        view = memoryview(block)
        crc, size = isal_zlib.crc32(view, crc), size + len(view)
        if rest:
            more = STEP - len(rest)
            rest, view = b"".join((rest, view[:more])), view[more:]
            if len(rest) < STEP:
                continue
            gathered.write(stream.compress(rest))
        end = len(view) // STEP * STEP
        for at in range(0, end, STEP):
            gathered.write(stream.compress(view[at : at + STEP]))
        rest = bytes(view[end:])
    gathered.write(stream.compress(rest))
    gathered.write(stream.flush(isal_zlib.Z_FINISH if last else isal_zlib.Z_SYNC_FLUSH))
    packed = memoryview(gathered.getvalue())
    return packed, Block(crc, len(packed), size)


def part(name: str, text: str, offset: int) -> tuple[list[Piece], Entry]:
    """Return a small part as it is in the file, its header included."""
    packed, content = deflate([text.encode()], last=True)
    header = struct.pack(
        "<4sHHHHHIIIHH",
        b"PK\x03\x04",
        DEFAULT_VERSION,
        0,
        DEFLATE,
        0,
        DAY,
        content.crc,
        content.packed,
        content.size,
        len(name),
        0,
    )
    return [header + name.encode("ascii"), packed], Entry(name, offset, content, streamed=False)


def streamed_header(name: str) -> bytes:
    """Return what stands before a part whose size nobody knows yet."""
    fixed = (ZIP64_VERSION, DESCRIPTOR_FOLLOWS, DEFLATE, 0, DAY, 0, 0, 0, len(name), 0)
    return struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", *fixed) + name.encode("ascii")


def descriptor(content: Block) -> bytes:
    """Return what stands behind such a part (APPNOTE 4.3.9)."""
    wide = max(content.packed, content.size) > LARGEST
    layout = "<4sIQQ" if wide else "<4sIII"
    return struct.pack(layout, b"PK\x07\x08", content.crc, content.packed, content.size)


def directory(entries: Sequence[Entry], offset: int) -> bytes:
    """Return the central directory, which goes to `offset` and ends the file."""
    records = b"".join(map(_record, entries))
    count, size = len(entries), len(records)
    ending = b""
    if offset > LARGEST or count > MOST_ENTRIES:
        # APPNOTE 4.3.14 and 4.3.15: the ZIP64 end of the directory and its locator.
        fixed = (44, ZIP64_VERSION, ZIP64_VERSION, 0, 0, count, count, size, offset)
        ending = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", *fixed)
        ending += struct.pack("<4sIQI", b"PK\x06\x07", 0, offset + size, 1)
    count = min(count, MOST_ENTRIES)
    ending += struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, size, min(offset, LARGEST), 0
    )
    return records + ending


def _record(entry: Entry) -> bytes:
    values = (entry.content.size, entry.content.packed, entry.offset)
    wide = [value for value in values if value >= LARGEST]
    # APPNOTE 4.5.3: only what does not fit, in this order.
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    size, packed, offset = (min(value, LARGEST) for value in values)
    version = ZIP64_VERSION if wide else DEFAULT_VERSION
    fixed = struct.pack(
        "<4sHHHHHHIIIHHHHHII",
        b"PK\x01\x02",
        ZIP64_VERSION,
        version,
        DESCRIPTOR_FOLLOWS if entry.streamed else 0,
        DEFLATE,
        0,
        DAY,
        entry.content.crc,
        packed,
        size,
        len(entry.name),
        len(extra),
        0,
        0,
        0,
        0,
        offset,
    )
    return fixed + entry.name.encode("ascii") + extra

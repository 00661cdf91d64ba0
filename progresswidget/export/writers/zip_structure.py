"""Records of a ZIP file: APPNOTE 6.3.10, and WinZip's AE-2 for what is encrypted."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import Final

STORED: Final = 0
DEFLATED: Final = 8
AES: Final = 99
"""The method of an entry whose extra field tells the real one."""

LIMIT: Final = 0xFFFFFFFF
"""From here on a size or an offset takes 64 bits."""
MAX_ENTRIES: Final = 0xFFFF
ROOM: Final = 2**28
"""What deflate and encryption may add to the bytes of an entry of known size."""

_ENCRYPTED: Final = 1 << 0
_SIZES_FOLLOW: Final = 1 << 3
_UTF8: Final = 1 << 11
_UNIX: Final = 3 << 8
_FILE: Final = 0o100000
_FOLDER: Final = 0o040000
_FIRST_DAY: Final = (1 << 5) | 1
"""1980-01-01, before which a ZIP knows no time."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of an entry before its bytes.

    Parameters
    ----------
    name
        The name, UTF-8.
    method
        `STORED` or `DEFLATED`.
    wide
        Whether the sizes after the bytes have 64 bits.
    encrypted
        Whether the bytes are encrypted with AES-256.
    modified
        When it was changed last, in seconds since 1970, or None.
    mode
        Its permissions.
    folder
        Whether it is a folder.
    """

    name: bytes
    method: int
    wide: bool
    encrypted: bool = False
    modified: int | None = None
    mode: int = 0o644
    folder: bool = False

    @property
    def version(self) -> int:
        """The version of the specification that a reader needs (section 4.4.3)."""
        if self.encrypted:
            return 51
        return 45 if self.wide else 20

    def common(self) -> bytes:
        """Return the fields that both headers have, up to the method and the time."""
        flags = _UTF8 | _SIZES_FOLLOW | (_ENCRYPTED if self.encrypted else 0)
        method = AES if self.encrypted else self.method
        return struct.pack("<HHHHH", self.version, flags, method, *dos_time(self.modified))

    def extra(self) -> bytes:
        """Return the extra fields that both headers have."""
        extra = b""
        if self.modified is not None and -(2**31) <= self.modified < 2**31:
            extra += struct.pack("<HHBi", 0x5455, 5, 1, self.modified)
        if self.encrypted:
            extra += struct.pack("<HHH2sBH", 0x9901, 7, 2, b"AE", 3, self.method)
        return extra


@dataclass(frozen=True, slots=True)
class Written:
    """An entry that is in the file: its header, where that is, and what was told after it."""

    header: Header
    offset: int
    crc: int
    packed: int
    size: int


def dos_time(moment: int | None) -> tuple[int, int]:
    """Return the time and date of section 4.4.6, which are local and have two-second steps."""
    if moment is None:
        return 0, _FIRST_DAY
    local = time.localtime(moment)
    if not 1980 <= local.tm_year <= 2107:  # noqa: PLR2004 - seven bits
        return 0, _FIRST_DAY
    day = (local.tm_year - 1980) << 9 | local.tm_mon << 5 | local.tm_mday
    return local.tm_hour << 11 | local.tm_min << 5 | min(local.tm_sec, 59) // 2, day


def is_wide(total: int | None) -> bool:
    """Say whether an entry of `total` bytes, or of nobody knows how many, gets wide sizes."""
    return total is None or total >= LIMIT - ROOM


def local_header(header: Header) -> bytes:
    """Return the header before the bytes (section 4.3.7); checksum and sizes come after them."""
    extra = struct.pack("<HHQQ", 1, 16, 0, 0) if header.wide else b""
    extra += header.extra()
    size = LIMIT if header.wide else 0
    lengths = struct.pack("<IIIHH", 0, size, size, len(header.name), len(extra))
    return b"PK\x03\x04" + header.common() + lengths + header.name + extra


def descriptor(entry: Written) -> bytes:
    """Return what follows the bytes (section 4.3.9)."""
    layout = "<4sIQQ" if entry.header.wide else "<4sIII"
    return struct.pack(layout, b"PK\x07\x08", entry.crc, entry.packed, entry.size)


def central_header(entry: Written) -> bytes:
    """Return the entry's record in the central directory (section 4.3.12)."""
    header = entry.header
    numbers = (entry.size, entry.packed, entry.offset)
    large = [number for number in numbers if number >= LIMIT]
    wide = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    extra = wide + header.extra()
    version = max(header.version, 45 if large else 20)
    size, packed, offset = (min(number, LIMIT) for number in numbers)
    kind = _FOLDER | 0o111 if header.folder else _FILE
    attributes = (kind | header.mode) << 16 | (0x10 if header.folder else 0)
    return b"".join(
        (
            b"PK\x01\x02",
            struct.pack("<HH", _UNIX | version, version),
            header.common()[2:],
            struct.pack("<III", entry.crc, packed, size),
            struct.pack("<HHHHHII", len(header.name), len(extra), 0, 0, 0, attributes, offset),
            header.name,
            extra,
        )
    )


def end_records(entries: int, size: int, offset: int) -> bytes:
    """Return what ends the file (sections 4.3.14 to 4.3.16).

    Parameters
    ----------
    entries
        How many there are.
    size, offset
        The bytes of the central directory, and where it begins.
    """
    wide = b""
    if entries >= MAX_ENTRIES or size >= LIMIT or offset >= LIMIT:
        wide = struct.pack(
            "<4sQHHIIQQQQ", b"PK\x06\x06", 44, _UNIX | 45, 45, 0, 0, entries, entries, size, offset
        ) + struct.pack("<4sIQI", b"PK\x06\x07", 0, offset + size, 1)
    count = min(entries, MAX_ENTRIES)
    return wide + struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, min(size, LIMIT), min(offset, LIMIT), 0
    )

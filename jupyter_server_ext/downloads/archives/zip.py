"""ZIP, stored. Source: APPNOTE.TXT 6.3.10 by PKWARE; section numbers are its own."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jupyter_server_ext.downloads.archives import Entry

# Section 4.4.4: bit 3, the CRC comes after the bytes; bit 11, names are UTF-8.
_FLAGS: Final = 1 << 3 | 1 << 11
_MADE_BY_UNIX: Final = 3 << 8
_VERSION: Final = 20
_VERSION_64: Final = 45
_MAX_32: Final = 0xFFFFFFFF
_MAX_16: Final = 0xFFFF
_FOLDER: Final = 0o040000
_FILE: Final = 0o100000
_DOS_FOLDER: Final = 0x10


class ZipPacking:
    """A `Packing` that every reader takes: names in UTF-8, times in UTC too, large files."""

    def __init__(self) -> None:
        self._offset = 0
        self._start = 0
        self._directory = bytearray()
        self._count = 0

    def head(self, entry: Entry) -> bytes:
        """Return the local file header (section 4.3.7)."""
        name, large = entry.name.encode(), entry.size >= _MAX_32
        # Section 4.4.4: sizes are zero here and told behind the bytes. Where those have 64 bits, an
        # extra field says so beforehand (section 4.3.9.2).
        size = _MAX_32 if large else 0
        extra = _times(entry) + (struct.pack("<HHQQ", 1, 16, 0, 0) if large else b"")
        head = struct.pack(
            "<4s5H3L2H",
            b"PK\3\4",
            _VERSION_64 if large else _VERSION,
            _FLAGS,
            0,
            *_dos_time(entry.modified),
            0,
            size,
            size,
            len(name),
            len(extra),
        )
        self._start = self._offset
        data = head + name + extra
        self._offset += len(data) + entry.size
        return data

    def tail(self, entry: Entry, crc: int) -> bytes:
        """Return the data descriptor (section 4.3.9)."""
        form = "<4sLQQ" if entry.size >= _MAX_32 else "<4sLLL"
        data = struct.pack(form, b"PK\7\x08", crc, entry.size, entry.size)
        self._offset += len(data)
        self._directory += self._record(entry, crc)
        self._count += 1
        return data

    def end(self) -> bytes:
        """Return the central directory and its end (sections 4.3.12 to 4.3.16)."""
        size, start, count = len(self._directory), self._offset, self._count
        large = b""
        if max(size, start) >= _MAX_32 or count >= _MAX_16:
            versions = (_MADE_BY_UNIX | _VERSION_64, _VERSION_64)
            large = struct.pack(
                "<4sQ2H2L4Q", b"PK\6\6", 44, *versions, 0, 0, count, count, size, start
            ) + struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
        counts = min(count, _MAX_16)
        last = struct.pack(
            "<4s4H2LH",
            b"PK\5\6",
            0,
            0,
            counts,
            counts,
            min(size, _MAX_32),
            min(start, _MAX_32),
            0,
        )
        return bytes(self._directory) + large + last

    def _record(self, entry: Entry, crc: int) -> bytes:
        # Section 4.5.3: those numbers that do not fit, in this order, and no others.
        numbers = [entry.size, entry.size, self._start]
        large = [number for number in numbers if number >= _MAX_32]
        extra = _times(entry)
        if large:
            extra += struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large)
        name = entry.name.encode()
        version = _VERSION_64 if large else _VERSION
        kind = _FOLDER if entry.is_folder else _FILE
        attributes = (kind | entry.mode) << 16 | (_DOS_FOLDER if entry.is_folder else 0)
        record = struct.pack(
            "<4s6H3L5H2L",
            b"PK\1\2",
            _MADE_BY_UNIX | version,
            version,
            _FLAGS,
            0,
            *_dos_time(entry.modified),
            crc,
            min(entry.size, _MAX_32),
            min(entry.size, _MAX_32),
            len(name),
            len(extra),
            0,
            0,
            0,
            attributes,
            min(self._start, _MAX_32),
        )
        return record + name + extra


def _dos_time(seconds: int) -> tuple[int, int]:
    # Section 4.4.6. The format knows no zone; the field below holds the exact time for whoever
    # reads it. 1980 to 2107 is all that fits.
    at = datetime.fromtimestamp(min(max(seconds, 315_532_800), 4_354_819_198), UTC)
    time = at.hour << 11 | at.minute << 5 | at.second // 2
    return time, (at.year - 1980) << 9 | at.month << 5 | at.day


def _times(entry: Entry) -> bytes:
    # Info-ZIP's "extended timestamp" (proginfo/extrafld.txt): modified only, signed, in UTC.
    seconds = min(max(entry.modified, -(2**31)), 2**31 - 1)
    return struct.pack("<HHBl", 0x5455, 5, 1, seconds)

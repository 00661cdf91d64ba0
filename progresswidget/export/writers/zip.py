"""ZIP archives (APPNOTE 6.3.10), written as a stream.

A unit of an entry is deflated on its own and ends with a full flush, so that units can be deflated
side by side and follow one another in one stream (RFC 1951); its checksum goes into that of the
entry by arithmetic on the lengths. Sizes and checksum stand behind the bytes of an entry. Times of
frames are 1980-01-01: the same data gives the same file.

A later run goes on in the middle of an entry, or behind the last one that stands as a whole where
the entry is of a format that can only be begun again.

With a password entries are encrypted with AES-256 as WinZip specifies (AE-2), with salts that are
new each time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import SourceChangedError
from progresswidget.export.entries import ENTRY_OPTIONS
from progresswidget.export.options import Option
from progresswidget.export.writers import ArchiveWriter, Encoded, Entry, Heading, Placed
from progresswidget.export.writers import zip_structure as structure
from progresswidget.export.writers.archived import adopt, make_inner
from progresswidget.export.writers.zip_bytes import (
    LAST_BLOCK,
    Cipher,
    deflate,
    import_aes,
    size,
    sums,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from progresswidget.export.writers import Piece

PACKED: Final = frozenset(
    (  # noqa: SIM905 - a list of one a line says no more
        ".7z .aac .age .avif .br .bz2 .docx .epub .flac .gif .gz .heic .jar .jpeg .jpg .lz4 .m4a "
        ".mkv .mov .mp3 .mp4 .ods .odt .ogg .opus .orc .parquet .png .pptx .pq .rar .tgz .webm "
        ".webp .whl .woff .woff2 .xlsb .xlsx .xz .zip .zst"
    ).split()
)
"""Endings of what is compressed already and is stored as it is."""
_NOTE: Final = struct.Struct("<IQ")
_WHOLE: Final = struct.Struct("<IQQ")
"""Of an entry that stands as a whole: its checksum, and its sizes packed and unpacked."""


def _check_level(value: int | None) -> str | None:
    return None if value is None or 0 <= value <= 9 else "must be 0 to 9"  # noqa: PLR2004


def _check_password(value: str | None) -> str | None:
    return None if value is None or value else "must not be empty"


class ZipWriter(ArchiveWriter):
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
    MissingExtraError
        If a password is given and pycryptodomex is not installed.
    """

    OPTIONS = (
        Option(
            "compression",
            (str,),
            "deflate",
            "Whether entries are compressed; those that are already never are again.",
            choices=("deflate", "stored"),
        ),
        Option(
            "compression_level",
            (int, type(None)),
            None,
            "From 0 to 9: more is smaller, and from 4 on much slower.",
            check=_check_level,
        ),
        Option(
            "password",
            (str, type(None)),
            None,
            "Encrypts the entries with AES-256; their names can be read without it.",
            check=_check_password,
            secret=True,
        ),
        *ENTRY_OPTIONS,
    )

    workers = 3

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        level = options["compression_level"]
        self._level: int = 1 if level is None else level
        self._deflates = options["compression"] == "deflate"
        self._password: str | None = options["password"]
        if self._password is not None:
            import_aes()
        self._headers = [self._header(heading) for heading in headings]
        self._inner = [make_inner(heading) for heading in headings]
        self.resumable = self._password is None
        self._whole = [inner is not None and not inner.resumable for inner in self._inner]
        self._sealing: dict[tuple[int, int], Sequence[Piece]] = {}
        self._lock = Lock()
        self._open = _Open(0, 0)
        self._written: list[structure.Written] = []

    def attach(self, path: Path) -> None:
        """Tell the writers of the entries a name that begins like that of the file."""
        for place, inner in enumerate(self._inner):
            if inner is not None:
                inner.attach(path.with_name(f"{path.name}.{place}"))

    def begin(self, section: int, offset: int) -> Sequence[Piece]:
        """Return the local header, and the head of the entry's own format."""
        inner = self._inner[section]
        adopt(self, inner)
        header = structure.local_header(self._headers[section])
        self._open = _Open(offset, offset + len(header))
        pieces: list[Piece] = [header]
        if self._headers[section].encrypted and self._password is not None:
            self._open.cipher = Cipher(self._password)
            pieces += self._open.cipher.start()
        if inner is not None:
            pieces += self._add(section, inner.head())
            pieces += self._add(section, inner.begin(0, self._open.size))
        return pieces

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return a unit of the entry's own format, deflated."""
        inner = self._inner[section]
        if inner is None:
            raise AssertionError
        unit = inner.encode(batches, start, 0)
        return self._pack(unit.pieces, unit.note, start, section)

    def encode_bytes(self, chunk: bytes, start: int, section: int) -> Encoded:
        """Return some bytes, deflated."""
        return self._pack([chunk], b"", start, section)

    def follow(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Take the unit into the sums; return what its own format has to say behind it."""
        unit, entry = units[-1], self._open
        crc, size = _NOTE.unpack_from(unit.note)
        entry.count(crc, size)
        entry.units.append(Placed(0, unit.rows, entry.size - size, size, unit.note[_NOTE.size :]))
        with self._lock:
            waiting = self._sealing.pop((unit.section, entry.rows), ())
        entry.rows += unit.rows
        pieces = self._sealed(waiting)
        inner = self._inner[unit.section]
        if inner is not None:
            pieces += self._add(unit.section, inner.follow(entry.units, entry.size))
        return pieces

    def end(self, section: int, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the rest of the entry's own format, and the data descriptor."""
        header, inner, entry = self._headers[section], self._inner[section], self._open
        pieces: list[Piece] = []
        if inner is not None:
            pieces += self._add(section, inner.end(0, entry.units, entry.size))
            pieces += self._add(section, inner.tail(entry.units, entry.size))
            inner.close()
            self._inner[section] = None
        if header.method == structure.DEFLATED:
            pieces += self._sealed([LAST_BLOCK])
        if entry.cipher is not None:
            pieces.append(entry.cipher.finish())
        packed = offset + size(pieces) - entry.data
        # AE-2 tells no checksum: the code behind the bytes is the stronger one.
        crc = 0 if header.encrypted else entry.crc
        written = structure.Written(header, entry.offset, crc, packed, entry.size)
        if not header.wide and max(packed, entry.size) >= structure.LIMIT:
            raise SourceChangedError(
                f"{header.name.decode()!r} became much larger while it was read.",
                "Run the export again when nothing writes to it.",
            )
        self._written.append(written)
        pieces.append(structure.descriptor(written))
        return pieces

    def gathers(self, section: int) -> bool:
        """Say whether the entry's own format cannot be gone on with in its middle."""
        return self._whole[section]

    def gathered(self, section: int) -> bytes:
        """Return what the central directory tells of an entry."""
        written = self._written[-1]
        return _WHOLE.pack(written.crc, written.packed, written.size)

    def stands(self, section: int, note: bytes) -> None:
        """Take an entry into the central directory."""
        crc, packed, size = _WHOLE.unpack(note)
        header, offset = self._headers[section], self._open.offset
        self._written.append(structure.Written(header, offset, crc, packed, size))
        inner, self._inner[section] = self._inner[section], None
        if inner is not None:
            inner.close()

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the central directory and what ends it."""
        directory = b"".join(structure.central_header(entry) for entry in self._written)
        end = structure.end_records(len(self._written), len(directory), offset)
        return [directory, end]

    def close(self) -> None:
        """Close the writers of the entries."""
        for inner in self._inner:
            if inner is not None:
                inner.close()

    def _header(self, heading: Heading) -> structure.Header:
        entry = heading.entry or Entry()
        name = heading.name.lower()
        packed = name[name.rfind(".") :] in PACKED if "." in name else False
        plain = entry.folder or packed or not self._deflates
        return structure.Header(
            heading.name.encode(),
            structure.STORED if plain else structure.DEFLATED,
            structure.is_wide(None if heading.schema is not None else heading.total),
            self._password is not None and not entry.folder,
            entry.modified,
            entry.mode,
            entry.folder,
        )

    def _pack(self, pieces: Sequence[Piece], note: bytes, start: int, section: int) -> Encoded:
        crc, size = sums(pieces)
        header = self._headers[section]
        if header.method == structure.DEFLATED:
            pieces = deflate(pieces, self._level)
        note = _NOTE.pack(crc, size) + note
        if not header.encrypted:
            return Encoded(pieces, note)
        # Encryption goes on from byte to byte, so it waits for `follow`, which keeps the order.
        with self._lock:
            self._sealing[section, start] = pieces
        return Encoded((), note)

    def _add(self, section: int, pieces: Iterable[Piece]) -> list[Piece]:
        """Return bytes outside the units as they are in the file."""
        pieces = list(pieces)
        crc, size = sums(pieces)
        if not size:
            return []
        self._open.count(crc, size)
        if self._headers[section].method == structure.DEFLATED:
            pieces = deflate(pieces, self._level)
        return self._sealed(pieces)

    def _sealed(self, pieces: Sequence[Piece]) -> list[Piece]:
        cipher = self._open.cipher
        return list(pieces) if cipher is None else [cipher.encrypt(piece) for piece in pieces]


@dataclass(slots=True)
class _Open:
    """The entry that is being written; what is said of its bytes is said of them unpacked."""

    offset: int
    data: int
    crc: int = 0
    size: int = 0
    rows: int = 0
    units: list[Placed] = field(default_factory=list)
    cipher: Cipher | None = None

    def count(self, crc: int, size: int) -> None:
        from isal import isal_zlib

        self.crc = isal_zlib.crc32_combine(self.crc, crc, size)
        self.size += size

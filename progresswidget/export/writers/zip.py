"""ZIP archives (APPNOTE 6.3.10), written as a stream.

A unit of an entry is deflated on its own and ends with a full flush, so that units can be deflated
side by side and follow one another in one stream (RFC 1951); its checksum goes into that of the
entry by arithmetic on the lengths. Sizes and checksum stand behind the bytes of an entry. Times of
frames are 1980-01-01: the same data gives the same file.

With a password entries are encrypted with AES-256 as WinZip specifies (AE-2), with salts that are
new each time.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

from progresswidget.errors import MissingExtraError, OptionError, SourceChangedError
from progresswidget.export.entries import ENTRY_OPTIONS
from progresswidget.export.options import Option
from progresswidget.export.writers import Encoded, Entry, Heading, Placed, Writer
from progresswidget.export.writers import zip_structure as structure

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
FASTEST_ZLIB: Final = 4
"""The lowest level that is zlib's; ISA-L has 0 to 3 and is several times as fast."""
LAST_BLOCK: Final = b"\x03\x00"
"""The empty block that ends a deflate stream."""
_NOTE: Final = struct.Struct("<IQ")


def _check_level(value: int | None) -> str | None:
    return None if value is None or 0 <= value <= 9 else "must be 0 to 9"  # noqa: PLR2004


def _check_password(value: str | None) -> str | None:
    return None if value is None or value else "must not be empty"


class ZipWriter(Writer):
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
            _import_aes()
        self._headers = [self._header(heading) for heading in headings]
        self._totals = [heading.total for heading in headings]
        self._inner = [make_inner(heading) for heading in headings]
        self.resumable = self._password is None and all(
            inner.resumable for inner in self._inner if inner is not None
        )
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
            self._open.cipher = _Cipher(self._password)
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
        packed = offset + _size(pieces) - entry.data
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
        crc, size = _sums(pieces)
        header = self._headers[section]
        if header.method == structure.DEFLATED:
            pieces = _deflate(pieces, self._level)
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
        crc, size = _sums(pieces)
        if not size:
            return []
        self._open.count(crc, size)
        if self._headers[section].method == structure.DEFLATED:
            pieces = _deflate(pieces, self._level)
        return self._sealed(pieces)

    def _sealed(self, pieces: Sequence[Piece]) -> list[Piece]:
        cipher = self._open.cipher
        return list(pieces) if cipher is None else [cipher.encrypt(piece) for piece in pieces]


def make_inner(heading: Heading) -> Writer | None:
    """Return the writer of an entry that is a frame."""
    if heading.schema is None or heading.entry is None or heading.entry.format is None:
        return None
    name = heading.name.rpartition("/")[2].partition(".")[0] or heading.name
    within = Heading(name, heading.schema, heading.total)
    inner = heading.entry.format.make([within], heading.entry.options)
    if inner.writes_itself:
        inner.close()
        raise OptionError(
            f"{heading.name!r}: archives cannot hold {heading.entry.format.name} directly.",
            "Export it to a file of its own, and put the path of that into the archive.",
        )
    return inner


def adopt(outer: Writer, inner: Writer | None) -> None:
    """Let units be cut and encoded as the writer of the entry wants it."""
    like = type(outer) if inner is None else inner
    outer.unit_rows, outer.unit_bytes = like.unit_rows, like.unit_bytes
    outer.unit_patience, outer.least_rows = like.unit_patience, like.least_rows
    outer.workers = like.workers


@dataclass(slots=True)
class _Open:
    """The entry that is being written; what is said of its bytes is said of them unpacked."""

    offset: int
    data: int
    crc: int = 0
    size: int = 0
    rows: int = 0
    units: list[Placed] = field(default_factory=list)
    cipher: _Cipher | None = None

    def count(self, crc: int, size: int) -> None:
        from isal import isal_zlib

        self.crc = isal_zlib.crc32_combine(self.crc, crc, size)
        self.size += size


def _sums(pieces: Iterable[Piece]) -> tuple[int, int]:
    from isal import isal_zlib

    crc = size = 0
    for piece in pieces:
        crc = isal_zlib.crc32(piece, crc)
        size += memoryview(piece).nbytes
    return crc, size


def _size(pieces: Iterable[Piece]) -> int:
    return sum(memoryview(piece).nbytes for piece in pieces)


class _Compressor(Protocol):
    def compress(self, data: Piece, /) -> bytes: ...
    def flush(self, mode: int = ..., /) -> bytes: ...


def _deflate(pieces: Iterable[Piece], level: int) -> list[Piece]:
    """Return a part of a deflate stream, to which any other part can be joined."""
    from isal import isal_zlib

    compressor: _Compressor = (
        zlib.compressobj(level, zlib.DEFLATED, -15)
        if level >= FASTEST_ZLIB
        else isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)
    )
    packed = [compressor.compress(piece) for piece in pieces]
    packed.append(compressor.flush(zlib.Z_FULL_FLUSH))
    return [piece for piece in packed if piece]


def _import_aes() -> Any:
    try:
        from Cryptodome.Cipher import AES
    except ImportError:
        raise MissingExtraError(
            "A password needs pycryptodomex.", "pip install 'progresswidget[zip-aes]'"
        ) from None
    return AES


class _Cipher:
    """AES-256 in counter mode with HMAC-SHA1, as WinZip's AE-2 has it."""

    def __init__(self, password: str) -> None:
        import hashlib
        import hmac
        import secrets

        from Cryptodome.Util import Counter

        aes = _import_aes()
        self._salt = secrets.token_bytes(16)
        keys = hashlib.pbkdf2_hmac("sha1", password.encode("utf-8"), self._salt, 1000, 66)
        counter = Counter.new(128, initial_value=1, little_endian=True)
        self._aes = aes.new(keys[:32], aes.MODE_CTR, counter=counter)
        self._code = hmac.new(keys[32:64], digestmod="sha1")
        self._check = keys[64:]

    def start(self) -> list[bytes]:
        """Return what stands before the encrypted bytes."""
        return [self._salt, self._check]

    def encrypt(self, piece: Piece) -> bytes:
        """Return the next bytes, encrypted."""
        encrypted: bytes = self._aes.encrypt(piece)
        self._code.update(encrypted)
        return encrypted

    def finish(self) -> bytes:
        """Return what stands after them."""
        return self._code.digest()[:10]

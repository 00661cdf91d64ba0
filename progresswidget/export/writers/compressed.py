"""Text formats with a compression around them: each unit is a member, frame or stream of its own.

Concatenated gzip members (RFC 1952 section 2.2), zstd frames (RFC 8878 section 3), bzip2 streams
and xz streams are one valid file each. So units can be compressed side by side and a file can be
continued after any of them.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import OptionError
from progresswidget.export import wanted
from progresswidget.export.options import Option
from progresswidget.export.writers import ArchiveWriter, Emission, Encoded, Writer
from progresswidget.export.writers.buffers import Rooms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from progresswidget.export.writers import Piece, Placed
    from progresswidget.export.writers.buffers import Room


@dataclass(frozen=True, slots=True)
class Codec:
    """A compression of whole files.

    Parameters
    ----------
    name
        What users call it.
    media_type
        The type of a compressed file.
    compress
        Makes a complete member of some bytes.
    levels
        The lowest and the highest level.
    default
        The level if the caller gives none.
    """

    name: str
    media_type: str
    compress: Callable[[Piece, int], bytes] = field(repr=False)
    levels: tuple[int, int] = (1, 9)
    default: int = 1


def _gzip(data: Piece, level: int) -> bytes:
    if level > ISAL_LEVELS:
        return gzip.compress(data, level, mtime=0)
    from isal import igzip

    compressed: bytes = igzip.compress(data, level, mtime=0)
    return compressed


def _zstd(data: Piece, level: int) -> bytes:
    import pyarrow as pa

    codec = pa.Codec("zstd", level)
    # A frame tells its size, so that any reader can unpack it, and pyarrow makes such ones at once.
    size = len(data) if level < SLOW_ZSTD else FRAME
    return b"".join(codec.compress(part, asbytes=True) for part in _parts(data, size))


def _xz(data: Piece, level: int) -> bytes:
    return _in_parts(lzma.LZMACompressor(preset=level), data)


def _bzip2(data: Piece, level: int) -> bytes:
    return _in_parts(bz2.BZ2Compressor(level), data)


def _in_parts(compressor: lzma.LZMACompressor | bz2.BZ2Compressor, data: Piece) -> bytes:
    done = [compressor.compress(part) for part in _parts(data, PART)]
    return b"".join([*done, compressor.flush()])


def _parts(data: Piece, size: int) -> Iterator[memoryview]:
    """Yield what is compressed in one go, as long as the whole is wanted."""
    whole = memoryview(data)
    for start in range(0, max(len(data), 1), max(size, 1)):
        wanted.check()
        yield whole[start : start + size]


PART: Final = 2**20
"""Bytes of a call of xz and bzip2, which do not show in what comes out."""
FRAME: Final = 2 * 2**20
"""Bytes in a frame of a slow level of zstd: a second or two, and 0.7 % of the size at most.

Unless the data repeats itself after megabytes, which only a longer frame would see.
"""
SLOW_ZSTD: Final = 13
"""The lowest level of zstd that packs less than ten megabytes a second."""
ISAL_LEVELS: Final = 3
"""The highest level of isal, which is many times as fast as zlib; that one goes on."""

CODECS: Final[dict[str, Codec]] = {
    ".gz": Codec("gzip", "application/gzip", _gzip, (0, 9)),
    ".zst": Codec("zstd", "application/zstd", _zstd, (1, 22)),
    ".bz2": Codec("bzip2", "application/x-bzip2", _bzip2, default=9),
    # Level 6, which xz itself takes, needs 100 MB for each thread and three times as long.
    ".xz": Codec("xz", "application/x-xz", _xz, (0, 9), default=2),
}

OPTIONS: Final = (
    Option(
        "compression_level",
        (int, type(None)),
        None,
        "The level of the compression: gzip and xz 0 to 9, bzip2 1 to 9, zstd 1 to 22; "
        "more is smaller and slower.",
    ),
)


class CompressedWriter(Writer):
    """Compress what another writer encodes.

    Parameters
    ----------
    inner
        The writer of the format within.
    codec
        The compression.
    options
        Values of `OPTIONS`.

    Raises
    ------
    OptionError
        If the codec has no such level.
    """

    def __init__(self, inner: Writer, codec: Codec, options: Mapping[str, Any]) -> None:
        self._inner = inner
        self._codec = codec
        self._rooms = Rooms()
        wanted: int | None = options["compression_level"]
        self._level = codec.default if wanted is None else wanted
        lowest, highest = codec.levels
        if not lowest <= self._level <= highest:
            inner.close()
            raise OptionError(
                f"{codec.name} has no compression_level {self._level}.",
                f"There are {lowest} to {highest}; by default {codec.default}.",
            )
        self.resumable, self.spools = inner.resumable, inner.spools
        self._measure()

    def attach(self, path: Path) -> None:
        """Tell the inner writer."""
        self._inner.attach(path)

    def head(self) -> Sequence[Piece]:
        """Return the compressed head."""
        return self._compressed(self._inner.head())

    def begin(self, section: int, offset: int) -> Sequence[Piece]:
        """Return the compressed beginning; an archive cuts units as the entry's writer does."""
        pieces = self._inner.begin(section, offset)
        self._measure()
        return self._compressed(pieces)

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return one unit as a member."""
        made = self._inner.prepare(batches, start, section)
        if not isinstance(made, Emission):
            return Encoded(self._compressed(made.pieces), made.note)
        with self._rooms.one() as room:
            made.write(room)
            return Encoded(self._packed(room))

    def follow(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the compressed bytes behind a unit."""
        return self._compressed(self._inner.follow(units, offset))

    def end(self, section: int, units: Sequence[Placed], offset: int) -> Iterable[Piece]:
        """Return the compressed end, piece by piece: an archive's may be large."""
        for piece in self._inner.end(section, units, offset):
            yield from self._compressed([piece])

    def gathers(self, section: int) -> bool:
        """Say whether the inner writer gathers: the members of what it gave are cut as it was."""
        return self._inner.gathers(section)

    def gathered(self, section: int) -> bytes:
        """Return what the inner writer has to know."""
        return self._inner.gathered(section)

    def stands(self, section: int, note: bytes) -> None:
        """Tell the inner writer."""
        self._inner.stands(section, note)

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the compressed tail."""
        pieces = self._compressed(self._inner.tail(units, offset))
        # No member at all would be no file of this kind.
        return pieces if pieces or offset else [self._codec.compress(b"", self._level)]

    def close(self) -> None:
        """Close the inner writer."""
        self._inner.close()

    def _measure(self) -> None:
        inner = self._inner
        self.unit_rows, self.unit_bytes = inner.unit_rows, inner.unit_bytes
        self.queried = inner.queried
        self.unit_patience, self.least_rows = inner.unit_patience, inner.least_rows
        self.workers, self.most_rows = inner.workers, inner.most_rows

    def _compressed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        with self._rooms.one() as room:
            for piece in pieces:
                room.write(piece)
            return self._packed(room)

    def _packed(self, room: Room) -> Sequence[Piece]:
        with room.taken() as data:
            return [self._codec.compress(data, self._level)] if data else []


class CompressedArchiveWriter(CompressedWriter, ArchiveWriter):
    """Compress what the writer of an archive encodes.

    The parameters and errors are those of `CompressedWriter`.
    """

    def __init__(self, inner: ArchiveWriter, codec: Codec, options: Mapping[str, Any]) -> None:
        super().__init__(inner, codec, options)
        self._archive = inner

    def encode_bytes(self, chunk: bytes, start: int, section: int) -> Encoded:
        """Return one chunk as a member."""
        inner = self._archive.encode_bytes(chunk, start, section)
        return Encoded(self._compressed(inner.pieces), inner.note)


def compressed(inner: Writer, codec: Codec, options: Mapping[str, Any]) -> Writer:
    """Return the writer that compresses what another one encodes.

    The parameters and errors are those of `CompressedWriter`.
    """
    if isinstance(inner, ArchiveWriter):
        return CompressedArchiveWriter(inner, codec, options)
    return CompressedWriter(inner, codec, options)

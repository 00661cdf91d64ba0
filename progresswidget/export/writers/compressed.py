"""Text formats with a compression around them: each unit is a member, frame or stream of its own.

Concatenated gzip members (RFC 1952 section 2.2), zstd frames (RFC 8878 section 3), bzip2 streams
and xz streams are one valid file each. So units can be compressed side by side and a file can be
continued after any of them.
"""

from __future__ import annotations

import bz2
import lzma
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.options import Option
from progresswidget.export.writers import Encoded, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from progresswidget.export.writers import Piece, Placed


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
        Makes a complete member of some bytes; the level may be None.
    """

    name: str
    media_type: str
    compress: Callable[[bytes, int | None], bytes] = field(repr=False)


def _gzip(data: bytes, level: int | None) -> bytes:
    from isal import igzip

    return igzip.compress(data, 1 if level is None else level, mtime=0)


def _zstd(data: bytes, level: int | None) -> bytes:
    import pyarrow as pa

    compressed: bytes = pa.Codec("zstd", 1 if level is None else level).compress(data, asbytes=True)
    return compressed


def _bzip2(data: bytes, level: int | None) -> bytes:
    return bz2.compress(data, 9 if level is None else level)


def _xz(data: bytes, level: int | None) -> bytes:
    return lzma.compress(data, preset=level)


CODECS: Final[dict[str, Codec]] = {
    ".gz": Codec("gzip", "application/gzip", _gzip),
    ".zst": Codec("zstd", "application/zstd", _zstd),
    ".bz2": Codec("bzip2", "application/x-bzip2", _bzip2),
    ".xz": Codec("xz", "application/x-xz", _xz),
}

OPTIONS: Final = (
    Option(
        "compression_level",
        (int, type(None)),
        None,
        "The level of the compression: more is smaller and slower.",
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
    """

    def __init__(self, inner: Writer, codec: Codec, options: Mapping[str, Any]) -> None:
        self._inner = inner
        self._codec = codec
        self._level: int | None = options["compression_level"]
        self.unit_rows, self.unit_bytes = inner.unit_rows, inner.unit_bytes
        self.unit_patience, self.least_rows = inner.unit_patience, inner.least_rows
        self.workers, self.resumable = inner.workers, inner.resumable

    def head(self) -> Sequence[Piece]:
        """Return the compressed head."""
        return self._compressed(self._inner.head())

    def begin(self, section: int, offset: int) -> Sequence[Piece]:
        """Return the compressed beginning."""
        return self._compressed(self._inner.begin(section, offset))

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return one unit as a member."""
        inner = self._inner.encode(batches, start, section)
        return Encoded(self._compressed(inner.pieces), inner.note)

    def end(self, section: int, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the compressed end."""
        return self._compressed(self._inner.end(section, units, offset))

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the compressed tail."""
        return self._compressed(self._inner.tail(units, offset))

    def close(self) -> None:
        """Close the inner writer."""
        self._inner.close()

    def _compressed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        data = b"".join(pieces)
        return [self._codec.compress(data, self._level)] if data else []

"""What becomes of the bytes of a ZIP entry: summed, deflated, encrypted."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from progresswidget.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from progresswidget.export.writers import Piece

FASTEST_ZLIB: Final = 4
"""The lowest level that is zlib's; ISA-L has 0 to 3 and is several times as fast."""
LAST_BLOCK: Final = b"\x03\x00"
"""The empty block that ends a deflate stream."""


def sums(pieces: Iterable[Piece]) -> tuple[int, int]:
    """Return the CRC-32 of some bytes, and how many they are."""
    from isal import isal_zlib

    crc = size = 0
    for piece in pieces:
        crc = isal_zlib.crc32(piece, crc)
        size += memoryview(piece).nbytes
    return crc, size


def size(pieces: Iterable[Piece]) -> int:
    """Return how many bytes they are."""
    return sum(memoryview(piece).nbytes for piece in pieces)


class _Compressor(Protocol):
    def compress(self, data: Piece, /) -> bytes: ...
    def flush(self, mode: int = ..., /) -> bytes: ...


def deflate(pieces: Iterable[Piece], level: int) -> list[Piece]:
    """Return a part of a deflate stream, to which any other part can be joined.

    The same bytes give the same part, however they are cut: an export that goes on has to end up
    with the bytes of one that was never stopped.
    """
    from isal import isal_zlib

    compressor: _Compressor = (
        zlib.compressobj(level, zlib.DEFLATED, -15)
        if level >= FASTEST_ZLIB
        else isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)
    )
    # In one call, because what ISA-L makes of its input depends on the cuts.
    packed = [compressor.compress(b"".join(pieces))]
    packed.append(compressor.flush(zlib.Z_FULL_FLUSH))
    return [piece for piece in packed if piece]


def import_aes() -> Any:
    """Return the module of the cipher.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        from Cryptodome.Cipher import AES
    except ImportError:
        raise MissingExtraError(
            "A password needs pycryptodomex.", "pip install 'progresswidget[zip-aes]'"
        ) from None
    return AES


class Cipher:
    """AES-256 in counter mode with HMAC-SHA1, as WinZip's AE-2 has it."""

    def __init__(self, password: str) -> None:
        import hashlib
        import hmac
        import secrets

        from Cryptodome.Util import Counter

        aes = import_aes()
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

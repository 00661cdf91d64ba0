"""A response on its way in: its bytes, unpacked where a server has packed them unasked."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from progresswidget.errors import TransferError
from progresswidget.transfer.wire import SMALL, Readable, body_of

if TYPE_CHECKING:
    from progresswidget.transfer.representation import Representation


@dataclass(slots=True)
class Incoming:
    """A response whose body is being read.

    Parameters
    ----------
    response
        The response.
    body
        Its body.
    at
        Which byte of the file comes next.
    end
        The first byte that does not come any more, or None if nobody knows.
    """

    response: httpx.Response
    body: Readable
    at: int
    end: int | None

    @classmethod
    def of(cls, response: httpx.Response, version: Representation, at: int = 0) -> Incoming:
        """Take a response to read its body.

        Raises
        ------
        TransferError
            If it is compressed in a way that was not asked for and is not known here.
        """
        body = body_of(response)
        if version.coding:
            return cls(response, _Decoded(body, version.coding), at, None)
        return cls(response, body, at, version.size)

    def close(self) -> None:
        """Close the response."""
        self.response.close()


class _Decoded:
    """A body that was compressed although nobody asked for it."""

    def __init__(self, body: Readable, coding: str) -> None:
        if coding not in {"gzip", "x-gzip", "deflate"}:
            raise TransferError(
                f"The server sends the file compressed as {coding!r}, which was not asked for.",
                "Ask its owner to heed Accept-Encoding: identity.",
            )
        self._body, self._raw = body, memoryview(bytearray(SMALL))
        self._decoder = _decoder()
        self._pending = b""
        self._inside = False

    def readinto(self, view: memoryview) -> int:
        while True:
            if not self._pending:
                size = self._body.readinto(self._raw)
                if not size and not self._inside:
                    return 0
                self._pending = bytes(self._raw[:size])
            ended = not self._pending
            out = self._decode(len(view))
            if out:
                view[: len(out)] = out
                return len(out)
            if ended:
                raise httpx.RemoteProtocolError("The connection was cut.")

    def _decode(self, most: int) -> bytes:
        self._inside = True
        try:
            out: bytes = self._decoder.decompress(self._pending, most)
        except zlib.error as error:
            raise TransferError(f"The file came compressed, and damaged: {error}.") from error
        self._pending = self._decoder.unconsumed_tail
        if self._decoder.eof:
            # RFC 1952 section 2.2: a file is one member or several.
            self._pending, self._inside = self._decoder.unused_data, False
            self._decoder = _decoder()
        return out


def _decoder() -> Any:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, as it comes

"""What a client of tus 1.0.0 says and understands: pure functions of header values.

Source: the tus resumable upload protocol 1.0.0 with creation, creation-defer-length and checksum
(https://tus.io/protocols/resumable-upload). The server's part is `jupyter_server_ext.tus`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "1.0.0"
CONTENT_TYPE: Final = "application/offset+octet-stream"
CHECKSUM_MISMATCH: Final = 460
"""tus' own status."""
_AGAIN: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.LOCKED,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
        CHECKSUM_MISMATCH,
    }
)


class Headers(Protocol):
    """The headers of an answer, whatever library read them."""

    def get(self, name: str, /) -> str | None:
        """Return a value by its name, in any case of letters."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means.

    Parameters
    ----------
    kind
        ``taken``; ``elsewhere``, when the upload is at another offset; ``gone``, when there is no
        such upload; ``again``, when the same may succeed later; or ``refused``.
    offset
        Where the upload is, if the answer tells.
    wait
        Seconds to wait before the next try, if the answer tells.
    """

    kind: Literal["taken", "elsewhere", "gone", "again", "refused"]
    offset: int | None = None
    wait: float | None = None


def creation(
    metadata: Mapping[str, str], *, length: int | None = None, key: str | None = None
) -> dict[str, str]:
    """Return the headers of a POST.

    Parameters
    ----------
    metadata
        Names and values; values may hold any text.
    length
        Bytes of the whole file, or None where that will be told later.
    key
        The `Idempotency-Key`: with the same one the server finds the same upload again.
    """
    pairs = (f"{name} {_base64(value.encode())}".rstrip() for name, value in metadata.items())
    headers = {"Tus-Resumable": VERSION, "Upload-Metadata": ",".join(pairs)}
    if length is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(length)
    if key is not None:
        headers["Idempotency-Key"] = f'"{key}"'
    return headers


def append(offset: int, data: bytes, *, length: int | None = None) -> dict[str, str]:
    """Return the headers of a PATCH.

    Parameters
    ----------
    offset
        Where the bytes belong.
    data
        The bytes: with their checksum the server keeps nothing that was damaged on the way.
    length
        Bytes of the whole file, where the creation did not tell.
    """
    headers = {
        "Tus-Resumable": VERSION,
        "Content-Type": CONTENT_TYPE,
        "Upload-Offset": str(offset),
        "Upload-Checksum": f"sha256 {_base64(hashlib.sha256(data).digest())}",
    }
    if length is not None:
        headers["Upload-Length"] = str(length)
    return headers


def judge(status: int, headers: Headers) -> Verdict:
    """Return what an answer means.

    Parameters
    ----------
    status, headers
        Of the answer.
    """
    offset, wait = _number(headers.get("Upload-Offset")), _number(headers.get("Retry-After"))
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Verdict("taken", offset)
    if status == HTTPStatus.CONFLICT and offset is not None:
        return Verdict("elsewhere", offset)
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Verdict("gone")
    if status in _AGAIN:
        return Verdict("again", offset, wait)
    return Verdict("refused", offset)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()

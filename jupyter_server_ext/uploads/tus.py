"""tus 1.0.0: what is offered, and what an upload allows a request to do; pure functions.

Source: the tus resumable upload protocol 1.0.0 with its extensions creation, creation-with-upload,
creation-defer-length, checksum, expiration and termination (https://tus.io/protocols/resumable-upload).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.uploads.tusheaders import (
    Checksum,
    parse_checksum,
    parse_number,
    require_content_type,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

EXTENSIONS: Final = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "expiration",
    "termination",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an upload is: `offset` bytes of `length` are there; None is a length to come."""

    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Append:
    """What a PATCH may do.

    Parameters
    ----------
    offset
        Where its first byte goes.
    length
        Bytes of the whole file as known from now on, or None.
    limit
        Bytes that the body may have.
    checksum
        What the body must hash to, or None.
    """

    offset: int
    length: int | None
    limit: int
    checksum: Checksum | None


def decide_append(
    headers: Mapping[str, str], standing: Standing, *, body: int | None, max_size: int
) -> Append:
    """Evaluate a PATCH.

    Parameters
    ----------
    body
        Bytes of the body, or None where it does not tell.
    max_size
        Bytes that the upload may have, by the settings and what is left of the user's quota.

    Raises
    ------
    ApiError
        ``unsupported-type``, ``malformed``, ``offset-conflict`` or ``too-large``.
    """
    require_content_type(headers)
    offset = parse_number(headers, "Upload-Offset")
    if offset is None:
        raise ApiError("malformed", "A PATCH needs Upload-Offset.")
    checksum = parse_checksum(headers.get("Upload-Checksum"))
    length = _settled_length(headers, standing, max_size)
    if offset != standing.offset:
        fields = {"Upload-Offset": str(standing.offset)}
        message = f"The upload is at byte {standing.offset}."
        raise ApiError("offset-conflict", message, headers=fields)
    return _append(Standing(offset, length), checksum, body=body, max_size=max_size)


def decide_first(
    headers: Mapping[str, str], length: int | None, *, body: int | None, max_size: int
) -> Append:
    """Evaluate the body of a POST (creation-with-upload).

    Raises
    ------
    ApiError
        ``unsupported-type``, ``malformed`` or ``too-large``.
    """
    require_content_type(headers)
    checksum = parse_checksum(headers.get("Upload-Checksum"))
    return _append(Standing(0, length), checksum, body=body, max_size=max_size)


def _append(
    standing: Standing, checksum: Checksum | None, *, body: int | None, max_size: int
) -> Append:
    end = max_size if standing.length is None else standing.length
    limit = max(0, end - standing.offset)
    if body is not None and body > limit:
        fields = {"Upload-Offset": str(standing.offset)}
        raise ApiError("too-large", f"The upload takes {limit} more bytes.", headers=fields)
    return Append(standing.offset, standing.length, limit, checksum)


def _settled_length(headers: Mapping[str, str], standing: Standing, max_size: int) -> int | None:
    offset, known = standing.offset, standing.length
    told = parse_number(headers, "Upload-Length")
    if told is None:
        return known
    if known is not None and told != known:
        raise ApiError("malformed", "Upload-Length cannot be changed.")
    if told > max_size:
        raise ApiError("too-large", f"An upload has at most {max_size} bytes.")
    if told < offset:
        raise ApiError("malformed", f"The upload has {offset} bytes already.")
    return told

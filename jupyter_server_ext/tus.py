"""tus 1.0.0: what requests ask for and what an upload allows; pure functions of header values.

Source: the tus resumable upload protocol 1.0.0 with its extensions creation, creation-with-upload,
creation-defer-length, checksum, expiration and termination (https://tus.io/protocols/resumable-upload).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.names import check_path
from progresswidget.protocol import is_task_id

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "1.0.0"
EXTENSIONS: Final = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "expiration",
    "termination",
)
ALGORITHMS: Final = {"sha256": 32, "sha1": 20, "md5": 16}
"""Checksums of a body that are taken, and their sizes in bytes."""
CONTENT_TYPE: Final = "application/offset+octet-stream"
MAX_METADATA: Final = 16 * 1024
"""Characters of `Upload-Metadata`."""

_NUMBER: Final = re.compile(r"[0-9]{1,15}")
"""Below 2**53, and more than any file has bytes."""
_ID: Final = re.compile(r"[0-9a-f]{32}")
_KEY: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,128}")
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Checksum:
    """What `Upload-Checksum` promises of a body: a key of `ALGORITHMS`, and the digest."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Creation:
    """What a client wants to upload.

    Parameters
    ----------
    length
        Bytes of the whole file, or None where it will be told later.
    folder
        The folders below the server's root, outermost first.
    name
        The file's name, or None where the client gave none.
    media_type
        As the client calls it, or an empty text.
    sha256
        What the whole file's digest must be, 64 hexadecimal digits, or None.
    overwrite
        Whether a file of this name may be replaced.
    task_id
        The job that the upload belongs to, or None.
    metadata
        The header as it came, to be given back by HEAD.
    """

    length: int | None
    folder: tuple[str, ...]
    name: str | None
    media_type: str
    sha256: str | None
    overwrite: bool
    task_id: str | None
    metadata: str


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


def is_upload_id(text: str) -> bool:
    """Say whether `text` may be the id of an upload: 128 bits as 32 hexadecimal digits."""
    return _ID.fullmatch(text) is not None


def require_version(headers: Mapping[str, str]) -> None:
    """Refuse a client of another version of the protocol.

    Raises
    ------
    ApiError
        ``tus-version``, with the version that is spoken.
    """
    if headers.get("Tus-Resumable") != VERSION:
        fields = {"Tus-Version": VERSION}
        raise ApiError("tus-version", f"Tus-Resumable must be {VERSION}.", headers=fields)


def parse_number(headers: Mapping[str, str], name: str) -> int | None:
    """Return the value of a field that holds a number of bytes, or None where it is missing.

    Raises
    ------
    ApiError
        ``malformed``.
    """
    text = headers.get(name)
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise ApiError("malformed", f"{name} must be a number of bytes.")
    return int(text)


def parse_metadata(header: str) -> dict[str, bytes]:
    """Read `Upload-Metadata`: pairs of a key and a value in Base64, which may be missing.

    An empty header is one without pairs: tuspy sends it so.

    Raises
    ------
    ApiError
        ``malformed``.
    """
    if len(header) > MAX_METADATA:
        raise ApiError("malformed", f"Upload-Metadata has at most {MAX_METADATA} characters.")
    found: dict[str, bytes] = {}
    for pair in header.split(",") if header.strip(" \t") else ():
        key, _, value = pair.strip(" \t").partition(" ")
        if _KEY.fullmatch(key) is None or key in found:
            raise ApiError("malformed", "Upload-Metadata must be pairs with keys that differ.")
        found[key] = _decode(value, "Upload-Metadata")
    return found


def _decode(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ApiError("malformed", f"{where} must be in Base64.") from None


def parse_checksum(header: str | None) -> Checksum | None:
    """Read `Upload-Checksum`.

    Raises
    ------
    ApiError
        ``malformed``, also for an algorithm that is not offered.
    """
    if header is None:
        return None
    algorithm, _, value = header.strip(" \t").partition(" ")
    size = ALGORITHMS.get(algorithm)
    if size is None:
        known = ", ".join(ALGORITHMS)
        raise ApiError("malformed", f"The algorithm of Upload-Checksum must be one of {known}.")
    digest = _decode(value, "Upload-Checksum")
    if len(digest) != size:
        raise ApiError("malformed", f"A digest of {algorithm} has {size} bytes.")
    return Checksum(algorithm, digest)


def parse_creation(headers: Mapping[str, str], *, max_size: int, hidden: bool) -> Creation:
    """Read a POST.

    Parameters
    ----------
    max_size
        Bytes that an upload may have.
    hidden
        Whether names may begin with a dot.

    Raises
    ------
    ApiError
        ``malformed``, ``too-large``, ``name-refused`` or ``hidden``.
    """
    length = _length(headers, max_size)
    raw = headers.get("Upload-Metadata", "")
    pairs = parse_metadata(raw)
    name = _text(pairs, "filename") or _text(pairs, "name")
    folder = tuple(part for part in _text(pairs, "path").split("/") if part)
    check_path((*folder, *([name] if name else [])), hidden=hidden)
    sha256 = _text(pairs, "sha256").lower()
    if sha256 and _SHA256.fullmatch(sha256) is None:
        raise ApiError("malformed", "sha256 must be 64 hexadecimal digits.")
    task_id = _text(pairs, "taskId")
    if task_id and not is_task_id(task_id):
        raise ApiError("malformed", "taskId must be 32 lower-case hexadecimal digits.")
    return Creation(
        length=length,
        folder=folder,
        name=name or None,
        media_type=_text(pairs, "filetype") or _text(pairs, "type"),
        sha256=sha256 or None,
        overwrite=_text(pairs, "overwrite") == "true",
        task_id=task_id or None,
        metadata=raw,
    )


def _length(headers: Mapping[str, str], max_size: int) -> int | None:
    length = parse_number(headers, "Upload-Length")
    deferred = headers.get("Upload-Defer-Length")
    if deferred not in {None, "1"}:
        raise ApiError("malformed", "Upload-Defer-Length must be 1.")
    if (length is None) is (deferred is None):
        raise ApiError("malformed", "Send either Upload-Length or Upload-Defer-Length.")
    if length is not None and length > max_size:
        raise ApiError("too-large", f"An upload has at most {max_size} bytes.")
    return length


def _text(pairs: Mapping[str, bytes], key: str) -> str:
    try:
        return pairs.get(key, b"").decode()
    except UnicodeDecodeError:
        raise ApiError("malformed", f"The value of {key} must be UTF-8.") from None


def parse_key(headers: Mapping[str, str]) -> str | None:
    """Return the `Idempotency-Key`, or None where there is none.

    It is a string of RFC 8941, in quotation marks, or the same without them.

    Raises
    ------
    ApiError
        ``malformed``.
    """
    text = headers.get("Idempotency-Key")
    if text is None:
        return None
    key = text.strip(" \t").removeprefix('"').removesuffix('"')
    if _IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise ApiError("malformed", "Idempotency-Key must be 1 to 128 visible ASCII characters.")
    return key


def require_content_type(headers: Mapping[str, str]) -> None:
    """Refuse a body that is not said to be a piece of an upload.

    Raises
    ------
    ApiError
        ``unsupported-type``.
    """
    if headers.get("Content-Type", "").partition(";")[0].strip(" \t").lower() != CONTENT_TYPE:
        raise ApiError("unsupported-type", f"Content-Type must be {CONTENT_TYPE}.")


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

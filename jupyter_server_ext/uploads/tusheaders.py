"""The header fields of tus 1.0.0, read: values of text become records, or an error of the table.

Source: the tus resumable upload protocol 1.0.0 (https://tus.io/protocols/resumable-upload).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.names import check_path
from jupyter_server_ext.model.upload import Creation
from progresswidget.protocol import is_task_id

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "1.0.0"
XXH128: Final = "xxh128"
"""XXH3 with 128 bits (https://xxhash.com), in its canonical form, which is big-endian.

It finds what happens to bytes on their way as surely as the others, at ten times their speed; it
is no proof against who wants to deceive, but neither is any digest that travels beside its bytes.
"""
ALGORITHMS: Final = {"sha256": 32, "sha1": 20, "md5": 16, XXH128: 16}
"""Checksums of a body that are taken, and their sizes in bytes."""
CONTENT_TYPE: Final = "application/offset+octet-stream"
MAX_METADATA: Final = 16 * 1024
"""Characters of `Upload-Metadata`."""

_NUMBER: Final = re.compile(r"[0-9]{1,15}")
"""Below 2**53, and more than any file has bytes."""
_KEY: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,128}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Checksum:
    """What `Upload-Checksum` promises of a body: a key of `ALGORITHMS`, and the digest."""

    algorithm: str
    digest: bytes


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


def require_content_type(headers: Mapping[str, str]) -> None:
    """Refuse a body that is not said to be a piece of an upload.

    Raises
    ------
    ApiError
        ``unsupported-type``.
    """
    if headers.get("Content-Type", "").partition(";")[0].strip(" \t").lower() != CONTENT_TYPE:
        raise ApiError("unsupported-type", f"Content-Type must be {CONTENT_TYPE}.")

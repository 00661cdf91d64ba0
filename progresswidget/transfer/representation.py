"""Which version of a file a response is of, and how to ask for more of the same. Pure.

RFC 9110 section 8.8: a strong entity tag stands for one byte string. A modification date does too
if it was over by the time of the answer (section 8.8.2.2). Without either, two answers are never
parts of one file.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTIAL: Final = 206
UNSATISFIED: Final = 416
_STRONG: Final = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
_CONTENT_RANGE: Final = re.compile(r"bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_UNSATISFIED_RANGE: Final = re.compile(r"bytes\s+\*/([0-9]{1,18})")
# RFC 9530 section 3: a dictionary of byte sequences; appendix of RFC 3230: its predecessor.
_REPR_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/=]{44}):", re.IGNORECASE)
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256\s*=\s*([A-Za-z0-9+/=]{44})(?:,|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Representation:
    """What is known of a version of a file.

    Parameters
    ----------
    size
        Its bytes, or None if nobody says.
    etag
        Its strong entity tag, with the quotes, or an empty text.
    modified
        Its modification date as the server wrote it, or an empty text.
    dated
        Whether the date alone can stand for the bytes.
    sha256
        Its digest as 64 hexadecimal digits, or an empty text.
    coding
        The content coding, such as ``gzip``; empty where the bytes are the file.
    ranges
        Whether the server offers parts of it; None if it does not say.
    """

    size: int | None = None
    etag: str = ""
    modified: str = ""
    dated: bool = False
    sha256: str = ""
    coding: str = ""
    ranges: bool | None = None

    @property
    def validator(self) -> str:
        """The value of ``If-Range``, or an empty text if there can be none."""
        # RFC 9110 section 13.1.5: a tag that is strong, or else a date that is.
        return self.etag or (self.modified if self.dated else "")

    def same(self, other: Representation) -> bool:
        """Say whether both are certainly the same bytes."""
        if not self._consistent(other):
            return False
        if self.sha256 and self.sha256 == other.sha256:
            return True
        return bool(self.validator) and self.validator == other.validator

    def _consistent(self, other: Representation) -> bool:
        # A server may keep a tag for too long (tornado does), so nothing else may differ either.
        pairs: list[tuple[Any, Any]] = [
            (self.etag, other.etag),
            (self.modified, other.modified),
            (self.sha256, other.sha256),
        ]
        sizes = self.size is None or other.size is None or self.size == other.size
        agreed = all(not mine or not theirs or mine == theirs for mine, theirs in pairs)
        return sizes and agreed and self.coding == other.coding

    def to_json(self) -> dict[str, Any]:
        """Return the form that a journal keeps."""
        return {
            "size": self.size,
            "etag": self.etag,
            "modified": self.modified,
            "dated": self.dated,
            "sha256": self.sha256,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Representation:
        """Read what `to_json` wrote.

        Raises
        ------
        KeyError, ValueError
            If it is something else.
        """
        size = fields["size"]
        if size is not None and (type(size) is not int or size < 0):
            raise ValueError("a size is none")
        return cls(
            size=size,
            etag=str(fields["etag"]),
            modified=str(fields["modified"]),
            dated=bool(fields["dated"]),
            sha256=str(fields["sha256"]),
        )


def of_response(status: int, headers: Mapping[str, str]) -> Representation:
    """Return what a response says of the whole that it belongs to.

    Parameters
    ----------
    status
        200, 206 or 416.
    headers
        Its fields, found whatever their case.
    """
    etag = headers.get("ETag", "").strip()
    modified = headers.get("Last-Modified", "").strip()
    coding = headers.get("Content-Encoding", "").strip().lower()
    coding = "" if coding == "identity" else coding
    offered = headers.get("Accept-Ranges", "").strip().lower()
    return Representation(
        size=None if coding else _size(status, headers),
        etag=etag if _STRONG.fullmatch(etag) else "",
        modified=modified,
        dated=_is_strong_date(modified, headers.get("Date", "")),
        sha256="" if coding else _sha256(headers),
        coding=coding,
        ranges=None if not offered else offered == "bytes",
    )


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int | None] | None:
    """Return first byte, last byte and size of a partial response, or None if it makes no sense."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    size = None if found[3] == "*" else int(found[3])
    # RFC 9110 section 14.4: neither backwards nor beyond the end.
    if last < first or (size is not None and last >= size):
        return None
    # Who announces another number of bytes than belong there does not know what it sends.
    length = headers.get("Content-Length", "").strip()
    if length.isdigit() and int(length) != last - first + 1:
        return None
    return first, last, size


def _size(status: int, headers: Mapping[str, str]) -> int | None:
    if status == PARTIAL:
        found = content_range(headers)
        return None if found is None else found[2]
    if status == UNSATISFIED:
        # RFC 9110 section 15.5.17: how long the whole is; the body is about the error.
        whole = _UNSATISFIED_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        return None if whole is None else int(whole[1])
    length = headers.get("Content-Length", "").strip()
    # RFC 9112 section 6.3: a transfer coding overrides the length.
    if "Transfer-Encoding" in headers or not re.fullmatch(r"[0-9]{1,18}", length):
        return None
    return int(length)


def _is_strong_date(modified: str, date: str) -> bool:
    try:
        # RFC 9110 section 8.8.2.2: at least a second older than the answer.
        age = parsedate_to_datetime(date) - parsedate_to_datetime(modified)
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
    return age.total_seconds() >= 1


def _sha256(headers: Mapping[str, str]) -> str:
    found = _REPR_DIGEST.search(headers.get("Repr-Digest", "")) or _DIGEST.search(
        headers.get("Digest", "")
    )
    if found is None:
        return ""
    try:
        digest = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == 32 else ""  # noqa: PLR2004 - 256 bits

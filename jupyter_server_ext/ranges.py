"""HTTP ranges, preconditions, types and file names: pure functions of header values.

Sources: RFC 9110 sections 8.8, 13 and 14; RFC 6266; RFC 8187.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

Outcome: TypeAlias = Literal["whole", "partial", "not-modified", "failed", "unsatisfiable"]

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_MAX_DIGITS: Final = 19
"""More digits than any file has bytes; `int` refuses thousands of them with an error."""
_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9_-]+=[A-Za-z0-9_.+-]+)*"
)
_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_DATE_IS_STRONG_AFTER: Final = 1
"""Seconds between the file's date and now (RFC 9110 section 8.8.2.2)."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `first` to `last` of a file, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.last - self.first + 1

    def content_range(self, size: int) -> str:
        """Return the value of `Content-Range` (RFC 9110 section 14.4)."""
        return f"bytes {self.first}-{self.last}/{size}"


class UnsatisfiableError(ValueError):
    """The range is well formed, and no byte of the file is in it."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What identifies the bytes of a file.

    Parameters
    ----------
    etag
        The strong entity tag, with its quotes.
    modified
        Seconds since 1970, whole.
    now
        The time of the answer, seconds since 1970.
    """

    etag: str
    modified: int
    now: float


@dataclass(frozen=True, slots=True)
class Decision:
    """How a request for a file is to be answered; `range` is set for ``partial``."""

    outcome: Outcome
    range: ByteRange | None = None


def parse_range(header: str, size: int) -> ByteRange | None:
    """Read a `Range` header.

    Parameters
    ----------
    header
        The field value.
    size
        Length of the file in bytes.

    Returns
    -------
    The range, or None where the header is to be ignored and the whole file sent.

    Raises
    ------
    UnsatisfiableError
        If the one range given lies outside the file.
    """
    unit, equals, specs = header.partition("=")
    # RFC 9110 section 14.2: a unit that is not understood is ignored, and so is an invalid Range.
    if not equals or unit.strip(" \t").lower() != "bytes":
        return None
    # Several ranges may be answered with the whole (section 14.2, "MAY ignore").
    match = _SPEC.fullmatch(specs.strip(" \t"))
    if match is None or match.groups() == ("", ""):
        return None
    start, end = match.groups()
    if not start:
        return _suffix(_number(end), size)
    first = _number(start)
    last = _number(end) if end else size - 1
    if end and first > last:
        return None
    if first >= size:
        raise UnsatisfiableError(f"the file has {size} bytes")
    return ByteRange(first, min(last, size - 1))


def _suffix(length: int, size: int) -> ByteRange:
    if length == 0 or size == 0:
        raise UnsatisfiableError(f"the last {length} of {size} bytes are none")
    return ByteRange(max(0, size - length), size - 1)


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def decide(
    headers: Mapping[str, str], size: int, validators: Validators, *, head: bool = False
) -> Decision:
    """Evaluate the preconditions in the order of RFC 9110 section 13.2.2, then the range.

    Parameters
    ----------
    headers
        The request's fields, looked up by name.
    size
        Length of the file in bytes.
    head
        Whether the method is HEAD, for which a Range is ignored (section 14.2).
    """
    if _precondition_fails(headers, validators):
        return Decision("failed")
    if _is_unchanged(headers, validators):
        return Decision("not-modified")
    wanted = headers.get("Range")
    if head or wanted is None or not _if_range_holds(headers.get("If-Range"), validators):
        return Decision("whole")
    try:
        byte_range = parse_range(wanted, size)
    except UnsatisfiableError:
        return Decision("unsatisfiable")
    return Decision("whole") if byte_range is None else Decision("partial", byte_range)


def _precondition_fails(headers: Mapping[str, str], validators: Validators) -> bool:
    if_match = headers.get("If-Match")
    if if_match is not None:
        # Section 13.1.1: strong comparison, and If-Unmodified-Since is then ignored.
        return not _lists(if_match, validators.etag, weak=False)
    since = _date(headers.get("If-Unmodified-Since"))
    return since is not None and validators.modified > since


def _is_unchanged(headers: Mapping[str, str], validators: Validators) -> bool:
    if_none_match = headers.get("If-None-Match")
    if if_none_match is not None:
        # Section 13.1.2: weak comparison, and If-Modified-Since is then ignored.
        return _lists(if_none_match, validators.etag, weak=True)
    since = _date(headers.get("If-Modified-Since"))
    return since is not None and validators.modified <= since


def _if_range_holds(value: str | None, validators: Validators) -> bool:
    if value is None:
        return True
    value = value.strip(" \t")
    if value.startswith(('"', "W/")):
        # Section 13.1.5: a weak tag never holds.
        return value == validators.etag
    date = _date(value)
    strong = validators.now - validators.modified >= _DATE_IS_STRONG_AFTER
    return strong and date == validators.modified


def _lists(field: str, etag: str, *, weak: bool) -> bool:
    if field.strip(" \t") == "*":
        return True
    opaque = etag[1:-1]
    return any(
        match[2] == opaque and (weak or match[1] is None) for match in _ENTITY_TAG.finditer(field)
    )


def _date(value: str | None) -> int | None:
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # Section 5.6.7: an HTTP date is always in UTC, whatever an old form leaves out.
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    try:
        return int(date.timestamp())
    except (ValueError, OverflowError):
        return None


def http_date(seconds: int) -> str:
    """Return a time in the form of RFC 9110 section 5.6.7 (IMF-fixdate).

    Parameters
    ----------
    seconds
        Since 1970.
    """
    # Not strftime: its names follow the locale.
    at = datetime.fromtimestamp(seconds, UTC)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[at.weekday()]
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * at.month - 3 : 3 * at.month]
    return f"{day}, {at.day:02} {month} {at.year:04} {at:%H:%M:%S} GMT"


def content_type(media_type: str) -> str:
    """Return the `Content-Type` of a file, with the encoding where it is text.

    Parameters
    ----------
    media_type
        As the kernel reported it; what is no media type (RFC 9110 section 8.3.1) becomes the
        unknown one, for it would end up in a header.
    """
    if _MEDIA_TYPE.fullmatch(media_type) is None:
        return "application/octet-stream"
    if media_type.lower().startswith("text/") and "charset" not in media_type.lower():
        return f"{media_type}; charset=utf-8"
    return media_type


def content_disposition(name: str) -> str:
    """Return a `Content-Disposition` that saves the file under its name.

    Both forms are given: ``curl -OJ`` reads only the first. RFC 6266 appendix D: no backslash and
    no percent escape in it, for readers differ in what they make of them.

    Parameters
    ----------
    name
        The file name without its folder.
    """
    plain = re.sub(r'[^\x20-\x7e]|["\\]', "_", name)
    plain = re.sub(r"%(?=[0-9A-Fa-f]{2})", "_", plain)
    value = f'attachment; filename="{plain}"'
    # RFC 8187 section 3.2.1: attr-char; quote() keeps letters, digits and -._~ by itself.
    return f"{value}; filename*=UTF-8''{quote(name, safe='!#$&+^`|')}"

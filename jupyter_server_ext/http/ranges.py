"""HTTP ranges, types and file names: pure functions of header values.

Sources: RFC 9110 sections 14 and 15.3.7; RFC 6266; RFC 8187.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import quote

from jupyter_server_ext.http.conditions import Validators, if_range_holds, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

Outcome: TypeAlias = Literal["whole", "partial", "not-modified", "failed", "unsatisfiable"]

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_MAX_DIGITS: Final = 19
"""More digits than any file has bytes; `int` refuses thousands of them with an error."""
_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9_-]+=[A-Za-z0-9_.+-]+)*"
)
_MAX_RANGES: Final = 16
"""Ranges of one request; whoever asks for more gets the whole."""


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
class Decision:
    """How a request for a file is to be answered; `ranges` is not empty for ``partial``."""

    outcome: Outcome
    ranges: list[ByteRange] = field(default_factory=list)


def parse_ranges(header: str, size: int) -> list[ByteRange]:
    """Read a `Range` header.

    Parameters
    ----------
    header
        The field value.
    size
        Length of the file in bytes.

    Returns
    -------
    The ranges in the order in which they are to be sent, none of which overlap or touch; an empty
    list where the header is to be ignored and the whole file sent.

    Raises
    ------
    UnsatisfiableError
        If all of the ranges lie outside the file.
    """
    unit, equals, specs = header.partition("=")
    # RFC 9110 section 14.2: a unit that is not understood is ignored, and so is an invalid Range.
    if not equals or unit.strip(" \t").lower() != "bytes":
        return []
    # Section 14.2 too: many small ranges, or overlapping ones, are an attack or a mistake.
    if specs.count(",") >= _MAX_RANGES:
        return []
    # Section 5.6.1.2: empty elements of a list mean nothing.
    matches = [_SPEC.fullmatch(spec) for part in specs.split(",") if (spec := part.strip(" \t"))]
    pairs = [(match[1], match[2]) for match in matches if match is not None]
    if not pairs or len(pairs) < len(matches) or any(_is_invalid(*pair) for pair in pairs):
        return []
    ranges = [each for pair in pairs if (each := _within(*pair, size)) is not None]
    if not ranges:
        raise UnsatisfiableError(f"the file has {size} bytes")
    if sum(each.length for each in ranges) > size:
        return []
    return _joined(ranges)


def _is_invalid(start: str, end: str) -> bool:
    return not (start or end) or bool(start and end and _number(start) > _number(end))


def _within(start: str, end: str, size: int) -> ByteRange | None:
    if not start:
        length = min(_number(end), size)
        return ByteRange(size - length, size - 1) if length else None
    first = _number(start)
    last = _number(end) if end else size - 1
    return ByteRange(first, min(last, size - 1)) if first < size else None


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _joined(ranges: list[ByteRange]) -> list[ByteRange]:
    # Section 15.3.7.2: those that overlap or touch become one, in the place of the first of them.
    joined: list[ByteRange] = []
    for each in ranges:
        near = [
            other
            for other in joined
            if each.first <= other.last + 1 and other.first <= each.last + 1
        ]
        if not near:
            joined.append(each)
            continue
        whole = ByteRange(
            min(each.first, *(other.first for other in near)),
            max(each.last, *(other.last for other in near)),
        )
        place = joined.index(near[0])
        joined = [other for other in joined if other not in near]
        joined.insert(place, whole)
    return joined


@dataclass(frozen=True, slots=True)
class Multipart:
    """A body of several ranges: ``multipart/byteranges`` (RFC 9110 section 14.6).

    Parameters
    ----------
    ranges
        What is sent, in order.
    size
        Length of the file in bytes.
    media_type
        Of the file.
    boundary
        What the file is not expected to contain.
    """

    ranges: list[ByteRange]
    size: int
    media_type: str
    boundary: str

    @property
    def content_type(self) -> str:
        """The `Content-Type` of the answer."""
        return f"multipart/byteranges; boundary={self.boundary}"

    @property
    def length(self) -> int:
        """The `Content-Length` of the answer."""
        framing = sum(len(self.head(number)) for number in range(len(self.ranges)))
        return framing + len(self.end) + sum(each.length for each in self.ranges)

    def head(self, number: int) -> bytes:
        """Return what stands before a range."""
        start = "\r\n" if number else ""
        return (
            f"{start}--{self.boundary}\r\n"
            f"Content-Type: {self.media_type}\r\n"
            f"Content-Range: {self.ranges[number].content_range(self.size)}\r\n\r\n"
        ).encode()

    @property
    def end(self) -> bytes:
        """What stands behind the last one."""
        return f"\r\n--{self.boundary}--\r\n".encode()


def decide(
    headers: Mapping[str, str], size: int, validators: Validators, *, head: bool = False
) -> Decision:
    """Evaluate the preconditions, then the range (RFC 9110 section 13.2.2).

    Parameters
    ----------
    headers
        The request's fields, looked up by name.
    size
        Length of the file in bytes.
    head
        Whether the method is HEAD, for which a Range is ignored (section 14.2).
    """
    verdict = judge(headers, validators)
    if verdict != "go-on":
        return Decision(verdict)
    wanted = headers.get("Range")
    if head or wanted is None or not if_range_holds(headers.get("If-Range"), validators):
        return Decision("whole")
    try:
        ranges = parse_ranges(wanted, size)
    except UnsatisfiableError:
        return Decision("unsatisfiable")
    return Decision("partial", ranges) if ranges else Decision("whole")


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

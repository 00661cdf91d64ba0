"""Preconditions: whether a request still holds for the file as it is now. Pure functions.

Sources: RFC 9110 sections 5.6.7, 8.8 and 13.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Verdict: TypeAlias = Literal["go-on", "not-modified", "failed"]

_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_DATE_IS_STRONG_AFTER: Final = 1
"""Seconds between the file's date and now (RFC 9110 section 8.8.2.2)."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What identifies the bytes of a file.

    Parameters
    ----------
    etag
        The entity tag, with its quotes; weak if it begins with ``W/``.
    modified
        Seconds since 1970, whole.
    now
        The time of the answer, seconds since 1970.
    """

    etag: str
    modified: int
    now: float

    @property
    def is_strong(self) -> bool:
        """Whether equal tags mean equal bytes."""
        return not self.etag.startswith("W/")


def judge(headers: Mapping[str, str], validators: Validators) -> Verdict:
    """Evaluate the preconditions of a GET or HEAD in the order of RFC 9110 section 13.2.2.

    Parameters
    ----------
    headers
        The request's fields, looked up by name.
    """
    if _precondition_fails(headers, validators):
        return "failed"
    return "not-modified" if _is_unchanged(headers, validators) else "go-on"


def judge_unnamed(headers: Mapping[str, str]) -> Verdict:
    """Evaluate the preconditions for what is there, and has neither a tag nor a date.

    Parameters
    ----------
    headers
        The request's fields, looked up by name.
    """
    # Sections 13.1.1 and 13.1.2: no tag is equal to one that there is not, and "*" is anything.
    # Sections 13.1.3 and 13.1.4: where there is no date, fields that compare it are ignored.
    if_match = headers.get("If-Match")
    if if_match is not None and if_match.strip(" \t") != "*":
        return "failed"
    return "not-modified" if headers.get("If-None-Match", "").strip(" \t") == "*" else "go-on"


def if_range_holds(value: str | None, validators: Validators) -> bool:
    """Say whether a range may be sent: RFC 9110 section 13.1.5, with a tag or a date.

    Parameters
    ----------
    value
        The field `If-Range`, or None where the request has none.
    """
    if value is None:
        return True
    if not validators.is_strong:
        return False
    value = value.strip(" \t")
    if value.startswith(('"', "W/")):
        # A weak tag never holds.
        return value == validators.etag
    is_strong = validators.now - validators.modified >= _DATE_IS_STRONG_AFTER
    return is_strong and _date(value) == validators.modified


def _precondition_fails(headers: Mapping[str, str], validators: Validators) -> bool:
    if_match = headers.get("If-Match")
    if if_match is not None:
        # Section 13.1.1: strong comparison, and If-Unmodified-Since is then ignored.
        return not _lists(if_match, validators, weak=False)
    since = _date(headers.get("If-Unmodified-Since"))
    return since is not None and validators.modified > since


def _is_unchanged(headers: Mapping[str, str], validators: Validators) -> bool:
    if_none_match = headers.get("If-None-Match")
    if if_none_match is not None:
        # Section 13.1.2: weak comparison, and If-Modified-Since is then ignored.
        return _lists(if_none_match, validators, weak=True)
    since = _date(headers.get("If-Modified-Since"))
    return since is not None and validators.modified <= since


def _lists(field: str, validators: Validators, *, weak: bool) -> bool:
    if field.strip(" \t") == "*":
        return True
    if not weak and not validators.is_strong:
        return False
    opaque = validators.etag.removeprefix("W/")[1:-1]
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

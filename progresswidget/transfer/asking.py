"""Asking for a file: what is there is spared, and the answer tells which version comes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from progresswidget.errors import TransferError
from progresswidget.transfer import address, fetched, journal
from progresswidget.transfer.answers import refusal
from progresswidget.transfer.incoming import Incoming
from progresswidget.transfer.representation import (
    PARTIAL,
    UNSATISFIED,
    Representation,
    content_range,
    of_response,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import httpx

    from progresswidget.transfer.session import Session

NOT_MODIFIED: Final = 304
CONDITIONAL: Final = frozenset({NOT_MODIFIED, 412, UNSATISFIED})
"""Answers without the file, because of what was asked."""
_COMPRESSED: Final = re.compile(r"\.(gz|tgz|z)$", re.IGNORECASE)


@dataclass(slots=True)
class Attempt:
    """What one try works with.

    Parameters
    ----------
    session
        For its requests.
    incoming
        The response that began it.
    version
        The version that it tells of.
    """

    session: Session
    incoming: Incoming
    version: Representation

    def close(self) -> None:
        """Give up its connections."""
        self.incoming.close()
        self.session.close()


def conditions(url: str, path: Path, *, overwrite: bool, ranges: bool) -> dict[str, str]:
    """Return the fields that spare what is there: the file, or the beginning of a part.

    Parameters
    ----------
    overwrite
        Whether a file that is there may be what was asked for.
    ranges
        Whether the rest of a part may be asked for.
    """
    known = fetched.recall(path, url) if overwrite else None
    if known is not None:
        version = known[1]
        if version.etag:
            return {"If-None-Match": version.etag}
        if version.dated:
            return {"If-Modified-Since": version.modified}
    begun = journal.peek(path)
    if begun is None or begun.url != address.identity(url) or not ranges:
        return {}
    pieces = begun.pieces()
    if not begun.version.validator or not pieces.prefix:
        return {}
    first = pieces.prefix
    if begun.version.size is not None:
        first = min(first, begun.version.size - 1)
    return {"Range": f"bytes={first}-", "If-Range": begun.version.validator}


def nothing_is_left(response: httpx.Response, headers: Mapping[str, str]) -> bool:
    """Say whether the rest was asked for of a part that is the whole file.

    It is so where the body before told no length and was cut at its very end.

    Parameters
    ----------
    headers
        What was asked with.
    """
    if response.status_code != UNSATISFIED or "Range" not in headers:
        return False
    version = of_response(response.status_code, response.headers)
    same = bool(version.validator) and version.validator == headers.get("If-Range")
    return same and headers["Range"] == f"bytes={version.size}-"


def accept(
    session: Session, response: httpx.Response, headers: Mapping[str, str], url: str
) -> Attempt:
    """Take the answer with the file, or with the rest of it.

    Parameters
    ----------
    headers
        What was asked with.
    url
        The address, for messages.

    Raises
    ------
    TransferError
        If it is no such answer.
    """
    status = response.status_code
    version = of_response(status, response.headers)
    if nothing_is_left(response, headers):
        return Attempt(session, Incoming.of(response, version, version.size or 0), version)
    if status not in {200, PARTIAL}:
        raise refusal(response, url)
    if version.coding and _COMPRESSED.search(file_name(response)):
        # The file is compressed, and its server calls that a coding; what it is called, it is.
        version = Representation(version.size, coding="")
    at = 0
    if status == PARTIAL:
        found = content_range(response.headers)
        if found is None or "Range" not in headers:
            raise TransferError(f"{address.shown(url)} answers with a part of the file.")
        at = found[0]
    return Attempt(session, Incoming.of(response, version, at), version)


def file_name(response: httpx.Response) -> str:
    """Return how the server calls the file, or else how its address does."""
    disposition = response.headers.get("Content-Disposition", "")
    return address.file_name(str(response.request.url), disposition)

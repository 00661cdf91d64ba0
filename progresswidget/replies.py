"""The head of an answer to a report, read by hand. No socket inside.

`http.client` makes a mail message of it: that takes longer than everything else about a report, and
of all its fields only the length is needed.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_HEAD: Final = 64 * 1024
"""Bytes of a head; more is no answer."""
END: Final = b"\r\n\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2})[ \r]")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)", re.IGNORECASE)
_CODED: Final = re.compile(rb"\r\n(?:transfer-encoding|content-encoding):", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\nconnection:[^\r\n]*close", re.IGNORECASE)


class Head(NamedTuple):
    """What of a head matters.

    Parameters
    ----------
    length
        Bytes of the body.
    closes
        Whether the connection ends with it.
    """

    status: int
    length: int
    closes: bool


def read_head(data: bytes) -> Head | None:
    """Read a head; None is one that is not as plain as ours.

    Parameters
    ----------
    data
        Up to `END`, which is included: RFC 9112 section 2.1.
    """
    status = _STATUS.match(data)
    lengths = _LENGTH.findall(data)
    if status is None or len(lengths) != 1 or _CODED.search(data):
        return None
    return Head(int(status[1]), int(lengths[0]), _CLOSES.search(data) is not None)

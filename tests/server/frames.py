"""What a client reads from the bytes of a WebSocket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from progresswidget.protocol import Json


def payload(frame: bytes) -> bytes:
    """Return what is in one unmasked text frame (RFC 6455 section 5.2)."""
    assert frame[0] == 0x81
    size, at = frame[1], 2
    if size >= 126:
        at += 2 if size == 126 else 8
        size = int.from_bytes(frame[2:at], "big")
    assert len(frame) == at + size
    return frame[at:]


def message(frame: bytes) -> Json:
    """Return the message in one frame."""
    return cast("Json", json.loads(payload(frame)))

"""The framing of WebSocket messages (RFC 6455 section 5.2), as far as a server's texts need it."""

from __future__ import annotations

from typing import Final

_FINAL_TEXT: Final = 0x81
"""The last frame of a message (FIN), of the opcode for text."""
_TWO_BYTES: Final = 126
_EIGHT_BYTES: Final = 127
"""In the place of a length: it follows, as a number of so many bytes."""


def text_frame(payload: bytes) -> bytes:
    """Return a text message as one frame.

    A server's frames are not masked (RFC 6455 section 5.1), so the same bytes serve every client.

    Parameters
    ----------
    payload
        UTF-8.
    """
    size = len(payload)
    if size < _TWO_BYTES:
        head = bytes((_FINAL_TEXT, size))
    elif size < 1 << 16:
        head = bytes((_FINAL_TEXT, _TWO_BYTES)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL_TEXT, _EIGHT_BYTES)) + size.to_bytes(8, "big")
    return head + payload

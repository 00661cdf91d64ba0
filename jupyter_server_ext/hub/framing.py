"""Messages into the frames of a WebSocket: the sending half of RFC 6455. No socket inside.

What a server sends is not masked, so one frame is right for every connection that it goes to.
"""

from __future__ import annotations

from typing import Final

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
"""Opcodes: RFC 6455 section 5.2."""
FIN: Final = 0x80
"""The bit of a frame that is a message's last, or its only one."""
MAX_CONTROL: Final = 125
"""Bytes that a control frame may carry: RFC 6455 section 5.5."""
_TWO_BYTES: Final = 126
_EIGHT_BYTES: Final = 127
"""Lengths that say in how many bytes the true length follows."""


def text_frame(payload: bytes) -> bytes:
    """Return a text message as one frame.

    Parameters
    ----------
    payload
        UTF-8.
    """
    size = len(payload)
    if size < _TWO_BYTES:
        head = bytes((FIN | TEXT, size))
    elif size < 1 << 16:
        head = bytes((FIN | TEXT, _TWO_BYTES)) + size.to_bytes(2, "big")
    else:
        head = bytes((FIN | TEXT, _EIGHT_BYTES)) + size.to_bytes(8, "big")
    return head + payload


def control_frame(opcode: int, payload: bytes = b"") -> bytes:
    """Return a ping, a pong or a close frame; the payload has at most `MAX_CONTROL` bytes."""
    return bytes((FIN | opcode, len(payload))) + payload


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Return the frame that ends a connection; without a code it says nothing of why."""
    if code is None:
        return control_frame(CLOSE)
    words = reason.encode()[: MAX_CONTROL - 2].decode(errors="ignore").encode()
    return control_frame(CLOSE, code.to_bytes(2, "big") + words)

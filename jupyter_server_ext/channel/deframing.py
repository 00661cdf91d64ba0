"""The bytes of a WebSocket into messages: the receiving half of RFC 6455. No socket inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from jupyter_server_ext.hub.framing import BINARY, CLOSE, FIN, MAX_CONTROL, PING, PONG, TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTOCOL_ERROR: Final = 1002
NOT_TEXT: Final = 1007
TOO_BIG: Final = 1009
"""Close codes: RFC 6455 section 7.4.1."""
_CONTINUATION: Final = 0x0
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_DATA: Final = frozenset({_CONTINUATION, TEXT, BINARY})
_CONTROL: Final = frozenset({CLOSE, PING, PONG})
_EXTENDED: Final = {126: 2, 127: 8}
"""Bytes in which the length follows, for the lengths that say so."""
_STATED: Final = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""Codes that may stand in a close frame: RFC 6455 section 7.4, and the registry it makes."""


class FrameError(Exception):
    """The peer breaks the protocol; nothing that follows can be understood.

    Parameters
    ----------
    code
        To close the connection with.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Message(NamedTuple):
    """A whole message, however many frames it came in; a text is UTF-8."""

    opcode: int
    payload: bytes


class _Frame(NamedTuple):
    opcode: int
    is_last: bool
    payload: bytes
    end: int


class Deframer:
    """What one peer has sent so far and is not a whole message yet.

    Parameters
    ----------
    limit
        Bytes that one message may have.
    """

    __slots__ = ("_limit", "_opcode", "_parts", "_rest")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._opcode = _CONTINUATION
        self._parts: bytearray | None = None

    def messages(self, data: bytes) -> Iterator[Message]:
        """Take bytes, and return the messages that end in them.

        Raises
        ------
        FrameError
            At the first frame that is not allowed: RFC 6455 section 7.1.7.
        """
        data = self._rest + data if self._rest else data
        place = 0
        try:
            while (frame := self._frame(data, place)) is not None:
                place = frame.end
                message = self._control(frame) if frame.opcode in _CONTROL else self._join(frame)
                if message is not None:
                    yield message
        finally:
            self._rest = data[place:]

    def _frame(self, data: bytes, start: int) -> _Frame | None:
        place = start + 2
        if len(data) < place:
            return None
        first, second = data[start], data[start + 1]
        opcode, size = first & 0x0F, second & 0x7F
        _check(first, second)
        if size in _EXTENDED:
            place += _EXTENDED[size]
            if len(data) < place:
                return None
            size = int.from_bytes(data[start + 2 : place], "big")
        # Before the payload comes: what is too large is never held.
        self._check_size(opcode, size)
        end = place + 4 + size
        if len(data) < end:
            return None
        payload = _unmask(data[place : place + 4], data[place + 4 : end])
        return _Frame(opcode, bool(first & FIN), payload, end)

    def _check_size(self, opcode: int, size: int) -> None:
        held = 0 if self._parts is None or opcode in _CONTROL else len(self._parts)
        if held + size > self._limit:
            raise FrameError(TOO_BIG, "message too big")

    def _control(self, frame: _Frame) -> Message:
        if frame.opcode == CLOSE and frame.payload:
            code = int.from_bytes(frame.payload[:2], "big")
            if len(frame.payload) == 1 or code not in _STATED:
                raise FrameError(PROTOCOL_ERROR, "close code")
            _check_text(frame.payload[2:])
        return Message(frame.opcode, frame.payload)

    def _join(self, frame: _Frame) -> Message | None:
        if (frame.opcode == _CONTINUATION) != (self._parts is not None):
            raise FrameError(PROTOCOL_ERROR, "continuation")
        payload = frame.payload
        if self._parts is None:
            self._opcode = frame.opcode
            if not frame.is_last:
                self._parts = bytearray(payload)
                return None
        else:
            self._parts += payload
            if not frame.is_last:
                return None
            payload, self._parts = bytes(self._parts), None
        if self._opcode == TEXT:
            _check_text(payload)
        return Message(self._opcode, payload)


def _check(first: int, second: int) -> None:
    opcode = first & 0x0F
    if first & _RESERVED:
        raise FrameError(PROTOCOL_ERROR, "reserved bits")
    if opcode not in _DATA and opcode not in _CONTROL:
        raise FrameError(PROTOCOL_ERROR, "opcode")
    if not second & _MASKED:
        raise FrameError(PROTOCOL_ERROR, "not masked")
    if opcode in _CONTROL and not (first & FIN and second & 0x7F <= MAX_CONTROL):
        raise FrameError(PROTOCOL_ERROR, "control frame")


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise FrameError(NOT_TEXT, "not UTF-8") from None


def _unmask(mask: bytes, payload: bytes) -> bytes:
    # RFC 6455 section 5.3. As numbers: a loop over the bytes would take a hundred times as long.
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return masked.to_bytes(size, "little")

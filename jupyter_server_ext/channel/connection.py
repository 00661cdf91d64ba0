"""A WebSocket on the stream of the request that opened it: frames, closing, and nothing else.

What is to be said stays with its owner until the socket takes it. A frame goes to the socket
directly; only what a full socket leaves of it waits in the stream, and until that is gone nothing
more is taken. So a peer that does not read costs no memory, and no task waits for anyone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from tornado.iostream import SSLIOStream, StreamClosedError

from jupyter_server_ext.channel.deframing import Deframer, FrameError
from jupyter_server_ext.hub.framing import CLOSE, PING, PONG, TEXT, close_frame, control_frame
from jupyter_server_ext.logs import about
from jupyter_server_ext.streaming.sockets import half_close, prepare_for_news

if TYPE_CHECKING:
    from collections.abc import Callable

    from tornado.iostream import IOStream

_log: Final = logging.getLogger(__name__)
_BLOCK: Final = 16 * 1024
"""Bytes that are read at once: then others have their turn."""
_BATCH: Final = 64 * 1024
"""Bytes that are written at once, if many frames wait."""
_FAREWELL: Final = 5.0
"""Seconds that a peer gets to answer the closing, or to read what it says."""
_INTERNAL_ERROR: Final = 1011


class Owner(Protocol):
    """Whose connection it is."""

    def heard(self) -> None:
        """Note that the peer lives: bytes have come."""

    def received(self, message: str | bytes) -> None:
        """Take a message."""

    def next_frame(self) -> bytes | None:
        """Return what is to be sent next, or None."""

    def held_up(self) -> None:
        """Note that the socket takes nothing now: what there is to say has to wait."""

    def goes_on(self) -> None:
        """Note that what has waited is about to be sent."""

    def ended(self) -> None:
        """Note that the connection is over; called once."""


class Connection:
    """A WebSocket after the handshake.

    Parameters
    ----------
    stream
        Nobody else uses it any more.
    limit
        Bytes that one message of the peer may have.
    """

    __slots__ = (
        "_deframer",
        "_is_busy",
        "_is_closing",
        "_is_deaf",
        "_is_over",
        "_is_silent",
        "_next",
        "_owner",
        "_reading",
        "_send",
        "_stream",
        "_timer",
        "_urgent",
    )

    def __init__(self, stream: IOStream, owner: Owner, limit: int) -> None:
        self._stream = stream
        self._owner = owner
        self._next = owner.next_frame
        self._deframer = Deframer(limit)
        # With TLS the stream alone knows what may be written now.
        self._send: Callable[[bytes], int] | None = None
        if not isinstance(stream, SSLIOStream):
            self._send = stream.socket.send
        self._urgent: dict[int, bytes] = {}
        """What goes before everything else. Of two pongs only the later one: section 5.5.3."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_busy = False  # the stream has bytes that the socket did not take
        self._is_closing = False  # the closing is said, or about to be
        self._is_silent = False  # it was said: nothing follows it
        self._is_deaf = False  # nothing that still comes matters
        self._is_over = False  # the peer has said its goodbye
        self._reading: asyncio.Future[bytes]

    def start(self) -> None:
        """Begin to read and to write."""
        self._stream.set_nodelay(True)
        prepare_for_news(self._stream.socket)
        if self._stream.writing():
            self._defer(b"")  # the answer to the handshake goes first
        self._read()

    @property
    def has_unheard(self) -> bool:
        """Whether bytes have come that nobody has looked at yet."""
        return self._reading.done()

    def wake(self) -> None:
        """Send what there is to say, as far as the socket takes it."""
        if self._is_busy or self._is_silent:
            self._owner.held_up()
            return
        if self._urgent and not self._send_urgent():
            return
        take = self._next
        if self._is_closing or (found := take()) is None:
            return
        following = take()
        if following is None:
            self._write(found)
        else:
            self._write_many([found, following])

    def send(self, data: bytes) -> bool:
        """Send a frame now, if nothing else waits and the socket is not full.

        Returns
        -------
        False where it was not sent, and the peer may still have it later.
        """
        if self._is_busy or self._is_closing or self._urgent or self._send is None:
            return False
        try:
            sent = self._send(data)
        except BlockingIOError:
            return False
        except OSError:
            self._stream.close()  # the reading side hears of it
            return True
        if sent < len(data):
            self._defer(data[sent:])
        return True

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._say(PING, control_frame(PING))

    def close(self, code: int | None, reason: str = "", last: bytes = b"") -> bool:
        """Say goodbye; it is over when the peer has answered, or has had the time for it.

        Parameters
        ----------
        last
            A frame that goes before the closing.

        Returns
        -------
        Whether it was not said before.
        """
        if self._is_closing:
            return False
        self._is_closing = True
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_FAREWELL, self._stream.close)
        self._say(CLOSE, last + close_frame(code, reason))
        return True

    # --- Writing ---------------------------------------------------------------------------------

    def _say(self, opcode: int, data: bytes) -> None:
        self._urgent[opcode] = data
        self.wake()

    def _send_urgent(self) -> bool:
        urgent, self._urgent = self._urgent, {}
        is_taken = self._write(b"".join(urgent.values()))
        if CLOSE in urgent:
            self._is_silent = True
            if is_taken:
                self._part()
        return is_taken

    def _write(self, data: bytes) -> bool:
        """Return whether the socket took all of it."""
        if self._send is None:
            return self._defer(data)
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._stream.close()  # the reading side hears of it
            return False
        return sent == len(data) or self._defer(data[sent:])

    def _write_many(self, frames: list[bytes]) -> None:
        size = sum(map(len, frames))
        while size < _BATCH and (found := self._next()) is not None:
            frames.append(found)
            size += len(found)
        if self._write(b"".join(frames)) and size >= _BATCH:
            # There may be many more, and others wait for their turn.
            self._is_busy = True
            asyncio.get_running_loop().call_soon(self._resume)

    def _defer(self, rest: bytes) -> bool:
        try:
            written = self._stream.write(rest)
        except StreamClosedError:
            return False
        if written.done():
            return written.exception() is None
        self._is_busy = True
        written.add_done_callback(self._drained)
        return False

    def _drained(self, written: asyncio.Future[None]) -> None:
        if not written.cancelled() and written.exception() is None:
            self._resume()

    def _resume(self) -> None:
        self._is_busy = False
        if self._is_silent:
            self._part()
        else:
            self._owner.goes_on()
            self.wake()

    def _part(self) -> None:
        if self._is_over:
            self._stream.close()
        elif self._is_deaf and self._send is not None and not self._stream.closed():
            # What still comes is read and dropped until the peer has seen the end: a socket that
            # is closed with unread bytes resets the connection, and what was said is lost.
            half_close(self._stream.socket)

    # --- Reading ---------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            self._reading = asyncio.ensure_future(self._stream.read_bytes(_BLOCK, partial=True))
        except StreamClosedError as error:
            self._reading = asyncio.get_running_loop().create_future()
            self._reading.set_exception(error)
        self._reading.add_done_callback(self._readable)

    def _readable(self, reading: asyncio.Future[bytes]) -> None:
        if reading.cancelled() or reading.exception() is not None:
            self._end()
            return
        self._owner.heard()
        if not self._is_deaf:
            self._listen(reading.result())
        self._read()

    def _listen(self, data: bytes) -> None:
        try:
            for opcode, payload in self._deframer.messages(data):
                if opcode == CLOSE:
                    self._answer_close(payload)
                    return
                if opcode == PING:
                    self._urgent[PONG] = control_frame(PONG, payload)
                elif opcode != PONG and not self._is_closing:
                    self._owner.received(payload.decode() if opcode == TEXT else payload)
        except FrameError as error:
            self._is_deaf = True
            self.close(error.code, error.reason)
        except Exception:  # noqa: BLE001 - it is logged whole, and this page alone is sent away
            _log.exception("A message of a page could not be taken", extra=about("page-failed"))
            self.close(_INTERNAL_ERROR)
        else:
            if self._urgent:
                self.wake()

    def _answer_close(self, payload: bytes) -> None:
        self._is_deaf = self._is_over = True
        if self._is_silent and not self._is_busy:
            self._part()
        else:
            # RFC 6455 section 5.5.1: with the code that came.
            self.close(int.from_bytes(payload[:2], "big") if payload else None)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._stream.close()
        self._owner.ended()

"""Slices of files on their way from the page cache to sockets: one in each turn of the event loop.

No task waits between two slices, and the selector is asked only after a socket was full. While
somebody else's request is being answered, which takes many turns, nothing is sent for a moment.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final, Protocol

from tornado.iostream import StreamClosedError

from jupyter_server_ext.files.published import FileChangedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from jupyter_server_ext.streaming.pagecache import PageCache

_SLICE: Final = 1024 * 1024
"""Bytes sent in one turn: what a turn costs besides is then next to nothing."""
_SHORT_SLICE: Final = 256 * 1024
"""The same as a copy, and while others use the loop. A copy fits into a core's own cache."""
_OTHERS: Final = 0.0001
"""Seconds of work between two turns that say that somebody else had something to do."""
_COURTESY: Final = 0.002
"""Seconds for which others come first, at most: then a short slice is sent all the same."""


class SlicedFile(Protocol):
    """An open file whose bytes are on their way."""

    @property
    def descriptor(self) -> int:
        """Open for reading."""

    def check(self) -> None:
        """Raise `FileChangedError` if the bytes that were read are not good."""


class _Body(Protocol):
    def note(self, offset: int) -> None: ...


class Turns:
    """Whose turn it is: all who can send, one after the other."""

    def __init__(self) -> None:
        # Memory that is new costs more than the bytes that are copied into it.
        self.buffer = memoryview(bytearray(_SHORT_SLICE))
        self._queue: deque[Slices] = deque()
        self._is_due = False
        self._ended = 0.0
        self._sent = 0.0

    def join(self, slices: Slices) -> None:
        """Give `slices` a turn, after those who wait already."""
        self._queue.append(slices)
        if not self._is_due:
            # Nobody had to wait: the time until now says nothing.
            self._sent = monotonic()
            self._go_on()

    def _go_on(self) -> None:
        self._is_due = True
        self._ended = thread_time()
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        # The thread's own time: that the machine is busy elsewhere is no reason to be slow.
        others = thread_time() - self._ended > _OTHERS
        if others and monotonic() - self._sent < _COURTESY:
            self._go_on()
            return
        self._queue.popleft().send(_SHORT_SLICE if others else _SLICE)
        self._sent = monotonic()
        self._is_due = False
        if self._queue:
            self._go_on()


class Slices:
    """What one file sends to one socket.

    Parameters
    ----------
    connection
        It does not block.
    offset
        Of the first byte.
    edge
        Bytes before it leave as the file's own pages, the others as copies.
    copied
        Called with those.
    """

    def __init__(
        self,
        turns: Turns,
        body: _Body,
        file: SlicedFile,
        cache: PageCache,
        connection: socket,
        *,
        offset: int,
        edge: int,
        copied: Callable[[memoryview], None] | None = None,
    ) -> None:
        self.offset = offset
        self.cache = cache
        self.is_cold = False
        self._turns = turns
        self._body = body
        self._file = file
        # A descriptor of our own: tornado may close its at any moment, and the number would soon
        # be another connection's.
        self._target = os.dup(connection.fileno())
        self._stop = offset
        self._edge = edge
        self._copied = copied
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] | None = None

    def until(self, stop: int) -> asyncio.Future[None]:
        """Send until `stop`, or until a slice is not in memory: `is_cold` is then set."""
        self._stop = stop
        self._done = self._loop.create_future()
        self._turns.join(self)
        return self._done

    def close(self) -> None:
        """Send no more."""
        self._done = None
        self._loop.remove_writer(self._target)
        os.close(self._target)

    def send(self, most: int) -> None:
        """Send one slice of `most` bytes or fewer; called when it is our turn."""
        done = self._done
        if done is None or done.done():  # ended while we were waiting for our turn
            return
        try:
            is_full = self._send(min(most, self._stop - self.offset))
        except BlockingIOError:
            is_full = True
        except FileChangedError as error:
            done.set_exception(error)
            return
        except OSError as error:
            done.set_exception(StreamClosedError(real_error=error))
            return
        if self.is_cold or self.offset >= self._stop:
            done.set_result(None)
        elif is_full:
            self._loop.add_writer(self._target, self._writable)
        else:
            self._turns.join(self)

    def _writable(self) -> None:
        self._loop.remove_writer(self._target)
        self._turns.join(self)

    def _send(self, length: int) -> bool:
        start, end = self.offset, self.offset + length
        is_full = False
        try:
            # A copy is short, for the cache's sake: several make up a turn, or whoever follows a
            # growing file would have a part of what the others get.
            while self.offset < end and not is_full and not self.is_cold:
                most, before = end - self.offset, self._edge - self.offset
                is_full = (
                    self._send_pages(min(most, before)) if before > 0 else self._send_copy(most)
                )
        finally:
            if self.offset > start:
                self._body.note(self.offset)
        return is_full

    def _send_pages(self, length: int) -> bool:
        self.is_cold = not self.cache.holds(self.offset, length)
        if self.is_cold:
            return False
        # What has changed by now is not sent; what changes from now on the next look will see, and
        # there is one before the last bytes of every body.
        self._file.check()
        sent = os.sendfile(self._target, self._file.descriptor, self.offset, length)
        if sent == 0:
            raise FileChangedError
        self.offset += sent
        return sent < length

    def _send_copy(self, length: int) -> bool:
        count = self.cache.read(self._turns.buffer[:length], self.offset)
        self.is_cold = count is None
        if count is None:
            return False
        # Looked at after the read: what was read before the first change is still good.
        self._file.check()
        if count == 0:
            raise FileChangedError("there are fewer bytes than there should be")
        # What the socket does not take is read again: nobody holds bytes for a slow client.
        sent = os.write(self._target, self._turns.buffer[:count])
        if self._copied is not None:
            self._copied(self._turns.buffer[:sent])
        self.offset += sent
        return sent < count

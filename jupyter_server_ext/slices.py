"""Slices of files on their way from the page cache to sockets: one in each turn of the event loop.

No task waits between two slices, and the selector is asked only after a socket was full.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final, Protocol

from tornado.iostream import StreamClosedError

from jupyter_server_ext.stores.files import FileChangedError

if TYPE_CHECKING:
    from jupyter_server_ext.pagecache import PageCache

_SLICE: Final = 1024 * 1024
"""Bytes sent in one turn: what a turn costs besides is then next to nothing."""
_SHORT_SLICE: Final = 256 * 1024
"""The same while others use the loop: a request takes many turns."""
_OTHERS: Final = 0.0002
"""Seconds of work between two turns that say that somebody else had something to do."""
_COURTESY: Final = 0.005
"""Seconds for which slices are then short."""


class _File(Protocol):
    @property
    def descriptor(self) -> int: ...

    def check(self) -> None: ...


class _Body(Protocol):
    def note(self, offset: int) -> None: ...


class Turns:
    """Whose turn it is: all who can send, one after the other."""

    def __init__(self) -> None:
        self._queue: deque[Slices] = deque()
        self._is_due = False
        self._ended = 0.0
        self._short_until = 0.0

    def join(self, slices: Slices) -> None:
        """Give `slices` a turn, after those who wait already."""
        self._queue.append(slices)
        if not self._is_due:
            self._is_due = True
            # Nobody had to wait: the time until now says nothing.
            self._ended = thread_time()
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        now = monotonic()
        # The thread's own time: that the machine is busy elsewhere is no reason to be slow.
        if thread_time() - self._ended > _OTHERS:
            self._short_until = now + _COURTESY
        self._queue.popleft().send(_SHORT_SLICE if now < self._short_until else _SLICE)
        self._ended = thread_time()
        self._is_due = bool(self._queue)
        if self._is_due:
            asyncio.get_running_loop().call_soon(self._turn)


class Slices:
    """What one file sends to one socket.

    Parameters
    ----------
    target
        A socket that does not block; owned by the caller.
    """

    def __init__(
        self,
        turns: Turns,
        body: _Body,
        file: _File,
        cache: PageCache,
        target: int,
        offset: int,
    ) -> None:
        self.offset = offset
        self.cache = cache
        self.is_cold = False
        self._turns = turns
        self._body = body
        self._file = file
        self._target = target
        self._stop = offset
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
        self._body.note(self.offset)
        return sent < length

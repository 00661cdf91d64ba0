"""Slices of a file on their way from the page cache to a socket, without a task between them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Protocol

from tornado.iostream import StreamClosedError

from jupyter_server_ext.stores.files import FileChangedError

if TYPE_CHECKING:
    from jupyter_server_ext.pagecache import PageCache


class _File(Protocol):
    @property
    def descriptor(self) -> int: ...

    def check(self) -> None: ...


class _Body(Protocol):
    @property
    def slice(self) -> int: ...

    def note(self, offset: int) -> None: ...


class Slices:
    """What one file sends to one socket.

    Parameters
    ----------
    target
        A socket that does not block; owned by the caller.
    """

    def __init__(
        self, body: _Body, file: _File, cache: PageCache, target: int, offset: int
    ) -> None:
        self.offset = offset
        self.cache = cache
        self.is_cold = False
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
        self._loop.add_writer(self._target, self._step)
        return self._done

    def close(self) -> None:
        """Send no more."""
        self._loop.remove_writer(self._target)

    def _step(self) -> None:
        done = self._done
        if done is None or done.done():  # ended a moment ago: whoever waits for it is not up yet
            return
        try:
            if self._send():
                self.close()
                done.set_result(None)
        except BlockingIOError:
            return
        except FileChangedError as error:
            done.set_exception(error)
        except OSError as error:
            done.set_exception(StreamClosedError(real_error=error))

    def _send(self) -> bool:
        length = min(self._body.slice, self._stop - self.offset)
        self.is_cold = not self.cache.holds(self.offset, length)
        if self.is_cold:
            return True
        # What has changed by now is not sent; what changes from now on the next look will see, and
        # there is one before the last bytes of every body.
        self._file.check()
        sent = os.sendfile(self._target, self._file.descriptor, self.offset, length)
        if sent == 0:
            raise FileChangedError
        self.offset += sent
        self._body.note(self.offset)
        return self.offset >= self._stop

"""The write end of a unit that is still being encoded: its bytes go to the file while they come.

Encoders of several units run side by side, but a file has one end. What the first of them writes
goes straight to the file; what the others write is copied to blocks until it is their turn. A copy
within the processor's cache costs less than to keep what came: for every 4 KiB of new memory the
system would be asked for a page, which took a third of the time of a whole export.
"""

from __future__ import annotations

from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.export.writers import Piece


BLOCK: Final = 2**20


class Blocks:
    """Memory that is used again by the outlets of one export."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self) -> bytearray:
        """Return a block whose content does not matter."""
        try:
            return self._free.pop()
        except IndexError:
            return bytearray(BLOCK)

    def give(self, block: bytearray) -> None:
        """Take a block back."""
        self._free.append(block)


class Outlet:
    """A file that encoders write to, and the bytes that it holds until it may pass them on.

    Parameters
    ----------
    blocks
        Where those are held.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._lock = Lock()
        self._blocks = blocks
        self._held: list[bytearray] = []
        self._filled = BLOCK
        self._pass_on: Callable[[Piece], None] | None = None
        self._failure: BaseException | None = None
        self._encoded: Future[None] = Future()

    @property
    def encoded(self) -> bool:
        """Whether the last byte has come."""
        return self._encoded.done()

    def run(self, write: Callable[[Any], object]) -> None:
        """Let an encoder write; what it raises is raised by `drain`."""
        try:
            write(self)
        except BaseException as error:  # noqa: BLE001 - raised by `drain`
            self._encoded.set_exception(self._failure or error)
            return
        if self._failure is None:
            self._encoded.set_result(None)
        else:  # the encoder has passed over it, and a piece is missing
            self._encoded.set_exception(self._failure)

    def write(self, data: bytes) -> int:
        """Take a piece."""
        with self._lock:
            if self._pass_on is None:
                self._hold(memoryview(data))
            else:
                self._go(data)
        return len(data)

    def drain(self, pass_on: Callable[[Piece], None]) -> None:
        """Pass on all bytes, also those that are still to come, and wait for the last one.

        Parameters
        ----------
        pass_on
            Called with each piece in order, from this thread or the encoder's, never twice at once.
            The piece may change afterwards.

        Raises
        ------
        Exception
            What the encoder or `pass_on` has raised.
        """
        with self._lock:
            for block in self._held:
                last = block is self._held[-1]
                pass_on(memoryview(block)[: self._filled] if last else block)
                self._blocks.give(block)
            self._held = []
            self._pass_on = pass_on
        self._encoded.result()

    def _hold(self, rest: memoryview) -> None:
        while rest:
            if self._filled == BLOCK:
                self._held.append(self._blocks.take())
                self._filled = 0
            part = rest[: BLOCK - self._filled]
            # Through a view: a bytearray copies what it is given before it takes it in.
            memoryview(self._held[-1])[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            rest = rest[len(part) :]

    def _go(self, data: bytes) -> None:
        try:
            if self._pass_on is not None and self._failure is None:
                self._pass_on(data)
        except BaseException as error:
            self._failure = error  # an encoder makes another error of it
            raise

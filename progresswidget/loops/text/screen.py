"""Where the lines of several bars stand on a terminal, and how they make room for other text."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakSet

from progresswidget.loops.text.terminal import Stream, WriteLock, status_printer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS: Final = 20
"""Rows of a terminal that does not tell."""
_HIDDEN: Final = " ... (more hidden) ..."


class Placed:
    """A line among others on a terminal; the base of `progresswidget.loops.bar.tqdm`."""

    _instances: ClassVar[WeakSet[Any]] = WeakSet()
    _lock: ClassVar[Any]

    disable: bool
    nrows: int | None
    pos: int
    fp: Any
    sp: Callable[[str], None]
    _stream: Stream
    lock_args: tuple[Any, ...] | None
    status_printer = staticmethod(status_printer)

    @classmethod
    def get_lock(cls) -> Any:
        """Return the lock of all bars; the first bar makes it."""
        if getattr(cls, "_lock", None) is None:
            cls._lock = WriteLock()
        return cls._lock

    @classmethod
    def set_lock(cls, lock: Any) -> None:
        """Use another lock, as that of a parent process."""
        cls._lock = lock

    @classmethod
    @contextmanager
    def external_write_mode(
        cls,
        file: Any = None,
        nolock: bool = False,  # noqa: FBT001, FBT002 - as people call it
    ) -> Iterator[None]:
        """Take the bars away for a block that writes, and draw them again below it.

        Parameters
        ----------
        file
            Where it writes; stdout by default.
        nolock
            Whether the lock is held already.
        """
        target = sys.stdout if file is None else file
        if not nolock:
            cls.get_lock().acquire()
        console = (sys.stdout, sys.stderr)
        cleared = []
        try:
            for bar in sorted(cls._instances, key=lambda bar: getattr(bar, "pos", 0)):
                if not hasattr(bar, "sp"):
                    continue
                if bar.fp is target or (bar.fp in console and target in console):
                    bar.clear(nolock=True)
                    cleared.append(bar)
            yield
            for bar in cleared:
                bar.refresh(nolock=True)
        finally:
            if not nolock:
                cls._lock.release()

    @classmethod
    def write(
        cls,
        s: str,
        file: Any = None,
        end: str = "\n",
        nolock: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Write a text above the bars.

        Parameters
        ----------
        s
            The text.
        file
            Where to; stdout by default.
        end
            What comes behind it.
        nolock
            Whether the lock is held already.
        """
        target = sys.stdout if file is None else file
        if target is None:
            return
        with cls.external_write_mode(file=target, nolock=nolock):
            target.write(s)
            target.write(end)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Draw the line where it stands.

        Parameters
        ----------
        msg
            What to draw; the state of the loop by default.
        pos
            Rows below the cursor; its own by default.

        Returns
        -------
        Whether it was drawn: below the last row nothing is.
        """
        if not hasattr(self, "sp"):
            return True  # the page draws it
        row = abs(self.pos if pos is None else pos)
        rows = self.nrows or ROWS
        if row >= rows:
            return False
        if row == rows - 1 and msg != "":
            msg = _HIDDEN
        self.moveto(row)
        self.sp(str(self) if msg is None else msg)
        self.moveto(-row)
        return True

    def moveto(self, n: int) -> None:
        """Move the cursor `n` rows down, or up where it is negative; on a page there is none."""
        if n and hasattr(self, "sp"):
            self._stream.write("\n" * n + "\x1b[A" * -n)

    def clear(self, nolock: bool = False) -> None:  # noqa: FBT001, FBT002
        """Take the line away until it is drawn again."""
        if self.disable or not hasattr(self, "sp"):
            return
        if not nolock:
            self.get_lock().acquire()
        try:
            row = abs(self.pos)
            if row < (self.nrows or ROWS):
                self.moveto(row)
                self.sp("")
                self._stream.write("\r")
                self.moveto(-row)
        finally:
            if not nolock:
                self._lock.release()

    def refresh(
        self,
        nolock: bool = False,  # noqa: FBT001, FBT002
        lock_args: tuple[Any, ...] | None = None,
    ) -> bool:
        """Draw the newest state.

        Parameters
        ----------
        nolock
            Whether the lock is held already.
        lock_args
            How to acquire it, as ``(False,)`` for not to wait.

        Returns
        -------
        Whether the lock was there.
        """
        if self.disable or not hasattr(self, "sp"):
            return True
        lock = None if nolock else self.get_lock()
        if lock is not None and not lock.acquire(*(lock_args or ())):
            return False
        try:
            if not self.disable:  # it may have ended while the lock was waited for
                self.display()
        finally:
            if lock is not None:
                lock.release()
        return True

    def _take_place(self, position: int | None) -> None:
        """Stand at a row, or at the first one that is free."""
        with self.get_lock():
            taken = {abs(bar.pos) for bar in self._instances if hasattr(bar, "pos")}
            free = next(row for row in range(len(taken) + 1) if row not in taken)
            # One that nobody has put there may move up.
            self.pos = free if position is None else -position
            self._instances.add(self)

    def _leave_place(self) -> None:
        """Give the row up: to the first of those that had no room."""
        self._instances.discard(self)
        last = (self.nrows or ROWS) - 1
        waiting = [bar for bar in self._instances if getattr(bar, "pos", 0) >= last]
        if waiting:
            bar = min(waiting, key=lambda bar: bar.pos)
            bar.clear(nolock=True)
            bar.pos = abs(self.pos)

"""What a bar of text is written to: a stream, its size, and the lock of those who share it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from progresswidget.loops.text.line import display_width

if TYPE_CHECKING:
    from collections.abc import Callable


class Stream:
    """A file that text is written to, which may be closed or go away while a loop runs.

    Parameters
    ----------
    file
        What has `write`.
    as_bytes
        Whether it takes bytes.
    """

    def __init__(self, file: Any, *, as_bytes: bool = False) -> None:
        self.file = file
        self.open = True
        self._as_bytes = as_bytes

    def write(self, text: str) -> None:
        """Write a text, or nothing from the first failure on: the loop matters more."""
        if not self.open or self.file is None:
            return
        try:
            encoding = getattr(self.file, "encoding", None) or "utf-8"
            self.file.write(text.encode(encoding, "replace") if self._as_bytes else text)
            getattr(self.file, "flush", _nothing)()
        except UnicodeEncodeError:
            self.file.write(text.encode("ascii", "replace").decode())
        except (OSError, ValueError):
            self.open = False

    @property
    def unicode(self) -> bool:
        """Whether it can show characters that are not ASCII."""
        encoding = getattr(self.file, "encoding", None)
        return bool(encoding) and str(encoding).lower().replace("-", "") in {
            "utf8", "u8", "utf16", "utf32", "cp65001",
        }  # fmt: skip

    def size(self) -> tuple[int | None, int | None]:
        """Return columns and rows, as far as it is a terminal or the environment says them."""
        try:
            found = os.get_terminal_size(self.file.fileno())
        except (AttributeError, OSError, ValueError):
            return _number("COLUMNS"), _number("LINES")
        # The last ones stay free: some terminals begin a new line there, and others when they
        # become narrower.
        return found.columns - 1, found.lines - 1


class Counted:
    """A stream that tells how much goes through one of its methods.

    Parameters
    ----------
    told
        Is called with the length of each piece.
    stream, method
        The stream, and ``read`` or ``write``.
    """

    def __init__(self, told: Callable[[int], object], stream: Any, method: str) -> None:
        if method not in {"read", "write"}:
            raise KeyError("Can only wrap read/write methods")
        self._stream = stream
        inner = getattr(stream, method)

        def read(*args: Any, **options: Any) -> Any:
            piece = inner(*args, **options)
            told(len(piece))
            return piece

        def write(piece: Any, *args: Any, **options: Any) -> Any:
            answer = inner(piece, *args, **options)
            told(len(piece))
            return answer

        setattr(self, method, read if method == "read" else write)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)


def status_printer(file: Any) -> Callable[[str], None]:
    """Return what writes a line over the one before.

    Parameters
    ----------
    file
        Where to.
    """
    stream = file if isinstance(file, Stream) else Stream(file)
    shown = 0

    def show(text: str) -> None:
        nonlocal shown
        width = display_width(text)
        stream.write(f"\r{text}{' ' * max(shown - width, 0)}")
        shown = width

    return show


_locks: Final[WeakSet[WriteLock]] = WeakSet()


class WriteLock:
    """The lock of all bars on a terminal: of threads, and of the processes that it is given to."""

    def __init__(self) -> None:
        self._threads = threading.RLock()
        _locks.add(self)
        try:
            import multiprocessing

            self._processes: Any = multiprocessing.RLock()
        except (ImportError, OSError):  # a system without semaphores
            self._processes = None

    def __getstate__(self) -> Any:
        return {"processes": self._processes}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self._threads, self._processes = threading.RLock(), kept["processes"]
        _locks.add(self)

    def after_fork(self) -> None:
        """Forget which thread had it: a fork leaves its child no other."""
        self._threads = threading.RLock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002
        """Take it, as `threading.RLock.acquire`."""
        if not self._threads.acquire(blocking, timeout):
            return False
        wait = None if timeout < 0 else timeout
        taken = False
        try:
            taken = self._processes is None or self._processes.acquire(blocking, wait)
        finally:
            if not taken:  # also where Ctrl-C came while it waited
                self._threads.release()
        return taken

    def release(self) -> None:
        """Give it back."""
        if self._processes is not None:
            self._processes.release()
        self._threads.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()


def _nothing() -> None:
    """Do nothing."""


def _number(variable: str) -> int | None:
    try:
        return int(os.environ[variable])
    except (KeyError, ValueError):
        return None


def _after_fork() -> None:
    for lock in list(_locks):
        lock.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

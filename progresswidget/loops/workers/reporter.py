"""What a worker has of a bar that it feeds: what it was given, and the words that it writes.

Where its words lie, and why nothing can be lost, counted twice or hold anybody up there, is told in
`progresswidget.loops.workers.feed`, which reads them.
"""

from __future__ import annotations

import atexit
import mmap
import os
import secrets
import struct
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from progresswidget.loops.mortality import has_ended, place
from progresswidget.loops.workers import farewell
from progresswidget.loops.workers.distant import Address, Telegraph

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence
    from types import TracebackType
    from typing import Self

STATE: Final = struct.Struct("dd")
"""A total as it lies in the file, and how many reporters are in use. Each is written at once, since
it is one aligned word of memory."""
_TOTAL, _USED = 0, 1


class WorkerReporter:
    """Adds to the bar that it is of, from any thread of any process; it can be pickled.

    Parameters
    ----------
    folder
        Of the bar.
    address
        Where to count if the folder is not there.
    inherited
        Whether nobody has sent it: then its process may end at any time and in any way.
    """

    def __init__(
        self,
        folder: str,
        address: Address | Callable[[], Address | None] | None = None,
        *,
        inherited: bool = False,
    ) -> None:
        self._folder = folder
        self._address = address
        self._inherited = inherited
        self._part: _Part | None = None

    def update(self, n: float = 1) -> None:
        """Count `n` steps more."""
        part = self._part
        if part is None or part.stale:
            part = self._part = _part_of(self._folder, self._address)
            part.use(0 if self._inherited else 1)
        with part.lock:
            part.words[_TOTAL] += n

    def __del__(self) -> None:
        part = self._part
        if part is not None and not (part.stale or self._inherited):
            part.use(-1)

    @property
    def n(self) -> float:
        """The steps that this process has counted."""
        return 0.0 if self._part is None or self._part.stale else self._part.words[_TOTAL]

    def close(self) -> None:
        """Do nothing: who made the bar ends it."""

    def __enter__(self) -> Self:
        """Return the reporter, so that it can be used as the bar is."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing, as `close`."""

    def __reduce__(self) -> Any:
        """Return what goes to another process: the folder, and where to count without it."""
        address = self._address() if callable(self._address) else self._address
        return type(self), (self._folder, address)


class _Part:
    """The part of this process."""

    def __init__(self, words: MutableSequence[float]) -> None:
        self.words = words
        # The collector may let go of a reporter in the middle of an update.
        self.lock = threading.RLock()
        self.stale = False
        """Whether it is that of the process from which this one was forked."""

    def use(self, more: int) -> None:
        """Note how many reporters are in use."""
        with self.lock:
            self.words[_USED] = max(self.words[_USED] + more, 0)

    def leave(self) -> None:
        """Say that the process ends as it should."""
        self.words[_USED] = 0


class _DistantPart(_Part):
    """That of a process which does not see the folder."""

    def __init__(self, address: Address) -> None:
        words = [0.0, 0.0]
        super().__init__(words)
        self._telegraph = Telegraph(address, words)

    def use(self, more: int) -> None:
        if more == 0:
            self._telegraph.always = True  # one that was inherited comes and goes unseen
        super().use(more)
        if more < 0:
            self._telegraph.wake()  # a task is done, and its result is on its way
        else:
            self._telegraph.begin()

    def leave(self) -> None:
        super().leave()
        self._telegraph.flush()


_parts: dict[str, _Part] = {}
_parts_lock = threading.Lock()


def _part_of(folder: str, address: Address | Callable[[], Address | None] | None) -> _Part:
    # Each task of a pool unpickles a reporter of its own: they share what is of this process.
    with _parts_lock:
        if folder not in _parts:
            for other, part in list(_parts.items()):
                if type(part) is _Part and not Path(other).is_dir():
                    del _parts[other]
            memory = _map(folder)
            if memory is None and isinstance(address, Address):
                _parts[folder] = _DistantPart(address)
            else:
                _parts[folder] = _Part(memory or [0.0, 0.0])
            _say_when_leaving()
        return _parts[folder]


def _map(folder: str) -> MutableSequence[float] | None:
    name = f"{os.getpid()}-{secrets.token_hex(4)}@{place()}"
    hidden = Path(folder, f".{name}")
    try:
        with hidden.open("xb+", buffering=0) as file:
            file.write(STATE.pack(0.0, 0.0))
        whole = hidden.rename(Path(folder, name))  # it is seen from the moment it is whole
        with whole.open("rb+", buffering=0) as file:  # Windows renames nothing that is mapped
            memory: Any = mmap.mmap(file.fileno(), STATE.size)
    except OSError:
        return None
    farewell.leave_word(whole)
    view: Any = memoryview(memory).cast("d")
    return view  # type: ignore[no-any-return]


def is_gone(name: str) -> bool:
    """Say whether it is certain that the process has ended whose part has a name."""
    number, _, where = name.partition("@")
    pid = number.partition("-")[0]
    return where == place() and pid.isascii() and pid.isdigit() and has_ended(int(pid))


def _say_when_leaving() -> None:
    global _leaves  # noqa: PLW0603
    if _leaves == os.getpid():
        return
    _leaves = os.getpid()
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        # A child that it has forked does no more than this at its end.
        util.Finalize(None, _leave, exitpriority=0)
    atexit.register(_leave)


_leaves = 0
"""The process that does."""


def _leave() -> None:
    """Say that this process ends as it should."""
    for part in _parts.values():
        part.leave()


def _after_fork() -> None:
    global _parts_lock  # noqa: PLW0603
    _parts_lock = threading.Lock()
    for part in _parts.values():
        part.stale = True
    _parts.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

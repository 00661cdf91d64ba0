"""One bar that many processes feed: each writes how much it has done where the bar's own looks.

A worker has two words of a file that it maps into memory, in a folder that belongs to the bar and
that only its user may enter. It writes its total there, not what is new: nothing can be lost or
counted twice, and no call, lock or connection is shared, so a worker that is killed, stopped or
forked in the middle of anything holds nobody up. Its part stands. The other word says whether it is
at work: a process that is gone and was has died, unless what SIGTERM made it leave behind its words
shows that it waited for its next task.

The name of the folder is what a worker is given: with it this one bar can be fed, and nothing else
be done. One that does not see the folder, since it runs on another machine, counts at the notebook
server, by what lets it do so for this one job. Where there is none, or the bar has ended, it counts
for itself.
"""

from __future__ import annotations

import atexit
import contextlib
import mmap
import os
import secrets
import struct
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from progresswidget.loops import endings, farewell
from progresswidget.loops.distant import SILENCE, Address, Telegraph, is_of
from progresswidget.loops.folders import new_folder, remove
from progresswidget.loops.mortality import has_ended, place

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence
    from types import TracebackType
    from typing import Self

    from progresswidget.protocol import Json

_STATE: Final = struct.Struct("dd")
"""A total as it lies in the file, and how many reporters are in use. Each is written at once, since
it is one aligned word of memory."""
_TOTAL, _USED = 0, 1


class Shared(Protocol):
    """What can be fed by several processes."""

    def fed(self) -> None:
        """Hear that other processes may count for it from now on."""

    def forked(self, reporter: WorkerReporter) -> None:
        """Be, in a child that was forked, what feeds the one of the parent."""

    def lost(self, dead: int, count: int, steps: float) -> None:
        """Hear that `dead` of `count` workers have died, which have done so many steps in all."""

    def address(self) -> Address | None:
        """Return where those count for it who do not see its folder."""

    def wait_for(self, steps: Callable[[], float], idle: Callable[[], bool]) -> None:
        """Wait for a moment for the last steps of those who do not see its folder.

        Parameters
        ----------
        steps
            Says how many all workers have done.
        idle
            Says whether none of those is at work, as far as they have said.
        """


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


class Workers:
    """What the workers of one bar have done.

    Nothing is made before it is needed: by `reporter`, or because this process is forked, for the
    child may feed the bar, too.

    Parameters
    ----------
    owner
        The bar; it is not kept alive.
    """

    def __init__(self, owner: Shared) -> None:
        self._owner = weakref.ref(owner)
        self._folder: str | None = None
        self._closed = False
        self._pid = 0
        self._seen: dict[str, float] = {}
        self._dead: set[str] = set()
        self._said = (0, 0)
        """How many of how many have died, as the owner knows it."""
        self._found: Address | None = None
        self._asked = False
        self._distant = False
        """Whether somebody counts who does not see the folder."""
        self._at_work: set[str] = set()
        """Those of them who have said last that they are at work."""
        # The collector may end the bar within a look, in the very thread that looks.
        self._lock = threading.RLock()
        _crews.add(self)

    def reporter(self) -> WorkerReporter:
        """Return what adds to the bar from wherever it is sent."""
        return WorkerReporter(self._open() or "", self._address)

    def _address(self) -> Address | None:
        owner = self._owner()
        if not self._asked and owner is not None and not self._closed:
            self._asked, self._found = True, owner.address()
        return self._found

    def hear(self, counts: list[Json], loop: int) -> None:
        """Take what those have counted who do not see the folder.

        Parameters
        ----------
        counts
            As the server has them.
        loop
            The number of the loop that is counted for now.
        """
        with self._lock:
            for count in [] if self._closed else counts:
                worker = count["worker"]
                if is_of(worker, loop):
                    self._distant = True
                    self._seen[worker] = count["steps"]
                    (self._at_work.add if count["used"] else self._at_work.discard)(worker)
                    if count["used"] and count["silent"] >= SILENCE:
                        self._dead.add(worker)
            self._say_lost()

    @property
    def total(self) -> float:
        """The steps of all workers together, also of those that are gone."""
        if self._folder is None:
            return 0.0  # as for nearly every bar, and each of its steps may ask
        return sum(self.each().values())

    def each(self) -> dict[str, float]:
        """Return what each worker has done, by its process, a name of its own and its host."""
        with self._lock:
            if self._folder is not None and not self._closed:
                self._look(Path(self._folder))
            return dict(self._seen)

    def close(self) -> None:
        """Keep the total, and tidy up; what a worker does from now on is no longer counted."""
        owner = self._owner()
        try:
            if self._distant and owner is not None and not self._closed:
                owner.wait_for(lambda: self.total, lambda: self._at_work <= self._dead)
        finally:  # whoever waits may be interrupted
            self.each()
            self._closed = True
            if self._folder is not None:
                remove(Path(self._folder), self._pid)

    def __del__(self) -> None:
        if self._folder is not None and not self._closed:
            endings.end(self, self.close)

    def _look(self, folder: Path) -> None:
        paths = []
        with contextlib.suppress(OSError):  # somebody tidies up; what was seen stays
            paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
        for path in paths:
            gone = _is_gone(path.name)
            with contextlib.suppress(OSError, struct.error):  # one says nothing of the others
                state = path.read_bytes()
                self._seen[path.name], used = _STATE.unpack_from(state)
                if gone:
                    path.unlink()  # it was read after the end, so that nothing can be missing
                    if used and not farewell.was_idle(state[_STATE.size :]):
                        self._dead.add(path.name)
        self._say_lost()

    def _say_lost(self) -> None:
        lost, owner = (len(self._dead), len(self._seen)), self._owner()
        if self._dead and lost != self._said and owner is not None:
            self._said = lost
            owner.lost(*lost, sum(self._seen.values()))

    def _open(self) -> str | None:
        if self._folder is None and not self._closed:
            folder = new_folder()
            folder.mkdir(mode=0o700)
            self._folder = str(folder)
            self._pid = os.getpid()
        return self._folder

    def _before_fork(self) -> None:
        owner = self._owner()
        if owner is not None and self._open() is not None:
            owner.fed()

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # another thread may have held it
        owner, folder = self._owner(), self._folder
        if owner is not None and folder is not None and not self._closed:
            owner.forked(WorkerReporter(folder, inherited=True))
        self._closed = True


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
        super().use(more)
        if more < 0:
            self._telegraph.wake()  # a task is done, and its result is on its way

    def leave(self) -> None:
        super().leave()
        self._telegraph.flush()


_crews: weakref.WeakSet[Workers] = weakref.WeakSet()
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
            file.write(_STATE.pack(0.0, 0.0))
        whole = hidden.rename(Path(folder, name))  # it is seen from the moment it is whole
        with whole.open("rb+", buffering=0) as file:  # Windows renames nothing that is mapped
            memory: Any = mmap.mmap(file.fileno(), _STATE.size)
    except OSError:
        return None
    farewell.leave_word(whole)
    view: Any = memoryview(memory).cast("d")
    return view  # type: ignore[no-any-return]


def _is_gone(name: str) -> bool:
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


def _close_all() -> None:
    for crew in list(_crews):
        crew.close()


def _before_fork() -> None:
    for crew in list(_crews):
        crew._before_fork()  # noqa: SLF001 - of this module


def _after_fork() -> None:
    global _parts_lock  # noqa: PLW0603
    _parts_lock = threading.Lock()
    for part in _parts.values():
        part.stale = True
    _parts.clear()
    for crew in list(_crews):
        crew._after_fork()  # noqa: SLF001 - of this module


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)

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
import os
import struct
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from progresswidget.loops import endings
from progresswidget.loops.folders import new_folder, remove
from progresswidget.loops.workers import farewell
from progresswidget.loops.workers.distant import SILENCE, Address, is_of
from progresswidget.loops.workers.reporter import STATE, WorkerReporter, is_gone

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.protocol import Json


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
        # Before anything was heard of those elsewhere, they are all that can have counted.
        elsewhere = self._distant or (self._found is not None and not self._seen)
        try:
            if elsewhere and owner is not None and not self._closed:
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
            gone = is_gone(path.name)
            with contextlib.suppress(OSError, struct.error):  # one says nothing of the others
                state = path.read_bytes()
                self._seen[path.name], used = STATE.unpack_from(state)
                if gone:
                    path.unlink()  # it was read after the end, so that nothing can be missing
                    if used and not farewell.was_idle(state[STATE.size :]):
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


_crews: weakref.WeakSet[Workers] = weakref.WeakSet()


def _close_all() -> None:
    for crew in list(_crews):
        crew.close()


def _before_fork() -> None:
    for crew in list(_crews):
        crew._before_fork()  # noqa: SLF001 - of this module


def _after_fork() -> None:
    for crew in list(_crews):
        crew._after_fork()  # noqa: SLF001 - of this module


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)

"""The loops of the processes that a kernel has started, as lines in the card of its cell."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from progresswidget import protocol, texts
from progresswidget.errors import LoopCancelledError
from progresswidget.loops.jobs import open_loops
from progresswidget.loops.jobs.job import LoopJob
from progresswidget.loops.jobs.line import Line
from progresswidget.loops.jobs.measured import NEARLY
from progresswidget.loops.jobs.outcome import ToldError
from progresswidget.loops.jobs.parent import WISH
from progresswidget.loops.mortality import has_ended, start_of
from progresswidget.reporting import reporter

if TYPE_CHECKING:
    import contextvars
    from pathlib import Path

    from progresswidget.loops.jobs.card import Card
    from progresswidget.protocol import Action, Json

MOST_LINES: Final = 64
"""Lines of one card from which on those of processes that have ended well are used again."""
STEP_OF_CLOCK: Final = 3_000_000_000
"""Nanoseconds within which two states of a file may have one time, at most."""
_BEHIND: Final = 10_000
"""Of the places of lines: first come those of loops of the kernel itself."""


class Processes(LoopJob):
    """What the loops of other processes are lines of where the kernel runs none around them.

    It counts the loops that have come to their end, and is as far as all of them together.
    """

    elsewhere = True

    def __init__(self) -> None:
        self.begun = self.finished = 0
        self.live: set[ChildLoop] = set()
        super().__init__(texts.saved_table()["processes"], lambda: self.finished, total=0)
        self.held = True
        self.origin.be_nowhere()

    def amounts(self) -> tuple[int, int | None, float | None]:
        """Return the loops that have ended, those that have begun, and the percent."""
        if not self.begun:
            return 0, None, None
        parts = [] if self.over else [loop.amounts()[2] or 0.0 for loop in tuple(self.live)]
        percent = (100.0 * self.finished + sum(parts)) / self.begun
        most = 100.0 if self.over else NEARLY
        return self.finished, self.begun, min(round(percent, 2), most)


class ChildLoop(LoopJob):
    """A loop of another process.

    Parameters
    ----------
    told
        Its first report.
    folder
        Where it looks for what it is asked.
    parent
        What it is a line of.
    """

    elsewhere = True

    def __init__(self, told: Json, folder: Path, parent: LoopJob) -> None:
        self._steps = 0
        self.told_end = False
        super().__init__(
            told["title"],
            lambda: self._steps,
            total=told["total"],
            unit=told["unit"],
            cancellable=told["obeys"],
            parent=parent,
            leave=told["leave"],
        )
        self.held = True
        self.child: Final[int] = told["pid"]
        self._started = start_of(self.child)
        self.origin.be_nowhere()
        self._folder, self._identity = folder, told["taskId"]

    def take(self, told: Json) -> None:
        """Take what the process says of it."""
        if self.over:
            return
        self.title, self.total, self.postfix = told["title"], told["total"], told["postfix"]
        self._steps = told["rows"]
        status = told["status"]
        self.told_end = status in protocol.TERMINAL
        if not self.told_end:
            self._state = status
        elif status == "cancelled":
            self.end(LoopCancelledError(texts.ENGLISH["halted task"].format(name=self.name)))
        elif status == "done":
            self.end()
        else:
            self.end(ToldError(status, **(told["error"] or _GONE)))

    @property
    def gone(self) -> bool:
        """Whether its process has ended."""
        return has_ended(self.child, self._started)

    def bury(self) -> None:
        """End it because its process is gone: well only if nothing was left to do."""
        done, total = self.exact()
        self.end(None if total and done >= total else ToldError("interrupted", **_GONE))

    def _wish(self, action: Action) -> None:
        if not self.cancellable:
            return
        wish = self._folder / f"{self._identity}{WISH}"
        begun = wish.with_name(f".{wish.name}")
        with suppress(OSError):  # the folder is gone, and with it who would read it
            begun.write_text(json.dumps({"id": secrets.token_hex(8), "action": action}))
            begun.replace(wish)

    def _find_line(self) -> Line:
        card = self.card
        with card.changed:
            line = self._line_to_take(card)
            if line is None:
                line = card.lines[max([_BEHIND, *card.lines]) + 1] = Line(self)
            else:
                line.take(self)
        if card.visible:
            reporter().follow(line)
        return line

    def _line_to_take(self, card: Card) -> Line | None:
        """Return one that is free: of the same process, or of any where there are many."""
        ended = [line for line in card.lines.values() if _is_free(line.loop)]
        own = [line for line in ended if _child_of(line.loop) == self.child]
        many = len(card.lines) >= MOST_LINES
        return next(iter([*own, *(ended if many else ())]), None)


def _child_of(loop: LoopJob) -> int | None:
    return loop.child if isinstance(loop, ChildLoop) else None


def _is_free(loop: LoopJob) -> bool:
    return isinstance(loop, ChildLoop) and loop.state == "done"


_GONE: Final = {"code": "process-died", "message": texts.ENGLISH["process gone"], "hint": ""}


class Children:
    """What the loops of the children of this kernel tell, in a folder.

    Parameters
    ----------
    folder
        It is there as soon as one of them has said something.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loops: dict[str, ChildLoop] = {}
        self._seen: dict[str, int] = {}
        self._parted: set[str] = set()
        """Those that go on after what they were lines of has failed."""
        self._root: Processes | None = None
        self._lock = threading.RLock()

    @property
    def at_work(self) -> bool:
        """Whether one of their loops goes on."""
        return any(not loop.over for loop in tuple(self._loops.values()))

    def look(self, context: contextvars.Context) -> None:
        """Take what is new.

        Parameters
        ----------
        context
            Of the cell that runs, or that ran last.
        """
        with self._lock:
            gone = [loop for loop in self._loops.values() if not loop.over and loop.gone]
            found = [told for told in map(self._read, self._changed()) if told is not None]
            for told in found:
                context.copy().run(self._take, told["taskId"], told)
            for loop in gone:
                loop.bury()
            for identity, loop in list(self._loops.items()):
                if loop.over:
                    self._forget(identity, loop)

    def take_idle_root(self) -> Processes | None:
        """Return what was made for the cell, if all in it is done: it is to be ended."""
        with self._lock:
            root = self._root
            if root is None or root.live:
                return None
            self._root = None
            return root

    def _changed(self) -> list[str]:
        changed, now = [], time.time_ns()
        with suppress(OSError), os.scandir(self._folder) as entries:
            if self._folder.stat().st_uid != os.geteuid():
                return []
            for entry in entries:
                if "." in entry.name or entry.name in self._parted:
                    continue
                with suppress(OSError):
                    version = entry.stat(follow_symlinks=False).st_mtime_ns
                    if self._seen.get(entry.name) != version:
                        changed.append(entry.name)
                    # The clock of files has steps: within one of them it may change once more.
                    if now - version > STEP_OF_CLOCK:
                        self._seen[entry.name] = version
        return changed

    def _read(self, identity: str) -> Json | None:
        try:
            text = (self._folder / identity).read_bytes()
            return protocol.decode_report(identity, text)
        except (OSError, protocol.MalformedError):
            return None

    def _take(self, identity: str, told: Json) -> None:
        loop = self._loops.get(identity)
        if loop is None:
            around = self._loops.get(told["parent"] or "") or self._around()
            loop = self._loops[identity] = ChildLoop(told, self._folder, around)
            loop.begin()
            root = loop.root
            if isinstance(root, Processes):
                root.begun += 1
                root.total = root.begun
                root.live.add(loop)
        loop.take(told)
        if not loop.over:
            loop.root.appear()  # it has lasted for a moment already

    def _around(self) -> LoopJob:
        found = open_loops.of_cell()
        if found is not None:
            return found
        if self._root is None or self._root.over:
            self._root = Processes()
            self._root.begin()
        return self._root

    def _forget(self, identity: str, loop: ChildLoop) -> None:
        del self._loops[identity]
        root = loop.root
        if isinstance(root, Processes):
            root.live.discard(loop)
            root.finished += loop.state == "done"
        if loop.told_end or loop.gone:
            for name in (identity, f"{identity}{WISH}"):
                with suppress(OSError):
                    (self._folder / name).unlink()
        else:
            self._parted.add(identity)
        self._seen.pop(identity, None)

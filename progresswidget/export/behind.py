"""Digests of data that nobody can change, taken behind the writer and not in its way.

The digest of a unit's data is for a later run: this one does not look at it. It costs a tenth of a
CSV export of a frame of polars, whose texts lie anywhere, and an eighth of a Parquet one. Where the
texts cannot change any more while they are held (frames of polars, tables of Arrow), theirs need
not be taken before the unit is written: it is taken when the encoders have nothing to do, because
the source or the disk is slow, and else `LIMIT` seconds later at the latest. In the first second
none is: most exports have ended by then, and a digest beside them would only take a core's cache
and the interpreter's lock from the writer. What is left when the file has its name is done then.
Numbers may lie in an array of numpy, which whoever has it may write to as soon as the call returns:
a digest that came later would tell of rows that the file does not have, so theirs is taken before.
It costs next to nothing: their bytes lie in a row. Texts that have to be gathered for the file are
hashed as they are then, at once; in the first second they are gathered once more later: a Feather
export that is done by then takes 6 % less time, and in all a tenth more of the processor.

So what *finished* means: the file is whole, on the disk and under its name when the call returns.
Digests may follow, a tenth of a second of work for a usual frame, and only then is the export
remembered as one that need not be done again; `Result.sha256`, another export to the same path, and
the end of the interpreter wait for that. And what *committed* means: a unit counts from its digest
on. A process that is killed loses what it has written in its last `LIMIT` seconds, which the next
run writes again; it never trusts a unit without a digest.
"""

from __future__ import annotations

import atexit
import time
from collections import deque
from concurrent.futures import Future
from threading import Condition
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from progresswidget.export.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 2.0
"""Seconds after which a digest is taken, however much else there is to do; 0 lets none wait."""
START: Final = 1.0
"""Seconds of an export in which no digest is taken, however little there is to do."""
LOOK: Final = 0.05
"""Seconds between two looks whether there is time."""


class Behind:
    """Digests that can wait, and the thread that takes them.

    Parameters
    ----------
    limit
        Seconds that one may wait; by default `LIMIT`.
    clock
        Seconds from any start.
    start
        Seconds, from now on, in which none is taken before `end`.
    """

    def __init__(
        self,
        limit: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        start: float = START,
    ) -> None:
        self.idle: Callable[[], bool] = lambda: False
        self._limit = LIMIT if limit is None else limit
        self._clock = clock
        self._begin = clock() + start
        self._changed = Condition()
        self._waiting: deque[tuple[float, Callable[[], bytes], Future[bytes]]] = deque()
        self._ended = False
        self._then: Callable[[], None] = lambda: None
        self._thread: Worker | None = None

    @property
    def early(self) -> bool:
        """Whether no digest is taken yet: most exports have ended by then."""
        return self._clock() < self._begin

    def put(self, digest: Callable[[], bytes]) -> Future[bytes]:
        """Return the digest that `digest` will be asked for, from another thread.

        After `stop` it is given up at once.
        """
        told: Future[bytes] = Future()
        with self._changed:
            if self._ended:  # given up, while an encoder was at its last unit
                told.cancel()
                return told
            self._waiting.append((self._clock(), digest, told))
            self._changed.notify_all()
            if self._thread is None:
                thread = Worker(self._run, "behind")
                thread.start()  # who waits for it in the end must not find one that never was
                self._thread = thread
                _threads.add(thread)
        return told

    def end(self, then: Callable[[], None] = lambda: None) -> None:
        """Take what is left as soon as possible; nothing more will come.

        Parameters
        ----------
        then
            Called after the last digest, from the thread that has taken it.
        """
        with self._changed:
            self._then = then
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Give up what is left."""
        with self._changed:
            for _, _, told in self._waiting:
                told.cancel()
            self._waiting.clear()
        self.end()

    def join(self) -> None:
        """Wait for the last digest, after `end` or `stop`."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while self._wait():
            while self._due():
                self._take()
        # What is called last knows the run, which knows this: together they would stay.
        then, self._then = self._then, lambda: None
        then()

    def _wait(self) -> bool:
        """Wait a moment; say whether there may be something to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._ended:
                self._changed.wait(min(LOOK, self._limit))
            return bool(self._waiting) or not self._ended

    def _due(self) -> bool:
        try:
            put = self._waiting[0][0]
        except IndexError:
            return False
        now = self._clock()
        return self._ended or (now >= self._begin and (now - put >= self._limit or self.idle()))

    def _take(self) -> None:
        try:
            _, digest, told = self._waiting.popleft()
        except IndexError:
            return  # given up in this moment
        if not told.set_running_or_notify_cancel():
            return
        try:
            told.set_result(digest())
        except BaseException as error:  # noqa: BLE001 - the unit is not committed then
            told.set_exception(error)


_threads: WeakSet[Worker] = WeakSet()


# What a finished export has left to do is done; and one in native code would crash at the end.
@atexit.register
def _wait_for_digests() -> None:
    for thread in list(_threads):
        thread.join()

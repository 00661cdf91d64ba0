"""Reading on a thread of its own: a slow source must delay neither a pause nor a cancel."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread, local
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from progresswidget.export.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")

DEPTH: Final = 2
"""Batches that are read ahead."""
LOOK: Final = 0.05
"""Seconds between two looks at pause and cancel."""
GRACE: Final = 0.05
"""Seconds that a source gets to end by itself before it is interrupted."""
AGAIN: Final = 0.1
"""Seconds between two attempts to interrupt it."""
LEAVE: Final = 0.5
"""Seconds that a source gets to close what it has open, when its rows are not wanted any more."""


class _Reader(Generic[T]):
    def __init__(self, begin: Callable[[], Generator[T, None, None]]) -> None:
        self._begin = begin
        self._unwanted = Event()
        self._stop: Callable[[], object] | None = None
        self._stopping = Lock()
        self.queue: Queue[tuple[T | None, BaseException | None]] = Queue(DEPTH)
        self.thread = Worker(self._run, "read")

    def leave(self) -> None:
        self._unwanted.set()
        with suppress(Empty):
            while True:
                self.queue.get_nowait()
        self.thread.join(GRACE)
        if self.thread.is_alive():
            # A thread of its own: it may have to ask a server that does not answer.
            Thread(target=self._interrupt, name="progresswidget-stop", daemon=True).start()
        self.thread.join(LEAVE)

    @contextmanager
    def interruptible(self, stop: Callable[[], object]) -> Iterator[None]:
        self._stop = stop
        try:
            yield
        finally:
            with self._stopping:  # what comes next must not be what is interrupted
                self._stop = None

    def _interrupt(self) -> None:
        # Again and again: a statement that is just being sent has nothing to interrupt yet.
        while self.thread.is_alive():
            with self._stopping, suppress(Exception):  # what cannot be reached is left behind
                if self._stop is not None:
                    self._stop()
            self.thread.join(AGAIN)

    def _run(self) -> None:
        failure: BaseException | None = None
        _here.reader = self
        try:
            items = self._begin()
            try:
                for item in items:
                    if not self._put((item, None)):
                        break
            finally:
                items.close()
        except BaseException as error:  # noqa: BLE001 - raised where the rows are waited for
            failure = error
        self._put((None, failure))
        failure = None  # its frame is this one

    def _put(self, item: tuple[T | None, BaseException | None]) -> bool:
        while not self._unwanted.is_set():
            with suppress(Full):
                self.queue.put(item, timeout=1)
                return True
        return False


_here = local()


def interruptible(stop: Callable[[], object]) -> AbstractContextManager[None]:
    """Say how what runs inside can be ended from another thread if nobody wants it any more.

    Parameters
    ----------
    stop
        Makes it raise. Called while it runs, and again if it goes on, from a thread of this module.
    """
    reader: _Reader[Any] | None = getattr(_here, "reader", None)
    return nullcontext() if reader is None else reader.interruptible(stop)


def read_ahead(
    begin: Callable[[], Generator[T, None, None]], checkpoint: Callable[[], None]
) -> Generator[T, None, None]:
    """Yield what a generator yields that is begun, run and closed by one thread of its own.

    Parameters
    ----------
    begin
        Makes the generator.
    checkpoint
        Called again and again while nothing comes.
    """
    reader = _Reader(begin)
    reader.thread.start()
    try:
        while True:
            try:
                item, failure = reader.queue.get(timeout=LOOK)
            except Empty:
                checkpoint()
                continue
            if failure is not None:
                try:
                    raise failure
                finally:
                    # An error whose frame holds it would keep the source alive, open as it is.
                    failure = None
            if item is None:
                return
            yield item
    finally:
        reader.leave()


def call(function: Callable[[], T], checkpoint: Callable[[], None]) -> T:
    """Return what a function returns that may take its time."""

    def once() -> Generator[tuple[T], None, None]:
        yield (function(),)

    (answer,) = next(iter(read_ahead(once, checkpoint)))
    return answer

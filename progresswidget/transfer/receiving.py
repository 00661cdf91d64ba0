"""Bytes into a part: several connections, and one thread that looks after them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from progresswidget.errors import TransferError
from progresswidget.transfer.connection import Connection
from progresswidget.transfer.persistence import Persistence
from progresswidget.transfer.retry import Clock, Tries

if TYPE_CHECKING:
    from progresswidget.export.progress import Progress
    from progresswidget.transfer.arrivals import Arrivals
    from progresswidget.transfer.connection import Source
    from progresswidget.transfer.incoming import Incoming
    from progresswidget.transfer.pieces import Claim

GLANCE: Final = 0.05
"""Seconds between two looks at the connections."""


class _Stopped(Exception):  # noqa: N818 - never seen outside
    """Another thread has ended it all."""


class Receiver:
    """Fetch what is missing of a file.

    Parameters
    ----------
    source
        Where it comes from; its session is aborted when the transfer ends early.
    arrivals
        Takes what comes.
    progress
        Raised meanwhile, and asked for pause and cancel.
    clock
        For waiting.
    """

    def __init__(
        self, source: Source, arrivals: Arrivals, progress: Progress, clock: Clock
    ) -> None:
        self._source, self._arrivals = source, arrivals
        self._progress, self._clock = progress, clock
        self._changed = threading.Condition()
        self._living = 0
        self._waiting = 0
        self._failure: BaseException | None = None
        self._stop = threading.Event()

    def run(self, first: Incoming, connections: int) -> None:
        """Fetch it all.

        Parameters
        ----------
        first
            The response that the first connection reads already.
        connections
            Connections at most.

        Raises
        ------
        StartOver
            If the file must be fetched from its beginning.
        TransferError
            If it cannot be had.
        OSError
            If it cannot be written.
        """
        # Before another connection can take what this one has an answer for.
        claim = self._arrivals.claim(first.at)
        threads = [
            threading.Thread(
                target=self._live,
                args=(first, claim) if number == 0 else (None, None),
                name=f"progresswidget-connection-{number}",
                daemon=True,
            )
            for number in range(connections)
        ]
        self._living = len(threads)
        try:
            for thread in threads:
                thread.start()
            self._watch()
        finally:
            self._stop.set()
            if self._living:
                self._source.session.abort()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._tell()
        if self._failure is not None:
            raise self._failure

    # --- the thread that looks after the others -----------------------------------------------

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._over, GLANCE)
                if self._over():
                    return
            self._tell()
            self._progress.checkpoint()

    def _over(self) -> bool:
        return self._living == 0 or self._failure is not None

    def _tell(self) -> None:
        with self._changed:
            idle = self._living > 0 and self._waiting >= self._living
        self._progress.total = self._arrivals.size
        self._progress.rows = self._progress.bytes = self._arrivals.received
        self._progress.phase = "waiting" if idle else "receiving"

    # --- the connections ----------------------------------------------------------------------

    def _live(self, incoming: Incoming | None, claim: Claim | None) -> None:
        failure: BaseException | None = None
        try:
            tries = Persistence(Tries(), self._clock, self._look, self._set_waiting)
            Connection(self._source, self._arrivals, tries, self._look).work(incoming, claim)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by the thread that looks after us
            failure = error
        with self._changed:
            self._living -= 1
            # A server may allow fewer connections than we open: then the others do the rest.
            spared = isinstance(failure, TransferError) and self._living > 0
            if failure is not None and not spared and self._failure is None:
                self._failure = failure
            self._changed.notify_all()

    def _look(self) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._progress.checkpoint()

    def _set_waiting(self, waiting: bool) -> None:  # noqa: FBT001
        with self._changed:
            self._waiting += 1 if waiting else -1

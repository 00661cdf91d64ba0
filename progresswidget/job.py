"""A running export: its thread, its state, and the cell or the process that waits for it.

The worker thread bumps counters and looks at two flags between batches; everything that speaks (to
the server, the widget, the terminal) does so from other threads. `progresswidget.exporting.export`
starts one.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401 - see the end of the module
import contextlib
import os
import signal
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Final

from progresswidget import family, texts
from progresswidget.cell import running_kernel
from progresswidget.display import Display
from progresswidget.errors import (
    ExportCancelledError,
    ExportHeldError,
    ExportInterrupted,
    ExportStoppedError,
    JobStateError,
    KernelStoppedError,
    clear_ours,
)
from progresswidget.export import leftovers
from progresswidget.export.progress import Progress
from progresswidget.export.workers import Worker
from progresswidget.filejob import FileJob
from progresswidget.reporting import reporter
from progresswidget.textbar import TextBar
from progresswidget.waiting import LOOK, wait, wait_async

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from progresswidget.export.result import Result
    from progresswidget.family import Parent
    from progresswidget.protocol import Action, Status
    from progresswidget.work import Work

SETTLE: Final = 2.0
"""Seconds that a finished job waits for the server to hear of it."""
GENERATION: Final = 1
"""Each run of a cell is a job of its own, so its file is the first of its job."""


class Job(FileJob):
    """An export that runs or ran; `export` makes it.

    Parameters
    ----------
    work
        What is to be written where.
    background
        Whether the cell goes on meanwhile.
    parent
        The group that it belongs to; by default that of the block which runs now.
    task_id
        The id under which the server knows it already; by default a new one.
    generation
        Which run of that job it is.
    shown
        Whether it shows itself in the cell that starts it.
    """

    _stopped_kind: ClassVar[type[ExportCancelledError]] = ExportStoppedError

    def __init__(
        self,
        work: Work,
        *,
        background: bool,
        parent: Parent | None = None,
        task_id: str | None = None,
        generation: int = GENERATION,
        shown: bool = True,
    ) -> None:
        super().__init__(
            work,
            Progress(total=work.total, checkpoint=self._checkpoint, tell=lambda: reporter().wake()),
            background=background,
            parent=parent or family.current.get(),
            task_id=task_id,
            generation=generation,
        )
        self._shown = shown
        self._process = os.getpid()
        self._work: Work | None = work
        self._wanted: Action = "resume"
        self._stop_kind: type[ExportCancelledError] = ExportCancelledError
        self._changed = threading.Condition()
        self._over = threading.Event()  # the state is terminal
        self._settled = threading.Event()  # and whoever is concerned has heard of it
        self._callbacks: list[Callable[[], None]] = []
        self._thread = Worker(self._run, f"{self._kind}-{self._name}", beside=True)
        self._in_kernel = running_kernel() is not None
        self._display = Display(self)

    # --- what a person asks -------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the end and return what was written.

        Parameters
        ----------
        timeout
            Seconds to wait at most; None waits for ever.

        Raises
        ------
        TimeoutError
            If the job runs on after `timeout`.
        ExportCancelledError
            If it was cancelled.
        JobStateError
            In a fork of the process that writes it, while it is written.
        ProgressWidgetError
            Or whatever else the source or the disk raised.
        """
        self._refuse_forks()
        if not wait(self._over, timeout):
            raise TimeoutError(f"{self._name} is not complete after {timeout} s")
        self._settled.wait(2 * SETTLE)  # so that `url` can be used the next moment
        if self._outcome is not None and threading.current_thread() is threading.main_thread():
            self._display.receipt()
        if self._outcome is None:
            raise self._error or JobStateError(f"{self._name} was not written")
        return self._outcome

    def __await__(self) -> Generator[Any, None, Result]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> Result:
        self._refuse_forks()
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed by then
                loop.call_soon_threadsafe(ended.set)

        with self._changed:
            self._callbacks.append(wake)
        # Looked at after the callback is in place: an end in between is not missed.
        if not self._settled.is_set():
            await wait_async(ended)
        return self.result(0)

    def _refuse_forks(self) -> None:
        """Refuse to wait without end: the thread that writes is not in a fork (POSIX, `fork`)."""
        if os.getpid() != self._process and not self._over.is_set():
            raise JobStateError(
                f"{self._name} is being written by the process that this is a fork of.",
                "Wait for it there.",
            )

    def __repr__(self) -> str:
        return f"Job(path={str(self._path)!r}, state={self._state!r}, rows={self.rows})"

    def _ipython_display_(self) -> None:
        if running_kernel() is None:
            print(repr(self))  # noqa: T201 - IPython in a terminal asks for the output itself
        else:
            super()._ipython_display_()

    # --- the worker ---------------------------------------------------------------------------

    def _start(self) -> None:
        try:
            # What a transfer fetches is meant for this disk; an export is meant for the person.
            if self._kind == "export":
                self._reach.probe()
            if self._parent is not None:
                self._parent.admit(self)
            self._on_server = reporter().announce(self)
            # What belongs to a group is a line in the group's output.
            if self._parent is None and self._shown:
                self._display.show()
        except BaseException as error:  # Ctrl-C, most likely: the job must not stay queued
            self._finish("cancelled", error=error)
            raise
        _active.add(self)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._become("running")
            outcome = self._write(self._take_work())
            outcome.sha256  # noqa: B018 - the file is there; what is told of it waits for its digest
            self._reach.finish(outcome, self._checkpoint)
        except ExportCancelledError as error:
            # What can be gone on with was interrupted, and not given up. An interrupt of the cell
            # counts as giving up, until the server sees that it came before the end of the kernel.
            given_up = error.final or isinstance(error, ExportHeldError)
            self._finish("cancelled" if given_up else "interrupted", error=error)
        except BaseException as error:  # noqa: BLE001 - it is kept and raised where it is waited for
            self._finish("failed", error=error)
        else:
            self._finish("done", outcome=outcome)

    def _write(self, work: Work) -> Result:
        try:
            return work.run(self._progress)
        finally:
            # What is built only now tells only now what it is; a download into a folder is called
            # as the server says.
            self._describe(work)
            with self._changed:
                self._take_name(work)

    def _take_work(self) -> Work:
        # The frame must not live on in a job that somebody keeps.
        work, self._work = self._work, None
        if work is None:
            raise JobStateError("the export has run already")
        return work

    def _checkpoint(self) -> None:
        """Obey: called by the worker between two batches."""
        if self._wanted == "resume":
            return
        with self._changed:
            if self._wanted == "pause":
                self._state = "paused"
                self._meter.pause(time.monotonic())
                reporter().wake()
                self._changed.wait_for(lambda: self._wanted != "pause")
                self._meter.resume(time.monotonic())
            if self._wanted == "cancel":
                message = texts.worded(texts.ENGLISH, "halted", self._kind).format(name=self._name)
                raise self._stop_kind(message, self._how_to_go_on(texts.ENGLISH))
            self._state = "running"
        reporter().wake()

    def _become(self, state: Status) -> None:
        with self._changed:
            self._state = state
            if state == "running":
                self._started = time.time()
                self._meter.resume(time.monotonic())
        reporter().wake()

    def _finish(
        self, state: Status, *, outcome: Result | None = None, error: BaseException | None = None
    ) -> None:
        if error is not None:
            clear_ours(error)  # with it the frame would live on, as above
        with self._changed:
            self._outcome, self._error = outcome, error
            self._ended = time.time()
            self._feed()
            self._meter.pause(time.monotonic())
            self._state = state
            self._over.set()
        self._reach.stop(error)
        reporter().settle(self, SETTLE)
        self._display.settle(SETTLE)
        _active.discard(self)
        self._settled.set()
        with self._changed:
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    @property
    def _telling(self) -> threading.Condition:
        return self._changed

    def _wish(self, action: Action) -> None:
        with self._changed:
            # A cancel stands: nothing that is wished later brings the export back.
            if self._wanted != "cancel":
                self._wanted = action
            self._changed.notify_all()

    def _leave(self) -> None:
        if self._pid != os.getpid():
            return  # a forked child has the job, but not its thread
        if self._in_kernel:
            self._stop_kind = KernelStoppedError
            self.cancel()
            self._settled.wait(SETTLE)
            return
        if self._wanted == "pause" and not self._on_server:
            self.resume()  # there is nobody left who could
        try:
            if sys.stderr is not None and sys.stderr.isatty():
                text = texts.worded(texts.terminal_table(), "leaving", self._kind)
                text = text.format(name=self._name)
                print(text, file=sys.stderr)  # noqa: T201 - on a terminal, for who waits at it
            wait(self._settled)
        except KeyboardInterrupt:
            self.cancel()
            wait(self._settled)
            # A process that was ended by Ctrl-C says so to its parent by dying of it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(self._pid, signal.SIGINT)

    # --- the cell -----------------------------------------------------------------------------

    def _block(self) -> None:
        bar = TextBar() if running_kernel() is None else None
        try:
            self._start()
            while not self._settled.wait(LOOK):
                if bar is not None:
                    bar.draw(self.report())
        except KeyboardInterrupt:
            self._stop_kind = self._stopped_kind
            # What was sent to another disk is given up at once: the server would keep it for a day.
            if self._in_kernel and self._kind == "export" and not self._reach.sends:
                self._stop_kind = ExportHeldError
            self.cancel()
            wait(self._settled)
            if isinstance(self._error, ExportHeldError):
                leftovers.remove_soon(self._path)
            raise self._interrupted() from None
        finally:
            if bar is not None:
                bar.draw(self.report())
                bar.close()
            self._display.refresh()
        self.result(0)  # raises what ended it, if it did not succeed

    def _interrupted(self) -> ExportInterrupted:
        key = "stopped" if self._outcome is None else "stopped_late"
        text = texts.worded(texts.terminal_table(), key, self._kind)
        again = self._how_to_go_on(texts.terminal_table())
        rows = texts.amount(texts.terminal_table(), self._kind, self.rows)
        return ExportInterrupted(text.format(rows=rows, name=self._name, again=again))

    def _how_to_go_on(self, table: texts.Table) -> str:
        # A transfer that was only stopped can be gone on with; one that was given up cannot.
        key = "anew" if self._kind != "export" and self._stop_kind.final else "again"
        if self._kind == "export" and not self._in_kernel:
            key = "again without a cell"
        key = "again_stream" if self._once else key
        return texts.worded(table, key, self._kind)


_active: weakref.WeakSet[Job] = weakref.WeakSet()


def _at_exit() -> None:
    """Let exports finish with a script; end them with a kernel, whose shutdown must not wait."""
    leftovers.keep_all()
    for job in list(_active):
        job._leave()  # noqa: SLF001


# concurrent.futures refuses work from the moment the interpreter begins to end, which is before
# `atexit` calls anyone; encoders and the user's own source may both depend on it. Callbacks of
# this list run last-in first-out, so being registered after it means being called before it.
getattr(threading, "_register_atexit", atexit.register)(_at_exit)

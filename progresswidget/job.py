"""A running export: its thread, its state, and what a person may ask of it.

`export` starts one. The worker thread bumps counters and looks at two flags between batches;
everything that speaks (to the server, the widget, the terminal) does so from other threads.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures.thread  # noqa: F401 - see the end of the module
import contextlib
import os
import secrets
import signal
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Final

from progresswidget import family, protocol, texts
from progresswidget.cell import cell_id, kernel_id, running_kernel
from progresswidget.combined import Member
from progresswidget.display import Display
from progresswidget.errors import (
    ExportCancelledError,
    ExportHeldError,
    ExportInterrupted,
    ExportStoppedError,
    JobStateError,
    KernelStoppedError,
    OptionError,
)
from progresswidget.export import leftovers
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.links import links
from progresswidget.meter import Meter
from progresswidget.probe import Probe
from progresswidget.reporting import reporter
from progresswidget.textbar import TextBar
from progresswidget.told import apart_from_clock, describe, fingerprint, growing, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from progresswidget.export.result import Result
    from progresswidget.family import Parent
    from progresswidget.group import Group
    from progresswidget.protocol import Action, Json, Status
    from progresswidget.sending import Sender
    from progresswidget.widget import JobMirror
    from progresswidget.work import Work

DRAW_INTERVAL: Final = 0.1
"""Seconds between two looks of a blocking cell at its job."""
SETTLE: Final = 2.0
"""Seconds that a finished job waits for the server to hear of it."""
GENERATION: Final = 1
"""Each run of a cell is a job of its own, so its file is the first of its job."""


def export(
    frame: object,
    path: str | os.PathLike[str],
    *,
    background: bool = False,
    overwrite: bool = True,
    format: str | None = None,
    encrypt_to: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    parent: Group | None = None,
    **options: Any,
) -> Job:
    """Write a frame to a file, with a live bar where there is someone to see it.

    The file appears under its name only when it is complete: it is written beside it, flushed to
    the disk, and renamed. Memory stays constant however many rows there are. An export that was
    killed goes on where it stopped when the same call is made again, as far as the format allows,
    and one that is there already is not written again.

    Parameters
    ----------
    frame
        Any frame: of pandas, polars (a `LazyFrame` is streamed, not collected), pyarrow, DuckDB,
        Ibis, DataFusion or numpy; whatever has ``__arrow_c_stream__``; a list or generator of
        dicts, dataclasses, tuples or frames; `progresswidget.sql`; the path of a file of data, or
        a pattern of paths; or a function that returns any of these, which is called when the
        export runs. Formats that hold several take a dict or a list of these, archives also
        paths, folders and bytes.

        The index of a pandas frame follows pandas: in CSV it is the first column, as with
        `DataFrame.to_csv`; in JSON and SQLite it has the name that `DataFrame.reset_index` would
        give it, and a `RangeIndex` without a name is left out; in Parquet a `RangeIndex` is kept
        as metadata and any other becomes a column, as with `DataFrame.to_parquet`, so that
        `pandas.read_parquet` gives the frame back. ``index=True`` or ``index=False`` says
        otherwise.
    path
        Where to write. The ending chooses the format: ``.csv``, ``.parquet``, ``.xlsx``, … ;
        ``python -m progresswidget formats`` lists them with their options.
    background
        Return at once, and let the export go on while other cells run.
    overwrite
        Replace a file that is there already, once the new one is complete.
    format
        The name of a format, whatever the ending is.
    encrypt_to
        One age recipient or several: only they can read the file.
    parent
        The group that it belongs to, where that is not the one of the `with` block around it.
    columns
        The names of the columns that are written, in this order; by default all. An index is one
        of them only where it is named.
    where
        SQL that chooses the rows: a condition (``"price > 10"``), a clause, or a whole ``SELECT``
        in which the frame is the table ``data``. It needs ``progresswidget[duckdb]``.
    **options
        Of the format and of the source, for instance `compression` of Parquet, `delimiter` of CSV,
        `index` of pandas.

    Returns
    -------
    The job. Without `background` it is done.

    Raises
    ------
    UnsupportedSourceError, UnsupportedFormatError, OptionError, ColumnError, DestinationError
        Before anything is written, if it can be seen that the export cannot succeed.
    ExportCancelledError
        If it was cancelled. No file is left behind.
    SourceError
        If the frame fails while it is read.
    ExportInterrupted
        If the cell was interrupted. Seconds later no file is left behind, unless the kernel was
        interrupted only to be restarted or shut down: then the next run goes on. A file that was
        there before stays.
    """
    if not isinstance(background, bool):
        raise OptionError(f"background must be True or False, not {background!r}.")
    work = Export(
        frame,
        path,
        format=format,
        overwrite=overwrite,
        encrypt_to=encrypt_to,
        options=options,
        columns=columns,
        where=where,
    )
    job = Job(work, background=background, parent=parent)
    if background:
        job._start()  # noqa: SLF001 - a job is started by `export` alone
    else:
        job._block()  # noqa: SLF001
    return job


class Job:
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
        self._shown = shown
        self._work: Work | None = work
        self._generation = generation
        self._kind = work.kind
        self._progress = Progress(total=work.total, checkpoint=self._checkpoint)
        self._name, self._format, self._columns = work.path.name, work.format, work.columns
        self._path, self._once = work.path, work.once
        # The server opens the file without following a link, which may well lead to a folder that
        # it may serve.
        self._real_path = os.path.realpath(work.path)
        self._id = task_id or secrets.token_hex(16)
        self._background = background
        self._state: Status = "queued"
        self._wanted: Action = "resume"
        self._stop_kind: type[ExportCancelledError] = ExportCancelledError
        self._outcome: Result | None = None
        self._error: BaseException | None = None
        self._created = time.time()
        self._started: float | None = None
        self._ended: float | None = None
        self._schema, self._settings = lines(work.schema), lines(work.settings)
        self._meter = Meter(time.monotonic(), work.total)
        self._meter.pause(time.monotonic())  # until the worker begins
        self._changed = threading.Condition()
        self._over = threading.Event()  # the state is terminal
        self._settled = threading.Event()  # and whoever is concerned has heard of it
        self._callbacks: list[Callable[[], None]] = []
        self._thread = threading.Thread(
            target=self._run, name=f"progresswidget-{self._kind}-{self._name}", daemon=True
        )
        self._kernel_id, self._cell_id = kernel_id(), cell_id()
        self._pid, self._in_kernel = os.getpid(), running_kernel() is not None
        self._revision = 0
        self._reported: Json = {}
        self._control: str | None = None
        self._url: str | None = None
        self._notebook: str | None = None
        self._on_server = False
        self._probe: Probe | None = None
        self._overwrite = isinstance(work, Export) and work.overwrite
        self._sender: Sender | None = None
        self._parent = parent or family.current.get()
        self._display = Display(self)

    # --- what a person asks -------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The task id: 32 hexadecimal digits."""
        return self._id

    @property
    def path(self) -> Path:
        """Where the file is, or will be."""
        return self._path

    @property
    def kind(self) -> str:
        """What it does: ``"export"``, ``"download"`` or ``"upload"``."""
        return self._kind

    @property
    def format(self) -> str:
        """The name of the format, for instance ``"csv"``."""
        return self._format.name

    @property
    def rows(self) -> int:
        """The rows written so far."""
        return self._progress.rows if self._outcome is None else self._outcome.rows

    @property
    def total(self) -> int | None:
        """The rows that there are in all, or None where nobody can know yet."""
        return self._progress.total

    @property
    def columns(self) -> int:
        """The columns of the file."""
        return self._columns if self._outcome is None else self._outcome.columns

    @property
    def bytes(self) -> int:
        """The bytes written so far."""
        return self._progress.bytes if self._outcome is None else self._outcome.bytes

    @property
    def reused(self) -> int:
        """Rows that did not have to be written, because an earlier export had written the same."""
        return self._progress.reused if self._outcome is None else self._outcome.reused

    @property
    def steps(self) -> Mapping[str, str]:
        """Where each step is, by its name and in order; empty unless it is a delivery."""
        return self._progress.steps

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the file in hexadecimal digits, or None before it is complete."""
        return None if self._outcome is None else self._outcome.sha256

    @property
    def state(self) -> Status:
        """How it stands, one of `progresswidget.protocol.STATUSES`."""
        return self._state

    @property
    def background(self) -> bool:
        """Whether the cell that started the job went on meanwhile."""
        return self._background

    @property
    def url(self) -> str | None:
        """The address of the file below the notebook server's origin, or None without a server.

        It answers 503 with ``Retry-After`` until the file is complete, and 410 after a cancel or
        a failure. It has no host in it, for only the browser knows under which the server is seen.
        """
        return self._url

    def link(self, expires: float = 3600.0, *, server: str | None = None) -> str:
        """Return an address of the file that works without signing in, for a while.

        It is for `curl`, a colleague or another machine: whoever has it can read this one file, and
        do nothing else. It names the newest file of the job; a later one needs a link of its own.

        Parameters
        ----------
        expires
            Seconds until it closes; the server has a limit (`max_link_seconds`, a day).
        server
            Scheme, host and port under which others reach the server, for instance
            ``https://hub.example.org``; by default the one that a hub was told to be reached under
            (its ``public_url``), or else the one that this kernel uses.

        Raises
        ------
        LinkError
            If there is no server, or it refuses.
        """
        body = {"expires": expires}
        answer, origin = links(self.id, "POST", body)
        return (server or origin).rstrip("/") + str(answer["url"])

    def revoke_links(self) -> None:
        """Close every link to the job's file at once, whoever made it.

        Raises
        ------
        LinkError
            If there is no server, or it refuses.
        """
        links(self.id, "DELETE", None)

    @property
    def on_server(self) -> bool:
        """Whether the notebook server follows the job."""
        return self._on_server

    @property
    def error(self) -> BaseException | None:
        """What ended the job, or None while it runs and when it is done."""
        return self._error

    def pause(self) -> None:
        """Stop after the batch that is being written, until `resume`."""
        self._wish("pause")

    def resume(self) -> None:
        """Go on after `pause`."""
        self._wish("resume")

    def cancel(self) -> None:
        """Stop, and leave neither the file nor a part of it; a file from before stays."""
        self._wish("cancel")

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
        ProgressWidgetError
            Or whatever else the source or the disk raised.
        """
        if not _wait(self._over, timeout):
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
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed by then
                loop.call_soon_threadsafe(ended.set)

        with self._changed:
            self._callbacks.append(wake)
        # Looked at after the callback is in place: an end in between is not missed.
        if not self._settled.is_set():
            await ended.wait()
        return self.result(0)

    def __repr__(self) -> str:
        return f"Job(path={str(self._path)!r}, state={self._state!r}, rows={self.rows})"

    def _ipython_display_(self) -> None:
        if running_kernel() is None:
            print(repr(self))  # noqa: T201 - IPython in a terminal asks for the output itself
        else:
            self._display.show()

    # --- the worker ---------------------------------------------------------------------------

    def _start(self) -> None:
        try:
            # What a transfer fetches is meant for this disk; an export is meant for the person.
            self._probe = Probe.create(self._path) if self._kind == "export" else None
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
            self._send(outcome)
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
            # What is built only now tells only now what it is.
            self._once, self._columns = work.once, work.columns
            self._schema, self._settings = lines(work.schema), lines(work.settings)
            self._take_name(work)

    def _take_name(self, work: Work) -> None:
        # A download into a folder is called as the server says.
        with self._changed:
            self._path, self._name, self._format = work.path, work.path.name, work.format
            self._real_path = os.path.realpath(work.path)

    def _send(self, outcome: Result) -> None:
        if self._sender is not None:
            self._progress.phase = "sending"
            self._sender.finish(outcome, self._checkpoint)

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
        with self._changed:
            self._outcome, self._error = outcome, error
            self._ended = time.time()
            self._feed()
            self._meter.pause(time.monotonic())
            self._state = state
            self._over.set()
        self._stop_sending(error)
        reporter().settle(self, SETTLE)
        self._display.settle(SETTLE)
        _active.discard(self)
        self._settled.set()
        with self._changed:
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def _stop_sending(self, error: BaseException | None) -> None:
        if self._probe is not None:
            self._probe.remove()
        if self._sender is not None:
            # What a later run goes on from, the server keeps too.
            final = isinstance(error, ExportCancelledError) and error.final
            self._sender.stop(abandon=final)

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
            _wait(self._settled)
        except KeyboardInterrupt:
            self.cancel()
            _wait(self._settled)
            # A process that was ended by Ctrl-C says so to its parent by dying of it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(self._pid, signal.SIGINT)

    # --- the cell -----------------------------------------------------------------------------

    def _block(self) -> None:
        bar = TextBar() if running_kernel() is None else None
        try:
            self._start()
            while not self._settled.wait(DRAW_INTERVAL):
                if bar is not None:
                    bar.draw(self.report())
        except KeyboardInterrupt:
            self._stop_kind = self._stopped_kind
            # What was sent to another disk is given up at once: the server would keep it for a day.
            if self._in_kernel and self._kind == "export" and self._sender is None:
                self._stop_kind = ExportHeldError
            self.cancel()
            _wait(self._settled)
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
        given_up = self._kind != "export" and self._stop_kind.final
        key = "again_stream" if self._once else "anew" if given_up else "again"
        return texts.worded(table, key, self._kind)

    # --- what is told of it -------------------------------------------------------------------

    def report(self) -> Json:
        """Return the whole state, as `progresswidget.protocol.REPORT_FIELDS` has it."""
        with self._changed:
            self._feed()
            fields = self._fields()
            if apart_from_clock(fields) != apart_from_clock(self._reported):
                self._revision += 1
                self._reported = fields
            return {**fields, "revision": self._revision}

    def snapshot(self) -> Json:
        """Return the state as views have it: the server's public record, as far as it is known.

        It is saved with the notebook, and a notebook travels: the path is only the file's name.
        """
        known = self.report()
        for private in protocol.PRIVATE_FIELDS:
            del known[private]
        known["path"] = self._name
        updated = round(time.time() * 1000)
        shared = {"url": self._url, "notebook": self._notebook, "pending": None}
        return {**known, **shared, "updated": updated}

    def receipts(self) -> list[Job]:
        """Return the parts that a receipt names: a job of its own has none."""
        return []

    def member(self) -> Member:
        """Return what the group that it belongs to needs to know of it."""
        eta = self._meter.eta if self._state in protocol.ACTIVE else None
        return Member(self._state, self._percent(), self.bytes, eta)

    def answered(self, reply: Json) -> None:
        """Take the server's reply to a report."""
        self._url = reply.get("url", self._url)
        self._notebook = reply.get("notebook", self._notebook)
        self._note_disk(reply.get("shared"))
        control = reply.get("control")
        if isinstance(control, dict) and control.get("action") in protocol.ACTIONS:
            if control.get("id") != self._control:
                self._wish(control["action"])
            self._control = control.get("id")

    def _note_disk(self, shared: object) -> None:
        """Take the server's word on whether it sees what is written here; the first one counts."""
        probe = self._probe
        if probe is None or not isinstance(shared, bool) or self._over.is_set():
            return
        self._probe = None
        probe.remove()
        if not shared:
            from progresswidget.sending import Sender  # it brings an HTTP client along

            sender = Sender(self._id, self._path, self._progress, overwrite=self._overwrite)
            self._sender = sender
            sender.start()

    def mirror(self, report: Json) -> None:
        """Show a changed state in the widgets."""
        self._display.mirror(self.snapshot())

    def mirror_to(self, widget: JobMirror) -> None:
        """Show each changed state from now on in a widget, too."""
        self._display.add(widget)

    def bundle_of(self, widget: JobMirror) -> tuple[Json, Json]:
        """Return the output of a widget that shows the job: data and metadata."""
        return self._display.bundle_of(widget)

    def _feed(self) -> None:
        self._meter.total = self._progress.total
        self._meter.feed(time.monotonic(), self.rows, self._progress.reused)

    def _fields(self) -> Json:
        ended = self._state in protocol.TERMINAL
        return {
            "taskId": self._id,
            "kind": self._kind,
            "status": self._state,
            "phase": self._progress.phase,
            "name": self._name,
            "path": self._real_path,
            "format": self._format.name,
            "mediaType": self._format.media_type,
            "generation": self._generation,
            "progress": self._percent(),
            "rows": self.rows,
            "reused": self.reused,
            "undone": self._progress.undone,
            "total": self.total,
            "columns": self.columns,
            "bytes": self.bytes,
            "rate": self._meter.rate,
            "eta": None if ended else self._meter.eta,
            "elapsed": round(self._meter.elapsed, 3),
            "created": round(self._created * 1000),
            "started": None if self._started is None else round(self._started * 1000),
            "ended": None if self._ended is None else round(self._ended * 1000),
            "background": self._background,
            # What lies on another disk cannot be followed by the server.
            "appendOnly": self._format.append_only and self._sender is None,
            "schema": self._schema,
            "options": self._settings,
            "sha256": self.sha256,
            "kernelId": self._kernel_id,
            "cellId": self._cell_id,
            "parent": None if self._parent is None else self._parent.id,
            "title": None,
            "pid": self._pid,
            "control": self._control,
            "steps": [{"name": name, "status": at} for name, at in self.steps.items()] or None,
            "error": describe(self._error),
            "fingerprint": fingerprint(self._outcome),
            "part": None if ended else growing(self._progress.part),
            "probe": None if self._probe is None else self._probe.to_json(),
        }

    def _percent(self) -> float | None:
        if self._state == "done":
            return 100.0
        if not self.total:
            return None
        # A hundred is kept for a file that is there under its name.
        return min(round(100 * self.rows / self.total, 2), 99.9)


def begin_for(work: Work, task_id: str, generation: int) -> Job:
    """Begin the work of a job that the server has made, and return it."""
    job = Job(work, background=True, task_id=task_id, generation=generation)
    job._start()  # noqa: SLF001 - as in `export`
    return job


def begin_unseen(work: Work) -> Job:
    """Begin the work of somebody who shows the job's bar in a place of their own."""
    job = Job(work, background=True, shown=False)
    job._start()  # noqa: SLF001 - as in `export`
    return job


def halt(job: Job, kind: type[ExportCancelledError]) -> None:
    """Stop a job for a reason of its own."""
    job._stop_kind = kind  # noqa: SLF001 - nobody in a notebook has such a reason
    job.cancel()


def silence() -> float:
    """Return the seconds since the server took a report of this process."""
    return reporter().silence


def _wait(event: threading.Event, timeout: float | None = None) -> bool:
    # A wait without end cannot be interrupted once a library has put its own handler in the place
    # of Python's (polars does): the system restarts it. A look now and then lets Ctrl-C through.
    deadline = None if timeout is None else time.monotonic() + timeout
    while not event.is_set():
        left = DRAW_INTERVAL if deadline is None else deadline - time.monotonic()
        if left <= 0:
            return False
        event.wait(min(left, DRAW_INTERVAL))
    return True


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

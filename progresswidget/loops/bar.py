"""`tqdm`: progress of any loop, with the signature and the methods that people know by heart."""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from progresswidget.loops import endings
from progresswidget.loops.drawing import MAXINTERVAL, MININTERVAL, SMOOTHING
from progresswidget.loops.environment import envwrap, plain
from progresswidget.loops.fed import Fed
from progresswidget.loops.jobs.faces import faces
from progresswidget.loops.jobs.job import LoopJob
from progresswidget.loops.monitor import TMonitor
from progresswidget.loops.options import refuse_unknown, refuse_what_is_no_number, steps_of
from progresswidget.loops.redirected import Redirected
from progresswidget.loops.tally import Tally
from progresswidget.loops.text import line
from progresswidget.loops.text.terminal import Counted, Stream
from progresswidget.loops.workers.feed import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from progresswidget.loops.workers.reporter import WorkerReporter

T = TypeVar("T")


class tqdm(Fed[T]):  # noqa: N801 - the name that people know
    """Progress of a loop: in a notebook a job on its server, elsewhere a line of text.

    Parameters
    ----------
    iterable
        What the loop runs over; None where `update` is called instead.
    desc
        What the loop is called.
    total
        How many steps there are, where the iterable does not tell.
    leave
        Whether the line stays when the loop has ended; None for only the topmost.
    file
        Where the text goes, stderr by default. A file of one's own gets text also in a notebook.
    ncols, nrows
        Columns and rows of the terminal, where it shall not be asked.
    mininterval, maxinterval
        Seconds between two lines of text, at least and at most.
    miniters
        Steps between two lines of text; None lets the speed decide.
    ascii
        Whether the bar is of ASCII characters, or of which.
    disable
        Whether to show nothing; None for only where the file is no terminal.
    unit, unit_scale, unit_divisor
        What a step is called; whether numbers have prefixes, or by what they are multiplied; from
        one prefix to the next.
    dynamic_ncols
        Whether the terminal is asked anew for each line.
    smoothing
        The share of the newest observation in the rate, from 0 (the mean of all) to 1.
    bar_format
        The line of text, with the names of `progresswidget.loops.text.line.format_meter`.
    initial
        Steps that were done before.
    position
        The row of the line, counted from 0.
    postfix
        What is said behind the rate: names and values, or anything that `bar_format` knows.
    write_bytes
        Whether the file takes bytes.
    lock_args
        How to acquire the lock, as ``(False,)`` for not to wait.
    colour
        Of the bar.
    delay
        Seconds before the first line of text.
    gui
        For subclasses that draw themselves.

    Raises
    ------
    TqdmKeyError
        If an option is not known.
    TqdmTypeError
        If one is no number that has to be one.
    """

    _job_kind: ClassVar[type[LoopJob]] = LoopJob
    monitor_interval: ClassVar[float] = 10
    monitor: ClassVar[Any] = None
    format_sizeof = staticmethod(line.format_sizeof)
    format_interval = staticmethod(line.format_interval)
    format_num = staticmethod(line.format_num)
    format_meter = staticmethod(line.format_meter)

    @envwrap("TQDM", types=defaultdict(lambda: plain), is_method=True)
    def __init__(
        self,
        iterable: Iterable[T] | None = None,
        desc: str | None = None,
        total: float | None = None,
        leave: bool | None = True,  # noqa: FBT001, FBT002 - as people call it
        file: Any = None,
        ncols: int | None = None,
        mininterval: float | None = MININTERVAL,
        maxinterval: float | None = MAXINTERVAL,
        miniters: float | None = None,
        ascii: bool | str | None = None,  # noqa: FBT001
        disable: bool | None = False,  # noqa: FBT001, FBT002
        unit: str = "it",
        unit_scale: float = False,  # noqa: FBT002
        dynamic_ncols: bool | Callable[[Any], tuple[int, int]] = False,  # noqa: FBT001, FBT002
        smoothing: float | None = SMOOTHING,
        bar_format: str | None = None,
        initial: float = 0,
        position: int | None = None,
        postfix: Any = None,
        unit_divisor: float = 1000,
        write_bytes: bool = False,  # noqa: FBT001, FBT002
        lock_args: tuple[Any, ...] | None = None,
        nrows: int | None = None,
        colour: str | None = None,
        delay: float | None = 0.0,
        gui: bool = False,  # noqa: FBT001, FBT002
        **unknown: Any,
    ) -> None:
        self.disable = True  # until it is whole
        console = sys.stderr if file is None else file
        target = console.wrapped if isinstance(console, Redirected) else console
        self._stream = Stream(target, as_bytes=write_bytes)
        refuse_unknown(unknown, tqdm.__init__, self._stream)
        refuse_what_is_no_number(
            ncols=ncols, nrows=nrows, position=position, initial=initial, miniters=miniters,
            mininterval=mininterval, maxinterval=maxinterval, smoothing=smoothing, delay=delay,
            unit_scale=unit_scale, unit_divisor=unit_divisor,
        )  # fmt: skip
        self._server: str | None = None
        self.iterable = iterable
        self.total, self.leave = steps_of(iterable, total), leave
        self.unit, self.unit_scale, self.unit_divisor = unit, unit_scale, unit_divisor
        self.initial, self.desc, self.colour = initial, desc, colour
        self.bar_format, self.gui, self.fp = bar_format, gui, target
        self.ncols, self.nrows, self.dynamic_ncols = ncols, nrows, dynamic_ncols
        self.mininterval, self.maxinterval = mininterval or 0, maxinterval or 0
        self.dynamic_miniters = miniters is None
        self.miniters = miniters or 0
        self.smoothing, self.delay = smoothing or 0, delay or 0.0
        self.postfix = None
        self.lock_args = lock_args
        self._tally = Tally(initial, Workers(self))
        self._reporter: WorkerReporter | None = None
        self._time = time.time
        self._error: BaseException | None = None
        self.ascii = not self._stream.unicode if ascii is None else ascii
        if postfix is not None:
            self._set_first_postfix(postfix)
        told, drawn = faces(target, quiet=disable is None)
        if disable or not (told or drawn):
            self._tally.workers.close()
            return
        self.disable = False
        endings.be_ready()
        self._begin_measuring()
        if gui:
            self._tally.due = -math.inf  # each step is refused
            self._take_place(position)
            return
        try:
            if drawn:  # first, for a line may not be what it is said to be
                self._begin_text(position)
        except BaseException:
            self._give_up()
            raise
        if told:
            self._begin_job()
        if drawn:
            self._look_after()
            self._begin_clock()  # what was made ready is no time of the loop's

    # --- Its faces -------------------------------------------------------------------------------

    def _give_up(self) -> None:
        self.disable = True  # so that nothing is drawn when it goes away
        self._tally.workers.close()
        with self.get_lock():
            self._instances.discard(self)

    def _begin_job(self) -> None:
        self.job = job = self._job_kind(self.desc, self._tally, delay=self.delay)
        job.counted_elsewhere = self._tally.workers.hear
        self._tell()
        job.begin()

    def _look_after(self) -> None:
        if self.monitor_interval and (self.monitor is None or not self.monitor.watches):
            with self.get_lock():
                tqdm.monitor = TMonitor(tqdm, self.monitor_interval)

    # --- Its end ---------------------------------------------------------------------------------

    def reset(self, total: float | None = None) -> None:
        """Begin anew, perhaps with another total."""
        self.n = 0
        if total is not None:
            self.total = steps_of(None, total)
        if self.disable:
            return
        if self.job is not None and self.job.over:  # with the cell that it began in
            self._begin_job()
        self._begin_measuring()
        self.refresh()

    def close(self) -> None:
        """End the progress; a second call changes nothing."""
        if self.disable:
            return
        self.disable = True
        try:
            self._tally.workers.close()
        finally:  # it waits for a moment for other machines, and may be interrupted
            if self.job is not None:
                self.job.end(self._error)
            if hasattr(self, "pos"):
                with self.get_lock():
                    self._end_text()

    def __enter__(self) -> Self:
        self._hold()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._error = error
        job = self.job
        if self.disable and error is not None and job is not None and job.left is not None:
            # Its loop was let go of before, and what it was left by is known only now.
            if job.left.is_by(error):
                job.end(error)
            return
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "disable", True):
            endings.end(self, self._end_unkept)

    def _end_unkept(self) -> None:
        if self.job is not None:
            self.job.hurried = True
        self.close()

    # --- Doors to it -----------------------------------------------------------------------------

    @classmethod
    @contextmanager
    def wrapattr(
        cls,
        stream: Any,
        method: str,
        total: float | None = None,
        bytes: bool = True,  # noqa: FBT001, FBT002
        **options: Any,
    ) -> Iterator[Any]:
        """Count what goes through ``read`` or ``write`` of a stream.

        Parameters
        ----------
        stream, method
            The stream, and which of the two.
        total
            How much will go through.
        bytes
            Whether it is counted as bytes, with prefixes.
        **options
            Those of the bar.
        """
        if bytes:
            options = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, **options}
        with cls(total=total, **options) as bar:
            yield Counted(bar.update, stream, method)

    @classmethod
    def pandas(cls, **options: Any) -> None:
        """Give pandas ``progress_apply``, ``progress_map`` and others, with these options."""
        from progresswidget.loops.frames import register

        register(cls, options)


def trange(*args: int, **options: Any) -> tqdm[int]:
    """Return ``tqdm(range(*args), **options)``."""
    return tqdm(range(*args), **options)

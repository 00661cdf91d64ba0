"""`tqdm`: progress of any loop, with the signature and the methods that people know by heart."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from progresswidget.cell import running_kernel
from progresswidget.loops import line
from progresswidget.loops.environment import envwrap, plain
from progresswidget.loops.errors import TqdmDeprecationWarning, TqdmKeyError
from progresswidget.loops.job import LoopJob
from progresswidget.loops.monitor import TMonitor
from progresswidget.loops.sampling import sampled
from progresswidget.loops.screen import Placed
from progresswidget.loops.terminal import Counted, Redirected, Stream
from progresswidget.loops.watching import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

T = TypeVar("T")

MININTERVAL: Final = 0.1
MAXINTERVAL: Final = 10.0
"""Seconds between two lines of text, at least and at most."""
SMOOTHING: Final = 0.3
"""The share of the newest observation in the rate."""
USUAL: Final = (MININTERVAL, MAXINTERVAL, SMOOTHING)
"""With these a thread draws the lines, and the loop itself does nothing for them."""


class Tally:
    """How many steps are done: those that were counted, and those that an iterator tells of.

    It is apart from the bar, so that who reads it does not keep the bar.
    """

    def __init__(self, counted: float) -> None:
        self.counted = counted
        self.position: Callable[[], float] | None = None

    def __call__(self) -> float:
        """Return the number."""
        return self.counted if self.position is None else self.counted + self.position()


class tqdm(Placed, Generic[T]):  # noqa: N801 - the name that people know
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
        The line of text, with the names of `progresswidget.loops.line.format_meter`.
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
    """

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
        self.iterable = iterable
        self.total = _total(iterable, total)
        self.unit, self.unit_scale, self.unit_divisor = unit, unit_scale, unit_divisor
        self.initial, self.desc, self.colour = initial, desc or "", colour
        self.bar_format, self.leave, self.gui, self.fp = bar_format, leave, gui, target
        self.ncols, self.nrows, self.dynamic_ncols = ncols, nrows, dynamic_ncols
        self.mininterval, self.maxinterval = mininterval or 0, maxinterval or 0
        self.dynamic_miniters = miniters is None
        self.miniters: float = miniters or 0
        self.smoothing, self.delay = smoothing or 0, delay or 0
        self.postfix: Any = None
        self._lock_args = lock_args
        self._tally = Tally(initial)
        self._time = time.time
        self.job: LoopJob | None = None
        self._error: BaseException | None = None
        self._stream = Stream(target, as_bytes=write_bytes)
        self.ascii = not self._stream.unicode if ascii is None else ascii
        _refuse(unknown, self._stream)
        if postfix is not None:
            self._set_first_postfix(postfix)
        if disable is None:
            disable = not getattr(target, "isatty", bool)()
        if disable:
            return
        self.disable = False
        self._begin_measuring()
        if gui:
            self._take_place(position)
        elif running_kernel() is not None and target in (sys.stdout, sys.stderr):
            self._begin_job()
        else:
            self._begin_text(position)

    # --- Its faces -------------------------------------------------------------------------------

    def _begin_measuring(self) -> None:
        self.last_print_n = self._tally.counted
        self._ema_dn, self._ema_dt = line.EMA(self.smoothing), line.EMA(self.smoothing)
        self._ema_miniters = line.EMA(self.smoothing)
        self._begin_clock()

    def _begin_clock(self) -> None:
        self.start_t = self.last_print_t = self._time()

    def _begin_job(self) -> None:
        self.job = self._new_job()
        self.job.begin()

    def _new_job(self) -> LoopJob:
        leave = self.leave is not False
        return LoopJob(self.desc, self._tally, total=self.total, unit=self.unit, leave=leave)

    def _begin_text(self, position: int | None) -> None:
        self.sp = self.status_printer(self._stream)
        columns, rows = self._stream.size() if None in {self.ncols, self.nrows} else (None, None)
        # A terminal's width is used; without one the bar has ten columns.
        self.ncols = columns if self.ncols is None else self.ncols
        self.nrows = rows if self.nrows is None else self.nrows
        self._take_place(position)
        if self.delay <= 0:
            del self.start_t
            self.refresh(lock_args=self._lock_args)
        self._begin_clock()  # the first line has not run
        if self.monitor_interval and (self.monitor is None or not self.monitor.report()):
            with self.get_lock():
                tqdm.monitor = TMonitor(tqdm, self.monitor_interval)

    # --- Counting --------------------------------------------------------------------------------

    @property
    def n(self) -> float:
        """How many steps are done."""
        return self._tally()

    @n.setter
    def n(self, steps: float) -> None:
        tally = self._tally
        tally.counted = steps if tally.position is None else steps - tally.position()

    def __iter__(self) -> Iterator[T]:
        if self.iterable is None:
            raise TypeError("there is nothing to iterate over")
        return self._over(self.iterable)

    def __reversed__(self) -> Iterator[T]:
        turned: Any = self.iterable
        return self._over(reversed(turned))

    def _over(self, iterable: Iterable[T]) -> Iterator[T]:
        if self.disable:
            return iter(iterable)
        if self.gui:
            self._refuse_gui()
        usual = (self.mininterval, self.maxinterval, self.smoothing) == USUAL
        if hasattr(self, "sp") and not (usual and self.dynamic_miniters):
            return self._each(iterable)
        iterator, position = sampled(iterable)
        self._tally.position = position
        if hasattr(self, "sp"):
            watch(self)
        return chain(iterator, _End(self))

    def _each(self, iterable: Iterable[T]) -> Iterator[T]:
        """Count each step: where it is said how many of them a line is for."""
        tally, clock = self._tally, self._time
        n = tally.counted
        try:
            for item in iterable:
                yield item
                n += 1
                if n - self.last_print_n >= self.miniters:
                    now = clock()
                    if now - self.last_print_t >= self.mininterval:
                        tally.counted = n
                        self._show_if_due(now)
        finally:
            tally.counted = n
            self.close()

    def update(self, n: float | None = 1) -> bool | None:
        """Count `n` steps more.

        Returns
        -------
        Whether a line of text was due.
        """
        if self.disable:
            return None
        if self.gui:
            self._refuse_gui()
        self._tally.counted += n or 0
        if self.job is not None:
            return None
        if n and n < 0:
            self.last_print_n += n  # what was undone comes again
        if self.n - self.last_print_n < self.miniters:
            return None
        return self._show_if_due(self._time())

    def draw_if_due(self) -> None:
        """Draw the line if steps were taken and the time for it has come; from any thread."""
        if not self.disable and self.n != self.last_print_n:
            self._show_if_due(self._time())

    def _show_if_due(self, now: float) -> bool | None:
        elapsed, n = now - self.last_print_t, self.n
        if elapsed < self.mininterval or now < self.start_t + self.delay:
            return None
        steps = n - self.last_print_n
        if self.smoothing and elapsed and steps:
            self._ema_dn(steps)
            self._ema_dt(elapsed)
        self.refresh(lock_args=self._lock_args)
        if self.dynamic_miniters:
            self.miniters = self._fitting(steps, elapsed)
        self.last_print_n, self.last_print_t = n, now
        return True

    def _fitting(self, steps: float, elapsed: float) -> float:
        """Return the steps until the next line, by those that came since the last one."""
        if self.maxinterval and elapsed >= self.maxinterval:
            return steps * (self.mininterval or self.maxinterval) / elapsed
        if not self.smoothing:
            return max(self.miniters, steps)
        share = self.mininterval / elapsed if self.mininterval and elapsed else 1
        return self._ema_miniters(steps * share)

    def reset(self, total: float | None = None) -> None:
        """Begin anew, perhaps with another total."""
        self.n = 0
        if total is not None:
            self.total = _total(None, total)
        if self.disable:
            return
        self._begin_measuring()
        self._tell()
        self.refresh()

    def unpause(self) -> None:
        """Leave the time since the last line out of the rate."""
        if not self.disable:
            now = self._time()
            self.start_t += now - self.last_print_t
            self.last_print_t = now

    # --- What it says ----------------------------------------------------------------------------

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:  # noqa: FBT001, FBT002
        """Call the loop something else."""
        self.set_description_str(f"{desc}: " if desc else "", refresh)

    def set_description_str(self, desc: str | None = None, refresh: bool | None = True) -> None:  # noqa: FBT001, FBT002
        """Call the loop something else, without a colon behind it."""
        self.desc = desc or ""
        self._tell()
        if refresh:
            self.refresh()

    def set_postfix(
        self,
        ordered_dict: Any = None,
        refresh: bool | None = True,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> None:
        """Say names and values behind the rate."""
        values = dict(ordered_dict or {}) | dict(sorted(kwargs.items()))
        said = (f"{name}={_worded(value)}" for name, value in values.items())
        self.set_postfix_str(", ".join(said), refresh)

    def set_postfix_str(self, s: str = "", refresh: bool | None = True) -> None:  # noqa: FBT001, FBT002
        """Say a text behind the rate."""
        self.postfix = str(s)
        self._tell()
        if refresh:
            self.refresh()

    def _set_first_postfix(self, postfix: Any) -> None:
        try:
            self.set_postfix(postfix, refresh=False)
        except (TypeError, ValueError):
            self.postfix = postfix

    def _tell(self) -> None:
        if self.job is not None:
            self.job.title = self.desc.removesuffix(": ")
            self.job.total = self.total
            self.job.postfix = self.postfix if isinstance(self.postfix, str) else ""

    @property
    def format_dict(self) -> dict[str, Any]:
        """What `format_meter` is called with."""
        started = getattr(self, "start_t", None)
        if self.dynamic_ncols and hasattr(self, "sp"):
            asked: Any = self.dynamic_ncols
            self.ncols, self.nrows = asked(self.fp) if callable(asked) else self._stream.size()
        seconds = 0.0 if started is None else self._ema_dt()
        return {
            "n": self.n,
            "total": self.total,
            "elapsed": 0 if started is None else self._time() - started,
            "ncols": self.ncols,
            "nrows": self.nrows,
            "prefix": self.desc,
            "ascii": self.ascii,
            "unit": self.unit,
            "unit_scale": self.unit_scale,
            "rate": self._ema_dn() / seconds if seconds else None,
            "bar_format": self.bar_format,
            "postfix": self.postfix,
            "unit_divisor": self.unit_divisor,
            "initial": self.initial,
            "colour": self.colour,
        }

    def __str__(self) -> str:
        return self.format_meter(**self.format_dict)

    __repr__ = __str__

    # --- Its end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """End the progress; a second call changes nothing."""
        if self.disable:
            return
        self.disable = True
        self._settle_position()
        if self.job is not None:
            self.job.end(self._error)
        if hasattr(self, "pos"):
            with self.get_lock():
                self._end_text()

    def _settle_position(self) -> None:
        # The iterator is let go of with the loop.
        tally = self._tally
        if tally.position is not None:
            tally.counted, tally.position = tally.counted + tally.position(), None

    def _end_text(self) -> None:
        row = abs(self.pos)
        self._leave_place()
        if not hasattr(self, "sp") or self.last_print_t < self.start_t + self.delay:
            return
        if self.leave or (self.leave is None and row == 0):
            self._ema_dt = line.EMA()  # the rate of the whole loop
            self.display(pos=0)
            self._stream.write("\n")
        else:
            self.display(msg="", pos=row)
            if not row:
                self._stream.write("\r")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._error = error
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "disable", True):
            self.close()

    # --- As what it runs over --------------------------------------------------------------------

    def __len__(self) -> int:
        known: Any = self.total if self.iterable is None else _length(self.iterable)
        hint = getattr(self.iterable, "__length_hint__", None)
        return self.total if known is None and hint is None else known or hint()

    def __bool__(self) -> bool:
        if self.total is not None:
            return self.total > 0
        if self.iterable is None:
            raise TypeError("bool() of a bar without a total and without something to run over")
        return bool(self.iterable)

    def __contains__(self, item: object) -> bool:
        within: Any = self.iterable
        return item in within if hasattr(within, "__contains__") else item in iter(self)

    @property
    def _rank(self) -> int:
        return abs(getattr(self, "pos", 1 << 31))

    def __lt__(self, other: Any) -> bool:
        return self._rank < other._rank

    def __le__(self, other: Any) -> bool:
        return self._rank <= other._rank

    def __gt__(self, other: Any) -> bool:
        return self._rank > other._rank

    def __ge__(self, other: Any) -> bool:
        return self._rank >= other._rank

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tqdm) and self._rank == other._rank

    def __hash__(self) -> int:
        return id(self)

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

    def _refuse_gui(self) -> None:
        raise TqdmDeprecationWarning(
            "Please use `tqdm.gui.tqdm(...)` instead of `tqdm(..., gui=True)`\n",
            fp_write=self._stream.write,
        )


class _End:
    """The end of a loop: it is iterated over after the last item, or dropped before."""

    def __init__(self, bar: tqdm[Any]) -> None:
        self._bar = bar

    def __iter__(self) -> Iterator[Any]:
        self._bar.close()
        return iter(())

    def __del__(self) -> None:
        self._bar.close()


def trange(*args: int, **options: Any) -> tqdm[int]:
    """Return ``tqdm(range(*args), **options)``."""
    return tqdm(range(*args), **options)


def _refuse(unknown: dict[str, Any], stream: Stream) -> None:
    if "nested" in unknown:
        raise TqdmDeprecationWarning(
            "`nested` is deprecated and automated.\nUse `position` instead for manual control.\n",
            fp_write=stream.write,
        )
    if unknown:
        raise TqdmKeyError(f"Unknown argument(s): {unknown}")


def _total(iterable: object, total: float | None) -> float | None:
    if total is None:
        total = _length(iterable)
    return None if total == float("inf") else total


def _length(iterable: object) -> int | None:
    shape = getattr(iterable, "shape", None)
    if shape:  # of numpy
        return int(shape[0])
    try:
        return len(iterable)  # type: ignore[arg-type]
    except (TypeError, AttributeError):
        return None


def _worded(value: object) -> str:
    if isinstance(value, int | float):
        return line.format_num(value)
    return str(value).strip()

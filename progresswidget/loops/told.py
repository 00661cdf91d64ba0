"""What a bar says beside its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget import texts
from progresswidget.loops.text.line import format_meter, format_num

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.loops.jobs.job import LoopJob
    from progresswidget.loops.text.line import EMA
    from progresswidget.loops.text.terminal import Stream


BYTES: Final = frozenset({"B", "iB", "byte", "bytes"})
"""What people call a byte; of a server's view it is the first of them."""


class Told:
    """Description, postfix and line of a bar; a base of `progresswidget.loops.bar.tqdm`."""

    n: float
    job: LoopJob | None = None
    ncols: int | None
    nrows: int | None
    dynamic_ncols: bool | Callable[[Any], tuple[int, int]]
    ascii: bool | str
    unit_divisor: float
    bar_format: str | None
    initial: float
    colour: str | None
    fp: Any
    start_t: float
    _runs = False
    """Whether its time counts: not for the first line, which says that none has passed."""
    _lost: tuple[int, int] | None = None
    """How many of how many workers have died."""
    _show_what_is_said: Callable[[], None]
    format_meter = staticmethod(format_meter)
    _time: Callable[[], float]
    _stream: Stream
    _ema_dn: EMA
    _ema_dt: EMA

    @property
    def total(self) -> float | None:
        """How many steps there are, or None where nobody knows."""
        return self._total

    @total.setter
    def total(self, total: float | None) -> None:
        self._total = total
        self._tell()

    @property
    def desc(self) -> str:
        """What the loop is called."""
        return self._desc

    @desc.setter
    def desc(self, desc: object) -> None:
        self._desc = "" if desc is None else str(desc)  # a path, a number
        self._tell()

    @property
    def unit(self) -> str:
        """What a step is called."""
        return self._unit

    @unit.setter
    def unit(self, unit: str) -> None:
        self._unit = unit
        self._tell()

    @property
    def unit_scale(self) -> bool | float:
        """Whether numbers have prefixes, or by what they are multiplied."""
        return self._unit_scale

    @unit_scale.setter
    def unit_scale(self, scale: bool | float) -> None:
        self._unit_scale = scale
        self._tell()

    @property
    def leave(self) -> bool | None:
        """Whether the line stays when the loop has ended; None for only the topmost."""
        return self._leave

    @leave.setter
    def leave(self, leave: bool | None) -> None:
        self._leave = leave
        self._tell()

    @property
    def postfix(self) -> Any:
        """What is said behind the rate."""
        return self._postfix

    @postfix.setter
    def postfix(self, postfix: Any) -> None:
        self._postfix = postfix
        self._tell()

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:  # noqa: FBT001, FBT002 - as people call it
        """Call the loop something else."""
        self.set_description_str(f"{desc}: " if desc else "", refresh)

    def set_description_str(self, desc: str | None = None, refresh: bool | None = True) -> None:  # noqa: FBT001, FBT002
        """Call the loop something else, without a colon behind it."""
        self.desc = desc or ""
        if refresh:
            self._show_what_is_said()

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
        if refresh:
            self._show_what_is_said()

    def _set_first_postfix(self, postfix: Any) -> None:
        try:
            self.set_postfix(postfix, refresh=False)
        except (TypeError, ValueError):
            self.postfix = postfix

    def _tell(self) -> None:
        job = self.job
        if job is None:
            return
        job.title, job.total = self._desc.removesuffix(": "), self._total
        job.unit, job.leave = str(self._unit), None if self._leave is None else bool(self._leave)
        scale = self._unit_scale
        if scale is True and job.unit in BYTES:
            job.unit = "B"
        job.scale = float(scale) if scale and scale is not True else 1.0
        said = self._postfix if isinstance(self._postfix, str) else ""
        job.postfix = self._with_lost(said, texts.saved_table())

    def _with_lost(self, said: str, table: texts.Table) -> str:
        if self._lost is None:
            return said
        dead, count = map(texts.count, self._lost)
        words = table["workers died"].format(dead=dead, count=count)
        return f"{said}, {words}" if said else words

    @property
    def format_dict(self) -> dict[str, Any]:
        """What `format_meter` is called with."""
        started = self.start_t if self._runs else None
        if self.dynamic_ncols:
            asked: Any = self.dynamic_ncols
            self.ncols, self.nrows = asked(self.fp) if callable(asked) else self._stream.size()
        seconds = 0.0 if started is None else self._ema_dt()
        steps, postfix = self.n, self.postfix
        if self._lost is not None and (postfix is None or isinstance(postfix, str)):
            postfix = self._with_lost(postfix or "", texts.terminal_table())
        return {
            "n": steps,
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
            "postfix": postfix,
            "unit_divisor": self.unit_divisor,
            "initial": self.initial,
            "colour": self.colour,
        }

    def __str__(self) -> str:
        return self.format_meter(**self.format_dict)

    __repr__ = __str__


def _worded(value: object) -> str:
    if isinstance(value, int | float):
        return format_num(value)
    return str(value).strip()

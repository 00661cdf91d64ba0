"""A bar for any loop, in the manner of `ipywidgets.IntProgress`, with rate and remaining time."""

from __future__ import annotations

import html
import math
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import traitlets

from progresswidget import protocol, texts
from progresswidget.cell import running_kernel
from progresswidget.errors import OptionError
from progresswidget.meter import Meter
from progresswidget.outbox import outbox
from progresswidget.synced import SyncedWidget
from progresswidget.widget import BAR_STYLES, ESM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from progresswidget.protocol import Json

TICK: Final = 1.0
"""Seconds between two looks at a bar that moves, whose rate sinks when nothing comes."""
STANDSTILL: Final = 30.0
"""Seconds without a change after which there is no rate to speak of."""
VERSION: Final = 1
WIDGET_MIMETYPE: Final = "application/vnd.jupyter.widget-view+json"
SNAPSHOT: Final = (
    *("value", "min", "max", "state", "description", "description_width", "bar_style"),
    *("orientation", "rate", "eta", "elapsed"),
)
"""The traits that are saved with the notebook."""


class _Number(traitlets.TraitType[Any, Any]):
    """An int or a finite float; an array's own number becomes one of these."""

    info_text = "a finite number"

    def validate(self, obj: Any, value: object) -> float:
        if hasattr(value, "item"):  # of numpy
            value = value.item()
        if isinstance(value, (int, float)) and math.isfinite(value):
            return int(value) if isinstance(value, bool) else value
        self.error(obj, value)
        raise AssertionError  # `error` raises


class ProgressWidget(SyncedWidget):
    """A progress bar that any thread may move as often as it likes.

    Parameters
    ----------
    value
        How far it is.
    max
        The value at the end, or None where nobody knows: then the bar tells only that it moves.
    min
        The value at the beginning.
    style
        ``description_width``, as ipywidgets take it.
    **traits
        ``description``, ``description_width`` (a length of CSS, ``"initial"`` for that of the text,
        or ``""`` for at least that of ipywidgets),
        ``state`` (one of `progresswidget.protocol.STATUSES`), ``bar_style`` (``"success"``,
        ``"info"``, ``"warning"``, ``"danger"`` or ``""`` for that of the state), ``orientation``,
        ``layout`` and what else every ipywidget has.

    Raises
    ------
    OptionError
        If `style` has something else.

    Notes
    -----
    ``state`` becomes ``"done"`` when the value reaches ``max``, and ``"running"`` again when it is
    set back. ``rate`` (a second), ``eta`` and ``elapsed`` (seconds) are measured here.
    """

    _esm = ESM
    value = _Number(0).tag(sync=True)
    min = _Number(0).tag(sync=True)
    max = _Number(100, allow_none=True).tag(sync=True)
    state = traitlets.Enum(sorted(protocol.STATUSES), "running").tag(sync=True)
    description = traitlets.Unicode("").tag(sync=True)
    description_width = traitlets.Unicode("").tag(sync=True)
    bar_style = traitlets.Enum(BAR_STYLES, "").tag(sync=True)
    orientation = traitlets.Enum(("horizontal", "vertical"), "horizontal").tag(sync=True)
    rate = traitlets.Float(None, allow_none=True, read_only=True).tag(sync=True)
    eta = traitlets.Float(None, allow_none=True, read_only=True).tag(sync=True)
    elapsed = traitlets.Float(0.0, read_only=True).tag(sync=True)

    def __init__(
        self,
        value: float = 0,
        max: float | None = 100,
        min: float = 0,
        *,
        style: Mapping[str, str] | None = None,
        **traits: Any,
    ) -> None:
        unknown = set(style or ()) - {"description_width"}
        if unknown:
            raise OptionError(
                f"The style of a ProgressWidget has no {', '.join(sorted(unknown))}.",
                "It has description_width; the colour is chosen by bar_style.",
            )
        self._meter: Meter | None = None
        self._measured = threading.Lock()
        self._counting = threading.Lock()
        self._moved = 0.0
        self._ticks = False
        self._first: float = 0
        self._shown = ""
        self._kept: Json = {}
        super().__init__(min=min, max=max, value=value, **{**(style or {}), **traits})

    def _clock(self) -> float:
        return time.monotonic()

    def advance(self, amount: float = 1) -> None:
        """Add to the value; unlike ``value += 1`` it loses nothing where several threads do."""
        with self._counting:
            self.value += amount

    # --- what the traits demand of each other -------------------------------------------------

    @traitlets.validate("value")
    def _within(self, proposal: Json) -> float:
        value: float = proposal["value"]
        low: float = self.min
        high: float | None = self.max
        return low if value < low else value if high is None or value <= high else high

    @traitlets.validate("min")
    def _below_max(self, proposal: Json) -> float:
        low: float = proposal["value"]
        if self.max is not None and low > self.max:
            raise traitlets.TraitError("min must not be above max")
        self.value = max(self.value, low)
        return low

    @traitlets.validate("max")
    def _above_min(self, proposal: Json) -> float | None:
        high: float | None = proposal["value"]
        if high is None:
            return None
        if high < self.min:
            raise traitlets.TraitError("max must not be below min")
        self.value = min(self.value, high)
        return high

    @traitlets.observe("value", "max", "min")
    def _follow_value(self, _change: object) -> None:
        complete = self.max is not None and self.value >= self.max > self.min
        if complete and self.state == "running":
            self.state = "done"
        elif not complete and self.state == "done" and self.max is not None:
            self.state = "running"

    # --- rate and remaining time --------------------------------------------------------------

    @traitlets.observe("value")
    def _begin_again(self, change: Json) -> None:
        now = self._clock()
        self._moved = now
        # A bar that is set back measures anew; the first step has in it what came before the loop.
        if self._meter is None or change["new"] < change["old"]:
            with self._measured:
                self._meter = Meter(now)
                self._first = change["new"]

    def _before_sending(self) -> None:
        with self._measured:
            meter = self._meter
            if meter is None:
                return
            now = self._clock()
            meter.total = None if self.max is None else self.max - self._first
            meter.feed(now, self.value - self._first)
            if self.state == "running":
                meter.resume(now)
            else:
                meter.pause(now)
            stands = now - self._moved > STANDSTILL
            running = self.state == "running" and not stands
            told = {
                "rate": meter.rate if running or self.state in protocol.TERMINAL else None,
                "eta": meter.eta if running else None,
                "elapsed": round(meter.elapsed, 1),
            }
        for name, value in told.items():
            self.set_trait(name, value)
        if running and not self._ticks:
            self._ticks = True
            outbox().put(self._tick, TICK)

    def _tick(self) -> None:
        self._ticks = False
        self.flush()

    # --- what a notebook shows ----------------------------------------------------------------

    def _ipython_display_(self, **_kwargs: object) -> None:
        if running_kernel() is None:
            print(repr(self))  # noqa: T201 - IPython in a terminal asks for the output itself
            return
        from IPython.display import display

        # Fixed when it is shown: what nbval compares does not change with the state.
        self._shown = self.description or texts.saved_table()["progress"]
        self._kept = self._snapshot()
        display(
            self._bundle(),
            metadata={protocol.PROGRESS_MIMETYPE: self._kept},
            raw=True,
            display_id=self._display_id,
        )
        self._keep_in_output()

    def _keep(self) -> None:
        """Write the state into the output, which is all that is left after a restart."""
        snapshot = self._snapshot()
        if snapshot == self._kept:
            return
        self._kept = snapshot
        from IPython.display import update_display

        update_display(
            self._bundle(),
            metadata={protocol.PROGRESS_MIMETYPE: snapshot},
            raw=True,
            display_id=self._display_id,
        )

    @property
    def _display_id(self) -> str:
        return f"progresswidget-{self.model_id}"

    def _bundle(self) -> Json:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {
            protocol.PROGRESS_MIMETYPE: {"version": VERSION},
            WIDGET_MIMETYPE: view,
            "text/html": f"<p>{html.escape(self._shown)}</p>",
            "text/plain": self._shown,
        }

    def _snapshot(self) -> Json:
        state: Json = self.get_state(SNAPSHOT)
        return state

    def __repr__(self) -> str:
        of = "" if self.max is None else f"/{self.max}"
        return f"ProgressWidget({self.value}{of}, state={self.state!r})"

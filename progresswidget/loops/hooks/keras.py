"""Progress of training, for Keras and what calls its callbacks as Keras does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from progresswidget.loops.bar import tqdm

if TYPE_CHECKING:
    from collections.abc import Mapping


NO_BATCHES: Final = 0
KEPT_BATCHES: Final = 2
"""What `verbose` may be, beside 1: whether there is a line for batches, and whether it stays."""


def keras_callback(
    epochs: int | None = None,
    data_size: int | None = None,
    batch_size: int | None = None,
    verbose: int = 1,
    tqdm_class: type[tqdm[Any]] = tqdm,
    **options: Any,
) -> Any:
    """Return a callback for ``model.fit(…, verbose=0, callbacks=[…])``: epochs, and their batches.

    It is one of `keras.callbacks.Callback` where Keras is loaded; elsewhere it has the same
    methods, for whatever calls them in the order in which Keras does.

    Parameters
    ----------
    epochs, data_size, batch_size
        How much there is, where Keras does not tell: by itself it does.
    verbose
        0 for epochs alone, 1 for the batches of the one that goes on, 2 for those of each.
    tqdm_class, **options
        Of the bars.

    Raises
    ------
    KeyError
        If there is no such `verbose`.
    """
    if verbose not in {NO_BATCHES, 1, KEPT_BATCHES}:
        raise KeyError("Unknown verbosity")
    keras: Any = sys.modules.get("keras")
    bases = () if keras is None else (keras.callbacks.Callback,)
    kind: Any = type("KerasCallback", (_Training, *bases), {"__doc__": _Training.__doc__})
    batches = -(-data_size // batch_size) if data_size and batch_size else None
    return kind({"epochs": epochs, "steps": batches}, verbose, tqdm_class, options)


class _Training:
    """A bar for the epochs, and a line for the batches of the one that goes on."""

    params: Mapping[str, Any] | None = None

    def __init__(
        self,
        known: Mapping[str, int | None],
        verbose: int,
        bars: type[tqdm[Any]],
        options: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self._known, self._verbose = known, verbose
        self._bars, self._options = bars, options
        self._epochs: tqdm[Any] | None = None
        self._batches: tqdm[Any] | None = None

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Take how many epochs and steps there are."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take the model, of which nothing is needed."""
        self._model = model  # where Keras looks for it

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin to count epochs."""
        named = {"desc": "epochs", "unit": "epoch", "total": self._total("epochs")}
        self._epochs = self._bars(**{**named, **self._options})

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin to count batches."""
        if self._epochs is not None and self._epochs.n < epoch:  # training goes on
            self._epochs.n = self._epochs.last_print_n = self._epochs.initial = epoch
        if self._verbose != NO_BATCHES:
            named = {"desc": "batches", "unit": "batch", "unit_scale": True}
            told = {"total": self._total("steps"), "leave": self._verbose == KEPT_BATCHES}
            self._batches = self._bars(**{**self._options, **named, **told})

    def _total(self, name: str) -> Any:
        told = (self.params or {}).get(name)
        return self._known[name] if told is None else told

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count a batch."""
        _step(self._batches, logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count an epoch."""
        _close(self._batches)
        _step(self._epochs, logs)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """End the bars."""
        _close(self._batches)
        _close(self._epochs)

    def __getattr__(self, name: str) -> Any:
        # Keras also tells of what does not matter here: the older names of the batches, testing.
        if name.startswith("on_"):
            return _ignore
        raise AttributeError(name)


def _ignore(*_args: object, **_options: object) -> None:
    """Take what nobody wants to know."""


def _step(bar: tqdm[Any] | None, logs: Mapping[str, Any] | None) -> None:
    if bar is None:
        return
    if logs:
        bar.set_postfix({name: float(value) for name, value in logs.items()}, refresh=False)
    bar.update()


def _close(bar: tqdm[Any] | None) -> None:
    if bar is not None:
        bar.close()

"""Progress of training, for Keras and what calls its callbacks as Keras does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from progresswidget.loops.bar import tqdm

if TYPE_CHECKING:
    from collections.abc import Mapping


def keras_callback(desc: str = "epochs", **options: Any) -> Any:
    """Return a callback for ``model.fit(…, verbose=0, callbacks=[…])``: epochs, and their batches.

    It is one of `keras.callbacks.Callback` where Keras is loaded; elsewhere it has the same
    methods, for whatever calls them in the order in which Keras does.

    Parameters
    ----------
    desc, **options
        Those of `tqdm`, of the epochs.
    """
    keras: Any = sys.modules.get("keras")
    bases = () if keras is None else (keras.callbacks.Callback,)
    kind: Any = type("KerasCallback", (_Training, *bases), {"__doc__": _Training.__doc__})
    return kind(desc, options)


class _Training:
    """A bar for the epochs, and a line for the batches of the one that goes on."""

    params: Mapping[str, Any] | None = None

    def __init__(self, desc: str, options: Mapping[str, Any]) -> None:
        super().__init__()
        self._desc, self._options = desc, options
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
        total = (self.params or {}).get("epochs")
        self._epochs = tqdm(desc=self._desc, total=total, **{"unit": "epoch", **self._options})

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin to count batches."""
        total = (self.params or {}).get("steps")
        self._batches = tqdm(desc="batches", total=total, unit="batch", leave=False)

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

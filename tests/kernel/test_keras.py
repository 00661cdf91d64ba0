"""Training by the real Keras, in a Python that has it: our callback, and tqdm's own test of it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from beside import python_with
from test_tqdm_suite import node, run

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ReportingServer

pytestmark = pytest.mark.faults

KERAS = ("keras==3.15.1", "jax[cpu]>=0.5")
SCRIPT = """
import json, time
import keras, numpy
from progresswidget.loops.callbacks import keras_callback

model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x, y = numpy.random.rand(320, 4), numpy.random.rand(320, 1)
callback = keras_callback(desc="training", verbose={verbose})

def wait(epoch, logs):
    # A loop that is over in a moment is told to nobody, and how long this one takes nobody knows.
    while not callback._epochs.job.card.visible:
        time.sleep(0.01)

callbacks = [callback, keras.callbacks.LambdaCallback(on_epoch_begin=wait)]
history = model.fit(
    x, y, epochs=3, batch_size=32, validation_split=0.5, verbose=0, callbacks=callbacks
)
assert isinstance(callback, keras.callbacks.Callback)
print(json.dumps([keras.backend.backend(), len(history.history["val_loss"])]))
"""


@pytest.fixture(scope="module")
def python() -> Path:
    return python_with("keras", *KERAS)


def test_training_is_told_by_epochs_and_their_batches(
    python: Path, reporting_server: ReportingServer
) -> None:
    for verbose, titles in ((2, {"training", "batches"}), (0, {"training"})):
        done = subprocess.run(
            [python, "-c", SCRIPT.format(verbose=verbose)],
            env={**os.environ, "KERAS_BACKEND": "jax"},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == ["jax", 3]
        last = {report["title"]: report for report in reporting_server.reports}
        reporting_server.reports.clear()
        assert set(last) == titles
        epochs = last["training"]
        assert (epochs["status"], epochs["rows"], epochs["total"]) == ("done", 3, 3)
        assert epochs["unit"] == "epoch"
        assert "loss=" in epochs["postfix"]
        assert "val_loss=" in epochs["postfix"]
        if verbose:
            assert (last["batches"]["rows"], last["batches"]["total"]) == (5, 5)


def test_tqdms_own_test_of_keras_passes(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    found = run(tmp_path, node("tests_keras::test_keras"), within=280, python=python)
    assert found == {"tests_keras::test_keras": "passed"}

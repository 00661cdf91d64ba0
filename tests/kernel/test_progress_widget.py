"""The traits of a bar for any loop: what they demand of each other, and how often they are sent."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from traitlets import TraitError

from progresswidget import outbox, progress_widget
from progresswidget.errors import OptionError
from progresswidget.progress_widget import ProgressWidget


class Recorded(ProgressWidget):
    """One that writes down what it would send to the front end."""

    def __init__(self, **traits: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__(**traits)

    def send_state(self, key: Any = None) -> None:
        self.sent.append(self.get_state(key))


def test_the_value_stays_between_its_bounds_as_in_int_progress() -> None:
    bar = ProgressWidget(value=3, min=0, max=10)
    bar.value = 12
    assert bar.value == 10
    bar.value = -1
    assert bar.value == 0
    bar.max = 5
    bar.value = 5
    bar.max = 4
    assert bar.value == 4
    bar.min = 2
    bar.value = 0
    assert bar.value == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("value", "3"),
        ("value", float("nan")),
        ("value", float("inf")),
        ("value", None),
        ("max", -1),
        ("min", 101),
        ("state", "finished"),
        ("bar_style", "red"),
        ("orientation", "diagonal"),
        ("rate", 3.0),
        ("eta", 3.0),
        ("elapsed", 3.0),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: object) -> None:
    bar = ProgressWidget()
    before = getattr(bar, name)
    with pytest.raises(TraitError):
        setattr(bar, name, value)
    assert getattr(bar, name) == before


def test_a_style_is_taken_as_ipywidgets_take_it() -> None:
    assert ProgressWidget(style={"description_width": "initial"}).description_width == "initial"
    assert ProgressWidget(description_width="30px").description_width == "30px"
    with pytest.raises(OptionError, match="no bar_color"):
        ProgressWidget(style={"bar_color": "red"})


def test_numbers_of_numpy_become_plain_ones() -> None:
    numpy = pytest.importorskip("numpy")
    bar = ProgressWidget(max=numpy.int64(7))
    bar.value = numpy.float32(2.5)
    assert (type(bar.max), type(bar.value)) == (int, float)


def test_the_state_follows_the_value_both_ways() -> None:
    bar = ProgressWidget(max=2)
    states: list[str] = []
    bar.observe(lambda change: states.append(change["new"]), "state")
    bar.value = 1
    bar.value = 2
    bar.value = 0
    assert states == ["done", "running"]


def test_a_state_that_was_set_stays() -> None:
    bar = ProgressWidget(max=2, state="paused")
    bar.value = 2
    assert bar.state == "paused"
    endless = ProgressWidget(max=None)
    endless.state = "done"
    endless.value = 7
    assert endless.state == "done"


def test_a_loop_sends_few_messages_and_the_last_value() -> None:
    bar = Recorded(max=100_000)
    for number in range(20_001):
        bar.value = number
    bar.flush()
    # Ten a second; on the slowest machine such a loop takes some seconds.
    assert len(bar.sent) < 200
    assert bar.sent[-1]["value"] == 20_000


def test_the_last_value_is_sent_though_nobody_asks_for_it() -> None:
    bar = Recorded()
    arrived = threading.Event()
    bar.send_state = lambda key=None: (  # type: ignore[method-assign]
        arrived.set() if bar.get_state(key).get("value") == 9 else None
    )
    for number in range(10):
        bar.value = number
    assert arrived.wait(60)


def test_threads_lose_nothing() -> None:
    bar = Recorded(max=None)

    def work() -> None:
        for _ in range(500):
            bar.advance()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bar.flush()
    assert bar.value == 4000
    values = [state["value"] for state in bar.sent if "value" in state]
    assert values == sorted(values)  # an older value is never sent after a newer one
    assert values[-1] == 4000


class Timed(Recorded):
    """One whose time the test decides."""

    now = 100.0

    def _clock(self) -> float:
        return self.now


def test_rate_and_remaining_time_are_measured() -> None:
    bar = Timed(max=100)
    for number in range(1, 41):
        bar.value = number
        bar.now += 0.5
        bar.flush()
    assert bar.rate == pytest.approx(2.0, rel=0.05)
    assert bar.eta == pytest.approx(30, abs=3)
    assert bar.elapsed == pytest.approx(20, abs=1)
    bar.value = 100
    bar.flush()
    assert (bar.state, bar.eta) == ("done", None)
    bar.value = 0  # the loop is run once more
    bar.flush()
    assert (bar.elapsed, bar.eta) == (0.0, None)


def test_a_bar_that_nobody_moves_tells_no_rate() -> None:
    bar = Timed(max=100)
    for number in range(1, 11):
        bar.value = number
        bar.now += 0.5
        bar.flush()
    assert bar.rate
    bar.now += progress_widget.STANDSTILL
    bar.flush()
    assert (bar.rate, bar.eta) == (None, None)


def test_a_front_end_may_set_what_makes_sense_there() -> None:
    bar = ProgressWidget(max=10)
    bar.set_state({"value": 4, "description": "by a slider", "rate": 99.0})
    assert (bar.value, bar.description, bar.rate) == (4, "by a slider", None)


def test_what_fails_in_the_outbox_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    box = outbox.Outbox()

    def fail() -> None:
        raise RuntimeError("no such comm")

    box.put(done.set, 0.05)
    box.put(fail)
    assert done.wait(60)
    assert "no such comm" in caplog.text

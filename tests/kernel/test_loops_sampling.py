"""Sampled loops: they are as bare ones in all that can be seen, and their count is exact."""

from __future__ import annotations

import array
import collections
import gc
import itertools
import threading
import traceback
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from progresswidget.loops.sampling import sampled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class StopLoopError(Exception):
    """Raised where a test wants a loop to end."""


class ByItem:
    """A sequence of the old kind."""

    def __getitem__(self, index: int) -> int:
        if index == 7:
            raise IndexError
        return index


class Countdown:
    """An iterator in Python, which may fail on its way."""

    def __init__(self, start: int, fails_at: int | None = None) -> None:
        self.left = start
        self._fails_at = fails_at

    def __iter__(self) -> Countdown:
        return self

    def __next__(self) -> int:
        if self.left == self._fails_at:
            raise StopLoopError
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


def counted(number: int) -> Iterator[int]:
    yield from range(number)


def begun(iterator: Iterator[Any]) -> Iterator[Any]:
    next(iterator)
    return iterator


LOOPS: dict[str, Callable[[], Iterable[Any]]] = {
    "range": lambda: range(3, 24, 3),
    "long range": lambda: range(1 << 70, (1 << 70) + 7),
    "list": lambda: list("abcdefg"),
    "tuple": lambda: tuple("abcdefg"),
    "ascii": lambda: "abcdefg",
    "text": lambda: "abcdéfg",
    "bytes": lambda: b"abcdefg",
    "bytearray": lambda: bytearray(b"abcdefg"),
    "array.array": lambda: array.array("d", range(7)),
    "numpy": lambda: np.arange(7),
    "numpy rows": lambda: np.ones((7, 2)),
    "pandas index": lambda: pd.Index(range(7)),
    "pandas column": lambda: pd.Series(list("abcdefg")),
    "dict": lambda: dict.fromkeys("abcdefg"),
    "items": lambda: dict.fromkeys("abcdefg", 1).items(),
    "set": lambda: set("abcdefg"),
    "deque": lambda: collections.deque("abcdefg"),
    "reversed": lambda: reversed(list("abcdefg")),
    "generator": lambda: counted(7),
    "map": lambda: map(str, range(7)),
    "zip": lambda: zip(range(7), "abcdefg", strict=True),
    "enumerate": lambda: enumerate("abcdefg"),
    "old sequence": ByItem,
    "iterator": lambda: Countdown(7),
    "falsy items": lambda: itertools.repeat(None, 7),
    "begun list": lambda: begun(iter(list("xabcdefg"))),
    "begun range": lambda: begun(iter(range(8))),
    "begun generator": lambda: begun(counted(8)),
}
EITHER = pytest.mark.parametrize("obeys", [False, True], ids=["free", "obeys"])


def sample(iterable: Iterable[Any], *, obeys: bool = False, **more: Any) -> Any:
    return sampled(iterable, obey=(lambda: None) if obeys else None, **more)


@EITHER
@pytest.mark.parametrize("kind", LOOPS)
def test_each_step_is_counted_when_the_next_is_asked_for(kind: str, *, obeys: bool) -> None:
    expected = [str(item) for item in LOOPS[kind]()]
    assert len(expected) == 7
    ends: list[bool] = []
    steps, position = sample(LOOPS[kind](), obeys=obeys, ended=ends.append)
    found = []
    for done, item in enumerate(steps):
        assert position() == done
        assert not position.over
        assert not ends
        found.append(str(item))
    assert found == expected
    assert position() == 7
    assert position.over
    assert ends == [True]


@EITHER
@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("last", [1, 4, 7])
def test_a_loop_that_is_left_has_not_done_its_last_item(
    kind: str, last: int, *, obeys: bool
) -> None:
    ends: list[bool] = []
    steps, position = sample(LOOPS[kind](), start=10, obeys=obeys, ended=ends.append)
    for number, _ in enumerate(steps, 1):
        if number == last:
            break
    del steps
    assert position() == 10 + last - 1
    assert ends == [False]


@EITHER
@pytest.mark.parametrize("kind", ["empty", "exhausted", "generator"])
def test_a_loop_without_steps_counts_none(kind: str, *, obeys: bool) -> None:
    exhausted = iter([1])
    next(exhausted)
    assert not list(exhausted)
    source: Any = {"empty": [], "exhausted": exhausted, "generator": counted(0)}[kind]
    steps, position = sample(source, obeys=obeys)
    assert not list(steps)
    assert position() == 0
    assert position.over


@EITHER
def test_what_the_source_raises_comes_unchanged_and_the_items_before_are_done(
    *, obeys: bool
) -> None:
    def failing() -> Iterator[int]:
        yield from range(3)
        raise StopLoopError

    for source in (failing(), Countdown(5, fails_at=2), map(int, ["1", "2", "3", "x"])):
        steps, position = sample(source, obeys=obeys)
        with pytest.raises((StopLoopError, ValueError)) as caught:
            for _ in steps:
                pass
        files = {frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)}
        assert files == {__file__}
        del steps, caught
        assert position() == 3
        assert position.over


@EITHER
def test_a_generator_is_closed_where_a_bare_loop_would_close_it(*, obeys: bool) -> None:
    said = []

    def generator() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            said.append("closed")

    def ended(whole: bool) -> None:  # noqa: FBT001 - called so
        said.append("whole" if whole else "left")

    for _ in sample(generator(), obeys=obeys, ended=ended)[0]:
        break
    said.append("after")
    assert said == ["closed", "left", "after"]

    def leave() -> None:
        for item in sample(generator(), obeys=obeys, ended=ended)[0]:
            if item == 2:
                raise StopLoopError

    said.clear()
    with pytest.raises(StopLoopError):
        leave()
    assert said == ["closed", "left"]


@EITHER
def test_neither_items_nor_the_source_are_kept(*, obeys: bool) -> None:
    class Item:
        pass

    def items() -> Iterator[Item]:
        for _ in range(5):
            yield Item()

    seen: list[weakref.ref[Item]] = []
    gc.disable()  # nothing here may wait for the collector of cycles
    try:
        for make in (
            items,
            lambda: [Item() for _ in range(5)],
            lambda: itertools.starmap(Item, [(), ()]),
        ):
            steps, position = sample(make(), obeys=obeys)
            for item in steps:
                seen.append(weakref.ref(item))
            del item, steps
            assert position.over
            assert not [each for each in seen if each() is not None]
    finally:
        gc.enable()


@EITHER
def test_a_generator_gives_each_item_away(*, obeys: bool) -> None:
    class Item:
        pass

    last: weakref.ref[Item] | None = None
    steps, _ = sample((Item() for _ in range(5)), obeys=obeys)
    for item in steps:
        assert last is None or last() is None
        last = weakref.ref(item)
        del item


@EITHER
def test_a_list_may_change_in_the_loop(*, obeys: bool) -> None:
    grows = [1, 2, 3]
    steps, position = sample(grows, obeys=obeys)
    for done, item in enumerate(steps):
        assert position() == done
        if item < 20:
            grows.append(item + 10)
    assert position() == len(grows) == 9
    shrinks = list(range(10))
    steps, position = sample(shrinks, obeys=obeys)
    for done, item in enumerate(steps):
        assert position() == done
        shrinks.remove(item)
    assert position() == 5


@EITHER
def test_a_dict_that_changes_in_the_loop_fails_as_ever(*, obeys: bool) -> None:
    table = dict.fromkeys(range(5))
    steps, position = sample(table, obeys=obeys)

    def loop() -> None:
        for key in steps:
            table[key + 10] = None

    with pytest.raises(RuntimeError, match="changed size"):
        loop()
    steps = None
    assert position() == 1


@EITHER
def test_an_infinite_loop_is_counted_from_another_thread(*, obeys: bool) -> None:
    steps, position = sample(itertools.count(), obeys=obeys)
    wanted = threading.Event()
    samples: list[float] = []

    def look() -> None:
        while len(samples) < 50 or samples[-1] < 10_000:
            samples.append(position())
        wanted.set()

    thread = threading.Thread(target=look)
    thread.start()
    last = next(item for item in steps if wanted.is_set())
    thread.join(60)
    del steps
    assert position() == last
    assert samples == sorted(samples)
    assert samples[-1] <= last


def test_what_the_end_raises_is_raised_after_the_last_step() -> None:
    def ended(whole: bool) -> None:  # noqa: FBT001 - called so
        raise StopLoopError

    with pytest.raises(StopLoopError):
        list(sampled([1, 2], ended=ended)[0])


@pytest.mark.parametrize("at", [0, 1, 5, 1023, 1024, 1025, 5000])
def test_an_interrupted_loop_obeys_at_the_next_step_and_loses_no_item(at: int) -> None:
    obeyed: list[float] = []
    source = iter(range(6000))
    steps, position = sampled(source, obey=lambda: obeyed.append(position()))
    found = []
    if not at:
        position.interrupt()
    for item in steps:
        found.append(item)
        if len(found) == at:
            position.interrupt()
            position.interrupt()
            assert not obeyed
        elif len(found) == at + 1:
            assert obeyed == [at]
        assert position() == len(found) - 1
    assert found == list(range(6000))
    assert position() == 6000


def test_what_obeying_raises_ends_the_loop_before_the_next_item_is_taken() -> None:
    def obey() -> None:
        raise StopLoopError

    source = iter(range(100))
    steps, position = sampled(source, obey=obey)

    def loop() -> None:
        for item in steps:
            if item == 9:
                position.interrupt()

    with pytest.raises(StopLoopError):
        loop()
    steps = None
    assert position() == 10
    assert next(source) == 10


def test_a_loop_that_is_interrupted_all_the_time_counts_each_step_once() -> None:
    obeyed = []
    steps, position = sampled(iter(range(300_000)), obey=lambda: obeyed.append(1))
    over = threading.Event()

    def nag() -> None:
        while not over.is_set():
            position.interrupt()

    thread = threading.Thread(target=nag)
    thread.start()
    try:
        for number, item in enumerate(steps):
            assert item == number
    finally:
        over.set()
        thread.join(60)
    assert position() == 300_000
    assert obeyed

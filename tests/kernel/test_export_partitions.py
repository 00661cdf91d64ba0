"""Partitions are read one after the other, and side by side while they are slow."""

from __future__ import annotations

import math
from contextlib import closing
from functools import partial
from itertools import count, repeat
from threading import Event
from typing import TYPE_CHECKING, Any

import datafusion
import pyarrow as pa
import pytest

from progresswidget.export.reading import read_ahead
from progresswidget.export.sources import datafusion as source
from progresswidget.export.sources import partitions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

WAIT = 20


def batch(number: int) -> pa.RecordBatch:
    return pa.record_batch({"a": [number]})


def numbers(batches: Any) -> list[int]:
    return [number for each in batches for number in each.column(0).to_pylist()]


def test_one_after_the_other() -> None:
    begun: list[int] = []

    def partition(number: int) -> Generator[pa.RecordBatch, None, None]:
        begun.append(number)
        for step in range(5):
            assert begun == list(range(number + 1))
            yield batch(10 * number + step)

    found = numbers(partitions.read([partial(partition, each) for each in range(3)], lambda: 0))
    assert found == [10 * number + step for number in range(3) for step in range(5)]


def test_side_by_side_while_they_are_slow() -> None:
    others = Event(), Event()

    def first() -> Generator[pa.RecordBatch, None, None]:
        yield batch(0)
        assert others[0].wait(WAIT)
        yield from map(batch, repeat(0, 4))
        assert others[1].wait(WAIT)
        yield batch(0)

    def other(begun: Event) -> Generator[pa.RecordBatch, None, None]:
        begun.set()
        yield from map(batch, repeat(1, 8))

    every = [first, *(partial(other, begun) for begun in others)]
    seconds = count()
    found = numbers(partitions.read(every, lambda: next(seconds)))
    assert sorted(found) == [0] * 6 + [1] * 16
    assert found[-1] == 1  # the third was not waited for before the first had ended


def test_what_is_fast_enough_stays_in_order_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitions, "SLOW", 1)  # a batch of eight bytes comes each second
    seconds = count()
    every = [partial(map, batch, range(start, start + 50)) for start in (0, 50)]
    begin: Any = [lambda each=each: (x for x in each()) for each in every]
    assert numbers(partitions.read(begin, lambda: next(seconds))) == list(range(100))


def test_those_that_are_not_wanted_any_more_are_closed() -> None:
    closed: list[int] = []

    def partition(number: int) -> Generator[pa.RecordBatch, None, None]:
        try:
            yield from map(batch, repeat(number))
        finally:
            closed.append(number)

    seconds = count()
    reading = partitions.read([partial(partition, 0), partial(partition, 1)], lambda: next(seconds))
    while {0, 1} - set(numbers([next(reading), next(reading)])):
        pass
    reading.close()
    assert sorted(closed) == [0, 1]


def test_whoever_leaves_does_not_wait_for_one_that_gives_nothing() -> None:
    ended, left = Event(), Event()

    def partition() -> Generator[pa.RecordBatch, None, None]:
        yield batch(0)
        assert left.wait(3 * WAIT)

    def whole() -> Generator[pa.RecordBatch, None, None]:
        try:
            yield from partitions.read([partition])
        finally:
            ended.set()

    with closing(read_ahead(whole, lambda: None)) as reading:
        next(reading)
    assert ended.wait(WAIT)
    left.set()


def test_an_error_of_one_is_raised_and_ends_the_others() -> None:
    closed = Event()

    def fails() -> Generator[pa.RecordBatch, None, None]:
        yield from map(batch, [0, 0])
        raise ValueError("boom")

    def other() -> Generator[pa.RecordBatch, None, None]:
        try:
            yield from map(batch, repeat(1))
        finally:
            closed.set()

    seconds = count()
    with pytest.raises(ValueError, match="boom") as caught:
        numbers(partitions.read([fails, other], lambda: next(seconds)))
    assert closed.is_set()
    assert caught.value.__traceback__ is not None  # which holds the frames that hold the others


def several(context: datafusion.SessionContext) -> datafusion.DataFrame:
    """Return a table of three partitions, each of a hundred batches of its own."""
    batches = [pa.record_batch({"a": range(at, at + 1000)}) for at in range(0, 300_000, 1000)]
    context.register_record_batches("several", [batches[:100], batches[100:200], batches[200:]])
    return context.table("several")


FRAMES: dict[str, Callable[[datafusion.DataFrame], datafusion.DataFrame]] = {
    "a table": lambda frame: frame,
    "a filter and more": lambda frame: frame.filter("a % 3 = 1").select_exprs("a", "a * 2 AS b"),
    "a union": lambda frame: frame.union(frame.filter("a > 150000")),
    "no rows": lambda frame: frame.filter("a < 0"),
    "sorted": lambda frame: frame.sort(datafusion.col("a").sort(ascending=False)),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_several_partitions_keep_their_order(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOOK", math.inf)
    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(3))
    frame = FRAMES[name](several(context))
    whole = [batch for part in frame.collect_partitioned() for batch in part]
    assert numbers(source.read(frame, "columnar").batches()) == numbers(whole)


TOGETHER: dict[str, Callable[[datafusion.DataFrame], datafusion.DataFrame]] = {
    "aggregate": lambda frame: frame.aggregate(
        [(datafusion.col("a") % 1000).alias("a")], [datafusion.functions.count(datafusion.lit(1))]
    ),
    "join": lambda frame: frame.join(
        frame.filter("a < 70000").select(datafusion.col("a").alias("b")), left_on="a", right_on="b"
    ),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_partitions_that_wait_for_each_other_are_read_by_the_engine(name: str) -> None:
    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(3))
    frame = TOGETHER[name](several(context))
    assert frame.execution_plan().partition_count == 3
    found = numbers(source.read(frame, "columnar").batches())
    assert sorted(found) == sorted(numbers(frame.collect()))

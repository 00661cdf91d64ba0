from __future__ import annotations

import hashlib
import itertools
import math
import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from progresswidget.errors import ExportCancelledError
from progresswidget.export import contents, wanted
from progresswidget.export.formats import FORMATS
from progresswidget.export.grouping import group
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sink import Sink
from progresswidget.export.size import array_bytes, batch_bytes, split
from progresswidget.export.turns import Turns
from progresswidget.export.units import Comparing, encode, encode_sections
from progresswidget.export.writers import Encoded, Heading, Writer
from progresswidget.export.writers.parquet import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def batches(*lengths: int) -> list[pa.RecordBatch]:
    start, result = 0, []
    for length in lengths:
        result.append(pa.record_batch({"n": pa.array(range(start, start + length), pa.int64())}))
        start += length
    return result


@settings(deadline=None)  # the first example pays for imports
@given(
    lengths=st.lists(st.integers(0, 50), max_size=12),
    rows=st.integers(1, 40),
    size=st.integers(1, 400),
)
def test_grouping_keeps_every_row_in_order_and_the_limits(
    lengths: list[int], rows: int, size: int
) -> None:
    groups = list(group(batches(*lengths), rows, size))
    flat = [value for each in groups for batch in each for value in batch["n"].to_pylist()]
    assert flat == list(range(sum(lengths)))
    for each in groups:
        assert each
        assert sum(batch.num_rows for batch in each) <= rows
        assert all(batch.num_rows for batch in each)
        alone = sum(batch.num_rows for batch in each) == 1
        assert alone or sum(map(batch_bytes, each)) <= size


def test_groups_are_full_where_rows_are_small() -> None:
    groups = group(batches(70, 70, 70), 100, 2**20)
    assert [sum(batch.num_rows for batch in each) for each in groups] == [100, 100, 10]


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def slowly(self, batches: list[pa.RecordBatch], *seconds: float) -> Iterator[pa.RecordBatch]:
        for batch, pause in zip(batches, seconds, strict=True):
            self.now += pause
            yield batch


def lengths_of(groups: Iterator[list[pa.RecordBatch]]) -> list[int]:
    return [sum(batch.num_rows for batch in each) for each in groups]


def test_a_slow_source_ends_groups_early() -> None:
    clock = Clock()
    source = clock.slowly(batches(1, 2, 4, 8, 16, 32), 0.2, 0.2, 0.2, 0.1, 5, 0.1)
    groups = group(source, 100, 2**20, patience=0.5, clock=clock)
    assert lengths_of(groups) == [1 + 2 + 4, 8 + 16, 32]


def test_a_slow_source_makes_no_tiny_groups_where_they_are_bad() -> None:
    clock = Clock()
    source = clock.slowly(batches(1, 2, 4, 8, 16), 9, 9, 1, 1, 1)
    assert lengths_of(group(source, 100, 2**20, patience=5, least=7, clock=clock)) == [7, 24]


def in_stream() -> pa.RecordBatchReader:
    batch = pa.record_batch({"a": pa.array(range(50_000), pa.int64())})
    return pa.RecordBatchReader.from_batches(batch.schema, [batch] * 4)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": range(200_000)}),
        pl.concat([pl.DataFrame({"a": range(50_000)})] * 4, rechunk=False),
        pa.concat_tables([pa.table({"a": range(50_000)})] * 4),
        np.arange(200_000),
        [{"a": number} for number in range(200_000)],
    ],
    ids=["pandas", "polars", "pyarrow", "numpy", "rows"],
)
def test_what_is_in_memory_has_the_same_bytes_on_a_busy_machine(
    frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Export(frame, tmp_path / "a.tsv.gz").run(Progress())
    stream = Export(in_stream(), tmp_path / "b.tsv.gz").run(Progress())
    late = itertools.count(step=60)
    monkeypatch.setattr(contents, "group", partial(group, clock=lambda: float(next(late))))
    slow = Export(frame, tmp_path / "c.tsv.gz").run(Progress())
    assert slow.sha256 == quick.sha256
    # Of a stream a unit is cut where it had to be waited for.
    assert Export(in_stream(), tmp_path / "d.tsv.gz").run(Progress()).sha256 != stream.sha256


@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet", "arrows"])
def test_what_is_in_files_has_the_same_bytes_on_a_busy_machine(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        path = tmp_path / f"given {number}.{ending}"
        Export(pl.DataFrame({"a": range(50_000)}), path).run(Progress())
    given = tmp_path / f"given *.{ending}"
    quick = Export(given, tmp_path / "a.tsv.gz").run(Progress())
    late = itertools.count(step=60)
    monkeypatch.setattr(contents, "group", partial(group, clock=lambda: float(next(late))))
    assert Export(given, tmp_path / "b.tsv.gz").run(Progress()).sha256 == quick.sha256


def test_the_time_of_the_encoders_is_not_the_time_of_the_source() -> None:
    clock = Clock()
    source = clock.slowly(batches(20, 5, 5, 5), 0.1, 0.1, 0.1, 0.1)
    lengths = []
    for each in group(source, 10, 2**20, patience=0.5, clock=clock):
        lengths.append(sum(batch.num_rows for batch in each))
        clock.now += 60
    assert lengths == [10, 10, 10, 5]


@pytest.mark.parametrize(
    ("options", "patience"), [({"row_group_size": 100}, math.inf), ({}, PATIENCE)]
)
def test_a_size_of_row_groups_that_is_asked_for_is_kept(
    options: dict[str, int], patience: float
) -> None:
    parquet = FORMATS["parquet"]
    values = {option.name: option.default for option in parquet.options} | options
    writer = parquet.make([Heading("t", pa.schema([("a", pa.int64())]))], values)
    assert writer.unit_patience == patience


class Backwards(Writer):
    """A writer whose first unit is ready last."""

    def __init__(self, units: int) -> None:
        self.workers = self.unit_rows = units
        self._turn = threading.Condition()
        self._left = units

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        number = batches[0]["n"][0].as_py()
        with self._turn:
            assert self._turn.wait_for(lambda: self._left == number + 1, timeout=60)
            self._left -= 1
            self._turn.notify_all()
        return Encoded([b"%d" % number])


def test_units_are_encoded_side_by_side_and_come_in_order() -> None:
    groups = [[batch] for batch in batches(1, 1, 1, 1)]
    units = list(encode(groups, Backwards(4)))
    assert [unit.encode().pieces for unit in units] == [[b"0"], [b"1"], [b"2"], [b"3"]]


def test_small_sections_are_encoded_side_by_side() -> None:
    # The unit of the first one is not ready before that of the second.
    sections = [(place, [[batch]]) for place, batch in enumerate(batches(1, 1))]
    units = list(encode_sections(sections, Backwards(2)))
    assert [unit.section for unit in units] == [0, 1]
    assert [unit.encode().pieces for unit in units] == [[b"0"], [b"1"]]


class Failing(Backwards):
    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        if batches[0]["n"][0].as_py() == 2:
            raise ZeroDivisionError
        return Encoded([b"x"])


class Done(Backwards):
    """A writer that is done at once."""

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        return Encoded([b"%d" % len(batches)])


def test_a_unit_of_a_slow_source_does_not_wait_for_the_next_ones() -> None:
    clock, asked = Clock(), []

    def source() -> Iterator[list[pa.RecordBatch]]:
        for batch in batches(1, 1, 1):
            asked.append(batch)
            clock.now += 2
            yield [batch]

    units = encode(source(), Done(3), clock=clock)
    for number in (1, 2, 3):
        assert next(units).rows == 1
        assert len(asked) == number
    assert list(units) == []


class Slow(Backwards):
    """A writer that is not done with a unit before it is let."""

    def __init__(self) -> None:
        super().__init__(1)
        self.let = threading.Event()

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        assert self.let.wait(60), batches
        return Encoded([b"x"])


def test_a_slow_encoder_delays_neither_a_pause_nor_a_cancel() -> None:
    writer, looks = Slow(), 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise ExportCancelledError("enough")

    with pytest.raises(ExportCancelledError):
        next(encode([[batch] for batch in batches(1, 1, 1)], writer, look))
    writer.let.set()


def test_an_error_is_raised_in_its_turn_and_ends_the_threads() -> None:
    before = set(threading.enumerate())
    units = encode([[batch] for batch in batches(1, 1, 1, 1, 1)], Failing(2))
    assert [next(units).rows, next(units).rows] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(units)
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()


def test_what_lies_below_a_missing_value_does_not_count() -> None:
    valid, views, *data = pa.array(["x" * 100, None, "a"], pa.string_view()).buffers()
    for garbage in (2**31 - 1, -1):
        lengths = bytearray(views)
        lengths[16:20] = garbage.to_bytes(4, "little", signed=True)
        buffers = [valid, pa.py_buffer(lengths), *data]
        array = pa.Array.from_buffers(pa.string_view(), 3, buffers, 1)
        assert array_bytes(array) == 3 * 16 + 100 + 1
        assert array_bytes(array.slice(1)) == 2 * 16 + 1


def test_views_and_dictionaries_count_as_what_they_write() -> None:
    text = pa.array(["x" * 100] * 1_000, pa.string_view())
    assert array_bytes(text.slice(10, 10)) == 10 * (16 + 100)
    missing = pa.array(["x" * 100, None], pa.string_view())
    assert array_bytes(missing) == 2 * 16 + 100
    words = pa.array(["x" * 100] * 1_000).dictionary_encode()
    assert array_bytes(words.slice(0, 10)) == pytest.approx(1_000, rel=0.2)
    nested = pa.array([["x" * 100]] * 1_000, pa.list_(pa.string_view()))
    assert array_bytes(nested.slice(5, 10)) == 10 * (4 + 16 + 100)
    plain = pa.array(range(100))
    assert array_bytes(plain.slice(0, 10)) == 80
    assert array_bytes(pa.array([{"a": 1}] * 10)) == 80
    assert array_bytes(text.slice(0, 0)) == array_bytes(nested.slice(0, 0)) == 0


def test_splitting_halves_until_it_fits_or_one_row_is_left() -> None:
    batch = pa.record_batch({"t": ["x" * 1_000] * 5})
    parts = [part for part, _ in split(batch, 2_100)]
    assert [part.num_rows for part in parts] == [2, 1, 2]
    assert [part.num_rows for part, _ in split(batch, 1)] == [1] * 5
    assert pa.Table.from_batches(parts).to_pylist() == batch.to_pylist()


def write_for_ever(sink: Sink) -> None:
    while True:
        sink.append([b"x"])


def test_a_sink_whose_disk_fails_says_so_and_blocks_nobody(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        pass
    with (tmp_path / "a").open("rb") as file:  # opened for reading: every write fails
        sink = Sink(file.fileno(), lambda _: None)
        with pytest.raises(OSError, match="Bad file descriptor"):
            write_for_ever(sink)
        with pytest.raises(OSError, match="Bad file descriptor"):
            sink.finish()
        sink.close()


@pytest.mark.skipif(not hasattr(os, "writev"), reason="writes one piece at a time")
@pytest.mark.parametrize("most", [1, 4, 7, 12])
def test_a_disk_that_takes_a_part_of_each_write_gets_all(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writev(descriptor: int, pieces: Sequence[memoryview]) -> int:
        return os.write(descriptor, b"".join(pieces)[:most])

    monkeypatch.setattr(os, "writev", writev)
    sizes: list[int] = []
    with (tmp_path / "a").open("w+b") as file:
        sink = Sink(file.fileno(), sizes.append, digest=xxhash.xxh3_128())
        sink.append([b"abcd", b"efg", b"", b"h"])
        sink.append([b"ijklmnopqrstuvwx"])
        told: list[bytes] = []
        sink.commit(told.append)
        size, trail = sink.finish()
        trail.end(size, lambda _: None)
        sink.close()
    letters = bytes(range(ord("a"), ord("y")))
    assert (tmp_path / "a").read_bytes() == letters
    assert told == [xxhash.xxh3_128_digest(letters)]
    assert trail.hexdigest() == hashlib.sha256(letters).hexdigest()
    assert sizes[-1] == size == len(letters)


class InOrder(Writer):
    """A writer that may encode one unit after the other only, as most libraries' own do."""

    def __init__(self, headings: Sequence[Heading], options: object) -> None:
        self.starts: list[int] = []

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        self.starts.append(start)
        return Encoded([b"x"])


def test_units_are_encoded_in_order_when_a_comparison_ends_at_the_first() -> None:
    for _ in range(50):  # the next units are being compared meanwhile, at one stage or another
        writer, comparing = InOrder((), {}), Comparing(on=True)
        for unit in encode([[batch] for batch in batches(*[1] * 8)], writer, comparing=comparing):
            comparing.on = False
            unit.encode()
        assert writer.starts == list(range(8))


def test_turns_come_in_the_order_of_the_file_and_end() -> None:
    turns, taken = Turns(), list[int]()
    turns.skip(0)
    with ThreadPoolExecutor(3) as pool:
        last, first = (
            pool.submit(turns.take, number, partial(taken.append, number)) for number in (2, 1)
        )
        first.result()
        last.result()
        assert taken == [1, 2]
        never = pool.submit(turns.take, 9, lambda: None)
        turns.end()
        with pytest.raises(CancelledError):
            never.result()


LATE = """
import sys
import pyarrow as pa
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
Export(pa.table({"a": [1]}), sys.argv[1]).run(Progress())
loaded = {"polars", "duckdb", "ipywidgets"} & set(sys.modules)
assert loaded == set(sys.argv[2:]), loaded
"""


@pytest.mark.parametrize(("name", "loaded"), [("a.csv", ["polars"]), ("a.parquet", [])])
def test_libraries_are_loaded_by_those_who_need_them(
    name: str, loaded: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", LATE, str(tmp_path / name), *loaded]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_bare_module_loads_nothing_heavy() -> None:
    code = (
        "import sys, progresswidget.export.pipeline\n"
        "heavy = {'pandas', 'polars', 'pyarrow', 'numpy', 'duckdb', 'IPython', 'ipywidgets'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
frames = st.integers(0, 12).flatmap(
    lambda rows: st.fixed_dictionaries(
        {
            "i": st.lists(
                st.none() | st.integers(-(2**63), 2**63 - 1), min_size=rows, max_size=rows
            ),
            "f": st.lists(st.none() | st.floats(allow_nan=False), min_size=rows, max_size=rows),
            "t": st.lists(st.none() | texts, min_size=rows, max_size=rows),
            "b": st.lists(st.none() | st.booleans(), min_size=rows, max_size=rows),
            "d": st.lists(st.none() | st.dates(), min_size=rows, max_size=rows),
            "m": st.lists(st.none() | st.datetimes(), min_size=rows, max_size=rows),
        }
    )
)
SCHEMA = {
    "i": pl.Int64,
    "f": pl.Float64,
    "t": pl.String,
    "b": pl.Boolean,
    "d": pl.Date,
    "m": pl.Datetime("us"),
}


@given(data=frames)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_small_frame_comes_back(data: dict[str, list[object]], tmp_path: Path) -> None:
    frame = pl.DataFrame(data, schema=SCHEMA)
    parquet = Export(frame, tmp_path / "a.parquet").run(Progress()).path
    assert pl.read_parquet(parquet).equals(frame)
    assert pq.read_table(parquet).num_rows == frame.height
    csv = Export(frame, tmp_path / "a.csv").run(Progress()).path
    back = pl.read_csv(
        csv,
        schema=SCHEMA | {"m": pl.String},
    )
    assert back.with_columns(pl.col("m").str.to_datetime("%Y-%m-%dT%H:%M:%S%.6f")).equals(frame)


class Endless(Writer):
    """Encodes for ever what is wanted."""

    def __init__(self, headings: Sequence[Heading], options: object) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        try:
            while True:
                wanted.check()
                self.begun.set()
        finally:
            self.ended.set()


def test_leaving_early_stops_what_is_being_encoded() -> None:
    writer = Endless([], {})

    def cancel() -> None:
        if writer.begun.is_set():
            raise ExportCancelledError("stopped", "")

    with pytest.raises(ExportCancelledError):
        list(encode([batches(3)], writer, cancel))
    assert writer.ended.wait(60)

"""Equal rows have equal digests, however they lie in memory; other rows have others."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
import weakref
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progresswidget.export.digest import begin_rows_digest, bytes_digest, chain, rows_digest


def lists_of_extensions() -> pa.Array:
    """Return lists, of which one is missing, of structs of UUIDs."""
    storage = pa.array([bytes([number]) * 16 for number in range(20)], pa.binary(16))
    values = pa.StructArray.from_arrays(
        [pa.ExtensionArray.from_storage(pa.uuid(), storage)], names=["id"]
    )
    return pa.ListArray.from_arrays(pa.array([0, None, *range(2, 21)], pa.int32()), values)


COLUMNS: dict[str, pa.Array] = {
    "lists of extensions": lists_of_extensions(),
    "bool": pa.array([True, None, False, True] * 5),
    "int": pa.array([1, None, -3, 4] * 5, pa.int16()),
    "float": pa.array([1.5, None, float("nan"), -0.0] * 5),
    "half": pa.array([1.5, None, 2.0, 3.0] * 5, pa.float16()),
    "decimal": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal(2), None] * 5),
    "text": pa.array(["", None, "a longer text than twelve", "ä"] * 5),
    "large": pa.array(["", None, "a longer text than twelve", "ä"] * 5, pa.large_string()),
    "view": pa.array(["", None, "a longer text than twelve", "ä"] * 5, pa.string_view()),
    "short view": pa.array(["", None, "twelve bytes", "ä"] * 5, pa.string_view()),
    "binary view": pa.array([b"", None, b"a longer text than twelve", b"x"] * 5, pa.binary_view()),
    "fixed": pa.array([b"ab", None, b"cd", b"ef"] * 5, pa.binary(2)),
    "date": pa.array([dt.date(2020, 1, 1), None, dt.date(1, 1, 1), None] * 5),
    "time": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC), None, None, None] * 5),
    "category": pa.array(["a", None, "b", "a"] * 5).dictionary_encode(),
    "list": pa.array([[1], None, [], [2, None]] * 5),
    "lists": pa.array([[["a"]], None, [], [None, []]] * 5),
    "struct": pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": "b"}, {}] * 5),
    "map": pa.array([[("a", 1)], None, [], [("b", None)]] * 5, pa.map_(pa.string(), pa.int8())),
    "null": pa.nulls(20),
    "runs": pa.RunEndEncodedArray.from_arrays([5, 12, 20], [1, None, 3]),
    "uuid": pa.array([uuid.UUID(int=1).bytes, None] * 10, pa.uuid()),
}


def batches(array: pa.Array, cuts: list[int]) -> list[pa.RecordBatch]:
    places = sorted({0, len(array), *cuts})
    return [
        pa.RecordBatch.from_arrays([array.slice(start, stop - start)], names=["a"])
        for start, stop in pairwise(places)
    ]


@pytest.mark.parametrize("name", COLUMNS)
@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(1, 19), max_size=4))
def test_the_cuts_do_not_matter(name: str, cuts: list[int]) -> None:
    array = COLUMNS[name]
    assert rows_digest(batches(array, cuts)) == rows_digest(batches(array, []))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_digest_that_is_finished_later_is_the_same(name: str) -> None:
    columns = {"t": COLUMNS["text"], name: COLUMNS[name], "v": COLUMNS["view"]}
    batch = pa.record_batch(columns)
    assert begin_rows_digest([batch.slice(0, 7), batch.slice(7)])() == rows_digest([batch])


def test_rows_that_can_be_made_again_are_not_held_until_then() -> None:
    def make() -> pa.RecordBatch:
        return pa.record_batch({"n": range(9), "t": ["a longer text than fits a view"] * 9})

    batch = make()
    expected, rest = rows_digest([batch]), begin_rows_digest([batch], lambda: [make()])
    gone = weakref.ref(batch)
    del batch
    assert gone() is None
    assert rest() == expected


def test_what_numpy_may_write_to_is_taken_in_at_once() -> None:
    numbers, codes = np.arange(9), np.zeros(9, np.int8)
    columns = {
        "n": pa.array(numbers),
        "t": pa.array(["a text"] * 9),
        "c": pa.DictionaryArray.from_arrays(pa.array(codes), ["a", "b"]),
        "l": pa.FixedSizeListArray.from_arrays(pa.array(numbers), 1),
        "s": pa.StructArray.from_arrays([pa.array(numbers)], names=["x"]),
    }
    for name, column in columns.items():
        batch = pa.record_batch({"t": columns["t"], name: column})
        before, rest = rows_digest([batch]), begin_rows_digest([batch])
        numbers += 1
        codes ^= 1
        assert rest() == before
        assert name == "t" or rows_digest([batch]) != before, "the memory is shared"


@pytest.mark.parametrize("name", sorted(set(COLUMNS) - {"null"}))
@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_value_matters(name: str, place: int) -> None:
    array = COLUMNS[name]
    order = list(range(20))
    # The neighbour of another value takes this one's place.
    other = next(
        number for number in range(20) if str(array[number].as_py()) != str(array[place].as_py())
    )
    order[place] = other
    plain = array if name != "runs" else pa.array(array.to_pylist())
    if "view" in name:  # pyarrow takes nothing from views
        plain = plain.cast(pa.large_string() if name == "view" else pa.large_binary())
    changed = plain.take(pa.array(order))
    assert rows_digest(batches(changed, [])) != rows_digest(batches(plain, []))


def test_missing_and_empty_differ_and_so_do_their_places() -> None:
    digests = {
        rows_digest(batches(pa.array(values, pa.string()), []))
        for values in (["", None], [None, ""], ["", ""], [None, None], ["", None, None])
    }
    assert len(digests) == 5


def test_borders_between_texts_matter() -> None:
    digests = {rows_digest(batches(pa.array(v), [])) for v in (["ab", "c"], ["a", "bc"])}
    assert len(digests) == 2


def test_the_order_of_a_dictionary_does_not_matter() -> None:
    indices = [pa.array([0, 1, None]), pa.array([1, 0, None])]
    words = [pa.array(["a", "b"]), pa.array(["b", "a"])]
    first, second = (
        pa.DictionaryArray.from_arrays(index, word)
        for index, word in zip(indices, words, strict=True)
    )
    assert rows_digest(batches(first, [])) == rows_digest(batches(second, []))


@pytest.mark.parametrize("values", [[1, 2], ["a", "b" * 20]])
def test_columns_are_told_apart(values: list[Any]) -> None:
    one = pa.RecordBatch.from_arrays(
        [pa.array(values), pa.nulls(2, pa.array(values).type)], ["a", "b"]
    )
    two = pa.RecordBatch.from_arrays(
        [pa.nulls(2, pa.array(values).type), pa.array(values)], ["a", "b"]
    )
    assert rows_digest([one]) != rows_digest([two])


def test_a_frame_of_polars_has_the_digest_of_any_of_its_layouts() -> None:
    frame = pl.DataFrame({"t": [f"a text of some length {n}" for n in range(1_000)]})
    pieces = pl.concat([frame[:300], frame[300:]], rechunk=False)
    views = [list(pa.RecordBatchReader.from_stream(each)) for each in (frame, pieces)]
    assert rows_digest(views[0]) == rows_digest(views[1])


def test_short_texts_have_one_digest_with_and_without_long_ones_beside_them() -> None:
    words = ["a", "", None, "twelve bytes"]
    beside = pa.array([*words, "a text that fits no view"], pa.string_view())
    alone = rows_digest(batches(pa.array(words, pa.string_view()), []))
    assert rows_digest(batches(beside.slice(0, 4), [2])) == alone
    assert rows_digest(batches(beside.slice(1, 4), [])) != alone


def test_a_long_text_far_behind_short_ones_is_taken_in() -> None:
    short = ["short"] * 3_000
    first, second = (
        pa.array([*short, f"a text that fits no view, {end}"], pa.string_view()) for end in "ab"
    )
    assert rows_digest(batches(first, [])) != rows_digest(batches(second, []))
    assert rows_digest(batches(first, [])) == rows_digest(batches(first, [1_500]))


def test_empty_batches_of_views_change_nothing() -> None:
    array = pa.array(["a"], pa.string_view())
    empty = pa.RecordBatch.from_arrays([array.slice(0, 0)], names=["a"])
    assert rows_digest([empty, *batches(array, [])]) == rows_digest(batches(array, []))


@pytest.mark.parametrize("word", ["short", "a text that fits no view"])
def test_views_that_differ_in_one_value_differ(word: str) -> None:
    digests = {
        rows_digest(batches(pa.array([first, None, word], pa.string_view()), []))
        for first in (word, word[:-1], word[::-1], word[:-1] + "\0")
    }
    assert len(digests) == 4


@pytest.mark.parametrize("cuts", [[1], [3, 4], [9]])
def test_moments_that_python_has_no_objects_for(cuts: list[int]) -> None:
    digests = set()
    for last in (2**62, 2**62 + 1):
        moments = pa.array([0, None, *range(7), last], pa.timestamp("us"))
        ones = pa.array(range(11), pa.int32())
        for array in (
            pa.MapArray.from_arrays(ones, pa.array(range(10)), moments),
            pa.FixedSizeListArray.from_arrays(moments, 1),
            pa.ListViewArray.from_arrays(ones[:10], pa.array([1] * 10, pa.int32()), moments),
            moments.dictionary_encode(),
            pa.RunEndEncodedArray.from_arrays(ones[1:], moments),
        ):
            whole = rows_digest(batches(array, []))
            assert rows_digest(batches(array, cuts)) == whole
            digests.add((str(array.type), whole))
    assert len(digests) == 10


def test_bytes_and_chains() -> None:
    assert bytes_digest([b"ab", b"c"]) == bytes_digest([b"abc"]) != bytes_digest([b"abd"])
    first, second = bytes_digest([b"1"]), bytes_digest([b"2"])
    assert chain(chain(bytes(16), first), second) != chain(chain(bytes(16), second), first)

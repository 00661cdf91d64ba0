"""Thrift's compact protocol: the same bytes as thriftpy2's own, in both directions."""

from __future__ import annotations

import io
from typing import Any

import thriftpy2
from hypothesis import given
from hypothesis import strategies as st
from thriftpy2.protocol.compact import TCompactProtocol

from progresswidget.export.writers.parquet_compact import Place, read, write

IDL: Any = thriftpy2.load_fp(
    io.StringIO("""
    struct Inner { 1: optional bool yes 2: optional i16 small 40: optional i64 far }
    struct Outer {
      1: optional bool yes
      2: optional i8 little
      3: optional i32 number
      4: optional double real
      5: optional string title
      6: optional binary raw
      7: optional Inner inner
      8: optional list<i64> numbers
      9: optional list<bool> flags
      30: optional list<Inner> inners
      31: optional list<binary> pieces
      32: optional list<string> words
    }
    struct Other { 31: optional list<binary> pieces 50: optional i32 more }
    """),
    "progresswidget_compact_thrift",
)
PROTOCOL: Any = TCompactProtocol


def whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


INNERS = st.builds(IDL.Inner, maybe(st.booleans()), maybe(whole(16)), maybe(whole(64)))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
OUTERS = st.builds(
    IDL.Outer,
    yes=maybe(st.booleans()),
    little=maybe(whole(8)),
    number=maybe(whole(32)),
    real=maybe(st.floats(allow_nan=False)),
    title=maybe(TEXTS),
    raw=maybe(st.binary(max_size=200)),
    inner=maybe(INNERS),
    numbers=maybe(st.lists(whole(64), max_size=20)),
    flags=maybe(st.lists(st.booleans(), max_size=20)),
    inners=maybe(st.lists(INNERS, max_size=20)),
    pieces=maybe(st.lists(st.binary(max_size=9), max_size=20)),
    words=maybe(st.lists(TEXTS, max_size=3)),
)


def theirs(value: Any) -> bytes:
    stream = io.BytesIO()
    PROTOCOL(stream).write_struct(value)
    return stream.getvalue()


@given(value=OUTERS, before=st.binary(max_size=3))
def test_what_one_writes_the_other_reads(value: Any, before: bytes) -> None:
    data = theirs(value)
    assert write(value) == data
    back, end = read(IDL.Outer, before + data + b"behind", len(before))
    assert back == value
    assert end == len(before + data)


@given(value=OUTERS)
def test_what_is_not_known_is_left_out(value: Any) -> None:
    data = theirs(value)
    back, end = read(IDL.Other, data)
    assert (back.pieces, back.more, end) == (value.pieces, None, len(data))


def test_a_text_that_is_none_stays_bytes() -> None:
    data = theirs(IDL.Outer(title=b"\xff", words=[b"\xfe", "a"]))
    back, _ = read(IDL.Outer, data)
    assert (back.title, back.words) == (b"\xff", [b"\xfe", "a"])
    assert write(back) == data


def test_places_are_found_and_bytes_are_taken_as_they_are() -> None:
    inner = IDL.Inner(small=Place(5), far=Place(300))
    places: list[int] = []
    data = write(IDL.Outer(number=7, inner=inner, numbers=[1, Place(2)]), places)
    assert [data[place] for place in places[:1]] == [10]
    assert [read_at(data, place) for place in places] == [5, 300, 2]
    assert write(IDL.Outer(number=7, inner=write(inner), numbers=[1, 2])) == data


def read_at(data: bytes, place: int) -> int:
    stream = io.BytesIO(data[place:])
    return int(PROTOCOL(stream)._read_int())

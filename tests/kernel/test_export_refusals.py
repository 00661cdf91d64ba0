"""A value that a format cannot hold: the error names column and row, and no file is touched."""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.errors import ColumnError
from progresswidget.export.formats import FORMATS
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.unicode import Texts

if TYPE_CHECKING:
    from pathlib import Path

ROWS: Final = 10
ROW: Final = 7
BROKEN: Final = b"no text \xff at all"
MOST: Final = 2**63 - 1


def beside(good: Any, bad: Any, kind: pa.DataType | None = None) -> pa.Array:
    """Return `good` in all rows but one."""
    values = [good] * ROWS
    values[ROW] = bad
    return pa.array(values, kind)


def texts(kind: pa.DataType, bad: bytes = BROKEN, good: bytes = b"a usual text") -> pa.Array:
    """Return an array as a faulty library makes it."""
    binary = {
        pa.string(): pa.binary(),
        pa.large_string(): pa.large_binary(),
        pa.string_view(): pa.binary_view(),
    }[kind]
    return pa.Array.from_buffers(kind, ROWS, beside(good, bad, binary).buffers())


def lists() -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(range(ROWS + 1), pa.int32()), texts(pa.string()))


def words() -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(range(ROWS), pa.int8()), texts(pa.string()))


def half() -> pa.Array:
    """Return two texts that are UTF-8 only together."""
    ends = pa.array([0, 2, 4], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), 2, [None, ends, pa.py_buffer("aäb".encode())])


def within(array: pa.Array) -> dict[str, pa.Array]:
    """Return values in what Python would have to make objects of for most of pyarrow."""
    ones = pa.array(range(ROWS + 1), pa.int32())
    return {
        "in a map": pa.MapArray.from_arrays(ones, pa.array(["key"] * ROWS), array),
        "in a list of one": pa.FixedSizeListArray.from_arrays(array, 1),
        "in a dictionary": array.dictionary_encode(),
    }


# What is wrong -> the column, with one bad value in it.
UNICODE: Final = {
    "string": texts(pa.string()),
    "large string": texts(pa.large_string()),
    "view": texts(pa.string_view()),
    "short view": texts(pa.string_view(), b"\xff", b"ok"),
    "not ASCII": texts(pa.string(), b"\xe4", "Größe".encode()),
    "dictionary": words(),
    "list": lists(),
    "struct": pa.StructArray.from_arrays([texts(pa.string())], ["text"]),
}
TEXT: Final = {"CSV", "TSV", "JSON", "NDJSON", "XLSX", "HTML", "Markdown", "PDF", "DOCX", "SQLite"}
MOMENTS: Final = {
    "timestamp": beside(0, MOST, pa.timestamp("us")),
    "timestamp in seconds": beside(0, 2**60, pa.timestamp("s")),
    "timestamp with a zone": beside(0, MOST, pa.timestamp("us", "Europe/Paris")),
    "date": beside(0, 2**31 - 1, pa.date32()),
    "time": beside(0, 86_400 * 10**6, pa.time64("us")),
}
MOMENTS |= {
    f"{name} {place}": array
    for name in ("timestamp", "date", "time")
    for place, array in within(MOMENTS[name]).items()
}
TWICE: Final = beside([("a", 1)], [("a", 1), ("a", 2)], pa.map_(pa.string(), pa.int64()))
VALUES: Final = {
    "XLSX": {"a long text": beside("a", "x" * 40_000)},
    "SQLite": {"a large integer": beside(1, 2**64 - 1, pa.uint64())},
    "Parquet": {"seconds": beside(0, 2**60, pa.timestamp("s"))},
    "DuckDB": {
        "a long duration": beside(0, 2**60, pa.duration("s")),
        "a key twice": TWICE,
        "a key twice in a list": pa.ListArray.from_arrays(
            pa.array(range(ROWS + 1), pa.int32()), TWICE
        ),
    },
    "ORC": {
        "the year 3000": beside(0, 32_503_680_000, pa.timestamp("s")),
        "with a zone": beside(0, MOST, pa.timestamp("us", "Europe/Paris")),
        "a moment in a list": beside([0], [1, 2**60], pa.list_(pa.timestamp("s"))),
        "half a day": beside(0, 43_200_000, pa.date64()),
    },
}
for each in TEXT:
    VALUES.setdefault(each, {})["a key twice"] = TWICE
WIDE: Final = beside(decimal.Decimal(1), decimal.Decimal("1" * 60), pa.decimal256(76, 0))
SPAN: Final = pa.array([pa.MonthDayNano([1, 2, 3])] * ROWS)
TYPES: Final = {
    "ORC": {"a time": MOMENTS["time"], "a wide decimal": WIDE, "an interval": SPAN},
    "DuckDB": {"a wide decimal": WIDE},
    "Parquet": {"an interval": SPAN},
}
TABLES: Final = sorted(name for name, known in FORMATS.items() if known.holds != "entries")


def name_of(known: str) -> str:
    """Return the name by which a table here calls a format."""
    found = {name.lower(): name for name in (*TEXT, *TYPES)}
    return found.get(known.lower(), known)


def refusal(array: pa.Array, format: str, folder: Path) -> str:
    """Export, and return what the error says; a file that is there stays as it was."""
    path = folder / f"bad{FORMATS[format].suffixes[0]}"
    path.write_bytes(b"the old one")
    table = pa.table({"id": range(ROWS), "bad": array})
    with pytest.raises(ColumnError) as caught:
        Export(table, path).run(Progress())
    assert path.read_bytes() == b"the old one"
    assert [entry.name for entry in folder.iterdir()] == [path.name]
    said = str(caught.value)
    assert "'bad'" in said
    assert caught.value.hint
    return said


@pytest.mark.parametrize("what", UNICODE)
@pytest.mark.parametrize("format", TABLES)
def test_text_that_is_no_utf_8_is_refused_by_every_format(
    format: str, what: str, tmp_path: Path
) -> None:
    assert f"row {ROW} " in refusal(UNICODE[what], format, tmp_path)


@pytest.mark.parametrize("what", MOMENTS)
@pytest.mark.parametrize("format", [name for name in TABLES if name_of(name) in TEXT])
def test_a_moment_that_no_calendar_has_has_no_text(format: str, what: str, tmp_path: Path) -> None:
    assert f"row {ROW} " in refusal(MOMENTS[what], format, tmp_path)


@pytest.mark.parametrize(
    ("format", "what"),
    [(name, what) for name in TABLES for what in VALUES.get(name_of(name), {})],
)
def test_a_value_beyond_the_format_is_named(format: str, what: str, tmp_path: Path) -> None:
    said = refusal(VALUES[name_of(format)][what], format, tmp_path)
    assert f"row {ROW}" in said


@pytest.mark.parametrize(
    ("format", "what"),
    [(name, what) for name in TABLES for what in TYPES.get(name_of(name), {})],
)
def test_a_type_beyond_the_format_is_refused_before_anything_is_read(
    format: str, what: str, tmp_path: Path
) -> None:
    table = pa.table({"id": range(ROWS), "bad": TYPES[name_of(format)][what]})
    with pytest.raises(ColumnError, match="'bad'"):
        Export(table, tmp_path / f"bad{FORMATS[format].suffixes[0]}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", MOMENTS)
def test_a_moment_that_no_calendar_has_is_kept_with_its_type(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.arrows"
    given = pa.table({"a": MOMENTS[what]})
    assert Export(given, path).run(Progress()).rows == ROWS
    with pa.ipc.open_stream(path) as reader:
        read = reader.read_all().column("a").combine_chunks()
    assert read.cast(given.schema.field("a").type).equals(MOMENTS[what])
    again = Export(given, path).run(Progress())
    assert again.reused == ROWS


@pytest.mark.parametrize(
    "frame",
    [
        [{"\udc80": 1}],
        np.zeros(1, [("\udc80", "i8")]),
        pd.DataFrame([[1]], columns=pd.Index(["\udc80"], dtype=object)),
        pd.Series([1], name="\udc80"),
    ],
)
@pytest.mark.parametrize("format", TABLES)
def test_a_name_that_is_no_unicode_is_refused(format: str, frame: object, tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match=r"column name '\\udc80'"):
        Export(frame, tmp_path / f"bad{FORMATS[format].suffixes[0]}")


def test_the_row_is_counted_from_the_first_batch(tmp_path: Path) -> None:
    good = pa.table({"bad": pa.array(["a usual text"] * 100_000)})
    table = pa.concat_tables([good, pa.table({"bad": UNICODE["string"]})])
    with pytest.raises(ColumnError, match=f"row {100_000 + ROW} "):
        Export(table, tmp_path / "bad.csv").run(Progress())


def test_what_lies_below_a_missing_text_does_not_count() -> None:
    _, ends, data = UNICODE["string"].buffers()
    valid = pa.array([place != ROW for place in range(ROWS)]).buffers()[1]
    array = pa.Array.from_buffers(pa.string(), ROWS, [valid, ends, data])
    look(array)


@given(
    st.lists(st.binary(max_size=4) | st.text(max_size=4).map(str.encode), max_size=20),
    st.sampled_from(sorted(map(str, (pa.string(), pa.large_string(), pa.string_view())))),
    st.integers(0, 3),
)
def test_what_python_cannot_decode_is_found(values: list[bytes], name: str, start: int) -> None:
    kind = {str(each): each for each in (pa.string(), pa.large_string(), pa.string_view())}[name]
    raw = {"string": pa.binary(), "large_string": pa.large_binary()}.get(name, pa.binary_view())
    array = pa.Array.from_buffers(kind, len(values), pa.array(values, raw).buffers()).slice(start)
    bad = [place for place, value in enumerate(values[start:]) if not decodes(value)]
    if bad:
        with pytest.raises(ColumnError, match=f"row {bad[0]} "):
            look(array)
    else:
        look(array)


def test_characters_are_not_cut() -> None:
    with pytest.raises(ColumnError, match="row 0 "):
        look(half())


def look(array: pa.Array) -> None:
    batch = pa.RecordBatch.from_arrays([array], names=["a"])
    Texts(batch.schema).check(batch)


def decodes(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True

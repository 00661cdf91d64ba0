"""Moments that no calendar has are refused by name, whatever the engines would make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pytest

from progresswidget.errors import ColumnError
from progresswidget.export.blame import blaming_the_values
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

LARGEST, SMALLEST = 2**63 - 1, -(2**63) + 1
ENDINGS = ("csv", "ndjson", "html", "md", "sqlite", "xlsx", "docx")


def moments(kind: pa.DataType, *values: int) -> pa.Table:
    numbers = pa.array(values, pa.int32() if kind.bit_width == 32 else pa.int64())
    return pa.table({"n": range(len(values)), "when": numbers.view(kind)})


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (pa.timestamp("s"), 0, LARGEST),
        (pa.timestamp("ms"), 0, SMALLEST),
        # What PostgreSQL calls infinity.
        (pa.timestamp("us"), 0, LARGEST),
        (pa.timestamp("us", "UTC"), 0, SMALLEST),
        (pa.timestamp("us", "Europe/Berlin"), 0, LARGEST),
        (pa.timestamp("us", "-02:30"), 0, SMALLEST),
        (pa.date32(), 0, 2**31 - 1),
        (pa.date32(), 0, -(2**31)),
        (pa.date64(), 0, 86_400_000 * 10**8),
        # 24:00:00, which PostgreSQL has too.
        (pa.time64("us"), 0, 86_400 * 10**6),
        (pa.time32("s"), 0, -1),
        (pa.duration("s"), 0, LARGEST),
    ],
    ids=str,
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_no_calendar_has_is_refused_with_its_row(
    ending: str, kind: pa.DataType, good: int, bad: int, tmp_path: Path
) -> None:
    table = moments(kind, good, good, bad, bad)
    with pytest.raises(ColumnError, match=r"'when' has a value in row 2 "):
        Export(table, tmp_path / f"t.{ending}").run(Progress())
    assert not any(path.suffix == f".{ending}" for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.timestamp("us"), -62_135_596_800 * 10**6, "0001-01-01T00:00:00.000000"),
        (pa.timestamp("s"), 253_402_300_800, "+10000-01-01T00:00:00"),
        (pa.timestamp("ns"), LARGEST, "2262-04-11T23:47:16.854775807"),
        (pa.date32(), 94_000_000, "+259333-04-05"),
        (pa.time64("ns"), 86_400 * 10**9 - 1, "23:59:59.999999999"),
        (pa.duration("ns"), SMALLEST, "-P106751DT23H47M16.854775807S"),
    ],
    ids=str,
)
def test_what_lies_just_within_is_written(
    kind: pa.DataType, value: int, text: str, tmp_path: Path
) -> None:
    result = Export(moments(kind, value), tmp_path / "t.csv").run(Progress())
    assert result.path.read_text() == f"n,when\n0,{text}\n"


def test_a_text_that_an_engine_would_refuse_is_named_before(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    with pytest.raises(ColumnError, match=r"'t' has a text in row 0 that is no valid UTF-8"):
        Export(pa.table({"t": broken}), tmp_path / "t.duckdb").run(Progress())
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_only_the_engine_refuses_is_an_error_of_ours() -> None:
    progress = Progress()
    progress.rows = 1_000
    refused = pytest.raises(ColumnError, match=r"from row 1,000 on cannot be written: .*i8")
    with refused, blaming_the_values(progress):
        pl.Series([300]).cast(pl.Int8)

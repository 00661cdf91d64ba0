"""Moments and spans of time as people write them, in what is for people to read."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers import Heading
from progresswidget.export.writers.columns_frame import frame_of
from progresswidget.export.writers.columns_reading import interval, reading_plan
from progresswidget.export.writers.report import Excerpt

if TYPE_CHECKING:
    from pathlib import Path

NOON = dt.datetime(2024, 3, 1, 12)  # noqa: DTZ001 - naive ones are meant
MIDNIGHT = dt.datetime(2024, 3, 1)  # noqa: DTZ001


def texts(array: pa.Array) -> list[str | None]:
    batch = pa.RecordBatch.from_arrays([array], names=["x"])
    found: list[str | None] = frame_of([batch], [reading_plan(array.type)], 0)["0"].to_list()
    return found


def shown(rows: list[Any], kind: pa.DataType, null: str = "") -> list[str]:
    table = pa.table({"x": pa.array(rows, kind)})
    excerpt = Excerpt(Heading("t", table.schema), None, null, "PDF")
    excerpt.add(table.to_batches())
    excerpt.shorten()
    return [row[0] for row in excerpt.rows]


@pytest.mark.parametrize(
    ("microseconds", "fraction"), [(0, ""), (250_000, ".250"), (25, ".000025"), (1_000, ".001")]
)
@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (None, "2024-03-01 12:00:00{}"),
        ("UTC", "2024-03-01 12:00:00{}+00:00"),
        ("+05:30", "2024-03-01 17:30:00{}+05:30"),
        ("Europe/Berlin", "2024-03-01 13:00:00{}+01:00"),
    ],
)
def test_a_moment_has_a_space_and_the_fraction_and_zone_that_it_has(
    microseconds: int, fraction: str, zone: str | None, text: str
) -> None:
    moment = NOON.replace(microsecond=microseconds)
    moments = pa.array([moment, None], pa.timestamp("us", zone))
    for array in (
        moments,
        moments.dictionary_encode(),
        pa.RunEndEncodedArray.from_arrays(
            [1, 2], pa.array([moment, None], pa.timestamp("us", zone))
        ),
    ):
        assert texts(array) == [text.format(fraction), None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_span_is_days_and_a_clock(unit: str) -> None:
    day = 86_400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    spans = pa.array([0, day // 4, day, -day * 5 // 4, 2 * day, None], pa.duration(unit))
    expected = [
        "00:00:00",
        "06:00:00",
        "1 day 00:00:00",
        "-1 day -06:00:00",
        "2 days 00:00:00",
        None,
    ]
    assert texts(spans) == texts(spans.dictionary_encode()) == expected


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_span_is_no_other_one(nanoseconds: int) -> None:
    (text,) = texts(pa.array([nanoseconds], pa.duration("ns")))
    assert text is not None
    day, _, clock = text.rpartition("day")
    sign = -1 if "-" in text else 1
    hours, minutes, seconds = clock.removeprefix("s").strip().removeprefix("-").split(":")
    whole, _, fraction = seconds.partition(".")
    assert len(fraction) in {0, 3, 6, 9}
    total = (int(hours) * 60 + int(minutes)) * 60 + int(whole)
    total = total * 10**9 + int(fraction.ljust(9, "0"))
    total += abs(int(day or 0)) * 86_400 * 10**9
    assert sign * total == nanoseconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((0, 0, 0), "00:00:00"),
        ((14, 1, 5 * 10**8), "1 year 2 months 1 day 00:00:00.500"),
        ((-1, 2, -1_000), "-1 month 2 days -00:00:00.000001"),
        ((-24, 0, 90 * 10**9), "-2 years 00:01:30"),
    ],
)
def test_a_span_of_months_has_years_and_months(value: tuple[int, int, int], text: str) -> None:
    assert interval(*value) == text
    assert texts(pa.array([value, None], pa.month_day_nano_interval())) == [text, None]


def test_a_report_leaves_the_time_out_where_all_of_a_column_are_midnights() -> None:
    naive = pa.timestamp("ns")
    assert shown([MIDNIGHT, None], naive) == ["2024-03-01", ""]
    assert shown([MIDNIGHT, None], naive, "n/a") == ["2024-03-01", "n/a"]
    assert shown([MIDNIGHT, NOON], naive) == ["2024-03-01 00:00:00", "2024-03-01 12:00:00"]
    assert shown([MIDNIGHT], pa.timestamp("s", "UTC")) == ["2024-03-01 00:00:00+00:00"]
    assert shown(["x 00:00:00"], pa.string()) == ["x 00:00:00"]


def test_what_is_nested_is_json_and_csv_stays_as_it_is(tmp_path: Path) -> None:
    assert texts(pa.array([[NOON]])) == ['["2024-03-01T12:00:00"]']
    table = pa.table({"x": pa.array([NOON], pa.timestamp("s"))})
    Export(table, tmp_path / "t.csv").run(Progress())
    assert (tmp_path / "t.csv").read_text() == "x\n2024-03-01T12:00:00\n"


def test_a_pattern_of_csv_is_taken_for_runs_of_moments_too(tmp_path: Path) -> None:
    runs = pa.RunEndEncodedArray.from_arrays([2], pa.array([NOON], pa.timestamp("s")))
    options = {"datetime_format": "%d.%m.%Y"}
    Export(pa.table({"x": runs}), tmp_path / "t.csv", options=options).run(Progress())
    assert (tmp_path / "t.csv").read_text() == "x\n01.03.2024\n01.03.2024\n"

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.columns_moments import DIGITS, quick, text

if TYPE_CHECKING:
    from pathlib import Path

TICKS = {unit: 10**digits for unit, digits in DIGITS.items()}
FIRST = dt.datetime(1900, 1, 1)  # noqa: DTZ001 - Arrow's moments without a zone
LAST = dt.datetime(2099, 12, 31, 23, 59, 59)  # noqa: DTZ001


def expected(values: list[int | None], unit: str, zone: str) -> list[str | None]:
    texts = []
    for value in values:
        if value is None:
            texts.append(None)
            continue
        seconds, rest = divmod(value, TICKS[unit])
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)  # noqa: DTZ001
        fraction = f".{rest:0{DIGITS[unit]}}" if DIGITS[unit] else ""
        texts.append(f"{moment.isoformat()}{fraction}{zone}")
    return texts


def seconds_of(moment: dt.datetime) -> int:
    return int((moment - dt.datetime(1970, 1, 1)).total_seconds())  # noqa: DTZ001


@given(
    unit=st.sampled_from(sorted(DIGITS)),
    zone=st.sampled_from(["", "+00:00", "-05:30"]),
    data=st.data(),
)
def test_every_digit_has_its_place(unit: str, zone: str, data: Any) -> None:
    lowest, highest = seconds_of(FIRST) * TICKS[unit], seconds_of(LAST) * TICKS[unit]
    value = st.one_of(st.none(), st.integers(lowest, highest))
    values = data.draw(st.lists(value, max_size=40))
    start = data.draw(st.integers(0, len(values)))
    array = pa.array(values, pa.timestamp(unit)).slice(start)
    found = text(array, unit, zone)
    found.validate(full=True)
    assert found.to_pylist() == expected(values[start:], unit, zone)


@pytest.mark.parametrize("value", [seconds_of(FIRST) - 1, seconds_of(LAST) + 1, 10**11])
def test_years_beyond_the_tables_are_written_too(value: int) -> None:
    array = pa.array([0, value * 1_000, None], pa.timestamp("ms"))
    same = pl.Series([0, value * 1_000, None]).cast(pl.Datetime("ms"))
    wanted = same.dt.to_string("%Y-%m-%dT%H:%M:%S%.3f").to_list()
    assert text(array, "ms").to_pylist() == wanted


@pytest.mark.parametrize("suffix", ["csv", "ndjson", "md"])
def test_batches_of_a_unit_may_lie_within_the_tables_beyond_them_or_be_empty(
    suffix: str, tmp_path: Path
) -> None:
    kind = pa.timestamp("s")
    batches = [pa.array(values, kind) for values in ([0], [253_370_764_800], [], [None])]
    path = tmp_path / f"a.{suffix}"
    assert Export(pa.table({"t": pa.chunked_array(batches)}), path).run(Progress()).rows == 3
    written = path.read_text()
    assert "1970-01-01T00:00:00" in written.replace(" 0", "T0")
    assert "9999-01-01T00:00:00" in written.replace(" 0", "T0")
    assert {text(each, "s").type for each in batches} == {pa.string_view()}


def test_an_offset_gives_the_local_time_and_a_name_is_left_to_polars() -> None:
    kind = pa.timestamp("s", "+05:30")
    plan = quick(kind)
    assert plan is not None
    assert plan.to_arrow(pa.array([0], kind)).to_pylist() == ["1970-01-01T05:30:00+05:30"]
    assert quick(pa.timestamp("s", "Europe/Paris")) is None
    assert quick(pa.int64()) is None

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from progresswidget.errors import ColumnError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.columns_zones import OFFSET, WHOLE_MINUTES, told

if TYPE_CHECKING:
    from pathlib import Path

OLD = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
ODD = {"Asia/Shanghai": 0, "Asia/Kolkata": 0, "Africa/Monrovia": 60 * 365, "Europe/Dublin": 0}


def moments(zone: str) -> list[dt.datetime]:
    there = zoneinfo.ZoneInfo(zone)
    days = (ODD[zone], 90 * 365)
    return [(OLD + dt.timedelta(days=each)).astimezone(there) for each in days]


def write(table: pa.Table, path: Path, **options: Any) -> str:
    Export(table, path, options=options).run(Progress())
    return path.read_text()


@pytest.mark.parametrize("zone", ODD)
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_zones_that_were_parts_of_a_minute_from_utc_keep_their_seconds(
    zone: str, unit: str, tmp_path: Path
) -> None:
    values = moments(zone)
    assert values[0].utcoffset() % dt.timedelta(minutes=1)  # type: ignore[operator]
    table = pa.table({"t": pa.array([*values, None], pa.timestamp(unit, zone)), "n": [0, 1, 2]})
    written = write(table, tmp_path / "a.csv")
    assert written.splitlines()[1].endswith(f"{values[0].isoformat()[-9:]},0")
    read = duckdb.read_csv(str(tmp_path / "a.csv")).select("epoch(t::TIMESTAMPTZ)").fetchall()
    assert read == [(values[0].timestamp(),), (values[1].timestamp(),), (None,)]
    lines = [json.loads(line) for line in write(table, tmp_path / "a.ndjson").splitlines()]
    assert [line["t"] and dt.datetime.fromisoformat(line["t"]) for line in lines] == [*values, None]
    assert values[0].isoformat()[-9:] in write(table, tmp_path / "a.md")


def test_patterns_of_ones_own_keep_them_too(tmp_path: Path) -> None:
    table = pa.table({"t": pa.array(moments("Asia/Shanghai"), pa.timestamp("us", "Asia/Shanghai"))})
    lines = write(table, tmp_path / "a.csv", datetime_format="%Y %:z %z %%z").splitlines()
    assert lines[1:] == ["1900 +08:05:43 +08:05:43 %z", "1989 +08:00 +0800 %z"]
    written = write(table, tmp_path / "b.csv", datetime_format="%H:%M")
    assert written.splitlines()[1:] == ["08:05", "08:00"]


def test_a_pattern_of_an_offset_keeps_what_is_no_sign(tmp_path: Path) -> None:
    offset = OFFSET.fullmatch("+02:00")
    assert offset is not None
    assert told("%%z %z %:z %Z", offset) == "%%z +0200 +02:00 +02:00"
    table = pa.table({"t": pa.array([0], pa.timestamp("s", "+02:00"))})
    assert write(table, tmp_path / "a.csv", datetime_format="%H %%z") == "t\n02 %z\n"


@pytest.mark.parametrize("zone", [None, "Asia/Shanghai", "+02:00"])
def test_moments_of_no_calendar_are_refused_with_a_pattern_too(
    zone: str | None, tmp_path: Path
) -> None:
    table = pa.table({"t": pa.array([0, 2**63 - 1], pa.timestamp("us", zone))})
    with pytest.raises(ColumnError, match="'t' has a value in row 1"):
        write(table, tmp_path / "a.csv", datetime_format="%Y")


def test_all_zones_are_whole_minutes_from_utc_by_now() -> None:
    first = dt.datetime.fromtimestamp(WHOLE_MINUTES, dt.UTC)
    times = [first + dt.timedelta(days=days) for days in range(0, 365 * 80, 97)]
    for name in sorted(zoneinfo.available_timezones()):
        zone = zoneinfo.ZoneInfo(name)
        for each in times:
            ahead = each.astimezone(zone).utcoffset()
            assert ahead is not None
            assert not ahead % dt.timedelta(minutes=1), (name, each)

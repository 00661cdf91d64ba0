"""The options of CSV and TSV, and the errors that name a row."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest

from progresswidget.errors import ColumnError, OptionError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


def write(frame: object, path: Path, **options: Any) -> str:
    return Export(frame, path, options=options).run(Progress()).path.read_bytes().decode()


def test_tsv_has_tabs(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": ["x\ty", "z"], "b": [1, None]})
    assert write(frame, tmp_path / "t.tsv") == 'a\tb\n"x\ty"\t1\nz\t\n'


def test_lines_may_end_as_windows_does(tmp_path: Path) -> None:
    assert (
        write(pl.DataFrame({"a": [1]}), tmp_path / "t.csv", line_terminator="\r\n") == "a\r\n1\r\n"
    )


def test_formats_of_dates_and_times(tmp_path: Path) -> None:
    moment = dt.datetime(2013, 1, 2, 3, 4, 5)  # noqa: DTZ001 - a naive one is meant
    table = pa.table(
        {
            "d": [moment.date()],
            "t": [moment.time()],
            "m": pa.array([moment], pa.timestamp("s")),
            "z": pa.array([moment], pa.timestamp("us", "+02:00")),
        }
    )
    text = write(
        table,
        tmp_path / "t.csv",
        date_format="%d.%m.%Y",
        time_format="%H:%M",
        datetime_format="%d/%m/%Y %H:%M",
    )
    assert text == "d,t,m,z\n02.01.2013,03:04,02/01/2013 03:04,02/01/2013 05:04\n"


def test_decimal_commas(tmp_path: Path) -> None:
    table = pa.table(
        {
            "f": [1.5],
            "d": [decimal.Decimal("2.50")],
            "w": pa.array([decimal.Decimal("3.50")], pa.decimal256(60, 2)),
        }
    )
    path = tmp_path / "t.csv"
    assert write(table, path, decimal_comma=True, delimiter=";") == "f;d;w\n1,5;2,50;3,50\n"
    assert write(table, path, decimal_comma=True) == 'f,d,w\n"1,5","2,50","3,50"\n'


def test_options_of_floats_hold_in_a_column_alone_too(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1.25, None]})
    text = write(frame, tmp_path / "t.csv", float_precision=1, decimal_comma=True, delimiter=";")
    assert text == 'x\n1,2\n""\n'


@pytest.mark.parametrize("sign", list("=+-@\t\r\n＝＋－＠"))
def test_formulas_become_texts(sign: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({f"{sign}h": [f"{sign}1", "a=b"], "n": [-1, 2]})
    path = tmp_path / "t.csv"
    safe = pl.read_csv(path.with_name(write_to(frame, path, spreadsheet_safe=True)))
    assert safe.columns == [f"'{sign}h", "n"]
    assert safe.rows() == [(f"'{sign}1", -1), ("a=b", 2)]
    assert pl.read_csv(path.with_name(write_to(frame, path))).rows() == frame.rows()


def write_to(frame: object, path: Path, **options: Any) -> str:
    return Export(frame, path, options=options).run(Progress()).path.name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": "1"}, "occurs in no number"),
        ({"delimiter": "-"}, "occurs in no number"),
        ({"date_format": "%H"}, "no pattern for a date"),
        ({"time_format": "%Y"}, "no pattern for a time"),
        ({"datetime_format": "%Q"}, "no pattern for a datetime"),
        ({"float_precision": -1}, "from 0 to 100"),
        ({"encoding": "latin-1"}, "utf-8"),
        ({"line_terminator": "\r"}, "line_terminator"),
        ({"null": "a;b", "delimiter": ";"}, "must not hold the delimiter"),
        ({"decimal_comma": True, "quote": "never"}, "another delimiter"),
        ({"spreadsheet_safe": True, "quote": "never"}, "protects nothing"),
    ],
)
def test_what_cannot_be_is_refused_early(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=message):
        Export(pl.DataFrame({"a": [1]}), tmp_path / "t.csv", options=options)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_timestamps_are_those_of_polars(unit: Any, zone: str | None, tmp_path: Path) -> None:
    ticks = [0, -1, 1, None, 10**12 + 7, -(10**14) - 3, 1_357_000_000_123]
    frame = pl.DataFrame({"t": pl.Series(ticks).cast(pl.Datetime(unit, zone)), "n": range(7)})
    places = {"ms": 3, "us": 6, "ns": 9}[unit]
    pattern = f"%Y-%m-%dT%H:%M:%S%.{places}f" + ("" if zone is None else "%:z")
    expected = frame.write_csv(datetime_format=pattern)
    assert write(frame, tmp_path / "t.csv") == expected
    assert write(frame[2:5], tmp_path / "s.csv") == frame[2:5].write_csv(datetime_format=pattern)


def test_years_of_five_digits_are_written(tmp_path: Path) -> None:
    frame = pl.DataFrame({"t": pl.Series([253_402_300_800_000]).cast(pl.Datetime("ms"))})
    assert write(frame, tmp_path / "t.csv") == "t\n+10000-01-01T00:00:00.000\n"


def test_an_error_names_the_row(tmp_path: Path) -> None:
    good = pa.array([[("a", 1)]] * 9_000, pa.map_(pa.string(), pa.float64()))
    moments = pa.array([0] * 8_999 + [2**63 - 1], pa.timestamp("us", "+02:00"))
    export = Export(pa.table({"m": good, "t": moments}), tmp_path / "t.csv")
    with pytest.raises(ColumnError, match="'t' has a value in row 8999"):
        export.run(Progress())

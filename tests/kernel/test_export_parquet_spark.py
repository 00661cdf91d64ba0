"""Spark reads the Parquet files that are joined of units, and skips in them what it may skip."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from progresswidget.errors import SourceError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from progresswidget.export.result import Result

ROWS = 40_000
GROUP = 1_000
UNIT = 16_000
"""Rows of a unit of row groups of that size: three make the file."""
INDEXED = ["n", "text", "sparse", "price", "day", "moment", "local", "raw"]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pytest.importorskip("pyspark", minversion="4.0")  # of which there is `toArrow`
    from pyspark import sql

    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("there is no Java")
    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        # Not ours, so that a moment which Spark takes for one of its own zone is seen.
        "spark.sql.session.timeZone": "Asia/Tokyo",
        # A plan that is made anew while it runs does not tell what it has read.
        "spark.sql.adaptive.enabled": "false",
    }
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        warnings.simplefilter("ignore")  # a pandas that is newer than this Spark
        builder = sql.SparkSession.builder.master("local[1]")
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")  # what is refused is told with a page of frames
        gateway = session.sparkContext._gateway
        try:
            yield session
        finally:
            session.stop()
            gateway.shutdown()
            gateway.proc.stdin.close()  # at which its process ends
            gateway.proc.wait(30)


def run(frame: Any, path: Path, **options: Any) -> Result:
    return Export(frame, path, overwrite=True, options=options).run(Progress())


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rows = range(ROWS)
    begin = dt.datetime.fromisoformat("2001-01-01")
    utc = begin.replace(tzinfo=dt.UTC)
    return pa.table(
        {
            "n": pa.array(rows, pa.int64()),
            # In no order: of it only a Bloom filter can tell where a value is.
            "odd": pa.array(np.random.default_rng(5).permutation(ROWS) * 2 + 1, pa.int64()),
            "text": pa.array([f"row {n % 97}" if n % 13 else None for n in rows]),
            "sparse": pa.array([n / 4 if n % 7 == 0 else None for n in rows], pa.float64()),
            "price": pa.array([Decimal(n - 500).scaleb(-2) for n in rows], pa.decimal128(9, 2)),
            "day": pa.array([begin.date() + dt.timedelta(n // 10) for n in rows], pa.date32()),
            "moment": pa.array(
                [utc + dt.timedelta(hours=n) for n in rows], pa.timestamp("us", "UTC")
            ),
            "local": pa.array([begin + dt.timedelta(hours=n) for n in rows], pa.timestamp("us")),
            "raw": pa.array([n.to_bytes(3, "big") for n in rows], pa.binary()),
            "many": pa.array([list(range(n % 4)) if n % 5 else None for n in rows]),
            "pair": pa.array([{"a": n, "b": str(n)} if n % 3 else None for n in rows]),
        }
    )


def scanned(found: Any) -> int:
    """Return how many rows Spark took from a file, to find what it has found there."""
    plan = found._jdf.queryExecution().executedPlan()
    while plan.children().size():
        plan = plan.children().apply(0)
    return int(plan.metrics().apply("numOutputRows").value())


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "lz4", "none"])
def test_spark_reads_every_codec_that_it_has(
    codec: str, spark: Any, table: pa.Table, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    options = {"page_index": True, "bloom_filter": ["n", "odd", *INDEXED]}
    run(table, path, compression=codec, row_group_size=GROUP, **options)
    assert pq.read_metadata(path).num_row_groups == ROWS // GROUP
    back = spark.read.parquet(str(path)).toArrow()
    assert back.column_names == table.column_names
    for name in table.column_names:
        assert back[name].to_pylist() == table[name].to_pylist(), name


def test_brotli_is_for_a_spark_with_its_codec(spark: Any, table: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    run(table, path, compression="brotli", row_group_size=GROUP)
    frame = spark.read.parquet(str(path))
    assert frame.count() == ROWS  # the footer tells it
    with pytest.raises(Exception, match=r"BrotliCodec was not found|FAILED_READ_FILE"):
        frame.collect()


# ---- what is skipped ----

WHERES = [
    "n = 12345",
    "n between 15990 and 16010",  # at the end of a unit
    "n > 39990 or n < 10",
    "n in (0, 999, 1000, 31999, 32000, 39999, 50000)",
    "n < 0",
    "odd = 4001",
    "odd = 4000",
    "text = 'row 7' and n < 5000",
    "text like 'row 9%' and n >= 35000",
    "text is null and n between 900 and 1100",
    "text > 'row 96'",
    "sparse is null and n < 20",
    "sparse between 4000.0 and 4010.0",
    "price = 42.42",
    "price < -4.95",
    "day = date '2004-06-01'",
    "moment between timestamp '2003-01-01 00:00:00+00' and timestamp '2003-01-02 12:00:00+00'",
    "local >= cast('2005-07-24 12:00:00' as {local})",
    "many is null and n < 100",
    "pair.a = 31999",
    "pair is null and n > 39990",
]
OPTIONS: dict[str, dict[str, Any]] = {
    "usual": {},
    "index": {"page_index": True},
    "bloom": {"statistics": False, "bloom_filter": INDEXED},
    "all": {"page_index": True, "bloom_filter": INDEXED, "compression": "snappy"},
    "none": {"statistics": False, "dictionary": False},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_filters_find_in_spark_what_they_find_elsewhere(
    name: str, spark: Any, table: pa.Table, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    run(table, path, row_group_size=GROUP, **OPTIONS[name])
    frame = spark.read.parquet(str(path)).select("n", *INDEXED, "many", "pair")
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.register("rows_of_it", table)
    for where in WHERES:
        query = f"select n from rows_of_it where {where.format(local='timestamp')} order by n"
        expected = [n for (n,) in connection.execute(query).fetchall()]
        found = frame.where(where.format(local="timestamp_ntz"))
        assert sorted(row["n"] for row in found.collect()) == expected, where


@pytest.mark.parametrize(
    ("options", "where", "rows", "most"),
    [
        ({}, "n = 12345", 1, GROUP),
        ({}, "n between 15990 and 16010", 21, 2 * GROUP),
        ({}, "n < 0", 0, 0),
        ({}, "day = date '2004-06-01'", 10, GROUP),
        ({}, "price = 42.42", 1, GROUP),
        ({}, "text = 'row 7' and n < 500", 5, GROUP),
        ({"statistics": False}, "n = 12345", 1, ROWS),
        ({"statistics": False, "bloom_filter": ["n"]}, "n = 12345", 1, 4 * GROUP),
        ({"bloom_filter": ["odd"]}, "odd = 4001", 1, 4 * GROUP),
        ({"bloom_filter": ["odd"]}, "odd = 4000", 0, 4 * GROUP),
        ({"bloom_filter": ["text"]}, "text = 'row 7a'", 0, 4 * GROUP),
    ],
)
def test_spark_skips_row_groups(
    options: dict[str, Any],
    where: str,
    rows: int,
    most: int,
    spark: Any,
    table: pa.Table,
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.parquet"
    run(table, path, row_group_size=GROUP, **options)
    found = spark.read.parquet(str(path)).where(where)
    assert len(found.collect()) == rows
    assert scanned(found) <= most
    if most == ROWS:
        assert scanned(found) == ROWS  # nothing tells where it is


@pytest.mark.parametrize("index", [False, True])
def test_the_page_index_leads_spark_to_its_rows(
    index: bool,  # noqa: FBT001
    spark: Any,
    tmp_path: Path,
) -> None:
    rows, path = 600_000, tmp_path / "a.parquet"
    n = np.arange(rows)
    table = pa.table({"n": n, "twice": 2 * n, "text": [f"row {each}" for each in n.tolist()]})
    run(table, path, page_index=index)
    groups = pq.read_metadata(path)
    assert groups.num_row_groups > 2
    # In the last group, whose index and pages lie behind two others.
    found = spark.read.parquet(str(path)).where("n between 590000 and 590009 and twice > 1180008")
    assert [row["text"] for row in found.collect()] == [f"row {590_005 + k}" for k in range(5)]
    whole = groups.row_group(groups.num_row_groups - 1).num_rows
    if index:
        assert scanned(found) < whole
    else:
        assert scanned(found) == whole


# ---- what was written in several goes ----


def test_spark_reads_a_file_that_was_gone_on_with(
    spark: Any, table: pa.Table, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    options = {"page_index": True, "bloom_filter": ["n", "text"], "row_group_size": GROUP}

    def batches() -> Iterator[pa.RecordBatch]:
        yield from table.slice(0, 2 * UNIT).to_batches()
        raise ConnectionError("gone")

    with pytest.raises(SourceError):
        run(pa.RecordBatchReader.from_batches(table.schema, batches()), path, **options)
    assert run(table, path, **options).reused == 2 * UNIT
    frame = spark.read.parquet(str(path))
    assert frame.toArrow()["n"].to_pylist() == list(range(ROWS))
    found = frame.where("n between 31990 and 32010 and text is not null")
    expected = [n for n in range(31_990, 32_011) if n % 13]
    assert [row["n"] for row in found.collect()] == expected
    # And more rows, behind those which stand.
    longer = pa.concat_tables([table, table.slice(0, UNIT)])
    assert run(longer, path, **options).reused == ROWS
    frame = spark.read.parquet(str(path))
    assert frame.count() == ROWS + UNIT
    assert len(frame.where("n = 12345").collect()) == 2


# ---- types ----

moment = dt.datetime.fromisoformat
NESTED = pa.struct([("x", pa.int64()), ("l", pa.list_(pa.string()))])
# The type, what Spark takes it for, and two values, between which one is missing.
TYPES: dict[str, tuple[pa.DataType, str, list[Any]]] = {
    "int8": (pa.int8(), "tinyint", [-128, 127]),
    "int16": (pa.int16(), "smallint", [-(2**15), 5]),
    "int32": (pa.int32(), "int", [-(2**31), 5]),
    "int64": (pa.int64(), "bigint", [-(2**63), 2**63 - 1]),
    # What has no sign gets more room, as Spark has none such.
    "uint8": (pa.uint8(), "smallint", [255, 0]),
    "uint16": (pa.uint16(), "int", [2**16 - 1, 0]),
    "uint32": (pa.uint32(), "bigint", [2**32 - 1, 0]),
    "uint64": (pa.uint64(), "decimal(20,0)", [2**64 - 1, 0]),
    "float": (pa.float32(), "float", [1.5, -0.25]),
    "double": (pa.float64(), "double", [1e300, float("-inf")]),
    "bool": (pa.bool_(), "boolean", [True, False]),
    "string": (pa.string(), "string", ["", "日本"]),
    "large string": (pa.large_string(), "string", ["a", ""]),
    "string view": (pa.string_view(), "string", ["a", "longer than twelve bytes"]),
    "category": (pa.dictionary(pa.int8(), pa.string()), "string", ["b", "a"]),
    "binary": (pa.binary(), "binary", [b"\0\xff", b""]),
    "binary of a size": (pa.binary(3), "binary", [b"abc", bytes(3)]),
    "small decimal": (pa.decimal128(5, 2), "decimal(5,2)", [Decimal("123.45"), Decimal("-1.00")]),
    "decimal": (pa.decimal128(18, 4), "decimal(18,4)", [Decimal("1.0001"), Decimal(-(10**13))]),
    "large decimal": (
        pa.decimal128(38, 10),
        "decimal(38,10)",
        [Decimal(10**27), Decimal("-1E-10")],
    ),
    "decimal of a negative scale": (
        pa.decimal128(5, -2),
        "decimal(7,0)",
        [Decimal(100), Decimal(-300)],
    ),
    "date": (pa.date32(), "date", [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "date64": (pa.date64(), "date", [dt.date(1950, 1, 1), dt.date(2024, 2, 29)]),
    "local s": (
        pa.timestamp("s"),
        "timestamp_ntz",
        [moment("1900-01-01T00:00:00"), moment("2024-02-29T01:02:03")],
    ),
    "local ms": (
        pa.timestamp("ms"),
        "timestamp_ntz",
        [moment("1582-10-10T00:00:00"), moment("2024-02-29T01:02:03.004000")],
    ),
    "local us": (
        pa.timestamp("us"),
        "timestamp_ntz",
        [moment("0001-01-01T00:00:00"), moment("9999-12-31T23:59:59.999999")],
    ),
    "moment ms": (
        pa.timestamp("ms", "UTC"),
        "timestamp",
        [moment("1800-01-01T00:00:00Z"), moment("2024-07-29T01:02:03.004000Z")],
    ),
    "moment us": (
        pa.timestamp("us", "Europe/Berlin"),
        "timestamp",
        [moment("1900-01-01T00:00:00Z"), moment("2024-07-29T01:02:03.004005Z")],
    ),
    "list": (pa.list_(pa.int32()), "array<int>", [[1, None], []]),
    "large list": (pa.large_list(pa.string()), "array<string>", [["a", None], []]),
    "list of a size": (pa.list_(pa.int16(), 2), "array<smallint>", [[1, 2], [3, None]]),
    "struct": (
        NESTED,
        "struct<x:bigint,l:array<string>>",
        [{"x": 1, "l": None}, {"x": None, "l": ["b"]}],
    ),
    "structs": (
        pa.list_(NESTED),
        "array<struct<x:bigint,l:array<string>>>",
        [[{"x": 1, "l": ["a", None]}, None], []],
    ),
    "map": (pa.map_(pa.string(), pa.int32()), "map<string,int>", [[("a", 1), ("b", None)], []]),
    "map of lists": (
        pa.map_(pa.int32(), pa.list_(pa.date32())),
        "map<int,array<date>>",
        [[(1, [dt.date(2024, 1, 1), None])], []],
    ),
    "nothing": (pa.null(), "int", [None, None]),
    # Only Arrow's schema in the file tells that they are durations; Spark sees their numbers.
    "duration": (
        pa.duration("us"),
        "bigint",
        [dt.timedelta(days=1), dt.timedelta(microseconds=-5)],
    ),
}


def test_spark_reads_every_type_that_it_has(spark: Any, tmp_path: Path) -> None:
    path, rows = tmp_path / "a.parquet", 3 * UNIT // 2
    columns = {
        name: pa.array([values[0], None, values[1]] * (rows // 3), kind)
        for name, (kind, _, values) in TYPES.items()
    }
    run(pa.table(columns), path, row_group_size=GROUP, page_index=True)
    frame = spark.read.parquet(str(path))
    names = {field.name: field.dataType.simpleString() for field in frame.schema}
    assert names == {name: seen for name, (_, seen, _) in TYPES.items()}
    back = frame.toArrow()
    for name, column in columns.items():
        wanted = column.cast(pa.int64()) if name == "duration" else column
        assert back[name].to_pylist() == wanted.to_pylist(), name


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (pa.float16(), np.float16(1.5), "FLOAT16"),
        (pa.decimal256(39, 2), Decimal(1), "precision 39 exceeds max precision 38"),
        (pa.timestamp("ns"), moment("2024-01-01T00:00:00"), r"TIMESTAMP\(NANOS,false\)"),
        (
            pa.timestamp("ns", "UTC"),
            moment("2024-01-01T00:00:00Z"),
            r"TIMESTAMP\(NANOS,true\)",
        ),
        (pa.time32("ms"), dt.time(1, 2, 3), "TIME"),
        (pa.time64("us"), dt.time(1, 2, 3), "TIME"),
    ],
)
def test_what_spark_has_no_type_for(
    kind: pa.DataType, value: object, said: str, spark: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"n": [1], "v": pa.array([value], kind)})
    run(table, path)
    with pytest.raises(Exception, match=said):
        spark.read.parquet(str(path)).collect()
    if pa.types.is_timestamp(kind):  # as it is with pandas' own, unless they are made coarser
        run(table.set_column(1, "v", table["v"].cast(pa.timestamp("us", kind.tz))), path)
        assert spark.read.parquet(str(path)).toArrow()["v"].to_pylist() == table["v"].to_pylist()

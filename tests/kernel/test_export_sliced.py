"""Plans over files that are run slice by slice: the same rows as polars gives as a whole."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from progresswidget.errors import SourceChangedError
from progresswidget.export.sources import sliced as module
from progresswidget.export.sources import sliced_arrow as arrow
from progresswidget.export.sources.lazy import read
from progresswidget.export.sources.sliced import sliced

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


pytestmark = pytest.mark.skipif(
    int(pl.__version__.split(".")[0]) < 2, reason="plans are serialised in another way"
)

ROWS = 3_000
GROUP, BATCH = 400, 250


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE_BYTES", 5_000)
    monkeypatch.setattr(module, "AGAIN", 0)
    monkeypatch.setattr(arrow, "ARROW_BYTES", 5_000)
    monkeypatch.setattr(arrow, "BATCH_BYTES", 5_000)
    monkeypatch.setattr(arrow, "FRAME_BYTES", 5_000)


def make(start: int) -> pl.DataFrame:
    """Return some rows of every sort of type, with missing values among them."""
    n = pl.int_range(start, start + ROWS)
    day = pl.lit(dt.date(2020, 2, 28))
    words = pl.concat_str(pl.lit("word"), n % 7)
    missing = n % 11 == 0
    return pl.select(
        n=n,
        x=pl.when(missing).then(None).otherwise(n / 3),
        text=pl.when(missing).then(None).otherwise(pl.concat_str(pl.lit("täxt "), n)),
        word=words.cast(pl.Categorical),
        choice=words.cast(pl.Enum([f"word{each}" for each in range(7)])),
        day=day + pl.duration(days=n % 400),
        moment=(day + pl.duration(days=n)).cast(pl.Datetime("us", "Europe/Berlin")),
        flag=n % 3 == 0,
        many=pl.concat_list(n, n * 2),
        pair=pl.struct(a=n, b=words),
        price=(n % 1000).cast(pl.Decimal(12, 2)),
    )


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write a file of the kind that its name tells."""
    if path.suffix == ".parquet":
        frame.write_parquet(path, row_group_size=GROUP)
    else:
        compression: Any = "uncompressed" if path.suffix == ".arrow" else path.suffix[1:]
        frame.write_ipc(path, compression=compression, record_batch_size=BATCH)


@pytest.fixture(params=["parquet", "arrow", "lz4"])
def files(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a folder of partitions, with row groups that no slice ends with."""
    for number, key in enumerate("ab"):
        folder = tmp_path / "files" / f"key={key}"
        folder.mkdir(parents=True)
        write(make(number * ROWS), folder / f"0.{request.param}")
    return tmp_path / "files"


def first(files: Path) -> Path:
    """Return the first of the files."""
    return next((files / "key=a").glob("0.*"))


def rows_of(query: pl.LazyFrame) -> pl.DataFrame:
    batches = list(read(query, None).batches())  # type: ignore[arg-type]
    whole = pl.from_arrow(batches)
    assert isinstance(whole, pl.DataFrame)
    return whole


def scan(files: Path, **options: Any) -> pl.LazyFrame:
    return scan_of(files)(files, **options)


def scan_of(files: Path) -> Callable[..., pl.LazyFrame]:
    """Return what reads the files of a folder."""
    return pl.scan_parquet if first(files).suffix == ".parquet" else pl.scan_ipc


n, x, text = pl.col("n"), pl.col("x"), pl.col("text")

ROW_BY_ROW: dict[str, Callable[[Path], pl.LazyFrame]] = {
    "bare": scan,
    "pattern": lambda files: scan_of(files)(files / "*" / "0.*"),
    "one file": lambda files: scan_of(files)(first(files)),
    "select": lambda files: scan(files).select("text", "n", "key"),
    "nested only": lambda files: scan(files).select("pair", "many"),
    "expressions": lambda files: scan(files).select(
        n * 2, up=text.str.to_uppercase(), part=pl.col("pair").struct.field("b")
    ),
    "with columns": lambda files: scan(files).with_columns(
        y=pl.when(x > 5).then(n).otherwise(None), text=text.str.head(3)
    ),
    "a constant": lambda files: scan(files).with_columns(y=pl.lit("ü")),
    "filter": lambda files: scan(files).filter(n % 7 != 3),
    "filter of a new column": lambda files: (
        scan(files).with_columns(y=n * 3).filter(pl.col("y") % 5 != 0)
    ),
    "filters": lambda files: scan(files).filter(n > 5).filter(~text.str.ends_with("7")).drop("n"),
    "is in": lambda files: scan(files).filter(
        pl.col("word").is_in(["word1", "word3", "word4", "word5"])
    ),
    "drop missing": lambda files: scan(files).drop_nulls("x"),
    "fill missing": lambda files: scan(files).fill_null(0),
    "rename": lambda files: scan(files).rename({"n": "m"}).drop("text").rename({"x": "y"}),
    "renamed selection": lambda files: scan(files).select(pl.all().name.suffix("_")),
    "cast": lambda files: scan(files).cast({"n": pl.String, "x": pl.Float32}),
    "paths": lambda files: scan(files, include_file_paths="path"),
    "row numbers": lambda files: scan(files, row_index_name="row", row_index_offset=3),
    "row numbers and a filter": lambda files: scan(files, row_index_name="row").filter(n % 5 != 1),
    "no partitions": lambda files: scan(files, hive_partitioning=False),
    "nan": lambda files: scan(files).with_columns(y=x * float("nan"), z=pl.lit(1e-300)),
}

AS_A_WHOLE: dict[str, Callable[[Path], pl.LazyFrame]] = {
    "head": lambda files: scan(files).head(1_000),
    "head of a filter": lambda files: scan(files).filter(n % 2 == 0).head(1_000),
    "slice": lambda files: scan(files).slice(100, 2_500),
    "tail": lambda files: scan(files).tail(1_000),
    "first rows": lambda files: scan(files, n_rows=2_000),
    "sum so far": lambda files: scan(files).with_columns(y=n.cum_sum()),
    "the row before": lambda files: scan(files).select(n, y=n.shift(1)),
    "mean": lambda files: scan(files).with_columns(y=n.mean()),
    # polars opens no other file for it, and with slices it would.
    "filter by the partition": lambda files: scan(files).filter(pl.col("key") == "b"),
    "filter by the mean": lambda files: scan(files).filter(n > n.mean()),
    "filter by the row before": lambda files: scan(files).filter(n.diff() > 0),
    "window": lambda files: scan(files).with_columns(y=n.sum().over("word")),
    "sum": lambda files: scan(files).select(n.sum()),
    "length": lambda files: scan(files).select(pl.len()),
    "only a constant": lambda files: scan(files).select(pl.lit(1)),
    "a series": lambda files: scan(files).with_columns(y=pl.Series(range(2 * ROWS))),
    "numbers": lambda files: scan(files).with_columns(y=pl.int_range(pl.len())),
    "numbers of a filter": lambda files: scan(files).filter(n % 2 == 0).with_row_index(),
    "backwards": lambda files: scan(files).reverse(),
    "sort": lambda files: scan(files).sort("text", "n"),
    "sort and filter": lambda files: scan(files).sort("word", "n").filter(n % 2 == 0),
    "groups": lambda files: scan(files).group_by("day", maintain_order=True).agg(n.sum()),
    "explode": lambda files: scan(files).explode("many"),
    "unique": lambda files: scan(files).unique("day", keep="first", maintain_order=True),
    "join": lambda files: scan(files).join(
        scan(files).select("n", y=n * 2), on="n", maintain_order="left"
    ),
    "join with a frame": lambda files: scan(files).join(
        pl.LazyFrame({"n": range(0, 9_000, 3)}), on="n", maintain_order="left"
    ),
    "one after the other": lambda files: pl.concat([scan(files), scan(files).filter(n > 9)]),
    "is in all": lambda files: scan(files).filter(n.is_in((n * 2).implode())),
    "names by Python": lambda files: scan(files).rename(lambda name: f"{name}_"),
    "a function of Python": lambda files: scan(files).with_columns(
        y=text.map_elements(lambda each: each[::-1], return_dtype=pl.String)
    ),
    "batches of Python": lambda files: scan(files).map_batches(lambda frame: frame),
    "an open file": lambda files: scan_of(files)(first(files).open("rb")),
    "bytes": lambda files: scan_of(files)(first(files).read_bytes()),
    "no file of Parquet": lambda _: pl.LazyFrame({"a": range(1_000)}),
}


FILTERS = {
    "of a few": n % 7 == 3,
    "of some row groups": n.is_between(700, 1_950),
    "of nearly all": n == ROWS + 1_234,
    "of all": n < 0,
    "of the first rows": n >= 1_000,
    "of the last rows": text.str.len_chars() < 9,
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_that_leaves_few_rows_is_left_to_polars(
    files: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = scan(files).filter(FILTERS[name]).with_columns(y=n * 2)
    assert sliced(query) is None
    monkeypatch.setattr(module, "_keeps_most", lambda *_: True)
    slices = sliced(query)
    assert slices is not None
    assert_frame_equal(pl.concat(plan.collect() for plan in slices.plans()), query.collect())


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_a_plan_that_goes_row_by_row_gives_the_same_in_slices(files: Path, name: str) -> None:
    query = ROW_BY_ROW[name](files)
    slices = sliced(query)
    assert slices is not None
    assert len(slices.ranges) > 10
    rows = [rows for _, rows in slices.ranges]
    assert [start for start, _ in slices.ranges] == [sum(rows[:at]) for at in range(len(rows))]
    assert_frame_equal(pl.concat(plan.collect() for plan in slices.plans()), query.collect())
    assert_frame_equal(rows_of(query), query.collect(), categorical_as_str=True, check_dtypes=False)


@pytest.mark.parametrize("name", AS_A_WHOLE)
@pytest.mark.filterwarnings("ignore")  # of polars, which advises against functions of Python
def test_any_other_plan_is_run_as_a_whole(files: Path, name: str) -> None:
    query = AS_A_WHOLE[name](files)
    assert sliced(query) is None
    if name != "an open file":  # which is read once
        wanted = query.collect()
        assert_frame_equal(rows_of(query), wanted, categorical_as_str=True, check_dtypes=False)


@pytest.mark.parametrize("files", ["parquet"], indirect=True)
def test_columns_that_a_file_lacks_are_missing_in_slices_too(files: Path) -> None:
    make(0).drop("text").write_parquet(files / "key=b" / "1.parquet", row_group_size=GROUP)
    query = scan(files, missing_columns="insert")
    slices = sliced(query)
    assert slices is not None
    assert_frame_equal(pl.concat(plan.collect() for plan in slices.plans()), query.collect())


def test_only_the_columns_that_are_read_count(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "ARROW_BYTES", 30_000)
    narrow, wide = sliced(scan(files).select("n", "x", "text")), sliced(scan(files))
    assert narrow is not None
    assert wide is not None
    assert len(narrow.ranges) < len(wide.ranges)


def test_small_row_groups_are_left_to_polars(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE_BYTES", 1_000_000)
    monkeypatch.setattr(arrow, "BATCH_BYTES", 1_000_000)
    assert sliced(scan(files)) is None


@pytest.mark.parametrize("files", ["parquet"], indirect=True)
def test_row_groups_that_would_be_decoded_again_and_again_are_left_to_polars(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN", 8)
    assert sliced(scan(files)) is None


def test_many_files_are_left_to_polars(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILES", 1)
    assert sliced(scan(files)) is None


@pytest.mark.parametrize("files", ["parquet"], indirect=True)
def test_many_columns_are_left_to_polars(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOOTERS", 1_000)
    assert sliced(scan(files)) is None


def test_a_plan_that_polars_cannot_take_apart_is_run_as_a_whole(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = scan(files).collect()
    monkeypatch.delattr(pl.LazyFrame, "serialize")
    assert_frame_equal(rows_of(scan(files)), wanted, categorical_as_str=True, check_dtypes=False)


@pytest.mark.parametrize("change", ["touched", "replaced", "removed", "another"])
def test_files_that_change_meanwhile_are_told(files: Path, change: str) -> None:
    batches = read(scan(files), None).batches()  # type: ignore[arg-type]
    next(batches)
    path = files / "key=b" / first(files).name
    if change == "touched":
        os.utime(path, ns=(1, 1))
    elif change == "replaced":
        write(make(7), files.parent / path.name)
        (files.parent / path.name).rename(path)
    elif change == "another":
        write(make(7), path.with_stem("1"))
    else:
        path.rename(files.parent / "gone")
    with pytest.raises(SourceChangedError):
        list(batches)

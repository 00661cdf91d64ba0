"""The record batches of Arrow files, which slices of plans of polars begin with."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from progresswidget.export.sources import sliced as slices_of_plans
from progresswidget.export.sources import sliced_arrow as module
from progresswidget.export.sources.lazy import read
from progresswidget.export.sources.sliced import sliced
from progresswidget.export.sources.sliced_arrow import arrow_ranges

if TYPE_CHECKING:
    from pathlib import Path

needs_slices = pytest.mark.skipif(
    int(pl.__version__.split(".")[0]) < 2, reason="plans are serialised in another way"
)

ROWS = [700, 1, 300, 500]
COMPRESSIONS = [None, "lz4", "zstd"]
PADDING = 7 * 64
"""Bytes between the buffers of a column, at most."""
LONG = "a text that is longer than a view holds "


def table(rows: int) -> pa.RecordBatch:
    """Return rows of every sort of type that Arrow writes in a way of its own."""
    numbers = range(rows)
    texts = [None if n % 5 == 0 else LONG + str(n % 9) for n in numbers]
    day = dt.date(2020, 1, 1)
    columns: dict[str, Any] = {
        "n": pa.array(numbers, pa.int64()),
        "nothing": pa.nulls(rows),
        "flag": pa.array([n % 3 == 0 for n in numbers]),
        "text": pa.array(texts, pa.string()),
        "large": pa.array(texts, pa.large_string()),
        "view": pa.array(texts, pa.string_view()),
        "views": pa.array([[text, text] for text in texts], pa.list_(pa.string_view())),
        "bytes": pa.array([b"xy"] * rows, pa.binary(2)),
        "day": pa.array([day] * rows),
        "price": pa.array([Decimal("1.25")] * rows),
        "pair": pa.array([{"a": n, "b": "x" * 40} for n in numbers]),
        "three": pa.array([[n, n, n] for n in numbers], pa.list_(pa.int32(), 3)),
        "map": pa.array([[("k", n)] for n in numbers], pa.map_(pa.string(), pa.int64())),
        "word": pa.DictionaryArray.from_arrays(
            pa.array([n % 2 for n in numbers], pa.int8()), ["a", "b"]
        ),
        "random": pa.array([hash((n, 1.5)) for n in numbers], pa.int64()),
    }
    return pa.record_batch(columns)


def write(path: Path, compression: Any, **options: Any) -> list[pa.RecordBatch]:
    """Write a file of several record batches, and return them."""
    batches = [table(rows) for rows in ROWS]
    settings = pa.ipc.IpcWriteOptions(compression=compression, **options)
    with pa.ipc.new_file(path, batches[0].schema, options=settings) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return batches


def held(batch: pa.RecordBatch) -> int:
    """Return the bytes that follow the description of a batch in a file that is not compressed."""
    return len(pa.ipc.read_message(batch.serialize()).body)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 1_000)
    monkeypatch.setattr(module, "ARROW_BYTES", 1_000)


@pytest.mark.parametrize("options", [{}, {"use_legacy_format": True}])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_rows_and_bytes_of_record_batches_are_found_in_front_of_them(
    tmp_path: Path, compression: str | None, options: dict[str, Any]
) -> None:
    path = tmp_path / "file.arrow"
    batches = write(path, compression, **options)
    names = batches[0].schema.names
    for columns in (names, ["n"], ["view", "pair"], ["views", "random"], ["nothing"]):
        found = list(module._File(str(path), [*columns, "absent"]).batches())
        assert [batch.rows for batch in found] == ROWS
        assert {batch.compressed for batch in found} == {compression is not None}
        for batch, whole in zip(found, batches, strict=True):
            wanted = held(whole.select(columns))
            assert wanted - PADDING * len(columns) <= batch.size <= wanted + PADDING * len(columns)


@needs_slices
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_slices_begin_with_record_batches_that_are_decoded_as_a_whole(
    tmp_path: Path, compression: str | None
) -> None:
    write(tmp_path / "file.arrow", compression)
    columns = ["n", "text", "day", "random"]
    ranges, rows_apart = arrow_ranges([str(tmp_path / "file.arrow")] * 2, columns)
    assert (rows_apart is None) == (compression is None)
    starts = {sum((ROWS * 2)[:at]) for at in range(len(ROWS) * 2)}
    if compression is None:
        assert len(ranges) > 50
    else:
        assert {start for start, _ in ranges} <= starts
        assert len(ranges) >= 6
    assert sum(rows for _, rows in ranges) == 2 * sum(ROWS)
    query = pl.scan_ipc([tmp_path / "file.arrow"] * 2).select(columns)
    slices = sliced(query)
    assert slices is not None
    assert_frame_equal(pl.concat(plan.collect() for plan in slices.plans()), query.collect())


@needs_slices
def test_no_row_that_is_handed_on_holds_a_record_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "file.arrow", "lz4")
    monkeypatch.setattr(module, "FRAME_BYTES", 1_000)
    columns = ["n", "text", "view", "flag", "bytes"]
    query = pl.scan_ipc(tmp_path / "file.arrow").select(columns).filter(pl.col("n") % 9 > 0)
    held = [
        sum(buffer.size for array in batch.columns for buffer in array.buffers() if buffer)
        for batch in read(query, None).batches()  # type: ignore[arg-type]
    ]
    assert len(held) > 100
    assert max(held) < 20_000


def test_large_dictionaries_are_left_to_polars(tmp_path: Path) -> None:
    words = pa.array([f"{LONG}{n}" for n in range(110_000)])
    for name, column in (("few", ["a"]), ("many", words)):
        batch = pa.record_batch({"a": pa.DictionaryArray.from_arrays([0] * 2_000, column)})
        with pa.ipc.new_file(tmp_path / name, batch.schema) as writer:
            writer.write_batch(batch)
    assert len(arrow_ranges([str(tmp_path / "few")], None)[0]) > 2
    assert arrow_ranges([str(tmp_path / "many")], None) == ([], None)


@needs_slices
def test_no_row_is_left_out_whatever_was_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "file.arrow", "lz4")
    query = pl.scan_ipc(tmp_path / "file.arrow").select("n", "text")
    monkeypatch.setattr(slices_of_plans, "arrow_ranges", lambda *_: ([(0, 5), (5, 10)], 3))
    whole = pl.concat(map(pl.from_arrow, read(query, None).batches()))  # type: ignore[arg-type]
    assert_frame_equal(whole, query.collect())


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_small_record_batches_of_small_files_are_left_to_polars(
    tmp_path: Path, compression: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "file.arrow")
    write(tmp_path / "file.arrow", compression)
    assert len(arrow_ranges([path], ["text"])[0]) > 2
    monkeypatch.setattr(module, "BATCH_BYTES", 100_000)
    assert arrow_ranges([path], ["text"]) == ([], None)
    monkeypatch.setattr(module, "FILE_BYTES", 1_000)
    assert len(arrow_ranges([path], ["text"])[0]) > 2


def test_record_batches_that_are_described_at_length_are_left_to_polars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "file.arrow", None)
    monkeypatch.setattr(module, "METADATA", 1_000)
    assert arrow_ranges([str(tmp_path / "file.arrow")], None) == ([], None)


def test_types_that_polars_does_not_read_are_not_counted(tmp_path: Path) -> None:
    batch = pa.record_batch({"a": pa.nulls(10, pa.run_end_encoded(pa.int32(), pa.int64()))})
    with pa.ipc.new_file(tmp_path / "file.arrow", batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(ValueError, match="does not read"):
        arrow_ranges([str(tmp_path / "file.arrow")], None)


@pytest.mark.parametrize("cut", [3, 10, 200])
def test_a_damaged_file_is_left_to_polars(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "file.arrow"
    write(path, "lz4")
    query = pl.scan_ipc(path).select("n")
    query.collect_schema()
    path.write_bytes(path.read_bytes()[:-cut])
    assert sliced(query) is None
    with pytest.raises(ValueError, match="no Arrow file"):
        arrow_ranges([str(path)], None)

"""Arrow streams and Feather files, read by pyarrow, polars and pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pytest

from progresswidget.errors import ColumnError, OptionError
from progresswidget.export.formats import FORMATS
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers import Heading, Placed

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.export.writers import Writer

ROWS = 200_000


def frame() -> pl.DataFrame:
    # 65,536 rows of it are a batch, each with a dictionary of its own.
    return pl.DataFrame(
        {
            "category": pl.Series([f"k{row // 1000}" for row in range(ROWS)], dtype=pl.Categorical),
            "level": pl.Series(["low", "high"] * (ROWS // 2), dtype=pl.Enum(["low", "high"])),
            "text": [None if row % 7 == 0 else f"row {row}" for row in range(ROWS)],
            "number": range(ROWS),
        }
    )


def write(given: Any, path: Path, **options: Any) -> Path:
    return Export(given, path, options=options).run(Progress()).path


def make(format: str, schema: pa.Schema) -> Writer:
    row = FORMATS[format]
    values = {option.name: option.default for option in row.options}
    return row.make([Heading("t", schema)], values)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_polars_reads_what_it_gave(compression: str | None, tmp_path: Path) -> None:
    given = frame()
    file = write(given, tmp_path / "t.feather", compression=compression)
    stream = write(given, tmp_path / "t.arrows", compression=compression)
    for back in (pl.read_ipc(file), pl.scan_ipc(file).collect(), pl.read_ipc_stream(stream)):
        assert back.schema == given.schema
        assert back.equals(given)


def test_pyarrow_finds_both_valid_and_pandas_finds_categories(tmp_path: Path) -> None:
    given = frame()
    path = write(given, tmp_path / "t.arrow")
    with pa.ipc.open_file(path) as file:
        table = file.read_all()
    table.validate(full=True)
    assert table.num_rows == ROWS
    assert {len(c.dictionary) for c in table["category"].chunks} == {200}
    assert pd.read_feather(path)["category"].tolist() == given["category"].to_list()
    with pa.ipc.open_stream(write(given, tmp_path / "t.arrows")) as stream:
        stream.read_all().validate(full=True)


@pytest.mark.parametrize("format", ["arrows", "feather"])
def test_units_stand_alone(format: str) -> None:
    table = pa.table({"n": list(range(40)), "t": [f"x{row}" for row in range(40)]})
    first, second = table.slice(0, 20).to_batches(), table.slice(20).to_batches()
    before, after = make(format, table.schema), make(format, table.schema)
    assert before.resumable
    units = [before.encode(first, 0, 0), after.encode(second, 20, 0)]
    head = b"".join(after.head())
    placed, body = [], b""
    for unit in units:
        data = b"".join(unit.pieces)
        placed.append(Placed(0, 20, len(head) + len(body), len(data), unit.note))
        body += data
    whole = head + body + b"".join(after.tail(placed, len(head) + len(body)))
    read = pa.ipc.open_stream if format == "arrows" else pa.ipc.open_file
    assert read(whole).read_all().equals(table)


@pytest.mark.parametrize("ending", ["arrows", "feather"])
def test_no_rows_and_no_columns(ending: str, tmp_path: Path) -> None:
    read = pa.ipc.open_stream if ending == "arrows" else pa.ipc.open_file
    for table in (pa.table({}), pa.table({"c": pa.nulls(0, pa.dictionary(pa.int8(), "string"))})):
        back = read(write(table, tmp_path / f"t.{ending}").read_bytes()).read_all()
        assert (back.num_rows, back.column_names) == (0, table.column_names)


def test_a_slice_of_views_leaves_the_rest_of_its_parent_behind(tmp_path: Path) -> None:
    parent = pa.array([f"a text longer than a view {row}" for row in range(10_000)])
    table = pa.table({"v": parent.cast(pa.string_view()).slice(5_000, 10)})
    path = write(table, tmp_path / "t.feather", compression="none")
    assert path.stat().st_size < 4_000
    assert pl.read_ipc(path)["v"].to_list() == table["v"].to_pylist()


def test_big_buffers_are_those_of_the_frame() -> None:
    table = pa.table({"n": pa.array(range(100_000), pa.int64())})
    encoded = make("arrows", table.schema).encode(table.to_batches(), 0, 0)
    addresses = {piece.address for piece in encoded.pieces if isinstance(piece, pa.Buffer)}
    assert table["n"].chunk(0).buffers()[1].address in addresses


def test_ordered_categories_that_differ_are_refused_in_a_file(tmp_path: Path) -> None:
    kind = pa.dictionary(pa.int8(), pa.string(), ordered=True)
    chunks = [
        pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int8()), [text], ordered=True)
        for text in "ab"
    ]
    table = pa.table({"c": pa.chunked_array(chunks, kind)})
    with pytest.raises(ColumnError, match="'c' has ordered categories that differ"):
        write(table, tmp_path / "t.feather")
    assert list(tmp_path.iterdir()) == []


def test_a_level_is_refused_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="has no levels"):
        Export(pa.table({"n": [1]}), tmp_path / "t.feather", options={"compression_level": 3})
    options = {"compression": "zstd", "compression_level": 99}
    with pytest.raises(OptionError, match="must be"):
        Export(pa.table({"n": [1]}), tmp_path / "t.feather", options=options)
